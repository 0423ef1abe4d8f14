from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trimtab.base.history import History
from trimtab.base.outcomes import EndReason, TrialState
from trimtab.base.records import FrozenTrial, Observation
from trimtab.report.marks import Kind
from trimtab.report.shown import kind_of, shown, thin, tip_of
from trimtab.space import Float, Space
from trimtab.testing.histories import make_history


@given(st.lists(st.integers(0, 10_000), unique=True, max_size=300), st.integers(0, 200), st.data())
def test_thinned_numbers_are_few_ascending_and_hold_what_must_be_kept(
    numbers: list[int], most: int, data: st.DataObject
) -> None:
    every = np.array(sorted(numbers), dtype=np.intp)
    keep = np.array(data.draw(st.lists(st.sampled_from(numbers), max_size=20)) if numbers else [], dtype=np.intp)
    kept = thin(every, most, keep)
    assert len(kept) <= most or len(kept) == len(every)
    assert np.all(np.diff(kept) > 0)
    assert set(kept.tolist()) <= set(numbers)
    if len(set(keep.tolist())) <= most:
        assert set(keep.tolist()) <= set(kept.tolist())


def test_thinning_keeps_both_ends_and_leaves_no_gap() -> None:
    kept = thin(np.arange(100_000), 1000)
    assert kept[0] == 0
    assert kept[-1] == 99_999
    assert len(kept) == 1000
    assert np.diff(kept).max() < 250


def test_thinning_does_not_fall_in_step_with_a_periodic_study() -> None:
    for period in (2, 3, 5, 10, 50, 100):
        kept = thin(np.arange(100_000), 1000)
        share = np.mean(kept % period == 0)
        assert abs(share - 1 / period) < 0.03


def test_shown_trials_have_their_values_kinds_and_tips(make_study: Callable[..., History[Space]]) -> None:
    study = make_study(30)
    found = shown(study)
    assert found.numbers.tolist() == list(range(30))
    assert found.total == 30
    assert found.note == ""
    assert found.kinds[4] is Kind.FAILED
    assert np.isnan(found.values[6])
    assert found.tips[4].startswith("trial 4 · fail (the objective raised an exception)")
    assert found.values[0] == study.values[0, 0]


def test_a_thinned_picture_says_so(make_study: Callable[..., History[Space]]) -> None:
    found = shown(make_study(60), most=20)
    assert len(found) == 20
    assert found.note == "20 of 60 trials are drawn, spread over the trial numbers."


def test_waiting_and_running_trials_are_not_shown() -> None:
    history = make_history(Space(x=Float(0, 1)), [({"x": 0.1}, 1.0)], pending=[{"x": 0.5}])
    assert shown(history).numbers.tolist() == [0]


def test_kinds() -> None:
    feasible = Observation(1.0, constraints={"memory": -1.0})
    broken = Observation(1.0, constraints={"memory": 1.0})
    assert kind_of(FrozenTrial(0, TrialState.COMPLETE, observation=feasible)) is Kind.COMPLETE
    assert kind_of(FrozenTrial(0, TrialState.COMPLETE, observation=broken)) is Kind.INFEASIBLE
    assert kind_of(FrozenTrial(0, TrialState.COMPLETE)) is Kind.COMPLETE
    assert kind_of(FrozenTrial(0, TrialState.PRUNED)) is Kind.PRUNED
    assert kind_of(FrozenTrial(0, TrialState.FAIL)) is Kind.FAILED
    assert kind_of(FrozenTrial(0, TrialState.RUNNING)) is Kind.RUNNING


def test_tips_are_bounded_and_on_one_line() -> None:
    params = {f"parameter\n{place}": "x" * 1000 for place in range(50)}
    tip = tip_of(FrozenTrial(7, TrialState.FAIL, params, reason=EndReason.TIMEOUT))
    assert len(tip) <= 240
    assert "\n" not in tip
    assert tip.startswith("trial 7 · fail (the trial took longer than its time limit)")
