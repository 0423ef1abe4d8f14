"""A certificate for signs of differences of convex functions: at most how often p(t) - q(t) changes its sign.

Sums of exponentials with positive coefficients, and more generally sums of products of log-convex functions, are
log-convex (textbook: Hoelder's inequality). So wherever an example's margin is log P(t) - log Q(t) with such sums P
and Q, two values and two slopes at the ends of an interval [a, b] say what happens between them, however many terms
there are:

    p'(a) > q'(b), or p'(b) < q'(a)                     slopes ascend, so p - q is monotone: one sign change at most
    max of p's tangents at a and b > q's chord          p lies above its tangents, q below its chord: p - q > 0
    max of q's tangents at a and b > p's chord          p - q < 0

The first is of order (b - a), the others of order (b - a)^2, so that simple zeros are isolated and intervals without
one are let go after few halvings; zeros of p - q of higher order stay undecided. `kernel_bandwidth`, `gaussian_graph`
and `polynomial_graph` use it. A slack covers rounding.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trimtab.tuners.tasks.duals.bisection import MANY, Counts

__all__ = ["Slopes", "most_sign_changes"]

Array = NDArray[np.float64]


class Slopes(NamedTuple):
    """Values and slopes of two convex functions p and q at points, shape (m,) each."""

    p: Array
    p_slope: Array
    q: Array
    q_slope: Array

    @property
    def swapped(self) -> Slopes:
        """The same with p and q exchanged."""
        return Slopes(self.q, self.q_slope, self.p, self.p_slope)


def most_sign_changes(width: Array, at_left: Slopes, at_right: Slopes, slack: float = 1e-12) -> Counts:
    """At most how often p - q changes its sign on intervals of these widths: 0, 1 or `MANY`; shape (m,).

    Arguments:
        slack: rounding to allow for, relative to the largest number that enters a comparison.
    """
    monotone = _above(at_left.p_slope, at_right.q_slope, slack) | _above(at_left.q_slope, at_right.p_slope, slack)
    one_sign = _positive(width, at_left, at_right, slack) | _positive(width, at_left.swapped, at_right.swapped, slack)
    return np.where(one_sign, 0, np.where(monotone, 1, MANY)).astype(np.intp)


def _above(larger: Array, smaller: Array, slack: float) -> NDArray[np.bool_]:
    """Where one exceeds the other by more than rounding."""
    above: NDArray[np.bool_] = larger - smaller > slack * (np.abs(larger) + np.abs(smaller))
    return above


def _positive(width: Array, left: Slopes, right: Slopes, slack: float) -> NDArray[np.bool_]:
    """Where p's tangents lie above q's chord: at both ends, and where the two tangents meet."""
    bend = right.p_slope - left.p_slope
    meet = np.clip((right.p_slope * width - (right.p - left.p)) / np.where(bend > 0, bend, 1.0), 0.0, width)
    tangent = np.minimum(left.p + left.p_slope * meet, right.p - right.p_slope * (width - meet))
    chord = left.q + (right.q - left.q) * (meet / width)
    least = slack * (1 + np.maximum.reduce([np.abs(part) for part in (left.p, right.p, left.q, right.q)]))
    positive: NDArray[np.bool_] = np.minimum.reduce([left.p - left.q, right.p - right.q, tangent - chord]) > least
    return positive
