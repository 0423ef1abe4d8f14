"""A quadratic model of a function near a point, learned from few values, and its minimum within reach.

    q(z) = c + g.z + z^T H z / 2,   z = (u - centre) / radius

With d coordinates q has (d + 1)(d + 2) / 2 coefficients, and a tuner has fewer values. So the coefficients
get a Gaussian prior, which makes q a Gaussian process with a polynomial kernel,

    k(z, z') = s^2 (100 + t + t^2 / 2 + 10 r r' / 4),   t = sum_j a_j^2 z_j z'_j,   r = sum_j a_j^2 z_j^2,

whose mean is a quadratic for any number of points: where the values say nothing, the smallest one that
explains them. The last term is a curvature that all coordinates share, as a bowl has. It costs one coefficient
and keeps a model of few points from being a plane whose minimum is the farthest corner. The relevance a_j of
each coordinate (ill-conditioned functions have some that matter a thousand times as much as others) and the
noise v maximise the marginal likelihood, in which s^2 has its closed form y^T K^-1 y / n, under broad priors on
log a_j and log v. A value far from the centre carries the terms that a quadratic lacks; its noise variance is
v max(1, |z|)^6, since they grow with |z|^3.

The posterior also says how far q may be from its mean (`Doubt`). `lowest_within` can seek the place of the lowest
plausible value: along directions of which nothing is known it looks, as the first simplex of M. J. D. Powell's
COBYLA does, while it descends along the others.

Least-norm quadratics from too few points are M. J. D. Powell's, "Least Frobenius norm updating of quadratic
models that satisfy interpolation conditions", Mathematical Programming 100, 2004; the kernel and the choice
of its parameters are Rasmussen and Williams 2006, sections 4.2.2 and 5.4. The relevances, the shared curvature and
the noise in place of interpolation are this file's own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from trimtab.surrogates.gp.cholesky import NotPositiveDefinite, factor, inverse_of, solve, solve_lower, solve_upper

__all__ = ["FARTHEST", "Quadratic", "fit_quadratic", "lowest_within", "pulled"]

Array = NDArray[np.float64]

CONSTANT = 100.0
"""Prior variance of the constant, in units of s^2."""

SHARED = 10.0
"""Prior variance of the curvature that all coordinates share, in units of s^2."""

RELEVANCE = (-1.0, 1.1)
"""Mean and deviation of the prior of each log relevance."""

NOISE = (math.log(1e-4), 6.0)
"""Mean and deviation of the prior of the log noise."""

BOUNDS = ((-8.0, 4.0), (math.log(1e-12), 0.0))
"""Of each log relevance, and of the log noise."""

FARTHEST = 1e8
"""Values are cut at so many times their median size."""

LEAST_VARIANCE = 1e-100
"""Of values whose median size is 1, s^2 is less only where rounding has made it up, or where all values are 0."""

_LARGE = 1e25


@dataclass(frozen=True, slots=True)
class Doubt:
    """The posterior deviation of a quadratic. Shapes: n points, d coordinates.

    Arguments:
        known: the points times their relevances, shape (n, d).
        relevance: a, shape (d,).
        noise: its variance at each, in units of s^2, shape (n,).
        lower: Cholesky factor of K with the noise, shape (n, n).
        scale: s, in the units of the values.
    """

    known: Array
    relevance: Array
    noise: Array
    lower: Array
    scale: float

    @classmethod
    def about(cls, known: Array, relevance: Array, noise: Array, scale: float) -> Doubt:
        """What values at these points leave open; the arguments are the attributes.

        Raises:
            NotPositiveDefinite: the points admit no model.
        """
        lower, _ = factor(_covariance(known, noise)[0])
        return cls(known, relevance, noise, lower, scale)

    def given(self, z: Array) -> Doubt:
        """What is left open once values at z, shape (m, d), are told too, whatever they will be.

        Raises:
            NotPositiveDefinite: the points admit no model.
        """
        known = np.concatenate([self.known, z * self.relevance])
        # The least noise is that of the centre, which every model is fitted to.
        noise = np.append(self.noise, float(self.noise.min()) * _spread(z))
        return Doubt.about(known, self.relevance, noise, self.scale)

    def deviation(self, z: Array) -> tuple[float, Array]:
        """The deviation of q(z), at z of shape (d,), and its derivatives (d,)."""
        here = z * self.relevance
        inner, square = self.known @ here, float(here @ here)
        halves = 0.25 * SHARED * np.einsum("ij,ij->i", self.known, self.known)
        cross = CONSTANT + inner + 0.5 * inner * inner + halves * square
        cross_slope = (1.0 + inner)[:, None] * self.known + np.multiply.outer(2.0 * halves, here)
        own = CONSTANT + square + (0.5 + 0.25 * SHARED) * square * square
        own_slope = (2.0 + (2.0 + SHARED) * square) * here
        # K is all but singular where the values leave no doubt; an explicit inverse would make some up.
        half = solve_lower(self.lower, cross)
        variance = max(own - float(half @ half), 1e-15 * own)
        deviation = self.scale * math.sqrt(variance)
        slope = (own_slope - 2.0 * (solve_upper(self.lower, half) @ cross_slope)) * self.relevance
        return deviation, slope * (0.5 * self.scale * self.scale / max(deviation, 1e-300))


@dataclass(frozen=True, slots=True)
class Quadratic:
    """c + g.z + z^T H z / 2 in scaled coordinates z, shapes (), (d,), (d, d).

    Arguments:
        constant, slope, curvature: c, g and H, in the units of the values that were fitted.
        relevance: a, shape (d,).
        deviation: of the noise at the centre, in the units of the values.
        doubt: how far the function may be from this model; None where it is this model.
    """

    constant: float
    slope: Array
    curvature: Array
    relevance: Array
    deviation: float
    doubt: Doubt | None = None

    def value(self, z: Array) -> float:
        """The model at z, shape (d,)."""
        return self.constant + float(self.slope @ z + 0.5 * (z @ self.curvature @ z))

    def gradient(self, z: Array) -> Array:
        """Its derivatives at z, shape (d,)."""
        out: Array = self.slope + self.curvature @ z
        return out

    def plausible(self, z: Array, optimism: float) -> tuple[float, Array]:
        """The model less `optimism` deviations of its doubt at z, shape (d,), and its derivatives (d,)."""
        value, gradient = self.value(z), self.gradient(z)
        if self.doubt is None or not optimism:
            return value, gradient
        deviation, slope = self.doubt.deviation(z)
        return value - optimism * deviation, gradient - optimism * slope


def fit_quadratic(z: Array, values: Array, iterations: int = 30) -> Quadratic:
    """The quadratic of highest posterior density for values (n,) at scaled points z (n, d), n >= 2.

    Raises:
        NotPositiveDefinite: the points and values admit no model, for instance because some are not finite.
    """
    columns = z.shape[1]
    spread = _spread(z)
    scale = float(np.median(np.abs(values))) or float(np.abs(values).max()) or 1.0
    # A loss a hundred million times as far off as the others is no quadratic's; squares of larger ones overflow.
    with np.errstate(over="ignore"):
        scaled = np.clip(values / scale, -FARTHEST, FARTHEST)
    start = np.append(np.full(columns, RELEVANCE[0]), NOISE[0])
    found = minimize(
        _objective,
        start,
        args=(z, scaled, spread),
        jac=True,
        method="L-BFGS-B",
        bounds=[BOUNDS[0]] * columns + [BOUNDS[1]],
        options={"maxiter": iterations, "ftol": 1e-4},
    )
    logs = found.x if np.isfinite(found.x).all() else start
    relevance, noise = np.exp(logs[:-1]), math.exp(logs[-1])
    known = z * relevance
    covariance, _ = _covariance(known, noise * spread)
    lower, _ = factor(covariance)
    alpha = solve(lower, scaled)
    variance = max(float(scaled @ alpha) / len(scaled), 0.0)
    shared = 0.5 * SHARED * float(np.einsum("ij,ij->i", known, known) @ alpha)
    curvature = np.outer(relevance, relevance) * ((known.T * alpha) @ known) + shared * np.diag(relevance**2)
    return Quadratic(
        constant=scale * CONSTANT * float(alpha.sum()),
        slope=scale * relevance * (known.T @ alpha),
        curvature=scale * curvature,
        relevance=relevance,
        deviation=scale * math.sqrt(variance * noise),
        doubt=Doubt(known, relevance, noise * spread, lower, scale * math.sqrt(variance)),
    )


def _spread(z: Array) -> Array:
    """How much more noise the values at z, shape (m, d), carry than those near the centre, shape (m,)."""
    out: Array = np.maximum(np.abs(z).max(axis=1, initial=0.0), 1.0) ** 6
    return out


def _covariance(known: Array, noise: Array) -> tuple[Array, Array]:
    """K with noise on its diagonal, and t, both (n, n), for points times their relevances (n, d)."""
    inner = known @ known.T
    squares = inner.diagonal()
    covariance = CONSTANT + inner + 0.5 * inner * inner + 0.25 * SHARED * np.outer(squares, squares)
    covariance.flat[:: len(known) + 1] += noise
    return covariance, inner


def _objective(logs: Array, z: Array, values: Array, spread: Array) -> tuple[float, Array]:
    """Negative log posterior density of (log a, log v) up to a constant, and its gradient."""
    relevance, noise = np.exp(logs[:-1]), math.exp(logs[-1])
    known = z * relevance
    covariance, inner = _covariance(known, noise * spread)
    try:
        lower, _ = factor(covariance)
    except NotPositiveDefinite:
        return _LARGE, np.zeros_like(logs)
    inverse = inverse_of(lower)
    alpha = inverse @ values
    variance = float(values @ alpha) / len(values)
    if not variance > LEAST_VARIANCE:
        return _LARGE, np.zeros_like(logs)
    value = 0.5 * len(values) * math.log(variance) + float(np.log(np.diagonal(lower)).sum())
    outer = np.outer(alpha, alpha) / variance - inverse
    by_inner = outer * (1.0 + inner)
    by_square = 0.5 * SHARED * (outer @ inner.diagonal())
    by_relevance = -np.einsum("ij,ij->j", known, by_inner @ known + by_square[:, None] * known)
    by_noise = -0.5 * noise * float(np.diagonal(outer) @ spread)
    means = np.append(np.full(z.shape[1], RELEVANCE[0]), NOISE[0])
    deviations = np.append(np.full(z.shape[1], RELEVANCE[1]), NOISE[1])
    off = (logs - means) / deviations
    return value + 0.5 * float(off @ off), np.append(by_relevance, by_noise) + off / deviations


def lowest_within(
    model: Quadratic,
    low: Array,
    high: Array,
    reach: float = math.inf,
    optimism: float = 0.0,
    starts: Array | None = None,
) -> Array:
    """Where the model, or its lowest plausible value, is least in a box and a ball around 0, as far as is found; (d,).

    L-BFGS-B from the centre, from half a step down the slope, from the stationary point, and from where one is told:
    a local minimum, and without optimism and ball the global one where the curvature is positive. Points of the box
    beyond the ball stand for those of its surface on the way to them, which lie in the box too.

    Arguments:
        model: the quadratic.
        low, high: corners of the box, low <= 0 <= high, shape (d,).
        reach: radius of the ball.
        optimism: how many deviations below its mean the function is hoped to be.
        starts: more places to begin at, shape (m, d). With optimism the centre is a ridge: it needs some.
    """
    newton = np.asarray(np.linalg.lstsq(model.curvature, -model.slope, rcond=None)[0], dtype=np.float64)
    best = np.zeros(len(low))
    least, _ = model.plausible(best, optimism)
    # Scaled so that the stopping rules, which are absolute, mean the same for losses of any size.
    scale = max(abs(model.constant), float(np.abs(model.slope).sum()), float(np.abs(model.curvature).sum()), 1e-300)

    def scaled(z: Array) -> tuple[float, Array]:
        place, length = pulled(z, reach)
        value, gradient = model.plausible(place, optimism)
        if length > reach:
            gradient = (gradient - place * (float(gradient @ place) / reach**2)) * (reach / length)
        return value / scale, gradient / scale

    first = [best, 0.5 * np.where(model.slope > 0.0, low, high), newton]
    for start in first if starts is None else [*first, *starts]:
        # Beyond the ball the function is constant along each ray, so a start is better on its surface.
        found = minimize(
            scaled,
            np.clip(pulled(start, reach)[0], low, high),
            jac=True,
            method="L-BFGS-B",
            bounds=list(zip(low, high, strict=True)),
            options={"ftol": 1e-15, "gtol": 1e-12, "maxiter": 20 if optimism else 200},
        )
        place, _ = pulled(found.x, reach)
        value, _ = model.plausible(place, optimism)
        if value < least:
            best, least = place, value
    return np.clip(best, low, high)


def pulled(z: Array, reach: float) -> tuple[Array, float]:
    """z, shape (d,), drawn back into a ball of radius `reach` around 0, and the length that it had."""
    length = math.sqrt(float(z @ z))
    return (z, length) if length <= reach else (z * (reach / length), length)
