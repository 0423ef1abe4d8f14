"""SIGKILL at random points: nothing that was told is lost, what was running is run again, the count is finished."""

from __future__ import annotations

import contextlib
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import trimtab as tt
from trimtab.base.outcomes import EndReason, TrialState

RUN = """
import random, sys, time
import trimtab as tt

url, n_jobs, total, told = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]

def objective(trial):
    time.sleep(random.uniform(0.0, 0.04))
    return trial.params["x"] ** 2

def note(study, trial):
    # Written after tell() has returned: from here on the result must survive anything.
    if trial.value is not None:
        with open(told, "a") as file:
            file.write(f"{trial.number} {trial.value!r}\\n")

space = tt.Space(x=tt.Float(-1.0, 1.0))
study = tt.create_study(study_name="s", storage=url, space=space, tuner="random", seed=0, load_if_exists=True)
study.optimize(objective, n_total=total, n_jobs=n_jobs, callbacks=[note], retries=1000)
"""


def start(url: str, n_jobs: int, total: int, told: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", RUN, url, str(n_jobs), str(total), str(told)])


def check(url: str, database: Path, told: Path) -> list[tt.FrozenTrial]:
    """The study opens, its file is whole, numbers are dense, and every told result is there, once."""
    assert sqlite3.connect(database).execute("PRAGMA integrity_check").fetchone() == ("ok",)
    trials = tt.load_study(storage=url).trials
    assert [trial.number for trial in trials] == list(range(len(trials)))
    for line in told.read_text().splitlines():
        number, _, value = line.partition(" ")
        assert trials[int(number)].value == float(value), f"trial {number} was told {value}"
    return trials


def finished(trials: list[tt.FrozenTrial]) -> list[tt.FrozenTrial]:
    """The trials that stand, once each: lost ones that were run again left out."""
    superseded = {trial.retry_of for trial in trials}
    return [trial for trial in trials if trial.number not in superseded]


def test_sigkill_of_the_main_process(tmp_path: Path) -> None:
    database, told = tmp_path / "studies.db", tmp_path / "told.txt"
    url = f"sqlite:///{database}"
    told.touch()
    rng = random.Random(20)
    killed = 0
    for run in range(30):
        process = start(url, 1 + run % 2, 100_000, told)
        before = told.stat().st_size
        if run % 3:
            # Well into the trials in two of three runs; anywhere in the start-up in the third.
            while told.stat().st_size == before and process.poll() is None:
                time.sleep(0.005)
        time.sleep(rng.uniform(0.0, 0.3))
        process.kill()
        assert process.wait(timeout=30) == -signal.SIGKILL
        killed += 1
        if database.exists() and database.stat().st_size:
            check(url, database, told)
    assert killed == 30

    trials = check(url, database, told)
    goal = len(finished(trials)) + 5
    assert start(url, 2, goal, told).wait(timeout=120) == 0
    trials = check(url, database, told)
    assert len(finished(trials)) == goal
    assert {trial.state for trial in finished(trials)} == {TrialState.COMPLETE}
    lost = [trial for trial in trials if trial.reason is EndReason.LEASE_LOST]
    assert lost, "no kill struck a running trial: the test tests nothing"
    assert all("died" in trial.text for trial in lost)
    assert {trial.number for trial in lost} <= {trial.retry_of for trial in trials}


def test_sigkill_of_workers(tmp_path: Path) -> None:
    database, told = tmp_path / "studies.db", tmp_path / "told.txt"
    url = f"sqlite:///{database}"
    told.touch()
    total = 150
    main = start(url, 2, total, told)
    rng = random.Random(3)
    kills, size = 0, 0
    while main.poll() is None and kills < 10:
        time.sleep(rng.uniform(0.01, 0.05))
        # The older worker, and only once trials have ended since the last kill: it runs trials by then, and
        # workers that die while they start are another matter.
        if told.stat().st_size > size + 20:
            size = told.stat().st_size
            # The last trials may be told, and the workers gone, while they are being looked at.
            with contextlib.suppress(psutil.NoSuchProcess):
                workers = psutil.Process(main.pid).children()
                if workers:
                    min(workers, key=psutil.Process.create_time).send_signal(signal.SIGKILL)
                    kills += 1
    assert main.wait(timeout=120) == 0
    trials = check(url, database, told)
    assert len(finished(trials)) == total
    assert {trial.state for trial in finished(trials)} == {TrialState.COMPLETE}
    struck = [trial for trial in trials if trial.reason is EndReason.KILLED]
    assert struck, "no kill struck a running trial: the test tests nothing"
    assert all("SIGKILL" in trial.text for trial in struck)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_ctrl_c_ends_cleanly_and_the_same_command_goes_on(tmp_path: Path, n_jobs: int) -> None:
    database, told = tmp_path / "studies.db", tmp_path / "told.txt"
    url = f"sqlite:///{database}"
    told.touch()
    process = start(url, n_jobs, 100_000, told)
    while not told.stat().st_size:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) in (1, 130, -signal.SIGINT)
    trials = check(url, database, told)
    assert not [trial for trial in trials if trial.state is TrialState.RUNNING]
    cancelled = [trial for trial in trials if trial.reason is EndReason.CANCELLED]
    waiting = [trial for trial in trials if trial.state is TrialState.WAITING]
    assert {trial.retry_of for trial in waiting} == {trial.number for trial in cancelled}
    goal = len(finished(trials)) + 2
    assert start(url, n_jobs, goal, told).wait(timeout=60) == 0
    assert len(finished(check(url, database, told))) == goal
