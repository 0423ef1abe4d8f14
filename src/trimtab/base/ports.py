"""The five ports, all on this page: what the study loop asks of what it does not know.

Protocols, so that an outsider's class fits without importing ours. `S` is the type of a space.
`trimtab.testing` has a conformance kit for each; a new storage or tuner is done when its kit passes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

from trimtab.base.events import Event, Stored
from trimtab.base.history import History, Snapshot
from trimtab.base.info import Info
from trimtab.base.outcomes import Decision
from trimtab.base.records import (
    FrozenTrial,
    Json,
    Observation,
    Outcome,
    Params,
    ParamValue,
    Report,
    StudyRecord,
    Suggestion,
)
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key

__all__ = [
    "Claim",
    "Context",
    "Ended",
    "Executor",
    "Job",
    "Pruner",
    "Storage",
    "Task",
    "Tuner",
]

S = TypeVar("S")
S_co = TypeVar("S_co", covariant=True)


class Context(Protocol):
    """What a running task may say and ask; made by the executor, one per trial."""

    @property
    def number(self) -> int:
        """The trial's number."""
        ...

    @property
    def key(self) -> Key:
        """Key of every random number the trial needs."""
        ...

    def report(self, step: float, metrics: Mapping[str, float]) -> None:
        """Tell one point of the curve."""
        ...

    def should_prune(self) -> bool:
        """Whether the loop decided, on what was reported so far, that the trial should stop."""
        ...

    def suggested(self, name: str, value: ParamValue, parameter: Json) -> None:
        """Note that a define-by-run objective asked for a parameter, with its declaration's JSON."""
        ...

    def attribute(self, name: str, value: Json) -> None:
        """Note a user attribute of the trial."""
        ...


class Task(Protocol[S_co]):
    """Something that can be run with a configuration and then tells how good it was."""

    @property
    def space(self) -> S_co | None:
        """The declared space; None for define-by-run."""
        ...

    @property
    def provides(self) -> Info:
        """Which kinds of information its observations carry."""
        ...

    def run(self, params: Params, context: Context) -> Observation:
        """Run once. May raise `TrialPruned`; any other exception makes a failed trial."""
        ...


class Tuner(Protocol[S]):
    """Proposes configurations. Its answer is a function of (space, history, key) and nothing else.

    The space is `history.space`. A tuner may keep a cache between calls, and a test proves that the
    cold answer is the same. Pending trials are in the history; it must take them into account.
    """

    @property
    def name(self) -> str:
        """Short name in the catalogue, such as "gp"."""
        ...

    @property
    def needs(self) -> Info:
        """The information without which it cannot work."""
        ...

    @property
    def refs(self) -> Sequence[Reference]:
        """The sources of the method."""
        ...

    def ask(self, history: History[S], count: int, key: Key) -> list[Suggestion]:
        """`count` configurations to try next; fewer where the space has no more to give."""
        ...


class Pruner(Protocol[S]):
    """Decides whether a running trial goes on."""

    @property
    def refs(self) -> Sequence[Reference]:
        """The sources of the method."""
        ...

    def decide(self, history: History[S], trial: FrozenTrial) -> Decision:
        """A verdict on a running trial, whose reports so far are `trial.reports`, with its reason."""
        ...


@dataclass(frozen=True, slots=True)
class Job:
    """One trial to run.

    Arguments:
        number: the trial's number.
        token: fencing token of its lease.
        task: what to run.
        params: its configuration (for define-by-run, what the tuner proposes).
        key: key of the trial's random numbers.
        timeout: seconds it may take; None for no limit.
        report: called by the executor, in the process and thread that calls `events`, with every
            report; the decision goes back to the task's next `should_prune`.
    """

    number: int
    token: int
    task: Task[Any]
    params: Params
    key: Key
    timeout: float | None
    report: Callable[[Report], Decision]


@dataclass(frozen=True, slots=True)
class Ended:
    """A submitted job has ended: complete, pruned or failed."""

    number: int
    outcome: Outcome


class Executor(Protocol):
    """Runs jobs. It never writes to a storage: it tells the loop."""

    @property
    def slots(self) -> int:
        """How many jobs it runs at once."""
        ...

    def submit(self, job: Job) -> None:
        """Take a job; returns at once."""
        ...

    def events(self, timeout: float) -> list[Ended]:
        """What ended, after waiting `timeout` seconds at most for the first; each job once.

        An executor that works in the calling thread runs one job here.
        """
        ...

    def cancel(self, number: int) -> None:
        """End a job; `events` tells it as failed with the reason CANCELLED, or complete if it just made it."""
        ...

    def close(self) -> None:
        """End everything that runs and free what is held. May be called twice."""
        ...


@dataclass(frozen=True, slots=True)
class Claim:
    """A lease on one trial.

    Arguments:
        trial: the trial as it now stands, RUNNING; its params are set where it was enqueued.
        seq: place of the claim in the log, which is also the lease's fencing token.
    """

    trial: FrozenTrial
    seq: int


@runtime_checkable
class Storage(Protocol):
    """The log of every study. Three verbs, and read-only views that spare a fold.

    Every call is atomic, for any number of threads, processes and machines on one storage.
    """

    def append(self, study: str, events: Sequence[Event]) -> tuple[Stored, ...]:
        """Write events to a study's log, all or none; they are on disk when this returns.

        Each passes `fold.admit`; the result has them as they entered, with trial numbers given.

        Raises:
            StudyExists: a `StudyCreated` for a name that is taken.
            UnknownName: any other event for a study that is not there.
            Conflict: a trial's state refuses one of them; nothing was written.
            StorageError: the storage cannot be written.
        """
        ...

    def read(self, study: str, after: int = 0, trial: int | None = None) -> list[Stored]:
        """Events after a place in the log, in order, reports included; of one trial only where one is named."""
        ...

    def claim(self, study: str, worker: str, lease: float, limit: int | None = None) -> Claim | None:
        """Lease the waiting trial of lowest number, or else a new one, to a worker for `lease` seconds.

        With `limit`, a new trial is made only while fewer than `limit` exist, a lost one and its retry
        counted once; None where there is nothing to lease.
        """
        ...

    def snapshot(self, study: str) -> Snapshot:
        """The study's derived rows at one moment, without reports."""
        ...

    def reports(self, study: str) -> dict[int, tuple[Report, ...]]:
        """Every trial's curve, in order of arrival."""
        ...

    def studies(self) -> list[StudyRecord]:
        """Every study's record, oldest first."""
        ...

    def close(self) -> None:
        """Free what is held. May be called twice."""
        ...
