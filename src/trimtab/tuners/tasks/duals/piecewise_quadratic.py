"""Dual functions that are quadratic between breakpoints: squared losses of predictions that are linear there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimtab.base.errors import InvalidArgument, message
from trimtab.tuners.tasks.duals.dual import Dual, Minimum, check_edges, inside

__all__ = ["PiecewiseQuadratic"]

Array = NDArray[np.float64]


@final
@dataclass(frozen=True, eq=False)
class PiecewiseQuadratic(Dual):
    """c0 + c1 t + c2 t^2 on each piece, t in -1 to 1 from its left end to its right end; the pieces need not meet.

    The variable of each piece is its own, so that pieces of very different widths lose no digits.

    Arguments:
        edges: ends of the pieces, ascending, shape (pieces + 1,).
        coefficients: c0, c1 and c2 of each piece, shape (pieces, 3).

    Raises:
        InvalidArgument: edges that do not ascend, or coefficients of another shape.

    >>> bowl = PiecewiseQuadratic([0.0, 2.0, 4.0], [[0.0, 0.0, 1.0], [4.0, 4.0, 1.0]])  # (x - 1)^2
    >>> bowl.value([0.0, 1.0, 4.0]).tolist()
    [1.0, 0.0, 9.0]
    >>> bowl.minimum().at
    1.0
    """

    edges: Array
    coefficients: Array

    def __post_init__(self) -> None:
        """Check the shapes and take copies."""
        edges, found = check_edges(self.edges, "PiecewiseQuadratic"), np.array(self.coefficients, dtype=float)
        if found.shape != (len(edges) - 1, 3) or not np.isfinite(found).all():
            raise InvalidArgument(
                message(
                    "PiecewiseQuadratic: three finite coefficients for each piece",
                    got=found.shape,
                    allowed=f"shape ({len(edges) - 1}, 3)",
                )
            )
        object.__setattr__(self, "edges", edges)
        object.__setattr__(self, "coefficients", found)

    @classmethod
    def through(cls, edges: ArrayLike, left: ArrayLike, middle: ArrayLike, right: ArrayLike) -> PiecewiseQuadratic:
        """The pieces through a value at the left end, the middle and the right end of each, shape (pieces,) each."""
        first, centre, last = (np.asarray(part, dtype=float) for part in (left, middle, right))
        slope, bend = (last - first) / 2, (last + first) / 2 - centre
        return cls(np.asarray(edges, dtype=float), np.stack([centre, slope, bend], axis=-1))

    def value(self, at: ArrayLike) -> Array:
        """The loss at hyperparameters of any shape; at a breakpoint that of the piece to its right."""
        points = inside(at, self.low, self.high)
        piece = np.minimum(np.searchsorted(self.edges, points, side="right") - 1, self.pieces - 1)
        left, right = self.edges[piece], self.edges[piece + 1]
        local = ((points - left) - (right - points)) / (right - left)
        c0, c1, c2 = np.moveaxis(self.coefficients[piece], -1, 0)
        out: Array = c0 + local * (c1 + local * c2)
        return out

    def minimum(self) -> Minimum:
        """The least value over the pieces, each on its closed interval."""
        local = self._lowest_locals()
        c0, c1, c2 = self.coefficients.T
        values = c0 + local * (c1 + local * c2)
        best = int(values.argmin())
        at, flat = float(self._global(local)[best]), c1[best] == c2[best] == 0
        low, high = (self.edges[best], self.edges[best + 1]) if flat else (at, at)
        return Minimum(at, float(values[best]), float(low), float(high))

    def extrema(self) -> Array:
        """Where the slope changes its sign: within pieces, and at breakpoints."""
        _, c1, c2 = self.coefficients.T
        with np.errstate(divide="ignore", invalid="ignore"):
            turning = -c1 / (2 * c2)
        within = self._global(turning)[np.abs(turning) < 1]
        before, after = (c1 + 2 * c2)[:-1], (c1 - 2 * c2)[1:]
        return np.sort(np.concatenate([within, self.breakpoints[before * after < 0]]))

    def _lowest_locals(self) -> Array:
        """The local variable that is lowest on each piece, shape (pieces,)."""
        _, c1, c2 = self.coefficients.T
        with np.errstate(divide="ignore", invalid="ignore"):
            turning = np.where(c2 > 0, np.clip(-c1 / (2 * c2), -1.0, 1.0), np.where(c1 > 0, -1.0, 1.0))
        return np.where((c1 == 0) & (c2 == 0), 0.0, turning)

    def _global(self, local: Array) -> Array:
        """The hyperparameter of a local variable on each piece, shape (pieces,)."""
        left, right = self.edges[:-1], self.edges[1:]
        return np.where(local <= -1, left, np.where(local >= 1, right, left + (right - left) * (local + 1) / 2))
