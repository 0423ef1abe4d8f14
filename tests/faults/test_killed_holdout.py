"""Two processes on one holdout, killed while it answers: no answer is lost, given twice, or given otherwise."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import trimtab as tt
from trimtab.base.events import TrialTold
from trimtab.base.holdout import HoldoutState
from trimtab.base.outcomes import EndReason
from trimtab.base.seeds import Key
from trimtab.study.held_out import USED_UP

OBJECTIVE = """
import sys, time
import numpy as np
import trimtab as tt

def losses_of(number):
    losses = (np.random.default_rng(number).random(100) < 0.4).astype(float)
    losses[:40] *= number % 3 > 0  # every third trial looks flawless on the training part
    return losses

def objective(trial):
    time.sleep(pause)
    return tt.Observation(0.0, losses=losses_of(trial.number))

pause = 0.0
"""
RUN = (
    OBJECTIVE
    + """
pause = 0.02

def note(study, trial):
    # Written after tell() has returned: from here on the answer must survive anything.
    if trial.value is not None:
        with open(sys.argv[2], "a") as file:
            file.write(f"{trial.number} {trial.value!r}\\n")

tt.load_study(storage=sys.argv[1]).optimize(objective, n_total=100_000, callbacks=[note])
"""
)
BUDGET = 60


def test_sigkill_of_two_processes_that_share_a_holdout(tmp_path: Path) -> None:
    url, told = f"sqlite:///{tmp_path / 'studies.db'}", tmp_path / "told.txt"
    told.touch()
    # The noise of this mechanism depends on the order of the answers.
    mechanism = tt.Thresholdout(threshold=0.2, noise=0.01, budget=BUDGET)
    rules = tt.ReusableHoldout.of(range(40), range(40, 100), mechanism=mechanism)
    space = tt.Space(x=tt.Float(0.0, 1.0))
    study = tt.create_study(storage=url, study_name="s", space=space, tuner="random", seed=1, holdout=rules)
    workers = [subprocess.Popen([sys.executable, "-c", RUN, url, str(told)]) for _ in range(2)]
    rng = random.Random(7)
    while len({trial.worker for trial in study.trials if trial.value is not None}) < 2:
        time.sleep(0.01)
        assert [worker.poll() for worker in workers] == [None, None]
    for worker in workers:
        time.sleep(rng.uniform(0.0, 0.05))
        worker.send_signal(signal.SIGKILL)
    assert [worker.wait(timeout=30) for worker in workers] == [-signal.SIGKILL] * 2
    killed_at = len(study.trials)

    names: dict[str, object] = {}
    exec(OBJECTIVE, names)
    study = tt.load_study(storage=url, holdout=rules)
    assert study.holdout is not None
    assert not study.holdout.used_up, "the budget ended before the kill: the test tests nothing"
    study.optimize(names["objective"], n_total=1000)  # type: ignore[arg-type]
    assert study.stopped == USED_UP
    assert len(study.trials) > killed_at

    trials = study.trials
    for line in told.read_text().splitlines():
        number, _, value = line.partition(" ")
        assert trials[int(number)].value == float(value)
    state, numbers = HoldoutState(), []
    for stored in study._view.storage.read("s"):
        event = stored.event
        if isinstance(event, TrialTold) and event.answer is not None:
            losses = names["losses_of"](event.number)  # type: ignore[operator]
            answer, _ = rules.query(state, losses, Key(1, purpose="holdout"))
            assert answer == event.answer
            state = state.advanced(answer, event.number)
            numbers.append(event.number)
    assert state == study.holdout.state
    assert (state.queries, state.spent) == (len(set(numbers)), BUDGET)
    assert set(numbers) == {trial.number for trial in trials if trial.reason is EndReason.COMPLETED}
