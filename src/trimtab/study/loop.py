"""The tuning loop as one pure function: (state, signal) -> (state, commands).

Nothing here touches a process, a clock or a database: a driver carries the commands out and feeds
back what happened, so the whole policy of a run (when to start a trial, when to run a lost one
again, when to stop, what an exception does) can be read and tested on this page.

A run is in one of three moods: it starts trials while `stopping` is empty; then it waits for those
that run; when none runs, it finishes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from trimtab.base.outcomes import EndReason, TrialState
from trimtab.base.records import Outcome

__all__ = [
    "Began",
    "Cancel",
    "Command",
    "Ended",
    "Finish",
    "Interrupted",
    "LoopState",
    "NothingToStart",
    "Reap",
    "Reaped",
    "Signal",
    "Start",
    "Started",
    "StopAsked",
    "Tell",
    "Ticked",
    "Wait",
    "step",
]


# What the driver tells the loop.


@dataclass(frozen=True, slots=True)
class Began:
    """The run begins."""


@dataclass(frozen=True, slots=True)
class Started:
    """A trial was claimed, proposed and handed to the executor. `losses`: how often it was lost before."""

    number: int
    losses: int = 0


@dataclass(frozen=True, slots=True)
class NothingToStart:
    """There was no trial to start. `final`: nor will there be one, whatever ends."""

    why: str
    final: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """A trial of this run ended."""

    number: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time has passed: now it is `now`, seconds since the Unix epoch."""

    now: float


@dataclass(frozen=True, slots=True)
class Reaped:
    """Trials of dead workers were marked lost; `requeued` of them wait to be run again."""

    requeued: int


@dataclass(frozen=True, slots=True)
class StopAsked:
    """Somebody asked the study to stop: start nothing more, let the running trials end."""

    why: str


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Ctrl-C or a termination signal: end the running trials now."""


Signal: TypeAlias = Began | Started | NothingToStart | Ended | Ticked | Reaped | StopAsked | Interrupted


# What the loop asks of the driver.


@dataclass(frozen=True, slots=True)
class Start:
    """Start one trial; answer with `Started` or `NothingToStart`."""


@dataclass(frozen=True, slots=True)
class Tell:
    """Write a trial's end to the storage; with `retry`, enqueue its configuration again in the same breath."""

    number: int
    outcome: Outcome
    retry: bool


@dataclass(frozen=True, slots=True)
class Cancel:
    """End a running trial."""

    number: int


@dataclass(frozen=True, slots=True)
class Reap:
    """Look for trials whose worker is dead; answer with `Reaped`."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait for something to end, for a moment at most; answer with `Ended`s and a `Ticked`."""


@dataclass(frozen=True, slots=True)
class Finish:
    """The run is over. `error` is the outcome whose exception the caller must see, if any."""

    why: str
    error: tuple[int, Outcome] | None = None


Command: TypeAlias = Start | Tell | Cancel | Reap | Wait | Finish


@dataclass(frozen=True, slots=True)
class LoopState:
    """All the loop remembers.

    Arguments:
        slots: how many trials may run at once.
        quota: how many trials this run may still start; None for no limit.
        deadline: when to stop starting trials, seconds since the Unix epoch; None for never.
        retries: how often a lost configuration is run again.
        most_failures: stop after so many failed trials in a row; None for never.
        catch: exceptions of the objective that only fail their trial; any other ends the run.
        reap_every: seconds between two looks for dead workers.
        running: number of each trial in the executor -> how often its configuration was lost before.
        failures: failed trials in a row so far.
        idle: why there was nothing to start when last asked; empty when there may be something.
        stopping: why no more trials are started; empty while they are.
        reaped_at: when dead workers were last looked for.
        error: the trial whose exception ends the run.
    """

    slots: int
    quota: int | None = None
    deadline: float | None = None
    retries: int = 2
    most_failures: int | None = None
    catch: tuple[type[BaseException], ...] = ()
    reap_every: float = 15.0
    running: Mapping[int, int] = field(default_factory=dict)
    failures: int = 0
    idle: str = ""
    stopping: str = ""
    reaped_at: float = 0.0
    error: tuple[int, Outcome] | None = None


