"""SQLite when it is locked, when the disk is full, and what it syncs to the disk and when."""

import sqlite3
import subprocess
import sys
import threading

import pytest

from trimtab.base.errors import StorageError
from trimtab.base.events import (
    NEXT,
    LeaseRenewed,
    Reported,
    StudyAttribute,
    StudyCreated,
    TrialAsked,
    TrialEnqueued,
    TrialTold,
)
from trimtab.base.outcomes import EndReason, TrialState
from trimtab.base.records import Objective, Observation
from trimtab.storage.sqlite import open_sqlite

CREATED = StudyCreated((Objective(),), seed=0)


@pytest.fixture
def connections(monkeypatch):
    """Every connection that is opened while the test runs."""
    made: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def noted(*args, **options):
        made.append(connect(*args, **options))
        return made[-1]

    monkeypatch.setattr(sqlite3, "connect", noted)
    return made


def test_a_database_that_stays_locked_is_an_error_after_the_patience(tmp_path):
    path = tmp_path / "a.db"
    storage = open_sqlite(path, patience=0.2)
    storage.append("study", [CREATED])
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(
        StorageError, match=r"stayed locked by somebody else for 0.2 seconds \(.*locked\); got .*Next: "
    ):
        storage.append("study", [StudyAttribute("a", 1)])
    assert storage.studies()[0].attributes == {}, "reading does not wait for writers"
    other.execute("ROLLBACK")
    storage.append("study", [StudyAttribute("a", 1)])
    assert storage.studies()[0].attributes == {"a": 1}
    other.close()
    storage.close()


def test_a_lock_that_is_released_is_waited_for(tmp_path):
    path = tmp_path / "a.db"
    storage = open_sqlite(path)
    storage.append("study", [CREATED])
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.3, lambda: other.execute("COMMIT"))
    release.start()
    assert storage.claim("study", "worker", 60.0).trial.number == 0
    release.join()
    other.close()
    storage.close()


def test_a_reader_keeps_nobody_from_writing(tmp_path):
    path = tmp_path / "a.db"
    storage = open_sqlite(path, patience=0.2)
    storage.append("study", [CREATED])
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    before = reader.execute("SELECT count(*) FROM events").fetchall()
    storage.append("study", [TrialEnqueued(NEXT, {}) for _ in range(50)])
    assert reader.execute("SELECT count(*) FROM events").fetchall() == before
    reader.close()
    storage.close()


def test_a_full_database_refuses_and_keeps_what_it_had(tmp_path, connections):
    storage = open_sqlite(tmp_path / "a.db")
    storage.append("study", [CREATED, TrialEnqueued(NEXT, {"x": 1})])
    log, snapshot = storage.read("study"), storage.snapshot("study")
    [(pages,)] = connections[-1].execute("PRAGMA page_count").fetchall()
    connections[-1].execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageError, match=r"the disk is full; nothing of this write was kept.*got .*a.db.*free some"):
        storage.append("study", [TrialEnqueued(NEXT, {"x": "y" * 100_000})])
    assert (storage.read("study"), storage.snapshot("study")) == (log, snapshot)
    connections[-1].execute("PRAGMA max_page_count = 1000000")
    storage.append("study", [TrialEnqueued(NEXT, {"x": "y" * 100_000})])
    assert len(storage.snapshot("study").rows) == 2
    storage.close()


FILL = """
import resource, sys
from trimtab.base.errors import StorageError
from trimtab.base.events import *
from trimtab.base.records import Objective
from trimtab.storage.sqlite import open_sqlite
storage = open_sqlite(sys.argv[1])
storage.append("study", [StudyCreated((Objective(),), seed=0)])
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
written = 0
try:
    while True:
        storage.append("study", [TrialEnqueued(NEXT, {"x": "y" * 2000})])
        written += 1
except StorageError as error:
    print(error)
print(len(storage.snapshot("study").rows) == written > 0)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
storage.append("study", [TrialEnqueued(NEXT, {"x": "y" * 2000})])
print(len(storage.snapshot("study").rows) == written + 1)
storage.close()
"""


def test_a_disk_that_takes_no_more_refuses_and_keeps_what_it_had(tmp_path):
    path = tmp_path / "a.db"
    done = subprocess.run([sys.executable, "-c", FILL, str(path)], capture_output=True, text=True, check=True)
    said, kept, went_on = done.stdout.splitlines()
    assert "nothing of this write was kept" in said
    assert "a.db" in said
    assert "Next: " in said
    assert (kept, went_on) == ("True", "True")
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


def test_results_are_synced_to_the_disk_and_signs_of_life_are_not(tmp_path, connections):
    storage = open_sqlite(tmp_path / "a.db")

    def level() -> str:
        """The level under which the last write ran: SQLite refuses to change it inside a transaction."""
        return {1: "NORMAL", 2: "FULL"}[connections[-1].execute("PRAGMA synchronous").fetchone()[0]]

    storage.append("study", [CREATED])
    assert level() == "FULL"
    claim = storage.claim("study", "worker", 60.0)
    assert level() == "NORMAL"
    storage.append("study", [TrialAsked(0, claim.seq, {}, 0, "random"), LeaseRenewed(0, claim.seq, 2e9)])
    assert level() == "NORMAL"
    report = Reported(0, claim.seq, 1.0, {"loss": 1.0})
    told = TrialTold(0, claim.seq, TrialState.COMPLETE, EndReason.COMPLETED, Observation(1.0))
    storage.append("study", [report, told])
    assert level() == "FULL"
    claim = storage.claim("study", "worker", 60.0)
    assert level() == "NORMAL"
    storage.append("study", [StudyAttribute("a", 1)])
    assert level() == "FULL"
    storage.close()


def test_an_interrupt_leaves_no_transaction_open(tmp_path, connections, monkeypatch):
    storage = open_sqlite(tmp_path / "a.db")
    storage.append("study", [CREATED])

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("trimtab.storage.rows.encode_event", interrupt)
    with pytest.raises(KeyboardInterrupt):
        storage.append("study", [StudyAttribute("a", 1)])
    monkeypatch.undo()
    assert not connections[-1].in_transaction
    assert storage.studies()[0].attributes == {}
    storage.close()
