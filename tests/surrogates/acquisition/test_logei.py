"""Log expected improvement against 200-digit arithmetic, and against the plain formula where that works."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from trimtab.surrogates.acquisition import log_ei, log_ei_gradient, log_h

POINTS = [
    5.0,
    2.0,
    0.5,
    0.0,
    -0.5,
    -1.0,
    -1.0001,
    -2.0,
    -5.0,
    -10.0,
    -29.9,
    -30.0,
    -30.1,
    -100.0,
    -1e3,
    -1e5,
    -1e7,
    -1e9,
]


def exact(u: float) -> tuple[mp.mpf, mp.mpf, mp.mpf]:
    """log h, Phi / h and phi / h with 200 digits."""
    with mp.workdps(200):
        x = mp.mpf(u)
        density, mass = mp.npdf(x), mp.erfc(-x / mp.sqrt(2)) / 2
        h = density + x * mass
        return mp.log(h), mass / h, density / h


@pytest.mark.parametrize("u", POINTS)
def test_value_and_slopes_are_accurate(u: float) -> None:
    for found, wanted in zip(log_h(np.array([u])), exact(u), strict=True):
        assert abs((mp.mpf(float(found[0])) - wanted) / wanted) < 1e-12


@settings(max_examples=200, deadline=None)
@given(u=st.floats(-1e6, 8.0))
def test_value_is_accurate_everywhere(u: float) -> None:
    wanted = exact(u)[0]
    assert abs(mp.mpf(float(log_h(np.array([u]))[0][0])) - wanted) < 1e-12 * (1 + abs(wanted))


def test_nothing_overflows_and_the_order_is_kept() -> None:
    u = np.array([-np.inf, -1e300, -1e200, -1e150, -1e20, -1e3, 0.0, 1e3, 1e150, 1e300, np.inf])
    value, mass, density = log_h(u)
    assert np.isfinite(value).all()
    assert np.isfinite(mass).all()
    assert np.isfinite(density).all()
    assert (np.diff(value) >= 0).all()
    assert (mass > 0).all()


def test_it_is_the_logarithm_of_the_expected_improvement() -> None:
    mean, deviation, best = np.array([0.3, -0.2, 1.0]), np.array([0.5, 0.1, 0.7]), 0.1
    u = (best - mean) / deviation
    plain = deviation * (norm.pdf(u) + u * norm.cdf(u))
    np.testing.assert_allclose(np.exp(log_ei(mean, deviation, best)), plain, rtol=1e-13)


def test_it_is_the_mean_improvement_of_draws() -> None:
    draws = np.random.default_rng(0).normal(0.4, 0.5, 400_000)
    gains = np.maximum(0.2 - draws, 0.0)
    error = gains.std() / np.sqrt(draws.size)
    # Four standard errors: a wrong formula is off by far more, a right one fails once in 16,000 seeds.
    assert abs(np.exp(log_ei(np.array([0.4]), np.array([0.5]), 0.2)[0]) - gains.mean()) < 4 * error


@pytest.mark.parametrize("best", [0.0, -3.0, -40.0, -1e4])
def test_gradient_matches_differences(best: float) -> None:
    mean, deviation, step = np.array([0.3, -0.2, 1.0]), np.array([0.5, 0.1, 0.7]), 1e-6
    value, by_mean, by_deviation = log_ei_gradient(mean, deviation, best)
    np.testing.assert_array_equal(value, log_ei(mean, deviation, best))
    for slope, move in ((by_mean, (step, 0.0)), (by_deviation, (0.0, step))):
        up = log_ei(mean + move[0], deviation + move[1], best)
        down = log_ei(mean - move[0], deviation - move[1], best)
        np.testing.assert_allclose(slope, (up - down) / (2 * step), rtol=1e-5)
