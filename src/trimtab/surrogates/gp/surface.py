"""A Gaussian process over a space: a posterior behind the map from unit coordinates to features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.surrogates.gp.embedding import Embedding
from trimtab.surrogates.gp.regression import Posterior

__all__ = ["Surface"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Surface:
    """A posterior over unit coordinates (m, d), nan where inactive."""

    embedding: Embedding
    posterior: Posterior

    def predict(self, unit: Array) -> tuple[Array, Array]:
        """Mean and variance: (m,), (m,)."""
        return self.posterior.predict(self.embedding.features(unit))

    def predict_with_gradient(self, unit: Array) -> tuple[Array, Array, Array, Array]:
        """Mean, variance and their derivatives by the unit coordinates: (m,), (m,), (m, d), (m, d)."""
        mean, variance, by_mean, by_variance = self.posterior.predict_with_gradient(self.embedding.features(unit))
        by_mean, by_variance = (self.embedding.gradient(part, unit) for part in (by_mean, by_variance))
        return mean, variance, by_mean, by_variance
