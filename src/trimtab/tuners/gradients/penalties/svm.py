"""The linear support vector machine with squared hinge loss, penalties on groups of features, and its hypergradient.

    F(w, b) = sum_i max(0, 1 - y_i (w^T x_i + b))^2 + 1/2 sum_j p_g(j) w_j^2,   y = -1, +1,

fitted by Newton's method in the primal: O. Chapelle, "Training a support vector machine in the primal", Neural
Computation 19, 2007, with H = D + 2 X_S^T X_S for the support vectors S, the examples inside the margin. With one
penalty it is scikit-learn's `LinearSVC(C=1/p, loss="squared_hinge")`, but for the intercept: LIBLINEAR penalises it,
and here it is free. Judged by the mean squared hinge of the validation examples. F has one derivative everywhere and
two wherever no example lies exactly on the margin, so the coefficients are differentiable for almost all penalties; at
the others (an example enters or leaves S) the derivative is that of the side where it is outside.

Needs: labels of two classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument, message
from trimtab.base.refs import Reference
from trimtab.tuners.gradients.penalties.folds import Data
from trimtab.tuners.gradients.penalties.linear_scores import LinearScores, signs

__all__ = ["CHAPELLE", "SvmPenalties", "check_two_classes"]

Array = NDArray[np.float64]

CHAPELLE = Reference(
    "Chapelle, Olivier",
    "Training a support vector machine in the primal",
    2007,
    venue="Neural Computation 19",
    doi="10.1162/neco.2007.19.5.1155",
)
"""The source of the fit."""


@dataclass(frozen=True, eq=False)
class SvmPenalties(LinearScores):
    """A linear support vector machine judged by the mean squared hinge; see the module.

    Arguments:
        train, validation, folds, groups, names, intercept: see `GroupedPenalties`.
        low, high: bounds of every penalty; C is its inverse.
        tolerance: the Newton decrement to fit to, relative to the square root of the objective.

    >>> x, y = np.array([[-1.0], [0.5], [0.0], [2.0]]), [0, 0, 1, 1]
    >>> SvmPenalties((x, y), (x, y)).fit({"penalty": 1.0}).predict([[-1.0], [2.0]]).tolist()
    [0, 1]
    """

    title: ClassVar[str] = "the support vector machine"
    refs: ClassVar[Sequence[Reference]] = (CHAPELLE,)

    def __post_init__(
        self, train: Data | None, validation: Data | None, folds: Sequence[tuple[Data, Data]] | None
    ) -> None:
        """Check the examples, and that there are two classes."""
        super().__post_init__(train, validation, folds)
        check_two_classes(self.classes)

    def _losses(self, scores: Array, targets: Array) -> Array:
        slack = np.maximum(0.0, 1.0 - signs(targets) * scores[:, 0])
        return np.asarray(slack * slack)

    def _derivatives(self, scores: Array, targets: Array) -> tuple[Array, Array]:
        sign = signs(targets)[:, None]
        slack = np.maximum(0.0, 1.0 - sign * scores)
        return -2.0 * sign * slack, np.where(slack > 0.0, 2.0, 0.0)[:, :, None]


def check_two_classes(classes: NDArray[np.generic] | None) -> None:
    """Refuse labels of more than two classes.

    Raises:
        InvalidArgument: there are more.
    """
    if classes is not None and len(classes) > 2:
        raise InvalidArgument(
            message(
                "a support vector machine tells two classes apart",
                got=classes.tolist(),
                allowed="labels of two classes",
                do="make one task for each class against the rest, or use LogisticPenalties",
            )
        )
