"""Dual functions that are rational without poles on the interval: squared losses of ridge regression.

    f(p) = level + sum_t || z_t - R_t q_t(p) ||^2,    q_tj(p) = 1 / (sigma_tj + p),   sigma >= 0, p > 0.

The sum of squares is kept as it is: written as one numerator over one denominator, or in partial fractions, it would
lose all digits where two poles are close.

All stationary points are found, and it is proven that there are no others, so the minimum is the global one. With
x = log p, each q is 1 / (sigma + exp x), whose nearest singularities lie at imaginary part pi. So g = df/dx is analytic
and bounded for |Im x| <= pi / 2, where |sigma + p| >= sqrt(sigma^2 + |p|^2), and on a cell of half-width h a Chebyshev
interpolant of degree n has an error of at most

    4 M rho^-n / (rho - 1),   h (rho - 1 / rho) / 2 = pi / 2,

M a bound of |g| on the ellipse (L. N. Trefethen, "Approximation theory and approximation practice", SIAM 2013,
theorem 8.2, recalled; degree 24 on cells of half-width 1/2 makes it 1e-20 M). The cells are split until on each part
the interpolant, with its second derivative bounded by its coefficients, either has no zero or is monotone; then the
signs of g at the ends of the parts tell where each zero is, and it is refined to float64. A part that stays undecided
(g touches zero, or is below its rounding error) is kept with the most that f can change on it: `lower_bound`
takes that off. Bounds are of real arithmetic with an allowance for rounding, not with outward rounding.

Needs: an interval that begins above zero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from trimtab.base.errors import InvalidArgument, message
from trimtab.tuners.tasks.duals.dual import Dual, Minimum, check_edges, inside

__all__ = ["Rational", "mean_of_rationals"]

Array = NDArray[np.float64]

DEGREE = 24
HALF_WIDTH = 0.5
ROUNDING = 1e-14
"""Allowance for rounding in g, relative to the sum of the absolute values of what is summed."""

FINEST = 2.0**-20
"""Half-width, relative to a cell's, of the parts that are no longer split."""

CHUNK = 2_000_000
"""Numbers held at once while values are computed."""


