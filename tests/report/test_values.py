from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from trimtab.base.records import Objective
from trimtab.report.scales import Linear, Log
from trimtab.report.values import average_ranks, share_of_ranks, value_axis

LOSS, SCORE = Objective("loss"), Objective("score", "maximize")
numbers = st.floats(-1e300, 1e300, allow_nan=False)


def test_one_huge_loss_does_not_flatten_the_plot() -> None:
    values = np.append(np.linspace(0.2, 0.4, 50), 1e9)
    axis = value_axis(values, LOSS)
    assert axis.scale.high < 0.5
    assert axis.beyond == 1
    assert axis.note == "1 point above"
    assert axis.outside(values).sum() == 1
    assert axis.clipped([1e9])[0] == axis.scale.high


def test_a_score_is_cut_on_its_low_side() -> None:
    values = np.append(np.linspace(0.8, 0.9, 50), [-1e9, -2e9])
    axis = value_axis(values, SCORE)
    assert axis.scale.low > 0.7
    assert axis.note == "2 points below"
    assert not axis.worse_up


@given(st.lists(numbers, min_size=1, max_size=60), st.sampled_from([LOSS, SCORE]))
def test_the_good_side_is_never_cut_and_the_count_is_right(values: list[float], objective: Objective) -> None:
    points = np.array(values)
    axis = value_axis(points, objective)
    best = points.min() if objective is LOSS else points.max()
    assert axis.scale.low <= best <= axis.scale.high
    inside = (points >= axis.scale.low) & (points <= axis.scale.high)
    assert axis.beyond == int((~inside).sum()) <= max(1, 0.1 * len(points))
    assert axis.outside(points).sum() == axis.beyond


def test_values_that_are_only_spread_are_all_shown() -> None:
    assert value_axis(np.linspace(0, 1, 30) ** 2, LOSS).beyond == 0
    assert value_axis(np.random.default_rng(0).normal(size=500), LOSS).beyond == 0


def test_values_over_decades_get_a_logarithmic_axis() -> None:
    assert isinstance(value_axis(np.logspace(-6, 0, 40), LOSS).scale, Log)
    assert isinstance(value_axis(np.linspace(0.5, 1.5, 40), LOSS).scale, Linear)
    assert isinstance(value_axis(np.append(np.logspace(-6, 0, 40), 0.0), LOSS).scale, Linear)
    assert isinstance(value_axis(np.append(np.linspace(0.2, 0.9, 40), 1e6), LOSS).scale, Linear)


def test_a_logarithm_is_shy_where_it_would_spread_the_bad_values() -> None:
    values = np.linspace(0.01, 0.99, 60)
    assert isinstance(value_axis(values, LOSS).scale, Log)
    assert isinstance(value_axis(values, SCORE).scale, Linear)
    assert isinstance(value_axis(np.logspace(0, 5, 60), SCORE).scale, Log)


def test_axes_without_values_or_with_one() -> None:
    assert value_axis(np.array([math.nan, math.inf]), LOSS).scale == Linear(0.0, 1.0)
    one = value_axis(np.array([0.3]), LOSS).scale
    assert one.low < 0.3 < one.high
    zero = value_axis(np.array([0.0, 0.0]), LOSS).scale
    assert zero.low < 0.0 < zero.high


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=50))
def test_ranks_are_those_of_scipy(values: list[float]) -> None:
    assert average_ranks(np.array(values)) == pytest.approx(rankdata(values))


def test_shares_run_from_worst_to_best_in_either_direction() -> None:
    values = np.array([3.0, 1.0, math.nan, 2.0])
    assert share_of_ranks(values, LOSS) == pytest.approx([0.0, 1.0, math.nan, 0.5], nan_ok=True)
    assert share_of_ranks(values, SCORE) == pytest.approx([1.0, 0.0, math.nan, 0.5], nan_ok=True)
    assert share_of_ranks(np.array([5.0]), LOSS).tolist() == [1.0]
    assert np.isnan(share_of_ranks(np.array([math.nan]), LOSS)).all()
