"""Dual functions of the elastic net: piecewise quadratic in the l1 penalty, piecewise rational in both penalties.

    w(p, r) = argmin 1/(2n) ||y - X w - b||^2 + p ||w||_1 + r/2 ||w||^2,

X and y centred where there is an intercept; scikit-learn's `ElasticNet(alpha=p + r, l1_ratio=p / (p + r))`. It is the
lasso with G + r I in place of G = X^T X / n, that is, with sqrt(n r) I appended to X and zeros to y, so for a fixed l2
penalty r the loss is exact in the l1 penalty p as in `trimtab.tuners.tasks.duals.lasso`. Validation examples get
nothing appended. H. Zou and T. Hastie, "Regularization and variable selection via the elastic net", JRSS B 67, 2005.

Both penalties. Where the support P and the signs s stay the same,

    w_P(p, r) = (G_PP + r I)^-1 (c_P - p s_P),

quadratic losses in p, rational ones in r: M.-F. Balcan, M. Khodak, D. Sharma and A. Talwalkar, "Provably tuning the
ElasticNet across instances", NeurIPS 2022, arXiv 2207.10199, who bound the sample complexity of tuning over tasks by
it. Their paper has no algorithm for the minimum of the mean over tasks; this file has one of its own, by branch and
bound over strips of r, exact in p, and lowers the best by a search in r. It ends with a value and a number that no
value in the box is below.

A strip is |r - m| <= D, with the paths of all tasks at r = m. Let d = r - m, e = w(p, r) - w(p, m), Z the validation
features, res the residuals of M validation examples at m, g = Z^T res / M, and A = (G + (m - D) I)^-1. The loss at r
is at least ||res||^2 / M - 2 g^T e. For every p and every r of the strip, whatever happens to the support, the
optimality conditions at m and at r give e^T A^-1 e <= -d w^T e, so e lies in an ellipsoid around -d A w / 2, and

    -2 g^T e >= d g^T A w - |d| ||g||_A ||w||_A,   ||v||_A^2 = v^T A v.

Where the support cannot change in the strip, with u = -(G_PP + m I)^-1 w_P, the derivative of w by r,

    e_P = d u - d^2 (G_PP + r I)^-1 u,   -2 g^T e >= -2 d g_P^T u - 2 d^2 ||g_P||_A ||u||_A.

That it cannot is proven by the optimality conditions, with the same bound on what changes: s_j w_j stays above zero
on P, and the correlations of the others stay below p. Both sides are linear in p on a piece, so this is so on an
interval of each piece. The mean over tasks is then bounded by a quadratic function of p on each merged piece for
either sign of d = +-D, less a constant; its least value bounds the strip. At one p few of T tasks are near a change
of support, so the bound is off by the order of D^2, or of D / T close to such a change. Bounds hold in real
arithmetic; rounding errors, some 1e-13 of the value, are not counted.

Needs: numbers as targets; a d x d matrix in memory for each task, and for the bounds one for each piece of one task.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar

from trimtab.base.errors import InvalidArgument, check_count, message
from trimtab.tuners.tasks.duals.dual import Dual, Minimum
from trimtab.tuners.tasks.duals.lasso import L1Path, l1_path, path_loss
from trimtab.tuners.tasks.duals.mean import mean_dual, moved_quadratics, shares_of
from trimtab.tuners.tasks.duals.piecewise_quadratic import PiecewiseQuadratic
from trimtab.tuners.tasks.duals.regression import Data, Regression, check_range, regression

__all__ = [
    "ElasticNetFamily",
    "FamilyMinimum",
    "elastic_net_dual",
    "elastic_net_family",
    "penalties_from_sklearn",
    "sklearn_arguments",
]

Array = NDArray[np.float64]

FIRST_RATIO = 2.0
"""Ratio of the ends of the first strips."""

REFINED = 1e-4
"""Relative accuracy of the l2 penalty to which the best of the strips is lowered."""


def elastic_net_dual(
    train: Data, validation: Data, *, l2: float, low: float, high: float, intercept: bool = True
) -> PiecewiseQuadratic:
    """The mean squared validation error as a function of the l1 penalty, for a fixed l2 penalty; see the module.

    Arguments:
        train: X and y to fit, shapes (n, d) and (n,).
        validation: X and y to judge by, shapes (m, d) and (m,).
        l2: the l2 penalty, not negative.
        low, high: the interval of the l1 penalty, 0 <= low < high.
        intercept: whether the model has one.

    Raises:
        InvalidArgument: arrays of wrong shapes or with nan, a wrong penalty or interval, or too many knots.

    >>> x, y = np.eye(2), np.array([4.0, 2.0])
    >>> dual = elastic_net_dual((x, y), (x, y), l2=0.5, low=0.0, high=3.0, intercept=False)
    >>> dual.edges.tolist(), float(dual.value(0.0))
    ([0.0, 1.0, 2.0, 3.0], 2.5)
    """
    check_range(low, high, "the l1 penalty", zero=True)
    task = regression(train, validation, intercept)
    return path_loss(task, _path(task.curvature(), task.moments(), _l2(l2), low, high))


def penalties_from_sklearn(alpha: float, l1_ratio: float) -> tuple[float, float]:
    """The l1 and the l2 penalty of scikit-learn's `ElasticNet(alpha, l1_ratio)`.

    >>> penalties_from_sklearn(0.5, 0.5)
    (0.25, 0.25)
    """
    return alpha * l1_ratio, alpha * (1.0 - l1_ratio)


def sklearn_arguments(l1: float, l2: float) -> dict[str, float]:
    """Arguments of scikit-learn's `ElasticNet` for two penalties that are not both zero.

    >>> sklearn_arguments(0.25, 0.25)
    {'alpha': 0.5, 'l1_ratio': 0.5}
    """
    return {"alpha": l1 + l2, "l1_ratio": l1 / (l1 + l2)}


@dataclass(frozen=True, slots=True)
class FamilyMinimum:
    """The least mean loss over tasks that was found, and what it can be at least.

    Arguments:
        l1: where it was found.
        l2: where it was found.
        value: the mean loss there.
        lower_bound: no value in the searched box is below this one.
        strips: how many strips of l2 penalties were bounded, each with all l1 penalties.
    """

    l1: float
    l2: float
    value: float
    lower_bound: float
    strips: int


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    """What is computed once.

    Arguments:
        task: the examples.
        matrix: G, shape (d, d).
        moments: c, shape (d,).
    """

    task: Regression
    matrix: Array
    moments: Array


@final
@dataclass(frozen=True, slots=True, eq=False)
class ElasticNetFamily:
    """The mean loss of the elastic net over tasks as a function of both penalties.

    Arguments:
        tasks: of one family.
        shares: weight of each, their sum is one, shape (T,).
        low, high: the interval of the l1 penalty.
    """

    tasks: Sequence[_Task]
    shares: Array
    low: float
    high: float

    def dual(self, l2: float) -> Dual:
        """The mean loss as an exact function of the l1 penalty, for one l2 penalty, not negative."""
        r = _l2(l2)
        paths = [_path(task.matrix, task.moments, r, self.low, self.high) for task in self.tasks]
        return mean_dual([path_loss(t.task, p) for t, p in zip(self.tasks, paths, strict=True)], self.shares)

    def profile(self, l2: ArrayLike) -> list[Minimum]:
        """The least mean loss over all l1 penalties for each l2 penalty of a list; exact for these."""
        return [self.dual(float(r)).minimum() for r in np.asarray(l2, dtype=float).ravel()]

    def minimum(self, low: float, high: float, *, tolerance: float = 1e-3, strips: int = 2000) -> FamilyMinimum:
        """The least mean loss over all l1 penalties and the l2 penalties from `low` to `high`; see the module.

        Arguments:
            low, high: the interval of the l2 penalty, 0 < low < high.
            tolerance: the search ends where the value exceeds its lower bound by at most this share of the value.
            strips: the search ends after this many strips, whether or not the bound is close.

        Raises:
            InvalidArgument: a wrong interval, tolerance or number of strips.
        """
        check_range(low, high, "the l2 penalty", zero=False)
        if not tolerance > 0:
            raise InvalidArgument(message("tolerance must be positive", got=tolerance, allowed="a number above zero"))
        check_count(strips, "strips")
        count = int(np.ceil(np.log(high / low) / np.log(FIRST_RATIO)))
        borders = np.geomspace(low, high, count + 1)
        borders[[0, -1]] = low, high
        waiting: list[tuple[float, float, float]] = [(-np.inf, float(a), float(b)) for a, b in pairwise(borders)]
        best, looked, closed, around = FamilyMinimum(np.nan, np.nan, np.inf, -np.inf, 0), 0, np.inf, (low, high)
        while waiting and looked < strips:
            parent, a, b = heapq.heappop(waiting)
            if parent > -np.inf and best.value - parent <= tolerance * best.value:
                heapq.heappush(waiting, (parent, a, b))
                break
            found, bound = self._strip(a, b)
            looked += 1
            if found.value < best.value:
                best, around = FamilyMinimum(found.at, (a + b) / 2, found.value, -np.inf, 0), (a * a / b, b * b / a)
            bound, middle = max(bound, parent), float(np.sqrt(a * b))
            if a < middle < b and bound < best.value:
                heapq.heappush(waiting, (bound, a, middle))
                heapq.heappush(waiting, (bound, middle, b))
            else:
                closed = min(closed, bound)
        best = self._lowered(best, max(around[0], low), min(around[1], high))
        least = min(closed, best.value, *(bound for bound, _, _ in waiting))
        return FamilyMinimum(best.l1, best.l2, best.value, max(float(least), 0.0), looked)

    def _lowered(self, best: FamilyMinimum, low: float, high: float) -> FamilyMinimum:
        """The best of a search by golden sections and parabolas between two l2 penalties; `best` if that is better."""
        found = minimize_scalar(
            lambda log: self.dual(float(np.exp(log))).minimum().value,
            bounds=(np.log(low), np.log(high)),
            method="bounded",
            options={"xatol": REFINED},
        )
        l2 = float(np.exp(found.x))
        least = self.dual(l2).minimum()
        return best if best.value <= least.value else FamilyMinimum(least.at, l2, least.value, -np.inf, 0)

    def _strip(self, a: float, b: float) -> tuple[Minimum, float]:
        """The least mean loss at the middle of a strip of l2 penalties, and what no value in the strip is below."""
        middle, half = (a + b) / 2, (b - a) / 2
        parts = [
            _bounded(task, _path(task.matrix, task.moments, middle, self.low, self.high), middle, half)
            for task in self.tasks
        ]
        edges = np.unique(np.concatenate([part.loss.edges for part in parts]))
        centres = edges[:-1] + np.diff(edges) / 2
        loss, slope, slack = np.zeros((len(centres), 3)), np.zeros((len(centres), 3)), np.zeros(len(centres))
        for share, part in zip(self.shares, parts, strict=True):
            loss += share * moved_quadratics(part.loss, edges)
            slope += share * moved_quadratics(part.slope, edges)
            slack += share * part.slack[np.searchsorted(part.slope.edges, centres) - 1]
        bound = min(float((_least(loss + sign * half * slope) - slack).min()) for sign in (-1.0, 1.0))
        return PiecewiseQuadratic(edges, loss).minimum(), bound


def elastic_net_family(
    tasks: Sequence[tuple[Data, Data]],
    *,
    low: float,
    high: float,
    intercept: bool = True,
    weights: ArrayLike | None = None,
) -> ElasticNetFamily:
    """The mean validation error of the elastic net over tasks, as a function of its two penalties.

    Arguments:
        tasks: pairs of train and validation, each (X, y).
        low, high: the interval of the l1 penalty, 0 <= low < high.
        intercept: whether the models have one.
        weights: of the tasks, not negative, shape (T,); by default equal.

    Raises:
        InvalidArgument: no tasks, arrays of wrong shapes or with nan, a wrong interval or weights.
    """
    check_range(low, high, "the l1 penalty", zero=True)
    made = []
    for train, validation in tasks:
        task = regression(train, validation, intercept)
        made.append(_Task(task, task.curvature(), task.moments()))
    return ElasticNetFamily(made, shares_of(len(made), weights), low, high)


@dataclass(frozen=True, slots=True, eq=False)
class _Bounded:
    """One task in a strip: its loss is at least loss + d slope - slack.

    Arguments:
        loss: at the middle of the strip.
        slope: derivative by the l2 penalty where the support cannot change, else a part of the bound.
        slack: on each piece of `slope`, shape (pieces,).
    """

    loss: PiecewiseQuadratic
    slope: PiecewiseQuadratic
    slack: Array


def _bounded(task: _Task, path: L1Path, middle: float, half: float) -> _Bounded:
    """See the module. Arrays of piece ends have the shape (2, pieces, d): at the left end, and at the right end."""
    active, size, held = path.supports, len(task.moments), task.task.held_features
    weights = np.stack([path.coefficients[:-1], path.coefficients[1:]])
    system = task.matrix * (active[:, :, None] & active[:, None, :])
    system[:, np.arange(size), np.arange(size)] += np.where(active, middle, 1.0)
    solved = np.linalg.solve(system, np.moveaxis(weights * active, 0, -1))
    moves = np.asarray(np.moveaxis(-solved, -1, 0), dtype=np.float64)
    inverse = np.asarray(np.linalg.inv(task.matrix + (middle - half) * np.eye(size)), dtype=np.float64)
    moved = _norms(moves, inverse)
    from_, to = _constant_support(task, path, weights, moves, half, inverse, moved)
    pulls = (task.task.held_targets - weights @ held.T) @ held / len(held)
    certain = 2 * half**2 * _norms(pulls * active, inverse) * moved
    unsure = half * _norms(pulls, inverse) * _norms(weights, inverse)
    slopes = -2 * _products(pulls, moves), _products(pulls, weights @ inverse)
    # Each piece becomes up to three: unsure, certain, unsure.
    left, right = path.knots[:-1], path.knots[1:]
    starts, ends = left + from_ * (right - left), left + to * (right - left)
    edges = np.unique(np.concatenate([path.knots, starts, ends]))
    centres = edges[:-1] + np.diff(edges) / 2
    piece = np.searchsorted(path.knots, centres) - 1
    sure = (centres > starts[piece]) & (centres < ends[piece])
    known, other = (moved_quadratics(PiecewiseQuadratic(path.knots, slope), edges) for slope in slopes)
    loss = moved_quadratics(path_loss(task.task, path), edges)
    return _Bounded(
        PiecewiseQuadratic(edges, loss),
        PiecewiseQuadratic(edges, np.where(sure[:, None], known, other)),
        np.where(sure, certain[piece], unsure[piece]),
    )


def _constant_support(
    task: _Task, path: L1Path, weights: Array, moves: Array, half: float, inverse: Array, moved: Array
) -> tuple[Array, Array]:
    """Where on each piece the support is proven not to change in the strip, from and to, as shares of its width."""
    active = path.supports
    signs = np.sign(weights.sum(axis=0))
    correlations, turns = task.moments - weights @ task.matrix, moves @ task.matrix
    rows = task.matrix * active[:, None, :]
    bends = np.sqrt(((rows @ inverse) * rows).sum(axis=-1))
    second = half**2 * moved[:, None]
    needed = half * np.abs(moves).max(axis=0) + second * np.sqrt(np.diagonal(inverse))
    allowed = half * np.abs(turns).max(axis=0) + second * bends
    bounds = np.stack([path.knots[:-1], path.knots[1:]])[:, :, None]
    margins = np.concatenate(
        [
            np.where(active, signs * weights - needed, np.inf),
            np.where(active, np.inf, bounds - correlations - allowed),
            np.where(active, np.inf, bounds + correlations - allowed),
        ],
        axis=2,
    )
    return _where_positive(margins[0], margins[1])


def _norms(ends: Array, inverse: Array) -> Array:
    """The greatest ||v||_A over the ends of each piece, shape (pieces,)."""
    return np.asarray(np.sqrt(((ends @ inverse) * ends).sum(axis=2).max(axis=0)))


def _products(first: Array, second: Array) -> Array:
    """Coefficients of the inner product of two functions that are linear on each piece, shape (pieces, 3)."""
    (a, b), (c, d) = ((part[0] + part[1], part[1] - part[0]) for part in (first, second))
    return np.stack([(a * c).sum(axis=1), (a * d + b * c).sum(axis=1), (b * d).sum(axis=1)], axis=-1) / 4


def _where_positive(left: Array, right: Array) -> tuple[Array, Array]:
    """Where on [0, 1] all lines from `left` to `right`, shape (pieces, k), are not negative: from and to, (pieces,)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        zero = left / (left - right)
    from_ = np.where(left < 0, np.where(right > 0, zero, 1.0), 0.0).max(axis=1)
    to = np.where(right < 0, np.where(left > 0, zero, 0.0), 1.0).min(axis=1)
    return from_, np.maximum(from_, to)


def _least(coefficients: Array) -> Array:
    """The least value of each quadratic c0 + c1 t + c2 t^2, t from -1 to 1, shape (pieces,)."""
    c0, c1, c2 = coefficients.T
    with np.errstate(divide="ignore", invalid="ignore"):
        turning = np.where(2 * c2 > np.abs(c1), c0 - c1 * c1 / (4 * c2), np.inf)
    return np.asarray(np.minimum(turning, c0 + c2 - np.abs(c1)))


def _path(matrix: Array, moments: Array, l2: float, low: float, high: float) -> L1Path:
    """The path of the l1 penalty for one l2 penalty."""
    return l1_path(matrix + l2 * np.eye(len(matrix)), moments, low, high)


def _l2(l2: float) -> float:
    """The penalty, checked."""
    if not 0.0 <= l2 < np.inf:
        raise InvalidArgument(message("the l2 penalty must not be negative", got=l2, allowed="0 <= l2 < inf"))
    return float(l2)
