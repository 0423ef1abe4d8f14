"""Between points of a domain and configurations of its space.

A point (d,) holds the unit coordinate of each number or ordinal, nan where it is inactive, and for a categorical
of k values the code 0 .. k - 1, or k where it is inactive.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.space import Space

__all__ = ["Configurations"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Configurations:
    """The configurations of one space."""

    space: Space

    def raw(self, points: Array) -> Array:
        """The nearest configurations of points (b, d), in raw coordinates."""
        unit = np.nan_to_num(points, nan=0.5)
        for index, column in enumerate(self.space.columns):
            if column.kind == "categorical":
                size = column.size or 1
                unit[:, index] = (np.minimum(unit[:, index], size - 1) + 0.5) / size
        return self.space.from_unit(unit)

    def points(self, unit: Array) -> Array:
        """Unit coordinates (b, d), nan where inactive, as points."""
        points = unit.copy()
        for index, column in enumerate(self.space.columns):
            if column.kind == "categorical":
                size = column.size or 1
                inactive = np.isnan(unit[:, index])
                points[:, index] = np.where(inactive, size, np.floor(np.where(inactive, 0.0, unit[:, index]) * size))
        return points

    def snap(self, points: Array) -> tuple[Array, NDArray[np.bool_]]:
        """The nearest configurations as points, and which of them keep the constraints of the space."""
        raw = self.raw(points)
        allowed = np.ones(len(raw), dtype=np.bool_)
        if self.space.all_constraints:
            allowed = self.space.feasible_many(raw)
        return self.points(self.space.to_unit(raw)), allowed
