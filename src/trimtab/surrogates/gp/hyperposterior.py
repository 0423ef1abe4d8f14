"""Draws from the posterior of a regression's hyperparameters, by elliptical slice sampling.

Needs a regression's data, without derivatives. A fit is one point; where few values were told, length-scales of half
that size may be as plausible, and what lies between the values is then less sure than the fit says.

The priors of `trimtab.surrogates.gp.priors` are Gaussian in t = (log l_1 .. log l_d, log v), with mean m and
deviations s, cut at `log_bounds`. From a state t, with e ~ N(0, 1) in each coordinate and the level
log L(t) + log U(0, 1), the next state is the first point of the ellipse

    t' = m + (t - m) cos a + s e sin a,   a ~ U(0, 2 pi),

whose log L reaches the level; the bracket of the angle a shrinks towards 0, where t is, at each failure
(I. Murray, R. P. Adams and D. J. C. MacKay, "Elliptical Slice Sampling", AISTATS 2010, arXiv 1001.0175, figure 2).
There is nothing to tune, and no gradient is needed. Densities are per logarithm, as chains walk there; a fit's are per
length-scale, so that its mode lies at shorter ones.

L is the evidence with the constant mean integrated out under a flat prior: with K the covariance of n values y and 1
the vector of ones,

    log L = -1/2 (y' K^-1 y - (1' K^-1 y)^2 / 1' K^-1 1 + log det K + log 1' K^-1 1) + const

(C. E. Rasmussen and C. K. I. Williams, "Gaussian Processes for Machine Learning", MIT Press, 2006, equation 2.45). A
step takes some five evaluations, each a Cholesky factor.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from trimtab.surrogates.gp.cholesky import NotPositiveDefinite, factor, solve_lower
from trimtab.surrogates.gp.kernels import matern52, squared_distances
from trimtab.surrogates.gp.priors import length_scale_prior, noise_prior
from trimtab.surrogates.gp.regression import Data, Hyperparameters, log_bounds

__all__ = ["drawn_hyperparameters", "log_evidence"]

Array = NDArray[np.float64]

BURN_IN, THIN = 15, 3
"""States of a chain that are forgotten, and steps from one that is kept to the next."""

ROUNDING = 1e-9
"""How far beyond its bounds a logarithm may lie: a state at a bound might have nowhere to shrink to otherwise."""


def drawn_hyperparameters(
    data: Data, start: Hyperparameters, count: int, rng: np.random.Generator
) -> list[Hyperparameters]:
    """States of one chain, `THIN` steps apart.

    Arguments:
        data: what the regression was fitted to, without derivatives.
        start: where the chain begins: what was fitted.
        count: how many.
        rng: of the chain.

    Raises:
        NotPositiveDefinite: there is no covariance at the start.
        ValueError: the data have derivatives.
    """
    state = np.clip(start.logs, *np.transpose(log_bounds(data.columns)))
    height, kept = log_evidence(state, data), []
    if not math.isfinite(height):
        raise NotPositiveDefinite("the hyperparameters that a chain starts from have no covariance")
    for step in range(BURN_IN + count * THIN):
        state, height = _next(state, height, data, rng)
        if step >= BURN_IN and (step - BURN_IN) % THIN == THIN - 1:
            kept.append(Hyperparameters.from_logs(state, data.columns))
    return kept


def log_evidence(logs: Array, data: Data) -> float:
    """The log density of the values under hyperparameters, up to a constant; -inf where they have no covariance.

    Arguments:
        logs: `Hyperparameters.logs`, shape (columns + 1,).
        data: values, without derivatives.

    Raises:
        ValueError: the data have derivatives.
    """
    if data.derivatives is not None:
        raise ValueError("hyperparameters of a regression with derivatives cannot be drawn")
    kernel = matern52(squared_distances(data.features / np.exp(logs[:-1])[data.groups]))
    kernel.flat[:: len(kernel) + 1] += math.exp(logs[-1]) + data.known
    try:
        lower, _ = factor(kernel)
    except NotPositiveDefinite:
        return -math.inf
    ones, values = solve_lower(lower, np.column_stack([np.ones(len(kernel)), data.values])).T
    weight = float(ones @ ones)
    square = float(values @ values) - float(ones @ values) ** 2 / weight
    return -0.5 * (square + math.log(weight)) - float(np.log(np.diagonal(lower)).sum())


def _next(state: Array, height: float, data: Data, rng: np.random.Generator) -> tuple[Array, float]:
    """The state after one, and its log evidence."""
    lengths, noise = length_scale_prior(data.columns), noise_prior()
    middle = np.append(np.full(data.columns, lengths.mu), noise.mu)
    deviations = np.append(np.full(data.columns, lengths.sigma), noise.sigma)
    low, high = np.transpose(log_bounds(data.columns))
    axis, level = deviations * rng.standard_normal(len(state)), height + math.log(1.0 - rng.random())
    angle = float(rng.uniform(0.0, 2.0 * math.pi))
    least, most = angle - 2.0 * math.pi, angle
    while True:
        there = middle + (state - middle) * math.cos(angle) + axis * math.sin(angle)
        if np.all((there >= low - ROUNDING) & (there <= high + ROUNDING)):
            height = log_evidence(there, data)
            if height >= level:
                return there, height
        least, most = (angle, most) if angle < 0.0 else (least, angle)
        angle = float(rng.uniform(least, most))
