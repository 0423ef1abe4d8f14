"""Simultaneous intervals: how wide an interval must be so that it holds for every trial at once.

An interval that holds for all K trials together also holds for whichever of them was chosen, by
any rule. With estimates m_k and standard errors s_k it is m_k +- q s_k, where q is the quantile, at
the wanted level, of max_k |m_k - theta_k| / s_k (the max-z or max-t statistic). q depends on what
is known of the noise:

- independent normal noise of known size: P(max |Z_k| <= q) = (2 Phi(q) - 1)^K. By Sidak's
  inequality the same q holds under any correlation, only too wide.
- independent normal noise whose common size was estimated with d degrees of freedom: the
  studentized maximum modulus, the same with Z_k divided by one sqrt(chi2_d / d).
- per-example losses of the same examples: the correlation is in the data. For 0/1 losses the
  maximum of normal draws with that correlation (a multiplier bootstrap); for other losses
  bootstrap draws of the studentized means, lower and upper ends apart, because the trial with the
  smallest of many skewed means also has too small a standard error. In simulations of 50 trials
  with 200 cross-entropy losses each, normal draws covered .85 where the studentized bootstrap
  covered .97 (nominal .95).

Sources: Sidak (1967), JASA 62:626; Stoline and Ury (1979), Technometrics 21:87 (maximum modulus);
Chernozhukov, Chetverikov and Kato (2013), Annals of Statistics 41:2786, arXiv 1212.6906 (bootstraps
of maxima); Hall (1992), The Bootstrap and Edgeworth Expansion (studentizing).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from trimtab.trust.quantiles import chi_quantiles, normal_cdf, normal_quantile
from trimtab.trust.resampling import chunks, resampled_counts

__all__ = ["max_t", "max_z", "sidak", "studentized_maximum_modulus"]

DRAWS = 2_000
_SLICES = 1_000


def sidak(count: int, level: float) -> float:
    """The factor q for `count` independent normal estimates with known standard errors; valid under any correlation."""
    return normal_quantile(-math.expm1(math.log(level) / count) / 2.0)


def studentized_maximum_modulus(count: int, df: float, level: float) -> float:
    """The factor q for `count` independent normal estimates whose one noise was estimated with `df` degrees of freedom.

    P(max_k |Z_k| / u <= q) = E[(2 Phi(q u) - 1)^count], u = sqrt(chi2_df / df), is averaged over
    equally likely slices of u and solved for q by bisection.
    """
    u = chi_quantiles(df, _SLICES)

    def coverage(q: float) -> float:
        return float(np.mean((2.0 * normal_cdf(q * u) - 1.0) ** count))

    low, high = 0.0, sidak(count, level)
    while coverage(high) < level:
        low, high = high, 2.0 * high
    while high - low > 1e-8 * high:
        middle = (low + high) / 2.0
        low, high = (middle, high) if coverage(middle) < level else (low, middle)
    return high


def max_z(standard: NDArray[np.float32], level: float, rng: np.random.Generator) -> float:
    """The factor q for means over the same examples, from normal draws with the correlation of the examples.

    Arguments:
        standard: shape (k, n): each trial's losses, standardised to mean 0 and variance 1; a row of
            zeros where all its losses are equal, which is drawn as independent of all others.
        level: such as 0.95.
        rng: of the draws.
    """
    count, n = standard.shape
    flat = int((~standard.any(axis=1)).sum())
    tops = []
    for size in chunks(DRAWS, max(n, count)):
        draws = np.abs(rng.standard_normal((size, n), dtype=np.float32) @ standard.T) / np.float32(math.sqrt(n))
        top = draws.max(axis=1)
        if flat:
            top = np.maximum(top, np.abs(rng.standard_normal((size, flat), dtype=np.float32)).max(axis=1))
        tops.append(top)
    # One comparison and Sidak's inequality bound what the draws can only approximate.
    quantile = float(np.quantile(np.concatenate(tops), level))
    return min(max(quantile, sidak(1, level)), sidak(count, level))


def max_t(standard: NDArray[np.float32], level: float, rng: np.random.Generator) -> tuple[float, float]:
    """The ends of studentized means over the same examples, from bootstrap resamples of the examples.

    With t*_k = (m*_k - m_k) / s*_k in a resample, `low` is the (1 - level)/2 quantile of min_k t*_k and
    `high` the (1 + level)/2 quantile of max_k t*_k; theta_k lies in [m_k - high s_k, m_k - low s_k]
    for all k at once.

    Arguments:
        standard: shape (k, n): each trial's losses, standardised to mean 0 and variance 1 (divisor n).
        level: such as 0.95.
        rng: of the resamples.

    Returns:
        low < 0 < high, in units of the standard error with divisor n - 1.
    """
    count, n = standard.shape
    squares = standard**2
    lows, highs = [], []
    for size in chunks(DRAWS, max(n, count)):
        weights = resampled_counts(rng, size, n)
        mean = weights @ standard.T / np.float32(n)
        variance = weights @ squares.T / np.float32(n) - mean**2
        # A resample that misses every unusual loss has no variance at all; 1/n of the sample's keeps
        # the interval finite, and very wide.
        t = mean * np.float32(math.sqrt(n - 1)) / np.sqrt(np.maximum(variance, np.float32(1.0 / n)))
        lows.append(t.min(axis=1))
        highs.append(t.max(axis=1))
    tail = (1.0 - level) / 2.0
    return float(np.quantile(np.concatenate(lows), tail)), float(np.quantile(np.concatenate(highs), 1.0 - tail))
