"""Carries out what the pure loop commands: the only place that touches tuner, executor and storage together."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable

from trimtab.base.clock import Clock
from trimtab.base.errors import TrimtabError
from trimtab.base.events import Reported
from trimtab.base.outcomes import Decision, EndReason, TrialState, Verdict
from trimtab.base.ports import Executor, Job, Pruner, Task, Tuner
from trimtab.base.records import FrozenTrial, Outcome, Report
from trimtab.base.seeds import Key
from trimtab.space import Space
from trimtab.study.asking import Nothing, ask_trial
from trimtab.study.interrupts import InterruptGate
from trimtab.study.leases import LeaseKeeper, losses_before, reap
from trimtab.study.loop import (
    Began,
    Cancel,
    Command,
    Ended,
    Finish,
    Interrupted,
    LoopState,
    NothingToStart,
    Reap,
    Reaped,
    Signal,
    Start,
    Started,
    StopAsked,
    Tell,
    Ticked,
    Wait,
    step,
)
from trimtab.study.telling import check_declarations, tell_outcome
from trimtab.study.view import StudyView
from trimtab.study.workers import worker_name

__all__ = ["Driver"]

_CANCELLED = Outcome(TrialState.FAIL, EndReason.CANCELLED, text=EndReason.CANCELLED.text)


class Driver:
    """One run of a study.

    Arguments:
        view: the study.
        tuner, pruner, executor, task: what proposes, stops, runs and is run.
        keeper: keeps the leases.
        clock: tells the time.
        lease: seconds that a lease lasts.
        limit: no new trial is made once the study holds so many; None for no limit.
        trial_timeout: seconds that one trial may take; None for no limit.
        told: called with every trial of this run that ended.
        stop_asked: tells why the run should stop; empty while it should not.
    """

    def __init__(
        self,
        *,
        view: StudyView,
        tuner: Tuner[Space],
        pruner: Pruner[Space] | None,
        executor: Executor,
        task: Task[Space],
        keeper: LeaseKeeper,
        clock: Clock,
        lease: float,
        limit: int | None,
        trial_timeout: float | None,
        told: Callable[[FrozenTrial], None],
        stop_asked: Callable[[], str],
    ) -> None:
        self._view, self._tuner, self._pruner = view, tuner, pruner
        self._executor, self._task, self._keeper, self._clock = executor, task, keeper, clock
        self._lease, self._limit, self._trial_timeout = lease, limit, trial_timeout
        self._told, self._stop_asked = told, stop_asked
        self._worker = worker_name()
        self._trials: dict[int, FrozenTrial] = {}
        self._signals: deque[Signal] = deque()
        self._gate = InterruptGate()
        self._interrupted = False
        self._stopping = False

    def run(self, state: LoopState) -> Finish:
        """Run the loop until it finishes.

        A first Ctrl-C ends the running trials and finishes; a second one is raised at once.
        """
        self._signals.extend((Began(), Ticked(self._clock.now())))
        with self._gate:
            try:
                while True:
                    state, commands = step(state, self._next_signal())
                    for command in commands:
                        if isinstance(command, Finish):
                            return command
                        self._carry_out(command, state)
            except BaseException:
                self._abandon()
                raise

    def _next_signal(self) -> Signal:
        why = "" if self._stopping else self._stop_asked()
        if why:
            self._stopping = True
            return StopAsked(why)
        return self._signals.popleft() if self._signals else Ticked(self._clock.now())

    def _carry_out(self, command: Command, state: LoopState) -> None:
        if self._signals and not isinstance(command, Tell | Cancel):
            return  # something happened already; the loop will command again when it has heard of it
        if isinstance(command, Start):
            self._signals.append(self._start())
        elif isinstance(command, Tell):
            self._tell(command)
        elif isinstance(command, Cancel):
            self._executor.cancel(command.number)
        elif isinstance(command, Reap):
            requeued = reap(self._view.storage, self._view.refresh(), self._clock.now(), state.retries)
            self._signals.append(Reaped(requeued))
        elif isinstance(command, Wait):
            self._wait(state.deadline)

    def _start(self) -> Signal:
        found = ask_trial(self._view, self._tuner, self._worker, self._lease, self._limit)
        if isinstance(found, Nothing):
            return NothingToStart(found.why, found.final)
        self._trials[found.number] = found
        self._keeper.hold(found.number, found.token, found.expires)
        history = self._view.refresh()
        job = Job(
            number=found.number,
            token=found.token,
            task=self._task,
            params=found.params or {},
            key=Key(history.study.seed, found.number, "run"),
            timeout=self._trial_timeout,
            report=lambda report: self._report(found, report),
        )
        self._executor.submit(job)
        return Started(found.number, losses_before(history, found))

    def _report(self, trial: FrozenTrial, report: Report) -> Decision:
        """Write a point of a curve down and let the pruner judge."""
        self._view.append([Reported(trial.number, trial.token, report.step, report.metrics)])
        if self._pruner is None:
            return Decision(Verdict.GO_ON, "the study has no pruner")
        history = self._view.with_curves()
        return self._pruner.decide(history, history.trial(trial.number))

    def _tell(self, command: Tell) -> None:
        trial = self._trials.pop(command.number)
        self._keeper.release(command.number)
        self._told(tell_outcome(self._view, trial, command.outcome, command.retry))

    def _wait(self, deadline: float | None) -> None:
        began = self._clock.now()
        left = self._clock.moment
        if deadline is not None:
            left = min(left, max(0.0, deadline - began))
        try:
            with self._gate.opened():
                ended = self._executor.events(left)
        except KeyboardInterrupt:
            if self._interrupted:
                raise
            self._interrupted = True
            self._signals.append(Interrupted())
            return
        if not ended and self._interrupted and self._clock.now() - began < left / 2:
            # An executor that does not wait has nothing that runs. What the loop still takes to be running
            # was lost when the interrupt struck between the end of a trial and the news of it.
            self._signals.extend(Ended(number, _CANCELLED) for number in self._trials)
        for event in ended:
            outcome = check_declarations(self._view.refresh(), event.number, event.outcome)
            self._signals.append(Ended(event.number, outcome))
        self._signals.append(Ticked(self._clock.now()))

    def _abandon(self) -> None:
        """The run breaks off: what was running is told as cancelled and waits to be run again."""
        for number, trial in self._trials.items():
            self._keeper.release(number)
            # Where even this cannot be written, the lease runs out and the trial is found that way.
            with contextlib.suppress(TrimtabError):
                tell_outcome(self._view, trial, _CANCELLED, retry=True)
