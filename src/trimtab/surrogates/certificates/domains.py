"""Where a posterior mean is minimised: a product of intervals, grids and categories, some of them conditional.

A node of the search is a box: for each column the range [low, high] of

- a number or ordinal, in unit coordinates, both ends on its grid where it has one;
- a categorical of k values, in the codes 0 .. k - 1, and k for "inactive". A range of codes is a single one
  or everything that is possible.

A nested column is inactive, active, or, as long as its parent is undecided, of unknown state; then it counts
as the union of both, which only widens what a node stands for. Splitting halves a range of numbers, and
gives every value of a categorical a box of its own. The single values that this ends in are the
configurations themselves, so nothing about integers, ordinals and conditions is left to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.space import Column

__all__ = ["ACTIVE", "INACTIVE", "UNKNOWN", "Boxes", "Domain"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Numbers = NDArray[np.intp]

INACTIVE, ACTIVE, UNKNOWN = 0, 1, 2

NARROW = 1e-12
"""A continuous range below this width is not split any more."""


@dataclass(frozen=True, slots=True)
class Boxes:
    """Nodes, as rows.

    Arguments:
        low, high: ends of each column's range, shape (b, d).
        state: `INACTIVE`, `ACTIVE` or `UNKNOWN`, shape (b, d).
    """

    low: Array
    high: Array
    state: NDArray[np.int8]

    def __len__(self) -> int:
        """How many."""
        return len(self.low)


class Domain:
    """The columns of a space, as far as boxes are concerned.

    Arguments:
        columns: as `Space.columns` gives them, parents before children.

    Attributes:
        numbers: which columns have a place on the unit interval; the others are categorical.
    """

    def __init__(self, columns: tuple[Column, ...]) -> None:
        self.columns = columns
        self.numbers: Mask = np.array([column.kind != "categorical" for column in columns], dtype=np.bool_)
        self.continuous: Mask = np.array([column.size is None for column in columns], dtype=np.bool_)

    def root(self) -> Boxes:
        """The whole domain as one box."""
        low, high = np.zeros((1, len(self.columns))), np.ones((1, len(self.columns)))
        for index, column in enumerate(self.columns):
            if column.size is not None:
                last = column.size - 1.0
                ends = np.array([0.0, last])
                low[0, index], high[0, index] = ends if column.kind == "categorical" else self._unit(column, ends)
        return self.boxes(low, high)

    def boxes(self, low: Array, high: Array) -> Boxes:
        """Boxes with these ranges; codes of categoricals follow the state of their parents."""
        low, high = low.copy(), high.copy()
        state = np.full(low.shape, ACTIVE, dtype=np.int8)
        for index, column in enumerate(self.columns):
            if column.parent is None:
                continue
            parent = column.parent
            decided = (state[:, parent] == ACTIVE) & (low[:, parent] == high[:, parent])
            chosen = decided & np.isin(low[:, parent], list(column.parent_values))
            unknown = (state[:, parent] == UNKNOWN) | ((state[:, parent] == ACTIVE) & ~decided)
            state[:, index] = np.select([chosen, unknown], [ACTIVE, UNKNOWN], INACTIVE)
            if column.kind == "categorical":
                self._recode(index, column.size or 1, low, high, state[:, index])
        return Boxes(low, high, state)

    @staticmethod
    def _recode(index: int, size: int, low: Array, high: Array, state: NDArray[np.int8]) -> None:
        """Write the codes of one nested categorical as its state demands."""
        low[state == INACTIVE, index] = high[state == INACTIVE, index] = size
        low[state == UNKNOWN, index], high[state == UNKNOWN, index] = 0.0, size
        woken = (state == ACTIVE) & (high[:, index] == size)
        low[woken, index], high[woken, index] = 0.0, size - 1.0

    def single(self, boxes: Boxes) -> Mask:
        """Which boxes hold one configuration only, shape (b,)."""
        point = boxes.low == boxes.high
        return np.asarray((np.where(self.numbers, point | (boxes.state == INACTIVE), point)).all(axis=1))

    def split(self, boxes: Boxes, chosen: Numbers) -> tuple[Boxes, Numbers]:
        """The parts of each box when its chosen column is split, and the row that each part comes from."""
        lows, highs, rows = [], [], []
        for index in np.unique(chosen).tolist():
            row = np.flatnonzero(chosen == index)
            for left, right in self._parts(index, boxes.low[row, index], boxes.high[row, index]):
                low, high = boxes.low[row], boxes.high[row]
                low[:, index], high[:, index] = left, right
                lows.append(low)
                highs.append(high)
                rows.append(row)
        return self.boxes(np.concatenate(lows), np.concatenate(highs)), np.concatenate(rows)

    def _parts(self, index: int, low: Array, high: Array) -> list[tuple[Array, Array]]:
        """Ranges (left ends, right ends) that together make up [low, high], shape (r,) each."""
        column = self.columns[index]
        if column.kind == "categorical":
            codes = [np.full(len(low), float(code)) for code in range(column.size or 1)]
            return [(code, code) for code in codes]
        middle = 0.5 * (low + high)
        if column.size is None:
            return [(low, middle), (middle, high)]
        first, last = self._place(column, low), self._place(column, high)
        below = np.clip(np.floor(self._place(column, middle)), np.rint(first), np.rint(last) - 1.0)
        return [(low, self._unit(column, below)), (self._unit(column, below + 1.0), high)]

    @staticmethod
    def _unit(column: Column, place: Array) -> Array:
        """Unit coordinates of the values of a grid, numbered from 0."""
        axis = column.axis
        if axis.rounded:
            left, right = axis.ends
            return np.asarray((np.log(axis.low + place) - left) / (right - left))
        return (place + 0.5) / axis.cells

    @staticmethod
    def _place(column: Column, unit: Array) -> Array:
        """Inverse of `_unit`; fractions lie between two values."""
        axis = column.axis
        if axis.rounded:
            left, right = axis.ends
            return np.asarray(np.exp(left + unit * (right - left)) - axis.low)
        return unit * axis.cells - 0.5

    def widths(self, boxes: Boxes, scales: Array) -> Array:
        """How far each column's range reaches in scaled distance, 0 where it cannot be split; shape (b, d).

        An undecided categorical reaches one length-scale, or as far as what is nested in it and waits for it.
        """
        spread = boxes.high - boxes.low
        spread[:, self.continuous] *= spread[:, self.continuous] > NARROW
        spread = np.where(self.numbers, spread, spread > 0.0) / scales
        for index in reversed(range(len(self.columns))):
            parent = self.columns[index].parent
            if parent is not None:
                waiting = (boxes.state[:, index] == UNKNOWN) & (boxes.low[:, parent] < boxes.high[:, parent])
                whole = np.maximum(spread[:, index], 1.0 / scales[index])
                spread[:, parent] = np.where(waiting, np.maximum(spread[:, parent], whole), spread[:, parent])
        return np.where(boxes.state == ACTIVE, spread, 0.0)
