"""When a kernel density estimate in many dimensions is one, and when it is a nearest-neighbour rule.

G. Biroli and M. Mezard, "Kernel Density Estimators in Large Dimensions", 2024, arXiv 2408.05807: with n
points in d dimensions and alpha = log(n) / d fixed, a bandwidth h lies in one of three regimes. Above h_CLT
many points contribute to the estimate and it has Gaussian errors; between h_G and h_CLT its errors are
heavy-tailed; below h_G a few points carry all of it.

For points and query from N(0, I_d), a Gaussian kernel and t = 1 / h^2, the random-energy argument gives

    phi(t)  = lim (1/d) log E exp(-t |x - y|^2 / 2) = -log(1 + t) / 2 - t / (2 (1 + t))
    alpha   = t phi'(t) - phi(t)   at t = 1 / h_G^2,       h_CLT = sqrt(2) h_G
    h_opt^2 = -2 phi'(1 / h_G^2)   minimises the Kullback-Leibler divergence

These are derived here for Gaussian data, by the argument that the paper's abstract names; the paper's own
notation and its corrections at finite n may differ. Finite sets shift the optimum up, to about h_G.

What a tuner uses: the effective sample size of a query, n_eff = (sum_k w_k)^2 / sum_k w_k^2 over the kernels'
shares w_k of the estimate. Below about 5 the estimate is a nearest-neighbour rule; below about 30 no error
bar by the central limit theorem holds.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import logsumexp

__all__ = [
    "FEW_NEIGHBOURS",
    "clt_bandwidth",
    "condensation_bandwidth",
    "effective_sample_size",
    "leave_one_out_bandwidth",
    "leave_one_out_log_likelihood",
    "neighbour_bandwidth",
    "optimal_bandwidth",
]

Array = NDArray[np.float64]

FEW_NEIGHBOURS = 5.0
"""Below this effective sample size a density estimate is a nearest-neighbour rule."""

GRID = 30
"""Bandwidths that the leave-one-out rule compares."""


def _phi(t: float) -> float:
    """The log moment of the kernel per dimension."""
    return -0.5 * math.log1p(t) - 0.5 * t / (1.0 + t)


def _phi_slope(t: float) -> float:
    """The derivative of `_phi`."""
    return -0.5 / (1.0 + t) - 0.5 / (1.0 + t) ** 2


def condensation_bandwidth(alpha: float) -> float:
    """h_G of alpha = log(n) / d > 0: below it a few points carry the estimate.

    Raises:
        ValueError: alpha is not a finite positive number.
    """
    if not 0.0 < alpha < math.inf:
        raise ValueError(f"alpha = log(n) / d must be positive and finite; got {alpha}")
    # t phi' - phi rises from 0 like log(t) / 2, so the root lies below exp(2 alpha + 3).
    low, high = -40.0, 2.0 * alpha + 3.0
    root = brentq(lambda s: math.exp(s) * _phi_slope(math.exp(s)) - _phi(math.exp(s)) - alpha, low, high)
    return math.exp(-0.5 * float(root))


def clt_bandwidth(alpha: float) -> float:
    """h_CLT of alpha = log(n) / d > 0: above it the estimate has Gaussian errors."""
    return math.sqrt(2.0) * condensation_bandwidth(alpha)


def optimal_bandwidth(alpha: float) -> float:
    """The bandwidth of least divergence in the limit, which is the rms distance to the nearest point / sqrt d."""
    return math.sqrt(-2.0 * _phi_slope(condensation_bandwidth(alpha) ** -2))


def effective_sample_size(log_shares: Array) -> Array:
    """n_eff (m,) of queries from the logs (m, n) of the kernels' shares; between 1 and n."""
    shares = np.exp(log_shares - log_shares.max(axis=1)[:, None])
    return np.asarray(shares.sum(axis=1) ** 2 / (shares * shares).sum(axis=1))


def _squared_distances(points: Array) -> Array:
    """Between all pairs of points (n, d), infinite on the diagonal, shape (n, n)."""
    norms = (points * points).sum(axis=1)
    squared: Array = np.maximum(norms[:, None] + norms[None, :] - 2.0 * points @ points.T, 0.0)
    np.fill_diagonal(squared, np.inf)
    return squared


def neighbour_bandwidth(points: Array) -> float:
    """Root mean squared distance to the nearest other point / sqrt d, of points (n, d) with n >= 2.

    Valid from about 5 dimensions on; far too small below.
    """
    nearest = _squared_distances(points).min(axis=1)
    return math.sqrt(float(nearest.mean()) / points.shape[1])


def leave_one_out_log_likelihood(points: Array, bandwidths: Array) -> Array:
    """Mean over points (n, d) of the log density that the others give them, for each bandwidth (b,), shape (b,)."""
    count, columns = points.shape
    squared = _squared_distances(points)
    out = np.empty(len(bandwidths))
    for place, h in enumerate(bandwidths.tolist()):
        sums = logsumexp(-squared / (2.0 * h * h), axis=1)
        out[place] = float(sums.mean()) - math.log(count - 1) - columns * (math.log(h) + 0.5 * math.log(2.0 * math.pi))
    return out


def leave_one_out_bandwidth(points: Array) -> float:
    """The isotropic bandwidth of highest leave-one-out log likelihood for whitened points (n, d), n >= 3.

    Searched on a logarithmic grid of 30 values around the nearest-neighbour rule, from a third of it to three
    times it; in few dimensions, where that rule is far too small, up to a spread of 1.
    """
    start = max(neighbour_bandwidth(points), 1e-6)
    grid = np.geomspace(start / 3.0, max(3.0 * start, 1.0), GRID)
    return float(grid[int(leave_one_out_log_likelihood(points, grid).argmax())])
