"""Runs one job at a time in the calling thread: the simplest executor, and the one to debug with."""

from __future__ import annotations

from collections import deque
from types import TracebackType
from typing import Self

from trimtab.base.outcomes import EndReason, Verdict
from trimtab.base.ports import Ended, Job
from trimtab.base.records import Outcome, Report
from trimtab.executors.context import Notes, RunContext
from trimtab.executors.outcome import cancelled, failed, run_job

__all__ = ["InlineExecutor"]


class InlineExecutor:
    """One slot in the calling thread.

    `events` runs the next job and returns when it has ended, whatever its `timeout` argument. A
    job's own time limit cannot be enforced from inside its thread: a trial that overran is told as it
    ended. `KeyboardInterrupt` passes out of `events`; the interrupted job is told as CANCELLED by the
    next call. So does an exception that `job.report` raises, which is the loop's own.
    What a trial prints goes where the program prints; `Outcome.output` is empty.
    """

    def __init__(self) -> None:
        self._waiting: deque[Job] = deque()
        self._ended: list[Ended] = []
        self._running: _DirectChannel | None = None

    @property
    def slots(self) -> int:
        """Always 1."""
        return 1

    def submit(self, job: Job) -> None:
        """Take a job; the next `events` runs it."""
        self._waiting.append(job)

    def events(self, timeout: float) -> list[Ended]:
        """What was cancelled since, or else the next job, run here and now; empty where none waits."""
        if not self._ended and self._waiting:
            job = self._waiting.popleft()
            self._ended.append(Ended(job.number, self._run(job)))
        ended, self._ended = self._ended, []
        return ended

    def _run(self, job: Job) -> Outcome:
        """Run a job; what must not be taken for its end leaves it CANCELLED and passes on."""
        channel = self._running = _DirectChannel(job)
        context = RunContext(job.number, job.key, channel)
        try:
            outcome = run_job(job.task, job.params, context)
            if channel.failure is not None:
                raise channel.failure
        except BaseException:
            text = "the trial was interrupted while it ran"
            self._ended.append(Ended(job.number, failed(EndReason.CANCELLED, text, context.notes, 0.0)))
            raise
        finally:
            self._running = None
        return cancelled(outcome) if channel.cancelled else outcome

    def cancel(self, number: int) -> None:
        """End a job: one that waits at once, the running one at its next `should_prune`."""
        if self._running is not None and self._running.job.number == number:
            self._running.cancelled = True
            return
        for job in [job for job in self._waiting if job.number == number]:
            self._waiting.remove(job)
            outcome = failed(EndReason.CANCELLED, "the trial was cancelled before it ran", Notes(), 0.0)
            self._ended.append(Ended(number, outcome))

    def close(self) -> None:
        """Forget what waits."""
        self._waiting.clear()
        self._ended.clear()

    def __enter__(self) -> Self:
        """Itself; closed at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _DirectChannel:
    """Calls the loop from inside the objective."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.cancelled = False
        self.failure: Exception | None = None
        self._stop = False

    def report(self, report: Report) -> None:
        """Tell the loop at once."""
        try:
            self._stop = self.job.report(report).verdict is not Verdict.GO_ON
        except Exception as error:
            self.failure = error
            raise

    def should_prune(self) -> bool:
        """The decision on the last report."""
        return self.cancelled or self._stop

    def note(self, notes: Notes) -> None:
        """Nothing to do: the context is in this process."""
