"""Ridge classification on features that are polynomials in a parameter: sign changes of its margins, certified.

A network whose output layer alone is trained is a linear model on the features that the layers before it make. With

    B(a) = argmin_B ||Y - F(a) B||^2 + penalty ||B||^2,   F(a) = sum_k a^k F_k,

Y the one-hot classes, the inner problem is convex and its minimum unique, so that the loss after training is a
function of a and of nothing else. An example is wrong where its own class's score, its row of features times B, is
below a rival's; scores are rational functions of a, so the error is piecewise constant.

The certificate. With P(a) = F(a) / sqrt(penalty), residuals R and G = sqrt(penalty) B the solution is that of

    M(a) [R; G] = [Y; 0],   M = [[I, P], [P^T, -I]],   M^2 = diag(I + P P^T, I + P^T P),   so ||M(a)^-1|| <= 1.

Around the middle of an interval of half-width h, M(a + e) = M + sum_k e^k E_k and z = sum_j e^j z_j with M z_j =
-sum_k E_k z_{j-k}. What `TERMS` terms of the series leave over is M^-1 sum_i e^i v_i with known v_i, so it is at most
sum_i h^i ||v_i||, with no condition on h; likewise for its derivative. A score's polynomial, less that, either keeps
its sign on the interval (no change), or has a slope that does (one change at most). Needs no other constants of the
problem. The series is the textbook's perturbation of a linear system; for its use here we know no source.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dpotrs

from trimtab.base.errors import InvalidArgument, message
from trimtab.tuners.tasks.duals.bisection import MANY, Certified, Counts, check_interval, sign_changes
from trimtab.tuners.tasks.duals.classification import Classification

__all__ = ["ridge_features_dual", "ridge_scores"]

Array = NDArray[np.float64]

TERMS = 5
"""Terms of the series."""

SLACK = 1e-10
"""Rounding that the certificate allows for, relative to the sizes of the numbers that it adds."""


def ridge_scores(features: Array, one_hot: Array, held: Array, penalty: float) -> Array:
    """Scores of held-out rows after training, shapes (n, p), (n, classes), (m, p) to (m, classes)."""
    gram = features.T @ features + penalty * np.eye(features.shape[1])
    scores: Array = held @ _solve(_factor(gram), features.T @ one_hot)
    return scores


def ridge_features_dual(
    task: Classification,
    features: Array,
    held: Array,
    *,
    penalty: float,
    low: float,
    high: float,
    resolution: float = 1e-5,
    tolerance: float = 1e-9,
) -> Certified:
    """The share of held-out examples with a wrong class, on parameters from low to high.

    Arguments:
        task: its classes; its own features are not used.
        features: F_0, F_1, ... of the examples to train on, shape (degree + 1, n, p).
        held: the same of the examples to judge by, shape (degree + 1, m, p).
        penalty: positive.
        low, high: parameters.
        resolution, tolerance: see `sign_changes`, as shares of high - low.

    Raises:
        InvalidArgument: no interval, or a penalty that is not positive.
    """
    check_interval(low, high)
    if not penalty > 0:
        raise InvalidArgument(
            message("training the output layer needs a penalty", got=penalty, allowed="a number above zero")
        )
    scores = _Scores(task, features / np.sqrt(penalty), held / np.sqrt(penalty))
    found = sign_changes(
        scores.margins, len(scores.owner), low, high, scores.bound, resolution=resolution, tolerance=tolerance
    )
    return found.error_rate(scores.owner)


@dataclass(frozen=True, slots=True, eq=False)
class _Series:
    """Scores around the middle of an interval.

    Arguments:
        coefficients: of each score, shape (terms, m, classes).
        rest: the most that the score of one class less that of another differs from its polynomial, divided by the
            norm of the row of features, shape (classes, classes).
        rest_slope: the same for the derivative.
        row, row_slope: most that the norm of each row of features, and of its derivative, can be, shape (m,).
    """

    coefficients: Array
    rest: Array
    rest_slope: Array
    row: Array
    row_slope: Array


@final
class _Scores:
    """Margins of examples against rival classes, and their certificate."""

    def __init__(self, task: Classification, features: Array, held: Array) -> None:
        self._features, self._held, self._one_hot = features, held, task.one_hot
        self.owner, self._rival = task.rivals()
        self._own = task.held_classes[self.owner]

    def margins(self, at: Array, which: Counts) -> Array:
        """See `bisection.Margins`."""
        points, place = np.unique(at, return_inverse=True)
        scores = np.stack([self._at(float(a)) for a in points])
        place, example = place.reshape(-1), self.owner[which]
        return scores[place, example, self._own[which]] - scores[place, example, self._rival[which]]

    def bound(self, left: Array, right: Array, which: Counts) -> Counts:
        """See `bisection.Bound`."""
        cells, place = np.unique(np.stack([left, right], axis=1), axis=0, return_inverse=True)
        place, found = place.reshape(-1), np.full(len(left), MANY)
        for number, (start, end) in enumerate(cells):
            (mine,) = np.nonzero(place == number)
            found[mine] = self._most(float(start), float(end), which[mine])
        return found

    def _at(self, a: float) -> Array:
        powers = a ** np.arange(len(self._features))
        features, held = np.tensordot(powers, self._features, 1), np.tensordot(powers, self._held, 1)
        return ridge_scores(features, self._one_hot, held, 1.0)

    def _most(self, left: float, right: float, which: Counts) -> Counts:
        """Most sign changes of components in one interval."""
        half = (right - left) / 2
        series = self._series(left + half, half)
        example, own, rival = self.owner[which], self._own[which], self._rival[which]
        c = series.coefficients[:, example, own] - series.coefficients[:, example, rival]
        degrees = np.arange(len(c))[:, None]
        sizes = np.abs(series.coefficients[:, example, own]) + np.abs(series.coefficients[:, example, rival])
        rest, rest_slope = series.rest[own, rival], series.rest_slope[own, rival]
        row, row_slope = series.row[example], series.row_slope[example]
        reach = np.abs(c) * half**degrees
        steep = degrees[1:] * np.abs(c[1:]) * half ** (degrees[1:] - 1)
        off = row * rest + SLACK * (sizes * half**degrees).sum(axis=0)
        off_slope = row * rest_slope + row_slope * rest
        off_slope = off_slope + SLACK * (degrees[1:] * sizes[1:] * half ** (degrees[1:] - 1)).sum(axis=0)
        none = reach[0] > reach[1:].sum(axis=0) + off
        one = steep[0] > steep[1:].sum(axis=0) + off_slope
        return np.where(none, 0, np.where(one, 1, MANY)).astype(np.intp)

    def _series(self, middle: float, half: float) -> _Series:
        """The series around a point, and what it leaves over within half of it on either side."""
        shifts, held = _shifted(self._features, middle), _shifted(self._held, middle)
        base, degree = shifts[0], len(shifts) - 1
        factor = _factor(np.eye(base.shape[1]) + base.T @ base)
        zero = np.zeros((base.shape[1], self._one_hot.shape[1]))
        series = [_solved(factor, base, self._one_hot, zero)]
        left_over: list[Array] = []
        for order in range(1, TERMS + degree):
            used = [k for k in range(1, degree + 1) if 0 <= order - k < TERMS]
            top = sum((shifts[k] @ series[order - k][1] for k in used), np.zeros_like(self._one_hot))
            bottom = sum((shifts[k].T @ series[order - k][0] for k in used), zero)
            if order < TERMS:
                series.append(_solved(factor, base, -top, -bottom))
            else:
                left_over.append(np.concatenate([top, bottom]))
        powers = half ** np.arange(TERMS, TERMS + degree)
        sizes = np.stack([_between_columns(v) for v in left_over])
        rest = np.tensordot(powers, sizes, 1)
        orders = np.arange(TERMS, TERMS + degree)
        moves = sum(k * half ** (k - 1) * float(np.linalg.norm(shifts[k], 2)) for k in range(1, degree + 1))
        rest_slope = np.tensordot(orders * half ** (orders - 1.0), sizes, 1) + moves * rest
        coefficients = np.zeros((TERMS + degree, held.shape[1], self._one_hot.shape[1]))
        for j, (_, weights) in enumerate(series):
            for k in range(degree + 1):
                coefficients[j + k] += held[k] @ weights
        norms = np.linalg.norm(held, axis=2)
        ks = np.arange(degree + 1)
        return _Series(
            coefficients,
            rest,
            rest_slope,
            np.tensordot(half**ks, norms, 1),
            np.tensordot(ks[1:] * half ** (ks[1:] - 1), norms[1:], 1),
        )


def _factor(matrix: Array) -> Array:
    """The Cholesky factor of a matrix whose eigenvalues are at least the penalty; LAPACK's own form."""
    factor, failed = dpotrf(matrix)
    if failed:
        raise InvalidArgument(
            message(
                "the penalty is lost beside the features in float64", got=float(matrix.max()), do="raise the penalty"
            )
        )
    return np.asarray(factor)


def _solve(factor: Array, right: Array) -> Array:
    """The solution of a linear system by its Cholesky factor."""
    return np.asarray(dpotrs(factor, right)[0])


def _shifted(coefficients: Array, by: float) -> Array:
    """Coefficients of the polynomial in e that a = by + e makes of one in a, shape (degree + 1, ...)."""
    degree = len(coefficients) - 1
    matrix = np.array(
        [[comb(k, j) * by ** (k - j) if k >= j else 0.0 for k in range(degree + 1)] for j in range(degree + 1)]
    )
    return np.tensordot(matrix, coefficients, 1)


def _solved(factor: Array, base: Array, top: Array, bottom: Array) -> tuple[Array, Array]:
    """The solution of M [R; G] = [top; bottom]."""
    weights = _solve(factor, base.T @ top - bottom)
    return top - base @ weights, weights


def _between_columns(columns: Array) -> Array:
    """Distances between columns, shape (k, c) to (c, c)."""
    distances: Array = np.linalg.norm(columns[:, :, None] - columns[:, None, :], axis=0)
    return distances
