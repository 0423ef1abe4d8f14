"""The mean of dual functions over tasks: what empirical risk minimisation minimises."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimtab.base.errors import InvalidArgument, message
from trimtab.tuners.tasks.duals.dual import Dual
from trimtab.tuners.tasks.duals.piecewise_constant import PiecewiseConstant
from trimtab.tuners.tasks.duals.piecewise_quadratic import PiecewiseQuadratic
from trimtab.tuners.tasks.duals.rational import Rational, mean_of_rationals

__all__ = ["mean_dual", "moved_quadratics", "shares_of"]

Array = NDArray[np.float64]


def mean_dual(duals: Sequence[Dual], weights: ArrayLike | None = None) -> Dual:
    """The weighted mean of duals of one kind on the interval that all of them cover, by one sweep over all breakpoints.

    Constants take O(R log R) for R breakpoints in all. Quadratics take O(T R) for T tasks, since each is moved to
    the middle of each merged piece, where no digits are lost. Rationals are summed as they are.

    Arguments:
        duals: of one kind, at least one.
        weights: not negative, shape (T,); by default equal.

    Raises:
        InvalidArgument: no duals, kinds that differ, no common interval, or wrong weights.
    """
    share = shares_of(len(duals), weights)
    edges = _merged_edges(duals)
    if all(isinstance(dual, PiecewiseConstant) for dual in duals):
        return _mean_of_constants([d for d in duals if isinstance(d, PiecewiseConstant)], share, edges)
    if all(isinstance(dual, PiecewiseQuadratic) for dual in duals):
        parts = [moved_quadratics(dual, edges) for dual in duals if isinstance(dual, PiecewiseQuadratic)]
        return PiecewiseQuadratic(edges, sum(weight * part for weight, part in zip(share, parts, strict=True)))
    if all(isinstance(dual, Rational) for dual in duals):
        return mean_of_rationals([dual for dual in duals if isinstance(dual, Rational)], share, edges)
    raise InvalidArgument(
        message(
            "a mean needs dual functions of one kind",
            got=sorted({type(dual).__name__ for dual in duals}),
            allowed="all piecewise constant, all piecewise quadratic, or all rational",
        )
    )


def shares_of(count: int, weights: ArrayLike | None) -> Array:
    """Weights of as many tasks or dual functions, shape (count,), that sum to one; by default equal.

    Raises:
        InvalidArgument: none, or weights that are not one for each, negative, or all zero.
    """
    if not count:
        raise InvalidArgument(message("a mean needs at least one dual function", got=0))
    given = np.ones(count) if weights is None else np.asarray(weights, dtype=float)
    if given.shape != (count,) or not np.isfinite(given).all() or (given < 0).any() or not given.sum() > 0:
        raise InvalidArgument(
            message("weights must be one number for each dual", got=weights, allowed="not negative, not all zero")
        )
    share: Array = given / given.sum()
    return share


def _merged_edges(duals: Sequence[Dual]) -> Array:
    """All breakpoints of all duals on the interval that they share, ascending, shape (pieces + 1,)."""
    low, high = max(dual.low for dual in duals), min(dual.high for dual in duals)
    if not low < high:
        raise InvalidArgument(
            message(
                "the dual functions share no interval",
                got=[(dual.low, dual.high) for dual in duals],
                do="make all of them on one interval",
            )
        )
    inner = np.unique(np.concatenate([dual.breakpoints for dual in duals]))
    return np.concatenate([[low], inner[(inner > low) & (inner < high)], [high]])


def moved_quadratics(dual: PiecewiseQuadratic, edges: Array) -> Array:
    """Coefficients on finer pieces, each in the variable of its own piece, shape (pieces, 3)."""
    left, right = edges[:-1], edges[1:]
    piece = np.clip(np.searchsorted(dual.edges, left + (right - left) / 2, side="right") - 1, 0, dual.pieces - 1)
    first, last = dual.edges[piece], dual.edges[piece + 1]
    middle = ((left - first) - (last - right)) / (last - first)  # of the new piece, in the old variable
    scale = (right - left) / (last - first)
    c0, c1, c2 = dual.coefficients[piece].T
    return np.stack([c0 + middle * (c1 + middle * c2), scale * (c1 + 2 * c2 * middle), c2 * scale * scale], axis=-1)


def _mean_of_constants(duals: Sequence[PiecewiseConstant], share: Array, edges: Array) -> PiecewiseConstant:
    """Levels at the left end and the jumps after it, added up in the order of the breakpoints.

    The running sum is exact to a few units in the last place of the largest level, since every jump is a difference of
    levels.
    """
    jumps = np.zeros(len(edges) - 1)
    for weight, dual in zip(share, duals, strict=True):
        jumps[0] += weight * float(dual.value(edges[0]))
        kept = (dual.breakpoints > edges[0]) & (dual.breakpoints < edges[-1])
        np.add.at(jumps, np.searchsorted(edges, dual.breakpoints[kept]), weight * np.diff(dual.levels)[kept])
    return PiecewiseConstant(edges, np.cumsum(jumps))
