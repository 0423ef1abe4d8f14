"""Runs jobs in worker processes on this machine, so that nothing a trial does can end the study.

Workers are fresh interpreters (`trimtab.executors.worker`), not forks and not children of
`multiprocessing`: a fork copies locks that other threads hold, and `multiprocessing`'s fresh
interpreters run the user's script again, which then needs a guard. They live for many trials, are
started when the first job needs them and replaced when they die.

    the worker ...                        the trial is told as
    dies by a signal, or calls os._exit   FAIL, KILLED, with the signal's name or the exit code
    overruns the job's time limit         FAIL, TIMEOUT; its whole process group is killed
    is cancelled                          FAIL, CANCELLED; killed if it does not stop within a grace period
    ran out of memory                     FAIL, OUT_OF_MEMORY; the worker is replaced, so nothing of it stays

`events` is the only place that waits, for all pipes and deaths at once.
"""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from dataclasses import replace
from multiprocessing.connection import wait
from types import TracebackType
from typing import Any, Self

from trimtab.base.errors import ExecutorError, InvalidArgument, message
from trimtab.base.outcomes import EndReason, Verdict
from trimtab.base.ports import Ended, Job, Task
from trimtab.base.records import Outcome
from trimtab.executors.context import Notes
from trimtab.executors.deaths import cause_of_death
from trimtab.executors.outcome import cancelled, failed
from trimtab.executors.protocol import (
    Cancel,
    Decided,
    Finished,
    FromWorker,
    Noted,
    Ready,
    Reported,
    Running,
    unpack_outcome,
)
from trimtab.executors.transport import dump_task
from trimtab.executors.worker_process import Parcel, Run, WorkerProcess, worker_environment

__all__ = ["ProcessExecutor"]

_LOADING_LIMIT = 120.0  # seconds that importing the objective's modules may take where a trial has a time limit
_LOADING_TEXT = "the worker process did not come to the end of loading the objective"
_LAST_MOMENT = 1.0  # seconds between a closed connection and the death that explains it
_FAREWELL = 2.0  # seconds that idle workers have to end by themselves
_FAILED_STARTS = 3  # workers in a row that die before they are ready
_MESSAGES_AT_ONCE = 64  # of one worker, before others and the clock get their turn


