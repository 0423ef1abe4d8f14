"""The probability that a constraint is kept, as a criterion: log P(c(x) <= 0) = log Phi(-m / s).

With a normal posterior N(m, s^2) of the constraint's value. Named constraints are modelled by their values;
that a trial failed is modelled as a constraint of values 1 and -1. The product with the expected improvement is
J. R. Gardner, M. J. Kusner, Z. Xu, K. Q. Weinberger and J. P. Cunningham, "Bayesian Optimization with Inequality
Constraints", ICML 2014.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx, log_ndtr, ndtr

from trimtab.surrogates.acquisition.criterion import Predictor

__all__ = ["LogFeasibility"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LogFeasibility:
    """Log probability of a value <= 0."""

    predictor: Predictor

    def value(self, unit: Array) -> Array:
        """Shape (m,)."""
        mean, variance = self.predictor.predict(unit)
        value: Array = log_ndtr(-mean / np.sqrt(variance))
        return value

    def value_and_gradient(self, unit: Array) -> tuple[Array, Array]:
        """Shapes (m,) and (m, d)."""
        mean, variance, mean_slope, variance_slope = self.predictor.predict_with_gradient(unit)
        deviation = np.sqrt(variance)
        z = -mean / deviation
        value = log_ndtr(z)
        # phi / Phi: both underflow far below 0, where erfcx gives their ratio without cancellation.
        tail = math.sqrt(2.0 / math.pi) / erfcx(np.maximum(-z, 0.0) / math.sqrt(2.0))
        near = np.maximum(z, 0.0)
        by_z = np.where(z < 0.0, tail, np.exp(-0.5 * near * near - 0.5 * math.log(2.0 * math.pi)) / ndtr(near))
        by_mean, by_variance = -by_z / deviation, -by_z * z / (2.0 * variance)
        return value, by_mean[:, None] * mean_slope + by_variance[:, None] * variance_slope
