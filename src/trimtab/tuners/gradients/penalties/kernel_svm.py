"""The support vector machine with a Gaussian kernel and squared hinge loss, and its hypergradient by C and gamma.

    F(beta, b) = 1/(2C) beta^T K beta + sum_i max(0, 1 - y_i f_i)^2,
    f = K beta + b,   K_ij = exp(-gamma |x_i - x_j|^2),   y = -1, +1.

Fitted by Newton's method in the primal: O. Chapelle, "Training a support vector machine in the primal", Neural
Computation 19, 2007. For support vectors S, the examples with y_i f_i < 1, its step leads to beta = 0 outside S and

    [ K_SS + I/(2C)   1 ] [ beta_S ]   [ y_S ]
    [ 1^T             0 ] [ b      ] = [ 0   ],      M z = (y_S, 0),

and a line search keeps it descending until S stays, which makes the solution exact. With M a = dV/dz for the mean
squared hinge V of the validation examples, and q = dV/df there,

    dV/dC = a_S^T beta_S / (2 C^2),   dV/dgamma = q^T K'_VS beta_S - a_S^T K'_SS beta_S,   K' = -dist^2 K:

S. S. Keerthi, V. Sindhwani and O. Chapelle, "An efficient method for gradient-based adaptation of hyperparameters in
SVM models", NIPS 2006, who differentiate a smoothed validation error. As with the linear machine, there is
no derivative only where an example lies exactly on the margin.

Needs: labels of two classes; n x n and m x n matrices of distances in memory; features on comparable scales.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from trimtab.base.errors import message
from trimtab.base.refs import Reference
from trimtab.space import Float
from trimtab.tuners.gradients.penalties.folds import Data, Split
from trimtab.tuners.gradients.penalties.linear_scores import signs
from trimtab.tuners.gradients.penalties.penalty_task import FoldEvaluation, NotConverged, PenaltyTask
from trimtab.tuners.gradients.penalties.svm import CHAPELLE, check_two_classes

__all__ = ["KernelModel", "KernelSvm"]

Array = NDArray[np.float64]

ITERATIONS = 200
"""Newton steps at most; a fit takes 5 to 20."""


@dataclass(frozen=True, slots=True, eq=False)
class KernelModel:
    """A fitted machine.

    Arguments:
        support: the support vectors, shape (s, d).
        weights: beta of each, shape (s,).
        intercept: b.
        gamma: of the kernel.
        classes: the two labels.
    """

    support: Array
    weights: Array
    intercept: float
    gamma: float
    classes: NDArray[Any]

    def scores(self, x: ArrayLike) -> Array:
        """The scores f of the rows of X, shape (n, d): (n,)."""
        kernel = np.exp(-self.gamma * _squared_distances(np.asarray(x, dtype=np.float64), self.support))
        out: Array = kernel @ self.weights + self.intercept
        return out

    def predict(self, x: ArrayLike) -> NDArray[Any]:
        """The label of each row of X, shape (n, d): (n,)."""
        chosen: NDArray[Any] = self.classes[(self.scores(x) > 0.0).astype(np.intp)]
        return chosen


@dataclass(frozen=True, slots=True, eq=False)
class Distances:
    """Squared distances within the training part, shape (n, n), to it from the held part, (m, n), and the former."""

    own: Array
    held: Array
    split: Split


@dataclass(frozen=True, slots=True, eq=False)
class Machine:
    """A solution: the support vectors' numbers (s,), their beta (s,), b, and the Cholesky factor of K_SS + I/(2C)."""

    support: NDArray[np.intp]
    beta: Array
    intercept: float
    factor: tuple[Array, bool]


