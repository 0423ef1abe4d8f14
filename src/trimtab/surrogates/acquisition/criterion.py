"""What is maximised over the space: log expected improvement, weighted by the user's prior.

    log a(x) = log EI(x) + (beta / n) log pi(x)

with n observations and the user's density pi of the optimum over unit coordinates, relative to uniform.
Its weight decays, so a wrong prior delays and does not prevent the optimum (C. Hvarfner, D. Stoll,
A. Souza, M. Lindauer, F. Hutter and L. Nardi, "piBO: Augmenting Acquisition Functions with User Beliefs
for Bayesian Optimization", ICLR 2022, arXiv 2204.11051, equation 6).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from trimtab.space import Normal, Space
from trimtab.surrogates.acquisition.logei import log_ei, log_ei_gradient

__all__ = ["Belief", "Criterion", "LogImprovement", "Predictor"]

Array = NDArray[np.float64]


class Criterion(Protocol):
    """A function over unit coordinates (m, d), nan where inactive; higher is better."""

    def value(self, unit: Array) -> Array:
        """Its values, shape (m,)."""
        ...

    def value_and_gradient(self, unit: Array) -> tuple[Array, Array]:
        """Its values (m,) and derivatives by the unit coordinates (m, d), 0 where it has none."""
        ...


class Predictor(Protocol):
    """A posterior over unit coordinates (m, d); lower is better."""

    def predict(self, unit: Array) -> tuple[Array, Array]:
        """Mean and variance, (m,) and (m,)."""
        ...

    def predict_with_gradient(self, unit: Array) -> tuple[Array, Array, Array, Array]:
        """Mean, variance, and their derivatives by the unit coordinates, 0 where these are no numbers."""
        ...


@dataclass(frozen=True, slots=True)
class Belief:
    """The user's prior with its present exponent.

    Arguments:
        space: whose parameters carry the priors.
        exponent: beta / n.
    """

    space: Space
    exponent: float

    def value(self, unit: Array) -> Array:
        """(beta / n) log pi, shape (m,)."""
        value: Array = self.exponent * self.space.log_prior(self.space.from_unit(unit))
        return value

    def gradient(self, unit: Array) -> Array:
        """Its derivatives by the continuous unit coordinates (m, d); a `Normal` has -(u - location) / width^2."""
        out = np.zeros(unit.shape)
        for index, column in enumerate(self.space.columns):
            prior = column.parameter.prior
            if isinstance(prior, Normal) and column.size is None:
                row = np.full((1, unit.shape[1]), np.nan)
                row[0, index] = prior.location
                location = self.space.to_unit(row)[0, index]
                out[:, index] = np.nan_to_num(location - unit[:, index]) / prior.width**2
        return self.exponent * out


@dataclass(frozen=True, slots=True)
class LogImprovement:
    """Log expected improvement below `best`, with a belief where there is one."""

    predictor: Predictor
    best: float
    belief: Belief | None = None

    def value(self, unit: Array) -> Array:
        """Shape (m,)."""
        mean, variance = self.predictor.predict(unit)
        value = log_ei(mean, np.sqrt(variance), self.best)
        return value if self.belief is None else value + self.belief.value(unit)

    def value_and_gradient(self, unit: Array) -> tuple[Array, Array]:
        """Shapes (m,) and (m, d)."""
        mean, variance, mean_slope, variance_slope = self.predictor.predict_with_gradient(unit)
        deviation = np.sqrt(variance)
        value, by_mean, by_deviation = log_ei_gradient(mean, deviation, self.best)
        gradient = by_mean[:, None] * mean_slope + (by_deviation / (2.0 * deviation))[:, None] * variance_slope
        if self.belief is not None:
            value, gradient = value + self.belief.value(unit), gradient + self.belief.gradient(unit)
        return value, gradient
