"""The error of a graph network as a function of the constant in its adjacency kernel, certified.

Needs nodes with features and labels, and nodes with features whose labels are known to judge by. The kernel is

    A_ij = (d(i, j) + a)^degree,   d Euclidean, i and j all nodes,

that of M.-F. Balcan, A. T. Nguyen and D. Sharma, "Sample complexity of data-driven tuning of model hyperparameters in
neural networks with structured parameter-dependent dual function", NeurIPS 2025, arXiv 2501.13734 (of which the
abstract and a later paper's account could be read). Their network has a hidden layer and is assumed to be trained to
its global optimum. Here it is the network without one, A(a) X B, of F. Wu, T. Zhang, A. H. de Souza, C. Fifty, T. Yu
and K. Q. Weinberger, "Simplifying graph convolutional networks", ICML 2019, arXiv 1902.07153, whose B is trained to
its one optimum by ridge regression on the one-hot classes of the labelled nodes: a narrower family, for which the
assumption holds. A(a) X is divided by (number of nodes) (largest distance)^degree, whatever a is. Its entries are
polynomials in a; for the certificate see `ridge_features`. A constant feature stands for the bias and is penalised
like the others.
"""

from __future__ import annotations

from math import comb

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument, check_count, message
from trimtab.tuners.tasks.duals.bisection import Certified
from trimtab.tuners.tasks.duals.classification import Examples, classification, squared_distances
from trimtab.tuners.tasks.duals.ridge_features import ridge_features_dual

__all__ = ["graph_network_dual"]

Array = NDArray[np.float64]


def graph_network_dual(
    labelled: Examples,
    unlabelled: Examples,
    *,
    degree: int,
    penalty: float,
    low: float,
    high: float,
    resolution: float = 1e-5,
    tolerance: float = 1e-9,
) -> Certified:
    """The share of unlabelled nodes with a wrong class, on constants a from low to high.

    Arguments:
        labelled: features and labels, shapes (n, d) and (n,).
        unlabelled: features, and the labels that only judge, shapes (m, d) and (m,).
        degree: of the kernel, a whole number of 1 or more.
        penalty: of the squared weights, beside the sum of squared errors; positive.
        low, high: constants, in the units of distances.
        resolution, tolerance: see `sign_changes`, as shares of high - low.

    Raises:
        InvalidArgument: wrong shapes, no interval, a class that only unlabelled nodes have, a degree or penalty out of
            range, or nodes that are all alike.
    """
    task = classification(labelled, unlabelled)
    check_count(degree, "the degree of the kernel")
    points = np.concatenate([task.features, task.held_features])
    distances = np.sqrt(squared_distances(points, points))
    largest = float(distances.max())
    if not largest > 0:
        raise InvalidArgument(message("nodes of a graph network must differ", got=points[0], do="leave the graph out"))
    constant = np.ones((len(points), 1))
    scale = len(points) * largest**degree
    parts = [
        np.hstack([comb(degree, k) * distances ** (degree - k) @ points / scale, constant if k == 0 else 0 * constant])
        for k in range(degree + 1)
    ]
    features = np.stack(parts)
    return ridge_features_dual(
        task,
        features[:, : len(task.features)],
        features[:, len(task.features) :],
        penalty=penalty,
        low=low,
        high=high,
        resolution=resolution,
        tolerance=tolerance,
    )
