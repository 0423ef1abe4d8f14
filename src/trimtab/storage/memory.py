"""Studies in the memory of one process: for a run that nobody needs to resume, and for tests.

What is written goes through the same JSON as in a database, so that what one storage refuses the
other refuses too, and a writer cannot change a record afterwards.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import final

from trimtab.base.arrays import dumps, loads
from trimtab.base.clock import Clock, SystemClock
from trimtab.base.events import Event, Reported, Stored
from trimtab.base.history import Snapshot
from trimtab.base.outcomes import TrialState
from trimtab.base.ports import Claim
from trimtab.base.records import FrozenTrial, Report, StudyRecord, TrialRow
from trimtab.storage.batch import Batch, Counters, check_appended, check_lease, no_study
from trimtab.storage.codec import decode_event, encode_event

__all__ = ["MemoryStorage"]


class _Log:
    """One study: its record, its events, and what is derived from them."""

    def __init__(self, record: StudyRecord) -> None:
        self.record = record
        self.counters = Counters()
        self.events: list[Stored] = []
        self.of_trial: list[list[Stored]] = []
        self.rows: list[TrialRow] = []
        self.reports: dict[int, list[Report]] = {}
        # Numbers of the trials that wait, ascending: trials only ever wait from their birth on.
        self.waiting: deque[int] = deque()

    def put(self, row: TrialRow) -> None:
        """Replace a trial's row, or add the next one."""
        if row.number < len(self.rows):
            self.rows[row.number] = row
            return
        self.rows.append(row)
        self.of_trial.append([])
        if row.state == TrialState.WAITING:
            self.waiting.append(row.number)

    def file(self, stored: Stored) -> None:
        """Add an event, under its trial too."""
        self.events.append(stored)
        number = getattr(stored.event, "number", None)
        if number is not None:
            self.of_trial[number].append(stored)
        if isinstance(stored.event, Reported):
            point = Report(stored.event.step, stored.event.metrics, stored.time)
            self.reports.setdefault(stored.event.number, []).append(point)


@final
class MemoryStorage:
    """The `Storage` port over plain lists, for any number of threads of one process.

    Arguments:
        clock: tells the time of events and leases.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._logs: dict[str, _Log] = {}
        self._lock = threading.Lock()

    def append(self, study: str, events: Sequence[Event]) -> tuple[Stored, ...]:
        """See `trimtab.base.ports.Storage.append`."""
        check_appended(events)
        with self._lock:
            batch = self._batch(study)
            batch.add_all(events)
            self._commit(study, batch)
            return tuple(batch.stored)

    def read(self, study: str, after: int = 0, trial: int | None = None) -> list[Stored]:
        """See `trimtab.base.ports.Storage.read`."""
        with self._lock:
            log = self._log(study)
            if trial is None:
                return log.events[max(after, 0) :]  # places are dense from 1
            found = log.of_trial[trial] if 0 <= trial < len(log.of_trial) else []
            return [stored for stored in found if stored.seq > after]

    def claim(self, study: str, worker: str, lease: float, limit: int | None = None) -> Claim | None:
        """See `trimtab.base.ports.Storage.claim`."""
        check_lease(lease)
        with self._lock:
            log = self._log(study)
            if log.waiting:
                number = log.waiting[0]
            elif log.counters.room(limit):
                number = log.counters.trials
            else:
                return None
            batch = self._batch(study)
            stored = batch.claim(number, worker, self._clock.now() + lease)
            self._commit(study, batch)
            if log.waiting and log.waiting[0] == number:
                log.waiting.popleft()
            return Claim(batch.trials[number], stored.seq)

    def snapshot(self, study: str) -> Snapshot:
        """See `trimtab.base.ports.Storage.snapshot`."""
        with self._lock:
            log = self._log(study)
            return Snapshot(log.record, log.counters.seq, list(log.rows))

    def reports(self, study: str) -> dict[int, tuple[Report, ...]]:
        """See `trimtab.base.ports.Storage.reports`."""
        with self._lock:
            return {number: tuple(points) for number, points in self._log(study).reports.items()}

    def studies(self) -> list[StudyRecord]:
        """See `trimtab.base.ports.Storage.studies`."""
        with self._lock:
            return [log.record for log in self._logs.values()]

    def close(self) -> None:
        """Nothing is held. May be called twice."""

    def _log(self, study: str) -> _Log:
        """A study's log.

        Raises:
            UnknownName: no such study.
        """
        log = self._logs.get(study)
        if log is None:
            raise no_study(study)
        return log

    def _batch(self, study: str) -> Batch:
        """A batch to fill for a study, which may not exist yet."""
        log = self._logs.get(study)
        return Batch(
            study,
            None if log is None else log.counters,
            self._clock.now(),
            lambda: self._log(study).record,
            lambda number: FrozenTrial.from_row(self._log(study).rows[number]),
        )

    def _commit(self, study: str, batch: Batch) -> None:
        """Write down a batch. All that may fail comes before the first change."""
        counters = batch.counters
        events = [_kept(stored) for stored in batch.stored]
        rows = [trial.to_row() for _, trial in sorted(batch.trials.items())]
        if batch.study is not None:
            record = StudyRecord.from_json(loads(dumps(batch.study.to_json())))
            self._logs.setdefault(study, _Log(record)).record = record
        log = self._logs[study]
        log.counters = counters
        for row in rows:
            log.put(row)
        for stored in events:
            log.file(stored)


def _kept(stored: Stored) -> Stored:
    """The event after a round through JSON: a copy that its writer cannot change any more."""
    event = stored.event
    return stored._replace(event=decode_event(event.kind, getattr(event, "number", None), loads(encode_event(event))))
