"""The stopping rules as a user of a study meets them."""

from __future__ import annotations

import pytest

import trimtab as tt
from trimtab.base.errors import InvalidArgument
from trimtab.trust.stopping import LEAST_TRIALS, StopWhenIdle, patience

SPACE = tt.Space(x=tt.Float(0.0, 1.0))


def test_the_callback_stops_where_patience_does_and_says_why() -> None:
    study = tt.create_study(space=SPACE, tuner="random", seed=3)
    study.optimize(lambda trial: trial.params["x"], n_trials=500, callbacks=[StopWhenIdle(share=0.2)])
    values = [trial.value for trial in study.trials]
    assert len(values) < 500
    assert patience(values, share=0.2).stop
    assert not patience(values[:-1], share=0.2).stop
    assert study.ended == str(patience(values, share=0.2))


def test_failed_and_maximised_trials_count_as_what_they_are() -> None:
    def objective(trial: tt.Trial) -> float:
        if trial.number % 2:
            raise ValueError("odd")
        return -trial.params["x"]

    study = tt.create_study(space=SPACE, tuner="random", seed=3, direction="maximize")
    study.optimize(objective, n_trials=400, catch=ValueError, callbacks=[StopWhenIdle(share=0.2)])
    values = [1e9 if trial.number % 2 else -trial.value for trial in study.trials]
    assert len(values) < 400
    assert patience(values, share=0.2).stop


def test_a_search_in_which_nothing_worked_is_not_called_exhausted() -> None:
    def objective(trial: tt.Trial) -> float:
        raise ValueError("never")

    study = tt.create_study(space=SPACE, tuner="random", seed=3)
    study.optimize(objective, n_trials=40, catch=ValueError, callbacks=[StopWhenIdle(share=0.5, level=0.5)])
    assert len(study.trials) == 40


def test_a_rule_that_cannot_be_is_refused_at_once() -> None:
    with pytest.raises(InvalidArgument, match="share must lie between 0 and 1"):
        StopWhenIdle(share=1.0)


def test_a_study_tells_its_outlook_where_it_can() -> None:
    study = tt.create_study(space=SPACE, tuner="random", seed=3)
    study.optimize(lambda trial: tt.Observation(0.5, stderr=0.1), n_trials=LEAST_TRIALS)
    found = study.outlook(0.01)
    assert found is not None
    assert found.trials == LEAST_TRIALS
    assert found.stop
    bare = tt.create_study(space=SPACE, tuner="random", seed=3)
    bare.optimize(lambda trial: trial.params["x"], n_trials=LEAST_TRIALS)
    assert bare.outlook(0.01) is None
