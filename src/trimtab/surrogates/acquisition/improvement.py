"""Expected improvement as a criterion: over a known incumbent, and over one that is known only through noise.

`LogImprovement` is log EI below a given value. `LogNoisyImprovement` is for noisy trials, where the best told value
is a lucky one, and for trials that are pending, which have no value at all. It integrates over what the objective may
really be at those places: with S joint draws f_s of the objective at the best told and the pending points,

    log 1/S sum_s EI_s(x),   EI_s the expected improvement below min f_s of the posterior that knows f_s

Each EI_s is a closed form whose variance is common to all s, so that the draws cost one product more. With
pending points this is the sequential greedy form of the batch acquisition. B. Letham, B. Karrer, G. Ottoni and
E. Bakshy, "Constrained Bayesian Optimization with Noisy Experiments", Bayesian Analysis 14, 2019, arXiv 1706.07094;
its logarithm as in `trimtab.surrogates.acquisition.logei`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from trimtab.surrogates.acquisition.criterion import Predictor
from trimtab.surrogates.acquisition.logei import log_ei, log_ei_gradient

__all__ = ["Imagined", "LogImprovement", "LogNoisyImprovement"]

Array = NDArray[np.float64]


class Imagined(Protocol):
    """S posteriors of one variance, each of which knows one joint draw of the objective at some points.

    Attributes:
        bests: the lowest value of each draw, shape (S,).
    """

    @property
    def bests(self) -> Array:
        """Shape (S,)."""
        ...

    def predict(self, unit: Array) -> tuple[Array, Array]:
        """Means (m, S) and the variance (m,) at unit coordinates (m, d)."""
        ...

    def predict_with_gradient(self, unit: Array, weigh: Weigh) -> tuple[Array, Array]:
        """What `weigh` makes of means (m, S) and variance (m,), and its derivatives by the unit coordinates.

        The chain rule runs through S means at the cost of one: `weigh` says how much each matters.
        """
        ...


class Weigh(Protocol):
    """A function of means and variance with its derivatives."""

    def __call__(self, means: Array, variance: Array) -> tuple[Array, Array, Array]:
        """Values (m,), derivatives by the means (m, S) and by the variance (m,)."""
        ...


@dataclass(frozen=True, slots=True)
class LogImprovement:
    """Log expected improvement below `best`."""

    predictor: Predictor
    best: float

    def value(self, unit: Array) -> Array:
        """Shape (m,)."""
        mean, variance = self.predictor.predict(unit)
        return log_ei(mean, np.sqrt(variance), self.best)

    def value_and_gradient(self, unit: Array) -> tuple[Array, Array]:
        """Shapes (m,) and (m, d)."""
        mean, variance, mean_slope, variance_slope = self.predictor.predict_with_gradient(unit)
        deviation = np.sqrt(variance)
        value, by_mean, by_deviation = log_ei_gradient(mean, deviation, self.best)
        gradient = by_mean[:, None] * mean_slope + (by_deviation / (2.0 * deviation))[:, None] * variance_slope
        return value, gradient


@dataclass(frozen=True, slots=True)
class LogNoisyImprovement:
    """Log expected improvement below the best of what the objective may be, averaged over draws of it."""

    imagined: Imagined

    def value(self, unit: Array) -> Array:
        """Shape (m,)."""
        return self._weigh(*self.imagined.predict(unit))[0]

    def value_and_gradient(self, unit: Array) -> tuple[Array, Array]:
        """Shapes (m,) and (m, d)."""
        return self.imagined.predict_with_gradient(unit, self._weigh)

    def _weigh(self, means: Array, variance: Array) -> tuple[Array, Array, Array]:
        """Log mean EI and its derivatives by the means and the variance."""
        deviation = np.sqrt(variance)[:, None]
        widths = np.broadcast_to(deviation, means.shape)
        # The incumbent differs from draw to draw; moved into the mean it is 0 for all.
        each, by_mean, by_deviation = log_ei_gradient(means - self.imagined.bests, widths, 0.0)
        most = each.max(axis=1, keepdims=True)
        shares = np.exp(each - most)
        total = shares.sum(axis=1, keepdims=True)
        value = most[:, 0] + np.log(total[:, 0] / means.shape[1])
        shares /= total
        return value, shares * by_mean, (shares * by_deviation).sum(axis=1) / (2.0 * deviation[:, 0])
