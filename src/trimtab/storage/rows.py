"""A study's rows, read and written inside somebody's transaction."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from trimtab.base.arrays import dumps, loads
from trimtab.base.events import Reported, Stored
from trimtab.base.records import FrozenTrial, StudyRecord
from trimtab.storage import statements as sql
from trimtab.storage.batch import Batch, Counters
from trimtab.storage.codec import decode_event, decode_rows, encode_event, encode_row, escape, unescape
from trimtab.storage.schema import name_key
from trimtab.storage.transaction import Transaction

__all__ = [
    "decode_events",
    "decode_reports",
    "find_study",
    "load_record",
    "load_trial",
    "load_waiting",
    "write_batch",
]


def find_study(transaction: Transaction, name: str, *, lock: bool = False) -> tuple[int, Counters] | None:
    """A study's id and counters, which with `lock` nobody else can change now; None where it does not exist."""
    statement = sql.LOCKED_COUNTERS if lock else sql.COUNTERS
    found = transaction.rows(statement, key=name_key(name))
    return (found[0][0], Counters(*found[0][1:])) if found else None


def load_record(transaction: Transaction, study: int) -> StudyRecord:
    """The record of a study that exists."""
    [(record,)] = transaction.rows(sql.RECORD, study=study)
    return StudyRecord.from_json(loads(record))


def load_trial(transaction: Transaction, study: int, number: int) -> FrozenTrial:
    """A trial that exists."""
    return FrozenTrial.from_row(*decode_rows(transaction.rows(sql.TRIAL, study=study, trial=number)))


def load_waiting(transaction: Transaction, study: int) -> FrozenTrial:
    """The waiting trial of lowest number, where the counters say that one waits."""
    return FrozenTrial.from_row(*decode_rows(transaction.rows(sql.WAITING_TRIAL, study=study)))


def write_batch(transaction: Transaction, study: int | None, batch: Batch) -> None:
    """Write down what a batch gathered; `study` is None where the batch creates the study.

    Raises:
        InvalidArgument: an event has a part that JSON cannot carry.
    """
    # First of all, as it is the one step that may refuse: what follows is made of the same parts.
    bodies = [None if isinstance(event, Reported) else encode_event(event) for _, _, event in batch.stored]
    record = None if batch.study is None else dumps(batch.study.to_json())
    if study is None:
        key = name_key(batch.name)
        transaction.run(sql.ADD_STUDY, {"key": key, "record": record})
        [(study,)] = transaction.rows(sql.STUDY, key=key)
        transaction.run(sql.ADD_COUNTERS, {"study": study, **batch.counters._asdict()})
    else:
        if record is not None:
            transaction.run(sql.UPDATE_RECORD, {"study": study, "new_record": record})
        transaction.run(sql.UPDATE_COUNTERS, {"of_study": study, **batch.counters._asdict()})
    _write_events(transaction, study, zip(batch.stored, bodies, strict=True))
    _write_trials(transaction, study, batch)


def _write_events(transaction: Transaction, study: int, items: Iterable[tuple[Stored, str | None]]) -> None:
    """Add events and their JSON to the log; reports go to their typed columns."""
    events: list[dict[str, Any]] = []
    reports: list[dict[str, Any]] = []
    for (seq, time, event), body in items:
        if isinstance(event, Reported):
            reports.extend(_report_rows(study, seq, time, event))
        else:
            number = getattr(event, "number", None)
            row = {"study": study, "seq": seq, "time": time, "kind": event.kind, "trial": number, "body": body}
            events.append(row)
    if events:
        transaction.run_many(sql.ADD_EVENTS, events)
    if reports:
        transaction.run_many(sql.ADD_REPORTS, reports)


def _report_rows(study: int, seq: int, time: float, event: Reported) -> list[dict[str, Any]]:
    """The rows of one report, one a metric."""
    return [
        {
            "study": study,
            "seq": seq,
            "place": place,
            "trial": event.number,
            "token": event.token,
            "step": _or_null(event.step),
            "metric": escape(metric),
            "value": _or_null(value),
            "time": time,
        }
        for place, (metric, value) in enumerate(event.metrics.items())
    ]


def _write_trials(transaction: Transaction, study: int, batch: Batch) -> None:
    """Bring the derived rows up to date."""
    added, changed = [], []
    for number, trial in batch.trials.items():
        row = encode_row(trial.to_row())
        if number in batch.born:
            added.append({"study": study, **row})
        else:
            del row["number"]
            changed.append({"of_study": study, "of_number": number, **row})
    if added:
        transaction.run_many(sql.ADD_TRIALS, added)
    if changed:
        transaction.run_many(sql.UPDATE_TRIAL, changed)


def decode_events(found: Sequence[Sequence[Any]]) -> list[Stored]:
    """Events from rows of `statements.EVENTS`; their JSON is read in one go."""
    bodies = loads(f"[{','.join(row[4] for row in found)}]")
    return [
        Stored(seq, time, decode_event(kind, trial, parts))
        for (seq, time, kind, trial, _), parts in zip(found, bodies, strict=True)
    ]


def decode_reports(found: Iterable[Sequence[Any]]) -> Iterator[tuple[int, float, Reported]]:
    """Place, time and report from rows of `statements.REPORTS`."""
    for seq, group in groupby(found, key=itemgetter(0)):
        rows = list(group)
        _, time, trial, token, step, _, _ = rows[0]
        metrics = {unescape(row[5]): _or_nan(row[6]) for row in rows}
        yield seq, time, Reported(trial, token, _or_nan(step), metrics)


def _or_null(value: float) -> float | None:
    """NULL in place of nan, which SQLite cannot hold."""
    return None if math.isnan(value) else value


def _or_nan(value: float | None) -> float:
    """Inverse of `_or_null`."""
    return math.nan if value is None else value
