"""Databases of every earlier schema open, hold what they held, and end up with today's tables.

`make_database.py` makes them.
"""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from trimtab.base.events import SplitOpened, SplitSealed, event_to_json
from trimtab.storage import migrations
from trimtab.storage.sqlite import open_sqlite
from trimtab.testing.storage_kit import assert_fold

DATABASES = sorted(Path(__file__).with_name("databases").glob("*.db"))


@pytest.fixture(params=DATABASES, ids=[path.stem for path in DATABASES])
def old(request, tmp_path):
    return Path(shutil.copy(request.param, tmp_path / "old.db"))


def tables(path: Path) -> list[tuple[str, str]]:
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    found = connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
    connection.close()
    return found


def test_every_schema_step_has_its_database():
    assert [path.stem for path in DATABASES] == [name.split()[0] for name in (migrations.FIRST, *migrations.STEPS)]


def test_an_old_database_holds_what_it_held(old, request):
    told = json.loads((DATABASES[0].parent / f"{request.node.callspec.id}.json").read_text())
    storage = open_sqlite(old)
    assert [record.name for record in storage.studies()] == told["names"]
    for name, log in told["logs"].items():
        found = [[s.seq, s.time, s.event.kind, event_to_json(s.event)] for s in storage.read(name)]
        assert json.loads(json.dumps(found)) == log
        assert len(storage.snapshot(name).rows) > 0
    storage.close()


def test_an_old_database_goes_on(old):
    storage = open_sqlite(old)
    for record in storage.studies():
        before = storage.snapshot(record.name)
        waiting = [row.number for row in before.rows if row.state == 0]
        claim = storage.claim(record.name, "worker", 60.0)
        assert claim.trial.number == (waiting[0] if waiting else len(before.rows))
        assert claim.seq == before.seq + 1
    assert_fold(storage, "n" * 300)
    storage.close()


def test_an_old_study_has_no_holdout_and_may_seal_a_split(old):
    storage = open_sqlite(old)
    assert {(record.holdout, record.sealed) for record in storage.studies()} == {(None, None)}
    storage.append("n" * 300, [SplitSealed({"size": 1}), SplitOpened(0, 0.5, 0.0, 1.0, 0.95)])
    assert_fold(storage, "n" * 300)
    storage.close()


def test_an_old_database_ends_up_with_todays_tables(old, tmp_path):
    open_sqlite(old).close()
    open_sqlite(tmp_path / "new.db").close()
    assert tables(old) == tables(tmp_path / "new.db")
