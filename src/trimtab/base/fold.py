"""The rules: what an event makes of a trial and of a study, and which events are refused.

Every storage applies the same pure functions inside its transaction, and a history applies them when
it reads, so what is derived is the same everywhere, and what is refused is refused by everyone.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from trimtab.base.errors import Conflict, message
from trimtab.base.events import (
    Event,
    LeaseRenewed,
    Reported,
    SpaceChanged,
    SplitOpened,
    SplitSealed,
    Stored,
    StudyAttribute,
    StudyCreated,
    StudyStopped,
    TrialAdded,
    TrialAsked,
    TrialAttribute,
    TrialClaimed,
    TrialEnqueued,
    TrialEvent,
    TrialReaped,
    TrialTold,
    TrialToldLate,
)
from trimtab.base.holdout import HoldoutAnswer
from trimtab.base.outcomes import EndReason, TrialState
from trimtab.base.records import FrozenTrial, Observation, StudyRecord

__all__ = ["admit", "advance_study", "advance_trial", "changes_study"]

_LEASED = (TrialAsked, LeaseRenewed, Reported)


def admit(trial: FrozenTrial | None, event: TrialEvent) -> TrialEvent:
    """The event as it may enter the log, given the trial's present state (None where it does not exist).

    A result under a lease that was lost becomes a `TrialToldLate`, for which no holdout is asked; everything else
    that does not fit is refused.

    Raises:
        Conflict: the trial's state refuses the event; the log stays as it is.
    """
    if isinstance(event, TrialEnqueued | TrialAdded):
        if trial is not None:
            raise Conflict(message(f"trial {event.number} exists already", got=trial.state.name))
        return event
    if isinstance(event, TrialClaimed) and (trial is None or trial.state is TrialState.WAITING):
        return event
    if trial is None:
        raise Conflict(
            message(f"there is no trial {event.number} in this study", do="ask for a trial with study.ask()")
        )
    if isinstance(event, TrialAttribute | TrialToldLate):
        return event
    if isinstance(event, TrialClaimed):
        raise Conflict(message(f"trial {trial.number} cannot be claimed: it is {trial.state.name}"))
    held = trial.state is TrialState.RUNNING and trial.token == event.token
    if held:
        return event
    if isinstance(event, TrialTold) and (trial.reason is EndReason.LEASE_LOST or trial.token != event.token):
        return TrialToldLate(event.number, event.token, _unanswered(event), event.text)
    if isinstance(event, TrialTold) and trial.state.finished:
        raise Conflict(
            message(
                f"trial {trial.number} was already told: it is {trial.state.name}",
                got=dict(trial.values) or None,
                do="ask for a new trial with study.ask(); a result never changes",
            )
        )
    raise Conflict(
        message(
            f"trial {trial.number} is not held under this lease",
            got=f"{trial.state.name}, lease {trial.token}, event {event.kind} under lease {event.token}",
            do="drop this run: the trial was lost and may be running elsewhere",
        )
    )


def _unanswered(event: TrialTold) -> Observation | None:
    """The observation without what the holdout said: its value is the mean of the losses that may be shown."""
    seen = event.observation
    if event.answer is None or seen is None or seen.losses is None:
        return seen
    with np.errstate(invalid="ignore"):  # infinite losses of both signs have no mean: nan says so
        mean = float(seen.losses.mean())
    return seen.replace(values=dict.fromkeys(seen.values, mean))


def advance_trial(trial: FrozenTrial | None, stored: Stored) -> FrozenTrial:
    """The trial after an admitted event. Pure; `reports` are kept by whoever needs curves."""
    event, time = stored.event, stored.time
    if isinstance(event, TrialEnqueued):
        return FrozenTrial(
            number=event.number,
            state=TrialState.WAITING,
            params=event.params,
            retry_of=event.retry_of,
            created=time,
            attributes=event.attributes,
        )
    if isinstance(event, TrialAdded):
        return FrozenTrial(
            number=event.number,
            state=event.state,
            params=event.params,
            observation=event.observation,
            reason=event.reason,
            text=event.text,
            created=time,
            started=time,
            ended=time,
            tuner="added",
            attributes=event.attributes,
        )
    if isinstance(event, TrialClaimed):
        born = trial or FrozenTrial(number=event.number, state=TrialState.WAITING, created=time)
        return born.with_(
            state=TrialState.RUNNING,
            worker=event.worker,
            token=event.token,
            expires=event.expires,
            started=time,
        )
    if trial is None:
        raise ValueError(f"event {event.kind} at place {stored.seq} belongs to a trial that was never made")
    return _advance_existing(trial, event, time)


def _advance_existing(trial: FrozenTrial, event: Event, time: float) -> FrozenTrial:
    """`advance_trial` for the events of a trial that is there."""
    if isinstance(event, TrialAsked):
        return trial.with_(params=event.params, seen=event.seen, tuner=event.tuner, why=event.why)
    if isinstance(event, LeaseRenewed):
        return trial.with_(expires=event.expires)
    if isinstance(event, TrialTold):
        return trial.with_(
            state=event.state,
            reason=event.reason,
            observation=event.observation,
            text=event.text,
            ended=time,
            params=trial.params if event.params is None else event.params,
            attributes={**trial.attributes, **event.attributes} if event.attributes else trial.attributes,
        )
    if isinstance(event, TrialToldLate):
        if event.observation is None:
            return trial
        return trial.with_(attempts=(*trial.attempts, event.observation))
    if isinstance(event, TrialReaped):
        return trial.with_(state=TrialState.FAIL, reason=EndReason.LEASE_LOST, text=event.text, ended=time)
    if isinstance(event, TrialAttribute):
        return trial.with_(attributes={**trial.attributes, event.name: event.value})
    return trial


def changes_study(event: Event) -> bool:
    """Whether the event changes the study's own record (and not only a trial)."""
    if isinstance(event, TrialTold | TrialAdded):
        return bool(event.parameters) or event.answer is not None
    return isinstance(event, StudyCreated | SpaceChanged | StudyAttribute | StudyStopped | SplitSealed | SplitOpened)


