"""Hybrid intervals: their level where it is a theorem, their length, and each form against a slower or simpler one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from trimtab.trust.conditional import Limits, surest_limits, truncated_normal
from trimtab.trust.hybrid import (
    hybrid_interval,
    hybrid_mean,
    hybrid_rate,
    hybrid_student,
    shared_noise,
    spend,
)
from trimtab.trust.intervals import binomial_interval
from trimtab.trust.quantiles import normal_tail
from trimtab.trust.simultaneous import sidak, studentized_maximum_modulus
from trimtab.trust.ties import surest

LEVEL = 0.95


def within_bounds(held: int, repeats: int) -> bool:
    """Whether a coverage between LEVEL and what `spend` gives can be believed."""
    above = stats.binomtest(held, repeats, LEVEL, alternative="less").pvalue
    below = stats.binomtest(held, repeats, spend(LEVEL)[1], alternative="greater").pvalue
    return bool(min(above, below) > 0.001)


def test_the_error_is_spent_in_two_parts() -> None:
    outer, inner = spend(LEVEL)
    assert outer == pytest.approx(0.995)
    assert outer * inner == pytest.approx(LEVEL)


@pytest.mark.parametrize(("count", "spread"), [(2, 1.0), (30, 0.0), (30, 1.0)])
def test_known_noise_is_covered_within_the_bounds_of_the_theorem(spread: float, count: int) -> None:
    rng = np.random.default_rng(4)
    truths, errors, held, plain, repeats = spread * rng.normal(size=count), rng.uniform(0.5, 2.0, count), 0, 0, 1000
    reach = sidak(count, spend(LEVEL)[0])
    for _ in range(repeats):
        means = truths + errors * rng.normal(size=count)
        place = int(surest(means, errors, LEVEL))
        limits = surest_limits(means, errors, place, LEVEL)
        low, high = hybrid_interval(float(means[place]), float(errors[place]), limits, reach, LEVEL)
        held += low <= truths[place] <= high
        plain += abs(means[place] - truths[place]) <= 1.96 * errors[place]
    assert within_bounds(held, repeats)
    if count == 30 and spread == 0.0:
        assert not within_bounds(plain, repeats)


@pytest.mark.parametrize(("counts", "spread"), [([3] * 6, 0.0), ([1, 2, 3, 4, 6, 1], 1.0)], ids=["equal", "unequal"])
def test_replicates_are_covered_within_the_bounds_of_the_theorem(counts: list[int], spread: float) -> None:
    rng = np.random.default_rng(5)
    times, truths, held, repeats = np.array(counts), spread * rng.normal(size=6), 0, 700
    freedom = int((times - 1).sum())
    reach = studentized_maximum_modulus(6, freedom, spend(LEVEL)[0])
    for _ in range(repeats):
        means = truths + 2.0 * rng.normal(size=6) / np.sqrt(times)
        s = 2.0 * math.sqrt(rng.chisquare(freedom) / freedom)
        place = int(surest(means, s / np.sqrt(times), LEVEL))
        low, high = hybrid_student(place, means, times, s, freedom, reach, LEVEL)
        held += low <= truths[place] <= high
    assert within_bounds(held, repeats)


def test_the_truncation_of_replicates_is_where_the_choice_changes() -> None:
    """Along the circle on which (y_j - theta)^2 R_j + d s^2 is given, found by trying every angle."""
    rng = np.random.default_rng(6)
    times, freedom, reach = np.array([1, 2, 3, 4, 6, 1]), 11, 5.0
    for _ in range(3):
        means, s = rng.normal(size=6), 1.3
        place = int(surest(means, s / np.sqrt(times), LEVEL))
        low, high = hybrid_student(place, means, times, s, freedom, reach, LEVEL)
        for theta, wanted in ((low, 1.0), (high, 0.0)):
            root = math.sqrt(times[place])
            length = math.hypot(root * (means[place] - theta), math.sqrt(freedom) * s)
            t = np.linspace(-reach, reach, 4_001)
            angle, kept = np.arctan(t / math.sqrt(freedom)), []
            for each in angle:
                there = means.copy()
                there[place] = theta + length * math.sin(each) / root
                errors = length * math.cos(each) / math.sqrt(freedom) / np.sqrt(times)
                kept.append(int(surest(there, errors, LEVEL)) == place)
            weight = stats.t(freedom).pdf(t) * np.array(kept)
            here = root * (means[place] - theta) / s
            share = weight[t <= here].sum() / weight.sum()
            tail = (1.0 - spend(LEVEL)[1]) / 2.0
            if abs(abs(here) - reach) > 1e-6:  # else the simultaneous interval ends it
                assert share == pytest.approx(1.0 - tail if wanted else tail, abs=2e-3)


def test_each_form_is_the_normal_one_where_its_noise_is_normal() -> None:
    limits, reach = Limits(-4.0, 0.3), 3.2
    plain = hybrid_interval(0.0, 1.0, limits, reach, LEVEL)
    assert hybrid_mean(0.0, 1.0, limits, (-reach, reach), 0.0, 10**7, LEVEL) == pytest.approx(plain, abs=1e-3)
    means, counts = np.array([0.0, 0.5, 0.3]), np.full(3, 4)
    found = hybrid_student(0, means, counts, 2.0, 10**7, reach, LEVEL)
    assert found == pytest.approx(hybrid_interval(0.0, 1.0, Limits(high=0.3), reach, LEVEL), abs=1e-3)
    n, rate = 400_000, 0.3
    error = math.sqrt(rate * (1.0 - rate) * n)
    high = n * rate + 0.3 * error
    ends = hybrid_rate(round(n * rate), n, Limits(high=round(high)), normal_tail(reach), LEVEL)
    scaled = [(n * end - n * rate) / error for end in ends]
    assert scaled == pytest.approx(hybrid_interval(0.0, 1.0, Limits(high=0.3), reach, LEVEL), abs=0.02)


def test_ends_are_where_the_distribution_function_says() -> None:
    low, high = hybrid_interval(1.0, 0.5, Limits(high=1.2), 3.0, LEVEL)
    tail = (1.0 - spend(LEVEL)[1]) / 2.0
    shares = truncated_normal(1.0, 0.5, Limits(high=1.2), np.array([low, high]), 3.0)
    assert shares == pytest.approx([1.0 - tail, tail], abs=1e-4)


def ordered_by_tails(count: int, top: int, rate: float, tail: float) -> float:
    """P(the smaller tail of a count of at most `top` is smaller than that of `count`), half where it is equal."""
    allowed = np.array([x for x in range(top + 1) if rate in binomial_interval(x, 200, 1.0 - 2.0 * tail)])
    weights = stats.binom(200, rate).pmf(allowed)
    weights /= weights.sum()
    below = np.cumsum(weights) - weights / 2.0
    tails = np.minimum(below, 1.0 - below)
    own = tails[allowed == count][0]
    return float(weights[tails < own - 1e-12].sum() + weights[np.abs(tails - own) <= 1e-12].sum() / 2.0)


@pytest.mark.parametrize(("count", "top"), [(30, 42), (30, 31), (30, 30), (2, 3), (0, 0), (3, 200)])
def test_a_rate_is_that_of_the_truncated_binomial(count: int, top: int) -> None:
    tail, least = 0.001, 1.0 - spend(LEVEL)[1]
    low, high = hybrid_rate(count, 200, Limits(high=top), tail, LEVEL)
    outer = binomial_interval(count, 200, 1.0 - 2.0 * tail)
    near = (outer.high - outer.low) / 500
    below = np.arange(outer.low + near / 7, low - near, near)
    above = np.arange(outer.high - near / 7, high + near, -near)
    assert all(ordered_by_tails(count, top, rate, tail) < least for rate in (*below, *above))
    for inside in (low + near, high - near):
        assert ordered_by_tails(count, top, inside, tail) >= least


def test_equal_rates_of_independent_trials_are_covered_although_counts_are_coarse() -> None:
    """Twenty trials of 60 examples, where a test of equal tails has no count to reject at the upper side."""
    rng, total, rate, trials = np.random.default_rng(8), 60, 0.2, 20
    tail, covered, repeats = normal_tail(sidak(trials, spend(LEVEL)[0])), 0, 1000
    found: dict[tuple[int, int], tuple[float, float]] = {}
    for _ in range(repeats):
        errors = rng.binomial(total, rate, trials)
        chosen = int(np.argmin(errors))
        # A trial that comes before the chosen one has one error more at least.
        top = min(int(count) - (place < chosen) for place, count in enumerate(errors) if place != chosen)
        case = (int(errors[chosen]), top)
        if case not in found:
            found[case] = hybrid_rate(case[0], total, Limits(high=top), tail, LEVEL)
        covered += found[case][0] <= rate <= found[case][1]
    assert stats.binomtest(covered, repeats, 0.94, alternative="less").pvalue > 0.001
    assert stats.binomtest(covered, repeats, 0.97, alternative="greater").pvalue > 0.001


def test_one_rate_is_covered_for_every_truth() -> None:
    ends = [hybrid_rate(x, 60, Limits(), 0.0025, LEVEL) for x in range(61)]
    lows, highs = np.array(ends).T
    for rate in np.linspace(0.01, 0.99, 99):
        covered = stats.binom(60, rate).pmf(np.arange(61)) @ ((lows <= rate) & (rate <= highs))
        assert 0.92 < covered < 0.995


@settings(max_examples=25, deadline=None)
@given(
    gap=st.sampled_from([0.0, 1e-12, 0.01, 0.5, 40.0, math.inf]),
    below=st.sampled_from([0.0, 1e-9, 2.0, math.inf]),
    count=st.integers(1, 5000),
    level=st.sampled_from([0.05, 0.5, 0.95, 0.9999]),
    skewness=st.sampled_from([-3.0, 0.0, 0.5, 30.0]),
)
def test_an_interval_is_finite_and_never_longer_than_the_simultaneous_one(
    gap: float, below: float, count: int, level: float, skewness: float
) -> None:
    limits, reach = Limits(-below, gap), sidak(count, spend(level)[0])
    for low, high in (
        hybrid_interval(0.0, 1.0, limits, reach, level),
        hybrid_mean(0.0, 1.0, limits, (-reach, reach), skewness, 150, level),
        hybrid_student(0, np.array([0.0, gap if math.isfinite(gap) else 1e9]), np.array([2, 2]), 1.0, 9, reach, level),
    ):
        assert -reach - 1e-9 <= low <= high <= reach + 1e-9
    tail = normal_tail(reach)
    for errors in (0, 1, 100, 199, 200):
        low, high = hybrid_rate(errors, 200, Limits(errors - below, errors + gap), tail, level)
        outer = binomial_interval(errors, 200, 1.0 - 2.0 * tail)
        assert outer.low <= low <= high <= outer.high


def test_noise_counts_as_half_shared_and_as_more_where_values_agree_too_well() -> None:
    rng = np.random.default_rng(7)
    errors = rng.uniform(0.5, 2.0, 4000)
    for correlation, spread, taken in ((0.0, 0.0, 0.5), (0.0, 2.0, 0.5), (0.9, 0.0, 0.9), (1.0, 0.0, 0.999)):
        own = math.sqrt(1.0 - correlation) * errors * rng.normal(size=4000)
        assert shared_noise(3.0 + spread * rng.normal(size=4000) + own, errors) == pytest.approx(taken, abs=0.03)
    assert shared_noise(np.zeros(1), np.ones(1)) == 0.5


def test_no_noise_is_a_point() -> None:
    assert hybrid_interval(2.0, 0.0, Limits(high=2.0), 3.0, LEVEL) == (2.0, 2.0)
