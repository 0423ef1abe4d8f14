"""Leases: lost, taken back, run again; and what comes too late is kept."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

import trimtab as tt
from trimtab.base.events import LeaseRenewed
from trimtab.base.outcomes import EndReason, TrialState
from trimtab.study.leases import reap
from trimtab.study.workers import is_dead, worker_name

SPACE = tt.Space(x=tt.Float(0.0, 1.0))


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'studies.db'}"


def take_back(study: tt.Study, now: float, retries: int = 2) -> int:
    return reap(study._view.storage, study._view.refresh(), now, retries)


def test_a_lease_that_runs_out_loses_the_trial_and_its_configuration_waits_again(url: str) -> None:
    study = tt.create_study(storage=url, space=SPACE, seed=0)
    trial = study.ask()
    assert take_back(study, time.time()) == 0
    assert take_back(study, time.time() + 3600) == 1
    lost, again = study.trials
    assert (lost.state, lost.reason) == (TrialState.FAIL, EndReason.LEASE_LOST)
    assert (again.state, again.retry_of, again.params) == (TrialState.WAITING, 0, trial.params)


def test_a_late_result_is_kept_as_a_second_attempt_and_is_no_error(url: str) -> None:
    study = tt.create_study(storage=url, space=SPACE, seed=0)
    trial = study.ask()
    take_back(study, time.time() + 3600)
    told = study.tell(trial, 0.125)
    assert told.state is TrialState.FAIL
    assert [attempt.values["value"] for attempt in told.attempts] == [0.125]
    assert study.ask().params == trial.params


def test_retries_have_a_limit(url: str) -> None:
    study = tt.create_study(storage=url, space=SPACE, seed=0)
    requeued = []
    for _ in range(4):
        if study.history.numbers(TrialState.WAITING).size or not requeued:
            study.ask()
        requeued.append(take_back(study, time.time() + 3600))
    assert requeued == [1, 1, 0, 0]


def test_a_trial_that_was_claimed_but_never_asked_is_run_again_too(url: str) -> None:
    study = tt.create_study(storage=url, space=SPACE, seed=0)
    study._view.storage.claim(study.study_name, "elsewhere", 1.0)
    assert take_back(study, time.time() + 3600) == 1
    study.optimize(lambda trial: trial.params["x"], n_total=1)
    assert [trial.state for trial in study.trials] == [TrialState.FAIL, TrialState.COMPLETE]


def test_long_trials_keep_their_lease(url: str) -> None:
    study = tt.create_study(storage=url, study_name="s", space=SPACE, seed=0, lease=0.4)

    def slow(trial: tt.Trial) -> float:
        time.sleep(1.2)
        return 0.0

    study.optimize(slow, n_trials=1)
    renewed = [stored for stored in study._view.storage.read("s") if isinstance(stored.event, LeaseRenewed)]
    assert len(renewed) >= 2
    assert study.trials[0].state is TrialState.COMPLETE


def test_this_process_is_alive_and_one_that_ended_is_dead() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from trimtab.study.workers import worker_name; print(worker_name())"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert not is_dead(worker_name())
    assert is_dead(done.stdout.strip())


def test_what_another_machine_runs_cannot_be_known() -> None:
    assert not is_dead("another-host.1234/1/99")
    assert not is_dead("")


def test_a_process_number_given_to_another_process_does_not_revive_a_worker() -> None:
    machine, pid, start = worker_name().split("/")
    assert is_dead(f"{machine}/{pid}/{int(start) - 1}")
