"""Descents along told gradients, from several starts, as a tuner and as the finish of others.

Needs values, and derivatives by the parameters that are to move. A global model of values and derivatives finds a basin
in few trials and takes many more to its bottom; a descent is the other way round. Here each ask

1. stands at the best trial of the present descent, and leaves the parameters without derivatives, such as categories,
   as they are there: other tuners, which see values, choose these;
2. proposes the next step of the descent along the others, by a quadratic learnt from the told slopes in a trust region;
   `trimtab.surrogates.secant` has its equations.

The first descent begins at the first trials. It ends at the bottom, where the last steps gained nothing worth
mentioning, and q predicts no more; where its bottom, as predicted after some steps, will not come below the best trial
of all; where it meets the one that leads; and after failures in a row. Then the next one begins, at a point of the
study's Sobol sequence near the middle of the space. Where that ends too, the one that leads goes on for another digit,
and so by turns. Where another tuner improves on the best trial of all, the leader goes on from there if it is near,
else a new one begins there.

The slopes may be those of another function than the values are, and either may be noisy. So each short step is a test
of both: on a smooth function the values differ by the mean slope times the step, but for terms of third order. Where
most of the last ones fail it, no more are proposed.

All of it is a fold over the told trials, each of which carries the name of the tuner that proposed it; there is no
other state, so a replay, a restart and a parallel run agree. While a step is pending there is no second one.

Source: of a step, see there. Descents from points spread over the space are A. H. G. Rinnooy Kan and G. T. Timmer,
"Stochastic global optimization methods", Mathematical Programming 39, 1987. When one ends, and the test of the slopes,
are this file's own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from trimtab.base.history import History
from trimtab.base.info import Info
from trimtab.base.records import Suggestion
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.space import Space
from trimtab.surrogates.evidence import Evidence
from trimtab.surrogates.secant import SECANT_REFS, SecantDescent
from trimtab.surrogates.untried import keys
from trimtab.tuners.values.initial_design import design_point
from trimtab.tuners.values.quasi_random import SOBOL_REFS
from trimtab.tuners.values.view import View

__all__ = ["NAME", "QUASI_NEWTON_REFS", "START", "QuasiNewton", "descend", "finish"]

Array = NDArray[np.float64]

NAME, START = "quasi-newton", "multi-start"
"""Who proposes the steps of descents, and the places where new ones begin."""

QUASI_NEWTON_REFS = (
    *SECANT_REFS,
    Reference(
        authors="Rinnooy Kan, Alexander H. G. and Timmer, Gerrit T.",
        title="Stochastic global optimization methods, part II: Multi level methods",
        year=1987,
        venue="Mathematical Programming 39, 57-78",
        doi="10.1007/BF02592071",
    ),
)

BOTTOM, FINER = 3e-3, 0.1
"""A descent is at its bottom where it gains less than so much of the distance from the median to the best. The one that
leads goes on for the finer of it after each other one that began."""

MERGED = 0.05
"""A descent that comes so near to the best trial of the leading one goes to the same bottom, and is over."""

NEAR = 2.0
"""Another tuner's trial that is the best of all, and no more than so many radii away, is taken in by the leader."""

TESTED, SHORT, UNLIKE = 8, 0.1, 0.5
"""The last steps that are asked whether slopes and values agree, how long they may be, and how far apart these, as a
share of the larger."""

SHARE = 4
"""Trials of descents, in a shared study, for each one of the tuner that looks at the whole space."""

FEW, FIRST_LOOK = 8, 1
"""Up to so many parameters with derivatives, a tuner that shares its trials proposes so many first ones for each."""

EVERY = 3
"""One of so many starts may be anywhere, the others near the middle: most descents from the ends stay there."""

MOST = 1000
"""Trials read."""