class ProcessExecutor:
    """Worker processes on this machine. Not for use from several threads at once.

    A trial's time limit begins when its task is loaded. Where nothing runs, `events` returns at once.
    An exception that `job.report` raises passes out of `events`; the trial goes on.

    Arguments:
        slots: how many workers run at once.
        grace: seconds that a cancelled trial has to stop by itself, as `should_prune` tells it to.
    """

    def __init__(self, slots: int, grace: float = 2.0) -> None:
        if slots < 1 or not grace >= 0.0:
            raise InvalidArgument(
                message("a ProcessExecutor needs slots >= 1 and grace >= 0", got=f"slots={slots}, grace={grace}")
            )
        self._slots, self._grace = slots, grace
        self._waiting: deque[tuple[Job, Parcel]] = deque()
        self._workers: list[WorkerProcess] = []
        self._ended: list[Ended] = []
        self._latest: tuple[Task[Any], Parcel] | None = None
        self._failed_starts = 0
        self._closed = False

    @property
    def slots(self) -> int:
        """How many workers run at once."""
        return self._slots

    def submit(self, job: Job) -> None:
        """Take a job; starts a worker if one is needed.

        Raises:
            InvalidArgument: the task cannot be pickled, or the executor is closed.
        """
        if self._closed:
            raise InvalidArgument(message("this executor is closed", do="make a new one"))
        self._waiting.append((job, self._parcel(job.task)))
        self._dispatch()

    def _parcel(self, task: Task[Any]) -> Parcel:
        """The task, pickled once for as long as it is the same."""
        if self._latest is None or self._latest[0] is not task:
            self._latest = task, Parcel(dump_task(task))
        return self._latest[1]

    def _dispatch(self) -> None:
        """Give waiting jobs to idle workers, and start workers for the others while slots are free."""
        for worker in list(self._workers):
            if self._waiting and worker.ready and worker.run is None:
                self._begin(worker)
        starting = sum(not worker.ready for worker in self._workers)
        while starting < len(self._waiting) and len(self._workers) < self._slots:
            self._workers.append(WorkerProcess(worker_environment(os.environ, self._slots, _cores())))
            starting += 1

    def _begin(self, worker: WorkerProcess) -> None:
        now = time.monotonic()
        job, parcel = self._waiting[0]
        # Noted down first, so that an interrupt between these lines leaves a job that can be cancelled.
        worker.run = Run(job, now, None if job.timeout is None else now + max(job.timeout, _LOADING_LIMIT))
        self._waiting.popleft()
        try:
            worker.begin(job, parcel)
        except OSError:  # it died while it was idle: the job has not begun
            worker.run = None
            self._waiting.appendleft((job, parcel))
            self._bury(worker)

    def events(self, timeout: float) -> list[Ended]:
        """What ended, after waiting `timeout` seconds at most for the first.

        Raises:
            ExecutorError: worker processes cannot be started; the text has what they printed.
        """
        until = time.monotonic() + timeout
        self._end_torn()
        while not self._ended:
            self._dispatch()
            if not self._waiting and all(worker.run is None for worker in self._workers):
                break
            self._listen(until)
            self._enforce_limits()
            if time.monotonic() >= until:
                break
        self._dispatch()
        ended, self._ended = self._ended, []
        return ended

    def _listen(self, until: float) -> None:
        """Wait for a sign of any worker, until a moment on the monotonic clock or the next deadline."""
        runs = [worker.run for worker in self._workers if worker.run is not None]
        deadline = min([until, *(run.deadline for run in runs if run.deadline is not None)])
        signs = {id(sign): worker for worker in self._workers for sign in worker.signs}
        ready = wait([sign for worker in self._workers for sign in worker.signs], max(0.0, deadline - time.monotonic()))
        for worker in dict.fromkeys(signs[id(sign)] for sign in ready):
            self._hear(worker)

    def _hear(self, worker: WorkerProcess) -> None:
        """Take what a worker has to say, a bounded number of messages, or its death."""
        worker.output.drain()
        for _ in range(_MESSAGES_AT_ONCE):
            if not worker.has_message():
                if worker.is_dead():
                    self._bury(worker)
                return
            try:
                received = worker.receive()
            except (EOFError, OSError):
                self._bury(worker)
                return
            if self._take(worker, received):
                return

    def _take(self, worker: WorkerProcess, received: FromWorker) -> bool:
        """Take note of one message; true where it was the last of its trial."""
        run = worker.run
        if isinstance(received, Ready):
            worker.ready, self._failed_starts = True, 0
        elif run is None or received.number != run.job.number:
            pass  # a thread that outlived its trial speaks; there is nobody left to listen
        elif isinstance(received, Running):
            self._start_clock(run)
        elif isinstance(received, Noted):
            run.notes.add(received.notes)
        elif isinstance(received, Reported):
            worker.torn = False  # what the loop raises does no harm to the connection
            self._decide(worker, run, received)
        else:
            self._finish(worker, run, received)
        worker.torn = False
        return isinstance(received, Finished)

    def _start_clock(self, run: Run) -> None:
        run.began, run.loaded = time.monotonic(), True
        if not run.cancelled:
            run.deadline = None if run.job.timeout is None else run.began + run.job.timeout

    def _decide(self, worker: WorkerProcess, run: Run, reported: Reported) -> None:
        """Ask the loop; the trial gets an answer even where that fails."""
        stop = False
        try:
            stop = run.job.report(reported.report).verdict is not Verdict.GO_ON
        finally:
            self._say(worker, Decided(run.job.number, stop))

    def _finish(self, worker: WorkerProcess, run: Run, finished: Finished) -> None:
        outcome = replace(unpack_outcome(finished), output=worker.output.text())
        self._tell(worker, cancelled(outcome) if run.cancelled else outcome)
        if outcome.reason is EndReason.OUT_OF_MEMORY:
            self._remove(worker, 0.0)

    def _tell(self, worker: WorkerProcess, outcome: Outcome) -> None:
        """The worker's job has ended."""
        if worker.run is not None:
            self._ended.append(Ended(worker.run.job.number, outcome))
            worker.run = None

    def _say(self, worker: WorkerProcess, word: Decided | Cancel) -> None:
        """Tell a worker something; one that is gone does not mind, and its death is noticed elsewhere."""
        try:
            worker.send(word)
        except OSError:
            return

    def _enforce_limits(self) -> None:
        """Kill what is over its time."""
        for worker in list(self._workers):
            run = worker.run
            if run is not None and run.deadline is not None and time.monotonic() >= run.deadline:
                what = f"the trial took longer than its time limit of {run.job.timeout} s"
                self._kill(worker, EndReason.TIMEOUT, what if run.loaded else _LOADING_TEXT)

    def _kill(self, worker: WorkerProcess, reason: EndReason, text: str) -> None:
        """End a worker in the middle of its job."""
        self._remove(worker, 0.0)
        self._tell_lost(worker, reason, text)

    def _bury(self, worker: WorkerProcess) -> None:
        """A worker died, or closed its connection: its job is lost."""
        code = self._remove(worker, _LAST_MOMENT)
        self._tell_lost(worker, EndReason.KILLED, cause_of_death(code))
        if not worker.ready:
            self._count_failed_start(worker, code)

    def _remove(self, worker: WorkerProcess, patience: float) -> int | None:
        worker.torn = True  # an interrupt in the next line leaves a worker that must not be listened to
        code = worker.bury(patience)
        self._workers.remove(worker)
        return code

    def _tell_lost(self, worker: WorkerProcess, reason: EndReason, text: str) -> None:
        """The job of a worker that is gone ended for some reason, or as cancelled if it was."""
        run = worker.run
        if run is None:
            return
        if run.cancelled:
            reason, text = EndReason.CANCELLED, "the trial was cancelled while it ran"
        self._tell(worker, failed(reason, text, run.notes, run.seconds, worker.output.text()))

    def _end_torn(self) -> None:
        """Kill workers whose connection an interrupt left in the middle of a message."""
        for worker in [worker for worker in self._workers if worker.torn]:
            self._kill(worker, EndReason.CANCELLED, "an interrupt struck while the worker spoke with the study")

    def _count_failed_start(self, worker: WorkerProcess, code: int | None) -> None:
        """A worker was gone before it was ready: bad luck where a signal ended it, but a fault otherwise."""
        self._failed_starts += 1
        if code is None or code >= 0 or self._failed_starts >= _FAILED_STARTS:
            raise ExecutorError(
                message(
                    f"worker processes cannot be started: {cause_of_death(code)}. It printed:\n{worker.output.text()}",
                    do=f"see whether '{sys.executable} -m trimtab.executors.worker' starts, or use executor='inline'",
                )
            )

    def cancel(self, number: int) -> None:
        """End a job: one that waits at once; one that runs is asked to, and killed after the grace period."""
        for item in [item for item in self._waiting if item[0].number == number]:
            self._waiting.remove(item)
            outcome = failed(EndReason.CANCELLED, "the trial was cancelled before it ran", Notes(), 0.0)
            self._ended.append(Ended(number, outcome))
        for worker in self._workers:
            run = worker.run
            if run is not None and run.job.number == number and not run.cancelled:
                run.cancelled = True
                run.deadline = time.monotonic() + self._grace
                self._say(worker, Cancel(number))

    def close(self) -> None:
        """End every worker: idle ones by themselves within a moment, busy ones at once."""
        self._closed, self._latest = True, None
        self._waiting.clear()
        self._ended.clear()
        idle = [worker for worker in self._workers if worker.ready and worker.run is None]
        for worker in idle:
            worker.dismiss()
        until = time.monotonic() + _FAREWELL
        while self._workers:
            worker = self._workers[-1]
            worker.bury(max(0.0, until - time.monotonic()) if worker in idle else 0.0)
            self._workers.pop()

    def __enter__(self) -> Self:
        """Itself; closed at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _cores() -> int:
    """How many cores this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
