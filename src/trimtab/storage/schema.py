"""The tables, in words that SQLite and PostgreSQL share.

    studies    one row a study: the sha256 of its name (names may be of any length) and its record
    counters   one row a study: what every write changes, kept apart so that records are not rewritten
    events     the log: every event but the reports, one JSON body each
    reports    the reports, one row a metric; those of one report share a place in the log
    trials     derived: the columns of `trimtab.base.records.TrialRow`, one row a trial
    steps      names of the schema steps that were applied to this database

In `reports`, a number that is NULL stands for nan, which SQLite cannot hold.
"""

from __future__ import annotations

import hashlib

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Double,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    literal_column,
)

__all__ = ["counters", "events", "metadata", "name_key", "reports", "steps", "studies", "trials", "waits"]

metadata = MetaData()

studies = Table(
    "studies",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String(64), nullable=False, unique=True),
    Column("record", Text, nullable=False),
)

counters = Table(
    "counters",
    metadata,
    Column("study", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("trials", BigInteger, nullable=False),
    Column("retries", BigInteger, nullable=False),
    Column("waiting", BigInteger, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("study", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("time", Double, nullable=False),
    Column("kind", Text, nullable=False),
    Column("trial", BigInteger),
    Column("body", Text, nullable=False),
    Index("events_of_trial", "study", "trial", "seq"),
)

reports = Table(
    "reports",
    metadata,
    Column("study", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("place", SmallInteger, primary_key=True, autoincrement=False),
    Column("trial", BigInteger, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("step", Double),
    Column("metric", Text, nullable=False),
    Column("value", Double),
    Column("time", Double, nullable=False),
    Index("reports_of_trial", "study", "trial", "seq", "place"),
)

# TrialState.WAITING. A literal, since SQLite uses a partial index only where a query repeats its condition.
waits: ColumnElement[bool] = literal_column("state = 0")

trials = Table(
    "trials",
    metadata,
    Column("study", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("state", SmallInteger, nullable=False),
    Column("params", Text),
    Column("values", Text),
    Column("observation", Text),
    Column("reason", Text),
    Column("text", Text, nullable=False),
    Column("worker", Text, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("expires", Double, nullable=False),
    Column("retry_of", BigInteger),
    Column("created", Double, nullable=False),
    Column("started", Double),
    Column("ended", Double),
    Column("seen", BigInteger, nullable=False),
    Column("tuner", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("attributes", Text, nullable=False),
    Column("attempts", Text, nullable=False),
    Index("trials_waiting", "study", "number", sqlite_where=waits, postgresql_where=waits),
)

steps = Table(
    "steps",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("time", Double, nullable=False),
)


def name_key(name: str) -> str:
    """What a study is looked up by: the sha256 of its name, which an index can hold for any name."""
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