@dataclass(slots=True)
class _Descent:
    """One descent among the trials of a study, as far as they were told.

    Arguments:
        raw, unit: of its best trial, shape (d,).
        free: columns that move, shape (f,).
        steps: the descent along these.
    """

    raw: Array
    unit: Array
    free: NDArray[np.intp]
    steps: SecantDescent

    @classmethod
    def at(cls, evidence: Evidence, unit: Array, row: int) -> _Descent | None:
        """A descent that begins at a trial; None where that told no loss or no derivatives."""
        free = np.flatnonzero(np.isfinite(evidence.gradients[row]))
        if not free.size or not math.isfinite(evidence.losses[row]):
            return None
        slope = evidence.gradients[row, free]
        steps = SecantDescent(unit[row, free], float(evidence.losses[row]), slope)
        return cls(evidence.raw[row], unit[row], free, steps)

    def told(self, evidence: Evidence, unit: Array, row: int, *, is_step: bool) -> tuple[float, float, float]:
        """Take in a trial nearby, a step of this descent or not.

        Returns:
            How far it is, by how much the loss rose, and by how much it should have by the slopes; nan where it failed.
        """
        loss, slope, place = float(evidence.losses[row]), evidence.gradients[row, self.free], unit[row, self.free]
        before = self.steps.place, self.steps.loss, self.steps.slope
        (self.steps.step_told if is_step else self.steps.told)(place, loss, slope)
        if not (math.isfinite(loss) and np.isfinite(slope).all()):
            return math.nan, math.nan, math.nan
        if loss < before[1]:
            self.raw, self.unit = evidence.raw[row], unit[row]
        step = place - before[0]
        return float(np.abs(step).max()), loss - before[1], 0.5 * float((before[2] + slope) @ step)

    def is_within(self, distance: float, raw: Array, unit: Array) -> bool:
        """Whether a trial differs by no more than a distance in each coordinate, and only in what moves."""
        same = (raw == self.raw) | (np.isnan(raw) & np.isnan(self.raw))
        same[self.free] = np.abs(unit - self.unit)[self.free] <= distance
        return bool(same.all())


def descend(view: View, key: Key) -> tuple[Array, str, str] | None:
    """The next step or start: a raw configuration (d,) that was not tried, who proposes it, and why.

    None where no trial told derivatives, where a step or start is pending, and where slopes and values do not agree.
    """
    if NAME in view.proposers or START in view.proposers:
        return None
    evidence = _scaled(view.evidence(MOST))
    state = _fold(evidence, view.space.to_unit(evidence.raw))
    if state is None or not state.agrees():
        return None
    present = state.next_descent()
    if present is not None:
        step, gain = present.steps.target()
        raw = _snapped(view, present, step)
        if raw is not None:
            radius = f"a radius of {present.steps.radius:.2g}"
            return raw, NAME, f"minimum of a quadratic model by gradients in {radius}, a gain of {gain:.2g}"
    # At the bottom, or no step is left that was not tried.
    found = design_point(view.space, view.taken, key.child(NAME), inwards=state.begun % EVERY != EVERY - 1)
    return None if found is None else (found[0], START, f"{found[1]}, to descend from")


def finish(view: View, key: Key) -> tuple[Array, str, str] | None:
    """What `descend` says, for a tuner that shares its trials with descents; None where the turn is its own.

    In few dimensions the other tuner begins: some trials of a model that learns from slopes find the basin to descend
    in. In more they find none, and the first descent begins in the middle. It has all turns until it ends: nothing
    else comes down as fast. Then the other tuner has one turn before each new start, and one after each `SHARE` steps.
    """
    evidence = view.evidence(MOST)
    moving = int(np.isfinite(evidence.gradients).any(axis=0).sum())
    if not moving:
        return None
    descents = [name in (NAME, START) for name in (*evidence.proposers, *view.proposers)]
    if not any(descents) and moving <= FEW and len(descents) < FIRST_LOOK * moving:
        return None
    is_first = not any(descents) or all(descents[descents.index(True) :])
    if all(descents[-SHARE:]) and not is_first:
        return None
    found = descend(view, key)
    return None if found is not None and found[1] == START and descents[-1] else found


def _scaled(evidence: Evidence) -> Evidence:
    """The evidence with losses and gradients in units of the steepest slope, so that their squares are numbers."""
    with np.errstate(over="ignore"):
        steepest = float(np.nanmax(np.abs(evidence.gradients), initial=0.0, where=evidence.good[:, None]))
        if not steepest > 0.0:
            return evidence
        return replace(evidence, losses=evidence.losses / steepest, gradients=evidence.gradients / steepest)


