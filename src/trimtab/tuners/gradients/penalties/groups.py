"""Which penalty belongs to which feature: one for all, one for each, or one for each group of features.

With g(j) the group of feature j, a penalty vector p over k groups becomes a weight p_g(j) for each feature, and a
derivative by each feature's weight becomes one by each group's penalty: the sum over the group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimtab.base.errors import InvalidArgument, message
from trimtab.base.records import check_name

__all__ = ["Grouping", "Groups", "groups_of"]

Array = NDArray[np.float64]

Grouping: TypeAlias = ArrayLike | Literal["each"] | None
"""None for one penalty, "each" for one a feature, or each feature's group number, shape (d,)."""


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Features in groups that share a penalty.

    Arguments:
        of_feature: the group of each feature, 0 to k - 1, shape (d,).
        names: the parameter's name of each group, length k.
    """

    of_feature: NDArray[np.intp]
    names: tuple[str, ...]

    def spread(self, penalties: Array) -> Array:
        """Each feature's penalty, shape (d,), from each group's, shape (k,)."""
        out: Array = penalties[self.of_feature]
        return out

    def gather(self, by_feature: Array) -> Array:
        """Sums over each group, shape (k,), of numbers of each feature, shape (d,)."""
        out = np.zeros(len(self.names))
        np.add.at(out, self.of_feature, by_feature)
        return out

    def features(self, group: int) -> list[int]:
        """The numbers of a group's features."""
        return [int(feature) for feature in np.flatnonzero(self.of_feature == group)]


def groups_of(groups: Grouping, features: int, names: Sequence[str] | None, stem: str) -> Groups:
    """Groups of `features` features.

    Arguments:
        groups: as a task takes them.
        features: d.
        names: a parameter's name for each group; by default `stem`, or `stem`_0, `stem`_1, ...
        stem: what is penalised with, such as "penalty".

    Raises:
        InvalidArgument: groups of another length, with holes in their numbers or not whole; names that do not
            fit them.
    """
    of_feature = _numbers(groups, features)
    count = int(of_feature.max()) + 1
    if names is None:
        chosen = (stem,) if groups is None else tuple(f"{stem}_{group}" for group in range(count))
    else:
        chosen = tuple(check_name(name, "a penalty's name") for name in names)
    if len(chosen) != count or len(set(chosen)) != count:
        raise InvalidArgument(
            message("names must name each group once", got=list(chosen), allowed=f"{count} different texts")
        )
    return Groups(of_feature, chosen)


def _numbers(groups: Grouping, features: int) -> NDArray[np.intp]:
    """Each feature's group, shape (d,)."""
    if groups is None:
        return np.zeros(features, dtype=np.intp)
    if isinstance(groups, str):
        if groups != "each":
            raise InvalidArgument(message("unknown groups", got=groups, allowed="None, 'each' or an array of numbers"))
        return np.arange(features)
    given = np.asarray(groups)
    if given.shape != (features,):
        raise InvalidArgument(
            message(
                "groups must tell the group of every feature",
                got=given.shape,
                allowed=f"shape ({features},): X has {features} columns",
            )
        )
    if given.dtype.kind not in "iu":
        raise InvalidArgument(message("groups must be whole numbers", got=given.dtype, allowed="0, 1, ..., k - 1"))
    numbers = given.astype(np.intp)
    used = np.unique(numbers)
    if used[0] != 0 or used[-1] != len(used) - 1:
        raise InvalidArgument(
            message(
                "groups must be numbered from 0 without holes",
                got=used.tolist(),
                allowed=f"0 to {len(used) - 1}",
                do="renumber them with numpy.unique(groups, return_inverse=True)[1]",
            )
        )
    return numbers
