"""The configurations of a space on chosen levels, numbered without being listed.

Parameters are the digits of a number, the last declared one varying fastest. The digit of a `Choice`
counts, for each of its branches, the configurations of the parameters nested in that branch, so every
number below `size` is a different configuration, and none is left out.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.space import Column, Space

__all__ = ["Lattice"]

Array = NDArray[np.float64]
Numbers = NDArray[Any]


class Lattice:
    """All combinations of each parameter's levels, constraints of the space aside.

    Arguments:
        space: where.
        most: at most so many levels of a number or ordinal, evenly spaced on its scale; a categorical has
            all its values. None for every value of every parameter.

    Attributes:
        size: how many configurations there are.

    Raises:
        ValueError: `most` is None and a parameter is continuous.
    """

    def __init__(self, space: Space, most: int | None = None) -> None:
        self._columns = space.columns
        self._levels = [_raw_levels(space, column, most) for column in space.columns]
        self._children: dict[tuple[int | None, int | None], list[int]] = {}
        for index, column in enumerate(space.columns):
            self._children.setdefault((column.parent, column.branch), []).append(index)
        self._ends: list[list[int]] = [[] for _ in space.columns]
        # Children come after their parents, so that going backwards their counts are there when needed.
        for index in reversed(range(len(space.columns))):
            self._ends[index] = self._count_levels(index)
        self.size = math.prod(self._ends[index][-1] for index in self._below(None, None))

    def _below(self, parent: int | None, branch: int | None) -> list[int]:
        """Columns that are active in a branch of a parent, or at the top."""
        return self._children.get((parent, branch), [])

    def _count_levels(self, index: int) -> list[int]:
        """After each level of a column, how many configurations of it and of what is nested in it there are."""
        ends, total = [], 0
        for level in self._levels[index]:
            total += math.prod(self._ends[child][-1] for child in self._below(index, int(level)))
            ends.append(total)
        return ends

    def raw(self, numbers: Numbers) -> Array:
        """Raw coordinates (n, d) of the configurations of given numbers (n,), nan where inactive."""
        out = np.full((len(numbers), len(self._columns)), np.nan)
        exact = numbers.astype(np.int64 if self.size < 2**62 else object)
        self._fill(self._below(None, None), np.arange(len(numbers)), exact, out)
        return out

    def _fill(self, columns: list[int], rows: NDArray[np.intp], numbers: Numbers, out: Array) -> None:
        """Write the digits of some columns into some rows."""
        for index in reversed(columns):
            ends = np.array(self._ends[index], dtype=numbers.dtype)
            numbers, digits = numbers // ends[-1], numbers % ends[-1]
            place = np.searchsorted(ends, digits, side="right")
            out[rows, index] = np.array(self._levels[index])[place]
            within = digits - np.append(0, ends)[place]
            for branch, level in enumerate(self._levels[index]):
                below = self._below(index, int(level))
                if below:
                    chosen = place == branch
                    self._fill(below, rows[chosen], within[chosen], out)


def _raw_levels(space: Space, column: Column, most: int | None) -> list[float]:
    """Raw coordinates of a column's levels, ascending."""
    count = most or column.size
    if count is None:
        raise ValueError(f"parameter {column.name!r} is continuous; its values cannot be listed")
    if column.choices and (column.kind == "categorical" or len(column.choices) <= count):
        return [float(place) for place in range(len(column.choices))]
    return [column.coordinate(value) for value in space.levels(column.name, count)]
