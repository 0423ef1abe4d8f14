"""Noise or roughness: one trial beside the best one tells them apart.

Values that scatter about a smooth model do so because they are noisy, or because the function has structure finer than
the trials' distances; the trials that a global model has cannot say which. It matters to a local search, which is held by
a lucky trial where there is noise, and goes on to gain where there is none. Two trials within `STEP` of each other in
every coordinate, and not at the same place, which a cache or a fixed seed would answer with the same value, decide it:
`agreement` asks whether their losses differ by less than `EXACT` of the distance from the median to the best. With noise
of a standard deviation s, and r that distance, they do so by chance with a probability of about 0.56 EXACT r / s, so
once in some forty times where s is a tenth of r; a function of Hölder exponent 1/2 changes by a thousandth of its range.

The idea is that of estimating the level of computational noise by differences of nearby values: J. J. Moré and S. M. Wild,
"Estimating Computational Noise", SIAM Journal on Scientific Computing 33, 2011, reduced to the one bit that is needed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from trimtab.base.seeds import Key
from trimtab.space import Space
from trimtab.surrogates.evidence import Evidence
from trimtab.surrogates.untried import keys
from trimtab.tuners.values.view import View

__all__ = ["EXACT", "STEP", "agreement", "beside", "is_waiting", "probe"]

Array = NDArray[np.float64]

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
    """Pairs of rows that lie beside each other and told a loss, shape (m, 2), and which of them are equal, shape (m,)."""
    rows = np.flatnonzero(evidence.good)
    if len(rows) < 2:
        return np.empty((0, 2), dtype=np.intp), np.empty(0, dtype=np.bool_)
    unit = np.nan_to_num(space.to_unit(evidence.raw), nan=-1.0)
    pairs = rows[cKDTree(unit[rows]).query_pairs(2.0 * STEP, p=np.inf, output_type="ndarray")].reshape(-1, 2)
    first, second = pairs[(unit[pairs[:, 0]] != unit[pairs[:, 1]]).any(axis=1)].T
    # Halves, because the difference of two floats may overflow.
    losses = 0.5 * evidence.losses
    reach = float(np.quantile(losses[rows], 0.5, method="lower")) - float(losses[rows].min())
    return np.stack([first, second], axis=1), np.abs(losses[first] - losses[second]) <= EXACT * reach


def probe(view: View, key: Key) -> Array | None:
    """A raw configuration (d,) beside the best told trial; None where no parameter is continuous, or none fits."""
    space, evidence = view.space, view.evidence(len(view.told))
    free = np.array([column.kind == "float" and column.size is None for column in space.columns], dtype=np.bool_)
    if not evidence.good.any() or not free.any():
        return None
    raw = evidence.raw[int(np.nanargmin(evidence.losses))]
    centre = space.to_unit(raw[None, :])[0]
    free &= ~np.isnan(centre)
    inwards = np.where(key.child("probe").generator().random(len(centre)) < 0.5, -1.0, 1.0)
    inwards = np.where(centre < 0.1, 1.0, np.where(centre > 0.9, -1.0, inwards))
    for sign in (1.0, -1.0):
        unit = np.clip(np.nan_to_num(centre, nan=0.5) + sign * STEP * inwards, 0.0, 1.0)
        there = np.where(free, space.from_unit(unit[None, :])[0], raw)
        fits = not space.all_constraints or bool(space.feasible_many(there[None, :])[0])
        if free.any() and fits and keys(there[None, :])[0] not in view.taken:
            return np.asarray(there)
    return None


def is_waiting(view: View) -> bool:
    """Whether a pending trial lies beside a told one."""
    evidence = view.evidence(len(view.told))
    if not len(view.pending) or not len(evidence.raw):
        return False
    told, pending = (np.nan_to_num(view.space.to_unit(raw), nan=-1.0) for raw in (evidence.raw, view.pending))
    gaps, _ = cKDTree(told).query(pending, p=np.inf)
    return bool((np.asarray(gaps) <= 2.0 * STEP).any())
