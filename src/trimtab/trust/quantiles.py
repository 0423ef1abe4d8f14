"""Quantiles of the few distributions that intervals are made of.

The normal one comes from the standard library. The others come from `scipy.special`, which is
loaded where one of them is first asked for, so that importing this room stays light.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["beta_quantile", "chi_quantiles", "normal_cdf", "normal_quantile", "normal_tail", "student_quantile"]


def normal_quantile(tail: float) -> float:
    """The point that a standard normal exceeds with probability `tail`, 0 < tail < 1."""
    from statistics import NormalDist

    return -NormalDist().inv_cdf(tail)


def normal_tail(z: float) -> float:
    """The probability that a standard normal exceeds `z`."""
    return 0.5 * math.erfc(z / math.sqrt(2.0))


def normal_cdf(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """The standard normal distribution function, elementwise."""
    from scipy.special import ndtr

    return np.asarray(ndtr(z), dtype=np.float64)


def student_quantile(tail: float, df: float) -> float:
    """The point that Student's t with `df` degrees of freedom exceeds with probability `tail`, 0 < tail < 1."""
    from scipy.special import stdtrit

    return -float(stdtrit(df, tail))


def beta_quantile(probability: float, a: float, b: float) -> float:
    """The quantile of the beta distribution with shapes `a`, `b` > 0."""
    from scipy.special import betaincinv

    return float(betaincinv(a, b, probability))


def chi_quantiles(df: float, count: int) -> NDArray[np.float64]:
    """`count` equally likely points of sqrt(chi2(df) / df), shape (count,): midpoints of equal slices."""
    from scipy.special import gammaincinv

    middles = (np.arange(count) + 0.5) / count
    return np.sqrt(np.asarray(gammaincinv(df / 2.0, middles), dtype=np.float64) * 2.0 / df)
