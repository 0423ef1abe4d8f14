"""The whole surrogate: warp, embedding and regression, fitted to evidence in two parts.

`fit_settings` chooses what is expensive (the warps, the length-scales, the noise) and may be
given less evidence than there is; `build` conditions on all of it under given settings. Both are pure
functions, so a tuner may remember settings by the evidence they were fitted to.

The power is chosen before the hyperparameters, under the modes of their priors, by the evidence of the
model that the warp makes of the better losses:

    log p(y) = log N(warp(y) | m, K) + sum_i log warp'(y_i)

(E. Snelson, C. E. Rasmussen and Z. Ghahramani, "Warped Gaussian Processes", NIPS 2003), with a mild prior
for plainer powers. All powers share one K, so the choice costs one Cholesky factor. Choosing by the model,
and not by how normal the values look, matters: values near an optimum crowd together, which looks skewed
although the function is smooth.

Then the hyperparameters are fitted; and where the evidence is for it, and only there, an input warp
(`trimtab.surrogates.gp.input_warping`) and noise that depends on the place
(`trimtab.surrogates.gp.heteroscedastic`) after them.

Where trials told gradients, these enter beside the values (`trimtab.surrogates.gp.derivatives`), turned by the chain
rule into those of the warped loss. A trial whose loss the warp cut off has none. So that the cost stays that of a few
hundred rows, those of the best and of the most recent trials enter first. There is no input warp then and noise is
the same everywhere: derivatives say by themselves where the function is steep.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from trimtab.surrogates.evidence import Evidence
from trimtab.surrogates.gp.cholesky import factor, solve
from trimtab.surrogates.gp.derivatives import Derivatives, chosen
from trimtab.surrogates.gp.embedding import Embedding
from trimtab.surrogates.gp.fantasies import Fantasies, imagine
from trimtab.surrogates.gp.heteroscedastic import NoiseModel, fit_noise
from trimtab.surrogates.gp.input_warping import InputWarp, fit_input_warp
from trimtab.surrogates.gp.kernels import matern52, squared_distances
from trimtab.surrogates.gp.noise_evidence import gain_of_noise
from trimtab.surrogates.gp.regression import Data, Hyperparameters, Posterior, condition, fit
from trimtab.surrogates.gp.sides import cost_scale, fit_sides, make_sides
from trimtab.surrogates.gp.surface import Surface
from trimtab.surrogates.gp.warping import POWERS, Warp, fit_warp

__all__ = ["Model", "Settings", "build", "fingerprint", "fit_settings"]

Array = NDArray[np.float64]

BETTER = 0.6
"""The share of the losses by which the power is chosen: the worst are left to the winsorisation."""

PLAINNESS = 3.0
"""Log odds against the logarithm and for no warp at all, before any loss is seen; other powers lie between."""

INCUMBENTS = 5
"""How many of the best trials a search looks around."""

ROWS_FITTED, LEAST_FITTED = 300, 60
"""Values and derivatives together that hyperparameters are fitted to, and derivatives whatever the values."""

ROWS, LEAST = 1000, 100
"""The same, of what the posterior is conditioned on."""

MOST_KNOWN = 10.0
"""Standard errors beyond so many standard deviations of all values make an observation worthless, not harmful."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a fit chose.

    Arguments:
        power: of the output warp.
        hyperparameters: of the regression.
        sides: of the side surfaces, by name.
        input_warp: of the numbers, for the objective alone; None where none is worth it.
        noise: that depends on the place, in the same way.
        noise_gain: by how many nats the losses are likelier under constant noise than under almost none.
        mean: the constant mean of the warped losses; None where it is estimated.
    """

    power: float
    hyperparameters: Hyperparameters
    sides: Mapping[str, Hyperparameters] = field(default_factory=dict)
    input_warp: InputWarp | None = None
    noise: NoiseModel | None = None
    noise_gain: float = 0.0
    mean: float | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """A fitted surrogate.

    Arguments:
        embedding: unit coordinates to features.
        warp: losses to the values that the posterior is about.
        posterior: over those values, lower is better.
        best: the lowest posterior mean at a feasible trial; inf where none is.
        incumbents: unit coordinates of the trials of lowest posterior mean, the best first, shape (k, d).
        trials: how many trials told something.
        told_rows: rows of the feasible trials among those that the posterior is conditioned on.
        sides: surfaces of the constraints, of failure and of the cost, by name; see `trimtab.surrogates.gp.sides`.
        cost_scale: what one unit of the cost's surface is in log cost.
        noise: that depends on the place; None where it is the same everywhere.
        noise_gain: by how many nats the losses are likelier under noise than under almost none.
    """

    embedding: Embedding
    warp: Warp
    posterior: Posterior
    best: float
    incumbents: Array
    trials: int
    told_rows: NDArray[np.intp]
    sides: Mapping[str, Surface] = field(default_factory=dict)
    cost_scale: float = 0.0
    noise: NoiseModel | None = None
    noise_gain: float = 0.0

    @property
    def told_means(self) -> Array:
        """Posterior means at the feasible trials, shape (len(told_rows),)."""
        return self.posterior.fitted[self.told_rows]

    def noise_at_best(self, shown: float = 0.0) -> float:
        """Variance of the noise of the trial of lowest posterior mean, known noise included; 0 where none is told.

        Arguments:
            shown: the `noise_gain` up to which the fitted noise counts for none; below 0 it always counts.
        """
        fitted = self.posterior.hyperparameters.noise if self.noise_gain > shown else 0.0
        return fitted + self.known_noise_at_best if len(self.told_rows) else 0.0

    @property
    def known_noise_at_best(self) -> float:
        """The part of `noise_at_best` that the trial told, or that was found to depend on the place."""
        if not len(self.told_rows):
            return 0.0
        return float(self.posterior.known[self.told_rows[int(self.told_means.argmin())]])

    def predict(self, unit: Array) -> tuple[Array, Array]:
        """Mean and variance of the warped loss at unit coordinates (m, d): (m,), (m,)."""
        return self.posterior.predict(self.embedding.features(unit))

    def predict_with_gradient(self, unit: Array) -> tuple[Array, Array, Array, Array]:
        """Mean, variance and their derivatives by the unit coordinates: (m,), (m,), (m, d), (m, d)."""
        return Surface(self.embedding, self.posterior).predict_with_gradient(unit)

    def noise_at(self, unit: Array) -> Array:
        """Variance of the noise of an observation at unit coordinates (m, d), in warped units, shape (m,)."""
        if self.noise is None:
            return np.full(len(unit), self.posterior.hyperparameters.noise)
        return self.noise.noise_at(self.embedding.features(unit))

    def imagining(self, pending: Array, normals: Array, most: int = 64) -> Fantasies:
        """Joint draws of the objective at the best told points and at pending ones.

        Arguments:
            pending: unit coordinates, shape (k, d).
            normals: standard normal numbers, shape (draws, most + k at least).
            most: how many of the told trials, those of lowest posterior mean, may be the best.

        Raises:
            NotPositiveDefinite: the points cannot be told apart.
        """
        order = np.argsort(self.told_means, kind="stable")[:most]
        told = self.posterior.features[self.told_rows[order]]
        return imagine(self.embedding, self.posterior, np.vstack([told, self.embedding.features(pending)]), normals)


def fingerprint(evidence: Evidence) -> bytes:
    """A digest of the evidence: equal for equal arrays, and for nothing else in practice."""
    digest = hashlib.blake2b(digest_size=16)
    told = (evidence.losses, evidence.stderr, evidence.measured, evidence.constraints, evidence.cost)
    for array in (evidence.raw, *told, evidence.gradients):
        digest.update(repr(array.shape).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    digest.update(repr(evidence.names).encode())
    return digest.digest()


def fit_settings(evidence: Evidence, unit: Array, embedding: Embedding, mean: float | None = None) -> Settings:
    """The settings of highest posterior density for the evidence, at least one loss of which is finite.

    Arguments:
        evidence: losses and their standard errors.
        unit: its unit coordinates, shape (n, d).
        embedding: of the same space.
        mean: the constant mean of the losses, warped and standardised, so that 0 is their average; None to estimate it,
            as it always is where derivatives were told.

    Raises:
        NotPositiveDefinite: the model has no covariance for these points.
    """
    told = np.isfinite(evidence.measured)
    features = embedding.features(unit)
    power = _choose_power(features[told], evidence.measured[told], embedding)
    _, data = _data(evidence, features, embedding, power, max(ROWS_FITTED - len(features), LEAST_FITTED))
    if data.derivatives is None:
        data = replace(data, mean=mean)
    plain = fit(data)
    if data.derivatives is not None:
        return Settings(power, plain, fit_sides(evidence, features, embedding))
    input_warp, hyperparameters = fit_input_warp(data, unit, embedding.place, plain) or (None, plain)
    if input_warp is not None:
        data = replace(data, features=embedding.warped(input_warp).features(unit))
    gain = gain_of_noise(data, hyperparameters)
    noise, hyperparameters = fit_noise(data, hyperparameters, told) or (None, hyperparameters)
    return Settings(power, hyperparameters, fit_sides(evidence, features, embedding), input_warp, noise, gain, mean)


def build(evidence: Evidence, unit: Array, embedding: Embedding, settings: Settings) -> Model:
    """The model of the evidence under given settings.

    Raises:
        NotPositiveDefinite: the model has no covariance for these points.
    """
    plain, embedding = embedding, embedding.warped(settings.input_warp)
    warp, data = _data(evidence, embedding.features(unit), embedding, settings.power, max(ROWS - len(unit), LEAST))
    if math.isnan(settings.hyperparameters.slope_noise):
        data = replace(data, derivatives=None)
    if settings.noise is not None:
        data = settings.noise.added_to(data, np.isfinite(evidence.measured))
    posterior = condition(replace(data, mean=settings.mean), settings.hyperparameters)
    rows = np.flatnonzero(evidence.good)
    means = posterior.fitted[rows]
    order = np.argsort(means, kind="stable")[:INCUMBENTS]
    return Model(
        embedding=embedding,
        warp=warp,
        posterior=posterior,
        best=float(means.min(initial=np.inf)),
        incumbents=unit[rows[order]],
        trials=len(evidence.losses),
        told_rows=rows,
        sides=make_sides(evidence, plain.features(unit), plain, settings.sides),
        cost_scale=cost_scale(evidence),
        noise=settings.noise,
        noise_gain=settings.noise_gain,
    )


def _data(evidence: Evidence, features: Array, embedding: Embedding, power: float, most: int) -> tuple[Warp, Data]:
    """The warped evidence, with at most so many derivatives."""
    good = np.isfinite(evidence.measured)
    losses = evidence.measured[good]
    warp = fit_warp(losses, power, failures=int((~good).sum()))
    values = np.full(len(good), warp.failure)
    values[good] = warp.forward(losses)
    known = np.zeros(len(good))
    known[good] = np.minimum(warp.error(losses, evidence.stderr[good]), MOST_KNOWN) ** 2
    derivatives = _derivatives(evidence, values, warp, embedding, most)
    return warp, Data(features, values, known, embedding.groups, len(embedding.columns), derivatives)


def _derivatives(evidence: Evidence, values: Array, warp: Warp, embedding: Embedding, most: int) -> Derivatives | None:
    """Derivatives of the warped losses by features, those of the best and the most recent trials first."""
    kept = np.isfinite(evidence.gradients) & (np.isfinite(evidence.measured) & (values < warp.ceiling))[:, None]
    rows, columns = np.nonzero(kept)
    if not rows.size:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        slopes = np.exp(warp.log_slope(evidence.measured[rows])) * evidence.gradients[rows, columns]
    finite = np.flatnonzero(np.isfinite(slopes))
    told = Derivatives(rows, embedding.place[columns], slopes)[finite]
    ranks = np.argsort(np.argsort(values, kind="stable"), kind="stable")
    first = np.minimum(ranks, np.arange(len(values) - 1, -1, -1))
    return chosen(told, np.argsort(first, kind="stable"), most)


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
