"""Many processes on one SQLite file, without a server; and processes that are killed while they write."""

import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from trimtab.base.events import TrialClaimed, TrialTold
from trimtab.base.fold import advance_trial
from trimtab.base.outcomes import TrialState
from trimtab.base.records import FrozenTrial
from trimtab.base.seeds import Key
from trimtab.storage.sqlite import open_sqlite

WORKER = Path(__file__).with_name("worker.py")


def start_workers(path: Path, limit: int, processes: int = 1) -> subprocess.Popen:
    command = [sys.executable, str(WORKER), str(path), str(limit), str(processes)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


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


def test_sixteen_processes_of_a_hundred_trials_share_one_file(tmp_path):
    path = tmp_path / "shared.db"
    processes, trials = 16, 1600
    reader = open_sqlite(path)
    workers = start_workers(path, trials, processes)
    seen = []
    while workers.poll() is None:
        if reader.studies():
            snapshot = reader.snapshot("study")
            assert [row.number for row in snapshot.rows] == list(range(len(snapshot.rows)))
            seen.append(snapshot.seq)
        time.sleep(0.1)
    out, errors = workers.communicate()
    assert (workers.returncode, errors) == (0, "")
    lines = out.split()
    assert lines.count("created") == 1
    assert sorted(int(line) for line in lines if line != "created") == list(range(trials))
    assert seen == sorted(seen)
    log = reader.read("study")
    claims = [stored.event for stored in log if isinstance(stored.event, TrialClaimed)]
    assert sorted(claim.number for claim in claims) == list(range(trials))
    # SQLite's lock is not fair, so one process may find it taken until nothing is left; most have had their share.
    assert processes // 2 < len({claim.worker for claim in claims}) <= processes
    assert sum(isinstance(stored.event, TrialTold) for stored in log) == trials
    assert {row.state for row in reader.snapshot("study").rows} == {TrialState.COMPLETE}
    reader.close()
    assert_sound(path)


def test_processes_that_make_the_same_file_agree_on_who_made_it(tmp_path):
    for attempt in range(2):
        path = tmp_path / f"{attempt}.db"
        out, errors = start_workers(path, limit=8, processes=8).communicate()
        assert errors == ""
        assert sorted(out.split()) == sorted(["created", *map(str, range(8))])
        assert_sound(path)


def test_a_killed_writer_loses_at_most_what_was_running(tmp_path):
    path = tmp_path / "shared.db"
    moments = Key(0, purpose="kill").generator()
    told: set[int] = set()
    for _ in range(4):
        worker = start_workers(path, limit=10**6)
        first = worker.stdout.readline()
        time.sleep(moments.uniform(0.0, 0.15))
        worker.kill()
        rest, errors = worker.communicate()
        assert errors == ""
        # A killed process may leave its last line half written; what was told is a whole line.
        lines = [line for line in (first + rest).splitlines(keepends=True) if line.endswith("\n")]
        told.update(int(line) for line in lines if line != "created\n")
        assert_sound(path)
        storage = open_sqlite(path)
        rows = storage.snapshot("study").rows
        storage.close()
        assert told <= {row.number for row in rows if row.state == TrialState.COMPLETE}
        assert all(rows[number].values == f'[["value",{float(number)}]]' for number in told)
    assert len(told) >= 4
