"""Gaussian-process regression: hyperparameters by maximum a posteriori, and the posterior they give.

    y = m + f(z) + e,   f ~ GP(0, Matern-5/2 with ARD length-scales l),   e_i ~ N(0, v + known_i)

The constant mean m is given, or replaced by its generalised least squares estimate at every hyperparameter, and
(log l, log v) maximise log p(y | l, v) + log p(l) + log p(v) with the priors of
`trimtab.surrogates.gp.priors`, by L-BFGS-B with the analytic gradient

    d log p(y) / d t = 1/2 tr((a a^T - K^-1) dK/dt),   a = K^-1 (y - m)

The trace needs no (n, n, d) array: with B the elementwise product of a a^T - K^-1 and the kernel's slope by the
squared distance, b the row sums of B, and s = z / l the scaled features,

    d log p(y) / d s = 2 (b s - B s),   d log p(y) / d log l_f = -sum_i s_if d log p(y) / d s_if

and the first of them, divided by l, is what a learned map from coordinates to features descends along
(see `trimtab.surrogates.gp.input_warping`).

A fit depends on its data alone, so that it can be done again, and its cost is bounded by a number of iterations
that falls with n, not by a clock. It does not start from an earlier fit: one made on the way would have to be
remembered, and one made again, to half of the values, saves a tenth of the evaluations and misses a mode now and
then. Only where the budget is too short to come from the priors does it start from a fit to fewer values.

Source: C. E. Rasmussen and C. K. I. Williams, "Gaussian Processes for Machine Learning", MIT Press,
2006, algorithm 2.1 and equation 5.9.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from trimtab.surrogates.gp.cholesky import (
    NotPositiveDefinite,
    factor,
    inverse_of,
    solve,
    solve_lower,
    solve_upper,
)
from trimtab.surrogates.gp.derivatives import (
    Derivatives,
    chain_jointly,
    covariances,
    cross_covariances,
    length_scale_slopes,
)
from trimtab.surrogates.gp.kernels import matern52, matern52_and_slope, squared_distances
from trimtab.surrogates.gp.priors import length_scale_prior, noise_prior

__all__ = [
    "LENGTH_SCALES",
    "NOISE",
    "Data",
    "Hyperparameters",
    "Posterior",
    "budget",
    "chain",
    "condition",
    "fit",
    "log_bounds",
    "objective",
    "objective_and_slopes",
    "variance_of",
]

Array = NDArray[np.float64]

LENGTH_SCALES = (0.05, 1e4)
"""The shortest of one column, which grows with the square root of their number as distances do, and the longest.

With shorter ones every value stands for itself: that explains noise as well as noise does, and foretells nothing.
"""

NOISE = (1e-6, 1.0)
SLOPE_NOISE = (1e-6, 1e4)
"""Wider: derivatives may be wrong altogether, and much larger where they are than anything that the values show."""

WHOLE = 300
"""Values up to which a fit begins from the priors; then it begins from a fit to fewer."""

_LARGE = 1e25
"""Value of the fit's objective where the covariance has no factor: finite, so that a line search backs off."""


@dataclass(frozen=True, slots=True)
class Data:
    """What a regression is conditioned on.

    Arguments:
        features: shape (n, f), from `Embedding.features`.
        values: standardised, lower is better, shape (n,).
        known: known noise variances on top of the learned one, >= 0, shape (n,).
        groups: which length-scale each feature has, shape (f,), integers below `columns`.
        columns: number of length-scales.
        derivatives: told beside the values; None for none.
        mean: the constant m; None to estimate it.
    """

    features: Array
    values: Array
    known: Array
    groups: NDArray[np.intp]
    columns: int
    derivatives: Derivatives | None = None
    mean: float | None = None

    def constant(self, weights: Array, told: Array) -> float:
        """m, estimated with K^-1 1 as the weights of what was told, both (n + k,), where it is not given."""
        if self.mean is not None:
            return self.mean
        return float(weights @ told) / float(weights[: len(self.values)].sum())


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """What a regression's covariance depends on.

    Arguments:
        length_scales: in unit coordinates, shape (columns,).
        noise: variance of the noise of values.
        slope_noise: variance of the noise of derivatives by scaled features; nan where there are none.
    """

    length_scales: Array
    noise: float
    slope_noise: float = math.nan

    @classmethod
    def start(cls, columns: int, slopes: bool = False) -> Hyperparameters:
        """Where every fit begins: the modes of the priors.

        Arguments:
            columns: number of length-scales.
            slopes: whether there are derivatives.
        """
        scale = math.exp(length_scale_prior(columns).log_mode)
        noise = math.exp(noise_prior().log_mode)
        return cls(np.full(columns, scale), noise, noise if slopes else math.nan)

    @property
    def logs(self) -> Array:
        """(log l_1 .. log l_d, log v), and log of the noise of derivatives where there are any."""
        logs: Array = np.log([*self.length_scales, self.noise, self.slope_noise])
        return logs[:-1] if math.isnan(self.slope_noise) else logs

    @classmethod
    def from_logs(cls, logs: Array, columns: int) -> Hyperparameters:
        """Inverse of `logs`."""
        return cls(np.exp(logs[:columns]), *np.exp(logs[columns:]).tolist())


