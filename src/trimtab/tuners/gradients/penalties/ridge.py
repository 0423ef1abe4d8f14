"""Ridge regression with one penalty, one a group of features, or one a feature, and its exact hypergradient.

    w = argmin ||y - X w - b||^2 + sum_j p_g(j) w_j^2  =  (X^T X + D)^-1 X^T y,   D = diag(p_g(j)),

X and y centred where there is an intercept b. A. E. Hoerl and R. W. Kennard, "Ridge regression: biased estimation for
nonorthogonal problems", Technometrics 12, 1970, who give the form with a penalty a feature too. With equal
penalties it is scikit-learn's `Ridge(alpha=p)`. The validation loss V is the mean squared error, and

    dV/dp_k = -sum_{j in group k} a_j w_j,   (X^T X + D) a = dV/dw.

With more features than examples the systems are solved in their dual form, with a matrix of the examples' size:

    w = D^-1 X^T (I + X D^-1 X^T)^-1 y.

Needs: numbers as targets, X of any shape that a d x d or n x n matrix can be kept of, whichever is smaller. Features
on very different scales want to be standardised first where they share a penalty.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from trimtab.base.errors import message
from trimtab.base.refs import Reference
from trimtab.space import Float
from trimtab.tuners.gradients.penalties.folds import Split
from trimtab.tuners.gradients.penalties.grouped_task import GroupedPenalties, centre
from trimtab.tuners.gradients.penalties.penalty_task import FoldEvaluation, LinearModel, NotConverged

__all__ = ["RidgePenalties"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Centred:
    """A split's training part. Shapes: n examples, d features.

    Arguments:
        features: less their means, shape (n, d).
        targets: less their mean, shape (n,).
        means: of the features, shape (d,).
        level: mean of the targets.
        matrix: X^T X, shape (d, d), where d <= n; else X itself is used.
    """

    features: Array
    targets: Array
    means: Array
    level: float
    matrix: Array | None


@dataclass(frozen=True, eq=False)
class RidgePenalties(GroupedPenalties[Centred]):
    """Ridge regression judged by the mean squared error; see the module.

    Arguments:
        train, validation, folds, groups, names, intercept: see `GroupedPenalties`.
        low, high: bounds of every penalty.

    >>> x, y = np.eye(4), np.arange(4.0)
    >>> task = RidgePenalties((x, y), (x, y), groups=[0, 0, 1, 1])
    >>> task.space.names
    ('penalty_0', 'penalty_1')
    >>> bool((task.value_and_gradient([1.0, 1.0]).gradient > 0.0).all())
    True
    """

    low: float = field(default=1e-4, kw_only=True)
    high: float = field(default=1e4, kw_only=True)

    refs: ClassVar[Sequence[Reference]] = (
        Reference(
            "Hoerl, Arthur E. and Kennard, Robert W.",
            "Ridge regression: biased estimation for nonorthogonal problems",
            1970,
            venue="Technometrics 12",
            doi="10.1080/00401706.1970.10488634",
        ),
        Reference(
            "Bengio, Yoshua",
            "Gradient-based optimization of hyperparameters",
            2000,
            venue="Neural Computation 12",
            doi="10.1162/089976600300015187",
        ),
    )

    def _prepare(self, split: Split) -> Centred:
        self._group(split.features.shape[1])
        features, means = centre(split.features, self.intercept)
        level = float(split.targets.mean()) if self.intercept else 0.0
        matrix = features.T @ features if features.shape[1] <= features.shape[0] else None
        return Centred(features, split.targets - level, means, level, matrix)

    def _parameters(self) -> dict[str, Float]:
        return {name: Float(self.low, self.high, log=True) for name in self.grouped.names}

    def _fit(self, prepared: Centred, penalties: Array) -> LinearModel:
        coefficients, _ = _solve(prepared, self.grouped.spread(penalties))
        return LinearModel(coefficients, np.asarray(prepared.level - prepared.means @ coefficients))

    def _evaluate(self, split: Split, prepared: Centred, penalties: Array, gradient: bool) -> FoldEvaluation:
        coefficients, inverse = _solve(prepared, self.grouped.spread(penalties))
        held = split.held_features - prepared.means
        residuals = split.held_targets - prepared.level - held @ coefficients
        slope = np.empty(0)
        if gradient:
            adjoint = inverse(-2.0 * (residuals @ held))
            slope = self.grouped.gather(-adjoint * coefficients)
        return FoldEvaluation(residuals * residuals, slope, 0.0)


def _solve(data: Centred, weights: Array) -> tuple[Array, Callable[[Array], Array]]:
    """The coefficients, shape (d,), for the features' penalties, shape (d,), and v -> (X^T X + D)^-1 v."""
    x = data.features
    try:
        if data.matrix is not None:
            factor = cho_factor(data.matrix + np.diag(weights))
            return cho_solve(factor, x.T @ data.targets), lambda v: np.asarray(cho_solve(factor, v))
        scaled = x / weights
        factor = cho_factor(np.eye(len(x)) + scaled @ x.T)
    except LinAlgError as error:
        raise NotConverged(
            message(
                f"the normal equations of ridge regression have no solution in float64 ({error})",
                got=f"penalties from {weights.min():.3g} to {weights.max():.3g}",
                do="standardise the features, or raise the penalties' lower bound",
            )
        ) from None
    coefficients = scaled.T @ cho_solve(factor, data.targets)
    return coefficients, lambda v: np.asarray(v / weights - scaled.T @ cho_solve(factor, scaled @ v))
