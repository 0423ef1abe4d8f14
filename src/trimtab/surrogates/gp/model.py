"""The whole surrogate: warp, embedding and regression, fitted to evidence in two parts.

`fit_settings` chooses what is expensive (the warp's power, the length-scales, the noise) and may be
given less evidence than there is; `build` conditions on all of it under given settings. Both are pure
functions, so a tuner may remember settings by the evidence they were fitted to.

The power is chosen before the hyperparameters, under the modes of their priors, by the evidence of the
model that the warp makes of the better losses:

    log p(y) = log N(warp(y) | m, K) + sum_i log warp'(y_i)

(E. Snelson, C. E. Rasmussen and Z. Ghahramani, "Warped Gaussian Processes", NIPS 2003), with a mild prior
for plainer powers. All powers share one K, so the choice costs one Cholesky factor. Choosing by the model,
and not by how normal the values look, matters: values near an optimum crowd together, which looks skewed
although the function is smooth.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trimtab.surrogates.evidence import Evidence
from trimtab.surrogates.gp.cholesky import factor, solve
from trimtab.surrogates.gp.embedding import Embedding
from trimtab.surrogates.gp.kernels import matern52, squared_distances
from trimtab.surrogates.gp.regression import Data, Hyperparameters, Posterior, condition, fit
from trimtab.surrogates.gp.warping import POWERS, Warp, fit_warp

__all__ = ["Model", "Settings", "build", "fingerprint", "fit_settings"]

Array = NDArray[np.float64]

BETTER = 0.6
"""The share of the losses by which the power is chosen: the worst are left to the winsorisation."""

PLAINNESS = 3.0
"""Log odds against the logarithm and for no warp at all, before any loss is seen; other powers lie between."""

INCUMBENTS = 5
"""How many of the best trials a search looks around."""

MOST_KNOWN = 10.0
"""Standard errors beyond so many standard deviations of all values make an observation worthless, not harmful."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a fit chose."""

    power: float
    hyperparameters: Hyperparameters


@dataclass(frozen=True, slots=True)
class Model:
    """A fitted surrogate.

    Arguments:
        embedding: unit coordinates to features.
        warp: losses to the values that the posterior is about.
        posterior: over those values, lower is better.
        best: the lowest posterior mean at a trial that told a loss, or at a point that is believed.
        incumbents: unit coordinates of the trials of lowest posterior mean, the best first, shape (k, d).
        trials: how many trials told something; the posterior's further points are believed.
    """

    embedding: Embedding
    warp: Warp
    posterior: Posterior
    best: float
    incumbents: Array
    trials: int

    def predict(self, unit: Array) -> tuple[Array, Array]:
        """Mean and variance of the warped loss at unit coordinates (m, d): (m,), (m,)."""
        return self.posterior.predict(self.embedding.features(unit))

    def predict_with_gradient(self, unit: Array) -> tuple[Array, Array, Array, Array]:
        """Mean, variance and their derivatives by the unit coordinates: (m,), (m,), (m, d), (m, d)."""
        mean, variance, by_mean, by_variance = self.posterior.predict_with_gradient(self.embedding.features(unit))
        inactive = np.isnan(unit)
        slopes = [np.where(inactive, 0.0, self.embedding.by_unit(part)) for part in (by_mean, by_variance)]
        return mean, variance, slopes[0], slopes[1]

    def believing(self, unit: Array) -> Model:
        """The model that has seen its own prediction at pending points (k, d), in place of their losses.

        Source: D. Ginsbourger, R. Le Riche and L. Carraro, "Kriging Is Well-Suited to Parallelize
        Optimization", in Computational Intelligence in Expensive Optimization Problems, Springer, 2010.

        Raises:
            NotPositiveDefinite: the points cannot be told from those that are there.
        """
        features = self.embedding.features(unit)
        mean, _ = self.posterior.predict(features)
        return replace(self, posterior=self.posterior.believing(features), best=min(self.best, float(mean.min())))


def fingerprint(evidence: Evidence) -> bytes:
    """A digest of the evidence: equal for equal arrays, and for nothing else in practice."""
    digest = hashlib.blake2b(digest_size=16)
    for array in (evidence.raw, evidence.losses, evidence.stderr):
        digest.update(repr(array.shape).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.digest()


def fit_settings(evidence: Evidence, unit: Array, embedding: Embedding) -> Settings:
    """The settings of highest posterior density for the evidence, at least one loss of which is finite.

    Arguments:
        evidence: losses and their standard errors.
        unit: its unit coordinates, shape (n, d).
        embedding: of the same space.

    Raises:
        NotPositiveDefinite: the model has no covariance for these points.
    """
    good = evidence.good
    features = embedding.features(unit)
    power = _choose_power(features[good], evidence.losses[good], embedding)
    _, data = _data(evidence, features, embedding, power)
    return Settings(power, fit(data))


def build(evidence: Evidence, unit: Array, embedding: Embedding, settings: Settings) -> Model:
    """The model of the evidence under given settings.

    Raises:
        NotPositiveDefinite: the model has no covariance for these points.
    """
    warp, data = _data(evidence, embedding.features(unit), embedding, settings.power)
    posterior = condition(data, settings.hyperparameters)
    means = posterior.fitted[evidence.good]
    order = np.argsort(means, kind="stable")[:INCUMBENTS]
    return Model(embedding, warp, posterior, float(means.min()), unit[evidence.good][order], len(evidence.losses))


def _data(evidence: Evidence, features: Array, embedding: Embedding, power: float) -> tuple[Warp, Data]:
    """The warped evidence."""
    good = evidence.good
    losses = evidence.losses[good]
    warp = fit_warp(losses, power, failures=int((~good).sum()))
    values = np.full(len(good), warp.failure)
    values[good] = warp.forward(losses)
    known = np.zeros(len(good))
    known[good] = np.minimum(warp.error(losses, evidence.stderr[good]), MOST_KNOWN) ** 2
    return warp, Data(features, values, known, embedding.groups, len(embedding.columns))


def _choose_power(features: Array, losses: Array, embedding: Embedding) -> float:
    """The power under which the better losses are most likely."""
    kept = losses <= np.quantile(losses, BETTER)
    losses = losses[kept]
    start = Hyperparameters.start(len(embedding.columns))
    kernel = matern52(squared_distances(features[kept] / start.length_scales[embedding.groups]))
    kernel.flat[:: len(kernel) + 1] += start.noise
    lower, _ = factor(kernel)
    weights = solve(lower, np.ones(len(losses)))
    best, most = POWERS[0], -np.inf
    for power in POWERS:
        with np.errstate(over="ignore", invalid="ignore"):
            warp = fit_warp(losses, power, reach=np.inf)
            values = warp.forward(losses)
            slopes = float(warp.log_slope(losses).sum())
        if not (np.isfinite(values).all() and np.isfinite(slopes)):
            continue
        residual = values - float(weights @ values) / float(weights.sum())
        score = slopes - 0.5 * float(residual @ solve(lower, residual)) - PLAINNESS * (1.0 - power)
        if score > most:
            best, most = power, score
    return best
