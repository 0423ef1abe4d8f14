"""Output warping: observed losses as values that a stationary Gaussian process can model.

Fitted to the finite losses y of a history (lower is better), in three steps:

1. A power p in [0, 1] that compresses the bad side; p = 1 changes nothing, p = 0 is logarithmic.
   - all y > 0:  (g^p - 1) / p with g = y / geometric mean (Box and Cox 1964): losses over ten decades
     become their logarithms;
   - otherwise, with t = (y - median) / (median - best):  t where t <= 0 and ((1 + t)^p - 1) / p above,
     the positive half of Yeo and Johnson (2000). The good half keeps its metric; their own negative
     half would stretch it.
2. Winsorisation: what lies more than three times as far above the median as the best lies below it is
   moved there, so that one outlier cannot flatten everything else.
3. Standardisation to mean 0 and variance 1, failed trials included: they count as the worst.

Each step is monotone, the result is deterministic, and `inverse` takes predictions back exactly up to
the winsorised end. The power is chosen by the model's own evidence, see `trimtab.surrogates.gp.model`.

Sources: G. E. P. Box and D. R. Cox, "An Analysis of Transformations", Journal of the Royal Statistical
Society B 26, 1964; I.-K. Yeo and R. A. Johnson, "A New Family of Power Transformations to Improve
Normality or Symmetry", Biometrika 87, 2000. Power warping in Bayesian optimisation follows A. I.
Cowen-Rivers et al., "HEBO: Pushing the Limits of Sample-Efficient Hyper-parameter Optimisation",
Journal of Artificial Intelligence Research 74, 2022, arXiv 2012.03826; there the power is free and
chosen for the values alone, and nothing is winsorised.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["POWERS", "Warp", "fit_warp"]

Array = NDArray[np.float64]

POWERS = (1.0, 0.75, 0.5, 0.25, 0.0)
"""The powers to choose from, the plainest first."""

REACH = 3.0
"""Winsorisation: how many times the distance from the median to the best is kept above the median."""


@dataclass(frozen=True, slots=True)
class Warp:
    """A fitted warp. `forward`, `error` and `inverse` take arrays of any shape.

    Arguments:
        positive: whether the power acts on y / geometric mean, or on (y - origin) / scale.
        origin: the mean logarithm, or the median.
        scale: > 0; 1 where `positive`.
        power: p.
        cap: where step 2 cuts, after the power.
        worst: what a failed trial counts as, after the power.
        mean, deviation: of the standardisation; deviation > 0.
    """

    positive: bool
    origin: float
    scale: float
    power: float
    cap: float = math.inf
    worst: float = 0.0
    mean: float = 0.0
    deviation: float = 1.0

    def bent(self, y: Array) -> Array:
        """Steps 1 and 2."""
        with np.errstate(divide="ignore", over="ignore"):
            if self.positive:
                out = _power(np.log(np.maximum(y, 0.0)) - self.origin, self.power)
            else:
                t = self._shifted(y)
                out = np.where(t > 0.0, _power(np.log1p(np.maximum(t, 0.0)), self.power), t)
        return np.minimum(out, self.cap)

    def _shifted(self, y: Array) -> Array:
        """(y - origin) / scale; halves, because the difference of two floats may overflow."""
        with np.errstate(over="ignore"):
            return np.asarray((0.5 * y - 0.5 * self.origin) / (0.5 * self.scale))

    def forward(self, y: Array) -> Array:
        """Warped losses."""
        return (self.bent(y) - self.mean) / self.deviation

    @property
    def failure(self) -> float:
        """The warped value of a failed trial."""
        return (self.worst - self.mean) / self.deviation

    @property
    def ceiling(self) -> float:
        """The warped value at which losses are cut; inf where none is."""
        return (self.cap - self.mean) / self.deviation

    def log_slope(self, y: Array) -> Array:
        """The logarithm of d forward / d y where nothing is winsorised."""
        if self.positive:
            log_y = np.log(y)
            bent = self.power * (log_y - self.origin) - log_y
        else:
            t = np.clip(self._shifted(y), 0.0, 1e300)
            bent = (self.power - 1.0) * np.log1p(t) - math.log(self.scale)
        return np.asarray(bent - math.log(self.deviation))

    def error(self, y: Array, stderr: Array) -> Array:
        """Standard errors of warped losses, from those of the losses: half of what y +- stderr becomes.

        Unlike the derivative this also holds where a loss was winsorised: far beyond the cap an error
        does not matter, across the cap it does. Where y - stderr has no logarithm the derivative stands in.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            high = self.forward(y + stderr)
            low = self.forward(y - stderr)
            if self.positive:
                low = np.where(y > stderr, low, self.forward(y) - stderr * np.exp(self.log_slope(y)))
        return np.where(stderr > 0.0, 0.5 * (high - low), 0.0)

    def inverse(self, z: Array) -> Array:
        """Losses whose warped values are z."""
        bent = z * self.deviation + self.mean
        with np.errstate(over="ignore"):
            if self.positive:
                return np.asarray(np.exp(_root(bent, self.power) + self.origin))
            t = np.where(bent > 0.0, np.expm1(_root(np.maximum(bent, 0.0), self.power)), bent)
            return np.asarray(t * self.scale + self.origin)


def fit_warp(y: Array, power: float, failures: int = 0, reach: float = REACH) -> Warp:
    """The warp of a given power for finite losses y, shape (n,), n >= 1.

    Magnitudes from 1e-300 to 1e300 are fine; losses that are all equal are mapped to one value.

    Arguments:
        y: the losses.
        power: p, in [0, 1].
        failures: how many failed trials there are beside them.
        reach: see `REACH`; inf for no winsorisation.
    """
    if y.min() > 0.0:
        raw = Warp(True, float(np.log(y).mean()), 1.0, power)
    else:
        raw = Warp(False, _quantile(y, 0.5), max(_spread(y), 1e-300), power)
    bent = raw.bent(y)
    cap = _quantile(bent, 0.5) + reach * _spread(bent)
    bent = np.minimum(bent, cap)
    worst = float(bent.max()) if bent.max() > bent.min() else float(bent.min()) + 1.0
    everything = np.append(bent, np.full(failures, worst))
    with np.errstate(over="ignore", invalid="ignore"):
        mean, deviation = float(everything.mean()), float(everything.std())
    return replace(
        raw,
        cap=cap,
        worst=worst,
        mean=mean,
        deviation=deviation if deviation > 0.0 else 1.0,
    )


def _power(log_y: Array, power: float) -> Array:
    """(exp(p log y) - 1) / p, which is log y at p = 0."""
    return log_y if power == 0.0 else np.asarray(np.expm1(power * log_y) / power)


def _root(bent: Array, power: float) -> Array:
    """The log y of `_power`'s result; the logarithm of a tiny number for what lies below its range."""
    if power == 0.0:
        return bent
    return np.asarray(np.log(np.maximum(power * bent + 1.0, 1e-300)) / power)


def _spread(y: Array) -> float:
    """From the median to the best; where half are the best, from the best to a higher quantile; 1 if all are equal."""
    best = float(y.min())
    for level in (0.5, 0.75, 0.9, 1.0):
        width = _quantile(y, level) - best
        if 0.0 < width < math.inf:
            return width
    return 1.0


def _quantile(y: Array, level: float) -> float:
    """One of the values: the mean of two might overflow, or lie between a loss and an outlier."""
    return float(np.quantile(y, level, method="lower"))
