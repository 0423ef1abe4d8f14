"""The elastic net and the lasso, with l1 penalties on groups of features, and their hypergradients.

    w = argmin 1/(2n) ||y - X w - b||^2 + sum_j q_g(j) |w_j| + r/2 ||w||^2,

X and y centred where there is an intercept. With one l1 penalty q it is scikit-learn's `ElasticNet(alpha=q + r,
l1_ratio=q / (q + r))`. H. Zou and T. Hastie, "Regularization and variable selection via the elastic net", JRSS B 67,
2005. With G = X^T X / n, c = X^T y / n, the support S and signs s of w, and the mean squared validation error V,

    (G_SS + r I) a = (dV/dw)_S,   dV/dq_k = -sum_{j in S and group k} a_j s_j,   dV/dr = -sum_{j in S} a_j w_j:

the optimality conditions, differentiated where they bind. Q. Bertrand, Q. Klopfenstein, M. Blondel, S. Vaiter,
A. Gramfort and J. Salmon, "Implicit differentiation of Lasso-type models for hyperparameter optimization", ICML 2020,
arXiv 2002.08943; the same and M. Massias, "Implicit differentiation for fast hyperparameter selection in non-smooth
convex learning", JMLR 23, 2022, arXiv 2105.01637. Theirs solve the system by iteration, this file by Cholesky.

Where it has no derivative: at breakpoints, the penalties at which a feature enters or leaves the support. There w is
continuous and has a kink, and what is told is the derivative without that feature. They are finitely many along a line
of penalties. From the largest l1 penalty on all coefficients are zero, and so are all derivatives.

The fit: cyclic coordinate descent (J. Friedman, T. Hastie and R. Tibshirani, "Regularization paths for generalized
linear models via coordinate descent", Journal of Statistical Software 33, 2010) finds the support. After each sweep
the minimum among the coefficients of the present support and signs is solved for; on the way to it the first
coefficient to change its sign leaves (as in H. Lee, A. Battle, R. Raina and A. Y. Ng, "Efficient sparse coding
algorithms", NIPS 2006). Where the support's features are linearly dependent, coefficients move along the dependence,
which changes no prediction, until one leaves. It stops where the optimality conditions hold, so the solution is exact
up to rounding. Every round lowers the objective and there are finitely many supports.

Needs: numbers as targets; a d x d matrix in memory. Among twin columns, the lasso's solution is one of many; it is
told, with its derivative, for one with an independent support. An l2 penalty makes it unique.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from trimtab.base.errors import InvalidArgument, message
from trimtab.base.refs import Reference
from trimtab.space import Float
from trimtab.tuners.gradients.penalties.folds import Split
from trimtab.tuners.gradients.penalties.grouped_task import GroupedPenalties, centre
from trimtab.tuners.gradients.penalties.penalty_task import FoldEvaluation, LinearModel, NotConverged

__all__ = ["ElasticNetPenalties"]

Array = NDArray[np.float64]

SWEEPS = 1000
"""Rounds at most; a fit takes 2 to 20."""

ENTERING = 10
"""Features that may enter the support in a sweep, or a quarter of those that are in it, if that is more."""

INDEPENDENT = 1e-12
"""Least squared pivot of a support's matrix, relative to its diagonal, for features that count as independent."""

OPTIMAL = 1e-10
"""By how much a gradient outside the support may exceed its l1 penalty, relative to the largest |c_j|."""


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """A split's training part.

    Arguments:
        gram: G, shape (d, d).
        moments: c, shape (d,).
        means: of the features, shape (d,).
        level: mean of the targets.
    """

    gram: Array
    moments: Array
    means: Array
    level: float


@dataclass(frozen=True, slots=True, eq=False)
class Sparse:
    """A solution.

    Arguments:
        coefficients: w, shape (d,).
        support: numbers of the features with a coefficient, shape (s,).
        factor: Cholesky factor of G_SS + r I, as SciPy keeps it; None for an empty support.
        residual: gradient of the objective by the support's coefficients, zero up to rounding, shape (s,).
    """

    coefficients: Array
    support: NDArray[np.intp]
    factor: tuple[Array, bool] | None
    residual: Array

    def solve(self, v: Array) -> Array:
        """(G_SS + r I)^-1 v, shape (s,)."""
        return v if self.factor is None else np.asarray(cho_solve(self.factor, v))


