"""Columns as coordinates of a unit cube, for peers whose library knows vectors only. Standard library only."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["from_unit", "to_unit"]


def to_unit(column: dict[str, Any], value: float) -> float:
    """A coordinate in [0, 1]; for a categorical the index itself.

    Discrete numbers lie evenly from 0 to 1 on their scale.
    """
    if column["kind"] == "categorical":
        return float(value)
    low, high = _scale(column, column["low"]), _scale(column, column["high"])
    return (_scale(column, value) - low) / (high - low) if high > low else 0.0


def from_unit(column: dict[str, Any], unit: float) -> float:
    """The inverse of `to_unit`, rounded where the column is discrete."""
    if column["kind"] == "categorical":
        return float(round(unit))
    low, high = _scale(column, column["low"]), _scale(column, column["high"])
    scaled = low + min(1.0, max(0.0, unit)) * (high - low)
    value = math.exp(scaled) if column["log"] else scaled
    if column["kind"] != "float":
        value = float(round(value))
    return min(float(column["high"]), max(float(column["low"]), value))


def _scale(column: dict[str, Any], value: float) -> float:
    return math.log(value) if column["log"] else float(value)
