"""Params to raw coordinates and back, with the activity of nested parameters as nan.

Reading many configurations takes a quick way through whole columns, which finds out whether every
row is in order; only where one is not, rows are read one by one and the first bad one is told.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidParams, message, shorten
from trimtab.base.records import Params, ParamValue
from trimtab.space.axes import EXACT
from trimtab.space.checks import read_row
from trimtab.space.columns import Column, Entry, Fixed
from trimtab.space.units import UnitMap
from trimtab.space.values import token

__all__ = ["Encoding"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_ABSENT = object()
_LARGEST = float(np.finfo(np.float64).max)


class Encoding:
    """Everything about a flat list of parameters that is worth computing once. Immutable.

    Arguments:
        entries: columns and constants in order, parents before children.
        fills: what older configurations, written before a parameter was added, had in its place.
        traced: whether any parameter may be absent, and values outside their range are let through.
    """

    __slots__ = (
        "_fill_row",
        "_levels",
        "_plan",
        "_readers",
        "_stepped",
        "columns",
        "entries",
        "fills",
        "find",
        "fixed",
        "names",
        "traced",
        "units",
    )

    def __init__(self, entries: Sequence[Entry], fills: Mapping[str, ParamValue], traced: bool = False) -> None:
        self.entries = tuple(entries)
        self.columns = tuple(entry for entry in entries if isinstance(entry, Column))
        self.fixed = tuple(entry for entry in entries if isinstance(entry, Fixed))
        self.fills = dict(fills)
        self.traced = traced
        self.names = frozenset(entry.name for entry in entries)
        places = {column.name: place for place, column in enumerate(self.columns)}
        self.find = {entry.name: (entry, places.get(entry.name, -1)) for entry in self.entries}
        self.units = UnitMap([column.axis for column in self.columns])
        self._readers = [_reader(column) for column in self.columns]
        self._levels = _levels(self.columns)
        self._plan = _plan(self.entries, traced)
        self._stepped = [place for place, column in enumerate(self.columns) if _is_stepped(column)]
        self._fill_row = _fill_row(self.columns, self.fills)

    def active(self, raw: Floats) -> Mask:
        """Which entries of raw rows (n, d) are active, given the choices in them."""
        active = np.ones(raw.shape, dtype=np.bool_)
        for children, parents, branches in self._levels:
            active[:, children] = active[:, parents] & (raw[:, parents] == branches)
        return active

    def from_unit(self, unit: Floats) -> Floats:
        """Unit rows (n, d) to raw ones, nan where inactive."""
        raw = self.units.from_unit(unit)
        if self._levels:
            raw[~self.active(raw)] = np.nan
        return raw

    def encode(self, params: Params) -> Floats:
        """One configuration to raw coordinates (d,).

        Raises:
            InvalidParams: it does not lie in the space.
        """
        return np.array(read_row(self, params), dtype=np.float64)

    def encode_many(self, rows: Sequence[Params]) -> Floats:
        """Configurations to raw coordinates (n, d).

        Raises:
            InvalidParams: one of them does not lie in the space.
        """
        raw = self._encode_quickly(rows)
        if raw is None:
            raw = np.array([read_row(self, row) for row in rows], dtype=np.float64)
        return raw.reshape(len(rows), len(self.columns))

    def _encode_quickly(self, rows: Sequence[Params]) -> Floats | None:
        """Whole columns at once; None where any row is not in perfect order."""
        if not all(isinstance(row, Mapping) for row in rows):
            return None
        raw = np.empty((len(rows), len(self.columns)))
        for place, (column, reader) in enumerate(zip(self.columns, self._readers, strict=True)):
            values = [row.get(column.name, _ABSENT) for row in rows]
            numbers = _index(values, reader) if reader is not None else _numbers(values, column)
            if numbers is None:
                return None
            raw[:, place] = numbers
        if self.traced:
            return None if np.isinf(raw).any() else raw
        active = self.active(raw)
        filled = active & np.isnan(raw) & ~np.isnan(self._fill_row)
        raw = np.where(filled, self._fill_row, raw)
        counts = active.sum(axis=1) - filled.sum(axis=1) + self._count_constants(rows, raw)
        in_order = (
            (np.isnan(raw) != active).all()
            and counts.tolist() == list(map(len, rows))
            and not ((raw < self.units.low) | (raw > self.units.high)).any()
            and self._on_grid(raw)
        )
        return raw if in_order else None

    def _count_constants(self, rows: Sequence[Params], raw: Floats) -> NDArray[np.intp]:
        """How many constants each row holds where they stand, shape (n,); -1 for a row that lacks one."""
        counts = np.zeros(len(rows), dtype=np.intp)
        for entry in self.fixed:
            values = [row.get(entry.name, _ABSENT) for row in rows]
            held = np.array([type(v) is type(entry.value) and v == entry.value for v in values], dtype=np.bool_)
            stands = self.stands(entry, raw)
            counts += held & stands
            if entry.name not in self.fills:
                counts[stands & ~held] = -len(self.entries) - 1
        return counts

    def stands(self, entry: Fixed, raw: Floats) -> Mask:
        """In which raw rows (n, d) a constant is active, shape (n,)."""
        if entry.parent is None:
            return np.ones(len(raw), dtype=np.bool_)
        held: Mask = raw[:, entry.parent] == entry.branch
        return held

    def _on_grid(self, raw: Floats) -> bool:
        """Whether every stepped number lies on its grid."""
        if not self._stepped:
            return True
        snapped = self.units.from_unit(self.units.to_unit(raw))
        return bool((np.isnan(raw) | (snapped == raw))[:, self._stepped].all())

    def decode(self, row: Sequence[float]) -> dict[str, ParamValue]:
        """Raw coordinates (d,) to a configuration; entries that are inactive are left out, whatever they hold.

        Raises:
            InvalidParams: an active entry is nan or outside its bounds.
        """
        params: dict[str, ParamValue] = {}
        active: list[bool] = []
        for name, place, parent, branch, kind, choices, low, high in self._plan:
            held = parent is None or (active[parent] and row[parent] == branch)
            if place is None:
                if held:
                    params[name] = choices[0]
                continue
            value = row[place]
            active.append(held)
            if not held or (self.traced and value != value):
                continue
            index = int(value) if low <= value <= high and kind != "float" else value
            if not low <= value <= high or (index != value and not self.traced):
                raise _outside(name, value, low, high)
            params[name] = choices[int(index)] if choices else index if index == value else value
        return params


def _plan(entries: Sequence[Entry], traced: bool) -> list[tuple[Any, ...]]:
    """What `Encoding.decode` needs of each entry: name, place, parent, branch, kind, choices, bounds."""
    plan: list[tuple[Any, ...]] = []
    places = itertools.count()
    for entry in entries:
        if isinstance(entry, Fixed):
            plan.append((entry.name, None, entry.parent, entry.branch, entry.kind, (entry.value,), 0.0, 0.0))
            continue
        axis = entry.axis
        free = traced and not entry.choices
        low, high = (-_LARGEST, _LARGEST) if free else (axis.low, axis.high)
        plan.append((entry.name, next(places), entry.parent, entry.branch, entry.kind, entry.choices, low, high))
    return plan


def _outside(name: str, value: float, low: float, high: float) -> InvalidParams:
    """The error for a row that no encoding makes."""
    return InvalidParams(
        message(
            f"raw coordinates: parameter {shorten(name)} is active and its coordinate is outside the bounds",
            got=value,
            allowed=f"{low!r} to {high!r}",
            do="use rows made by encode, sample_raw or from_unit",
        )
    )


def _reader(column: Column) -> tuple[bool, dict[Any, float]] | None:
    """For categories: whether texts alone occur, and value (or its token) -> index."""
    if not column.choices:
        return None
    texts = all(type(value) is str for value in column.choices)
    keys = column.choices if texts else map(token, column.choices)
    return texts, {key: float(index) for index, key in enumerate(keys)}


def _index(values: list[Any], reader: tuple[bool, dict[Any, float]]) -> list[float] | None:
    """Indices of categories, nan where absent; None where one is unknown."""
    texts, table = reader
    try:
        found = [table.get(v if texts else (type(v), v), np.nan) for v in values]
    except TypeError:
        return None
    return found


def _numbers(values: list[Any], column: Column) -> Floats | None:
    """Numbers of one column, nan where absent; None where one has the wrong type or is not exact."""
    types = set(map(type, values))
    if object in types:
        values = [np.nan if v is _ABSENT else v for v in values]
        types.discard(object)
    if not types <= ({int} if column.kind == "int" else {int, float}):
        return None
    try:
        numbers = np.array(values, dtype=np.float64)
    except OverflowError:
        return None
    return numbers if int not in types or not (np.abs(numbers) >= EXACT).any() else None


def _is_stepped(column: Column) -> bool:
    """Whether a number of the right type and within its bounds may still lie between two values."""
    axis = column.axis
    return bool(axis.cells and not column.choices and (column.kind == "float" or axis.step != 1.0 or axis.base))


def _fill_row(columns: Sequence[Column], fills: Mapping[str, ParamValue]) -> Floats:
    """The coordinate of what older configurations had in effect, shape (d,); nan where they have the parameter."""
    row = np.full(len(columns), np.nan)
    for place, column in enumerate(columns):
        if column.name in fills:
            row[place] = column.coordinate(fills[column.name])
    return row


def _levels(columns: Sequence[Column]) -> list[tuple[NDArray[np.intp], NDArray[np.intp], Floats]]:
    """Nested columns by depth: their places, their parents' places, the branches they live in."""
    depth: list[int] = []
    by_depth: dict[int, list[tuple[int, int, int]]] = {}
    for place, column in enumerate(columns):
        level = 0 if column.parent is None else depth[column.parent] + 1
        depth.append(level)
        if column.parent is not None:
            (branch,) = column.parent_values
            by_depth.setdefault(level, []).append((place, column.parent, branch))
    found = []
    for _, nested in sorted(by_depth.items()):
        children, parents, branches = zip(*nested, strict=True)
        found.append((np.array(children), np.array(parents), np.array(branches, dtype=np.float64)))
    return found
