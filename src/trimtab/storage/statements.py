"""Every statement on a study, built once: SQLAlchemy then compiles each once for a database."""

from __future__ import annotations

from sqlalchemy import BindParameter, bindparam, insert, select, update

from trimtab.base.records import TrialRow
from trimtab.storage.schema import counters, events, reports, studies, trials, waits

__all__ = [
    "ADD_COUNTERS",
    "ADD_EVENTS",
    "ADD_REPORTS",
    "ADD_STUDY",
    "ADD_TRIALS",
    "COUNTERS",
    "EVENTS",
    "EVENTS_OF_TRIAL",
    "LOCKED_COUNTERS",
    "RECORD",
    "RECORDS",
    "REPORTS",
    "REPORTS_OF_TRIAL",
    "STUDY",
    "TRIAL",
    "TRIALS",
    "UPDATE_COUNTERS",
    "UPDATE_RECORD",
    "UPDATE_TRIAL",
    "WAITING_TRIAL",
]

_study: BindParameter[int] = bindparam("study")
_after: BindParameter[int] = bindparam("after")
_trial: BindParameter[int] = bindparam("trial")

COUNTERS = (
    select(studies.c.id, counters.c.seq, counters.c.trials, counters.c.retries, counters.c.waiting)
    .join_from(studies, counters, counters.c.study == studies.c.id)
    .where(studies.c.key == bindparam("key"))
)
# The row of counters is what writers of one study wait for, where a database locks rows.
LOCKED_COUNTERS = COUNTERS.with_for_update(of=counters)

STUDY = select(studies.c.id).where(studies.c.key == bindparam("key"))
RECORD = select(studies.c.record).where(studies.c.id == _study)
RECORDS = select(studies.c.record).order_by(studies.c.id)

_row = [trials.c[name] for name in TrialRow._fields]
TRIAL = select(*_row).where(trials.c.study == _study, trials.c.number == _trial)
TRIALS = select(*_row).where(trials.c.study == _study).order_by(trials.c.number)
WAITING_TRIAL = select(*_row).where(trials.c.study == _study, waits).order_by(trials.c.number).limit(1)

EVENTS = (
    select(events.c.seq, events.c.time, events.c.kind, events.c.trial, events.c.body)
    .where(events.c.study == _study, events.c.seq > _after)
    .order_by(events.c.seq)
)
EVENTS_OF_TRIAL = EVENTS.where(events.c.trial == _trial)
REPORTS = (
    select(
        reports.c.seq,
        reports.c.time,
        reports.c.trial,
        reports.c.token,
        reports.c.step,
        reports.c.metric,
        reports.c.value,
    )
    .where(reports.c.study == _study, reports.c.seq > _after)
    .order_by(reports.c.seq, reports.c.place)
)
REPORTS_OF_TRIAL = REPORTS.where(reports.c.trial == _trial)

ADD_STUDY = insert(studies).values(key=bindparam("key"), record=bindparam("record"))
ADD_COUNTERS = insert(counters)
ADD_EVENTS = insert(events)
ADD_REPORTS = insert(reports)
ADD_TRIALS = insert(trials)

UPDATE_RECORD = update(studies).where(studies.c.id == _study).values(record=bindparam("new_record"))
_counted = ("seq", "trials", "retries", "waiting")
UPDATE_COUNTERS = (
    update(counters).where(counters.c.study == bindparam("of_study")).values({n: bindparam(n) for n in _counted})
)
UPDATE_TRIAL = (
    update(trials)
    .where(trials.c.study == bindparam("of_study"), trials.c.number == bindparam("of_number"))
    .values({name: bindparam(name) for name in TrialRow._fields if name != "number"})
)
