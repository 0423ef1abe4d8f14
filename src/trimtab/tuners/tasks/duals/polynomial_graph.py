"""The error of graph-based semi-supervised learning as a function of a polynomial graph's constant, certified.

Needs points with labels, and points without whose labels are known to judge by. Weights are

    w_ij = (<x_i, x_j> + c)^degree,

labels are harmonic (see `harmonic`), and the loss is the share of the unlabelled points that get a wrong one, piecewise
constant in c: signs of polynomials in c. The family is one of M.-F. Balcan and D. Sharma, "Data driven semi-supervised
learning", NeurIPS 2021, arXiv 2103.10547 (of which the abstract alone could be read again).

The certificate of `harmonic` holds in t = log(1 + A / u) with u = c + min <x_i, x_j> and A = max <x_i, x_j> - min
<x_i, x_j>. Up to a factor that all weights have in common, which changes no label,

    w_ij = (1 - b_ij + b_ij e^t)^degree,   b_ij = (<x_i, x_j> - min) / A in 0 to 1,

whose logarithm is convex. So weights must be positive, u > 0; the degree may be any positive number. In log u weights
are log-convex, too, but more so, and the search would take longer. It halves intervals of log u.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument, message
from trimtab.tuners.tasks.duals.bisection import Certified, check_interval, sign_changes
from trimtab.tuners.tasks.duals.classification import Examples, classification
from trimtab.tuners.tasks.duals.harmonic import HarmonicMargins

__all__ = ["polynomial_graph_dual"]

Array = NDArray[np.float64]


def polynomial_graph_dual(
    labelled: Examples,
    unlabelled: Examples,
    *,
    degree: float,
    low: float,
    high: float,
    resolution: float = 1e-5,
    tolerance: float = 1e-9,
) -> Certified:
    """The share of unlabelled points with a wrong label, on constants c from low to high.

    Arguments:
        labelled: points and labels, shapes (n, d) and (n,).
        unlabelled: points, and the labels that only judge, shapes (m, d) and (m,).
        degree: of the polynomial, positive.
        low, high: constants, in the units of inner products.
        resolution, tolerance: see `sign_changes`, as shares of the interval of log(c - c0).

    Raises:
        InvalidArgument: no interval, weights that are not all positive at `low`, a degree that is not positive; wrong
            shapes, or a class without a labelled point.
    """
    check_interval(low, high)
    task = classification(labelled, unlabelled)
    points = np.concatenate([task.held_features, task.features])
    products = points @ points.T
    least = float(products[~np.eye(len(products), dtype=bool)].min())
    if not (low + least > 0 and degree > 0):
        raise InvalidArgument(
            message(
                "a polynomial graph needs positive weights and a positive degree",
                got=(low, degree),
                allowed=f"low above {-least:g}",
                do="raise low",
            )
        )
    spread = float(products[~np.eye(len(products), dtype=bool)].max()) - least or 1.0
    share = np.clip((products - least) / spread, 0.0, 1.0)

    def weights(t: float) -> tuple[Array, Array]:
        # Less t, so that the largest weight is one.
        steep = share / (share + (1 - share) * math.exp(-t))
        found = (share + (1 - share) * math.exp(-t)) ** degree
        return found, degree * (steep - 1) * found

    graph = HarmonicMargins(task, weights, lambda x: math.log1p(spread * math.exp(-x)), "constant")
    found = sign_changes(
        graph.margins,
        graph.components,
        math.log(low + least),
        math.log(high + least),
        graph.bound,
        resolution=resolution,
        tolerance=tolerance,
    )
    return found.error_rate(graph.owner, lambda x: np.exp(x) - least, (low, high))
