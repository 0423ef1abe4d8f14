"""Studies in a relational database: statements that SQLite and PostgreSQL share.

What differs between databases, how a transaction begins, what is worth another try and what an error
means, is a `Database`'s. Events and the rows derived from them are written in one transaction, under
a lock on the study's counters, so that every place in the log and every trial number is given once.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from operator import attrgetter
from typing import Any, Protocol, TypeVar, final

from trimtab.base.arrays import loads
from trimtab.base.clock import Clock, SystemClock
from trimtab.base.events import Event, LeaseRenewed, Reported, Stored, TrialAsked
from trimtab.base.history import Snapshot
from trimtab.base.ports import Claim
from trimtab.base.records import FrozenTrial, Report, StudyRecord
from trimtab.storage import statements as sql
from trimtab.storage.batch import Batch, Counters, check_appended, check_lease, no_study
from trimtab.storage.codec import decode_rows
from trimtab.storage.rows import (
    decode_events,
    decode_reports,
    find_study,
    load_record,
    load_trial,
    load_waiting,
    write_batch,
)
from trimtab.storage.transaction import Transaction

__all__ = ["Database", "SQLStorage"]

T = TypeVar("T")

# What a crash of the whole machine may take with it: the run that these tell of is lost then anyway.
_FLEETING = (TrialAsked, LeaseRenewed, Reported)


class Database(Protocol):
    """Runs transactions on one kind of database. `work` may be called again after a collision."""

    def read(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a transaction that sees one moment and writes nothing.

        Raises:
            StorageError: the database cannot be read.
        """
        ...

    def write(self, work: Callable[[Transaction], T], *, durable: bool) -> T:
        """Run `work` in a transaction that may write. With `durable`, it is on disk when this returns.

        Raises:
            StorageError: the database cannot be written; nothing was.
        """
        ...

    def close(self) -> None:
        """Close every connection. May be called twice."""
        ...


@final
class SQLStorage:
    """The `Storage` port over a relational database, for any number of threads and processes.

    Arguments:
        database: which one, and how to talk to it; closed with this.
        clock: tells the time of events and leases.
    """

    def __init__(self, database: Database, clock: Clock | None = None) -> None:
        self._database = database
        self._clock = clock or SystemClock()

    def append(self, study: str, events: Sequence[Event]) -> tuple[Stored, ...]:
        """See `trimtab.base.ports.Storage.append`."""
        check_appended(events)
        durable = not all(isinstance(event, _FLEETING) for event in events)

        def work(transaction: Transaction) -> tuple[Stored, ...]:
            found = find_study(transaction, study, lock=True)
            batch = self._batch(transaction, study, found)
            batch.add_all(events)
            write_batch(transaction, None if found is None else found[0], batch)
            return tuple(batch.stored)

        return self._database.write(work, durable=durable)

    def read(self, study: str, after: int = 0, trial: int | None = None) -> list[Stored]:
        """See `trimtab.base.ports.Storage.read`."""

        def work(transaction: Transaction) -> tuple[Sequence[Any], Sequence[Any]]:
            where = {"study": _existing(transaction, study)[0], "after": after}
            if trial is None:
                return transaction.rows(sql.EVENTS, **where), transaction.rows(sql.REPORTS, **where)
            where["trial"] = trial
            return transaction.rows(sql.EVENTS_OF_TRIAL, **where), transaction.rows(sql.REPORTS_OF_TRIAL, **where)

        events, reports = self._database.read(work)
        merged = [*decode_events(events), *(Stored(*report) for report in decode_reports(reports))]
        return sorted(merged, key=attrgetter("seq"))

    def claim(self, study: str, worker: str, lease: float, limit: int | None = None) -> Claim | None:
        """See `trimtab.base.ports.Storage.claim`."""
        check_lease(lease)

        def work(transaction: Transaction) -> Claim | None:
            found = _existing(transaction, study, lock=True)
            key, counters = found
            waiting = load_waiting(transaction, key) if counters.waiting else None
            if waiting is None and not counters.room(limit):
                return None
            batch = self._batch(transaction, study, found, waiting)
            number = counters.trials if waiting is None else waiting.number
            stored = batch.claim(number, worker, self._clock.now() + lease)
            write_batch(transaction, key, batch)
            return Claim(batch.trials[number], stored.seq)

        # A claim that a crash of the machine takes with it was held by a worker that the crash took too.
        return self._database.write(work, durable=False)

    def snapshot(self, study: str) -> Snapshot:
        """See `trimtab.base.ports.Storage.snapshot`."""

        def work(transaction: Transaction) -> Snapshot:
            key, counters = _existing(transaction, study)
            record = load_record(transaction, key)
            with _collector_paused():
                rows = decode_rows(transaction.stream(sql.TRIALS, study=key))
            return Snapshot(record, counters.seq, rows)

        return self._database.read(work)

    def reports(self, study: str) -> dict[int, tuple[Report, ...]]:
        """See `trimtab.base.ports.Storage.reports`."""

        def work(transaction: Transaction) -> Sequence[Any]:
            return transaction.rows(sql.REPORTS, study=_existing(transaction, study)[0], after=0)

        curves: dict[int, list[Report]] = {}
        for _, time, event in decode_reports(self._database.read(work)):
            curves.setdefault(event.number, []).append(Report(event.step, event.metrics, time))
        return {number: tuple(points) for number, points in curves.items()}

    def studies(self) -> list[StudyRecord]:
        """See `trimtab.base.ports.Storage.studies`."""
        found = self._database.read(lambda transaction: transaction.rows(sql.RECORDS))
        return [StudyRecord.from_json(loads(record)) for (record,) in found]

    def close(self) -> None:
        """Close every connection. May be called twice."""
        self._database.close()

    def _batch(
        self,
        transaction: Transaction,
        study: str,
        found: tuple[int, Counters] | None,
        loaded: FrozenTrial | None = None,
    ) -> Batch:
        """A batch to fill for a study, which may not exist yet; a trial that is loaded is not loaded again."""
        key, counters = found or (0, None)
        return Batch(
            study,
            counters,
            self._clock.now(),
            lambda: load_record(transaction, key),
            lambda number: loaded or load_trial(transaction, key, number),
        )


@contextmanager
def _collector_paused() -> Iterator[None]:
    """No garbage collection for the time of a bulk load.

    Python would look through the growing list of rows for cycles again and again, which take a quarter
    of the time of 100,000 rows; rows have none.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _existing(transaction: Transaction, study: str, *, lock: bool = False) -> tuple[int, Counters]:
    """A study's id and counters.

    Raises:
        UnknownName: no such study.
    """
    found = find_study(transaction, study, lock=lock)
    if found is None:
        raise no_study(study)
    return found
