"""The minimum of a small convex quadratic in a box, exactly and in microseconds.

    min_s  g.s + s^T H s / 2   with   low <= s <= high,   H positive definite

By projected Newton steps: a coordinate that stands at a bound with the slope pushing outwards is held, the others take
the Newton step of the quadratic in them alone, and the way there is bent along the box until the value falls by a
fixed share of what its slope promised. Once the coordinates to be held are the right ones, one step is the answer, so
the work is a handful of dense solves.

D. P. Bertsekas, "Projected Newton methods for optimization problems with simple constraints", SIAM Journal on Control
and Optimization 20, 1982. Its margin, by which a coordinate near a bound counts as at it, is zero here: a coordinate
that a step carries to its bound is there exactly.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dposv

__all__ = ["lowest_in_box"]

Array = NDArray[np.float64]

ITERATIONS = 100
"""Steps at most; it takes 2 to 10."""

SETTLED = 1e-10
"""A slope along what is not held of at most so many times the largest of g will do."""

ENOUGH, SHORTEST = 1e-4, 1e-8
"""The share of the promised fall that a step must bring, and the shortest one that is tried."""


def lowest_in_box(slope: Array, curvature: Array, low: Array, high: Array, start: Array) -> Array:
    """The minimum, shape (f,).

    Arguments:
        slope: g, shape (f,).
        curvature: H, shape (f, f).
        low, high: the box, shape (f,), low <= high.
        start: where to begin; it is moved into the box.
    """
    place = np.minimum(np.maximum(start, low), high)
    settled = SETTLED * float(np.abs(slope).max(initial=0.0))
    for _ in range(ITERATIONS):
        here = slope + curvature.dot(place)
        free = np.flatnonzero(~np.where(here > 0.0, place <= low, place >= high))
        along = here[free]
        if not free.size or float(np.abs(along).max()) <= settled:
            break
        newton = np.zeros(len(place))
        _, newton[free], failed = dposv(curvature[free][:, free], -along)
        if failed:
            break  # not positive definite in floats: no step can be trusted
        length = 1.0
        while True:
            # Kept as a place, not as a step from one: a bound is met exactly, which adding would not promise.
            there = np.minimum(np.maximum(place + length * newton, low), high)
            step = there - place
            promised = float(here.dot(step))
            if promised + 0.5 * float(step.dot(curvature.dot(step))) <= ENOUGH * promised:
                break
            length *= 0.5
            if length < SHORTEST:
                return place
        place = there
    return place
