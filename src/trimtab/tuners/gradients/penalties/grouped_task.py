"""A task whose penalties belong to features, one for all, one for each, or one for each group; and their centring.

The intercept b is never penalised. With features centred by their training means m, the model b' + (x - m)^T w is the
same as b + x^T w with b = b' - m^T w, and b' decouples from w (exactly for squared errors), which is better
conditioned where a mean is large against a spread.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument, message
from trimtab.tuners.gradients.penalties.folds import Data
from trimtab.tuners.gradients.penalties.groups import Grouping, Groups, groups_of
from trimtab.tuners.gradients.penalties.penalty_task import LinearModel, Penalties, PenaltyTask

__all__ = ["GroupedPenalties", "centre"]

Array = NDArray[np.float64]

P = TypeVar("P")


@dataclass(frozen=True, eq=False)
class GroupedPenalties(PenaltyTask[P, LinearModel], ABC):
    """A linear model whose features have penalties.

    Arguments:
        train, validation, folds: the examples; see `PenaltyTask`.
        groups: None for one penalty, "each" for one a feature, or each feature's group number, shape (d,).
        names: a parameter's name for each group.
        intercept: whether the model has one.

    Raises:
        InvalidArgument: as `PenaltyTask`; or a group whose features are constant in every training part, so that its
            penalty does not matter.
    """

    groups: Grouping = field(default=None, kw_only=True, repr=False)
    names: Sequence[str] | None = field(default=None, kw_only=True)
    intercept: bool = field(default=True, kw_only=True)
    grouped: Groups = field(init=False, repr=False)

    stem: ClassVar[str] = "penalty"

    def __post_init__(
        self, train: Data | None, validation: Data | None, folds: Sequence[tuple[Data, Data]] | None
    ) -> None:
        """Check the examples and the groups."""
        super().__post_init__(train, validation, folds)
        self._check_groups()

    def _group(self, features: int) -> Groups:
        """The groups, made when the number of features is first known."""
        if not hasattr(self, "grouped"):
            self._put("grouped", groups_of(self.groups, features, self.names, self.stem))
        return self.grouped

    def _check_groups(self) -> None:
        """Refuse a penalty without effect: its derivative is zero everywhere, which no tuner can use."""
        varies = np.zeros(self.features, dtype=np.bool_)
        for split in self.splits:
            base = split.features[0] if self.intercept else 0.0
            varies |= (split.features != base).any(axis=0)
        idle = np.flatnonzero(self.grouped.gather(varies.astype(np.float64)) == 0.0)
        if idle.size:
            group = int(idle[0])
            what = "constant" if self.intercept else "zero"
            raise InvalidArgument(
                message(
                    f"penalty {self.grouped.names[group]!r} does not matter: its features are {what} in every "
                    "training example",
                    got=self.grouped.features(group),
                    allowed="groups with a feature that varies",
                    do="drop these columns of X, or put them into another group",
                )
            )

    def coefficients(self, penalties: Penalties) -> Array:
        """The coefficients of `fit(penalties)`, shape (d,), or (classes, d) where there are more than two."""
        return self.fit(penalties).coefficients


def centre(features: Array, intercept: bool) -> tuple[Array, Array]:
    """Features less their means, shape (n, d), and the means, shape (d,), which are zero without an intercept."""
    means: Array = features.mean(axis=0) if intercept else np.zeros(features.shape[1])
    return features - means, means
