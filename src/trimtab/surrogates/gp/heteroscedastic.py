"""Noise whose variance depends on where it is: a second Gaussian process for its logarithm.

    y_i = f(z_i) + e_i,   e_i ~ N(0, known_i + r(z_i)),   log r ~ GP

The most likely r, as in K. Kersting, C. Plagemann, P. Pfaff and W. Burgard, "Most Likely Heteroscedastic Gaussian
Process Regression", ICML 2007. There the noise at a point is estimated from draws of the predictive
distribution; here by Fisher scoring on log p(y | r), all of whose terms are leave-one-out residuals in closed form
(Rasmussen and Williams 2006, section 5.4.2). With K the covariance of y, e_i^2 = (K^-1 (y - m))_i^2 / (K^-1)_ii the
squared standardised residual of the i-th value, predicted from all others, and s_i = r_i (K^-1)_ii the share of the
noise in the variance of that prediction,

    d log p / d log r_i = s_i (e_i^2 - 1) / 2,   Fisher information s_i^2 / 2,

so each round regresses log r_i + (e_i^2 - 1) / s_i, with a variance of 2 / s_i^2, on the features. Where the
function is uncertain, or a standard error was told, s is small and the point says little about r.

The noise of the model is the mean of r and not its mode: where little is known of r, it may be large.

Noise that depends on the place is believed when it pays: when the log posterior density of the hyperparameters, less
half the squared norm of log r and half the log determinant of how much the data narrowed it (Laplace's approximation
of what integrating over r would give), exceeds that of constant noise by `MARGIN`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trimtab.surrogates.gp.cholesky import factor, inverse_of
from trimtab.surrogates.gp.kernels import matern52, squared_distances
from trimtab.surrogates.gp.priors import noise_prior
from trimtab.surrogates.gp.regression import NOISE, Data, Hyperparameters, Posterior, condition, fit, objective

__all__ = ["AMPLITUDE", "NoiseModel", "fit_noise", "responses"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

AMPLITUDE = 1.5
"""Standard deviation of log r under its prior: a factor of two in the standard deviation of the noise."""

PASSES, ROUNDS = 2, 3
"""How often the hyperparameters are fitted anew, and rounds of Fisher scoring before; log r can fall by 1 in each."""

ITERATIONS = 10
"""Of L-BFGS-B, from what was there before."""

LEAST_SHARE = 0.05
"""Below this share of the noise in a prediction's variance, a residual says nothing about the noise."""

MARGIN = 5.0
"""Nats by which the evidence must be higher than that of constant noise."""

QUIET, LEAST = 0.005, 40
"""Constant noise below which, and told values below which, nothing else is tried."""

HOPE = 0.0
"""Log odds from which varying noise is fitted: by the residuals that constant noise leaves."""


@dataclass(frozen=True, slots=True)
class NoiseModel:
    """Noise variances over features.

    Arguments:
        posterior: of log r in units of `AMPLITUDE`.
        floor: the least r at the points it was learned from.
        constant: the noise that is left beside what exceeds the floor.
    """

    posterior: Posterior
    floor: float
    constant: float

    def noise_at(self, features: Array) -> Array:
        """All noise at rows of features, (m, f) -> (m,), in units of the squared values."""
        return self.constant + self.above_floor(features)

    def added_to(self, data: Data, told: Mask) -> Data:
        """The data with the varying noise among what is known, where values were told."""
        return replace(data, known=data.known + np.where(told, self.above_floor(data.features), 0.0))

    def above_floor(self, features: Array) -> Array:
        """What varies: how much r exceeds its least value, (m, f) -> (m,)."""
        return np.maximum(_expected(self.posterior, features) - self.floor, 0.0)


