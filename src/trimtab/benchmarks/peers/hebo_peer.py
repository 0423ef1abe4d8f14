"""HEBO: its own optimiser with default settings, asked for one configuration at a time.

An ordinal is the integer of its place, an integer on a logarithmic scale HEBO's `pow_int`. HEBO knows no
conditions: the space is laid flat and inactive entries are ignored. It has no notion of a pending trial.
A failed trial counts as the worst value told so far.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import warnings
from typing import Any

__all__ = ["Peer"]


class Peer:
    """One run."""

    def __init__(self, setup: dict[str, Any], method: str) -> None:
        warnings.simplefilter("ignore")
        self._numpy: Any = importlib.import_module("numpy")
        self._pandas: Any = importlib.import_module("pandas")
        torch: Any = importlib.import_module("torch")
        torch.set_num_threads(1)
        torch.manual_seed(setup["seed"])
        self._numpy.random.seed(setup["seed"])
        spaces: Any = importlib.import_module("hebo.design_space.design_space")
        optimizers: Any = importlib.import_module("hebo.optimizers.hebo")
        self.library = f"HEBO {importlib.metadata.version('HEBO')}"
        self._columns = setup["columns"]
        space = spaces.DesignSpace().parse([_parameter(column) for column in self._columns])
        self._optimizer = optimizers.HEBO(space, scramble_seed=setup["seed"])
        self._running: dict[int, Any] = {}
        self._worst = float("-inf")
        self._failed: list[Any] = []

    def ask(self, number: int) -> dict[str, float]:
        """The next configuration."""
        rows = self._running[number] = self._optimizer.suggest(n_suggestions=1)
        return {column["name"]: _number(column, rows.iloc[0][column["name"]]) for column in self._columns}

    def tell(self, number: int, value: float | None) -> None:
        """A value, or a failure, which waits until there is a worst value to count as."""
        rows = self._running.pop(number)
        if value is None:
            self._failed.append(rows)
        else:
            self._worst = max(self._worst, value)
            self._observe(rows, value)
        while self._failed and self._worst > float("-inf"):
            self._observe(self._failed.pop(), self._worst)

    def add(self, coordinates: dict[str, float], value: float) -> None:
        """A result from elsewhere; inactive entries lie at the beginning of their range."""
        row = {
            column["name"]: _value(column, coordinates.get(column["name"], column["low"])) for column in self._columns
        }
        self._worst = max(self._worst, value)
        self._observe(self._pandas.DataFrame([row]), value)

    def _observe(self, rows: Any, value: float) -> None:
        self._optimizer.observe(rows, self._numpy.array([[value]]))


def _parameter(column: dict[str, Any]) -> dict[str, Any]:
    """A column as HEBO declares it."""
    if column["kind"] == "categorical":
        return {"name": column["name"], "type": "cat", "categories": [f"c{k}" for k in range(column["size"])]}
    kind = {("float", False): "num", ("float", True): "pow", ("int", True): "pow_int"}
    name = kind.get((column["kind"], column["log"]), "int")
    return {"name": column["name"], "type": name, "lb": column["low"], "ub": column["high"]}


def _number(column: dict[str, Any], value: Any) -> float:
    """A value of HEBO's as a coordinate."""
    return float(str(value)[1:]) if column["kind"] == "categorical" else float(value)


def _value(column: dict[str, Any], number: float) -> Any:
    """The inverse of `_number`."""
    if column["kind"] == "categorical":
        return f"c{int(number)}"
    return number if column["kind"] == "float" else int(number)
