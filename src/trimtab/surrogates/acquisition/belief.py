"""The user's prior on the place of the optimum, as a criterion: (beta / n) log pi(x).

pi is the user's density over unit coordinates, relative to uniform, and n the number of observations: its
weight decays, so a wrong prior delays and does not prevent the optimum (C. Hvarfner, D. Stoll, A. Souza,
M. Lindauer, F. Hutter and L. Nardi, "piBO: Augmenting Acquisition Functions with User Beliefs for Bayesian
Optimization", ICLR 2022, arXiv 2204.11051, equation 6).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.space import Normal, Space

__all__ = ["Belief"]

Array = NDArray[np.float64]


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

    def value_and_gradient(self, unit: Array) -> tuple[Array, Array]:
        """Shapes (m,) and (m, d); by a continuous coordinate u a `Normal` has -(u - location) / width^2."""
        out = np.zeros(unit.shape)
        for index, column in enumerate(self.space.columns):
            prior = column.parameter.prior
            if isinstance(prior, Normal) and column.size is None:
                row = np.full((1, unit.shape[1]), np.nan)
                row[0, index] = prior.location
                location = self.space.to_unit(row)[0, index]
                out[:, index] = np.nan_to_num(location - unit[:, index]) / prior.width**2
        return self.value(unit), self.exponent * out
