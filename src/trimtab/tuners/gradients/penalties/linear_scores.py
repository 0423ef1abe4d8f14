"""Models whose loss is a smooth function of linear scores, with quadratic penalties: fit and hypergradient.

    F(W, b) = sum_i l(y_i, W x_i + b) + 1/2 sum_j p_g(j) ||W_j||^2 [+ 1/2 (sum_k b_k)^2],

k = 1 score an example, or one for each of K classes. The bracket is there for several scores only: adding one number
to all of them changes no loss, so it picks the intercepts that sum to zero, at no cost to any loss. With a the solution
of H a = grad V, the derivatives of a validation loss V are

    dV/dp_k = -sum_{j in group k} <a_j, W_j>.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from trimtab.space import Float
from trimtab.tuners.gradients.penalties.folds import Split
from trimtab.tuners.gradients.penalties.grouped_task import GroupedPenalties, centre
from trimtab.tuners.gradients.penalties.newton import Minimum, newton_minimum
from trimtab.tuners.gradients.penalties.penalty_task import FoldEvaluation, LinearModel

__all__ = ["Design", "LinearScores", "signs"]

Array = NDArray[np.float64]

INTERCEPT_CURVATURE = 1e-10
"""Least curvature by an intercept, an example: on the way to a fit, every example may have left the loss's bend."""


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """A split's training part.

    Arguments:
        columns: centred features and, where there is an intercept, a column of ones, shape (n, p).
        targets: classes by number, shape (n,).
        means: of the features, shape (d,).
    """

    columns: Array
    targets: Array
    means: Array


@dataclass(frozen=True, eq=False)
class LinearScores(GroupedPenalties[Design], ABC):
    """A classifier by linear scores; see the module and `GroupedPenalties`.

    Arguments:
        low, high: bounds of every penalty.
        tolerance: the Newton decrement to fit to, relative to the square root of the objective.
    """

    low: float = field(default=1e-4, kw_only=True)
    high: float = field(default=1e4, kw_only=True)
    tolerance: float = field(default=1e-10, kw_only=True)

    takes_labels: ClassVar[bool] = True
    title: ClassVar[str]

    @abstractmethod
    def _losses(self, scores: Array, targets: Array) -> Array:
        """The loss of each example, shape (n,), for scores (n, k) and classes by number (n,)."""

    @abstractmethod
    def _derivatives(self, scores: Array, targets: Array) -> tuple[Array, Array]:
        """First and second derivatives of each loss by its scores, shapes (n, k) and (n, k, k)."""

    @property
    def scores(self) -> int:
        """k: one score for two classes, else one a class."""
        count = len(np.asarray(self.classes))
        return 1 if count == 2 else count

    def _parameters(self) -> dict[str, Float]:
        return {name: Float(self.low, self.high, log=True) for name in self.grouped.names}

    def _prepare(self, split: Split) -> Design:
        self._group(split.features.shape[1])
        features, means = centre(split.features, self.intercept)
        return Design(self._columns(features), split.targets, means)

    def _columns(self, centred: Array) -> Array:
        """Features with the intercept's column of ones, shape (n, p)."""
        return np.column_stack([centred, np.ones(len(centred))]) if self.intercept else centred

    def _minimum(self, data: Design, penalties: Array) -> Minimum:
        """The fit: W with the intercepts as its last column, shape (k, p), flattened."""
        x, k = data.columns, self.scores
        n, p = x.shape
        weights = np.zeros(p)
        weights[: len(data.means)] = self.grouped.spread(penalties)
        ties = self.intercept and k > 1

        def value(flat: Array) -> float:
            w = flat.reshape(k, p)
            total = float(self._losses(x @ w.T, data.targets).sum()) + 0.5 * float((w * w).sum(axis=0) @ weights)
            return total + (0.5 * float(w[:, -1].sum()) ** 2 if ties else 0.0)

        def derivatives(flat: Array) -> tuple[Array, Array]:
            w = flat.reshape(k, p)
            first, second = self._derivatives(x @ w.T, data.targets)
            gradient = first.T @ x + w * weights
            hessian = np.empty((k, p, k, p))
            for a in range(k):
                for b in range(a, k):
                    block = (x * second[:, a, b, None]).T @ x
                    hessian[a, :, b, :] = hessian[b, :, a, :] = block
                hessian[a, :, a, :].flat[:: p + 1] += weights
                if self.intercept:
                    hessian[a, -1, a, -1] = max(hessian[a, -1, a, -1], INTERCEPT_CURVATURE * n)
            if ties:
                gradient[:, -1] += w[:, -1].sum()
                hessian[:, -1, :, -1] += 1.0
            return gradient.ravel(), hessian.reshape(k * p, k * p)

        return newton_minimum(value, derivatives, np.zeros(k * p), self.tolerance, self.title)

    def _fit(self, prepared: Design, penalties: Array) -> LinearModel:
        w = self._minimum(prepared, penalties).place.reshape(self.scores, -1)
        coefficients = w[:, : len(prepared.means)]
        levels = w[:, -1] if self.intercept else np.zeros(self.scores)
        intercepts = levels - coefficients @ prepared.means
        if self.scores == 1:
            return LinearModel(coefficients[0], np.asarray(intercepts[0]), self.classes)
        return LinearModel(coefficients, intercepts, self.classes)

    def _evaluate(self, split: Split, prepared: Design, penalties: Array, gradient: bool) -> FoldEvaluation:
        found = self._minimum(prepared, penalties)
        w = found.place.reshape(self.scores, -1)
        held = self._columns(split.held_features - prepared.means)
        scores = held @ w.T
        losses = self._losses(scores, split.held_targets)
        if not gradient:
            return FoldEvaluation(losses, np.empty(0), 0.0)
        outer = (self._derivatives(scores, split.held_targets)[0].T @ held).ravel()
        adjoint = found.solve(outer)
        features = len(prepared.means)
        products = (adjoint.reshape(w.shape) * w)[:, :features].sum(axis=0)
        error = float(np.sqrt(max(float(outer @ adjoint), 0.0))) * found.decrement
        return FoldEvaluation(losses, self.grouped.gather(-products), error)


def signs(targets: Array) -> Array:
    """-1 for the first class and +1 for the second, shape (n,)."""
    out: Array = 2.0 * targets - 1.0
    return out
