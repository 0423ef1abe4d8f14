"""Noise or roughness: one trial beside the best one tells them apart.

Values that scatter about a smooth model do so because they are noisy, or because the function has structure finer than
the trials' distances; the trials that a global model has cannot say which. It matters to a local search, which is held
by a lucky trial where there is noise, and goes on to gain where there is none. Two trials within `STEP` of each other
in every coordinate, and not at the same place, which a cache or a fixed seed would answer with the same value, decide
it: `agreement` asks whether their losses differ by less than `EXACT` of the distance from the median to the best. With
noise of a standard deviation s, and r that distance, they do so by chance with a probability of about 0.56 EXACT r /
s, so once in thirty-five times where s is a tenth of r; a function of Hölder exponent 1/2 changes by a thousandth of
its range.

The idea is that of estimating the level of computational noise by differences of nearby values: J. J. Moré and S. M.
Wild, "Estimating Computational Noise", SIAM Journal on Scientific Computing 33, 2011, reduced to the one bit that is
needed.
"""

from __future__ import annotations

from bisect import insort

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.space import Space
from trimtab.surrogates.evidence import Evidence
from trimtab.surrogates.untried import keys
from trimtab.tuners.values.view import View

__all__ = ["EXACT", "PROBING_REFS", "STEP", "agreement", "beside", "continuous", "is_waiting", "probe"]

Array = NDArray[np.float64]

PROBING_REFS = (
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
    """Whether trials beside each other told equal losses; None where there are none.

    Arguments:
        evidence: what was told.
        space: whose coordinates it has.
    """
    told, equal = beside(evidence, space)
    return bool(equal.all()) if len(told) else None


def beside(evidence: Evidence, space: Space) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Pairs of trials beside each other, by rows in ascending order (m, 2), and which of them told the same (m,).

    What is the same is judged by the trials before the later one, so that it stays what it was found to be.

    Arguments:
        evidence: what was told, in the order of the trials' numbers.
        space: whose coordinates it has.
    """
    rows = np.flatnonzero(evidence.good)
    if len(rows) < 2 or not continuous(space).any():
        return np.empty((0, 2), dtype=np.intp), np.empty(0, dtype=np.bool_)
    unit = _filled(space, evidence.raw)
    found = cKDTree(unit[rows]).query_pairs(2.0 * STEP, p=np.inf, output_type="ndarray")
    pairs = np.sort(rows[found].reshape(-1, 2), axis=1)
    pairs = pairs[(unit[pairs[:, 0]] != unit[pairs[:, 1]]).any(axis=1)]
    # Halves, because the difference of two floats may overflow.
    halves = 0.5 * evidence.losses
    reach = np.zeros(len(halves))
    reach[rows] = _reaches(halves[rows].tolist())
    return pairs, np.abs(halves[pairs[:, 0]] - halves[pairs[:, 1]]) <= EXACT * reach[pairs[:, 1]]


def _reaches(losses: list[float]) -> list[float]:
    """From the lower median to the least of the losses before each one; 0 for the first."""
    ordered, out = list[float](), list[float]()
    for loss in losses:
        out.append(ordered[(len(ordered) - 1) // 2] - ordered[0] if ordered else 0.0)
        insort(ordered, loss)
    return out


def probe(view: View, evidence: Evidence, key: Key) -> Array | None:
    """A raw configuration (d,) beside the best one; None where no parameter of it is continuous, or none fits.

    Arguments:
        view: the study so far.
        evidence: what it was told.
        key: of the trial.
    """
    space = view.space
    if not evidence.good.any():
        return None
    best = evidence.raw[int(np.nanargmin(evidence.losses))]
    centre = space.to_unit(best[None, :])[0]
    free = continuous(space) & ~np.isnan(centre)
    sides = np.where(key.child("probe").generator().random(len(centre)) < 0.5, -STEP, STEP)
    for side in (sides, -sides):
        unit = np.nan_to_num(centre, nan=0.5) + side
        unit = np.where((unit < 0.0) | (unit > 1.0), unit - 2.0 * side, unit)
        raw = np.where(free, space.from_unit(unit[None, :])[0], best)
        fits = not space.all_constraints or bool(space.feasible_many(raw[None, :])[0])
        if free.any() and fits and keys(raw[None, :])[0] not in view.taken:
            return np.asarray(raw)
    return None


def is_waiting(view: View, evidence: Evidence) -> bool:
    """Whether a pending trial lies beside a told one.

    Arguments:
        view: the study so far.
        evidence: what it was told.
    """
    if not len(view.pending) or not len(evidence.raw) or not continuous(view.space).any():
        return False
    gaps, _ = cKDTree(_filled(view.space, evidence.raw)).query(_filled(view.space, view.pending), p=np.inf)
    return bool((np.asarray(gaps) <= 2.0 * STEP).any())


def continuous(space: Space) -> NDArray[np.bool_]:
    """Which columns take a step as small as one likes, shape (d,)."""
    return np.array([column.kind == "float" and column.size is None for column in space.columns], dtype=np.bool_)


def _filled(space: Space, raw: Array) -> Array:
    """Unit coordinates of rows (n, d), inactive ones at -1."""
    return np.nan_to_num(space.to_unit(raw), nan=-1.0)
