"""Every suggestion of a finished study, a parallel one too, comes out of its log again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import trimtab as tt

SPACE = tt.Space(
    lr=tt.Float(1e-4, 1e-1, log=True),
    depth=tt.Int(1, 8),
    opt=tt.Choice({"adam": tt.Space(beta=tt.Float(0.5, 0.99)), "sgd": None}),
)


def objective(trial: tt.Trial) -> float:
    params = trial.params
    if params["depth"] == 7:
        return float("nan")
    return abs(float(params["lr"]) - 0.01) * 10 + float(params.get("opt.adam.beta", 0.7))


@pytest.mark.parametrize("tuner", ["random", "sobol", "gp", "auto"])
def test_a_study_replays(tuner: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    study = tt.create_study(storage=url, study_name="s", space=SPACE, tuner=tuner, seed=1)
    study.enqueue_trial({"depth": 3})
    study.optimize(objective, n_trials=18)
    study.migrate(SPACE.widened("depth", high=10))
    study.optimize(objective, n_trials=4)
    replay = tt.load_study(storage=url).replay()
    assert len(replay.trials) == 22
    assert replay.differing == ()


WORKER = """
import sys, time
import trimtab as tt

def objective(trial):
    time.sleep(0.1)
    return abs(trial.params["lr"] - 0.01) + trial.params["depth"]

study = tt.load_study(storage=sys.argv[1])
study.set_user_attr(sys.argv[2], True)
while len(study.user_attrs) < 3:
    time.sleep(0.01)
study.optimize(objective, n_total=36)
"""


def test_a_study_of_several_processes_replays(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    tt.create_study(storage=url, study_name="s", space=SPACE, tuner="gp", seed=2)
    workers = [subprocess.Popen([sys.executable, "-c", WORKER, url, name]) for name in "abc"]
    assert [worker.wait(timeout=300) for worker in workers] == [0, 0, 0]
    study = tt.load_study(storage=url)
    assert len({trial.worker for trial in study.trials}) == 3
    # Some trials were asked for while others ran: otherwise this would only be the test above again.
    assert any(trial.started < other.ended for trial in study.trials for other in study.trials[: trial.number])
    assert len(study.replay().trials) == 36
    assert study.replay().differing == ()


def test_another_tuner_is_found_out(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    tt.create_study(storage=url, study_name="s", space=SPACE, tuner="random", seed=1).optimize(objective, n_trials=5)
    replay = tt.load_study(storage=url, tuner="sobol").replay()
    assert not replay.same
    assert replay.differing == (0, 1, 2, 3, 4)
