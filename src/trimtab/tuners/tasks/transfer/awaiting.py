"""A posterior that knows where trials are pending, and believes of them what it predicts.

Its mean stays, since what it expects teaches it nothing; its variance is that of the process once these places are
known. D. Ginsbourger, R. Le Riche and L. Carraro, "Kriging Is Well-Suited to Parallelize Optimization", 2010, call it
the Kriging believer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.surrogates.gp import Surface
from trimtab.surrogates.gp.fantasies import Fantasies, imagine

__all__ = ["Awaiting"]

Array = NDArray[np.float64]

MOST = 20
"""Pending trials that it knows, the last ones."""


@dataclass(frozen=True, slots=True)
class Awaiting:
    """A surface once pending trials have told what it expects."""

    fantasies: Fantasies

    @classmethod
    def on(cls, surface: Surface, pending: Array) -> Awaiting:
        """The surface once trials at unit coordinates (p, d) are pending.

        Raises:
            NotPositiveDefinite: the points cannot be told apart.
        """
        points = surface.embedding.features(pending[-MOST:])
        return cls(imagine(surface.embedding, surface.posterior, points, np.zeros((1, len(points)))))

    def predict(self, unit: Array) -> tuple[Array, Array]:
        """Mean and variance, (m,) and (m,)."""
        means, variance = self.fantasies.predict(unit)
        return means[:, 0], variance

    def predict_with_gradient(self, unit: Array) -> tuple[Array, Array, Array, Array]:
        """Mean, variance and their derivatives by the unit coordinates: (m,), (m,), (m, d), (m, d)."""
        mean, mean_slope = self.fantasies.predict_with_gradient(unit, _mean_of)
        variance, variance_slope = self.fantasies.predict_with_gradient(unit, _variance_of)
        return mean, variance, mean_slope, variance_slope


def _mean_of(means: Array, variance: Array) -> tuple[Array, Array, Array]:
    """The mean, and its derivatives by the means and the variance."""
    return means[:, 0], np.ones_like(means), np.zeros_like(variance)


def _variance_of(means: Array, variance: Array) -> tuple[Array, Array, Array]:
    """The variance, likewise."""
    return variance, np.zeros_like(means), np.ones_like(variance)