def _with_noise(kernel: Array, noise: Array) -> Array:
    """The kernel matrix plus the noise variances on its diagonal, in place."""
    kernel.flat[:: kernel.shape[0] + 1] += noise
    return kernel


def objective(logs: Array, data: Data) -> tuple[float, Array]:
    """Negative log posterior density of the hyperparameters up to a constant, and its gradient.

    Arguments:
        logs: `Hyperparameters.logs`, shape (columns + 1,).
        data: what to fit.
    """
    if data.derivatives is not None:
        return joint_objective(logs, data, data.derivatives)
    return objective_and_slopes(logs, data)[:2]


def joint_objective(logs: Array, data: Data, derivatives: Derivatives) -> tuple[float, Array]:
    """What `objective` gives where derivatives were told beside the values.

    Arguments:
        logs: `Hyperparameters.logs`, shape (columns + 2,).
        data: what to fit.
        derivatives: its own.
    """
    chosen = Hyperparameters.from_logs(logs, data.columns)
    n, scales = len(data.values), chosen.length_scales[data.groups]
    scaled = data.features / scales
    try:
        lower, _ = factor(_with_noise(covariances(scaled, derivatives), _all_noise(data, chosen)))
    except NotPositiveDefinite:
        return _LARGE, np.zeros_like(logs)
    inverse = inverse_of(lower)
    told = np.append(data.values, derivatives.values * scales[derivatives.axes])
    # The constant mean is that of values alone: its derivatives are 0.
    weights = inverse[:n].sum(axis=0)
    residual = told - np.append(np.full(n, data.constant(weights, told)), np.zeros(len(derivatives)))
    alpha = inverse @ residual
    value = 0.5 * float(residual @ alpha) + float(np.log(np.diagonal(lower)).sum())
    value -= float(np.log(scales[derivatives.axes]).sum())
    outer = np.outer(alpha, alpha) - inverse
    by_features = length_scale_slopes(outer, scaled, derivatives)
    np.add.at(by_features, derivatives.axes, 1.0 - alpha[n:] * told[n:])
    trace = np.diagonal(outer)
    gradient = -np.append(
        np.bincount(data.groups, by_features, minlength=data.columns),
        [0.5 * chosen.noise * trace[:n].sum(), 0.5 * chosen.slope_noise * trace[n:].sum()],
    )
    prior, prior_slopes = length_scale_prior(data.columns).log_density(logs[: data.columns])
    noises, noise_slopes = noise_prior().log_density(logs[data.columns :])
    return value - prior - noises, gradient - np.append(prior_slopes, noise_slopes)


def _all_noise(data: Data, chosen: Hyperparameters) -> Array:
    """Noise variances of the values and of the derivatives, shape (n + k,)."""
    count = 0 if data.derivatives is None else len(data.derivatives)
    return np.append(chosen.noise + data.known, np.full(count, chosen.slope_noise))


