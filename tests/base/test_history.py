"""Histories: whatever way one is read, it is the fold of the same events."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.base import events as ev
from trimtab.base.events import Stored
from trimtab.base.history import History, Snapshot
from trimtab.base.outcomes import EndReason, TrialState
from trimtab.base.records import FrozenTrial, Objective, Observation, Report, StudyRecord
from trimtab.testing.strategies import logs

STUDY = StudyRecord("s", (Objective("a"), Objective("b", "maximize")), seed=1)


def space_of(study):
    return (study.space, tuple(study.parameters))


def told(number, state, observation=None, **parts):
    return FrozenTrial(number, state, {"x": number}, observation, EndReason.COMPLETED, **parts)


TRIALS = [
    told(0, TrialState.COMPLETE, Observation({"a": 1.0, "b": 2.0})),
    FrozenTrial(1, TrialState.RUNNING, {"x": 1}),
    told(2, TrialState.FAIL, retry_of=None),
    FrozenTrial(3, TrialState.WAITING, {"x": 3}, retry_of=2),
    FrozenTrial(4, TrialState.RUNNING),
    told(5, TrialState.PRUNED, Observation({"a": 3.0, "b": np.nan})),
]


def same(one, two):
    assert one.study == two.study
    assert one.space == two.space
    assert one.seq == two.seq
    np.testing.assert_array_equal(one.states, two.states)
    np.testing.assert_array_equal(one.values, two.values)
    assert list(one) == list(two)
    assert dict(one.curves) == dict(two.curves) or repr(one.curves) == repr(two.curves)


@settings(max_examples=40)
@given(logs(most=15), st.data())
def test_extending_by_parts_is_reading_the_whole_log(log, data):
    whole = History.from_events("s", log, space_of)
    cuts = sorted(data.draw(st.lists(st.integers(1, len(log)), max_size=3)))
    parts = History.from_events("s", log[:1], space_of)
    for start, end in zip([1, *cuts], [*cuts, len(log)], strict=True):
        parts = parts.extended(log[start:end], space_of)
    assert repr(list(parts)) == repr(list(whole))
    same(parts, whole)


@settings(max_examples=40)
@given(logs(most=15), st.data())
def test_a_snapshots_rows_tell_the_same_without_curves(log, data):
    cut = data.draw(st.integers(1, len(log)))
    early = History.from_events("s", log[:cut], space_of)
    rows = [trial.with_(reports=()).to_row() for trial in early]
    read = History.from_snapshot(Snapshot(early.study, early.seq, rows), early.space)
    same(read.with_curves(early.curves), early)
    later, whole = read.extended(log[cut:], space_of), History.from_events("s", log, space_of)
    np.testing.assert_array_equal(later.states, whole.states)
    np.testing.assert_array_equal(later.values, whole.values)
    assert [t.with_(reports=()) for t in later] == [t.with_(reports=()) for t in whole]
    assert later.params(range(len(later))) == [trial.params for trial in whole]
    assert History.from_snapshot(Snapshot(early.study, early.seq, rows), None).params(range(len(rows))) == [
        trial.params for trial in early
    ]


def test_extending_leaves_the_old_history_as_it_was():
    log = [
        Stored(1, 1.0, ev.StudyCreated((Objective(),), 0)),
        Stored(2, 2.0, ev.TrialClaimed(0, 2, "w", 9.0)),
        Stored(3, 3.0, ev.TrialTold(0, 2, TrialState.COMPLETE, EndReason.COMPLETED, Observation(0.5))),
    ]
    old = History.from_events("s", log[:2], space_of)
    new = old.extended(log[2:], space_of)
    assert (old.trial(0).state, new.trial(0).state) == (TrialState.RUNNING, TrialState.COMPLETE)
    assert np.isnan(old.values[0, 0])
    assert new.values[0, 0] == 0.5
    assert old.extended([], space_of) is old
    for array in (new.states, new.values, old.states):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 0


def test_the_space_is_read_again_only_when_the_study_changes():
    seen = []

    def reading(study):
        seen.append(study.space)
        return study.space

    log = [
        Stored(1, 1.0, ev.StudyCreated((Objective(),), 0, "old")),
        Stored(2, 2.0, ev.TrialClaimed(0, 2, "w", 9.0)),
        Stored(3, 3.0, ev.SpaceChanged("new", "wider")),
    ]
    history = History.from_events("s", log[:1], reading)
    history = history.extended(log[1:2], reading)
    assert seen == ["old"]
    assert history.extended(log[2:], reading).space == "new"
    assert history.with_space("other").space == "other"


def test_a_log_begins_with_its_creation():
    with pytest.raises(ValueError, match="the log of study 's' does not begin with its creation"):
        History.from_events("s", [Stored(1, 1.0, ev.StudyStopped("x"))], space_of)


def test_columns_and_numbers_speak_of_the_same_trials():
    history = History(STUDY, None, TRIALS, seq=9)
    assert len(history) == 6
    np.testing.assert_array_equal(history.values[:, 0], [1.0, np.nan, np.nan, np.nan, np.nan, 3.0])
    np.testing.assert_array_equal(history.minimized[0], [1.0, -2.0])
    assert history.complete.tolist() == [0]
    assert history.numbers(TrialState.PRUNED, TrialState.FAIL).tolist() == [2, 5]
    assert history.pending.tolist() == [1, 3]
    assert history.superseded == {2}
    assert history.made == 5
    assert history.params([0, 4, 3]) == [{"x": 0}, None, {"x": 3}]
    assert [trial.number for trial in history] == list(range(6))
    with pytest.raises(IndexError, match="trial numbers start at 0; got -1"):
        history.trial(-1)
    with pytest.raises(IndexError):
        history.trial(6)


def test_curves_are_seen_on_their_trials():
    curve = (Report(1.0, {"loss": 2.0}, 5.0),)
    history = History(STUDY, None, TRIALS).with_curves({1: curve})
    assert history.trial(1).reports == curve
    assert history.trial(0).reports == ()
