"""What may be known of a trial in a study with a reusable holdout, and writing it down.

Losses on the holdout go no further than this page: a complete, feasible trial is asked about once, and the log, which
tuners, reports and users read, gets the answer and the losses on the training part. Of any other trial it gets the
training part alone, and the holdout is not asked. Reports, gradients and attributes are taken as they are told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from trimtab.base.errors import InvalidObservation, message
from trimtab.base.events import Event, Stored, StudyStopped
from trimtab.base.history import History
from trimtab.base.holdout import HoldoutAnswer, HoldoutUsedUp, StaleAnswer
from trimtab.base.outcomes import EndReason, TrialState
from trimtab.base.patience import patiently
from trimtab.base.records import Observation, Outcome, StudyRecord
from trimtab.base.seeds import Key
from trimtab.space import Space
from trimtab.study.view import StudyView

if TYPE_CHECKING:
    from trimtab.trust.holdout import HoldoutInUse, ReusableHoldout

__all__ = ["USED_UP", "Shown", "append_shown", "check_told", "holdout_of", "rules_of", "used_up"]

USED_UP = "the holdout's budget is used up"
"""Why a study ends whose holdout answers no more."""

_PATIENCE = 30.0  # seconds of being overtaken by other answers


@dataclass(frozen=True, slots=True)
class Shown:
    """An outcome as the log may have it.

    Arguments:
        outcome: without anything of the holdout but what was answered.
        answer: of the holdout; None where it was not asked.
    """

    outcome: Outcome
    answer: HoldoutAnswer | None = None


def holdout_of(study: StudyRecord) -> HoldoutInUse | None:
    """A study's holdout; None where it has none."""
    if study.holdout is None:
        return None
    from trimtab.trust.holdout import HoldoutInUse

    return HoldoutInUse.of(study)


def rules_of(study: StudyRecord) -> ReusableHoldout | None:
    """The rules of a study's holdout; None where it has none."""
    found = holdout_of(study)
    return None if found is None else found.rules


def used_up(history: History[Space]) -> str:
    """Why no trial can be judged any more; empty while they can."""
    found = holdout_of(history.study)
    return USED_UP if found is not None and found.used_up else ""


def check_told(rules: ReusableHoldout, observation: Observation) -> None:
    """Refuse an observation that the holdout cannot be asked about.

    Raises:
        InvalidObservation: no losses, of another length, or out of range.
    """
    if observation.losses is None:
        sizes = rules.training.size, rules.holdout.size
        raise InvalidObservation(
            message(
                "the study has a holdout, which answers from per-example losses, and none were told",
                allowed=f"{sizes[0]} losses on the training part, then {sizes[1]} on the holdout, in every trial",
                do="return trimtab.Observation(value, losses=numpy.concatenate([training, holdout]))",
            )
        )
    rules.parts(observation.losses)


def append_shown(
    view: StudyView,
    outcome: Outcome,
    late: Callable[[History[Space]], bool],
    events: Callable[[History[Space], Shown], list[Event]],
) -> tuple[tuple[Stored, ...], History[Space]]:
    """Write what an outcome shows; asked again where another answer came first.

    Arguments:
        view: the study.
        outcome: as the trial told it, losses on the holdout included.
        late: whether the result comes too late to count, so that nothing is asked.
        events: what to write.

    Returns:
        What was written, and the history with it.

    Raises:
        StaleAnswer: others were faster for half a minute; nothing was written.
        Conflict: the trial's state refuses an event.
    """

    def attempt() -> tuple[Stored, ...]:
        history = view.refresh()
        return view.append(events(history, _shown(history, outcome, late)))

    stored = patiently(attempt, lambda error: isinstance(error, StaleAnswer), _PATIENCE)
    history = view.refresh()
    # The state of the holdout decides; this says it, where the study is shown.
    why = used_up(history)
    if why and history.study.stopped != why:
        view.append([StudyStopped(why)])
    return stored, history


def _shown(history: History[Space], outcome: Outcome, late: Callable[[History[Space]], bool]) -> Shown:
    """What the log may have of an outcome."""
    found, seen = holdout_of(history.study), outcome.observation
    if found is None or seen is None:
        return Shown(outcome)
    rules = found.rules
    hidden = replace(outcome, observation=_without_holdout(rules, seen))
    if outcome.state is not TrialState.COMPLETE or not seen.feasible or seen.losses is None or late(history):
        return Shown(hidden)
    try:
        answer, _ = rules.query(found.state, seen.losses, Key(history.study.seed, purpose="holdout"))
    except HoldoutUsedUp as error:
        return Shown(replace(hidden, state=TrialState.FAIL, reason=EndReason.HOLDOUT_USED_UP, text=str(error)))
    if rules.mechanism.best_so_far or hidden.observation is None:
        # A Ladder says nothing of a trial that does not lead: the search learns from the training part.
        return Shown(hidden, answer)
    return Shown(replace(outcome, observation=_valued(hidden.observation, answer.value)), answer)


def _without_holdout(rules: ReusableHoldout, seen: Observation) -> Observation | None:
    """An observation with the training part's mean for its value; None where its losses do not fit."""
    if not seen.finite:
        return seen.replace(losses=None, stderr=None)
    if seen.losses is None:
        return None
    try:
        training, _ = rules.parts(seen.losses)
    except InvalidObservation:
        return None
    return _valued(seen.replace(losses=training, stderr=None), float(training.mean()))


def _valued(seen: Observation, value: float) -> Observation:
    """An observation with another value of its only objective."""
    return seen.replace(values=dict.fromkeys(seen.values, value))
