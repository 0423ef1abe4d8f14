"""How global trials and local steps keep out of each other's way.

A tuner that looks at the whole space and a local search that shares its trials disturb one another in two ways. The
local search leaves dozens of trials in one corner, which say nothing about the rest and, as close as they are, make a
covariance singular and a rough function look like a noisy one: `thinned` leaves them out of the global model. And in
the grip of such a cluster, or on a plateau, where no value that is told nearby lowers what is expected, expected
improvement may stay beside the best for ever, though small steps are the local search's business: `spaced` keeps
global trials at a distance.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trimtab.space import Space
from trimtab.surrogates.beside import beside
from trimtab.surrogates.evidence import Evidence
from trimtab.tuners.values.quasi_newton import NAME as QUASI_NEWTON
from trimtab.tuners.values.standing import NAME

__all__ = ["BESIDE", "spaced", "thinned"]

Array = NDArray[np.float64]

BESIDE = 0.02
"""Unit coordinates within which a better trial speaks for a local step, and which a global one keeps from all."""

FARTHEST = 0.15
"""The most that a global one has to keep."""

WIDEST = 0.4
"""The most that it has to keep from trials that share the best value."""


def thinned(evidence: Evidence, space: Space) -> Evidence:
    """Evidence without the local steps that ended beside a better trial, or an earlier one that is as good.

    And without probes (`trimtab.tuners.values.probing`) that told what the trial beside them did.
    """
    pairs, equal = beside(evidence, space)
    repeated = pairs[equal].max(axis=1)
    if repeated.size:
        evidence = evidence[np.setdiff1d(np.arange(len(evidence.losses)), repeated)]
    steps = evidence.proposed_by(NAME) | evidence.proposed_by(QUASI_NEWTON)
    local = np.flatnonzero(steps & evidence.good)
    if not local.size:
        return evidence
    unit = space.to_unit(evidence.raw)
    kept = np.ones(len(evidence.losses), dtype=np.bool_)
    for row in local.tolist():
        better = evidence.losses <= evidence.losses[row]
        better[row:] &= evidence.losses[row:] < evidence.losses[row]
        kept[row] = not (_gaps(unit[[row]], unit[better]) < BESIDE).any()
    return evidence[np.flatnonzero(kept)]


def spaced(evidence: Evidence, space: Space, raw: Array) -> NDArray[np.bool_]:
    """Which rows (m, d) are far enough from what was told.

    How far that is grows with the trials since the best one, and around trials that share the best value with their
    number.
    """
    if not evidence.good.any():
        return np.ones(len(raw), dtype=np.bool_)
    stale = len(evidence.losses) - 1 - int(np.nanargmin(evidence.losses))
    tied = evidence.losses == np.nanmin(evidence.losses)
    gaps = _gaps(space.to_unit(raw), space.to_unit(evidence.raw))
    apart = gaps.min(axis=1) >= min(BESIDE * (1.0 + 0.1 * stale), FARTHEST)
    return np.asarray(apart & (gaps[:, tied].min(axis=1) >= min(2.0 * BESIDE * (tied.sum() - 1), WIDEST)))


def _gaps(here: Array, there: Array) -> Array:
    """Largest differences of unit coordinates, inactive ones at -1: (m, d) and (n, d) give (m, n)."""
    out = np.zeros((len(here), len(there)))
    for ours, theirs in zip(np.nan_to_num(here, nan=-1.0).T, np.nan_to_num(there, nan=-1.0).T, strict=True):
        np.maximum(out, np.abs(ours[:, None] - theirs), out=out)
    return out
