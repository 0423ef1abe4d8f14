"""The program of a worker process: `python -m trimtab.executors.worker`, started by `worker_process`.

The main thread runs trials, because some libraries insist on it. A second thread listens to the
study's process, so that decisions and cancellations arrive while an objective runs, and so that the
study never waits for a worker that is busy. Ctrl-C is for the study alone: it decides what becomes of
the running trials.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import queue
import signal
import sys
import threading
from multiprocessing.connection import Connection
from typing import Any, TextIO

from trimtab.base.info import Info
from trimtab.base.ports import Context, Task
from trimtab.base.records import Observation, Params, Report
from trimtab.executors.context import Notes, RunContext
from trimtab.executors.lifeline import die_with_parent
from trimtab.executors.outcome import run_job
from trimtab.executors.protocol import (
    Cancel,
    Decided,
    Finished,
    FromWorker,
    Load,
    Noted,
    Ready,
    Reported,
    Running,
    Setup,
    Start,
    pack_outcome,
    receive,
    send,
)

__all__ = ["main"]


class _PipeChannel:
    """A trial's way to the loop in the other process."""

    def __init__(self, worker: _Worker, number: int) -> None:
        self._worker, self.number = worker, number
        self._changed = threading.Condition()
        self._undecided = 0
        self._stop = False
        self._cancelled = False

    def report(self, report: Report) -> None:
        """Send a report and go on; the decision on it comes later."""
        with self._changed:
            self._undecided += 1
        self._worker.send(Reported(self.number, report))

    def should_prune(self) -> bool:
        """Wait for the decision on the last report."""
        with self._changed:
            self._changed.wait_for(lambda: self._cancelled or not self._undecided)
            return self._cancelled or self._stop

    def note(self, notes: Notes) -> None:
        """Send notes at once: they must outlive this process."""
        self._worker.send(Noted(self.number, notes))

    def decided(self, stop: bool) -> None:
        """The study answers one report."""
        with self._changed:
            self._undecided -= 1
            self._stop = stop
            self._changed.notify_all()

    def cancel(self) -> None:
        """The study gives the trial up."""
        with self._changed:
            self._cancelled = True
            self._changed.notify_all()


class _Unloadable:
    """Stands for a task that could not be loaded: every trial of it fails with the reason."""

    space = None
    provides = Info.VALUES

    def __init__(self, error: Exception) -> None:
        error.add_note("The task could not be loaded in the worker process.")
        self._error = error

    def run(self, params: Params, context: Context) -> Observation:
        """Fail."""
        raise self._error


class _Worker:
    """Runs one trial after the other until the study closes the connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._inbox: queue.SimpleQueue[bytes | tuple[Start, _PipeChannel] | None] = queue.SimpleQueue()
        self._current: _PipeChannel | None = None
        self._task: Task[Any] = _Unloadable(RuntimeError("no task was sent"))

    def send(self, message: FromWorker) -> None:
        """Send a message, from whichever thread of the objective."""
        with self._sending:
            send(self._connection, message)

    def serve(self) -> None:
        """Work until there is no more to do."""
        threading.Thread(target=self._listen, name="trimtab-listener", daemon=True).start()
        self.send(Ready())
        while (item := self._inbox.get()) is not None:
            if isinstance(item, bytes):
                self._task = _loaded(item)
            else:
                self.send(self._run(*item))
            del item

    def _listen(self) -> None:
        """Take every message as it comes."""
        try:
            while True:
                self._take(receive(self._connection))
        except (EOFError, OSError):
            self._inbox.put(None)

    def _take(self, message: Any) -> None:
        if isinstance(message, Load):
            self._inbox.put(self._connection.recv_bytes())
        elif isinstance(message, Start):
            self._current = _PipeChannel(self, message.number)
            self._inbox.put((message, self._current))
        elif self._current is not None and message.number == self._current.number:
            if isinstance(message, Decided):
                self._current.decided(message.stop)
            elif isinstance(message, Cancel):
                self._current.cancel()

    def _run(self, start: Start, channel: _PipeChannel) -> Finished:
        self.send(Running(start.number))
        outcome = run_job(self._task, start.params, RunContext(start.number, start.key, channel))
        # What C libraries still hold in their own buffers belongs to this trial's output.
        ctypes.CDLL(None).fflush(None)
        return pack_outcome(start.number, outcome)


def _loaded(data: bytes) -> Task[Any]:
    from trimtab.executors.transport import load_task

    try:
        return load_task(data)
    except Exception as error:  # noqa: BLE001 - loading imports and runs the user's modules
        return _Unloadable(error)


def _set_up(setup: Setup) -> None:
    """Become like the study's process, as far as an objective can see."""
    sys.path[:], sys.argv[:] = setup.path, setup.argv
    if setup.pythonpath is None:
        os.environ.pop("PYTHONPATH", None)
    else:
        os.environ["PYTHONPATH"] = setup.pythonpath
    for stream in (sys.stdout, sys.stderr):
        _write_utf8(stream)
    faulthandler.enable()


def _write_utf8(stream: TextIO) -> None:
    """Any text can be printed, and is read back as it was."""
    stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[attr-defined]  # a TextIOWrapper


def main(connection_fd: int, lifeline_fd: int, parent: int) -> None:
    """Serve the study's process.

    Arguments:
        connection_fd: file descriptor of this end of the connection.
        lifeline_fd: file descriptor of the reading end of the lifeline.
        parent: process id of the study's process.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent(lifeline_fd, parent)
    for fd in (connection_fd, lifeline_fd):
        os.set_inheritable(fd, False)
    connection = Connection(connection_fd)
    # A process that an objective forks must not keep the connection open after this one is gone.
    os.register_at_fork(after_in_child=connection.close)
    _set_up(receive(connection))
    _Worker(connection).serve()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