def objective_and_slopes(logs: Array, data: Data) -> tuple[float, Array, Array]:
    """What `objective` gives for values alone, and the derivatives of it by the features, shape (n, f)."""
    scales, noise = np.exp(logs[:-1])[data.groups], math.exp(logs[-1])
    scaled = data.features / scales
    kernel, slope = matern52_and_slope(squared_distances(scaled))
    try:
        lower, _ = factor(_with_noise(kernel, noise + data.known))
    except NotPositiveDefinite:
        return _LARGE, np.zeros_like(logs), np.zeros_like(scaled)
    inverse = inverse_of(lower)
    weights = inverse.sum(axis=1)
    residual = data.values - data.constant(weights, data.values)
    alpha = inverse @ residual
    value = 0.5 * float(residual @ alpha) + float(np.log(np.diagonal(lower)).sum())
    inner = np.outer(alpha, alpha)
    inner -= inverse
    noise_slope = -0.5 * noise * float(np.trace(inner))
    inner *= slope
    by_scaled = 2.0 * (inner @ scaled - inner.sum(axis=1)[:, None] * scaled)
    scale_slopes = -np.bincount(data.groups, np.einsum("if,if->f", by_scaled, scaled), minlength=data.columns)
    prior, prior_slopes = length_scale_prior(data.columns).log_density(logs[:-1])
    noise_log_prior, noise_prior_slope = noise_prior().log_density(logs[-1:])
    gradient = np.append(scale_slopes - prior_slopes, noise_slope - noise_prior_slope[0])
    return value - prior - noise_log_prior, gradient, by_scaled / scales


def log_bounds(columns: int, slopes: bool = False) -> list[tuple[float, float]]:
    """The ends of each of `Hyperparameters.logs`."""
    shortest, longest = LENGTH_SCALES
    ends = [(shortest * math.sqrt(columns), longest)] * columns + [NOISE] + [SLOPE_NOISE] * slopes
    return [(math.log(low), math.log(high)) for low, high in ends]


