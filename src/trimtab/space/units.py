"""Raw coordinates to the unit cube and back, for all rows and columns at once.

Both ways are total: what comes in outside the bounds goes out on the bound, nan stays nan, and the
ends of the cube are the bounds exactly, however far apart or close together these are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trimtab.space.axes import Axis

__all__ = ["UnitMap"]

Floats = NDArray[np.float64]


class UnitMap:
    """The two maps for a fixed list of axes.

    Columns fall into two groups. `smooth` ones (continuous, and rounded logarithms) go through their
    scale; the `cell` ones through the index of their cell. Shapes below: n rows, d columns.
    """

    __slots__ = ("_axes", "_cells", "_smooth", "high", "low")

    def __init__(self, axes: Sequence[Axis]) -> None:
        self._axes = tuple(axes)
        self.low = np.array([axis.low for axis in axes], dtype=np.float64)
        self.high = np.array([axis.high for axis in axes], dtype=np.float64)
        self._smooth = _Smooth(axes)
        self._cells = _Cells(axes)

    def to_unit(self, raw: Floats) -> Floats:
        """Raw (n, d) to unit (n, d)."""
        unit = np.empty(raw.shape)
        for group in (self._smooth, self._cells):
            if group.columns.size:
                unit[:, group.columns] = group.to_unit(raw[:, group.columns])
        return unit

    def from_unit(self, unit: Floats) -> Floats:
        """Unit (n, d) to raw (n, d), snapped to each axis's values."""
        inside = np.clip(unit, 0.0, 1.0)
        raw = np.empty(inside.shape)
        for group in (self._smooth, self._cells):
            if group.columns.size:
                raw[:, group.columns] = group.from_unit(inside[:, group.columns])
        return np.clip(raw, self.low, self.high)

    def edges(self, raw: Floats, column: int) -> tuple[Floats, Floats]:
        """Where the cells of a discrete column's raw values (n,) begin and end on the unit interval."""
        axis = self._axes[column]
        if not axis.rounded:
            index = np.floor(self.column(raw, column) * axis.cells)
            return index / axis.cells, (index + 1.0) / axis.cells
        start, end = axis.ends
        low, high = ((np.log(raw + half) - start) / (end - start) for half in (-0.5, 0.5))
        return np.clip(low, 0.0, 1.0), np.clip(high, 0.0, 1.0)

    def only(self, column: int) -> UnitMap:
        """The maps of one column alone."""
        return UnitMap([self._axes[column]])

    def column(self, raw: Floats, column: int) -> Floats:
        """Unit coordinates of one column's raw values (n,)."""
        return self.only(column).to_unit(raw[:, None])[:, 0]

    def column_raw(self, unit: Floats, column: int) -> Floats:
        """Raw values of one column's unit coordinates (n,)."""
        return self.only(column).from_unit(unit[:, None])[:, 0]

    def snapped(self, raw: float, column: int) -> float:
        """The value of one column that is nearest to a raw number within its bounds; itself where continuous."""
        if self._axes[column].size is None:
            return raw
        return float(self.column_raw(self.column(np.array([raw]), column), column)[0])

    def levels(self, column: int, most: int) -> Floats:
        """At most `most` different raw values of one column, evenly spaced on its scale, ends included, ascending."""
        axis = self._axes[column]
        if axis.size is not None and axis.size <= most:
            return axis.values()
        unit = np.array([0.5]) if most == 1 else np.linspace(0.0, 1.0, most)
        if axis.cells and most > 1:
            unit = (np.rint(unit * (axis.cells - 1)) + 0.5) / axis.cells
        return np.unique(self.column_raw(unit, column))


class _Smooth:
    """Continuous axes and rounded logarithms."""

    def __init__(self, axes: Sequence[Axis]) -> None:
        chosen = [(place, axis) for place, axis in enumerate(axes) if not axis.cells]
        self.columns = np.array([place for place, _ in chosen], dtype=np.intp)
        self.log = np.flatnonzero([axis.log for _, axis in chosen])
        self.rounded = np.flatnonzero([axis.rounded for _, axis in chosen])
        self.low = np.array([axis.low for _, axis in chosen])
        self.high = np.array([axis.high for _, axis in chosen])
        ends = np.array([axis.ends for _, axis in chosen]).reshape(-1, 2)
        self.start, self.end = ends[:, 0], ends[:, 1]
        # A range such as -1.7e308 to 1.7e308 is wider than the largest float; a quarter of it is not.
        with np.errstate(over="ignore"):
            self.scale = np.where(np.isfinite(self.end - self.start), 1.0, 0.25)
        self.start, self.end = self.start * self.scale, self.end * self.scale
        self.width = self.end - self.start
        self.exact = ~np.isin(np.arange(len(chosen)), self.rounded)

    def to_unit(self, raw: Floats) -> Floats:
        """Position between the ends of the scale."""
        where = np.clip(raw, self.low, self.high)
        if self.log.size:
            where[:, self.log] = np.log(where[:, self.log])
        # Two floats may be so close together that their logarithms are equal.
        divisor = np.where(self.width > 0.0, self.width, 1.0)
        unit = np.clip((where * self.scale - self.start) / divisor, 0.0, 1.0)
        unit = np.where(self.exact & (raw <= self.low), 0.0, unit)
        ends: Floats = np.where(self.exact & (raw >= self.high), 1.0, unit)
        return ends

    def from_unit(self, unit: Floats) -> Floats:
        """Value at a position between the ends of the scale, rising in it; the bounds themselves at 0 and 1."""
        raw = np.minimum(self.start + unit * self.width, self.end) / self.scale
        if self.log.size:
            raw[:, self.log] = np.exp(raw[:, self.log])
        if self.rounded.size:
            raw[:, self.rounded] = np.rint(raw[:, self.rounded])
        raw = np.where(unit <= 0.0, self.low, raw)
        ends: Floats = np.where(unit >= 1.0, self.high, raw)
        return ends


class _Cells:
    """Axes of equally wide cells."""

    def __init__(self, axes: Sequence[Axis]) -> None:
        chosen = [(place, axis) for place, axis in enumerate(axes) if axis.cells]
        self.columns = np.array([place for place, _ in chosen], dtype=np.intp)
        self.count = np.array([axis.cells for _, axis in chosen], dtype=np.float64)
        self.first = np.array([axis.first for _, axis in chosen])
        self.step = np.array([axis.step for _, axis in chosen])
        self.divisor = np.array([axis.divisor for _, axis in chosen])
        self.tables = {
            place: (axis.cell(np.arange(axis.cells, dtype=np.float64)), np.log(float(axis.base)))
            for place, (_, axis) in enumerate(chosen)
            if axis.base
        }

    def to_unit(self, raw: Floats) -> Floats:
        """Middle of the value's cell."""
        index = (raw * self.divisor - self.first) / self.step
        for place, (table, base) in self.tables.items():
            index[:, place] = np.log(np.maximum(raw[:, place], table[0]) / table[0]) / base
        index = np.clip(np.rint(index), 0.0, self.count - 1.0)
        middle: Floats = (index + 0.5) / self.count
        return middle

    def from_unit(self, unit: Floats) -> Floats:
        """Value of the cell in which the coordinate lies."""
        index = np.minimum(np.floor(unit * self.count), self.count - 1.0)
        raw: Floats = (self.first + index * self.step) / self.divisor
        for place, (table, _) in self.tables.items():
            known = ~np.isnan(index[:, place])
            raw[:, place] = np.where(known, table[np.where(known, index[:, place], 0.0).astype(np.intp)], np.nan)
        return raw
