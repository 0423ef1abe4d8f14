"""A dual function: the loss of one task as a function of one hyperparameter, known exactly on an interval.

Balcan, Nguyen and Sharma (2025), arXiv 2501.13734, call l_a(x), for a fixed task x and a variable hyperparameter a, the
dual of x -> l_a(x). For many methods it has a simple structure between finitely many breakpoints, so that it can be
written down once and minimised exactly, alone or summed over tasks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimtab.base.errors import InvalidArgument, message

__all__ = ["Dual", "Minimum", "check_edges", "inside"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Minimum:
    """The least value of a dual function.

    Arguments:
        at: a hyperparameter that attains it.
        value: the least value.
        low: where the interval around `at` that attains it as well begins; `at` itself where it is a point.
        high: where that interval ends.
    """

    at: float
    value: float
    low: float
    high: float


class Dual(ABC):
    """The loss of one task on the interval [low, high] of a hyperparameter.

    Attributes:
        edges: ends of the pieces, ascending, the ends of the interval included, shape (pieces + 1,).
    """

    edges: Array

    @property
    def low(self) -> float:
        """Where the interval begins."""
        return float(self.edges[0])

    @property
    def high(self) -> float:
        """Where the interval ends."""
        return float(self.edges[-1])

    @property
    def breakpoints(self) -> Array:
        """Where one piece ends and the next begins, ascending, shape (pieces - 1,)."""
        return self.edges[1:-1]

    @property
    def pieces(self) -> int:
        """How many pieces there are."""
        return len(self.edges) - 1

    @abstractmethod
    def value(self, at: ArrayLike) -> Array:
        """The loss at hyperparameters of any shape, which the result has too.

        Raises:
            InvalidArgument: a hyperparameter outside the interval.
        """

    @abstractmethod
    def minimum(self) -> Minimum:
        """The least loss on the interval, and where; of several minima the leftmost."""

    @abstractmethod
    def extrema(self) -> Array:
        """Where local minima and maxima within the interval are, ascending; middles of flat pieces; shape (m,)."""


def check_edges(edges: ArrayLike, name: str) -> Array:
    """Ends of pieces as a float array of their own, shape (pieces + 1,).

    Raises:
        InvalidArgument: fewer than two, not finite, or not ascending.
    """
    out = np.array(edges, dtype=float)
    if out.ndim != 1 or len(out) < 2 or not np.isfinite(out).all() or not (np.diff(out) > 0).all():
        raise InvalidArgument(
            message(f"{name}: edges must be ascending numbers", got=edges, allowed="two or more finite ones")
        )
    return out


def inside(at: ArrayLike, low: float, high: float) -> Array:
    """Hyperparameters as floats.

    Raises:
        InvalidArgument: one that is not a number from `low` to `high`.
    """
    out = np.asarray(at, dtype=float)
    wrong = ~((out >= low) & (out <= high))
    if wrong.any():
        raise InvalidArgument(
            message(
                "a hyperparameter lies outside the interval of the dual function",
                got=float(out[wrong].flat[0]),
                allowed=f"{low:g} to {high:g}",
                do="make the dual on a wider interval",
            )
        )
    return out
