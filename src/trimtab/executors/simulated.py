"""Runs tasks at once but tells their ends in the order of a simulated clock: days of tuning in seconds.

A discrete-event simulation. When a slot is free, the next job runs to its end in the calling thread,
and only its record, the reports and the outcome, is laid out on the simulated time line: the k-th of n reports
at start + k/n of its duration, the outcome at start + duration. `events` moves the clock to the
earliest moment and makes it happen. The idea of putting recorded times instead of waiting under an
unchanged tuning loop is that of Syne Tune's simulator (Salinas et al., "Syne Tune: A library for
large scale hyperparameter tuning and reproducible research", AutoML-Conf 2022).

While the record is made nobody knows the decisions to come, so `should_prune` answers False; when a
decision on the time line is not to go on, the rest of the record is dropped and the trial ends there as
PRUNED. This is what an objective does that asks after every report.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import NamedTuple, Self

from trimtab.base.clock import SimulatedClock
from trimtab.base.errors import InvalidArgument, message
from trimtab.base.outcomes import EndReason, TrialState, Verdict
from trimtab.base.ports import Ended, Job
from trimtab.base.records import Outcome, Params, Report
from trimtab.executors.context import Notes, RunContext
from trimtab.executors.outcome import failed, run_job

__all__ = ["SimulatedExecutor", "told_cost"]


def told_cost(params: Params, outcome: Outcome) -> float:
    """The cost that the trial observed, seconds; 1 where it told none."""
    seen = outcome.observation
    return 1.0 if seen is None or seen.cost is None else seen.cost


@dataclass(slots=True)
class _Run:
    """A job on the time line; `over` once its end was told."""

    job: Job
    start: float
    outcome: Outcome
    over: bool = False


class _Moment(NamedTuple):
    """Something that will happen: a report, or the end where `report` is None. Ordered by time, then arrival."""

    time: float
    order: int
    run: _Run
    report: Report | None


class SimulatedExecutor:
    """Several slots in simulated time, in the calling thread. Deterministic.

    The `timeout` of `events` and the time limits of jobs are simulated seconds. Seconds in outcomes and
    times in reports are simulated too. Where nothing runs, `events` returns at once and the clock stays.

    Arguments:
        slots: how many jobs run at once.
        clock: moved by `events`; give the same one to the study.
        duration: simulated seconds that a job takes, from its params and its outcome, finite and >= 0.
    """

    def __init__(
        self,
        slots: int,
        clock: SimulatedClock,
        duration: Callable[[Params, Outcome], float] = told_cost,
    ) -> None:
        if slots < 1:
            raise InvalidArgument(message("an executor needs at least one slot", got=slots, allowed=">= 1"))
        self._slots, self._clock, self._duration = slots, clock, duration
        self._waiting: deque[Job] = deque()
        self._running: dict[int, _Run] = {}
        self._line: list[_Moment] = []
        self._ended: list[Ended] = []
        self._order = 0

    @property
    def slots(self) -> int:
        """How many jobs run at once."""
        return self._slots

    def submit(self, job: Job) -> None:
        """Take a job; it starts at the present simulated time, or when a slot is free."""
        self._waiting.append(job)

    def events(self, timeout: float) -> list[Ended]:
        """The next end, with the clock moved to it; empty after `timeout` simulated seconds without one."""
        until = self._clock.now() + timeout
        while not self._ended:
            self._start_waiting()
            while self._line and self._line[0].run.over:
                heapq.heappop(self._line)
            if not self._line:
                break
            if self._line[0].time > until:
                self._clock.advance_to(until)
                break
            self._happen(heapq.heappop(self._line))
        ended, self._ended = self._ended, []
        return ended

    def _start_waiting(self) -> None:
        """Run jobs while slots are free, and lay their records out in time."""
        while self._waiting and len(self._running) < self._slots:
            job = self._waiting.popleft()
            record = _Record()
            context = RunContext(job.number, job.key, record)
            try:
                outcome = run_job(job.task, job.params, context)
                length = self._checked_duration(job, outcome)
            except BaseException:
                self._tell_cancelled(job.number, context.notes, 0.0)
                raise
            self._lay_out(job, outcome, length, record.reports)

    def _lay_out(self, job: Job, outcome: Outcome, length: float, reports: list[Report]) -> None:
        """Put a record on the time line, as far as the job's time limit lets it come."""
        limit = math.inf if job.timeout is None else job.timeout
        moments = [length * (place + 1) / len(reports) for place in range(len(reports))]
        if length > limit:
            text = f"the trial took longer than its time limit of {limit:g} s"
            outcome = replace(outcome, state=TrialState.FAIL, reason=EndReason.TIMEOUT, text=text, observation=None)
            length = limit
        run = _Run(job, self._clock.now(), replace(outcome, seconds=length))
        self._running[job.number] = run
        for moment, report in zip(moments, reports, strict=True):
            if moment <= limit:
                self._push(run.start + moment, run, report)
        self._push(run.start + length, run, None)

    def _checked_duration(self, job: Job, outcome: Outcome) -> float:
        length = float(self._duration(job.params, outcome))
        if not 0.0 <= length < math.inf:
            raise InvalidArgument(
                message(f"the simulated duration of trial {job.number} must be finite and >= 0", got=length)
            )
        return length

    def _push(self, moment: float, run: _Run, report: Report | None) -> None:
        heapq.heappush(self._line, _Moment(moment, self._order, run, report))
        self._order += 1

    def _happen(self, moment: _Moment) -> None:
        """Move the clock to a moment and let it happen."""
        self._clock.advance_to(moment.time)
        run = moment.run
        if moment.report is None:
            self._end(run, run.outcome)
            return
        decision = run.job.report(replace(moment.report, time=moment.time))
        if decision.verdict is not Verdict.GO_ON and not run.over:
            pruned = replace(
                run.outcome,
                state=TrialState.PRUNED,
                reason=EndReason.PRUNED,
                observation=None,
                text=decision.reason,
                error=None,
                seconds=moment.time - run.start,
            )
            self._end(run, pruned)

    def _end(self, run: _Run, outcome: Outcome) -> None:
        run.over = True
        del self._running[run.job.number]
        self._ended.append(Ended(run.job.number, outcome))

    def cancel(self, number: int) -> None:
        """End a job at the present simulated time."""
        run = self._running.get(number)
        if run is not None:
            notes = Notes(dict(run.outcome.params or {}), dict(run.outcome.parameters), dict(run.outcome.attributes))
            run.over = True
            del self._running[number]
            self._tell_cancelled(number, notes, self._clock.now() - run.start)
        for job in [job for job in self._waiting if job.number == number]:
            self._waiting.remove(job)
            self._tell_cancelled(number, Notes(), 0.0)

    def _tell_cancelled(self, number: int, notes: Notes, seconds: float) -> None:
        outcome = failed(EndReason.CANCELLED, "the trial was cancelled", notes, seconds)
        self._ended.append(Ended(number, outcome))

    def close(self) -> None:
        """Forget what waits and runs."""
        self._waiting.clear()
        self._running.clear()
        self._line.clear()
        self._ended.clear()

    def __enter__(self) -> Self:
        """Itself; closed at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(slots=True)
class _Record:
    """The channel of a run whose reports are told later."""

    reports: list[Report] = field(default_factory=list)

    def report(self, report: Report) -> None:
        """Keep it for its simulated time."""
        self.reports.append(report)

    def should_prune(self) -> bool:
        """Nobody has decided anything yet."""
        return False

    def note(self, notes: Notes) -> None:
        """Nothing to do: the context is in this process."""
