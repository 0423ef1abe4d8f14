"""Schema steps: each applied once, in order, together with the note that it was."""

import sqlite3

import pytest
from sqlalchemy import text
from sqlalchemy.dialects import sqlite

from trimtab.base.errors import StorageError
from trimtab.storage import migrations
from trimtab.storage.sqlite import open_sqlite
from trimtab.storage.transaction import Compiler, Transaction


@pytest.fixture
def connection():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrations.create(Transaction(connection.cursor(), Compiler(sqlite.dialect())), 1.0)
    yield connection
    connection.close()


@pytest.fixture
def transaction(connection):
    return Transaction(connection.cursor(), Compiler(sqlite.dialect()))


def add_column(name: str):
    return lambda transaction: transaction.run(text(f"ALTER TABLE studies ADD COLUMN {name} TEXT"))


def columns(connection: sqlite3.Connection) -> list[str]:
    return [row[1] for row in connection.execute("PRAGMA table_info(studies)")]


def test_a_new_database_lacks_nothing(transaction):
    assert migrations.missing(transaction) == []
    assert migrations.upgrade(transaction, 2.0) == []


def test_steps_are_applied_once_and_in_order(connection, transaction):
    steps = {"2 colour": add_column("colour"), "3 size": add_column("size")}
    assert migrations.missing(transaction, steps) == ["2 colour", "3 size"]
    assert migrations.upgrade(transaction, 2.0, steps) == ["2 colour", "3 size"]
    assert migrations.upgrade(transaction, 3.0, steps) == []
    assert columns(connection)[-2:] == ["colour", "size"]
    more = {**steps, "4 shape": add_column("shape")}
    assert migrations.upgrade(transaction, 4.0, more) == ["4 shape"]
    assert connection.execute("SELECT name, time FROM steps ORDER BY time, name").fetchall() == [
        (migrations.FIRST, 1.0),
        ("2 colour", 2.0),
        ("3 size", 2.0),
        ("4 shape", 4.0),
    ]


def test_a_step_that_fails_leaves_the_schema_as_it_was(connection, transaction):
    before = connection.execute("SELECT * FROM sqlite_master").fetchall()
    steps = {"2 colour": add_column("colour"), "3 broken": lambda transaction: transaction.run(text("NONSENSE"))}
    connection.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError), connection:
        migrations.upgrade(transaction, 2.0, steps)
    assert connection.execute("SELECT * FROM sqlite_master").fetchall() == before
    assert migrations.missing(transaction, steps) == ["2 colour", "3 broken"]


def test_a_database_of_a_later_version_is_refused_and_left_as_it_was(tmp_path):
    path = tmp_path / "a.db"
    open_sqlite(path).close()
    later = sqlite3.connect(path)
    later.execute("INSERT INTO steps VALUES ('9 what comes after', 0.0)")
    later.commit()
    later.close()
    before = path.read_bytes()
    with pytest.raises(
        StorageError,
        match=r"written by a later version of trimtab; got \['9 what comes after'\]; "
        r"allowed: schema steps up to '1 studies.*Next: upgrade trimtab",
    ):
        open_sqlite(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.db"]
