"""Lower bounds of a posterior mean on boxes. Three, each valid alone; shapes: b boxes, n observations.

`analytic_bound` takes every term of m = c + sum_i w_i k(s_i) for itself: a positive weight at the farthest
distance of the box, a negative one at the nearest. Its error is of the first order in the box's size.

`relaxed_bound` replaces every k(s_i) by a line in s_i: for w_i > 0 the tangent at the reference point, which lies
below the convex k, and for w_i < 0 the secant over [near_i, far_i], which lies above it. What is left is
linear in the s_i, hence a sum of one-dimensional parabolas, and its least value over the box is exact and in closed
form. The error is of the second order: each term's is at most |w_i| max k'' (far_i - near_i)^2 / 2.

`smooth_bound` expands m as a whole at the reference point z. In the kernel's Hilbert space, with a bound
on second derivatives (see `trimtab.surrogates.certificates.profiles`),

    m(z + t) >= m(z) + g.t - 1/2 curvature |m - c| |t|^2,

whose least value is at a corner of the box. Undecided categoricals and conditions cost
|m - c| |k(z, .) - k(z', .)| = |m - c| sqrt(2 (1 - k(spread))). The error is of the second order too.

The last two complement each other. The first sees which observations are near, and decides wherever categoricals
are open or the data are noisy. The second keeps the cancellation between terms, and decides for nearly
noiseless data, where sum_i |w_i| is a hundred times |m - c|.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trimtab.surrogates.certificates.domains import Boxes
from trimtab.surrogates.certificates.mean import Distances, PosteriorMean, Stationary

__all__ = ["analytic_bound", "best_bound", "relaxed_bound", "smooth_bound"]

Array = NDArray[np.float64]

EPS = float(np.finfo(np.float64).eps)


def analytic_bound(mean: PosteriorMean, distances: Distances) -> Array:
    """Each term at its own worst, shape (b,)."""
    near, _ = mean.profile.value_and_slope(distances.near)
    far, _ = mean.profile.value_and_slope(distances.far)
    return np.asarray(mean.constant + np.where(mean.weights > 0.0, far, near) @ mean.weights - _rounding(mean))


def relaxed_bound(mean: PosteriorMean, boxes: Boxes, distances: Distances) -> Stationary:
    """The least value of a separable quadratic below m, and where it is attained."""
    near, near_slope = mean.profile.value_and_slope(distances.near)
    far, _ = mean.profile.value_and_slope(distances.far)
    middle, tangent = mean.profile.value_and_slope(distances.middle)
    gap = distances.far - distances.near
    secant = np.divide(far - near, gap, out=near_slope, where=gap > 1e-12)
    positive = mean.weights > 0.0
    slopes = mean.weights * np.where(positive, tangent, secant)
    lines = mean.weights * np.where(positive, middle, near) - slopes * np.where(
        positive, distances.middle, distances.near
    )
    least = mean.least(slopes, boxes)
    values = mean.constant + lines.sum(axis=1) + least.values
    return Stationary(values - _rounding(mean) * (1.0 + distances.far.max(axis=1)), least.points)


def smooth_bound(mean: PosteriorMean, boxes: Boxes, distances: Distances) -> Array:
    """The expansion of m at the reference point, shape (b,)."""
    value, slope = mean.profile.value_and_slope(distances.middle)
    gradient, half = mean.gradient(slope, boxes), mean.half_widths(boxes)
    drop = np.abs(gradient) * half + 0.5 * mean.profile.curvature * mean.norm * half * half
    jump = np.sqrt(np.maximum(2.0 - 2.0 * mean.profile.value_and_slope(distances.spread)[0], 0.0))
    return np.asarray(mean.constant + value @ mean.weights - drop.sum(axis=1) - mean.norm * jump - _rounding(mean))


def best_bound(mean: PosteriorMean, boxes: Boxes) -> Stationary:
    """The larger of `relaxed_bound` and `smooth_bound`, and where the first is attained: where to look next."""
    distances = mean.distances(boxes)
    relaxed = relaxed_bound(mean, boxes, distances)
    return Stationary(np.maximum(relaxed.values, smooth_bound(mean, boxes, distances)), relaxed.points)


def _rounding(mean: PosteriorMean) -> float:
    """More than what rounding can add to a sum of n terms of the size of the weights."""
    return 4.0 * EPS * (len(mean.weights) + 16) * (mean.total + abs(mean.constant))
