"""Logistic regression, binary and multinomial, with l2 penalties on groups of features, and its hypergradient.

    F(W, b) = sum_i l(y_i, W x_i + b) + 1/2 sum_j p_g(j) ||W_j||^2,
    l = log(1 + exp(-y f)) for two classes y = -1, +1;   l = log sum_k exp(f_k) - f_y for more,

which with one penalty is scikit-learn's `LogisticRegression(C=1/p)`. Fitted by Newton's method to full accuracy (for
two classes that is iteratively reweighted least squares), judged by the mean log loss of the validation examples, and
differentiated implicitly with the Hessian that the fit has factored. T. Hastie, R. Tibshirani and J. Friedman, "The
Elements of Statistical Learning", Springer, 2009, section 4.4, for the models; C.-S. Foo, C. B. Do and A. Y. Ng,
"Efficient multiple hyperparameter learning for log-linear models", NIPS 2007, for penalties a group that are learned
by such gradients; F. Pedregosa, "Hyperparameter optimization with approximate gradient", ICML 2016, arXiv 1602.02355,
for gradients at inexact fits.

Needs: labels; K (d + 1) parameters whose Hessian fits into memory (d + 1 of them for two classes).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logsumexp, softmax

from trimtab.base.refs import Reference
from trimtab.tuners.gradients.penalties.linear_scores import LinearScores, signs

__all__ = ["LogisticPenalties"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LogisticPenalties(LinearScores):
    """Logistic regression judged by the mean log loss; see the module.

    Arguments:
        train, validation, folds, groups, names, intercept: see `GroupedPenalties`.
        low, high: bounds of every penalty.
        tolerance: the Newton decrement to fit to, relative to the square root of the objective.

    >>> x, y = np.array([[-1.0], [0.5], [0.0], [2.0]]), ["no", "no", "yes", "yes"]
    >>> task = LogisticPenalties((x, y), (x, y))
    >>> task.fit({"penalty": 1.0}).predict([[-1.0], [2.0]]).tolist()
    ['no', 'yes']
    """

    title: ClassVar[str] = "logistic regression"
    refs: ClassVar[Sequence[Reference]] = (
        Reference(
            "Foo, Chuan-Sheng and Do, Chuong B. and Ng, Andrew Y.",
            "Efficient multiple hyperparameter learning for log-linear models",
            2007,
            venue="Advances in Neural Information Processing Systems 20",
        ),
        Reference(
            "Pedregosa, Fabian",
            "Hyperparameter optimization with approximate gradient",
            2016,
            venue="International Conference on Machine Learning",
            arxiv="1602.02355",
        ),
    )

    def _losses(self, scores: Array, targets: Array) -> Array:
        if scores.shape[1] == 1:
            return np.logaddexp(0.0, -signs(targets) * scores[:, 0])
        own = np.take_along_axis(scores, targets.astype(np.intp)[:, None], axis=1)[:, 0]
        return np.asarray(logsumexp(scores, axis=1)) - own

    def _derivatives(self, scores: Array, targets: Array) -> tuple[Array, Array]:
        if scores.shape[1] == 1:
            # s expit(-s f) keeps its digits where the probability of the label is all but one.
            sign = signs(targets)[:, None]
            first = -sign * expit(-sign * scores)
            return first, (expit(scores) * expit(-scores))[:, :, None]
        chance = np.asarray(softmax(scores, axis=1))
        second = -chance[:, :, None] * chance[:, None, :]
        classes = np.arange(scores.shape[1])
        second[:, classes, classes] += chance
        first = chance.copy()
        first[np.arange(len(targets)), targets.astype(np.intp)] -= 1.0
        return first, second
