"""Priors on the hyperparameters of a Gaussian process over unit coordinates and standardised values.

    length-scale l   ~ LogNormal(sqrt(2) + log(d) / 2, sqrt(3))     one per column, d columns
    noise variance v ~ LogNormal(-1, 2)

The length-scale prior grows with the square root of the dimension, so that the expected complexity
of the model does not grow with it: C. Hvarfner, E. O. Hellsten and L. Nardi, "Vanilla Bayesian
Optimization Performs Great in High Dimensions", ICML 2024, arXiv 2402.02229. As there, the output
scale is fixed at 1 because the values are standardised, and a density is taken per length-scale
(not per logarithm), so its mode is exp(mu - sigma^2).

The noise prior has the mode of BoTorch's LogNormal(-4, 1), e^-5, and twice its deviation. Under the narrow one a
function with noise of a tenth of its interquartile range was explained by length-scales so short that every value stood
for itself, with the noise at its prior's mode: the posterior then says nothing between the trials.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["LogNormal", "length_scale_prior", "noise_prior"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LogNormal:
    """log x ~ Normal(mu, sigma^2)."""

    mu: float
    sigma: float

    @property
    def log_mode(self) -> float:
        """Logarithm of the most probable x."""
        return self.mu - self.sigma**2

    def log_density(self, log_x: Array) -> tuple[float, Array]:
        """Sum of log p(x) up to a constant, and its derivative by each log x; any shape."""
        off = (log_x - self.mu) / self.sigma
        return -float(np.sum(0.5 * off * off + log_x)), -off / self.sigma - 1.0


def length_scale_prior(dimension: int) -> LogNormal:
    """The dimension-scaled prior for `dimension` columns."""
    return LogNormal(math.sqrt(2.0) + 0.5 * math.log(max(dimension, 1)), math.sqrt(3.0))


def noise_prior() -> LogNormal:
    """The prior of the noise variance, in units of the standardised values' variance."""
    return LogNormal(-1.0, 2.0)
