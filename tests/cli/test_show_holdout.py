"""`trimtab show` of a study with a holdout and a sealed split."""

from __future__ import annotations

import json

import numpy as np

import trimtab as tt


def test_the_budget_and_the_sealed_split_are_shown(trimtab, here) -> None:
    rules = tt.ReusableHoldout.of(range(10), range(10, 20), mechanism=tt.Thresholdout(0.1, 0.01, budget=1))
    study = tt.create_study(
        "s", "sqlite:///trimtab.db", space=tt.Space(x=tt.Float(0, 1)), tuner="random", holdout=rules
    )
    study.seal(range(20, 30))
    assert "holdout: 0 queries answered; the holdout spoke in 0 of them, of 1 allowed." in trimtab("show").out
    assert "sealed split of 10 examples: not opened yet" in trimtab("show").out
    study.add_trial({"x": 0.5}, tt.Observation(0.0, losses=np.repeat([0.0, 1.0], 10)))
    study.open_sealed(0, np.repeat([0.0, 1.0], 5))
    out = " ".join(trimtab("show").out.split())
    assert "of 1 allowed. Outside the theorem's setting no error is stated. It is used up, and answers no more." in out
    assert "opened once, for trial 0: mean loss 0.5" in out
    assert "ended: the holdout's budget is used up" in out
    told = json.loads(trimtab("show", "-f", "json").out)["study"]
    assert (told["holdout"]["left"], told["holdout"]["used_up"]) == (0, True)
    assert told["sealed"]["opened"]["mean"] == 0.5
    assert "holdout" in trimtab("best").out
