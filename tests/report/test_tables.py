from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from trimtab.base.history import History
from trimtab.base.records import Objective, Observation, Selection
from trimtab.report.tables import selection_row, state_counts, study_row, trial_row, trial_rows
from trimtab.space import Float, Space
from trimtab.testing.histories import make_history
from trimtab.trust.holdout import Fingerprint, HoldoutInUse, HoldoutState, PracticalThresholdout, ReusableHoldout


def test_rows_are_strict_json_and_exact(study: History[Space]) -> None:
    rows = trial_rows(study)
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    assert [row["number"] for row in rows] == list(range(len(study)))
    for row, trial in zip(rows, study, strict=True):
        assert row["params"] == dict(trial.params or {})
        assert row["duration"] == trial.duration
        assert row["state"] == trial.state.name


def test_a_failure_keeps_its_reason_and_text(study: History[Space]) -> None:
    row = trial_row(study.trial(4))
    assert (row["state"], row["reason"], row["values"]) == ("FAIL", "error", {})
    assert "ValueError" in row["text"]
    assert trial_row(study.trial(6))["values"] == {"loss": "nan"}


def test_optional_parts_are_told_and_losses_are_left_out() -> None:
    told = Observation(0.5, stderr=0.1, constraints={"size": -1.0}, losses=[0.5, 0.5], cost=3.0, fidelity={"epochs": 9})
    row = trial_row(make_history(Space(x=Float(0, 1)), [({"x": 0.5}, told)]).trial(0))
    assert row["stderr"] == {"value": 0.1}
    assert row["constraints"] == {"size": -1.0}
    assert row["cost"] == 3.0
    assert row["fidelity"] == {"epochs": 9.0}
    assert "losses" not in row


def test_rows_of_chosen_trials_in_their_order(study: History[Space]) -> None:
    assert [row["number"] for row in trial_rows(study, [3, 1])] == [3, 1]


def test_a_study_as_one_row(study: History[Space]) -> None:
    row = study_row(study)
    assert row["n_trials"] == 60 == sum(row["states"].values())
    assert row["objectives"] == [{"name": "loss", "direction": "minimize"}]
    assert row["best_observed"] == pytest.approx(min(study.values[study.complete, 0]))
    assert study.values[row["best_trial"], 0] == row["best_observed"]
    assert state_counts(study) == row["states"]


def test_a_holdout_and_a_sealed_split_are_told_in_strict_json(study: History[Space]) -> None:
    assert (study_row(study)["holdout"], study_row(study)["sealed"]) == (None, None)
    rules = ReusableHoldout(Fingerprint.of(range(4)), Fingerprint.of(range(4, 8)), PracticalThresholdout(4, 4, 3))
    declared = HoldoutInUse(rules, HoldoutState(), ("first",)).declared()
    split = {"examples": Fingerprint.of(range(9)).to_json(), "opening": None}
    state = HoldoutState(7, 3, 0.5, spoke_for=2)
    history = make_history(Space(x=Float(0, 1)))
    history.study = history.study.with_(holdout=declared, holdout_state=state, sealed=split)
    row = study_row(history)
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    told = row["holdout"]
    assert (told["queries"], told["spent"], told["left"], told["used_up"]) == (7, 3, 0, True)
    assert (told["others"], told["proven"]) == (["first"], False)
    assert told["words"].startswith("7 queries answered; the holdout spoke in 3 of them, of 3 allowed.")
    assert row["sealed"] == {"size": 9, "opened": None, "words": "sealed split of 9 examples: not opened yet"}
    history.study = history.study.with_(sealed={**split, "opening": [5, 0.25, 0.1, 0.5, 0.95]})
    assert study_row(history)["sealed"]["opened"] == {
        "trial": 5,
        "mean": 0.25,
        "interval": {"low": 0.1, "high": 0.5, "level": 0.95},
    }


def test_a_study_without_a_best() -> None:
    space = Space(x=Float(0, 1))
    assert study_row(make_history(space))["best_observed"] is None
    two = make_history(
        space, [({"x": 0.5}, Observation({"a": 1, "b": 2}))], objectives=[Objective("a"), Objective("b")]
    )
    assert study_row(two)["best_trial"] is None


def test_a_selection_as_one_row(study: History[Space], pick: Callable[..., Selection]) -> None:
    row = selection_row(pick(study, 8, (2, 5)))
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    assert row["trial"] == 8
    assert row["tie_set"] == [8, 2, 5]
    assert row["interval"]["level"] == 0.95
    assert row["interval"]["low"] < row["estimate"] < row["interval"]["high"]


def test_a_selection_without_an_interval(study: History[Space], pick: Callable[..., Selection]) -> None:
    bare = Selection(0, {"x": math.inf}, Objective(), 1.0, None, (0,), "observed", ("nothing was told of noise",), 1.0)
    assert selection_row(bare)["interval"] is None
    assert not selection_row(replace(bare, ties_tested=False))["ties_tested"]
    assert selection_row(bare)["params"] == {"x": "inf"}
    assert (selection_row(bare)["best_probability"], selection_row(bare)["shrunk"]) == (None, None)
    told = selection_row(replace(bare, best_probability=0.25, shrunk=math.inf))
    assert (told["best_probability"], told["shrunk"]) == (0.25, "inf")
