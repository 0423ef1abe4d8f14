"""SIGKILL in the middle of a race: what was evaluated stands, the next call goes on, and the choice is the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

import trimtab as tt
from trimtab.trust.study_race import race_of

RUN = """
import os, signal, sys
import trimtab as tt
sys.path.insert(0, sys.argv[3])
from test_race_kill import noisy, searched

def objective(trial):
    with open(sys.argv[2], "a") as file:
        file.write(f"{trial.number} {trial.block}\\n")
    if len(open(sys.argv[2]).readlines()) == 9:
        os.kill(os.getpid(), signal.SIGKILL)
    return noisy(trial)

searched(sys.argv[1]).race(objective, blocks=6, contenders=5)
"""


def noisy(trial: tt.Trial) -> float:
    assert trial.block is not None
    return float(
        trial.suggest_float("x", 0.0, 1.0) + 0.3 * np.random.default_rng([trial.number, trial.block]).standard_normal()
    )


def searched(url: str | None) -> tt.Study:
    space = tt.Space(x=tt.Float(0.0, 1.0))
    study = tt.create_study(study_name="s", storage=url, space=space, tuner="random", seed=0)
    study.optimize(lambda trial: trial.params["x"], n_trials=10)
    return study


def test_a_killed_race_goes_on_where_it_stood(tmp_path: Path) -> None:
    url, log = f"sqlite:///{tmp_path / 's.db'}", tmp_path / "begun.txt"
    done = subprocess.run(
        [sys.executable, "-c", RUN, url, str(log), str(Path(__file__).parent)], timeout=120, check=False
    )
    assert done.returncode == -9
    begun = [tuple(map(int, line.split())) for line in log.read_text().splitlines()]
    assert len(begun) == 9
    killed, whole = tt.load_study(storage=url), searched(None)
    # The evaluation in which it was killed is lost, the others stand.
    assert sorted(race_of(killed.history).records) == sorted(begun[:-1])

    def objective(trial: tt.Trial) -> float:
        assert trial.block is not None
        begun.append((trial.number, trial.block))
        return noisy(trial)

    two, one = killed.race(objective, blocks=6, contenders=5), whole.race(noisy, blocks=6, contenders=5)
    assert (two.chosen, two.alive, sorted(two.records)) == (one.chosen, one.alive, sorted(one.records))
    assert sorted(begun) == sorted([*one.records, begun[8]])
    assert killed.select() == whole.select()
    assert len(killed.trials) == 10