@final
@dataclass(frozen=True, eq=False)
class Rational(Dual):
    """A rational dual function of one piece; see the module. Shapes: T summands, r poles in each.

    Arguments:
        edges: the ends of the interval, above zero, shape (2,).
        level: what does not depend on the hyperparameter.
        poles: sigma, not negative, shape (T, r).
        targets: z, shape (T, r).
        factors: R, shape (T, r, r).

    Raises:
        InvalidArgument: an interval that does not begin above zero, negative poles, shapes that do not fit.

    >>> bowl = Rational([0.1, 10.0], 1.0, [[1.0]], [[0.5]], [[[1.0]]])  # 1 + (1/2 - 1 / (1 + p))^2
    >>> round(bowl.minimum().at, 12), bowl.minimum().value
    (1.0, 1.0)
    """

    edges: Array
    level: float
    poles: Array
    targets: Array
    factors: Array

    def __post_init__(self) -> None:
        """Check the shapes and take copies."""
        edges = check_edges(self.edges, "Rational")
        parts = [np.array(part, dtype=float) for part in (self.poles, self.targets, self.factors)]
        poles, targets, factors = parts
        if len(edges) != 2 or not edges[0] > 0:
            raise InvalidArgument(
                message("Rational: the interval must begin above zero", got=edges.tolist(), allowed="0 < low < high")
            )
        if poles.ndim != 2 or targets.shape != poles.shape or factors.shape != (*poles.shape, poles.shape[-1]):
            raise InvalidArgument(
                message(
                    "Rational: poles, targets and factors do not fit",
                    got=[part.shape for part in parts],
                    allowed="shapes (T, r), (T, r) and (T, r, r)",
                )
            )
        if not (np.isfinite(self.level) and all(np.isfinite(part).all() for part in parts)) or (poles < 0).any():
            raise InvalidArgument(
                message("Rational: numbers must be finite and poles not negative", got=float(poles.min(initial=0.0)))
            )
        for name, value in zip(("edges", "poles", "targets", "factors"), (edges, *parts), strict=True):
            object.__setattr__(self, name, value)

    def value(self, at: ArrayLike) -> Array:
        """The loss at hyperparameters of any shape."""
        return self._by_chunks(at, lambda residuals, _: (residuals * residuals).sum(axis=(0, 1)), self.level)

    def derivative(self, at: ArrayLike) -> Array:
        """The derivative by the hyperparameter, not by its logarithm, at hyperparameters of any shape."""
        return self._by_chunks(
            at, lambda residuals, q: 2.0 * (residuals * (self.factors @ (q * q))).sum(axis=(0, 1)), 0.0
        )

    def minimum(self) -> Minimum:
        """The least value, at an end of the interval or at a stationary point; see `lower_bound`."""
        if not self.factors.any():
            value = float(self.value(self.low))
            return Minimum((self.low + self.high) / 2, value, self.low, self.high)
        places = np.concatenate([[self.low], self.extrema(), [self.high]])
        values = self.value(places)
        best = int(values.argmin())
        at = float(places[best])
        return Minimum(at, float(values[best]), at, at)

    def lower_bound(self) -> float:
        """A number that no value on the interval is below: the minimum less what undecided parts may hide."""
        return self.minimum().value - self._analysis[1]

    def extrema(self) -> Array:
        """Where the derivative changes its sign, ascending."""
        return self._analysis[0].copy()

    def _by_chunks(self, at: ArrayLike, summed: Callable[[Array, Array], Array], level: float) -> Array:
        """`level` plus a function of the residuals and q, shapes (T, r, N), at every hyperparameter."""
        points = inside(at, self.low, self.high)
        flat, size = points.ravel(), max(1, CHUNK // max(1, self.poles.size))
        out = np.full(len(flat), level)
        for start in range(0, len(flat), size):
            q = 1.0 / (self.poles[:, :, None] + flat[start : start + size])
            out[start : start + size] += summed(self.targets[:, :, None] - self.factors @ q, q)
        return out.reshape(points.shape)

    @cached_property
    def _analysis(self) -> tuple[Array, float]:
        """Stationary points where g changes its sign, and the most that f may change on undecided parts."""
        first, last = np.log(self.low), np.log(self.high)
        count = int(np.ceil((last - first) / (2 * HALF_WIDTH)))
        borders = np.linspace(first, last, count + 1)
        half = (last - first) / count / 2
        centres = borders[:-1] + half
        nodes = np.cos(np.pi * (np.arange(DEGREE + 1) + 0.5) / (DEGREE + 1))
        slopes = self._slope(centres[:, None] + half * nodes)
        fit = 2.0 / (DEGREE + 1) * np.cos(np.outer(np.arange(DEGREE + 1), np.arccos(nodes)))
        fit[0] /= 2
        series = fit @ slopes.T
        ends, hidden = _decided(series, self._error(centres, half))
        signs_at = np.unique(np.concatenate([borders, *(c + half * e for c, e in zip(centres, ends, strict=True))]))
        signs_at = signs_at[(signs_at >= first) & (signs_at <= last)]
        slope = self._slope(signs_at)
        changes = np.flatnonzero(slope[:-1] * slope[1:] < 0)
        roots = [
            brentq(lambda x: float(self._slope(np.array(x))), signs_at[k], signs_at[k + 1], xtol=1e-15, rtol=1e-15)
            for k in changes
        ]
        touching = np.flatnonzero((slope[1:-1] == 0) & (slope[:-2] * slope[2:] < 0)) + 1
        found = np.exp(np.sort(np.concatenate([roots, signs_at[touching]])))
        return np.clip(found, self.low, self.high), float(hidden * half)

    def _slope(self, logs: Array) -> Array:
        """G = df / d log p at logarithms of hyperparameters of any shape."""
        at = np.clip(np.exp(logs), self.low, self.high)
        return at * self.derivative(at)

    def _error(self, centres: Array, half: float) -> Array:
        """By how much the interpolant of each cell may differ from g, shape (cells,)."""
        steep = np.pi / 2 / half
        rho = steep + np.sqrt(steep * steep + 1)
        reach = half * (rho + 1 / rho) / 2
        least, most = np.exp(centres - reach), np.exp(centres + reach)
        sizes, squares = np.abs(self.factors), (self.poles * self.poles)[:, :, None]
        peak = np.clip(self.poles[:, :, None], least, most)
        residuals = np.abs(self.targets)[:, :, None] + sizes @ (1 / np.sqrt(squares + least * least))
        bound = 2 * (residuals * (sizes @ (peak / (squares + peak * peak)))).sum(axis=(0, 1))
        return np.asarray(bound * (4 * rho**-DEGREE / (rho - 1) + ROUNDING))


def mean_of_rationals(duals: list[Rational], share: Array, edges: Array) -> Rational:
    """The weighted mean as one function; `share` sums to one, `edges` are the common interval's."""
    width = max(dual.poles.shape[1] for dual in duals)
    poles, targets, factors = [], [], []
    for dual, weight in zip(duals, share, strict=True):
        free = width - dual.poles.shape[1]
        # A summand with fewer poles gets some with no weight.
        poles.append(np.pad(dual.poles, ((0, 0), (0, free)), constant_values=1.0))
        targets.append(np.sqrt(weight) * np.pad(dual.targets, ((0, 0), (0, free))))
        factors.append(np.sqrt(weight) * np.pad(dual.factors, ((0, 0), (0, free), (0, free))))
    level = float(sum(weight * dual.level for dual, weight in zip(duals, share, strict=True)))
    return Rational(edges, level, np.concatenate(poles), np.concatenate(targets), np.concatenate(factors))


def _decided(series: Array, error: Array) -> tuple[list[Array], float]:
    """Split [-1, 1] of every cell until the sign of g is decided by the signs at the ends of the parts.

    Arguments:
        series: Chebyshev coefficients of each cell, shape (degree + 1, cells).
        error: by how much g may differ from them, shape (cells,).

    Returns:
        the ends of the parts of each cell, and the most that the integral of g over all undecided parts may be, with
        a cell's half-width as the unit of length.
    """
    slopes = chebyshev.chebder(series)
    orders = np.arange(len(series), dtype=float)
    bends = np.abs(series).T @ (orders**2 * (orders**2 - 1) / 3)
    cells = np.arange(series.shape[1])
    middles, width, hidden = np.zeros(len(cells)), 1.0, 0.0
    ends: list[list[Array]] = [[] for _ in cells]
    while len(cells):
        value = np.abs(chebyshev.chebval(middles, series[:, cells], tensor=False))
        slope = np.abs(chebyshev.chebval(middles, slopes[:, cells], tensor=False))
        change = slope * width + bends[cells] * width * width / 2
        open_ = (value <= change + error[cells]) & (slope <= bends[cells] * width)
        lost = open_ & ((value + change <= error[cells]) | (width <= FINEST))
        hidden += float((2 * width * (value + change + error[cells])[lost]).sum())
        # Where the interpolant is monotone, g may cross zero more than once while both are within the error.
        hidden += float((2 * width * error[cells])[~open_].sum())
        for cell, middle in zip(cells[~open_ | lost], middles[~open_ | lost], strict=True):
            ends[cell].append(np.array([middle - width, middle + width]))
        cells, middles = cells[open_ & ~lost], middles[open_ & ~lost]
        width /= 2
        cells, middles = np.tile(cells, 2), np.concatenate([middles - width, middles + width])
    return [np.concatenate(parts) for parts in ends], hidden
