"""Sign changes of sums of exponentials, sum_i c_i exp(-a_i t) with coefficients of 1 and -1: bounded, so isolated.

Three bounds, of which the smallest counts; all need the terms in the order of their exponents, a_1 <= a_2 <= ...

    all t      sign changes in c_1, c_2, ...                                    Descartes' rule for exponential sums
    t > b      sign changes in C_k = sum_{i <= k} c_i exp(-a_i b)               Laguerre
    t < b      the same from the other end: partial sums of the largest exponents first
    [b, e]     the positive terms and the negative ones are two log-convex sums, see `convex_difference`

The first two are Laguerre's, Journal de mathematiques pures et appliquees 9, 1883; G. J. O. Jameson, "Counting zeros of
generalised polynomials: Descartes' rule of signs and Laguerre's extensions", The Mathematical Gazette 90, 2006, proves
them (both recalled). Why the second holds: for t > b the sum is the Laplace transform of the step function C times a
positive factor, and a Laplace transform has no more zeros than its function has sign changes. Zeros are counted with
multiplicity, and equal exponents in any order only add sign changes to the sequence. A partial sum smaller than its
rounding error counts as either sign.
"""

from __future__ import annotations

from typing import final

import numpy as np
from numpy.typing import NDArray

from trimtab.tuners.tasks.duals.bisection import MANY, Counts
from trimtab.tuners.tasks.duals.convex_difference import Slopes, most_sign_changes

__all__ = ["ExponentialSums"]

Array = NDArray[np.float64]

EPSILON = float(np.finfo(float).eps)

LEAST = -1e300
"""The logarithm of a sum without terms."""


@final
class ExponentialSums:
    """Several sums. One without terms of a sign has a margin of about 1e300 in size, and changes nowhere.

    Arguments:
        exponents: a, shape (sums, terms); `inf` where a sum has fewer terms.
        signs: c, 1.0 or -1.0, and 0.0 where a sum has fewer terms, shape (sums, terms).
    """

    def __init__(self, exponents: Array, signs: Array) -> None:
        order = np.argsort(exponents, axis=1, kind="stable")
        self._signs = np.take_along_axis(signs, order, axis=1)
        ascending = np.where(self._signs == 0, 0.0, np.take_along_axis(exponents, order, axis=1))
        # A common factor exp(-a_1 t) changes no sign.
        self._exponents = ascending - ascending[:, :1]
        self._most = _variations(self._signs)

    def __len__(self) -> int:
        """How many sums there are."""
        return len(self._signs)

    @property
    def most(self) -> Counts:
        """At most how many zeros each sum has on the whole line, by Descartes' rule, shape (sums,)."""
        return self._most

    def margins(self, at: Array, which: Counts) -> Array:
        """Logarithm of the positive terms' sum less that of the negative ones'; see `bisection.Margins`."""
        slopes = self._slopes(at, which)
        return slopes.p - slopes.q

    def bound(self, left: Array, right: Array, which: Counts) -> Counts:
        """Most sign changes; see `bisection.Bound`."""
        convex = most_sign_changes(right - left, self._slopes(left, which), self._slopes(right, which))
        found: Counts = np.minimum(convex, self._most[which])
        (open_,) = np.nonzero(found > 1)
        found[open_] = np.minimum(found[open_], self._beyond(left[open_], which[open_]))
        (open_,) = np.nonzero(found > 1)
        found[open_] = np.minimum(found[open_], self._before(right[open_], which[open_]))
        return found

    def _slopes(self, at: Array, which: Counts) -> Slopes:
        """Logarithms of both sums and their slopes."""
        exponents, signs = self._exponents[which], self._signs[which]
        powers = -exponents * at[:, None]
        parts: list[Array] = []
        # Of a sum without terms nothing but its sign is asked; one without any is no defeat.
        for sign, empty in ((1.0, LEAST), (-1.0, 2 * LEAST)):
            mine = np.where(signs == sign, powers, -np.inf)
            some = (signs == sign).any(axis=1)
            largest = np.where(some, mine.max(axis=1), 0.0)
            terms = np.exp(mine - largest[:, None])
            total = np.where(some, terms.sum(axis=1), 1.0)
            parts += [np.where(some, largest + np.log(total), empty), -(terms * exponents).sum(axis=1) / total]
        return Slopes(*parts)

    def _beyond(self, at: Array, which: Counts) -> Counts:
        """At most how many zeros lie right of `at`."""
        return _partial_sum_variations(-self._exponents[which] * at[:, None], self._signs[which])

    def _before(self, at: Array, which: Counts) -> Counts:
        """At most how many zeros lie left of `at`."""
        return _partial_sum_variations((-self._exponents[which] * at[:, None])[:, ::-1], self._signs[which][:, ::-1])


def _partial_sum_variations(powers: Array, signs: Array) -> Counts:
    """Sign changes of partial sums of signs times exp(powers), or more where rounding hides some; shape (m,)."""
    used = signs != 0
    shifted = np.where(used, powers, -np.inf)
    terms = signs * np.exp(shifted - shifted.max(axis=1, keepdims=True))
    sums, sizes = np.cumsum(terms, axis=1), np.cumsum(np.abs(terms), axis=1)
    # The exponents' own rounding moves each term by about EPSILON times its power.
    slack = EPSILON * (4 * signs.shape[1] + np.abs(np.where(used, powers, 0.0)).max(axis=1, keepdims=True)) * sizes
    unsure = (np.abs(sums) <= slack) & used
    counted = _variations(np.where(unsure, 0.0, np.sign(sums))) + 2 * unsure.sum(axis=1)
    lost = (used & (np.abs(terms) < np.finfo(float).tiny)).any(axis=1)
    return np.where(lost, MANY, counted).astype(np.intp)


def _variations(signs: Array) -> Counts:
    """Sign changes along rows, zeros left out, shape (m,)."""
    # Each zero takes the sign of the last entry before it that has one.
    last = np.maximum.accumulate(np.where(signs != 0, np.arange(signs.shape[1]), -1), axis=1)
    filled = np.where(last >= 0, np.take_along_axis(signs, np.maximum(last, 0), axis=1), 0.0)
    changes: Counts = (filled[:, 1:] * filled[:, :-1] < 0).sum(axis=1).astype(np.intp)
    return changes
