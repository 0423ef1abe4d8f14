"""Densities over a mixed, conditional space as mixtures of kernels around configurations.

The model of the tree-structured Parzen estimator (J. Bergstra, R. Bardenet, Y. Bengio and B. Kegl,
"Algorithms for Hyper-Parameter Optimization", NeurIPS 2011), in the multivariate form of S. Falkner, A.
Klein and F. Hutter, "BOHB", ICML 2018, arXiv 1807.01774: one component is a product over the columns,

    f(x) = sum_k w_k prod_j K_kj(x_j) + w_0 prod_j p_j(x_j)

with a prior component p of the same weight as any other. All factors are densities relative to uniform
draws in unit coordinates, so that "no information" is the factor 1:

- a continuous number has a Gaussian around the centre's coordinate, cut off at the ends of [0, 1];
- a discrete number has the mean of that density over its cell;
- a category has the kernel of J. Aitchison and C. G. G. Aitken, "Multivariate binary discrimination by the
  kernel method", Biometrika 63, 1976: a share of the mass is spread evenly over all categories, the
  rest stays on the centre's own.

A column that is inactive in a centre has the factor 1 there, and so has one that is inactive in x. Since a
column's activity follows from the categories above it, f is a density over the whole conditional space, and
no decomposition into groups of columns that are active together is needed.

Product-of-marginals form, for sets too small for a joint density (see `trimtab.surrogates.density`):

    f(x) = prod_{j active in x} (sum_{k with j active} w_k K_kj(x_j) + w_0 p_j(x_j)) / (sum of these weights)

Shapes: n centres, m points, d columns. Arrays in, arrays out; nan stands for inactive.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

__all__ = ["Parzen", "Points", "gap_widths", "joint_log_density", "log_kernels", "marginal_log_density", "sample"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)
_SMALLEST = 1e-300

_NARROW = 1e-3
"""Over a cell that is no wider, the density is the one in its middle: kernels are wider than that."""


@dataclass(frozen=True, slots=True)
class Points:
    """Where a density is wanted.

    Arguments:
        unit: unit coordinates, shape (m, d), nan where inactive.
        low, high: ends of the cell that each coordinate stands for, shape (m, d); equal where continuous.
            Those of categories are not read.
        prior: log density of the prior component in each column, relative to uniform, shape (m, d).
    """

    unit: Array
    low: Array
    high: Array
    prior: Array


@dataclass(frozen=True, slots=True)
class Parzen:
    """A mixture of kernels.

    Arguments:
        centres: unit coordinates, shape (n, d), nan where inactive.
        widths: shape (n, d): of a number the standard deviation of its kernel, of a category the share
            of the mass that is spread evenly over all categories, in (0, 1].
        weights: shape (n + 1,), > 0, sum 1; the last one is the prior component's.
        categories: number of categories of each column, 0 for numbers, shape (d,).
    """

    centres: Array
    widths: Array
    weights: Array
    categories: NDArray[np.intp]


def gap_widths(centres: Array, smallest: Array) -> Array:
    """Standard deviations of the kernels of numbers, from the gaps to the neighbours in each column, shape (n, d).

    The larger of the gaps to the next centres on either side, which for the outermost ones is the gap to
    their only neighbour, and for a single one the whole range; at least `smallest`, at most 1. Nan stays.

    Arguments:
        centres: unit coordinates, shape (n, d), nan where inactive.
        smallest: > 0, shape (d,).
    """
    count, columns = centres.shape
    order = np.argsort(centres, axis=0, kind="stable")  # nan comes last
    gaps = np.diff(np.take_along_axis(centres, order, axis=0), axis=0)
    edge = np.full((1, columns), np.nan)
    nearest = np.fmax(np.vstack([edge, gaps]), np.vstack([gaps, edge]))
    nearest = np.where(np.isnan(nearest), 1.0, nearest)
    widths = np.empty((count, columns))
    np.put_along_axis(widths, order, np.clip(nearest, smallest, 1.0), axis=0)
    return np.where(np.isnan(centres), np.nan, widths)


def log_kernels(points: Points, model: Parzen, column: int) -> Array:
    """Log factors of one column, shape (m, n); 0 where it is inactive in the point or in the centre."""
    x, centre = points.unit[:, column], model.centres[:, column]
    size = int(model.categories[column])
    if size:
        out = _log_category(x, centre, model.widths[:, column], size)
    else:
        out = _log_number(points, model, column)
    return np.where(np.isnan(x)[:, None] | np.isnan(centre)[None, :], 0.0, out)


def _log_category(x: Array, centre: Array, shares: Array, size: int) -> Array:
    """Aitchison-Aitken kernel relative to uniform: s + (1 - s) size at the centre's own category, s elsewhere."""
    same = np.floor(x * size)[:, None] == np.floor(centre * size)[None, :]
    with np.errstate(invalid="ignore"):
        out: Array = np.where(same, np.log(shares + (1.0 - shares) * size), np.log(shares))
    return out


def _log_number(points: Points, model: Parzen, column: int) -> Array:
    """Log of a Gaussian on [0, 1], or of its mean over the point's cell, shape (m, n)."""
    centre, width = model.centres[None, :, column], model.widths[None, :, column]
    inside = np.log(ndtr((1.0 - centre) / width) - ndtr(-centre / width))
    low, high = points.low[:, column], points.high[:, column]
    scaled = (points.unit[:, None, column] - centre) / width
    at_point = -0.5 * scaled * scaled - np.log(width) - _LOG_SQRT_2PI
    wide = high - low > _NARROW
    if not wide.any():
        return np.asarray(at_point - inside)
    over_cell = _log_cell_mass(low, high, centre, width) - np.log(np.where(wide, high - low, 1.0))[:, None]
    return np.asarray(np.where(wide[:, None], over_cell, at_point) - inside)


