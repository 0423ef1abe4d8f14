"""Dispersion: the sweep against brute force, and what it says of spread and crowded jumps."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.base.errors import InvalidArgument
from trimtab.tuners.tasks.dispersion import jumps, largest_count, measure_dispersion
from trimtab.tuners.tasks.duals import PiecewiseConstant, PiecewiseQuadratic
from trimtab.tuners.tasks.online import ExponentialForecaster


def steps(places: list[float] | np.ndarray, low: float = 0.0, high: float = 1.0) -> PiecewiseConstant:
    inner = np.unique(places)
    return PiecewiseConstant([low, *inner, high], np.arange(len(inner) + 1) % 2)


@given(st.lists(st.lists(st.integers(0, 30), max_size=4), min_size=1, max_size=6), st.integers(0, 12))
def test_the_sweep_is_brute_force_over_all_centres(tasks, radius):
    # On a lattice ends meet exactly; a best ball may be moved until it touches a place.
    places = [np.sort(np.array(own, dtype=float)) for own in tasks]
    centres = np.arange(-13, 44) / 1.0
    counts = [sum(bool((np.abs(own - centre) <= radius).any()) for own in places) for centre in centres]
    halves = [sum(bool((np.abs(own - c - 0.5) <= radius).any()) for own in places) for c in centres]
    assert largest_count(places, float(radius)) == max(*counts, *halves)


def test_counts_are_of_tasks_not_of_jumps():
    found = measure_dispersion([steps([0.49, 0.5, 0.51]), steps([0.1, 0.52])], radii=[0.1, 1.0])
    assert found.counts.tolist() == [2, 2]
    assert found.jumps == 5
    assert measure_dispersion([steps([0.1]), steps([0.9])], radii=[0.1, 0.79, 0.81]).counts.tolist() == [1, 1, 2]


def test_only_jumps_count():
    kink = PiecewiseQuadratic.through([0.0, 0.5, 1.0], [1.0, 0.0], [0.4, 0.1], [0.0, 1.0])
    leap = PiecewiseQuadratic.through([0.0, 0.5, 1.0], [1.0, 0.1], [0.4, 0.1], [0.0, 1.0])
    assert jumps(kink).tolist() == []
    assert jumps(leap).tolist() == [0.5]
    assert jumps(PiecewiseConstant([0, 0.3, 0.6, 1], [1.0, 1.0, 0.0])).tolist() == [0.6]
    smooth = measure_dispersion([kink] * 40)
    assert (smooth.growth, smooth.beta, smooth.dispersed) == (-math.inf, 1.0, True)
    assert smooth.sentence.startswith("No loss jumps")


@pytest.mark.parametrize("tasks", [64, 300])
@pytest.mark.parametrize("seed", range(3))
def test_spread_jumps_are_dispersed(tasks, seed):
    rng = np.random.default_rng(seed)
    for draw in (lambda: rng.random(5), lambda: rng.beta(15, 15, 5)):
        found = measure_dispersion([steps(draw()) for _ in range(tasks)])
        assert found.dispersed
        assert "may be expected, if" in found.sentence


@pytest.mark.parametrize("tasks", [64, 300])
def test_crowded_jumps_are_not(tasks):
    rng = np.random.default_rng(0)
    shared = [steps([0.3, rng.random()]) for _ in range(tasks)]
    crowd = [steps(0.5 + rng.uniform(-0.5, 0.5, 2) / tasks) for _ in range(tasks)]
    for duals in (shared, crowd):
        found = measure_dispersion(duals)
        assert not found.dispersed
        assert found.growth > 0.8
        assert "may NOT be expected" in found.sentence


def test_on_a_logarithmic_scale_the_same_jumps_may_be_spread():
    rng = np.random.default_rng(1)
    duals = [steps(np.exp(rng.uniform(math.log(1e-12), 0.0, 3)), 1e-12, 1.0) for _ in range(128)]
    assert measure_dispersion(duals, log=True).dispersed
    assert measure_dispersion(duals, log=True).counts[0] < measure_dispersion(duals).counts[0]


def test_an_adversary_with_linear_regret_is_seen():
    rng = np.random.default_rng(2)
    low, high, duals = 0.0, 1.0, []
    forecaster = ExponentialForecaster(0.0, 1.0, horizon=48)
    for _ in range(48):
        middle, upper = (low + high) / 2, bool(rng.random() < 0.5)
        duals.append(PiecewiseConstant([0.0, middle, 1.0], [1.0, 0.0] if upper else [0.0, 1.0]))
        low, high = (middle, high) if upper else (low, middle)
        forecaster, _ = forecaster.learn(duals[-1])
    assert forecaster.regret().best.value == 0.0
    assert forecaster.regret().expected > 0.4 * 48
    assert not measure_dispersion(duals).dispersed


def test_few_tasks_are_not_fitted():
    found = measure_dispersion([steps([0.5])] * 31)
    assert math.isnan(found.beta)
    assert not found.dispersed
    assert "too few" in found.sentence


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: measure_dispersion([]), "at least one"),
        (lambda: measure_dispersion([steps([0.5])], log=True), "logarithmic"),
        (lambda: measure_dispersion([steps([0.5])], radii=[0.0]), "positive"),
        (lambda: measure_dispersion([steps([0.5]), steps([1.5], 1.0, 2.0)]), "share"),
    ],
)
def test_errors_say_what_is_wrong(make, text):
    with pytest.raises(InvalidArgument, match=text):
        make()