@dataclass(frozen=True, eq=False)
class ElasticNetPenalties(GroupedPenalties[Moments]):
    """The elastic net judged by the mean squared error; see the module.

    Arguments:
        train, validation, folds, groups, names, intercept: see `GroupedPenalties`; groups are of the l1 penalty.
        l1_range: bounds of every l1 penalty; by default from the data: up to the least that makes all coefficients
            zero in every fold, and down to a ten-thousandth of it.
        l2_range: bounds of the l2 penalty; by default 1e-5 to 10 times the mean variance of the features.
        lasso: whether to leave the l2 penalty out.

    >>> x, y = np.eye(4), np.array([3.0, 1.0, 0.0, -1.0])
    >>> task = ElasticNetPenalties((x, y), (x, y), lasso=True, intercept=False)
    >>> task.fit({"l1": 0.5}).coefficients.tolist()
    [1.0, 0.0, 0.0, 0.0]
    """

    l1_range: tuple[float, float] | None = field(default=None, kw_only=True)
    l2_range: tuple[float, float] | None = field(default=None, kw_only=True)
    lasso: bool = field(default=False, kw_only=True)

    stem: ClassVar[str] = "l1"
    refs: ClassVar[Sequence[Reference]] = (
        Reference(
            "Bertrand, Quentin and Klopfenstein, Quentin and Blondel, Mathieu and Vaiter, Samuel and "
            "Gramfort, Alexandre and Salmon, Joseph",
            "Implicit differentiation of Lasso-type models for hyperparameter optimization",
            2020,
            venue="International Conference on Machine Learning",
            arxiv="2002.08943",
        ),
        Reference(
            "Bertrand, Quentin and Klopfenstein, Quentin and Massias, Mathurin and Blondel, Mathieu and "
            "Vaiter, Samuel and Gramfort, Alexandre and Salmon, Joseph",
            "Implicit differentiation for fast hyperparameter selection in non-smooth convex learning",
            2022,
            venue="Journal of Machine Learning Research 23",
            arxiv="2105.01637",
        ),
    )

    def _prepare(self, split: Split) -> Moments:
        self._group(split.features.shape[1])
        features, means = centre(split.features, self.intercept)
        level = float(split.targets.mean()) if self.intercept else 0.0
        n = len(features)
        return Moments(features.T @ features / n, features.T @ (split.targets - level) / n, means, level)

    def _parameters(self) -> dict[str, Float]:
        l1 = self.l1_range
        if l1 is None:
            most = max(float(np.abs(part.moments).max()) for part in self.prepared)
            if not most > 0.0:
                raise InvalidArgument(
                    message("no feature goes with y, which may be constant", do="give l1_range, or another y")
                )
            l1 = (1e-4 * most, most)
        parameters = {name: Float(l1[0], l1[1], log=True) for name in self.grouped.names}
        if self.lasso:
            return parameters
        if "l2" in parameters:
            raise InvalidArgument(message("the name 'l2' is the l2 penalty's", got=list(parameters)))
        l2 = self.l2_range
        if l2 is None:
            variance = float(np.mean([np.diagonal(part.gram).mean() for part in self.prepared]))
            l2 = (1e-5 * variance, 10.0 * variance)
        return {**parameters, "l2": Float(l2[0], l2[1], log=True)}

    def _solve(self, prepared: Moments, penalties: Array) -> Sparse:
        groups = len(self.grouped.names)
        l1 = self.grouped.spread(penalties[:groups])
        return _elastic_net(prepared.gram, prepared.moments, l1, 0.0 if self.lasso else float(penalties[-1]))

    def _fit(self, prepared: Moments, penalties: Array) -> LinearModel:
        coefficients = self._solve(prepared, penalties).coefficients
        return LinearModel(coefficients, np.asarray(prepared.level - prepared.means @ coefficients))

    def _evaluate(self, split: Split, prepared: Moments, penalties: Array, gradient: bool) -> FoldEvaluation:
        found = self._solve(prepared, penalties)
        chosen = found.coefficients[found.support]
        held = (split.held_features - prepared.means)[:, found.support]
        residuals = split.held_targets - prepared.level - held @ chosen
        losses = residuals * residuals
        if not gradient:
            return FoldEvaluation(losses, np.empty(0), 0.0)
        outer = -2.0 * (residuals @ held)
        adjoint = found.solve(outer)
        by_feature = np.zeros(len(found.coefficients))
        by_feature[found.support] = -adjoint * np.sign(chosen)
        slope = self.grouped.gather(by_feature)
        if not self.lasso:
            slope = np.append(slope, -float(adjoint @ chosen))
        distance = float(found.residual @ found.solve(found.residual))
        return FoldEvaluation(losses, slope, math.sqrt(max(float(outer @ adjoint), 0.0) * max(distance, 0.0)))