def _log_cell_mass(low: Array, high: Array, centre: Array, width: Array) -> Array:
    """Log mass of Gaussians (1, n) over cells (m,), shape (m, n); never -inf."""
    # Many points share their cells: the distribution function is evaluated once at each edge.
    edges, places = np.unique(np.concatenate([low, high]), return_inverse=True)
    away = (edges[:, None] - centre) / width
    below, above = ndtr(away), ndtr(-away)
    start, end = places[: len(low)], places[len(low) :]
    # Mirroring about the centre keeps the difference of two numbers near 1 from losing its digits.
    mass = np.where(away[start] > 0.0, above[start] - above[end], below[end] - below[start])
    return np.asarray(np.log(np.maximum(mass, _SMALLEST)))


def joint_log_density(points: Points, model: Parzen) -> tuple[Array, Array]:
    """Log density (m,), and the log of each centre's own share of it (m, n): log w_k + sum_j log K_kj."""
    shares = np.tile(np.log(model.weights[:-1]), (len(points.unit), 1))
    smooth = _continuous(points, model)
    if smooth.any():
        shares += _log_product(points.unit[:, smooth], model.centres[:, smooth], model.widths[:, smooth])
    for column in np.flatnonzero(~smooth).tolist():
        shares += log_kernels(points, model, column)
    prior = math.log(model.weights[-1]) + np.where(np.isnan(points.unit), 0.0, points.prior).sum(axis=1)
    density: Array = _log_sum(np.column_stack([shares, prior]))
    return density, shares


def _log_sum(logs: Array) -> Array:
    """Log of the sums of exponentials of rows (m, n) in which not all is -inf, shape (m,)."""
    top = logs.max(axis=1)
    total: Array = np.log(np.exp(logs - top[:, None]).sum(axis=1)) + top
    return total


def _continuous(points: Points, model: Parzen) -> Mask:
    """Which columns are numbers without cells, shape (d,)."""
    return np.asarray((model.categories == 0) & ~np.any(points.high - points.low > _NARROW, axis=0))


def _log_product(unit: Array, centres: Array, widths: Array) -> Array:
    """Sum over continuous columns of their log factors, shape (m, n), by two matrix products.

    With a = 1 / width^2, sum_j a (x - c)^2 = (x^2) a' - 2 x (a c)' + sum_j a c^2; entries that are inactive in
    either are multiplied by 0. Coordinates lie in [0, 1], so the sum loses no more than 1e-16 max(a).
    """
    there, known = ~np.isnan(unit), ~np.isnan(centres)
    x, c = np.where(there, unit - 0.5, 0.0), np.where(known, centres, 0.5)
    w = np.where(known, widths, 1.0)
    a = np.where(known, 1.0 / (w * w), 0.0)
    alone = np.log(w) + _LOG_SQRT_2PI + np.log(ndtr((1.0 - c) / w) - ndtr(-c / w))
    constant = np.where(known, alone, 0.0) + 0.5 * a * (c - 0.5) ** 2
    return np.asarray(x @ (a * (c - 0.5)).T - 0.5 * (x * x) @ a.T - there.astype(np.float64) @ constant.T)


def marginal_log_density(points: Points, model: Parzen) -> Array:
    """Log of the product of the columns' own mixtures, shape (m,)."""
    total = np.zeros(len(points.unit))
    for column in range(points.unit.shape[1]):
        active = ~np.isnan(points.unit[:, column])
        if active.any():
            total += np.where(active, _log_marginal(points, model, column), 0.0)
    return total


def _log_marginal(points: Points, model: Parzen, column: int) -> Array:
    """Log of one column's mixture of the centres where it is active and of the prior, shape (m,)."""
    known = ~np.isnan(model.centres[:, column])
    weights = np.append(model.weights[:-1][known], model.weights[-1])
    parts = np.column_stack([log_kernels(points, model, column)[:, known], points.prior[:, column]])
    return np.asarray(_log_sum(parts + np.log(weights / weights.sum())))


def sample(model: Parzen, rng: np.random.Generator, prior: Array, joint: bool = True) -> Array:
    """Draws from the mixture, shape (m, d), without nan.

    An entry that is inactive in its centre comes from the prior. Numbers are not snapped to their cells,
    and what an entry holds that turns out inactive does not matter.

    Arguments:
        prior: draws from the prior component in unit coordinates without nan, shape (m, d).
        joint: whether one component gives all columns of a draw; else each column has its own, of those
            where it is active.
    """
    count, columns = prior.shape
    chosen = np.tile(rng.choice(len(model.weights), size=count, p=model.weights), (columns, 1)).T
    if not joint:
        chosen = np.column_stack([_own_components(model, rng, column, count) for column in range(columns)] or [chosen])
    centres = np.vstack([model.centres, np.full(columns, np.nan)])[chosen, np.arange(columns)]
    widths = np.vstack([model.widths, np.full(columns, 1.0)])[chosen, np.arange(columns)]
    share, spread = rng.random((count, columns)), rng.random((count, columns))
    low, high = ndtr(-centres / widths), ndtr((1.0 - centres) / widths)
    numbers = centres + widths * ndtri(low + share * (high - low))
    categories = np.where(share < widths, spread, centres)
    drawn = np.where(model.categories > 0, categories, np.clip(numbers, 0.0, 1.0))
    return np.where(np.isnan(centres), prior, drawn)


def _own_components(model: Parzen, rng: np.random.Generator, column: int, count: int) -> NDArray[np.intp]:
    """Components drawn for one column alone, shape (count,)."""
    weights = model.weights.copy()
    weights[:-1][np.isnan(model.centres[:, column])] = 0.0
    return rng.choice(len(weights), size=count, p=weights / weights.sum())
