"""From an outcome to the log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, TypeAlias

from trimtab.base.errors import InvalidArgument, InvalidSpace, message
from trimtab.base.events import Event, TrialTold
from trimtab.base.history import History
from trimtab.base.outcomes import EndReason, TrialState
from trimtab.base.records import FrozenTrial, Json, Outcome
from trimtab.space import Space, parameter_from_json
from trimtab.study.held_out import Shown, append_shown, rules_of
from trimtab.study.leases import retry_event
from trimtab.study.observe import observe
from trimtab.study.view import StudyView

__all__ = ["Told", "check_declarations", "outcome_told", "tell_outcome"]

Told: TypeAlias = Literal["complete", "pruned", "fail"]


def outcome_told(history: History[Space], values: object, state: Told | None) -> Outcome:
    """What a caller told, as an outcome.

    Arguments:
        history: of the study that it must fit.
        values: as an objective may return them; None with a state that needs none.
        state: "pruned" or "fail" for a trial that told nothing.

    Raises:
        InvalidArgument: another state.
        InvalidObservation: the values do not fit the study.
    """
    if state not in (None, "complete", "pruned", "fail"):
        raise InvalidArgument(message("unknown state", got=state, allowed="'complete', 'pruned', 'fail' or None"))
    observation = None
    if values is not None or state in (None, "complete"):
        space = None if history.space.is_traced else history.space
        holdout = rules_of(history.study) if state in (None, "complete") else None
        observation = observe(values, history.objectives, space, holdout)
    if state == "pruned":
        return Outcome(TrialState.PRUNED, EndReason.PRUNED, observation)
    if state == "fail" or observation is None:
        return Outcome(TrialState.FAIL, EndReason.ERROR, observation, text="told as failed")
    return Outcome.observed(observation)


def tell_outcome(view: StudyView, trial: FrozenTrial, outcome: Outcome, retry: bool = False) -> FrozenTrial:
    """Write a trial's end; with `retry`, enqueue its configuration again in the same transaction.

    Arguments:
        view: the study.
        trial: as it was leased; its token is the one the result comes under.
        outcome: how it ended.
        retry: whether to run the configuration again.

    Returns:
        The trial as it now stands. Where the lease had been lost, the result was kept as a late attempt. Where a
        holdout has no answer left, the trial failed with the reason HOLDOUT_USED_UP.

    Raises:
        Conflict: the trial was told before.
        UnknownName: the study is gone.
    """

    def late(history: History[Space]) -> bool:
        known = history.trial(trial.number)
        return known.state is not TrialState.RUNNING or known.token != trial.token

    def events(history: History[Space], shown: Shown) -> list[Event]:
        seen = shown.outcome
        told = TrialTold(
            number=trial.number,
            token=trial.token,
            state=seen.state,
            reason=seen.reason,
            observation=seen.observation,
            text=seen.text,
            output=seen.output,
            params=seen.params if history.space.is_traced else None,
            parameters=_new_parameters(history, seen.parameters),
            attributes=seen.attributes,
            answer=shown.answer,
        )
        return [told, retry_event(history.trial(trial.number))] if retry else [told]

    _, after = append_shown(view, outcome, late, events)
    return after.trial(trial.number)


def _new_parameters(history: History[Space], parameters: Mapping[str, Json]) -> dict[str, Json]:
    """The declarations that the study does not know yet."""
    known = history.study.parameters
    return {name: data for name, data in parameters.items() if name not in known}


def check_declarations(history: History[Space], number: int, outcome: Outcome) -> Outcome:
    """The outcome, failed where a define-by-run objective declared a known name as something else."""
    known = history.study.parameters
    for name, data in outcome.parameters.items():
        if name in known and known[name] != data:
            was, now = parameter_from_json(known[name]), parameter_from_json(data)
            error = InvalidSpace(
                message(
                    f"trial {number} declared parameter {name!r} as {now}, but in earlier trials it was {was}",
                    allowed="one declaration a name, the same in every trial",
                    do="use another name, or a declared space and study.migrate() to change a range",
                )
            )
            return replace(
                outcome,
                state=TrialState.FAIL,
                reason=EndReason.INVALID,
                text=str(error),
                error=error,
                parameters={},
            )
    return outcome
