"""Trials beside each other: whether a function is noisy, or rough.

Values that scatter about a smooth model do so because they are noisy, or because the function has structure finer than
the trials' distances; the trials that a global model has cannot say which. Two trials within `STEP` of each other in
every coordinate decide it: they tell the same loss, that is to say losses that differ by less than `EXACT` of the
distance from the median to the best, or there is noise. With noise of a standard deviation s, and r that distance,
they tell the same by chance with a probability of about 0.56 EXACT r / s, so once in thirty-five times where s is a
tenth of r; a function of Hölder exponent 1/2 changes by a thousandth of its range.

Two trials at one and the same place prove noise where they differ, and prove nothing where they agree: a cache or a
fixed seed answers with the same value.

The idea is that of estimating the level of computational noise by differences of nearby values: J. J. Moré and S. M.
Wild, "Estimating Computational Noise", SIAM Journal on Scientific Computing 33, 2011, reduced to the one bit that is
needed.
"""

from __future__ import annotations

from bisect import insort

import numpy as np
from numpy.typing import NDArray

from trimtab.base.refs import Reference
from trimtab.space import Space
from trimtab.surrogates.evidence import Evidence

__all__ = ["BESIDE_REFS", "EXACT", "STEP", "agreement", "beside", "continuous", "filled_unit", "repeats", "shows_noise"]

Array = NDArray[np.float64]
Pairs = NDArray[np.intp]

BESIDE_REFS = (
    Reference(
        authors="Moré, Jorge J. and Wild, Stefan M.",
        title="Estimating Computational Noise",
        year=2011,
        venue="SIAM Journal on Scientific Computing 33(3), 1292-1314",
        doi="10.1137/100786125",
    ),
)

STEP = 1e-6
"""How far a probe is from the best trial in each continuous parameter, in unit coordinates."""

EXACT = 5e-3
"""Losses beside each other that differ by less than so much of the distance from the median to the best are equal."""


def agreement(evidence: Evidence, space: Space) -> bool | None:
    """Whether trials beside each other, but not at one place, told equal losses; None where there are none.

    Arguments:
        evidence: what was told.
        space: whose coordinates it has.
    """
    told, equal = beside(evidence, space)
    return bool(equal.all()) if len(told) else None


def shows_noise(evidence: Evidence, space: Space) -> bool:
    """Whether any two trials beside each other, or at one place, told different losses.

    Arguments:
        evidence: what was told.
        space: whose coordinates it has.
    """
    return not _judged(evidence, space)[1].all()


def beside(evidence: Evidence, space: Space) -> tuple[Pairs, NDArray[np.bool_]]:
    """Pairs of trials beside each other, by rows in ascending order (m, 2), and which of them told the same (m,).

    What is the same is judged by the trials before the later one, so that it stays what it was found to be. Trials at
    one place are no pair.

    Arguments:
        evidence: what was told, in the order of the trials' numbers.
        space: whose coordinates it has.
    """
    if not continuous(space).any():
        return np.empty((0, 2), dtype=np.intp), np.empty(0, dtype=np.bool_)
    pairs, equal = _judged(evidence, space)
    apart = _unlike(evidence.raw, pairs)
    return pairs[apart], equal[apart]


def repeats(evidence: Evidence, space: Space) -> list[NDArray[np.intp]]:
    """Groups of trials beside each other or at one place, by rows in ascending order, two at least in each.

    Of trials at one place that told the same loss the first counts alone: they may be answers of a cache.

    Arguments:
        evidence: what was told.
        space: whose coordinates it has.
    """
    pairs, _ = _judged(evidence, space)
    group = np.arange(len(evidence.losses))
    for one, other in pairs.tolist():
        group[group == group[other]] = group[one]
    cached = ~_unlike(evidence.raw, pairs) & (evidence.losses[pairs[:, 0]] == evidence.losses[pairs[:, 1]])
    group[pairs[cached, 1]] = -1
    sizes = np.bincount(group + 1)
    return [np.flatnonzero(group == place) for place in np.flatnonzero(sizes > 1) - 1 if place >= 0]


def continuous(space: Space) -> NDArray[np.bool_]:
    """Which columns take a step as small as one likes, shape (d,)."""
    return np.array([column.kind == "float" and column.size is None for column in space.columns], dtype=np.bool_)


def filled_unit(space: Space, raw: Array) -> Array:
    """Unit coordinates of rows (n, d), inactive ones at -1."""
    return np.nan_to_num(space.to_unit(raw), nan=-1.0)


def _judged(evidence: Evidence, space: Space) -> tuple[Pairs, NDArray[np.bool_]]:
    """All pairs within `STEP`, those at one place too, and which of them told the same."""
    rows = np.flatnonzero(evidence.good)
    if len(rows) < 2:
        return np.empty((0, 2), dtype=np.intp), np.empty(0, dtype=np.bool_)
    pairs = rows[_near_pairs(filled_unit(space, evidence.raw[rows]), 2.0 * STEP)]
    if not len(pairs):
        return pairs, np.empty(0, dtype=np.bool_)
    # Halves, because the difference of two floats may overflow.
    halves = 0.5 * evidence.losses
    reach = np.zeros(len(halves))
    reach[rows] = _reaches(halves[rows].tolist())
    return pairs, np.abs(halves[pairs[:, 0]] - halves[pairs[:, 1]]) <= EXACT * reach[pairs[:, 1]]


def _near_pairs(unit: Array, reach: float) -> Pairs:
    """Pairs of rows (n, d) that differ by at most `reach` in every coordinate, each ascending, in order, shape (m, 2).

    Rows are parted coordinate by coordinate wherever a gap is wider, which leaves next to none together. (A tree of
    SciPy's finds them too. But selections ask this of every study, and would import SciPy for it.)
    """
    group = np.zeros(len(unit), dtype=np.intp)
    for column in unit.T:
        order = np.lexsort((column, group))
        parted = (np.diff(group[order]) != 0) | (np.diff(column[order]) > reach)
        group[order] = np.append(0, np.cumsum(parted))
    together = np.flatnonzero(np.bincount(group, minlength=len(unit))[group] > 1)
    first, second = np.triu_indices(len(together), 1)
    pairs = np.column_stack([together[first], together[second]])
    pairs = pairs[group[pairs[:, 0]] == group[pairs[:, 1]]]
    return np.asarray(pairs[(np.abs(unit[pairs[:, 0]] - unit[pairs[:, 1]]) <= reach).all(axis=1)])


def _unlike(raw: Array, pairs: Pairs) -> NDArray[np.bool_]:
    """Which pairs of rows differ anywhere, shape (m,); inactive coordinates are alike."""
    one, other = raw[pairs[:, 0]], raw[pairs[:, 1]]
    return np.asarray(((one != other) & ~(np.isnan(one) & np.isnan(other))).any(axis=1))


def _reaches(losses: list[float]) -> list[float]:
    """From the lower median to the least of the losses before each one; 0 for the first."""
    ordered, out = list[float](), list[float]()
    for loss in losses:
        out.append(ordered[(len(ordered) - 1) // 2] - ordered[0] if ordered else 0.0)
        insort(ordered, loss)
    return out