def _elastic_net(gram: Array, moments: Array, l1: Array, l2: float) -> Sparse:
    """Minimise w^T G w / 2 - c^T w + l1^T |w| + l2/2 ||w||^2; shapes (d, d), (d,), (d,).

    Raises:
        NotConverged: no support met the optimality conditions within the sweeps allowed.
    """
    w = np.zeros(len(moments))
    slack = OPTIMAL * float(np.abs(moments).max())
    excess = np.abs(moments) - l1
    for _ in range(SWEEPS):
        _sweep(gram, moments, l1, l2, w, _working_set(w, excess))
        found = _on_support(gram, moments, l1, l2, w)
        w = found.coefficients
        excess = np.abs(moments - gram @ w) - l1
        excess[found.support] = 0.0
        if (excess <= slack).all():
            return found
    raise NotConverged(
        message(
            f"the elastic net was not fitted after {SWEEPS} sweeps, with {np.count_nonzero(w)} active features, which "
            "may be all but linearly dependent",
            got=f"l1 penalties from {l1.min():.3g} to {l1.max():.3g}, an l2 penalty of {l2:.3g}",
            do="raise the l1 penalties, use an l2 penalty, or drop columns of X that others add up to",
        )
    )


def _working_set(w: Array, excess: Array) -> NDArray[np.intp]:
    """The features to sweep over: the support, and of the others those whose gradients exceed their penalties most.

    Not all of them: far from the solution most do, and would have to leave again one by one.
    """
    support = np.flatnonzero(w)
    violating = np.flatnonzero((excess > 0.0) & (w == 0.0))
    most = max(ENTERING, len(support) // 4)
    entering = violating[np.argsort(-excess[violating], kind="stable")[:most]]
    return np.sort(np.concatenate([support, entering]))


def _sweep(gram: Array, moments: Array, l1: Array, l2: float, w: Array, chosen: NDArray[np.intp]) -> None:
    """Minimise by each of the chosen coefficients in turn, in place."""
    slope = moments - gram @ w
    for j in chosen.tolist():
        own, limit, before = float(gram[j, j]), float(l1[j]), float(w[j])
        pull = float(slope[j]) + own * before
        if not own + l2 > 0.0:
            continue
        after = math.copysign(max(abs(pull) - limit, 0.0), pull) / (own + l2)
        if after != before:
            slope -= gram[j] * (after - before)
            w[j] = after


def _on_support(gram: Array, moments: Array, l1: Array, l2: float, w: Array) -> Sparse:
    """The minimum over the coefficients of w's support that keep their signs or become zero."""
    w = w.copy()
    while True:
        support = np.flatnonzero(w)
        if not support.size:
            return Sparse(w, support, None, np.empty(0))
        here = w[support]
        signs = np.sign(here)
        matrix = gram[np.ix_(support, support)]
        matrix.flat[:: len(support) + 1] += l2
        target = moments[support] - l1[support] * signs
        factor = _factor(matrix)
        if factor is None:
            step = _dependence(matrix, l1[support] * signs)
            crossing = np.flatnonzero(step * signs < 0.0)
        else:
            goal = cho_solve(factor, target)
            step = goal - here
            crossing = np.flatnonzero(goal * signs <= 0.0)
            if not crossing.size:
                w[support] = goal
                return Sparse(w, support, factor, matrix @ goal - target)
        shares = -here[crossing] / step[crossing]
        first = int(shares.argmin())
        w[support] = here + float(shares[first]) * step
        w[support[crossing[first]]] = 0.0


def _factor(matrix: Array) -> tuple[Array, bool] | None:
    """The Cholesky factor of a support's matrix, shape (s, s); None where its features are dependent."""
    try:
        factor: tuple[Array, bool] = cho_factor(matrix)
    except LinAlgError:
        return None
    independent = np.diagonal(factor[0]) ** 2 > INDEPENDENT * np.diagonal(matrix)
    return factor if independent.all() else None


def _dependence(matrix: Array, slope: Array) -> Array:
    """The direction, shape (s,), in which predictions change least, and along which the l1 term does not rise.

    Arguments:
        matrix: of the support, shape (s, s).
        slope: l1 penalties times signs, shape (s,). Where the l1 term falls or stays, a coefficient shrinks.
    """
    scale = 1.0 / np.sqrt(np.diagonal(matrix))
    direction: Array = scale * np.linalg.eigh(matrix * np.outer(scale, scale))[1][:, 0]
    return -direction if float(direction @ slope) > 0.0 else direction