@dataclass(slots=True)
class _State:
    """Where the descents stand.

    Arguments:
        present: the one that began last.
        leader: the one whose best trial is the best of all that descents have told.
        begun: how many began at places of their own.
        spread: from the median of the told losses to the least, and that least.
        rises: how long each step was, by how much the loss rose, and by how much it should have by the slopes.
    """

    present: _Descent
    leader: _Descent
    begun: int = 0
    least: float = math.inf
    spread: float = 0.0
    rises: list[tuple[float, float, float]] = field(default_factory=list)

    def of(self, raw: Array, unit: Array) -> _Descent:
        """The descent that a step belongs to."""
        for descent in (self.present, self.leader):
            # A little more than the radius, for what snapping and rounding add.
            if descent.is_within(1.01 * descent.steps.radius, raw, unit):
                return descent
        return self.present

    def next_descent(self) -> _Descent | None:
        """The descent to go on with; None where a new one should begin."""
        finer = BOTTOM * FINER**self.begun * self.spread
        met = self.leader.is_within(MERGED, self.present.raw, self.present.unit)
        if not met and self.present.steps.why_over(self.least, BOTTOM * self.spread) is None:
            return self.present
        return self.leader if self.leader.steps.why_over(self.least, finer) is None else None

    def agrees(self) -> bool:
        """Whether values and slopes are those of one function, which only short steps can tell.

        Steps that changed little tell nothing either: at a bottom all differences are rounding.
        """
        length, told = np.split(np.array(self.rises).reshape(-1, 3), [1], axis=1)
        size = np.abs(told).max(axis=1, initial=0.0)
        telling = told[(size > BOTTOM * self.spread) & (length[:, 0] <= SHORT)][-TESTED:]
        unlike = np.abs(telling[:, 0] - telling[:, 1]) > UNLIKE * np.abs(telling).max(axis=1, initial=0.0)
        return len(telling) < TESTED // 2 or bool(unlike.mean() <= 0.5)


def _fold(evidence: Evidence, unit: Array) -> _State | None:
    """Where the descents stand after the told trials; None where no trial told enough for one."""
    state: _State | None = None
    steps, starts = evidence.proposed_by(NAME), evidence.proposed_by(START)
    least = math.inf
    for row, loss in enumerate(evidence.losses.tolist()):
        best, here = loss < least, (evidence.raw[row], unit[row])
        if state is not None and steps[row]:
            descent = state.of(*here)
            state.rises.append(descent.told(evidence, unit, row, is_step=True))
        elif state is not None and best and state.leader.is_within(NEAR * state.leader.steps.radius, *here):
            state.leader.told(evidence, unit, row, is_step=False)
        elif starts[row] or best:
            begun = _Descent.at(evidence, unit, row)
            if begun is not None and state is None:
                state = _State(begun, begun)
            elif begun is not None and state is not None:
                state.begun += int(starts[row])
                state.present = begun
        if best:
            least = loss
        if state is not None and state.present.steps.loss < state.leader.steps.loss:
            state.leader = state.present
    if state is not None:
        losses = evidence.losses[evidence.good]
        state.least, state.spread = float(losses.min()), float(np.median(losses)) - float(losses.min())
    return state


def _snapped(view: View, present: _Descent, step: Array) -> Array | None:
    """An untried configuration a step (f,) away, pulled back until it keeps the constraints of the space."""
    for factor in (1.0, 0.5, 0.25, 0.125):
        unit = np.where(np.isnan(present.unit), 0.5, present.unit)
        unit[present.free] = np.clip(unit[present.free] + factor * step, 0.0, 1.0)
        raw: Array = view.space.from_unit(unit[None, :])
        kept = not view.space.all_constraints or view.space.feasible_many(raw)[0]
        if kept and keys(raw)[0] not in view.taken:
            return np.asarray(raw[0])
    return None


@dataclass(frozen=True)
class QuasiNewton:
    """Descents along told gradients, from several starts.

    Where trials tell no derivatives, or such as do not agree with the values, it covers the space.
    """

    name: ClassVar[str] = NAME
    needs: ClassVar[Info] = Info.VALUES | Info.GRADIENTS
    refs: ClassVar[tuple[Reference, ...]] = QUASI_NEWTON_REFS + SOBOL_REFS

    def ask(self, history: History[Space], count: int, key: Key) -> list[Suggestion]:
        """`count` configurations; fewer where a small space has no more that were not tried."""
        view = View(history)
        out: list[Suggestion] = []
        for place in range(count):
            here = key.for_trial(key.trial + place)
            found = descend(view, here) if len(history.objectives) == 1 else None
            if found is None:
                # Not a descent's: under its name it would be taken for one of its steps.
                drawn = design_point(view.space, view.taken, here, inwards=not view.known)
                found = None if drawn is None else (drawn[0], "sobol", drawn[1])
            if found is None:
                break
            view.propose(found[0], found[1])
            out.append(Suggestion(history.space.decode(found[0]), found[1], found[2]))
        return out
