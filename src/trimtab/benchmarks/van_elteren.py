"""The test of van Elteren: whether one sample tends to be greater than another, where both lie in strata.

Values are compared within a stratum alone, so every stratum may have a scale of its own. Of N_h values in stratum h,
n_h belong to the sample and m_h to the other; R_hi are the places of the sample's among all N_h, ties sharing the mean
of their places. The statistic is

    T = sum_h 1 / (N_h + 1) sum_i R_hi,

with the weights that have the most power against a small shift alike in all strata. The p-value is the share of all
ways to say which n_h values of each stratum are the sample's, the ties as they are, that have a T as great as the
one seen. It is exact, by counting, where T can take few values; beyond that T is taken to be normal with the mean
and variance over those ways,

    E = sum_h n_h / 2,    V = sum_h n_h m_h / (N_h (N_h - 1) (N_h + 1)^2) sum_j (R_hj - (N_h + 1) / 2)^2.

With one stratum this is the test of Mann and Whitney. With one value of each sample in every stratum it is the sign
test: a tie there is the same in all ways, so it has no part in the p-value (Putter shows that to be better than naming
ties by chance).

Sources: P. van Elteren, "On the combination of independent two sample tests of Wilcoxon", Bulletin de l'Institut
International de Statistique 37, 1960. E. Lehmann, "Nonparametrics: Statistical Methods Based on Ranks", 1975,
chapter 3. J. Putter, "The treatment of ties in some nonparametric tests", Annals of Mathematical Statistics 26,
1955.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import rankdata

__all__ = ["p_greater"]

Array = NDArray[np.float64]
Stratum = tuple[Array, Array]
"""The values of the sample (n_h,) and those of the other (m_h,) in one stratum; neither is empty."""

MOST_VALUES = 2_000
"""The p-value is exact where T, in steps of half a place, spans no more than so many values."""


def p_greater(strata: Sequence[Stratum]) -> float:
    """P-value of the one-sided test that the first sample of the strata tends to be greater than the second."""
    # Twice the places are whole numbers, and so is T when its weights are multiplied by their common denominator.
    whole = math.lcm(*(len(own) + len(other) + 1 for own, other in strata))
    parts = [(whole // (len(own) + len(other) + 1), _doubled_places(own, other), len(own)) for own, other in strata]
    seen = sum(weight * int(places[:n].sum()) for weight, places, n in parts)
    if sum(weight * 2 * n * (len(places) - n) for weight, places, n in parts) > MOST_VALUES:
        return _normal(seen, parts)
    shares = np.ones(1)
    for weight, places, n in parts:
        ways = _ways(places, n)
        spread = np.zeros(weight * (len(ways) - 1) + 1)
        spread[::weight] = ways
        shares = np.convolve(shares, spread)
    return min(1.0, float(shares[seen:].sum()))


def _doubled_places(own: Array, other: Array) -> NDArray[np.intp]:
    """Twice the places of all values of a stratum, those of `own` first, shape (N_h,)."""
    doubled: NDArray[np.intp] = np.rint(2.0 * rankdata(np.concatenate([own, other]))).astype(np.intp)
    return doubled


def _ways(places: NDArray[np.intp], count: int) -> Array:
    """The share of the subsets of `count` places that have each sum, from 0 to the sum of all of them."""
    ways = np.zeros((count + 1, int(places.sum()) + 1))
    ways[0, 0] = 1.0
    for place in places.tolist():
        # The right-hand side is read before anything is written, so that no place is used twice.
        ways[1:, place:] += ways[:-1, :-place].copy()
    return np.asarray(ways[count] / ways[count].sum())


def _normal(seen: int, parts: Sequence[tuple[int, NDArray[np.intp], int]]) -> float:
    """The p-value of the statistic `seen`, whose variance is that of drawing without replacement."""
    mean = variance = 0.0
    for weight, places, n in parts:
        total = len(places)
        mean += weight * n * float(places.mean())
        variance += weight**2 * n * (total - n) / (total - 1) * float(places.var())
    return float(ndtr((mean - seen) / math.sqrt(variance))) if variance > 0.0 else 1.0