def budget(n: int) -> int:
    """Iterations that a fit to n values has: as many as cost no more than 25 of them for `WHOLE` values, at least 4.

    >>> [budget(n) for n in (10, 200, 250, 300, 400, 1000)]
    [60, 60, 43, 25, 10, 4]
    """
    return min(max(25 * WHOLE**3 // max(n, 1) ** 3, 4), 60)


def fit(data: Data, iterations: int | None = None, start: Hyperparameters | None = None) -> Hyperparameters:
    """The hyperparameters of highest posterior density that L-BFGS-B finds.

    Arguments:
        data: what to fit.
        iterations: of L-BFGS-B at most, and never more than the `budget`; None for the budget.
        start: where to begin. None for the modes of the priors, or, beyond `WHOLE` values, for what fits
            evenly spread ones of them.
    """
    n, slopes = len(data.values), data.derivatives is not None
    size = n if data.derivatives is None else n + len(data.derivatives)
    most = budget(size) if iterations is None else min(iterations, budget(size))
    if start is None:
        begin = Hyperparameters.start(data.columns, slopes)
        start = begin if n <= WHOLE or slopes else fit(_thinned(data, -(-n // WHOLE)), iterations)
    bounds = log_bounds(data.columns, slopes)
    found = minimize(
        objective,
        np.clip(start.logs, *np.transpose(bounds)),
        args=(data,),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": most, "ftol": 1e-6, "gtol": 1e-3},
    )
    return Hyperparameters.from_logs(found.x, data.columns) if np.isfinite(found.x).all() else start


def _thinned(data: Data, step: int) -> Data:
    """Every so many-th value."""
    return replace(data, features=data.features[::step], values=data.values[::step], known=data.known[::step])


@dataclass(frozen=True, slots=True)
class Posterior:
    """The distribution of f at any point, given data and hyperparameters.

    Arguments:
        features, groups: as in `Data`.
        values: what it was conditioned on, shape (n,).
        hyperparameters: length-scales and noise.
        mean: the constant m.
        lower: Cholesky factor of the covariance of the values and then the k derivatives, shape (n + k, n + k).
        alpha: K^-1 (y - m), shape (n + k,), where y goes on with the derivatives by scaled features, without m.
        known: known noise variances of the values, shape (n,).
        derivatives: told beside the values; None for none.
    """

    features: Array
    groups: NDArray[np.intp]
    values: Array
    known: Array
    hyperparameters: Hyperparameters
    mean: float
    lower: Array
    alpha: Array
    derivatives: Derivatives | None = None

    @property
    def scales(self) -> Array:
        """The length-scale of each feature, shape (f,)."""
        return self.hyperparameters.length_scales[self.groups]

    @property
    def residual(self) -> Array:
        """What it was conditioned on less the constant: values, then derivatives by scaled features, shape (n + k,)."""
        if self.derivatives is None:
            return self.values - self.mean
        return np.append(self.values - self.mean, self.derivatives.values * self.scales[self.derivatives.axes])

    @property
    def fitted(self) -> Array:
        """Mean of f at the points it was conditioned on, shape (n,): y - N a, with N the noise variances.

        Follows from K a = y - m, since the covariance of f is K - N there.
        """
        return self.values - (self.hyperparameters.noise + self.known) * self.alpha[: len(self.values)]

    def cross(self, scaled: Array) -> Array:
        """Covariances of f at scaled points (m, f) with all that was told, shape (m, n + k)."""
        there = self.features / self.scales
        if self.derivatives is None:
            return matern52(squared_distances(scaled, there))
        return cross_covariances(scaled, there, self.derivatives)

    def cross_and_chain(self, scaled: Array) -> tuple[Array, Callable[[Array], Array]]:
        """`cross`, and a function of weights (m, n + k): the derivatives by `scaled` of their products' sum, (m, f)."""
        there, derivatives = self.features / self.scales, self.derivatives
        if derivatives is None:
            cross, slope = matern52_and_slope(squared_distances(scaled, there))
            return cross, lambda weights: chain(slope * weights, scaled, there)
        cross = cross_covariances(scaled, there, derivatives)
        return cross, lambda weights: chain_jointly(weights, scaled, there, derivatives)

    def predict(self, features: Array) -> tuple[Array, Array]:
        """Mean and variance of f at rows of features, (m, f) -> (m,), (m,)."""
        cross = self.cross(features / self.scales)
        half = solve_lower(self.lower, cross.T)
        return self.mean + cross @ self.alpha, variance_of(half)

    def predict_with_gradient(self, features: Array) -> tuple[Array, Array, Array, Array]:
        """Mean, variance and their derivatives by the features: (m,), (m,), (m, f), (m, f)."""
        scales = self.scales
        cross, chained = self.cross_and_chain(features / scales)
        half = solve_lower(self.lower, cross.T)
        full = solve_upper(self.lower, half).T
        by_mean = chained(np.broadcast_to(self.alpha, cross.shape)) / scales
        by_variance = chained(full) * (-2.0 / scales)
        return self.mean + cross @ self.alpha, variance_of(half), by_mean, by_variance


def variance_of(half: Array) -> Array:
    """1 - |L^-1 k|^2 for each column, kept positive against rounding."""
    variance: Array = np.maximum(1.0 - np.einsum("ij,ij->j", half, half), 1e-14)
    return variance


def chain(weights: Array, here: Array, there: Array) -> Array:
    """sum_i w_mi d r^2(here_m, there_i) / d here_m = 2 (here_m sum_i w_mi - sum_i w_mi there_i), shape (m, f)."""
    gradient: Array = 2.0 * (here * weights.sum(axis=1)[:, None] - weights @ there)
    return gradient


def condition(data: Data, hyperparameters: Hyperparameters) -> Posterior:
    """The posterior under given hyperparameters.

    Raises:
        NotPositiveDefinite: the covariance has no factor even with jitter.
    """
    scales, n = hyperparameters.length_scales[data.groups], len(data.values)
    scaled, told = data.features / scales, data.values
    if data.derivatives is None:
        kernel = matern52(squared_distances(scaled))
    else:
        kernel = covariances(scaled, data.derivatives)
        told = np.append(told, data.derivatives.values * scales[data.derivatives.axes])
    lower, _ = factor(_with_noise(kernel, _all_noise(data, hyperparameters)))
    constant = (np.arange(len(told)) < n).astype(np.float64)
    mean = data.constant(solve(lower, constant), told)
    return Posterior(
        features=data.features,
        groups=data.groups,
        values=data.values,
        known=data.known,
        hyperparameters=hyperparameters,
        mean=mean,
        lower=lower,
        alpha=solve(lower, told - mean * constant),
        derivatives=data.derivatives,
    )
