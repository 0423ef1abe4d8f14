"""Many processes on one SQLite file, without a server; and processes that are killed while they write."""

import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trimtab.base.events import StudyCreated, TrialClaimed, TrialTold
from trimtab.base.fold import advance_trial
from trimtab.base.outcomes import TrialState
from trimtab.base.records import FrozenTrial, Objective
from trimtab.base.seeds import Key
from trimtab.storage.sqlite import open_sqlite

WORKER = Path(__file__).with_name("worker.py")


def start_worker(path: Path, limit: int) -> subprocess.Popen:
    command = [sys.executable, str(WORKER), str(path), str(limit)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "shared.db"
    storage = open_sqlite(path)
    storage.append("study", [StudyCreated((Objective(),), seed=0)])
    storage.close()
    return path


def assert_sound(path: Path) -> None:
    """SQLite's own check, and every derived row is the fold of the log."""
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    storage = open_sqlite(path)
    trials: dict[int, FrozenTrial] = {}
    for stored in storage.read("study"):
        number = getattr(stored.event, "number", None)
        if number is not None:
            trials[number] = advance_trial(trials.get(number), stored)
    assert list(storage.snapshot("study").rows) == [trial.to_row() for _, trial in sorted(trials.items())]
    storage.close()


def test_sixteen_processes_of_a_hundred_trials_share_one_file(path):
    processes, each = 16, 100
    workers = [start_worker(path, processes * each) for _ in range(processes)]
    reader = open_sqlite(path)
    seen = []
    while any(worker.poll() is None for worker in workers):
        snapshot = reader.snapshot("study")
        assert [row.number for row in snapshot.rows] == list(range(len(snapshot.rows)))
        seen.append(snapshot.seq)
        time.sleep(0.2)
    told = []
    for worker in workers:
        out, errors = worker.communicate()
        assert (worker.returncode, errors) == (0, "")
        told.extend(int(line) for line in out.split())
    assert sorted(told) == list(range(processes * each))
    assert seen == sorted(seen)
    log = reader.read("study")
    claims = [stored.event for stored in log if isinstance(stored.event, TrialClaimed)]
    assert sorted(claim.number for claim in claims) == list(range(processes * each))
    assert len({claim.worker for claim in claims}) == processes
    assert sum(isinstance(stored.event, TrialTold) for stored in log) == processes * each
    assert {row.state for row in reader.snapshot("study").rows} == {TrialState.COMPLETE}
    reader.close()
    assert_sound(path)


CREATE = """
import sys
from trimtab.base.errors import StudyExists
from trimtab.base.events import StudyCreated
from trimtab.base.records import Objective
from trimtab.storage import open_storage
print("ready", flush=True)
sys.stdin.readline()
storage = open_storage(sys.argv[1])
try:
    storage.append("study", [StudyCreated((Objective(),), seed=0)])
    print("created")
except StudyExists:
    print("exists")
storage.close()
"""


def test_processes_that_make_the_same_file_agree_on_who_made_it(tmp_path):
    command = [sys.executable, "-c", CREATE, str(tmp_path / "new.db")]
    makers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for maker in makers:
        assert maker.stdout.readline() == "ready\n"
    for maker in makers:
        maker.stdin.write("go\n")
        maker.stdin.flush()
    assert sorted(maker.communicate()[0] for maker in makers) == ["created\n", "exists\n", "exists\n"]
    assert_sound(tmp_path / "new.db")


def test_a_killed_writer_loses_at_most_what_was_running(path):
    moments = Key(0, purpose="kill").generator()
    told: set[int] = set()
    for _ in range(4):
        worker = start_worker(path, limit=10**6)
        first = worker.stdout.readline()
        time.sleep(moments.uniform(0.0, 0.15))
        worker.kill()
        rest, errors = worker.communicate()
        assert errors == ""
        # A killed process may leave its last line half written; what was told is a whole line.
        told.update(int(line) for line in (first + rest).splitlines(keepends=True) if line.endswith("\n"))
        assert_sound(path)
        storage = open_sqlite(path)
        rows = storage.snapshot("study").rows
        storage.close()
        assert told <= {row.number for row in rows if row.state == TrialState.COMPLETE}
        assert all(rows[number].values == f'[["value",{float(number)}]]' for number in told)
    assert len(told) >= 4
