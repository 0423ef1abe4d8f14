"""The surfaces beside the objective: thresholds stay where they are, failures are told apart, costs come back."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from trimtab.space import Float, Space
from trimtab.surrogates.evidence import Evidence
from trimtab.surrogates.gp import COST, FAILURE, Embedding, Hyperparameters, Surface
from trimtab.surrogates.gp.sides import _squashed, cost_scale, fit_sides, make_sides

SPACE = Space(x=Float(0.0, 1.0), y=Float(0.0, 1.0))
EMBEDDING = Embedding(SPACE.columns)
Array = np.ndarray

ANY = st.floats(-1e150, 1e150).filter(lambda x: x == 0.0 or abs(x) > 1e-150) | st.just(math.nan)
"""Any violation, as long as the ratio of two of them is a number."""


def points(count: int = 40, seed: int = 0) -> Array:
    return np.random.default_rng(seed).random((count, 2))


def sides(evidence: Evidence) -> dict[str, Surface]:
    """What is made of evidence, fitted to it."""
    features = EMBEDDING.features(evidence.raw)
    return make_sides(evidence, features, EMBEDDING, fit_sides(evidence, features, EMBEDDING))


def constrained(raw: Array, **columns: Array) -> Evidence:
    losses = raw.sum(axis=1)
    return Evidence(
        raw, losses, np.zeros(len(raw)), names=tuple(columns), constraints=np.stack(list(columns.values()), axis=1)
    )


@settings(max_examples=200, deadline=None)
@given(column=arrays(np.float64, st.integers(1, 12), elements=ANY))
def test_squashing_keeps_the_threshold_the_signs_and_the_order(column: Array) -> None:
    found = _squashed(column)
    told = ~np.isnan(column)
    assert (np.isnan(found) == ~told).all()
    assert np.isfinite(found[told]).all()
    assert (np.sign(found[told]) == np.sign(column[told])).all()
    order = np.argsort(column[told], kind="stable")
    assert (np.diff(found[told][order]) >= 0.0).all()


@settings(max_examples=100, deadline=None)
@given(
    column=arrays(
        np.float64, st.integers(1, 12), elements=st.floats(-1e6, 1e6).filter(lambda x: x == 0 or abs(x) > 1e-6)
    ),
    power=st.integers(-60, 60),
)
def test_squashing_does_not_depend_on_the_units(column: Array, power: int) -> None:
    np.testing.assert_array_equal(_squashed(column * 2.0**power), _squashed(column))
    assert (np.sign(_squashed(column)) == np.sign(column)).all()


def test_squashing_by_hand() -> None:
    # The median size of what is not 0 is 2.
    found = _squashed(np.array([-2.0, 0.0, 2.0, 6.0, math.nan]))
    np.testing.assert_allclose(found, [-math.log(2), 0.0, math.log(2), math.log(4), math.nan], rtol=1e-14)
    assert (_squashed(np.zeros(3)) == 0.0).all()


def test_an_infinite_violation_counts_as_the_worst() -> None:
    found = _squashed(np.array([1e-9, math.inf, -1e-9, 2e-9, -math.inf]))
    assert np.isfinite(found).all()
    assert found.argmax() == 1
    assert found.argmin() == 4


@pytest.mark.parametrize("huge", [1.0, 100.0, 1e12, 1e300, math.inf])
def test_the_boundary_of_a_constraint_is_where_it_is_whatever_the_largest_violation(huge: float) -> None:
    grid = np.stack(np.meshgrid(np.linspace(0.05, 0.95, 10), [0.2, 0.5, 0.8]), axis=-1).reshape(-1, 2)
    grid = grid[np.abs(grid[:, 0] - 0.5) > 0.1]
    wrong = 0
    for seed in range(3):
        raw = points(60, seed)
        kept = raw[:, 0] - 0.5
        kept[kept.argmax()] *= huge
        mean, _ = sides(constrained(raw, memory=kept))["memory"].predict(grid)
        wrong += int(((mean > 0.0) != (grid[:, 0] > 0.5)).sum())
    # Of 72; a surface that knew nothing would be wrong at half of them.
    assert wrong <= 2


@pytest.mark.parametrize("threshold", [0.2, 0.8])
def test_the_boundary_is_where_the_value_is_0_and_not_where_it_is_the_mean(threshold: float) -> None:
    raw, here = points(60), np.array([[threshold + 0.1, 0.5], [threshold - 0.1, 0.5]])
    mean, variance = sides(constrained(raw, memory=raw[:, 0] - threshold))["memory"].predict(here)
    assert mean[0] > 2 * np.sqrt(variance[0])
    assert mean[1] < -2 * np.sqrt(variance[1])


def test_each_constraint_has_its_own_surface() -> None:
    raw = points(30)
    found = sides(constrained(raw, first=raw[:, 0] - 0.3, second=0.6 - raw[:, 1]))
    assert set(found) == {"first", "second"}
    here = np.array([[0.9, 0.9], [0.1, 0.1]])
    assert (found["first"].predict(here)[0] > 0.0).tolist() == [True, False]
    assert (found["second"].predict(here)[0] > 0.0).tolist() == [False, True]


# The computed deviation of equal numbers is not 0 for all counts, it may be 1e-16.
@pytest.mark.parametrize("value", [-1.0, 0.0, 1.0])
@pytest.mark.parametrize("count", [1, 8, 30])
def test_a_constant_constraint_has_no_surface(count: int, value: float) -> None:
    raw = points(count)
    assert sides(constrained(raw, always=np.full(count, value))) == {}


def test_trials_that_told_nothing_of_a_constraint_are_left_out_of_it() -> None:
    raw = points(30)
    some = np.where(np.arange(30) < 20, raw[:, 0] - 0.3, np.nan)
    found = sides(constrained(raw, some=some, none=np.full(30, np.nan)))
    assert set(found) == {"some"}
    np.testing.assert_array_equal(found["some"].posterior.features, EMBEDDING.features(raw[:20]))


def test_failures_of_a_half_space_are_told_apart() -> None:
    raw = points(60)
    losses = np.where(raw[:, 0] + raw[:, 1] > 1.0, np.nan, raw[:, 0])
    found = sides(Evidence(raw, losses, np.zeros(60)))[FAILURE]
    unseen = points(200, seed=1)
    unseen = unseen[np.abs(unseen.sum(axis=1) - 1.0) > 0.2]
    mean, variance = found.predict(unseen)
    assert ((mean > 0.0) == (unseen.sum(axis=1) > 1.0)).all()
    assert (variance > 0.0).all()


def test_a_trial_that_broke_a_constraint_did_not_fail() -> None:
    raw = points(20)
    broken = raw[:, 0] > 0.5
    losses = np.where(broken, np.nan, raw[:, 1])
    told = Evidence(raw, losses, np.zeros(20), measured=raw[:, 1], names=("c",), constraints=(raw[:, :1] - 0.5))
    assert set(sides(told)) == {"c"}


def test_where_nothing_failed_and_nothing_was_told_there_is_nothing() -> None:
    raw = points(10)
    assert sides(Evidence(raw, raw[:, 0], np.zeros(10))) == {}
    assert sides(Evidence(raw, np.full(10, np.nan), np.zeros(10))) == {}
    empty = Evidence(np.empty((0, 2)), np.empty(0), np.empty(0))
    assert sides(empty) == {}
    assert cost_scale(empty) == 0.0


def test_costs_come_back_from_their_surface_and_scale() -> None:
    raw = points(40)
    cost = 60.0 * np.exp(3.0 * raw[:, 0] - raw[:, 1])
    told = Evidence(raw, raw[:, 0], np.zeros(40), cost=cost)
    unseen = points(20, seed=1)
    mean, _ = sides(told)[COST].predict(unseen)
    assert cost_scale(told) == pytest.approx(np.log(cost).std())
    predicted = np.exp(cost_scale(told) * mean + np.log(cost).mean())
    np.testing.assert_allclose(predicted, 60.0 * np.exp(3.0 * unseen[:, 0] - unseen[:, 1]), rtol=0.05)


@pytest.mark.parametrize("missing", [math.nan, 0.0])
def test_a_cost_that_has_no_logarithm_is_left_out(missing: float) -> None:
    raw = points(20)
    cost = np.where(np.arange(20) % 2 == 0, np.exp(raw[:, 0]), missing)
    told = Evidence(raw, raw[:, 0], np.zeros(20), cost=cost)
    assert len(sides(told)[COST].posterior.values) == 10
    assert cost_scale(told) == pytest.approx(raw[::2, 0].std())


@pytest.mark.parametrize("count", [1, 8, 12])
def test_equal_costs_are_no_surface(count: int) -> None:
    raw = points(count)
    told = Evidence(raw, raw[:, 0], np.zeros(count), cost=np.full(count, 3.0))
    assert sides(told) == {}
    assert cost_scale(told) == 0.0


def test_a_side_that_nothing_was_fitted_for_takes_the_modes_of_the_priors() -> None:
    raw = points(20)
    told = constrained(raw, c=raw[:, 0] - 0.5)
    found = make_sides(told, EMBEDDING.features(raw), EMBEDDING, {})["c"].posterior.hyperparameters
    start = Hyperparameters.start(2)
    assert found.length_scales.tolist() == start.length_scales.tolist()
    assert found.noise == start.noise