def fit_noise(data: Data, hyperparameters: Hyperparameters, told: Mask) -> tuple[NoiseModel, Hyperparameters] | None:
    """The most likely noise over the features, and the hyperparameters that go with it.

    None where constant noise explains the values as well.

    Arguments:
        data: what to explain.
        hyperparameters: fitted to it with constant noise.
        told: which values were observed, and not put in for failures, shape (n,).

    Raises:
        NotPositiveDefinite: no covariance of these points has a factor.
    """
    if hyperparameters.noise < QUIET or told.sum() < LEAST:
        return None
    noise, now = np.full(len(data.values), hyperparameters.noise), hyperparameters
    if _promise(responses(_kernel(data, now), data, noise, told)) < HOPE:
        return None
    before, chosen = -objective(now.logs, data)[0], None
    for _ in range(PASSES):
        posterior = _scored(data, now, noise, told, chosen)
        chosen = posterior.hyperparameters
        floor = float(_expected(posterior, posterior.features).min())
        varying = NoiseModel(posterior, floor, floor).added_to(data, told)
        now = fit(varying, ITERATIONS, Hyperparameters(now.length_scales, floor))
        noise = now.noise + varying.known - data.known
        level = float(np.exp(np.log(noise[told]).mean()))
        evidence = _log_density(varying, now, level) - _complexity(posterior)
        if evidence < before:
            return None
    # The fit of constant noise may have ended at another mode than the one that was found on the way.
    constant = fit(data, ITERATIONS, Hyperparameters(now.length_scales, level))
    if evidence < max(before, -objective(constant.logs, data)[0]) + MARGIN:
        return None
    return NoiseModel(posterior, floor, now.noise), now


def responses(kernel: Array, data: Data, noise: Array, told: Mask) -> Data:
    """What one round of scoring regresses: log r and more, in units of `AMPLITUDE`, with its known variance.

    Arguments:
        kernel: covariances of f at the points, shape (n, n).
        data: what to explain.
        noise: r, shape (n,).
        told: of which points, shape (n,).
    """
    lower, _ = factor(kernel + np.diag(noise + data.known))
    inverse = inverse_of(lower)
    weights = inverse.sum(axis=1)
    residual = data.values - data.constant(weights, data.values)
    precision = np.diagonal(inverse)
    share = np.maximum(noise * precision, LEAST_SHARE)[told]
    squared = ((inverse @ residual) ** 2 / precision)[told]
    values = (np.log(noise[told]) + (squared - 1.0) / share) / AMPLITUDE
    return replace(data, features=data.features[told], values=values, known=2.0 / (share * AMPLITUDE) ** 2, mean=None)


def _kernel(data: Data, hyperparameters: Hyperparameters) -> Array:
    """Covariances of f between the points."""
    return matern52(squared_distances(data.features / hyperparameters.length_scales[data.groups]))


def _promise(scored: Data) -> float:
    """Log odds of varying noise over constant noise by one round of scoring, under the modes of the priors."""
    varying = condition(scored, Hyperparameters.start(scored.columns))
    weights = 1.0 / scored.known
    constant = scored.values - float(weights @ scored.values) / float(weights.sum())
    off = 0.5 * float(weights @ constant**2) - 0.5 * float((scored.values - varying.mean) @ varying.alpha)
    return off - float(np.log(np.diagonal(varying.lower)).sum()) + 0.5 * float(np.log(scored.known).sum())


def _log_density(data: Data, hyperparameters: Hyperparameters, level: float) -> float:
    """Log posterior density, with the prior of the noise at its level in place of what is left beside the rest."""
    logs, prior = hyperparameters.logs, noise_prior()
    return prior.log_density(np.log([level]))[0] - prior.log_density(logs[-1:])[0] - objective(logs, data)[0]


def _scored(
    data: Data, hyperparameters: Hyperparameters, noise: Array, told: Mask, chosen: Hyperparameters | None
) -> Posterior:
    """The posterior of log r after a few rounds from the given variances, shape (n,)."""
    kernel, noise = _kernel(data, hyperparameters), noise.copy()
    for _ in range(ROUNDS):
        scored = responses(kernel, data, noise, told)
        chosen = chosen or fit(scored, ITERATIONS)
        posterior = condition(scored, chosen)
        noise[told] = _most_likely(posterior, scored.features)
    return posterior


def _most_likely(posterior: Posterior, features: Array) -> Array:
    """The r of greatest density at rows of features, within the bounds of all noise."""
    return np.asarray(np.exp(np.clip(AMPLITUDE * posterior.predict(features)[0], *np.log(NOISE))))


def _expected(posterior: Posterior, features: Array) -> Array:
    """The mean of r, which is larger where less is known of it, at rows of features, within the same bounds."""
    mean, variance = posterior.predict(features)
    return np.asarray(np.exp(np.clip(AMPLITUDE * (mean + 0.5 * AMPLITUDE * variance), *np.log(NOISE))))


def _complexity(posterior: Posterior) -> float:
    """Half the squared norm of log r, and half the log determinant of how much the data narrowed it."""
    variances = posterior.known + posterior.hyperparameters.noise
    norm = float((posterior.fitted - posterior.mean) @ posterior.alpha)
    return 0.5 * norm + float(np.log(np.diagonal(posterior.lower)).sum()) - 0.5 * float(np.log(variances).sum())
