"""Nevergrad: NGOpt, which picks an optimiser by the space, the budget and the number of workers.

An ordinal is a `TransitionChoice`, which knows its order; integers are scalars with integer casting (on a
logarithmic scale: rounded). Nevergrad's conditions are not used: the space is laid flat and inactive
entries are ignored. A failed trial counts as infinitely bad, which Nevergrad allows.
"""

from __future__ import annotations

import importlib
import warnings
from typing import Any

__all__ = ["Peer"]


class Peer:
    """One run."""

    def __init__(self, setup: dict[str, Any], method: str) -> None:
        warnings.simplefilter("ignore")
        self._nevergrad: Any = importlib.import_module("nevergrad")
        numpy: Any = importlib.import_module("numpy")
        self.library = f"nevergrad {self._nevergrad.__version__}"
        self._columns = setup["columns"]
        space = self._nevergrad.p.Dict(**{f"p{k}": self._parameter(c) for k, c in enumerate(self._columns)})
        space.random_state = numpy.random.RandomState(setup["seed"])
        kind = self._nevergrad.optimizers.registry["NGOpt"]
        self._optimizer = kind(space, budget=setup["budget"], num_workers=setup["workers"])
        self._running: dict[int, Any] = {}

    def ask(self, number: int) -> dict[str, float]:
        """The next configuration."""
        candidate = self._running[number] = self._optimizer.ask()
        return self._coordinates(candidate)

    def tell(self, number: int, value: float | None) -> None:
        """A value, or a failure."""
        self._optimizer.tell(self._running.pop(number), float("inf") if value is None else value)

    def best(self) -> dict[str, float]:
        """What the optimiser recommends."""
        return self._coordinates(self._optimizer.provide_recommendation())

    def add(self, coordinates: dict[str, float], value: float) -> None:
        """A result from elsewhere; inactive entries lie at the beginning of their range."""
        found = {
            f"p{place}": _plain(column, coordinates.get(column["name"], column["low"]))
            for place, column in enumerate(self._columns)
        }
        self._optimizer.tell(self._optimizer.parametrization.spawn_child(new_value=found), value)

    def _coordinates(self, candidate: Any) -> dict[str, float]:
        """A candidate's values by name."""
        values = [candidate.value[f"p{place}"] for place in range(len(self._columns))]
        return {
            column["name"]: float(value if column["kind"] == "float" else round(value))
            for column, value in zip(self._columns, values, strict=True)
        }

    def _parameter(self, column: dict[str, Any]) -> Any:
        """A column as Nevergrad declares it."""
        kinds = self._nevergrad.p
        if column["kind"] == "categorical":
            return kinds.Choice(list(range(column["size"])))
        if column["kind"] == "ordinal":
            return kinds.TransitionChoice(list(range(column["size"])))
        if column["log"]:
            return kinds.Log(lower=column["low"], upper=column["high"])
        scalar = kinds.Scalar(lower=column["low"], upper=column["high"])
        return scalar.set_integer_casting() if column["kind"] == "int" else scalar


def _plain(column: dict[str, Any], value: float) -> float:
    """The value as Nevergrad has it."""
    return float(value) if column["kind"] == "float" else int(value)
