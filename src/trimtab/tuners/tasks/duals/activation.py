"""The error of a network as a function of the mix of its two activations, certified.

Needs examples with labels to train on and to judge by, a hidden layer (weights, biases) and two activations. Units are

    o(x) = a o1(W^T x + b) + (1 - a) o2(W^T x + b),

the interpolation of M.-F. Balcan, A. T. Nguyen and D. Sharma, "Sample complexity of data-driven tuning of model
hyperparameters in neural networks with structured parameter-dependent dual function", NeurIPS 2025, arXiv 2501.13734
(of which the abstract and a later paper's account could be read). They assume that training finds the best weights of
all layers, which no algorithm promises. Here the hidden layer is given, drawn at random or trained before, and the
output layer is trained to its one optimum by ridge regression on one-hot classes: a narrower family, for which the
assumption holds. Features are linear in a; for the certificate see `ridge_features`. A constant feature stands for
the output's bias and is penalised like the others.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimtab.base.errors import InvalidArgument, message
from trimtab.tuners.tasks.duals.bisection import Certified
from trimtab.tuners.tasks.duals.classification import Examples, classification
from trimtab.tuners.tasks.duals.ridge_features import ridge_features_dual

__all__ = ["Activation", "activation_dual"]

Array = NDArray[np.float64]

Activation = Callable[[Array], Array]
"""A function of each number of an array."""


def activation_dual(
    train: Examples,
    validation: Examples,
    *,
    weights: ArrayLike,
    biases: ArrayLike,
    first: Activation,
    second: Activation,
    penalty: float,
    low: float = 0.0,
    high: float = 1.0,
    resolution: float = 1e-5,
    tolerance: float = 1e-9,
) -> Certified:
    """The share of validation examples with a wrong class, on mixes from low to high.

    Arguments:
        train, validation: features and labels, shapes (n, d) and (n,).
        weights, biases: of the hidden layer, shapes (d, units) and (units,).
        first: o1, all that counts at a = 1.
        second: o2, all that counts at a = 0.
        penalty: of the output layer's squared weights, beside the sum of squared errors; positive.
        low, high: mixes.
        resolution, tolerance: see `sign_changes`, as shares of high - low.

    Raises:
        InvalidArgument: wrong shapes, no interval, a class that only validation has, a penalty that is not positive.
    """
    task = classification(train, validation)
    matrix, shift = np.asarray(weights, dtype=float), np.asarray(biases, dtype=float)
    if matrix.ndim != 2 or matrix.shape[0] != task.features.shape[1] or shift.shape != matrix.shape[1:]:
        raise InvalidArgument(
            message(
                "a hidden layer needs a weight for each feature and unit and a bias for each unit",
                got=(matrix.shape, shift.shape),
                allowed=f"shapes ({task.features.shape[1]}, units) and (units,)",
            )
        )

    def features(x: Array) -> Array:
        one, other = first(x @ matrix + shift), second(x @ matrix + shift)
        constant = np.ones((len(x), 1))
        return np.stack([np.hstack([other, constant]), np.hstack([one - other, 0 * constant])])

    return ridge_features_dual(
        task,
        features(task.features),
        features(task.held_features),
        penalty=penalty,
        low=low,
        high=high,
        resolution=resolution,
        tolerance=tolerance,
    )