def advance_study(name: str, study: StudyRecord | None, stored: Stored) -> StudyRecord:
    """The study's record after an event for which `changes_study` holds. Pure.

    Raises:
        StaleAnswer: a holdout's answer that does not follow on the last one.
        Conflict: an answer in a study without a holdout, a second sealed split, or a second opening.
    """
    event = stored.event
    if isinstance(event, StudyCreated):
        return StudyRecord(
            name=name,
            objectives=event.objectives,
            seed=event.seed,
            space=event.space,
            tuner=event.tuner,
            created=stored.time,
            holdout=event.holdout,
        )
    if study is None:
        raise ValueError(f"the log of study {name!r} does not begin with its creation, but with {event.kind}")
    if isinstance(event, SpaceChanged):
        # A wider space may have more to give, so a study that had ended goes on.
        return study.with_(space=event.space, notes=(*study.notes, event.why), stopped="")
    if isinstance(event, StudyAttribute):
        return study.with_(attributes={**study.attributes, event.name: event.value})
    if isinstance(event, StudyStopped):
        return study.with_(stopped=event.why)
    if isinstance(event, SplitSealed):
        return _sealed(study, event)
    if isinstance(event, SplitOpened):
        return _opened(study, event)
    if isinstance(event, TrialTold | TrialAdded):
        if event.parameters:
            # The first declaration of a name stands; a later one by a racing worker must not replace it.
            parameters: Mapping[str, object] = {**event.parameters, **study.parameters}
            study = study.with_(parameters=parameters)
        return study if event.answer is None else _answered(study, event.number, event.answer)
    return study


def _answered(study: StudyRecord, number: int, answer: HoldoutAnswer) -> StudyRecord:
    """The record after the holdout answered for a trial."""
    if study.holdout is None:
        raise Conflict(message(f"study {study.name!r} has no holdout that could have answered", got=answer.to_json()))
    return study.with_(holdout_state=study.holdout_state.advanced(answer, number))


def _sealed(study: StudyRecord, event: SplitSealed) -> StudyRecord:
    """The record after a split was sealed."""
    if study.sealed is not None:
        raise Conflict(
            message(
                f"study {study.name!r} has a sealed split already",
                allowed="one for each study",
                do="go on with that one: a split that is chosen after a look at another is no test",
            )
        )
    return study.with_(sealed={"examples": event.examples, "opening": None})


def _opened(study: StudyRecord, event: SplitOpened) -> StudyRecord:
    """The record after the sealed split was opened."""
    if study.sealed is None:
        raise Conflict(message(f"study {study.name!r} has no sealed split", do="seal one first: study.seal(examples)"))
    seen = study.sealed["opening"]
    if seen is not None:
        raise Conflict(
            message(
                f"the sealed split of study {study.name!r} was opened once, for trial {seen[0]}; a second look would "
                "be a choice, and it would no longer be a test",
                got=f"trial {event.trial}",
                do="report what it said: study.sealed",
            )
        )
    opening = [event.trial, event.mean, event.low, event.high, event.level]
    return study.with_(sealed={**study.sealed, "opening": opening})
