"""Where a local search stands after a history: its radius, and whose turn it is.

A tuner keeps no state (`trimtab.base.ports.Tuner`), so both are a fold over the trials that were told, of which each
carries the name of the tuner that proposed it. A replay, a parallel run and a restart so agree.

**The radius** begins at 0.4 f^(-1/3) for f coordinates that move, doubles where a local step of its full length
improved, and shrinks where one did not: up to three coordinates to half, among more by that power which halves it
after f / 3 failures. A failure among many coordinates says less about the radius than about the model, which has as
many directions to learn. Where a trial of another tuner improved, it opens again.

**The plateau** is for functions that are made of steps: error rates, counts, numbers that are rounded inside of what
is trained. A step that tells the very value of the best is the last one around it, and later ones are sought no nearer
than it was (constraints and levels may still pull one back), until something within that distance does improve.

**The turns** are shared with a tuner that looks at the whole space; see `is_local_turn`.

The rules of the radius are those of A. R. Conn, K. Scheinberg and L. N. Vicente, "Introduction to
Derivative-Free Optimization", SIAM, 2009, algorithm 10.1, without its test of actual against predicted decrease, since
predictions are not part of the history; the dependence on the number of coordinates, which stands for its steps
that improve the model, and the turns are this file's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trimtab.surrogates.evidence import Evidence

__all__ = ["LARGEST", "NAME", "SMALLEST", "Standing", "after", "is_local_turn", "patience", "standing"]

Array = NDArray[np.float64]

NAME = "trust-region"
"""The tuner whose trials are local steps."""

FIRST, LARGEST, SMALLEST = 0.4, 1.0, 1e-8
"""Radii in unit coordinates: at first along one (`first_radius`), at most, and where nothing is left to resolve."""

HALVED_BY = 3
"""Up to so many coordinates one failure halves the radius; among f of them it takes f / `HALVED_BY`."""

PATIENCE, SHARE, TURNS = 3, 5, 1
"""Local failures in a row that are borne, local steps for each other one while they pay, others for each after."""

RECENT = 0.9
"""What the gain of a trial counts when one more has followed it."""

WORTH = 1e-4
"""A gain below so much of the distance from the median to the best is polish: it does not count as success."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a local search stands after a history.

    Arguments:
        radius: of the trust region, unit coordinates.
        failures: steps in a row, of this tuner's, that gained nothing worth mentioning, while nobody else did.
        broken: steps in a row, of this tuner's, that failed or broke a constraint.
        flat: whether a step of this tuner's has told the very value of the best since that was found.
        plateau: length of the longest step that ever told the very value of the best, in the units of the radius; 0
            where there was none, or a trial within that distance of the best has improved on it since.
        since_other: this tuner's trials since the last one of another.
        since_local: others' trials since this tuner's last one.
        gain, other_gain: by how much a trial of this tuner's, and one of another's, lowered the best of late, on
            average, in units that both share.
    """

    radius: float
    failures: int
    broken: int
    flat: bool
    plateau: float
    since_other: int
    since_local: int
    gain: float
    other_gain: float


def standing(evidence: Evidence, unit: Array, local: NDArray[np.bool_], shape: Array) -> Standing:
    """The fold of told trials, in the order of their numbers.

    Arguments:
        evidence: what they told.
        unit: their unit coordinates, shape (n, d).
        local: which of them were local steps, shape (n,).
        shape: relative lengths of the ball's half-axes, shape (d,); nan for coordinates that stay as they are.
    """
    good = evidence.losses[evidence.good]
    worth = WORTH * (float(np.quantile(good, 0.5, method="lower")) - float(good.min())) if good.size else 0.0
    sides = np.where(np.isnan(shape), np.inf, shape)
    scaled = np.nan_to_num(unit) / sides
    best, least = -1, np.inf
    free = int(np.isfinite(sides).sum())
    radius, failures, broken, flat, plateau = first_radius(free), 0, 0, False, 0.0
    since_other, since_local = 0, 0
    for place, (loss, is_local) in enumerate(zip(evidence.losses.tolist(), local.tolist(), strict=True)):
        improved = loss < least
        pays = improved and least - loss > worth
        if not (is_local or improved):
            since_other, since_local = 0, since_local + 1
            continue
        length = 1.0 if best < 0 else float(np.linalg.norm(scaled[place] - scaled[best]))
        if is_local:
            since_other, since_local = since_other + 1, 0
            failures = 0 if pays else failures + 1
            broken = 0 if np.isfinite(loss) else broken + 1
            if loss == least:
                flat, plateau = True, max(plateau, length)
            radius = min(max(radius, 2.0 * length), LARGEST) if improved else _shrunk(radius, length, free)
        else:
            since_other, since_local = 0, since_local + 1
            if pays:
                failures = 0
            if improved:
                radius = max(radius, min(first_radius(free), 2.0 * length))
        if improved:
            plateau = plateau if length >= plateau else 0.0
            best, least, flat = place, loss, False
    gains = recent_gains(evidence.losses, local)
    return Standing(radius, failures, broken, flat, plateau, since_other, since_local, *gains)


def first_radius(free: int) -> float:
    """The radius of the first step along so many columns.

    Shorter where there are many: their first steps are there to learn the slopes, which hold near by only.
    """
    return float(FIRST * max(free, 1) ** (-1.0 / 3.0))


def _shrunk(radius: float, length: float, free: int) -> float:
    """The radius after a step of some length that failed."""
    half = 0.5 * min(radius, max(length, 0.2 * radius))
    return float(radius * (half / radius) ** min(1.0, HALVED_BY / max(free, 1)))


def recent_gains(losses: Array, local: NDArray[np.bool_]) -> tuple[float, float]:
    """By how much a local step, and a trial of another's, lowered the best of late: half of it, on average.

    Arguments:
        losses: nan where there is none, shape (n,).
        local: which trials were local steps, shape (n,).
    """
    before = np.append(np.nan, np.fmin.accumulate(losses)[:-1])
    # Halves, because the difference of two floats may overflow.
    gains = np.where(losses < before, 0.5 * before - 0.5 * losses, 0.0)
    shares = RECENT ** np.arange(len(losses) - 1, -1, -1.0)
    own, others = (
        float(shares[whose] @ gains[whose]) / (1.0 + float(shares[whose].sum())) for whose in (local, ~local)
    )
    return own, others


def after(state: Standing, proposers: Sequence[str]) -> Standing:
    """Where the turns stand once the pending trials, by whom they were proposed, are told too."""
    for name in proposers:
        own = name == NAME
        state = replace(
            state, since_other=state.since_other + 1 if own else 0, since_local=0 if own else state.since_local + 1
        )
    return state


def is_local_turn(state: Standing, free: int) -> bool:
    """Whether the next trial should be a local step, when another tuner looks at the whole space.

    While local steps improve on the best, and by more than the other tuner's trials do, they get all trials but every
    `SHARE`-th. Otherwise the turns are shared evenly: either the other tuner knows better where to go, or as many
    steps failed in a row as the model needs to learn from its failures, and the local search is at the bottom
    of its basin or in a landscape that is not smooth. Steps that failed or broke a constraint, of
    which the quadratic knows nothing, double the turns until the next one. On a plateau there is nothing to step
    down to, and at the bottom of a basin the numbers end; both show by a value that is the best's, and shorter steps
    would tell it again.
    """
    if state.flat:
        return False
    if state.broken:
        return bool(state.since_local >= 2**state.broken)
    if state.failures < patience(free) and state.gain >= state.other_gain:
        return state.since_other < SHARE
    return state.since_local >= TURNS


def patience(free: int) -> int:
    """How many local steps in a row may fail before their model has to prove itself, for `free` columns."""
    return PATIENCE + free // 4
