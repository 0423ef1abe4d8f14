"""Dual functions that are constant between breakpoints: losses that count errors of discrete decisions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimtab.base.errors import InvalidArgument, message
from trimtab.tuners.tasks.duals.dual import Dual, Minimum, check_edges, inside

__all__ = ["PiecewiseConstant"]

Array = NDArray[np.float64]


@final
@dataclass(frozen=True, eq=False)
class PiecewiseConstant(Dual):
    """A step function, continuous from the right; the last piece contains its right end.

    Arguments:
        edges: ends of the pieces, ascending, shape (pieces + 1,).
        levels: the loss on each piece, shape (pieces,).

    Raises:
        InvalidArgument: edges that do not ascend, or another number of levels.

    >>> steps = PiecewiseConstant([0.0, 1.0, 3.0], [0.5, 0.25])
    >>> steps.value([0.0, 1.0, 3.0]).tolist()
    [0.5, 0.25, 0.25]
    >>> steps.minimum()
    Minimum(at=2.0, value=0.25, low=1.0, high=3.0)
    """

    edges: Array
    levels: Array

    def __post_init__(self) -> None:
        """Check the shapes and take copies."""
        edges, levels = check_edges(self.edges, "PiecewiseConstant"), np.array(self.levels, dtype=float)
        if levels.shape != (len(edges) - 1,) or not np.isfinite(levels).all():
            raise InvalidArgument(
                message(
                    "PiecewiseConstant: one finite level for each piece",
                    got=levels.shape,
                    allowed=f"shape ({len(edges) - 1},)",
                )
            )
        object.__setattr__(self, "edges", edges)
        object.__setattr__(self, "levels", levels)

    def value(self, at: ArrayLike) -> Array:
        """The loss at hyperparameters of any shape."""
        points = inside(at, self.low, self.high)
        return self.levels[np.minimum(np.searchsorted(self.edges, points, side="right") - 1, self.pieces - 1)]

    def minimum(self) -> Minimum:
        """The least level; of the runs of pieces that attain it the widest, which leaves most room for error."""
        least = float(self.levels.min())
        runs = _runs(self.levels == least)
        first, last = max(runs, key=lambda run: self.edges[run[1]] - self.edges[run[0]])
        low, high = float(self.edges[first]), float(self.edges[last])
        return Minimum((low + high) / 2, least, low, high)

    def extrema(self) -> Array:
        """Middles of the pieces that lie below both neighbours, or above both."""
        merged = self.simplified()
        signs = np.sign(np.diff(merged.levels))
        inner = np.flatnonzero(signs[1:] != signs[:-1]) + 1
        return (merged.edges[inner] + merged.edges[inner + 1]) / 2

    def simplified(self) -> PiecewiseConstant:
        """The same function with neighbouring pieces of one level made one."""
        starts = np.concatenate([[True], np.diff(self.levels) != 0])
        return PiecewiseConstant(np.append(self.edges[:-1][starts], self.high), self.levels[starts])


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Places where runs of True begin, and where they have ended."""
    change = np.diff(np.concatenate([[False], flags, [False]]).astype(int))
    return list(zip(np.flatnonzero(change == 1).tolist(), np.flatnonzero(change == -1).tolist(), strict=True))
