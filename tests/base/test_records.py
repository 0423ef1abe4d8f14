# ruff: noqa: E501  # tables are read line by line
"""The records: what they refuse, and that JSON and rows lose nothing."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.base.arrays import dumps, loads
from trimtab.base.errors import InvalidArgument, InvalidObservation
from trimtab.base.holdout import HoldoutState
from trimtab.base.outcomes import Decision, EndReason, TrialState, Verdict
from trimtab.base.records import (
    FrozenTrial,
    Interval,
    Objective,
    Observation,
    Outcome,
    Selection,
    StudyRecord,
    check_name,
)
from trimtab.testing.strategies import json_values, names, objectives, observations, param_values, texts

moments = st.none() | st.floats(0, 4e9)
trials = st.builds(
    FrozenTrial,
    number=st.integers(0, 2**31),
    state=st.sampled_from(TrialState),
    params=st.none() | st.dictionaries(names(), param_values(), max_size=3),
    observation=st.none() | observations(),
    reason=st.none() | st.sampled_from(EndReason),
    text=texts(),
    worker=texts(),
    token=st.integers(0, 2**31),
    expires=st.floats(0, 4e9),
    retry_of=st.none() | st.integers(0, 2**31),
    created=st.floats(0, 4e9),
    started=moments,
    ended=moments,
    seen=st.integers(0, 2**31),
    tuner=texts(),
    why=texts(),
    attributes=st.dictionaries(names(), json_values(), max_size=2),
    attempts=st.lists(observations(), max_size=2).map(tuple),
)
studies = st.builds(
    StudyRecord,
    name=names(),
    objectives=objectives(),
    seed=st.integers(0, 2**53),
    space=st.none() | json_values(),
    tuner=names(),
    parameters=st.dictionaries(names(), json_values(), max_size=2),
    attributes=st.dictionaries(names(), json_values(), max_size=2),
    created=st.floats(0, 4e9),
    stopped=texts(),
    notes=st.lists(texts(), max_size=2).map(tuple),
)


@given(observations())
def test_observations_come_back_through_text(seen):
    again = Observation.from_json(loads(dumps(seen.to_json())))
    assert again == seen
    assert hash(again) == hash(seen)
    for part in ("values", "stderr", "gradient", "constraints", "fidelity"):
        one, two = getattr(seen, part), getattr(again, part)
        assert (one is None) == (two is None)
        np.testing.assert_array_equal(list((one or {}).values()), list((two or {}).values()))
    assert (seen.losses is None) == (again.losses is None)
    if seen.losses is not None:
        np.testing.assert_array_equal(seen.losses, again.losses)
        assert not again.losses.flags.writeable


@settings(max_examples=50)
@given(trials)
def test_trials_come_back_from_rows_of_plain_columns(trial):
    row = trial.to_row()
    assert all(value is None or type(value) in (int, float, str) for value in row)
    again = FrozenTrial.from_row(row)
    assert again == trial
    assert again.to_row() == row


@settings(max_examples=50)
@given(studies)
def test_studies_come_back_through_text(study):
    assert StudyRecord.from_json(loads(dumps(study.to_json()))) == study


def test_a_record_from_before_there_were_holdouts_opens_and_one_without_any_is_written_as_then():
    study = StudyRecord("s", (Objective(),), 3)
    old = {
        "name": "s",
        "objectives": [["value", "minimize"]],
        "seed": 3,
        "space": None,
        "tuner": "auto",
        "parameters": {},
        "attributes": {},
        "created": 0.0,
        "stopped": "",
        "notes": [],
    }
    assert StudyRecord.from_json(old) == study
    assert study.to_json() == old


def test_a_record_keeps_its_holdout_and_its_sealed_split():
    state = HoldoutState(3, 1, 0.25, np.array([0.1, 1.0]), spoke_for=2)
    study = StudyRecord("s", (Objective(),), 3, holdout={"size": 2}, holdout_state=state, sealed={"opening": None})
    again = StudyRecord.from_json(loads(dumps(study.to_json())))
    assert again == study
    assert again.holdout_state.leader.tolist() == [0.1, 1.0]


def test_a_bare_number_stands_for_the_only_objective():
    assert dict(Observation(1).values) == {"value": 1.0}
    assert dict(Observation(np.float32(0.5), stderr=0.1).stderr) == {"value": 0.1}
    assert dict(Observation({"loss": 1.0}, stderr=0.1).stderr) == {"loss": 0.1}
    assert dict(Observation(np.array(2.0)).values) == {"value": 2.0}


def test_finite_and_feasible_speak_of_every_part():
    assert Observation({"a": 1.0, "b": 2.0}).finite
    assert not Observation({"a": 1.0, "b": math.nan}).finite
    assert not Observation(math.inf).finite
    assert Observation(1.0).feasible
    assert Observation(1.0, constraints={"size": 0.0}).feasible
    assert not Observation(1.0, constraints={"size": 0.1, "time": -1.0}).feasible
    assert not Observation(1.0, constraints={"size": math.nan}).feasible


def test_observations_differ_in_any_part():
    base = Observation(1.0, stderr=0.1)
    assert base != Observation(1.0)
    assert base != base.replace(cost=3.0)
    assert base.replace(cost=3.0).replace(cost=None) == base
    assert Observation(math.nan) == Observation(math.nan)
    assert base != 1.0


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Observation(None), "value must be a number; got nothing"),
        (lambda: Observation("0.5"), "value must be a number; got '0.5'; allowed: a real number"),
        (lambda: Observation([1.0, 2.0]), "value must be one real number"),
        (lambda: Observation(1 + 2j), "value must be one real number"),
        (lambda: Observation({}), "an observation needs at least one value; got {}."),
        (lambda: Observation({"": 1.0}), "the name of a value must be a text; got ''"),
        (lambda: Observation(1.0, stderr=-0.1), "stderr 'value' must be a number >= 0 that belongs to a value; got -0.1"),
        (lambda: Observation(1.0, stderr=math.nan), "stderr 'value' must be a number >= 0"),
        (lambda: Observation(1.0, stderr={"other": 0.1}), "stderr 'other' must be a number >= 0 that belongs to a value;"
                                                          " got 0.1; allowed: keys among ['value']."),
        (lambda: Observation({"a": 1.0, "b": 2.0}, stderr=0.1), "stderr 'value' must be a number >= 0 that belongs"),
        (lambda: Observation(1.0, gradient=0.5), "gradient must be a dict of names to numbers; got 0.5."),
        (lambda: Observation(1.0, gradient={"x": None}), "gradient 'x' must be a number"),
        (lambda: Observation(1.0, constraints=[1]), "constraints must be a dict of names to numbers; got [1]."),
        (lambda: Observation(1.0, losses=[]), "losses must be a vector with one loss per example; got (0,);"
                                              " allowed: shape (n,), n >= 1."),
        (lambda: Observation(1.0, losses=[[1.0]]), "losses must be a vector with one loss per example; got (1, 1)"),
        (lambda: Observation(1.0, losses=["a"]), "losses must be numbers"),
        (lambda: Observation(1.0, cost=-1.0), "cost must be a number >= 0; got -1.0."),
        (lambda: Observation(1.0, cost=math.nan), "cost must be a number >= 0; got nan."),
        (lambda: Observation(1.0, task=""), "a task's name must be a text; got ''"),
    ],
)  # fmt: skip
def test_what_is_no_observation_is_refused(make, text):
    with pytest.raises((InvalidObservation, InvalidArgument)) as told:
        make()
    if "got nothing" not in text:
        assert text in str(told.value)
    else:
        assert "value must be a number" in str(told.value)


def test_objectives_check_name_and_direction():
    assert Objective().sign == 1.0
    assert Objective("acc", "maximize").sign == -1.0
    with pytest.raises(InvalidArgument, match="objective 'acc': unknown direction; got 'up'; allowed: 'minimize' or"):
        Objective("acc", "up")
    with pytest.raises(InvalidArgument, match="an objective's name must be a text; got ''"):
        Objective("")
    assert check_name("é" * 10_000, "a study's name") == "é" * 10_000
    with pytest.raises(InvalidArgument, match="a study's name must be a text; got 3; allowed: 1 to 100000 characters"):
        check_name(3, "a study's name")
    with pytest.raises(InvalidArgument, match="a study's name must be a text"):
        check_name("x" * 100_001, "a study's name")


def test_a_trials_value_is_that_of_its_only_objective():
    one = FrozenTrial(0, TrialState.COMPLETE, observation=Observation(0.5), started=2.0, ended=5.0)
    assert one.value == 0.5
    assert one.duration == 3.0
    assert FrozenTrial(0, TrialState.RUNNING, started=2.0).duration is None
    assert FrozenTrial(0, TrialState.FAIL).value is None
    assert FrozenTrial(0, TrialState.FAIL).values == {}
    two = FrozenTrial(3, TrialState.COMPLETE, observation=Observation({"a": 1.0, "b": 2.0}))
    with pytest.raises(
        InvalidArgument, match=r"trial 3 has several objectives; got \['a', 'b'\]. Next: use trial.values"
    ):
        _ = two.value


def test_intervals_and_selections_check_themselves():
    interval = Interval(0.0, 1.0, 0.95)
    assert 0.0 in interval
    assert 1.0 in interval
    assert 1.1 not in interval
    for bad in ((1.0, 0.0, 0.9), (0.0, 1.0, 0.0), (0.0, 1.0, 1.0), (math.nan, 1.0, 0.9)):
        with pytest.raises(ValueError, match="an Interval needs low <= high and 0 < level < 1"):
            Interval(*bad)
    parts = {
        "trial": 3,
        "params": {"x": 1},
        "objective": Objective("loss"),
        "estimate": 0.5,
        "interval": Interval(0.4, 0.6, 0.95),
        "tie_set": (3, 5),
        "method": "replicates",
        "caveats": ("one task only",),
        "observed": 0.45,
    }
    assert str(Selection(**parts)) == (
        "trial 3: loss 0.5, 95% interval 0.4 to 0.6\n"
        "  observed 0.45; not told apart from 1 other trial\n"
        "  method: replicates\n"
        "  note: one task only"
    )
    assert "observed 0.45; alone at the top" in str(Selection(**{**parts, "tie_set": (3,)}))
    untested = {**parts, "ties_tested": False}
    assert "0.45; not told apart from 1 other trial; ties with the rest were not tested\n" in str(Selection(**untested))
    assert "observed 0.45; ties were not tested\n" in str(Selection(**{**untested, "tie_set": (3,)}))
    silent = str(Selection(**{**parts, "interval": None, "tie_set": (3,)}))
    assert "no interval\n  observed 0.45; nothing was told about noise, so nothing about ties" in silent
    assert (
        "other trial\n  the best of the candidates with probability 34%; shrunk together with the others 0.48\n  method"
    ) in str(Selection(**parts, best_probability=0.344, shrunk=0.48))
    assert "trial\n  shrunk together with the others 0.48\n" in str(Selection(**parts, shrunk=0.48))
    for change in ({"caveats": ()}, {"method": ""}, {"tie_set": (5,)}):
        with pytest.raises(ValueError, match="a Selection needs a method, caveats and its trial in the tie set"):
            Selection(**{**parts, **change})


def test_an_observation_that_is_not_finite_makes_a_diverged_outcome():
    good = Outcome.observed(Observation(1.0))
    assert (good.state, good.reason, good.text) == (TrialState.COMPLETE, EndReason.COMPLETED, "")
    bad = Outcome.observed(Observation({"a": 1.0, "b": math.inf}))
    assert (bad.state, bad.reason) == (TrialState.FAIL, EndReason.DIVERGED)
    assert bad.text == "the objective diverged; got {'a': 1.0, 'b': inf}."
    assert dict(bad.observation.values) == {"a": 1.0, "b": math.inf}


def test_outcomes_have_words_and_reasons():
    assert [state.finished for state in TrialState] == [False, False, True, True, True]
    assert {reason for reason in EndReason if reason.retriable} == {
        EndReason.KILLED,
        EndReason.LEASE_LOST,
        EndReason.CANCELLED,
    }
    assert all(reason.text for reason in EndReason)
    with pytest.raises(ValueError, match="a Decision needs a reason; got an empty text"):
        Decision(Verdict.STOP, "")
