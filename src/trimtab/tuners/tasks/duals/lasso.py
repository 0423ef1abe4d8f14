"""The dual function of the lasso: piecewise quadratic between the knots of its path.

    w(p) = argmin 1/(2n) ||y - X w - b||^2 + p ||w||_1,

as scikit-learn's `Lasso(alpha=p)`; X and y centred where there is an intercept. With G = X^T X / n, c = X^T y / n,
the support P of w and the signs s of its coefficients,

    w_P(p) = G_PP^-1 (c_P - p s_P)     while  |c_j - G_jP w_P| <= p for the others and no coefficient changes its sign,

so w is linear in p between knots, and so are the predictions; their mean squared error on validation examples is
quadratic there. R. Tibshirani, "Regression shrinkage and selection via the lasso", JRSS B 58, 1996. M. R. Osborne, B.
Presnell and B. A. Turlach, "A new approach to variable selection in least squares problems", IMA Journal of Numerical
Analysis 20, 2000, and B. Efron, T. Hastie, I. Johnstone and R. Tibshirani, "Least angle regression", Annals of
Statistics 32, 2004, arXiv math/0406456, follow the path from the largest penalty down. M.-F. Balcan, M. Khodak, D.
Sharma and A. Talwalkar, "Provably tuning the ElasticNet across instances", NeurIPS 2022, arXiv 2207.10199, tune over
tasks with it.

Where this differs: several features may reach the bound at one knot, as twin columns and whole numbers make them do.
The direction v = -dw/dp below a knot then solves

    min_v 1/2 v^T G v - s^T v     over the features E at the bound,   s_j v_j >= 0 where w_j = 0,

whose optimality conditions are those of the path right below the knot. It is solved by the active set method of C. L.
Lawson and R. J. Hanson, "Solving least squares problems", 1974, chapter 23, which lowers its objective in every
round, so ties cannot make it go in circles; it takes in features one at a time and only such as are linearly
independent of those in it. Where the solution is not unique (R. J. Tibshirani, "The lasso problem and uniqueness",
Electronic Journal of Statistics 7, 2013, arXiv 1206.0313) the path is thus one of solutions with independent
supports; the training predictions are the same for all of them, and the validation predictions are the same where the
validation columns have the training columns' dependences. A feature within 1e-5 of its length of the span of the
support counts as dependent: the optimality conditions then hold up to some 1e-5 of the largest penalty, not up to
rounding.

Needs: numbers as targets; a d x d matrix in memory. The number of knots is of the order of min(n, d) on most data but
can be exponential (J. Mairal and B. Yu, "Complexity analysis of the lasso regularization path", ICML 2012,
arXiv 1205.0079).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg.lapack import dposv

from trimtab.base.errors import InvalidArgument, message
from trimtab.tuners.tasks.duals.dual import inside
from trimtab.tuners.tasks.duals.piecewise_quadratic import PiecewiseQuadratic
from trimtab.tuners.tasks.duals.regression import Data, Regression, check_range, regression

__all__ = ["L1Path", "l1_path", "largest_l1", "lasso_dual", "path_loss"]

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

TIED = 1e-11
"""Relative difference of penalties at which events count as one."""

NOISE = 1e-13
"""Rounding of a gradient, relative to the largest penalty; below it a path ends."""

ENTERING = 1e-9
"""Least gradient with which a feature enters: a feature that depends on the support has none."""

INDEPENDENT = 1e-10
"""Least squared distance of a feature from the span of the support, relative to its squared length, to enter it."""

MOST_KNOTS = 100_000


@final
@dataclass(frozen=True, slots=True, eq=False)
class L1Path:
    """Solutions for all penalties of an interval, linear between knots.

    Arguments:
        knots: penalties, ascending, the ends of the interval included, shape (k,).
        coefficients: w at each knot, shape (k, d).
        supports: features that may be nonzero between each knot and the next, shape (k - 1, d).
    """

    knots: Array
    coefficients: Array
    supports: NDArray[np.bool_]

    def at(self, l1: ArrayLike) -> Array:
        """Coefficients for penalties of any shape S, shape (*S, d).

        Raises:
            InvalidArgument: a penalty outside the interval.
        """
        points = inside(l1, float(self.knots[0]), float(self.knots[-1]))
        piece = np.clip(np.searchsorted(self.knots, points, side="right") - 1, 0, len(self.knots) - 2)
        left, right = self.knots[piece], self.knots[piece + 1]
        share = ((points - left) / (right - left))[..., None]
        out: Array = (1 - share) * self.coefficients[piece] + share * self.coefficients[piece + 1]
        return out


def lasso_dual(train: Data, validation: Data, *, low: float, high: float, intercept: bool = True) -> PiecewiseQuadratic:
    """The mean squared validation error as a function of the penalty; see the module.

    Arguments:
        train: X and y to fit, shapes (n, d) and (n,).
        validation: X and y to judge by, shapes (m, d) and (m,).
        low: where the interval of the penalty begins, not negative.
        high: where it ends; from `largest_l1` on all coefficients are zero.
        intercept: whether the model has one.

    Raises:
        InvalidArgument: arrays of wrong shapes or with nan, a wrong interval, or a path of more than 100,000 knots.

    >>> x, y = np.eye(2), np.array([4.0, 2.0])  # coefficients are y - 2 p, down to zero
    >>> dual = lasso_dual((x, y), (x, np.array([2.0, 0.0])), low=0.0, high=3.0, intercept=False)
    >>> dual.edges.tolist(), round(dual.minimum().at, 12)
    ([0.0, 1.0, 2.0, 3.0], 1.0)
    """
    check_range(low, high, "the l1 penalty", zero=True)
    task = regression(train, validation, intercept)
    return path_loss(task, l1_path(task.curvature(), task.moments(), low, high))


def largest_l1(train: Data, *, intercept: bool = True) -> float:
    """The least l1 penalty with which all coefficients are zero: max_j |c_j|.

    Raises:
        InvalidArgument: arrays of wrong shapes or with nan.
    """
    return float(np.abs(regression(train, train, intercept).moments()).max())


def path_loss(task: Regression, path: L1Path) -> PiecewiseQuadratic:
    """The mean squared validation error along a path."""
    residuals = task.held_targets - path.coefficients @ task.held_features.T
    middle, half = (residuals[1:] + residuals[:-1]) / 2, (residuals[1:] - residuals[:-1]) / 2
    terms = [(middle * middle).mean(axis=1), 2 * (middle * half).mean(axis=1), (half * half).mean(axis=1)]
    return PiecewiseQuadratic(path.knots, np.stack(terms, axis=-1))


def l1_path(matrix: Array, moments: Array, low: float, high: float) -> L1Path:
    """All minima of 1/2 w^T G w - c^T w + p ||w||_1 for p from low to high.

    Arguments:
        matrix: G, symmetric, without negative eigenvalues, shape (d, d).
        moments: c, in the range of G, shape (d,).
        low, high: the interval, 0 <= low < high.

    Raises:
        InvalidArgument: more than 100,000 knots.
    """
    penalty = float(np.abs(moments).max())
    least, noise = max(low, NOISE * penalty), NOISE * penalty
    weights, piece = np.zeros(len(moments)), _Piece(np.empty(0, dtype=np.intp), np.empty((0, 2)))
    knots, found, supports = [penalty], [weights], []
    while penalty > least:
        if len(knots) > MOST_KNOTS:
            raise InvalidArgument(
                message(
                    "the path of an l1 penalty has too many knots",
                    got=f"{len(knots)} from {knots[0]:g} down to {penalty:g}",
                    allowed=f"{MOST_KNOTS}",
                    do="raise low",
                )
            )
        correlations = moments - matrix @ weights
        bound = np.abs(correlations) >= penalty * (1 - TIED) - noise
        bound[piece.support] = False
        signs = np.sign(correlations)
        sides = np.stack([moments, signs], axis=-1)
        piece = _below_knot(matrix, sides, piece, np.flatnonzero(bound))
        penalty, left = _next_event(matrix, sides, piece, penalty, bound)
        penalty, left = max(penalty, least), left if penalty > least else np.zeros(len(left), dtype=bool)
        # Where rounding errors end the path, its last piece goes on to the end of the interval.
        weights = piece.weights(len(moments), low if penalty == least else penalty)
        supported = np.zeros(len(moments), dtype=bool)
        supported[piece.support] = True
        if left.any():
            weights[piece.support[left]] = 0.0
            piece = _solved(matrix, piece.support[~left], sides)
        knots.append(penalty)
        found.append(weights)
        supports.append(supported)
    return _ascending(knots, found, supports, low, high)


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """The path below a knot.

    Arguments:
        support: P, shape (s,).
        lines: G_PP^-1 c_P and G_PP^-1 s_P, shape (s, 2): w = the first less p times the second.
    """

    support: Indices
    lines: Array

    def weights(self, size: int, penalty: float) -> Array:
        """W, shape (size,)."""
        out = np.zeros(size)
        out[self.support] = self.lines[:, 0] - penalty * self.lines[:, 1]
        return out


def _solved(matrix: Array, support: Indices, sides: Array) -> _Piece:
    """The piece of a support, for c and s side by side, shape (d, 2); nan where its last feature depends on others."""
    if not len(support):
        return _Piece(support, np.empty((0, 2)))
    block = matrix[support[:, None], support]
    factor, lines, info = dposv(block, sides[support])
    independent = info == 0 and factor[-1, -1] ** 2 > INDEPENDENT * block[-1, -1]
    return _Piece(support, lines if independent else np.full((len(support), 2), np.nan))


def _next_event(
    matrix: Array, sides: Array, piece: _Piece, penalty: float, bound: NDArray[np.bool_]
) -> tuple[float, NDArray[np.bool_]]:
    """The next knot below `penalty`, zero if there is none, and which of the support leave there, shape (s,)."""
    free, slope, signs = piece.lines[:, 0], piece.lines[:, 1], sides[:, 1]
    # Along the piece the correlations are start + p rate, and the bounds that they may meet are p and -p.
    start, rate = (sides - matrix[:, piece.support] @ piece.lines).T
    rate = signs - rate
    tops, bottoms = np.stack([start, -start]), np.stack([1 - rate, 1 + rate])
    leaving = signs[piece.support] * slope < 0
    with np.errstate(divide="ignore", invalid="ignore"):
        meets, zeros = tops / bottoms, free / slope
    meets[:, piece.support] = 0.0
    # A feature left at the bound stays at it or goes away from it; rounding must not bring it back at once.
    meets[0, bound & (signs > 0)] = meets[1, bound & (signs < 0)] = 0.0
    most = penalty * (1 + TIED)
    ahead = np.concatenate([meets.ravel(), zeros[leaving]])
    ahead = ahead[(ahead > 0) & (ahead <= most)]
    following = min(float(ahead.max(initial=0.0)), penalty)
    return following, leaving & (zeros >= following * (1 - TIED))


def _below_knot(matrix: Array, sides: Array, above: _Piece, bound: Indices) -> _Piece:
    """The piece right below a knot, by Lawson and Hanson's active set method; see the module.

    Arguments:
        sides: c and the signs of the correlations side by side, shape (d, 2).
        above: the piece of the features with a coefficient, which stay.
        bound: features at the bound without a coefficient, which may enter.
    """
    signs, kept = sides[:, 1], len(above.support)
    chosen, outside = above, bound
    while len(outside):
        slope = chosen.lines[:, 1]
        gradients = 1 - signs[outside] * (matrix[outside[:, None], chosen.support] @ slope)
        best = int(gradients.argmax())
        if gradients[best] <= ENTERING:
            break
        trial = _solved(matrix, np.append(chosen.support, outside[best]), sides)
        outside = np.delete(outside, best)
        if not signs[trial.support[-1]] * trial.lines[-1, 1] > 0:
            continue  # It depends on the others: else what enters has the sign of its gradient.
        now = np.append(slope, 0.0)
        while (wrong := signs[trial.support[kept:]] * trial.lines[kept:, 1] <= 0).any():
            # Go towards the aim until the first coefficients meet zero, leave those there, and aim anew.
            aim, last = trial.lines[:, 1], now[kept:]
            shares = np.where(wrong, last / np.where(wrong, last - aim[kept:], 1.0), np.inf)
            stays = np.append(np.ones(kept, dtype=bool), shares > shares.min())
            now = (now + shares.min() * (aim - now))[stays]
            outside = np.append(outside, trial.support[~stays])
            trial = _solved(matrix, trial.support[stays], sides)
        chosen = trial
    return chosen


def _ascending(
    knots: list[float], found: list[Array], supports: list[NDArray[np.bool_]], low: float, high: float
) -> L1Path:
    """The path from `low` to `high`, of knots from the largest penalty down."""
    penalties, weights = np.array(knots[::-1]), np.array(found[::-1])
    pieces = np.array(supports[::-1], dtype=bool).reshape(len(supports), weights.shape[1])
    if not len(pieces):
        both = np.array([low, high])
        return L1Path(both, np.zeros((2, weights.shape[1])), np.zeros((1, weights.shape[1]), dtype=bool))
    penalties[0] = low
    if high > penalties[-1]:
        penalties, weights = np.append(penalties, high), np.vstack([weights, np.zeros(weights.shape[1])])
        pieces = np.vstack([pieces, np.zeros((1, weights.shape[1]), dtype=bool)])
    wide = np.diff(penalties) > 0
    kept = np.append(wide, True)
    path = L1Path(penalties[kept], weights[kept], pieces[wide])
    if high == path.knots[-1]:
        return path
    inner = int(np.searchsorted(path.knots, high, side="left"))
    ends = np.append(path.knots[:inner], high), np.vstack([path.coefficients[:inner], path.at(high)])
    return L1Path(*ends, path.supports[:inner])
