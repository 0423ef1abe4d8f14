"""Noise or roughness: one trial beside the best one tells them apart.

Where a global model suspects noise, a trial goes within `trimtab.surrogates.beside.STEP` of the best one in every
coordinate, and not to the same place. It matters to a local search whether the two tell the same, since it is held by a
lucky trial where there is noise, and goes on to gain where there is none.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from trimtab.base.seeds import Key
from trimtab.surrogates.beside import STEP, continuous, filled_unit
from trimtab.surrogates.evidence import Evidence
from trimtab.surrogates.untried import keys
from trimtab.tuners.values.view import View

__all__ = ["is_waiting", "probe"]

Array = NDArray[np.float64]


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
    gaps, _ = cKDTree(filled_unit(view.space, evidence.raw)).query(filled_unit(view.space, view.pending), p=np.inf)
    return bool((np.asarray(gaps) <= 2.0 * STEP).any())
