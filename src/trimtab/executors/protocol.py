"""What the study's process and a worker say to each other over their pipe.

    study    Setup, then for each trial (Load with the pickled task behind it, where it is new) Start,
             one Decided for each Reported, Cancel where the trial is given up
    worker   Ready, then for each trial Running, Noted and Reported as they come, Finished

Messages are pickled tuples of plain data between a program and its own children; nothing of this is
ever written to disk.
"""

from __future__ import annotations

import pickle
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any, NamedTuple, TypeAlias

from trimtab.base.errors import TrialError
from trimtab.base.records import Json, Observation, Outcome, Params, Report
from trimtab.base.seeds import Key
from trimtab.executors.context import Notes

__all__ = [
    "Cancel",
    "Decided",
    "Finished",
    "FromWorker",
    "Load",
    "Noted",
    "Ready",
    "Reported",
    "Running",
    "Setup",
    "Start",
    "ToWorker",
    "pack_outcome",
    "receive",
    "send",
    "unpack_outcome",
]


class Setup(NamedTuple):
    """Makes the worker see the same modules: the study's `sys.path`, `sys.argv` and variable PYTHONPATH."""

    path: list[str]
    argv: list[str]
    pythonpath: str | None


class Load(NamedTuple):
    """The next message is a pickled task, as raw bytes, for every trial until another one comes."""


class Start(NamedTuple):
    """Run the task."""

    number: int
    params: Params
    key: Key


class Decided(NamedTuple):
    """The answer to one report of a trial: whether it should stop."""

    number: int
    stop: bool


class Cancel(NamedTuple):
    """The trial is given up."""

    number: int


class Ready(NamedTuple):
    """The worker has started."""


class Running(NamedTuple):
    """The task is loaded; from here on the trial's time counts."""

    number: int


class Noted(NamedTuple):
    """The trial noted something."""

    number: int
    notes: Notes


class Reported(NamedTuple):
    """The trial told one point of its curve."""

    number: int
    report: Report


class Finished(NamedTuple):
    """The trial ended. The outcome travels without its observation and error, which have forms of their own."""

    number: int
    outcome: Outcome
    observation: Json
    error: bytes | None


ToWorker: TypeAlias = Setup | Load | Start | Decided | Cancel
FromWorker: TypeAlias = Ready | Running | Noted | Reported | Finished


def send(connection: Connection, message: ToWorker | FromWorker) -> None:
    """Send a message; waits while the pipe is full.

    Raises:
        OSError: the other side is gone.
    """
    connection.send_bytes(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))


def receive(connection: Connection) -> Any:
    """Wait for the next message.

    Raises:
        EOFError, OSError: the other side is gone.
    """
    return pickle.loads(connection.recv_bytes())


def pack_outcome(number: int, outcome: Outcome) -> Finished:
    """A worker's last word on a trial. An exception that cannot be pickled is left behind; its text goes along."""
    seen = None if outcome.observation is None else outcome.observation.to_json()
    bare = replace(outcome, observation=None, error=None)
    return Finished(number, bare, seen, None if outcome.error is None else _pickled(outcome.error))


def _pickled(error: BaseException) -> bytes:
    """The exception by cloudpickle, empty where it cannot be pickled; a class of `__main__` comes home as itself."""
    import cloudpickle

    try:
        data: bytes = cloudpickle.dumps(error)
    except Exception:  # noqa: BLE001 - pickling runs the exception's own code
        return b""
    return data


def unpack_outcome(finished: Finished) -> Outcome:
    """The outcome as the worker had it; an exception that did not come through is a `TrialError` with its text."""
    seen, error = finished.observation, finished.error
    return replace(
        finished.outcome,
        observation=None if seen is None else Observation.from_json(seen),
        error=None if error is None else _unpickled(error, finished.outcome.text),
    )


def _unpickled(data: bytes, text: str) -> BaseException:
    """The exception, with the traceback of the other process as a note."""
    try:
        error = pickle.loads(data)
    except Exception:  # noqa: BLE001 - unpickling runs the exception's own code; no data at all ends here, too
        return TrialError(text)
    if not isinstance(error, BaseException):
        return TrialError(text)
    error.add_note(f"In the worker process:\n{text}")
    return error
