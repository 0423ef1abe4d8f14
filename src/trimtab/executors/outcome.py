"""Runs a task once and turns whatever happens into an `Outcome`.

    the task ...                                      state     reason
    gives an observation, every value finite          COMPLETE  COMPLETED
    gives an observation with nan or an infinity      FAIL      DIVERGED, the observation is kept
    raises TrialPruned                                PRUNED    PRUNED
    raises InvalidObservation, gives something else   FAIL      INVALID
    raises MemoryError or any `OutOfMemoryError`      FAIL      OUT_OF_MEMORY
    raises any other exception, or SystemExit         FAIL      ERROR

A pruned trial has no observation: its curve, which the loop has as reports, is all that it told, and
the value after a third of the training is no observation of the objective. `KeyboardInterrupt` is
the user's word to the loop and not the trial's end; it passes through.
"""

from __future__ import annotations

import os
import time
import traceback
from dataclasses import replace
from types import TracebackType
from typing import Any

from trimtab.base.errors import InvalidObservation, TrialError, TrialPruned, TrimtabError, message
from trimtab.base.outcomes import EndReason, TrialState
from trimtab.base.ports import Task
from trimtab.base.records import Observation, Outcome, Params
from trimtab.executors.context import Notes, RunContext

__all__ = ["cancelled", "failed", "run_job"]

_LONGEST_TEXT = 20_000
_PACKAGE = os.path.dirname(os.path.dirname(__file__))
_MACHINERY = tuple(os.path.join(_PACKAGE, room, "") for room in ("executors", "study"))


def run_job(task: Task[Any], params: Params, context: RunContext) -> Outcome:
    """Run a task in the calling thread.

    Arguments:
        task: what to run.
        params: its configuration.
        context: what it may say and ask; what it notes there goes into the outcome.

    Returns:
        How it ended. `params` is set for define-by-run only, `seconds` is wall time.
    """
    start = time.perf_counter()
    ending = _ending(task, params, context)
    return _with_notes(replace(ending, seconds=time.perf_counter() - start), context.notes)


def _ending(task: Task[Any], params: Params, context: RunContext) -> Outcome:
    """The outcome without its notes and time."""
    try:
        return _observed(task.run(params, context))
    except TrialPruned as pruned:
        return Outcome(TrialState.PRUNED, EndReason.PRUNED, text=str(pruned))
    except InvalidObservation as error:
        return _raised(EndReason.INVALID, error, error)
    except SystemExit as error:
        # Handed on as it is, it would end the program of whoever raises the trial's error.
        stand_in = TrialError(
            message(f"the objective called sys.exit({error.code!r})", do="raise an exception instead")
        )
        stand_in.__cause__ = error
        return _raised(EndReason.ERROR, error, stand_in)
    except Exception as error:  # noqa: BLE001 - whatever an objective raises is its trial's result
        return _raised(EndReason.OUT_OF_MEMORY if _out_of_memory(error) else EndReason.ERROR, error, error)


def _observed(observation: object) -> Outcome:
    """The outcome of a task that came to its end."""
    if not isinstance(observation, Observation):
        raise InvalidObservation(
            message("a task must return an Observation", got=observation, do="return trimtab.Observation(value)")
        )
    return Outcome.observed(observation)


def _raised(reason: EndReason, error: BaseException, handed_on: BaseException) -> Outcome:
    return Outcome(TrialState.FAIL, reason, text=_text(error), error=handed_on)


def _out_of_memory(error: Exception) -> bool:
    """Whether memory ran out, the machine's or an accelerator's (PyTorch has a class of its own for that)."""
    return isinstance(error, MemoryError) or any(cls.__name__ == "OutOfMemoryError" for cls in type(error).__mro__)


def _text(error: BaseException) -> str:
    """The exception and its traceback from the user's first line on.

    An error that trimtab's machinery raised about what the objective did is its message alone.
    """
    frames = _user_frames(error.__traceback__)
    if frames is None and isinstance(error, TrimtabError):
        return str(error)
    lines = traceback.TracebackException(type(error), error, frames or error.__traceback__).format()
    return _bounded("".join(lines).rstrip())


def _user_frames(frames: TracebackType | None) -> TracebackType | None:
    """The traceback without the frames of the executor and the loop that called the objective."""
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(_MACHINERY):
        frames = frames.tb_next
    return frames


def _bounded(text: str) -> str:
    """The text, cut in the middle where it is too long to be stored with every trial."""
    half = _LONGEST_TEXT // 2
    if len(text) <= _LONGEST_TEXT:
        return text
    return f"{text[:half]}\n... ({len(text) - 2 * half} characters left out) ...\n{text[-half:]}"


def _with_notes(outcome: Outcome, notes: Notes) -> Outcome:
    return replace(
        outcome, params=notes.params or None, parameters=dict(notes.parameters), attributes=dict(notes.attributes)
    )


def failed(reason: EndReason, text: str, notes: Notes, seconds: float, output: str = "") -> Outcome:
    """The outcome of a trial that cannot tell its end itself, such as one whose process died.

    Arguments:
        reason: why it ended.
        text: for people.
        notes: what it had noted before.
        seconds: how long it ran.
        output: the last part of what it printed.
    """
    return _with_notes(Outcome(TrialState.FAIL, reason, text=text, output=output, seconds=seconds), notes)


def cancelled(outcome: Outcome) -> Outcome:
    """The outcome of a trial that was cancelled while it ran.

    A result that it came to all the same is kept, because it is as true as any other.
    """
    if outcome.state is TrialState.COMPLETE:
        return outcome
    text = "the trial was cancelled while it ran"
    return replace(outcome, state=TrialState.FAIL, reason=EndReason.CANCELLED, text=text, observation=None, error=None)
