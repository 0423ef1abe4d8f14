"""Derivatives as observations of a Gaussian process, beside values.

A derivative of a Gaussian process is one too. With scaled features x = z / l, delta = x - x', rho = |delta|^2, and
k, s, t the kernel and its first two derivatives by rho, a derivative by the scaled feature f has covariances

    cov(f(x), d_g f(x'))      = -2 s delta_g
    cov(d_f f(x), d_g f(x'))  = -4 t delta_f delta_g - 2 s [f = g]

so n values and k derivatives have one covariance matrix of n + k rows, values first. Derivatives are held by the
scaled feature, l_f times the one that was told: all of them then have the prior variance -2 s(0) = 5/3, and one noise
variance serves all. The density of what was told gains a factor l_f for each.

With W = a a^T - K^-1 the derivative of the log likelihood by log l_F is half the sum of W times

    -2 s delta_F^2                                                                    among values
    4 t delta_F^2 delta_f + 2 s delta_f [f = F]                                       values with derivatives
    8 t' delta_F^2 delta_f delta_g + 4 t delta_F^2 [f = g]
        + 4 t delta_f delta_g ([f = F] + [g = F])                                     among derivatives

of which all but the terms in brackets are delta_F^2 times something that does not know F: one matrix over the points
serves all features, so a gradient costs O((n + k)^3 + (n + k)^2 + n^2 F), and no array has three dimensions.

Source: E. Solak, R. Murray-Smith, W. E. Leithead, D. J. Leith and C. E. Rasmussen, "Derivative Observations in Gaussian
Process Models of Dynamic Systems", NIPS 15, 2003; Rasmussen and Williams 2006, section 9.4; J. Wu, M. Poloczek, A. G.
Wilson and P. I. Frazier, "Bayesian Optimization with Gradients", NIPS 2017, arXiv 1703.04389. Of how to keep the cost
down, F. de Roos, A. Gessner and P. Hennig, "High-Dimensional Gaussian Process Inference with Derivatives", ICML 2021,
arXiv 2102.07542, solve for fewer points than features; a tuner has more, so here the number of derivatives is bounded
(`chosen`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.surrogates.gp.kernels import matern52_and_slope, squared_distances

__all__ = ["Derivatives", "chain_jointly", "chosen", "covariances", "cross_covariances", "length_scale_slopes"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Derivatives:
    """Derivatives that were told, k of them.

    Arguments:
        rows: the point that each belongs to, shape (k,).
        axes: the feature by which it is taken, shape (k,).
        values: of the warped loss, by the feature as it is, not scaled; shape (k,).
    """

    rows: NDArray[np.intp]
    axes: NDArray[np.intp]
    values: Array

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, kept: NDArray[np.intp]) -> Derivatives:
        """Some of them."""
        return Derivatives(self.rows[kept], self.axes[kept], self.values[kept])

    def per_point(self, weights: Array, points: int) -> Array:
        """Weights (m, k) summed over the derivatives of each point, shape (m, points)."""
        out = np.zeros((len(weights), points))
        np.add.at(out.T, self.rows, weights.T)
        return out


def chosen(derivatives: Derivatives, order: NDArray[np.intp], most: int) -> Derivatives | None:
    """Those of the first points of an order, as many as are wanted; None for none.

    All of a point's enter, or none; only where the first has more than `most`, its largest do.

    Arguments:
        derivatives: all that were told.
        order: points, the most telling first.
        most: derivatives at most.
    """
    if most < 1 or not len(derivatives):
        return None
    counts = np.bincount(derivatives.rows, minlength=int(order.max(initial=-1)) + 1)
    told = order[counts[order] > 0]
    enough = np.cumsum(counts[told]) <= most
    if enough.any():
        return derivatives[np.flatnonzero(np.isin(derivatives.rows, told[enough]))]
    first = np.flatnonzero(derivatives.rows == told[0])
    largest = np.argsort(-np.abs(derivatives.values[first]), kind="stable")[:most]
    return derivatives[np.sort(first[largest])]


def covariances(scaled: Array, derivatives: Derivatives) -> Array:
    """Of n values and k derivatives at scaled points (n, F), without noise: shape (n + k, n + k)."""
    n = len(scaled)
    value, slope, bend, _ = _kernel(squared_distances(scaled))
    out = np.empty((n + len(derivatives), n + len(derivatives)))
    out[:n, :n] = value
    own, other = _pairs(scaled, derivatives)
    rows = derivatives.rows
    out[:n, n:] = -2.0 * slope[:, rows] * _along(scaled, scaled, derivatives)
    out[n:, :n] = out[:n, n:].T
    among = np.ix_(rows, rows)
    out[n:, n:] = -4.0 * bend[among] * own * other
    out[n:, n:] -= 2.0 * slope[among] * _same(derivatives)
    return out


def cross_covariances(here: Array, there: Array, derivatives: Derivatives) -> Array:
    """Of values at scaled points (m, F) with what is known at others (n, F): shape (m, n + k)."""
    value, slope = matern52_and_slope(squared_distances(here, there))
    by_axes = -2.0 * slope[:, derivatives.rows] * _along(here, there, derivatives)
    return np.concatenate([value, by_axes], axis=1)


def chain_jointly(weights: Array, here: Array, there: Array, derivatives: Derivatives) -> Array:
    """The derivatives by `here` of the sum of `cross_covariances` times weights (m, n + k): shape (m, F)."""
    n, rows = len(there), derivatives.rows
    _, slope, bend, _ = _kernel(squared_distances(here, there))
    of_values, of_axes = weights[:, :n], weights[:, n:]
    along = _along(here, there, derivatives)
    pulls = 2.0 * slope * of_values
    pulls += derivatives.per_point(-4.0 * bend[:, rows] * along * of_axes, n)
    out = here * pulls.sum(axis=1)[:, None] - pulls @ there
    np.add.at(out.T, derivatives.axes, (-2.0 * slope[:, rows] * of_axes).T)
    return np.asarray(out)


def length_scale_slopes(outer: Array, scaled: Array, derivatives: Derivatives) -> Array:
    """Half the sum of W (n + k, n + k) times the derivatives of the covariances by log length-scales, shape (F,)."""
    n, rows, axes = len(scaled), derivatives.rows, derivatives.axes
    _, slope, bend, third = _kernel(squared_distances(scaled))
    among = np.ix_(rows, rows)
    own, other = _pairs(scaled, derivatives)
    mixed, inner = outer[:n, n:], outer[n:, n:]
    along = _along(scaled, scaled, derivatives)
    # What multiplies delta_F^2, gathered over the points; the mixed block counts twice.
    both = inner * (8.0 * third[among] * own * other + 4.0 * bend[among] * _same(derivatives))
    weights = -2.0 * slope * outer[:n, :n] + derivatives.per_point(8.0 * bend[:, rows] * along * mixed, n)
    weights += derivatives.per_point(derivatives.per_point(both, n).T, n)
    squares = scaled * scaled
    out = squares.T @ (weights.sum(axis=0) + weights.sum(axis=1)) - 2.0 * np.einsum(
        "if,if->f", weights @ scaled, scaled
    )
    brackets = 4.0 * (mixed * slope[:, rows] * along).sum(axis=0)
    brackets += 8.0 * (inner * bend[among] * own * other).sum(axis=1)
    np.add.at(out, axes, brackets)
    return np.asarray(0.5 * out)


def _kernel(r2: Array) -> tuple[Array, Array, Array, Array]:
    """The Matern-5/2 kernel and its first three derivatives by the squared distance, any shape."""
    value, slope = matern52_and_slope(r2)
    a = np.sqrt(5.0 * r2)
    bend = (25.0 / 12.0) * np.exp(-a)
    # The third is infinite at 0, where the differences that it multiplies are 0.
    third = -2.5 * bend / np.maximum(a, 1e-100)
    return value, slope, bend, third


def _along(here: Array, there: Array, derivatives: Derivatives) -> Array:
    """Differences of points (m, F) from that of each derivative, along its axis: (m, k)."""
    out: Array = here[:, derivatives.axes] - there[derivatives.rows, derivatives.axes]
    return out


def _pairs(scaled: Array, derivatives: Derivatives) -> tuple[Array, Array]:
    """Differences between the points of two derivatives along the axis of the first, and of the second: (k, k) each."""
    other = _along(scaled[derivatives.rows], scaled, derivatives)
    return -other.T, other


def _same(derivatives: Derivatives) -> NDArray[np.bool_]:
    """Whether two derivatives have one axis, shape (k, k)."""
    return np.equal.outer(derivatives.axes, derivatives.axes)
