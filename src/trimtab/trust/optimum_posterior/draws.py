"""Where a Gaussian process puts its own optimum: minimisers and minima of joint draws.

Needs a fitted surrogate. The posterior of the place of the optimum is what the posterior of the function makes of it:
draw the function at many points at once, note where it is least and how low, and repeat (J. Villemonteix, E. Vazquez
and E. Walter, "An Informational Approach to the Global Optimization of Expensive-to-Evaluate Functions", Journal of
Global Optimization 44, 2009, recalled). With mean m, covariance C and inflation a,

    f = m + a chol(C) e,   e ~ N(0, 1),   x* = argmin f,   f* = min f.

Points are spread over the space and around the best trials, and then, for a second set of draws, around the minimisers
of the first. A region is made of the configurations that are hard to tell from the predicted optimum z = argmin m, by

    r(x) = (m(x) - m(z)) / sd(f(x) - f(z)),   region = {x : r(x) <= t},

where t is the quantile over the drawn minimisers. So the region holds the stated share of them, whatever the space is
made of; no density is estimated. `trimtab.trust.optimum_posterior.mixture` has the region of several such processes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.space import Space
from trimtab.surrogates.acquisition.candidates import filled, near, spread
from trimtab.surrogates.gp import Model
from trimtab.surrogates.gp.cholesky import factor, solve_lower
from trimtab.surrogates.gp.kernels import matern52, squared_distances

__all__ = ["Minima", "allowed", "drawn_minima", "tie_scores"]

Array = NDArray[np.float64]

SPREAD, AROUND = 256, 64
"""Points spread over the space, and perturbations of each of three widths around good places."""

JITTER = 1e-9
"""Variance added to the points' covariance, so that near twins have a Cholesky factor."""


@dataclass(frozen=True, slots=True)
class Minima:
    """What was drawn.

    Arguments:
        unit: unit coordinates of the minimiser of each draw, nan where inactive, shape (s, d).
        values: the minima, in the model's warped units, shape (s,).
        optimum: unit coordinates of the point of lowest mean that was looked at, shape (d,).
    """

    unit: Array
    values: Array
    optimum: Array


def drawn_minima(
    model: Model, space: Space, optimum: Array, draws: int, inflation: float | Array, rng: np.random.Generator
) -> Minima:
    """Minimisers and minima of joint draws.

    Arguments:
        model: a fitted surrogate.
        space: that it is about.
        optimum: unit coordinates of a predicted optimum, beside which draws are looked at, shape (d,).
        draws: s, how many.
        inflation: factor of the posterior's standard deviations, one or that of each draw, shape () or (s,).
        rng: of the draws.

    Raises:
        NotPositiveDefinite: the points have no covariance.
    """
    good = np.vstack([optimum[None, :], model.incumbents])
    points = _points(space, good, rng)
    for last in (False, True):
        mean, root = _joint(model, points)
        normals = rng.standard_normal((draws, len(points))) * np.reshape(inflation, (-1, 1))
        values = mean + normals @ root.T
        places = values.argmin(axis=1)
        found = points[places]
        if not last:
            points = _points(space, np.vstack([found, good]), rng)
    return Minima(found, values.min(axis=1), points[mean.argmin()])


def tie_scores(model: Model, optimum: Array, unit: Array) -> Array:
    """By how many standard deviations of the difference points are predicted worse than the optimum, shape (m,).

    Arguments:
        model: a fitted surrogate.
        optimum: unit coordinates of the predicted optimum, shape (d,).
        unit: points, shape (m, d), nan where inactive.
    """
    posterior = model.posterior
    features = model.embedding.features(np.vstack([optimum[None, :], unit])) / posterior.scales
    cross = posterior.cross(features)
    half = solve_lower(posterior.lower, cross.T)
    mean = cross @ posterior.alpha
    away = features[1:] - features[:1]
    prior = 2.0 - 2.0 * matern52(np.einsum("mf,mf->m", away, away))
    variance = prior - ((half[:, 1:] - half[:, :1]) ** 2).sum(axis=0)
    rise = mean[1:] - mean[0]
    # Beside the optimum both vanish; a rise below what rounding makes is none.
    scores: Array = np.where(np.abs(rise) < JITTER, 0.0, rise / np.sqrt(np.maximum(variance, JITTER**2)))
    return scores


def allowed(space: Space, latent: Array) -> Array:
    """Unit coordinates of the configurations nearest to latent points, without those that break a constraint."""
    raw = space.from_unit(latent)
    if space.all_constraints:
        raw = raw[space.feasible_many(raw)]
    return np.asarray(space.to_unit(raw))


def _points(space: Space, good: Array, rng: np.random.Generator) -> Array:
    """Points over the space and around good ones (k, d), the good ones among them, each once."""
    latent = filled(rng, good)
    moved = near(rng, latent, AROUND)
    points = allowed(space, np.vstack([latent, moved, spread(rng, SPREAD, len(space))]))
    return np.unique(np.vstack([good, points]), axis=0, equal_nan=True)


def _joint(model: Model, unit: Array) -> tuple[Array, Array]:
    """Posterior mean (m,) at points, and a root of their covariance (m, m)."""
    posterior = model.posterior
    scaled = model.embedding.features(unit) / posterior.scales
    cross = posterior.cross(scaled)
    half = solve_lower(posterior.lower, cross.T)
    covariance = matern52(squared_distances(scaled)) - half.T @ half
    covariance.flat[:: len(covariance) + 1] += JITTER
    return posterior.mean + cross @ posterior.alpha, factor(covariance)[0]
