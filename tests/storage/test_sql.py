"""The tables and statements: they fit the records, use their indexes, and carry PostgreSQL as well."""

import sqlite3

import pytest
from sqlalchemy import text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from trimtab.base.records import TrialRow
from trimtab.storage import migrations, schema, statements
from trimtab.storage.batch import Counters
from trimtab.storage.transaction import Compiler, Transaction

ALL = {name: getattr(statements, name) for name in statements.__all__}


@pytest.fixture
def connection():
    connection = sqlite3.connect(":memory:")
    yield connection
    connection.close()


@pytest.fixture
def transaction(connection):
    transaction = Transaction(connection.cursor(), Compiler(sqlite.dialect()))
    migrations.create(transaction, 0.0)
    return transaction


def test_tables_have_the_columns_of_the_records():
    assert tuple(schema.trials.columns.keys()) == ("study", *TrialRow._fields)
    assert tuple(schema.counters.columns.keys()) == ("study", *Counters._fields)


@pytest.mark.parametrize("name", ALL)
def test_every_statement_is_written_for_postgresql_too(name):
    written = str(ALL[name].compile(dialect=postgresql.dialect()))
    assert written.split()[0] in {"SELECT", "INSERT", "UPDATE"}
    assert ("FOR UPDATE OF counters" in written) == (name == "LOCKED_COUNTERS")


def test_the_tables_are_written_for_postgresql_too():
    for table in schema.metadata.sorted_tables:
        assert "DOUBLE PRECISION" in str(CreateTable(table).compile(dialect=postgresql.dialect())) or table.name in (
            "studies",
            "counters",
        )
        for index in table.indexes:
            assert str(CreateIndex(index).compile(dialect=postgresql.dialect())).startswith("CREATE INDEX")


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("WAITING_TRIAL", "trials_waiting"),
        ("EVENTS_OF_TRIAL", "events_of_trial"),
        ("REPORTS_OF_TRIAL", "reports_of_trial"),
        ("TRIAL", "sqlite_autoindex_trials_1"),
        ("TRIALS", "sqlite_autoindex_trials_1"),
        ("EVENTS", "sqlite_autoindex_events_1"),
        ("REPORTS", "sqlite_autoindex_reports_1"),
    ],
)
def test_sqlite_uses_the_index_that_was_made_for_a_query(connection, transaction, name, index):
    written = str(ALL[name].compile(dialect=sqlite.dialect()))
    plan = connection.execute(f"EXPLAIN QUERY PLAN {written}", [1] * written.count("?")).fetchall()
    assert len(plan) == 1, "one search, and nothing to sort"
    assert plan[0][-1].startswith("SEARCH")
    assert index in plan[0][-1]


def test_values_of_a_statement_and_of_a_call_are_laid_out_together(transaction):
    transaction.run_many(
        statements.ADD_EVENTS,
        [{"study": 1, "seq": s, "time": 0.5, "kind": "k", "trial": None, "body": "{}"} for s in (1, 2)],
    )
    transaction.run(text("UPDATE events SET kind = :kind WHERE seq = :seq"), {"kind": "new", "seq": 2})
    assert transaction.rows(statements.EVENTS, study=1, after=0) == [
        (1, 0.5, "k", None, "{}"),
        (2, 0.5, "new", None, "{}"),
    ]
    assert transaction.rows(statements.EVENTS.limit(1), study=1, after=1) == [(2, 0.5, "new", None, "{}")]


def test_a_missing_value_is_an_error(transaction):
    with pytest.raises(KeyError, match="trial"):
        transaction.rows(statements.TRIAL, study=1)
