"""Joint draws of the objective at some points, and the posteriors that know them.

For points P the posterior of f(P) is N(m, C); a draw is m + chol(C) e. Knowing it, and still all that was told,
the process is conditioned on further observations without noise: one Cholesky factor for all draws, since a
covariance does not depend on values, and one column of weights for each.

Source: Rasmussen and Williams 2006, equations 2.23 to 2.26; B. Letham et al., "Constrained Bayesian Optimization
with Noisy Experiments", Bayesian Analysis 14, 2019, arXiv 1706.07094, section 4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.surrogates.gp.cholesky import append, factor, solve, solve_lower, solve_upper
from trimtab.surrogates.gp.embedding import Embedding
from trimtab.surrogates.gp.kernels import matern52, matern52_and_slope, squared_distances
from trimtab.surrogates.gp.regression import Posterior, chain, variance_of

__all__ = ["Fantasies", "imagine"]

Array = NDArray[np.float64]

EXACT = 1e-6
"""Variance of the noise with which a draw is known: as good as none, and the factor exists."""


@dataclass(frozen=True, slots=True)
class Fantasies:
    """S posteriors of one variance.

    Arguments:
        embedding: unit coordinates to features.
        posterior: of what was told, n rows with the derivatives among it.
        drawn: points whose values are known in each draw, scaled by the length-scales, shape (p, f).
        lower: Cholesky factor, shape (n + p, n + p).
        alphas: weights of each draw, shape (n + p, S).
        bests: lowest value of each draw, shape (S,).
    """

    embedding: Embedding
    posterior: Posterior
    drawn: Array
    lower: Array
    alphas: Array
    bests: Array

    def predict(self, unit: Array) -> tuple[Array, Array]:
        """Means (m, S) and the variance (m,) at unit coordinates (m, d)."""
        here = self.embedding.features(unit) / self.posterior.scales
        cross = np.concatenate([self.posterior.cross(here), matern52(squared_distances(here, self.drawn))], axis=1)
        return self.posterior.mean + cross @ self.alphas, variance_of(solve_lower(self.lower, cross.T))

    def predict_with_gradient(
        self, unit: Array, weigh: Callable[[Array, Array], tuple[Array, Array, Array]]
    ) -> tuple[Array, Array]:
        """What `weigh` makes of means and variance, and its derivatives by the unit coordinates: (m,), (m, d).

        Arguments:
            unit: shape (m, d).
            weigh: of means (m, S) and variance (m,); gives values (m,) and derivatives by both.
        """
        posterior = self.posterior
        here = self.embedding.features(unit) / posterior.scales
        drawn, slope = matern52_and_slope(squared_distances(here, self.drawn))
        told, chain_told = posterior.cross_and_chain(here)
        cross = np.concatenate([told, drawn], axis=1)
        half = solve_lower(self.lower, cross.T)
        value, by_means, by_variance = weigh(posterior.mean + cross @ self.alphas, variance_of(half))
        full = solve_upper(self.lower, half).T
        weights = by_means @ self.alphas.T - 2.0 * by_variance[:, None] * full
        rows = told.shape[1]
        by_scaled = chain_told(weights[:, :rows]) + chain(slope * weights[:, rows:], here, self.drawn)
        return value, self.embedding.gradient(by_scaled / posterior.scales, unit)


def imagine(embedding: Embedding, posterior: Posterior, points: Array, normals: Array) -> Fantasies:
    """Draws at points (p, f) by standard normal numbers (S, p at least).

    Raises:
        NotPositiveDefinite: the points cannot be told apart.
    """
    new = points / posterior.scales
    cross = posterior.cross(new).T
    below = solve_lower(posterior.lower, cross)
    corner = matern52(squared_distances(new))
    covariance = corner - below.T @ below
    covariance.flat[:: len(points) + 1] += EXACT
    root, _ = factor(covariance)
    draws = posterior.mean + cross.T @ posterior.alpha + normals[:, : len(points)] @ root.T
    corner.flat[:: len(points) + 1] += EXACT
    lower = append(posterior.lower, cross, corner)
    values = np.empty((len(lower), len(normals)))
    values[: len(cross)] = posterior.residual[:, None]
    values[len(cross) :] = (draws - posterior.mean).T
    return Fantasies(embedding, posterior, new, lower, solve(lower, values), draws.min(axis=1))
