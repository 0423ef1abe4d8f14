"""Tables of chemistry and materials experiments in the format of the Olympus collection, from a folder of the user's.

A table is a folder with `config.json` (parameters with their bounds or options, measurements, the goal)
and `data.csv` without a header: one experiment a line, parameters first, one measurement last. Tables
with several objectives are refused. Experiments that were repeated count by their mean. A measurement to
maximise is told as its distance below the table's largest, so that no value is negative: some methods
take logarithms of values.

Two kinds of table need two ways to answer, and only one of them is exact:

- **grid**: the experiments are all combinations of some levels. The space is exactly those levels
  (ordinals and categoricals), and a value is looked up.
- **pool**: the experiments lie scattered, so no space holds them and nothing else. The space is the box
  of the table's bounds, and a configuration has the value of the nearest experiment in unit coordinates.
  Every value was measured, but the landscape is made of flat cells with steps between them, which is not
  how the real process behaves: a method that follows slopes is at a disadvantage here, and small moves
  often change nothing. Results on pools say how well a method finds good cells.

Parameters of a mixture (constraint "simplex") are divided by their sum before the nearest experiment is
looked up, so that every point of the box is a mixture.

Source: F. Häse et al., "Olympus: a benchmarking framework for noisy optimization and experiment
planning", Machine Learning: Science and Technology 2 (3), 2021 (arXiv:2010.04153).
"""

from __future__ import annotations

import csv
import json
import math
from collections import defaultdict
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument, UnknownName, message
from trimtab.base.records import Observation, Params, ParamValue
from trimtab.base.seeds import Key
from trimtab.space import Categorical, Float, Ordinal, Space

__all__ = ["Olympus", "olympus_tables"]

Setting = tuple[float | str, ...]
"""One experiment's parameters, numbers as numbers and options as texts."""


def olympus_tables(folder: Path) -> list[str]:
    """Names of the tables with one objective in a folder of tables, sorted.

    Raises:
        UnknownName: the folder holds none.
    """
    found = sorted(path.parent.name for path in folder.glob("*/config.json") if _objectives(path) == 1)
    if not found:
        raise UnknownName(
            message(
                "the folder holds no table with one objective",
                got=str(folder),
                allowed="folders with config.json and data.csv",
                do="give the folder that holds the tables",
            )
        )
    return found


def _objectives(config: Path) -> int:
    """How many measurements a table has."""
    return len(json.loads(config.read_text(encoding="utf-8"))["measurements"])


@final
class Olympus:
    """One table with one objective.

    Arguments:
        folder: the folder of tables.
        table: the name of the table's own folder.

    Raises:
        UnknownName: there is no such table.
        InvalidArgument: it has several objectives.
    """

    def __init__(self, folder: Path, table: str) -> None:
        path = folder / table
        if not (path / "config.json").is_file():
            allowed = ", ".join(olympus_tables(folder))
            raise UnknownName(message("there is no Olympus table of this name", got=table, allowed=allowed))
        if _objectives(path / "config.json") != 1:
            raise InvalidArgument(message(f"the Olympus table {table!r} has several objectives", allowed="one"))
        self.name = f"olympus-{table}"
        self._config: dict[str, Any] = json.loads((path / "config.json").read_text(encoding="utf-8"))
        self._values = _read(path / "data.csv", self._config)

    @property
    def is_grid(self) -> bool:
        """Whether the experiments are all combinations of their levels."""
        return math.prod(len(levels) for levels in self._levels.values()) == len(self._values)

    def space(self) -> Space:
        """The levels of a grid, or the box of a pool."""
        if not self.is_grid:
            return Space({name: _box(parameter) for name, parameter in self._parameters.items()})
        return Space(
            {
                name: Categorical(self._parameters[name]["options"])
                if isinstance(levels[0], str)
                else Ordinal([float(level) for level in levels])
                for name, levels in self._levels.items()
            }
        )

    def evaluate(self, params: Params, key: Key) -> Observation:
        """The value of an experiment of the grid, or of the nearest one of the pool."""
        if self.is_grid:
            return Observation(self._values[tuple(_setting(params[name]) for name in self._parameters)])
        values = np.array(list(self._values.values()))
        return Observation(float(values[np.argmin(self._distances(params))]))

    @cached_property
    def optimum(self) -> float:
        """The least value in the table."""
        return min(self._values.values())

    def _distances(self, params: Params) -> NDArray[np.float64]:
        """Squared distances of one configuration to every experiment in unit coordinates, shape (n,)."""
        point = {name: float(params[name]) for name in self._parameters}  # type: ignore[arg-type]  # all are Floats
        if self._config["constraints"]["parameters"] == "simplex":
            total = sum(point.values())
            point = {name: value / total if total > 0.0 else 1.0 / len(point) for name, value in point.items()}
        space, units = self._pool
        row = space.to_unit(np.array([list(point.values())]))
        squares: NDArray[np.float64] = np.sum((units - row) ** 2, axis=1)
        return squares

    @cached_property
    def _pool(self) -> tuple[Space, NDArray[np.float64]]:
        """The box, and the unit coordinates (n, d) of every experiment."""
        space = self.space()
        return space, space.to_unit(np.array(list(self._values), dtype=np.float64))

    @cached_property
    def _parameters(self) -> dict[str, Mapping[str, Any]]:
        """Parameter -> its entry in the configuration."""
        return {entry["name"]: entry for entry in self._config["parameters"]}

    @cached_property
    def _levels(self) -> dict[str, list[float | str]]:
        """Parameter -> the levels that occur, sorted."""
        columns = zip(*self._values, strict=True)
        return {name: sorted(set(column)) for name, column in zip(self._parameters, columns, strict=True)}


def _box(parameter: Mapping[str, Any]) -> Float | Categorical:
    """A parameter of a pool."""
    if parameter["type"] == "categorical":
        raise InvalidArgument(
            message("a pool with categorical parameters has no distances", got=parameter["name"], allowed="numbers")
        )
    return Float(parameter["low"], parameter["high"])


def _setting(value: ParamValue) -> float | str:
    """A parameter's value as the table's key has it."""
    return value if isinstance(value, str) else float(value)  # type: ignore[arg-type]  # Ordinals of numbers


def _read(path: Path, config: Mapping[str, Any]) -> dict[Setting, float]:
    """Setting -> the mean of its measurements, turned so that lower is better."""
    kinds = [entry["type"] for entry in config["parameters"]]
    found: defaultdict[Setting, list[float]] = defaultdict(list)
    with path.open(encoding="utf-8", newline="") as lines:
        for row in csv.reader(lines):
            setting = tuple(
                text if kind == "categorical" else float(text) for text, kind in zip(row, kinds, strict=False)
            )
            found[setting].append(float(row[len(kinds)]))
    means = {setting: float(np.mean(values)) for setting, values in found.items()}
    if config["default_goal"] != "maximize":
        return means
    largest = max(means.values())
    return {setting: largest - mean for setting, mean in means.items()}