@dataclass(frozen=True, eq=False)
class KernelSvm(PenaltyTask[Distances, KernelModel]):
    """A support vector machine with a Gaussian kernel, judged by the mean squared hinge; see the module.

    Arguments:
        train, validation, folds: the examples; see `PenaltyTask`.
        c_range: bounds of C.
        gamma_range: bounds of gamma; by default 0.01 to 100 over the median squared distance of training examples.

    >>> x, y = np.array([[-1.0], [0.0], [0.1], [1.0]]), ["out", "in", "in", "out"]
    >>> KernelSvm((x, y), (x, y)).fit({"C": 10.0, "gamma": 1.0}).predict(x).tolist()
    ['out', 'in', 'in', 'out']
    """

    c_range: tuple[float, float] = field(default=(1e-3, 1e4), kw_only=True)
    gamma_range: tuple[float, float] | None = field(default=None, kw_only=True)

    takes_labels: ClassVar[bool] = True
    refs: ClassVar[Sequence[Reference]] = (
        CHAPELLE,
        Reference(
            "Keerthi, S. Sathiya and Sindhwani, Vikas and Chapelle, Olivier",
            "An efficient method for gradient-based adaptation of hyperparameters in SVM models",
            2006,
            venue="Advances in Neural Information Processing Systems 19",
        ),
    )

    def __post_init__(
        self, train: Data | None, validation: Data | None, folds: Sequence[tuple[Data, Data]] | None
    ) -> None:
        """Check the examples, and that there are two classes."""
        super().__post_init__(train, validation, folds)
        check_two_classes(self.classes)

    def _prepare(self, split: Split) -> Distances:
        own = _squared_distances(split.features, split.features)
        return Distances(own, _squared_distances(split.held_features, split.features), split)

    def _parameters(self) -> dict[str, Float]:
        gamma = self.gamma_range
        if gamma is None:
            apart = np.concatenate([part.own[part.own > 0.0] for part in self.prepared])
            middle = float(np.median(apart)) if apart.size else 1.0
            gamma = (0.01 / middle, 100.0 / middle)
        return {
            "C": Float(self.c_range[0], self.c_range[1], log=True),
            "gamma": Float(gamma[0], gamma[1], log=True),
        }

    def _fit(self, prepared: Distances, penalties: Array) -> KernelModel:
        found = _machine(np.exp(-penalties[1] * prepared.own), signs(prepared.split.targets), float(penalties[0]))
        support = prepared.split.features[found.support]
        return KernelModel(support, found.beta, found.intercept, float(penalties[1]), np.asarray(self.classes))

    def _evaluate(self, split: Split, prepared: Distances, penalties: Array, gradient: bool) -> FoldEvaluation:
        c, gamma = float(penalties[0]), float(penalties[1])
        kernel = np.exp(-gamma * prepared.own)
        found = _machine(kernel, signs(split.targets), c)
        apart = prepared.held[:, found.support]
        cross = np.exp(-gamma * apart)
        y = signs(split.held_targets)
        slack = np.maximum(0.0, 1.0 - y * (cross @ found.beta + found.intercept))
        if not gradient:
            return FoldEvaluation(slack * slack, np.empty(0), 0.0)
        outer = -2.0 * y * slack
        adjoint, _ = _saddle(found.factor, outer @ cross, float(outer.sum()))
        inside = np.ix_(found.support, found.support)
        moved = (-prepared.own[inside] * kernel[inside]) @ found.beta
        by_gamma = float(outer @ ((-apart * cross) @ found.beta)) - float(adjoint @ moved)
        by_c = float(adjoint @ found.beta) / (2.0 * c * c)
        return FoldEvaluation(slack * slack, np.array([by_c, by_gamma]), 0.0)


def _saddle(factor: tuple[Array, bool], top: Array, bottom: float) -> tuple[Array, float]:
    """Solve [A 1; 1^T 0] (u, v) = (top, bottom) with a Cholesky factor of A: shapes (s,) and ()."""
    ones = cho_solve(factor, np.ones(len(top)))
    free = cho_solve(factor, top)
    level = (float(free.sum()) - bottom) / float(ones.sum())
    return np.asarray(free - level * ones), level


def _machine(kernel: Array, y: Array, c: float) -> Machine:
    """The support vector machine of a kernel matrix, shape (n, n), and signs, shape (n,).

    Raises:
        NotConverged: the set of support vectors did not come to rest.
    """
    n = len(y)
    beta, intercept, scores = np.zeros(n), 0.0, np.zeros(n)
    for _ in range(ITERATIONS):
        support = np.flatnonzero(y * scores < 1.0)
        matrix = kernel[np.ix_(support, support)]
        matrix.flat[:: len(support) + 1] += 0.5 / c
        try:
            factor = cho_factor(matrix)
        except LinAlgError:
            break
        goal = np.zeros(n)
        goal[support], level = _saddle(factor, y[support], 0.0)
        reached = kernel @ goal + level
        if np.array_equal(np.flatnonzero(y * reached < 1.0), support):
            return Machine(support, goal[support], level, factor)
        length = _descent(kernel, y, c, (beta, intercept, scores), (goal, level, reached))
        if length == 0.0:
            break
        beta = beta + length * (goal - beta)
        intercept += length * (level - intercept)
        scores = scores + length * (reached - scores)
    raise NotConverged(
        message(
            "the support vector machine: Newton's method did not converge",
            got=f"C = {c:.3g}",
            do="standardise the features, or lower the upper bound of C",
        )
    )


def _squared_distances(here: Array, there: Array) -> Array:
    """Of rows (m, d) and (n, d): (m, n)."""
    # Loaded here, since it takes longer to load than the linear models do together.
    from scipy.spatial.distance import cdist

    return np.asarray(cdist(here, there, "sqeuclidean"))


def _descent(
    kernel: Array, y: Array, c: float, here: tuple[Array, float, Array], there: tuple[Array, float, Array]
) -> float:
    """How far to go from (beta, b, f) to another, 1 or a half of it or a quarter ...; 0.0 where nothing descends."""

    def objective(length: float) -> float:
        beta = here[0] + length * (there[0] - here[0])
        intercept = here[1] + length * (there[1] - here[1])
        scores = here[2] + length * (there[2] - here[2])
        slack = np.maximum(0.0, 1.0 - y * scores)
        return 0.5 / c * float(beta @ (scores - intercept)) + float(slack @ slack)

    start, length = objective(0.0), 1.0
    while length > 1e-12:
        if objective(length) < start:
            return length
        length *= 0.5
    return 0.0
