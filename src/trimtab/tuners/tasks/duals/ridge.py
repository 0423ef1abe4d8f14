"""The dual function of ridge regression: one rational function of its penalty.

    w(p) = argmin ||y - X w - b||^2 + p ||w||^2,

as scikit-learn's `Ridge(alpha=p)`; X and y centred where there is an intercept. With X = U S V^T,

    w(p) = V diag(s_j / (s_j^2 + p)) U^T y,

so the predictions of m validation examples are B q(p) with q_j = 1 / (s_j^2 + p) and B = X' V diag(s_j u_j^T y), and
their mean squared error is a sum of squares of rational functions. A QR decomposition of B leaves one square for each
singular value, however many validation examples there are:

    f(p) = ||Q^T y' - R q(p)||^2 / m + ||y' - Q Q^T y'||^2 / m.

A. E. Hoerl and R. W. Kennard, "Ridge regression: biased estimation for nonorthogonal problems", Technometrics 12,
1970. M.-F. Balcan, M. Khodak, D. Sharma and A. Talwalkar, "Provably tuning the ElasticNet across instances", NeurIPS
2022, arXiv 2207.10199, tune it over tasks. They use the structure for bounds; the search for the minimum is this
project's, see `trimtab.tuners.tasks.duals.rational`.

Needs: numbers as targets. The derivative of one task's loss has at most 3 r zeros for r different singular values.
"""

from __future__ import annotations

import numpy as np

from trimtab.tuners.tasks.duals.rational import Rational
from trimtab.tuners.tasks.duals.regression import Data, check_range, regression

__all__ = ["ridge_dual"]


def ridge_dual(train: Data, validation: Data, *, low: float, high: float, intercept: bool = True) -> Rational:
    """The mean squared validation error as a function of the penalty; see the module.

    Arguments:
        train: X and y to fit, shapes (n, d) and (n,).
        validation: X and y to judge by, shapes (m, d) and (m,).
        low: where the interval of the penalty begins, above zero.
        high: where it ends.
        intercept: whether the model has one.

    Raises:
        InvalidArgument: arrays of wrong shapes or with nan, or a wrong interval.

    >>> x, y = np.eye(2), np.array([2.0, 2.0])
    >>> dual = ridge_dual((x, y), (x, np.array([1.0, 1.0])), low=0.01, high=100.0, intercept=False)
    >>> round(dual.minimum().at, 12)  # the prediction is 2 / (1 + p)
    1.0
    """
    check_range(low, high, "the ridge penalty", zero=False)
    task = regression(train, validation, intercept)
    left, singular, right = np.linalg.svd(task.features, full_matrices=False)
    kept = singular > singular[0] * max(task.features.shape) * np.finfo(float).eps
    # The predictor of an all-zero X is zero: one pole with no weight stands for it.
    poles = singular[kept] ** 2 if kept.any() else np.ones(1)
    through = (task.held_features @ right.T[:, kept]) * (singular * (left.T @ task.targets))[kept]
    if not kept.any():
        through = np.zeros((len(task.held_targets), 1))
    basis, factor = np.linalg.qr(through)
    target = basis.T @ task.held_targets
    rest = task.held_targets - basis @ target
    # Fewer validation examples than poles leave rows that are zero.
    size, scale = len(poles), 1 / np.sqrt(len(task.held_targets))
    factors, targets = np.zeros((size, size)), np.zeros(size)
    factors[: len(factor)], targets[: len(target)] = factor * scale, target * scale
    return Rational(np.array([low, high]), float(rest @ rest) * scale**2, poles[None], targets[None], factors[None])