def step(state: LoopState, signal: Signal) -> tuple[LoopState, tuple[Command, ...]]:
    """One step of the loop. Pure.

    The last command is always the one that brings the next signal: `Start`, `Reap`, `Wait` or `Finish`.
    """
    if isinstance(signal, Started):
        quota = None if state.quota is None else state.quota - 1
        state = replace(state, running={**state.running, signal.number: signal.losses}, quota=quota)
    elif isinstance(signal, NothingToStart):
        state = replace(state, idle=signal.why)
        if signal.final:
            state = _stopping(state, signal.why)
    elif isinstance(signal, Ended):
        return _ended(state, signal)
    elif isinstance(signal, Ticked):
        if state.deadline is not None and signal.now >= state.deadline:
            state = _stopping(state, "the time limit is reached")
        if not state.stopping and signal.now - state.reaped_at >= state.reap_every:
            return replace(state, reaped_at=signal.now), (Reap(),)
    elif isinstance(signal, Reaped):
        state = replace(state, idle="" if signal.requeued else state.idle)
    elif isinstance(signal, StopAsked):
        state = _stopping(state, signal.why)
    elif isinstance(signal, Interrupted):
        state = _stopping(state, "interrupted")
        return state, (*(Cancel(number) for number in state.running), _next(state))
    return state, (_next(state),)


def _ended(state: LoopState, signal: Ended) -> tuple[LoopState, tuple[Command, ...]]:
    """A trial ended: tell it, perhaps run it again, perhaps stop."""
    number, outcome = signal.number, signal.outcome
    running = dict(state.running)
    losses = running.pop(number, 0)
    cancelled = outcome.reason is EndReason.CANCELLED
    retry = cancelled or (outcome.reason.retriable and losses < state.retries)
    failed = outcome.state is TrialState.FAIL and not cancelled
    state = replace(
        state,
        running=running,
        failures=state.failures + 1 if failed else state.failures if cancelled else 0,
        # Room for the retry: what was lost does not use up what the caller asked for.
        quota=state.quota + 1 if retry and state.quota is not None else state.quota,
        idle="" if retry else state.idle,
    )
    commands: list[Command] = [Tell(number, outcome, retry)]
    if _raises(state, outcome) and state.error is None:
        state = replace(_stopping(state, f"trial {number} raised"), error=(number, outcome))
        commands.extend(Cancel(other) for other in running)
    elif state.most_failures is not None and state.failures >= state.most_failures:
        state = _stopping(state, f"{state.failures} trials in a row failed")
    return state, (*commands, _next(state))


def _raises(state: LoopState, outcome: Outcome) -> bool:
    """Whether the outcome is an exception that nobody asked to catch.

    Running out of memory, time or a worker, and divergence, are findings about a configuration, so
    they never end a run; a bug in the objective would only fail every trial after it.
    """
    if outcome.reason not in (EndReason.ERROR, EndReason.INVALID):
        return False
    if outcome.error is None:
        return not any(issubclass(Exception, caught) for caught in state.catch)
    return not isinstance(outcome.error, state.catch)


def _stopping(state: LoopState, why: str) -> LoopState:
    """Start nothing more; the first reason stands."""
    return replace(state, stopping=state.stopping or why)


def _next(state: LoopState) -> Command:
    """The command that brings the next signal."""
    out_of_quota = state.quota is not None and state.quota <= 0
    if not state.stopping and not state.idle and not out_of_quota and len(state.running) < state.slots:
        return Start()
    if state.running:
        return Wait()
    return Finish(state.stopping or state.idle or "the trials asked for are done", state.error)
