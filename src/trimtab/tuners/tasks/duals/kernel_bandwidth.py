"""The error of a kernel classifier as a function of its bandwidth, with all breakpoints isolated.

Needs examples with labels to train on and to judge by. An example gets the class with the largest

    S_c(x) = sum_{i of class c} exp(-|x - x_i|^2 / (2 h^2)),

the class that the Nadaraya-Watson estimator puts first (E. A. Nadaraya, "On estimating regression", 1964; G. S.
Watson, "Smooth regression analysis", 1964), and the one of Parzen windows with classes weighted by their sizes. In t
= 1 / (2 h^2) each S_c is a sum of exponentials, so S_y - S_c has no more zeros than `exponential_sum` counts, and the
loss, the share of examples with a wrong class, is piecewise constant. Towards h = 0 it is that of the nearest
neighbour, towards infinity that of the most frequent class. Sums are compared by their logarithms, so that no
bandwidth is too small.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument, message
from trimtab.tuners.tasks.duals.bisection import Certified, check_interval, sign_changes
from trimtab.tuners.tasks.duals.classification import Examples, classification, squared_distances
from trimtab.tuners.tasks.duals.exponential_sum import ExponentialSums

__all__ = ["kernel_bandwidth_dual"]

Array = NDArray[np.float64]


def kernel_bandwidth_dual(
    train: Examples,
    validation: Examples,
    *,
    low: float,
    high: float,
    resolution: float = 1e-5,
    tolerance: float = 1e-9,
) -> Certified:
    """The share of validation examples with a wrong class, on bandwidths from low to high.

    Arguments:
        train, validation: features and labels, shapes (n, d) and (n,); two classes or more.
        low, high: bandwidths, above zero, in the units of the features.
        resolution, tolerance: see `sign_changes`, as shares of log(high / low).

    Raises:
        InvalidArgument: no interval of positive bandwidths, wrong shapes, or a class that only validation has.
    """
    check_interval(low, high)
    if not low > 0:
        raise InvalidArgument(message("a bandwidth is positive", got=low, allowed="low above zero"))
    task = classification(train, validation)
    squares = squared_distances(task.held_features, task.features)
    owner, rival = task.rivals()
    own = task.held_classes[owner]
    signs = (task.classes[None] == own[:, None]).astype(float) - (task.classes[None] == rival[:, None])
    sums = ExponentialSums(np.where(signs == 0, np.inf, squares[owner]), signs)

    def inverse(x: Array) -> Array:
        return np.exp(-2 * x) / 2

    found = sign_changes(
        lambda at, which: sums.margins(inverse(at), which),
        len(sums),
        math.log(low),
        math.log(high),
        lambda left, right, which: sums.bound(inverse(right), inverse(left), which),
        resolution=resolution,
        tolerance=tolerance,
    )
    return found.error_rate(owner, np.exp, (low, high))
