"""A nugget is noise and roughness: what the told trials are worth once the two are told apart.

A Gaussian process with a smooth kernel K puts whatever it cannot follow down to noise of a variance v, the nugget: the
noise N of the values, which another evaluation would not repeat, and structure R that is too fine for the kernel,
which it would. For what was never tried that makes no difference. For a trial that was told it does:

    v = N + R,  N = s v,        f = smooth + rough,       y = f + noise,       A = K + v,   alpha = A^-1 (y - m)

    E[f | y] = y - N alpha,      Cov[f | y] = N - N A^-1 N                                  (N, R, v diagonal)

With s = 1 that is the usual posterior at the told points, with s = 0 the values themselves.

The share s is what trials beside each other tell (`trimtab.surrogates.beside`): they have the rough part in common, and
not the noise. A group of k of them, with the sum of squares S about their mean, has the likelihood

    s^(-(k - 1) / 2) exp(-S / (2 s v)),

and s the uniform prior on (0, 1]. Without any such group s is 1/2 on average.

Kriging with a nugget is C. E. Rasmussen and C. K. I. Williams, "Gaussian Processes for Machine Learning", MIT Press,
2006, equations 2.23 and 2.24, with (K + R) in place of K for the function at the told points; geostatistics tells
microscale variation from measurement error in the same way (N. Cressie, "Statistics for Spatial Data", Wiley, 1993,
section 3.2.1; recalled). The posterior of the share by neighbours is this file's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.surrogates.gp.cholesky import inverse_of
from trimtab.surrogates.gp.regression import Posterior

__all__ = ["NoiseShare", "noise_share", "told_draws", "told_means"]

Array = NDArray[np.float64]

CELLS = 100
"""Of the grid of shares."""


@dataclass(frozen=True, slots=True)
class NoiseShare:
    """The posterior of the share of a nugget that is noise.

    Arguments:
        shares: a grid on (0, 1), shape (g,).
        weights: their probabilities, shape (g,).
    """

    shares: Array
    weights: Array

    @property
    def mean(self) -> float:
        """The mean share."""
        return float(self.shares @ self.weights)

    def drawn(self, count: int, rng: np.random.Generator) -> Array:
        """Draws of the share, shape (count,)."""
        return np.asarray(rng.choice(self.shares, count, p=self.weights))


def noise_share(posterior: Posterior, groups: Sequence[NDArray[np.intp]]) -> NoiseShare:
    """What trials beside each other tell of the share.

    Arguments:
        posterior: of a process.
        groups: rows of its values that lie beside each other, two or more in each.
    """
    shares = (np.arange(CELLS) + 0.5) / CELLS
    nugget, logs = _nugget(posterior), np.zeros(CELLS)
    for rows in groups:
        values = posterior.values[rows]
        spread = float(((values - values.mean()) ** 2).sum()) / float(nugget[rows].mean())
        logs -= 0.5 * (len(rows) - 1) * np.log(shares) + 0.5 * spread / shares
    weights = np.exp(logs - logs.max())
    return NoiseShare(shares, weights / weights.sum())


def told_means(posterior: Posterior, share: float) -> Array:
    """Mean of the function at the points that were told, under a share of noise, shape (n,)."""
    told: Array = posterior.values - share * _nugget(posterior) * posterior.alpha[: len(posterior.values)]
    return told


def told_draws(posterior: Posterior, shares: Array, widths: Array, rng: np.random.Generator) -> Array:
    """Joint draws of the function at the points that were told, each under a share of noise, shape (k, n).

    Arguments:
        posterior: of a process without derivatives.
        shares: of each draw, shape (k,).
        widths: factors of its deviations, shape (k,).
        rng: of the draws.
    """
    nugget = _nugget(posterior)
    root = np.sqrt(nugget)
    # N - N A^-1 N = v^1/2 (s - s^2 B) v^1/2 with B = v^1/2 A^-1 v^1/2: one basis for every share.
    found, basis = np.linalg.eigh(root[:, None] * inverse_of(posterior.lower) * root)
    deviations = np.sqrt(np.maximum(shares[:, None] - np.outer(shares**2, np.clip(found, 0.0, 1.0)), 0.0))
    normals = rng.standard_normal((len(shares), len(root))) * deviations * widths[:, None]
    means = posterior.values - shares[:, None] * (nugget * posterior.alpha[: len(root)])
    out: Array = means + (normals @ basis.T) * root
    return out


def _nugget(posterior: Posterior) -> Array:
    """Variance of what the kernel does not follow at each value, shape (n,)."""
    return posterior.hyperparameters.noise + posterior.known
