"""The error of graph-based semi-supervised learning as a function of the bandwidth of a Gaussian graph, certified.

Needs points with labels, and points without whose labels are known to judge by. Weights are

    w_ij = exp(-d_ij^2 / s^2),  d Euclidean,

labels are harmonic (see `harmonic`), and the loss is the share of the unlabelled points that get a wrong one,
piecewise constant in s. M.-F. Balcan and D. Sharma, "Data driven semi-supervised learning", NeurIPS 2021, arXiv
2103.10547, tune s over tasks and bound how often such losses jump; of the paper the abstract alone could be read
again, and their way to follow roots is not this one. Here log w_ij is linear in t = 1 / s^2, so the certificate of
`harmonic` holds. The search halves intervals of log s.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument, message
from trimtab.tuners.tasks.duals.bisection import Certified, check_interval, sign_changes
from trimtab.tuners.tasks.duals.classification import Examples, classification, squared_distances
from trimtab.tuners.tasks.duals.harmonic import HarmonicMargins

__all__ = ["gaussian_graph_dual"]

Array = NDArray[np.float64]


def gaussian_graph_dual(
    labelled: Examples,
    unlabelled: Examples,
    *,
    low: float,
    high: float,
    resolution: float = 1e-5,
    tolerance: float = 1e-9,
) -> Certified:
    """The share of unlabelled points with a wrong label, on bandwidths from low to high.

    Arguments:
        labelled: points and labels, shapes (n, d) and (n,).
        unlabelled: points, and the labels that only judge, shapes (m, d) and (m,).
        low, high: bandwidths, above zero, in the units of the points.
        resolution, tolerance: see `sign_changes`, as shares of log(high / low).

    Raises:
        InvalidArgument: no interval of positive bandwidths; wrong shapes, a class without a labelled point; a bandwidth
            so small that all weights of a point vanish in float64.
    """
    check_interval(low, high)
    if not low > 0:
        raise InvalidArgument(message("a bandwidth is positive", got=low, allowed="low above zero"))
    task = classification(labelled, unlabelled)
    points = np.concatenate([task.held_features, task.features])
    squares = squared_distances(points, points)
    # A factor common to all weights changes no label, and keeps the largest weight at one.
    above = squares - squares[~np.eye(len(squares), dtype=bool)].min()

    def weights(t: float) -> tuple[Array, Array]:
        found = np.exp(-above * t)
        return found, -above * found

    graph = HarmonicMargins(task, weights, lambda x: math.exp(-2 * x), "bandwidth")
    found = sign_changes(
        graph.margins,
        graph.components,
        math.log(low),
        math.log(high),
        graph.bound,
        resolution=resolution,
        tolerance=tolerance,
    )
    return found.error_rate(graph.owner, np.exp, (low, high))
