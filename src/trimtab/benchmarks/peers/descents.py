"""A minimiser that calls for values, turned into asks and tells: it runs in a thread and waits for each value.

What a hypergradient is commonly used for: descent from a point, in coordinates scaled to the unit interval (logarithmic
where the parameter is). The first start is the middle, and wherever a descent ends the next one starts at a uniform
draw. Real numbers only, one trial at a time.

A point outside the box stands for the nearest one inside, with that one's value and gradient, so that a minimiser
without bounds is projected lazily: it keeps its own path, and its trials are the projections. A point that is called
for again is no second trial. Standard library only.
"""

from __future__ import annotations

import atexit
import importlib
import math
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["PENALTY", "Descents", "Point", "Value"]

Point = tuple[float, ...]
Value = Callable[[Sequence[float]], tuple[float, Point]]
"""What a minimiser calls: a point of the unit cube to its value and its gradient there."""

PENALTY = 1e10
"""What a failed trial counts as; it is flat there."""


class Ended(Exception):
    """No more values will be told."""


class Descents:
    """The descents of one run, one after the other.

    Arguments:
        setup: what the peer was told at the beginning; see `trimtab.benchmarks.conversation`.
        descend: minimises from a start, with as many calls of a `Value` as it likes, and returns.
        draw: a count to as many uniform numbers, from which descents after the first start.

    Raises:
        ValueError: a parameter is not a real number.
    """

    def __init__(
        self,
        setup: dict[str, Any],
        descend: Callable[[Value, Point], object],
        draw: Callable[[int], Sequence[float]],
    ) -> None:
        if any(column["kind"] != "float" for column in setup["columns"]):
            raise ValueError("descents are for real numbers only")
        self._from_unit: Any = importlib.import_module("unit_cube").from_unit
        self._columns, self._descend, self._draw = setup["columns"], descend, draw
        self._asked: queue.Queue[Point | Exception] = queue.Queue()
        self._told: queue.Queue[tuple[float, Point] | None] = queue.Queue()
        self._known: dict[Point, tuple[float, Point]] = {}
        self._at: list[float] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        atexit.register(self.end)

    def _run(self) -> None:
        """Descend for ever."""
        start: Point = (0.5,) * len(self._columns)
        try:
            while True:
                self._descend(self._value, start)
                start = tuple(float(unit) for unit in self._draw(len(self._columns)))
        except Exception as error:  # noqa: BLE001  # the ask that waits raises it
            self._asked.put(error)

    def _value(self, unit: Sequence[float]) -> tuple[float, Point]:
        """The value and gradient of the nearest point of the unit cube; a point with nan counts as failed."""
        inside = tuple(min(1.0, max(0.0, float(coordinate))) for coordinate in unit)
        if any(math.isnan(coordinate) for coordinate in unit):
            return self._failed
        if inside not in self._known:
            self._asked.put(inside)
            told = self._told.get()
            if told is None:
                raise Ended
            self._known[inside] = told
        return self._known[inside]

    @property
    def _failed(self) -> tuple[float, Point]:
        return PENALTY, (0.0,) * len(self._columns)

    def ask(self) -> dict[str, float]:
        """Where the minimiser wants to know the value.

        Raises:
            Exception: what the minimiser raised, if it did.
        """
        asked = self._asked.get()
        if isinstance(asked, Exception):
            raise asked
        self._at = [self._from_unit(column, unit) for column, unit in zip(self._columns, asked, strict=True)]
        return {column["name"]: value for column, value in zip(self._columns, self._at, strict=True)}

    def tell(self, value: float | None, gradient: dict[str, float] | None) -> None:
        """Its value and gradient by name; None is a failure."""
        if value is None or gradient is None:
            self._told.put(self._failed)
            return
        slopes = (
            gradient[column["name"]] * _stretch(column, at) for column, at in zip(self._columns, self._at, strict=True)
        )
        self._told.put((value, tuple(slopes)))

    def end(self) -> None:
        """Leave the descent. Compiled code that waits for a value as the interpreter ends would crash it."""
        self._told.put(None)
        self._thread.join(timeout=1.0)


def _stretch(column: dict[str, Any], value: float) -> float:
    """The derivative of a parameter by its coordinate in the unit cube."""
    if column["log"]:
        return math.log(column["high"] / column["low"]) * value
    return float(column["high"] - column["low"])
