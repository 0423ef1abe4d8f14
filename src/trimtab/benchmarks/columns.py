"""A space as peers are told it: plain columns with one coordinate each, and configurations as coordinates.

    {"name": "lr", "kind": "float", "low": 1e-5, "high": 0.1, "log": true, "size": null,
     "parent": null, "parent_values": []}

| kind | coordinate |
|---|---|
| float | the number, between `low` and `high` |
| int | the number, every integer between `low` and `high` |
| ordinal | place of the level, 0 to `size` - 1; also a number with a step, or a power |
| categorical | place of the choice, 0 to `size` - 1, without an order |

A column with a parent is active where the parent is, and has one of `parent_values`; a configuration's
coordinates are those of its active columns, by name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from trimtab.base.errors import InvalidParams, message
from trimtab.base.records import Json, Params
from trimtab.space import Column, Float, Int, Space

__all__ = ["columns_of", "from_peer", "to_peer"]


def columns_of(space: Space) -> list[dict[str, Json]]:
    """Every column of a space, parents before children."""
    return [_column_json(space, column) for column in space.columns]


def to_peer(space: Space, params: Params) -> dict[str, float]:
    """The coordinates of a configuration's active columns, by name."""
    raw = space.encode(params)
    return {
        column.name: float(_places(space, column).index(value)) if _is_levelled(column) else float(value)
        for column, value in zip(space.columns, raw.tolist(), strict=True)
        if not math.isnan(value)
    }


def from_peer(space: Space, coordinates: Mapping[str, float]) -> dict[str, Any]:
    """The configuration of coordinates that a peer gave; those of inactive columns are ignored.

    Numbers that rounding has carried over a bound come back to it.

    Raises:
        InvalidParams: an active column is missing, or a coordinate is no number or far outside.
    """
    raw = np.array([_raw(space, column, coordinates.get(column.name)) for column in space.columns])
    raw[~space.active(raw[None, :])[0]] = np.nan
    return space.decode(raw)


def _is_levelled(column: Column) -> bool:
    """Whether a number is told as the place among its levels: it has a step, or is a power."""
    parameter = column.parameter
    if isinstance(parameter, Float):
        return parameter.step is not None
    return isinstance(parameter, Int) and (parameter.step != 1 or parameter.powers_of is not None)


def _places(space: Space, column: Column) -> list[float]:
    """The levels of a number that is told by its place, as raw coordinates."""
    assert column.size is not None
    return [float(level) for level in space.levels(column.name, column.size) if isinstance(level, int | float)]


def _bounds(column: Column) -> tuple[float, float]:
    """The least and the greatest coordinate that a peer may give."""
    parameter = column.parameter
    if isinstance(parameter, Float | Int) and not _is_levelled(column):
        return parameter.low, parameter.high
    assert column.size is not None
    return 0, column.size - 1


def _column_json(space: Space, column: Column) -> dict[str, Json]:
    """One column; see the module."""
    low, high = _bounds(column)
    levelled = _is_levelled(column)
    return {
        "name": column.name,
        "kind": "ordinal" if levelled else column.kind,
        "low": low,
        "high": high,
        "log": not levelled and bool(getattr(column.parameter, "log", False)),
        "size": column.size,
        "parent": None if column.parent is None else space.columns[column.parent].name,
        "parent_values": sorted(column.parent_values),
    }


def _raw(space: Space, column: Column, coordinate: float | None) -> float:
    """The raw coordinate of what a peer gave; nan where it gave nothing."""
    if coordinate is None:
        return math.nan
    low, high = _bounds(column)
    slack = 1e-6 * max(1.0, abs(low), abs(high))
    if not low - slack <= coordinate <= high + slack:
        raise InvalidParams(
            message(f"a peer left the range of {column.name!r}", got=coordinate, allowed=f"{low} to {high}")
        )
    inside = min(max(float(coordinate), low), high)
    if column.size is not None and inside != round(inside):
        raise InvalidParams(message(f"a peer gave no integer for {column.name!r}", got=coordinate))
    return _places(space, column)[int(inside)] if _is_levelled(column) else inside
