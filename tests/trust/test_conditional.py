"""Conditional intervals: the limits are those of the choice, and what is said given the choice holds given it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from trimtab.trust.conditional import Limits, conditional_interval, paired_limits, surest_limits, truncated_normal
from trimtab.trust.sample import PairedSample
from trimtab.trust.ties import surest


def test_the_surest_trial_is_chosen_exactly_within_its_limits() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        means, errors = rng.normal(size=6), rng.uniform(0.3, 2.0, 6)
        place = int(surest(means, errors, 0.95))
        high = surest_limits(means, errors, place, 0.95).high
        for moved, chosen in ((high - 1e-9, True), (high + 1e-9, False), (-50.0, True)):
            there = means.copy()
            there[place] = moved
            assert (int(surest(there, errors, 0.95)) == place) == chosen


def test_the_lowest_mean_is_chosen_exactly_within_its_limits_along_what_moves_with_it() -> None:
    rng = np.random.default_rng(2)
    for _ in range(30):
        # Twice as variable as the first and moving with it, so that some trials give lower limits.
        common = rng.normal(size=60)
        losses = common * rng.uniform(0.2, 2.0, (5, 1)) + 0.2 * rng.normal(size=(5, 60))
        sample = PairedSample.of(list(losses))
        limits, best = paired_limits(sample), sample.best
        covariance = np.cov(losses)
        slopes = covariance[best] / covariance[best, best]
        assert limits.low <= sample.means[best] <= limits.high
        for end, inward in ((limits.low, 1.0), (limits.high, -1.0)):
            if math.isfinite(end):
                for step, chosen in ((1e-7, True), (-1e-7, False)):
                    moved = sample.means + slopes * (end + inward * step - sample.means[best])
                    assert (int(np.argmin(moved)) == best) == chosen


def test_limits_of_counts_know_who_comes_first() -> None:
    rows = [[1.0] * 4 + [0.0] * 16, [0.0] * 16 + [1.0] * 4, [0.0, 1.0] * 10]
    assert paired_limits(PairedSample.of([np.array(row) for row in (rows[0], rows[1])])).high == 4
    flat = [np.zeros(20), np.array(rows[0]), np.array(rows[2])]
    assert paired_limits(PairedSample.of(flat)) == Limits(high=4.0)
    assert paired_limits(PairedSample.of(flat[::-1])) == Limits(high=3.0)
    assert paired_limits(PairedSample.of([np.array(rows[0])])) == Limits()


@pytest.mark.parametrize(("limits", "reach"), [(Limits(high=0.4), math.inf), (Limits(-0.7, 2.0), 1.5), (Limits(), 2.0)])
def test_the_distribution_function_is_the_integral_of_the_truncated_density(limits: Limits, reach: float) -> None:
    for theta in (-1.0, 0.1, 1.3):
        low, high = max(limits.low, theta - 2.0 * reach), min(limits.high, theta + 2.0 * reach)
        within = [integrate.quad(stats.norm(theta, 2.0).pdf, low, end)[0] for end in (0.2, high)]
        found = truncated_normal(0.2, 2.0, limits, np.array([theta]), reach)
        assert float(found[0]) == pytest.approx(within[0] / within[1], abs=1e-7)


def test_two_trials_have_the_closed_form() -> None:
    """Given y < z of unit noise, F is Phi(y - theta) / Phi(z - theta)."""
    low, high = conditional_interval(0.3, 1.0, Limits(high=0.9), 0.9)
    for end, share in ((low, 0.95), (high, 0.05)):
        assert stats.norm.cdf(0.3 - end) / stats.norm.cdf(0.9 - end) == pytest.approx(share, abs=1e-6)
    free = conditional_interval(0.3, 2.0, Limits(), 0.95)
    assert free == pytest.approx((0.3 - 3.919928, 0.3 + 3.919928), abs=1e-5)


def test_a_trial_at_its_limit_may_be_anything() -> None:
    low, high = conditional_interval(0.0, 1.0, Limits(high=0.0), 0.95)
    assert high == math.inf
    assert conditional_interval(0.0, 1.0, Limits(high=0.01), 0.95)[1] > 100.0
    assert low > -5.0


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_what_is_said_given_the_choice_is_uniform_given_the_choice(spread: float) -> None:
    rng = np.random.default_rng(3)
    truths, errors, shares = spread * rng.normal(size=8), rng.uniform(0.5, 1.5, 8), []
    for _ in range(800):
        means = truths + errors * rng.normal(size=8)
        place = int(surest(means, errors, 0.95))
        limits = surest_limits(means, errors, place, 0.95)
        shares.append(truncated_normal(float(means[place]), float(errors[place]), limits, truths[place : place + 1])[0])
    assert stats.kstest(shares, "uniform").pvalue > 0.001
