"""Parameters as plots need them: one column of raw coordinates each, with the scale to draw it on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidParams
from trimtab.base.history import History
from trimtab.base.records import Params
from trimtab.report.scales import Band, Linear, Log, Scale
from trimtab.report.values import average_ranks
from trimtab.report.wording import number, one_line, shorten
from trimtab.space import Column, Float, Int, Space

__all__ = ["Variable", "rank_effect", "ranked_variables", "scale_of", "variables"]

_BINS = 6


@dataclass(frozen=True, slots=True)
class Variable:
    """One tunable parameter over k trials.

    Arguments:
        name: the parameter's name.
        scale: where its values lie on an axis.
        raw: shape (k,): the number itself, or the index of a category; nan where inactive or unknown.
    """

    name: str
    scale: Scale
    raw: NDArray[np.float64]

    def jittered(self, numbers: NDArray[np.intp]) -> NDArray[np.float64]:
        """`raw` with categories spread over the inner half of their band, the same for the same trial.

        Multiples of the golden ratio fill an interval evenly in any order of arrival (Weyl 1916).
        """
        if not isinstance(self.scale, Band):
            return self.raw
        spread: NDArray[np.float64] = self.raw + 0.55 * ((numbers * 0.6180339887498949) % 1.0 - 0.5)
        return spread

    def told(self, place: int) -> str:
        """Name and value in one of the trials, for a tooltip."""
        raw = float(self.raw[place])
        if np.isnan(raw):
            return f"{shorten(self.name, 24)} inactive"
        value = self.scale.labels[int(raw)] if isinstance(self.scale, Band) else number(raw)
        return f"{shorten(self.name, 24)} {shorten(value, 24)}"


def variables(history: History[Space], numbers: NDArray[np.intp]) -> tuple[Variable, ...]:
    """Every tunable parameter over the given trials, in the order of the space."""
    raw = _encoded(history.space, history.params(numbers))
    return tuple(
        Variable(column.name, _covering(scale_of(column), raw[:, index]), raw[:, index])
        for index, column in enumerate(history.space.columns)
    )


def _covering(scale: Scale, raw: NDArray[np.float64]) -> Scale:
    """The scale, widened to the values that lie outside: a define-by-run objective may change its ranges."""
    there = raw[np.isfinite(raw)]
    if isinstance(scale, Band) or not there.size:
        return scale
    low, high = min(scale.low, float(there.min())), max(scale.high, float(there.max()))
    if isinstance(scale, Log) and low <= 0:
        return Linear(low, high)
    return replace(scale, low=low, high=high)


def _encoded(space: Space, params: Sequence[Params | None]) -> NDArray[np.float64]:
    """Raw coordinates, shape (k, d), a row of nan where there is no whole configuration.

    A trial that was enqueued with some params and lost before the tuner filled in the rest has none.
    """
    raw = np.full((len(params), len(space.columns)), np.nan)
    known = [place for place, item in enumerate(params) if item is not None]
    try:
        raw[known] = space.encode_many([item for item in params if item is not None])
    except InvalidParams:
        for place in known:
            item = params[place]
            if item is not None and space.contains(item):
                raw[place] = space.encode(item)
    return raw


def scale_of(column: Column) -> Scale:
    """The scale that a parameter was declared on."""
    parameter = column.parameter
    if isinstance(parameter, Float | Int):
        low, high = float(parameter.low), float(parameter.high)
        base = (parameter.powers_of if isinstance(parameter, Int) else None) or (10 if parameter.log else 0)
        return Log(low, high, base) if base else Linear(low, high, whole=isinstance(parameter, Int))
    return Band(tuple(shorten(one_line(str(choice)), 60) for choice in column.choices))


def rank_effect(variable: Variable, values: NDArray[np.float64]) -> float:
    """Share of the variance of the values' ranks that lies between groups of the parameter's values, 0 to 1.

    Categories are groups; numbers are cut into six groups of equal size. With the Kruskal-Wallis
    statistic H of k groups and n trials this is eta squared = (H - k + 1) / (n - k), which is 0 on
    average where the parameter does not matter (Kruskal and Wallis, "Use of ranks in one-criterion
    variance analysis", JASA 47, 1952). For a parameter that is inactive in some trials it is taken
    among the others, times their share: what its branch does is its parent's effect. It chooses which
    parameters a report shows first, and claims no more than that.

    Arguments:
        variable: over n trials.
        values: shape (n,); trials with a value that is not finite are left aside.
    """
    told = np.isfinite(values)
    known = told & np.isfinite(variable.raw)
    groups = _groups(variable, known)
    names, place, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    n, k = len(groups), len(names)
    if k < 2 or n <= k:
        return 0.0
    ranks = average_ranks(values[known])
    total = float(((ranks - ranks.mean()) ** 2).sum())
    if total == 0.0:
        return 0.0
    means = np.bincount(place, weights=ranks) / sizes
    between = float((sizes * (means - ranks.mean()) ** 2).sum())
    statistic = (n - 1) * between / total
    return float(np.clip((statistic - k + 1) / (n - k), 0.0, 1.0) * n / told.sum())


def _groups(variable: Variable, known: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The group of each of some trials in which the parameter is active: an index from 0."""
    raw = variable.raw[known]
    if isinstance(variable.scale, Band) or len(np.unique(raw)) <= _BINS:
        groups: NDArray[np.intp] = np.unique(raw, return_inverse=True)[1]
        return groups
    return np.floor((average_ranks(raw) - 1) * _BINS / len(raw)).astype(np.intp)


def ranked_variables(found: tuple[Variable, ...], values: NDArray[np.float64]) -> tuple[Variable, ...]:
    """The parameters, those that move the ranks of the values most first; ties keep the space's order."""
    effects = [rank_effect(variable, values) for variable in found]
    order = sorted(range(len(found)), key=lambda index: (-effects[index], index))
    return tuple(found[index] for index in order)
