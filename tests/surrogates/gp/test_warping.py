"""Warps: monotone, invertible, indifferent to units, and robust at the ends of float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from trimtab.surrogates.gp.warping import POWERS, fit_warp

LOSSES = arrays(np.float64, st.integers(1, 40), elements=st.floats(allow_nan=False, allow_infinity=False))
POSITIVE = arrays(np.float64, st.integers(1, 40), elements=st.floats(5e-324, 1e308))


@settings(max_examples=120, deadline=None)
@given(y=LOSSES | POSITIVE, power=st.sampled_from(POWERS), failures=st.integers(0, 5))
def test_warps_are_monotone_whatever_the_losses(y: np.ndarray, power: float, failures: int) -> None:
    warp = fit_warp(y, power, failures)
    if not np.isfinite(warp.deviation):  # a plain power over hundreds of decades; the model never chooses it
        return
    z = warp.forward(y)
    assert np.isfinite(z).all()
    assert (np.diff(z[np.argsort(y, kind="stable")]) >= 0).all()
    assert warp.failure >= z.max()
    assert np.isfinite(warp.failure)
    for stderr in (0.0, 1e-300, 1.0, 1e300):
        assert (warp.error(y, np.full(y.shape, stderr)) >= 0).all()


@settings(max_examples=120, deadline=None)
@given(y=LOSSES | POSITIVE)
def test_the_logarithmic_warp_is_finite_for_any_losses(y: np.ndarray) -> None:
    warp = fit_warp(y, 0.0, failures=1)
    assert 0 < warp.deviation < np.inf
    assert np.isfinite(warp.forward(y)).all()


@pytest.mark.parametrize("power", POWERS)
@pytest.mark.parametrize("shift", [0.0, -5.0, -100.0], ids=["positive", "both signs", "negative"])
def test_the_inverse_goes_back_up_to_the_winsorised_end(power: float, shift: float) -> None:
    y = 10.0 * np.random.default_rng(0).gamma(2.0, size=60) + shift
    warp = fit_warp(y, power)
    kept = warp.bent(y) < warp.cap
    assert kept.sum() > 40
    np.testing.assert_allclose(warp.inverse(warp.forward(y[kept])), y[kept], rtol=1e-9)


@pytest.mark.parametrize("power", POWERS)
@pytest.mark.parametrize("shift", [0.5, -5.0], ids=["positive", "both signs"])
def test_the_slope_matches_differences_and_small_errors_follow_it(power: float, shift: float) -> None:
    y = 10.0 * np.random.default_rng(0).gamma(2.0, size=40) + shift
    warp, step = fit_warp(y, power), 1e-6
    kept = y[warp.bent(y) < 0.99 * warp.cap]
    differences = (warp.forward(kept + step) - warp.forward(kept - step)) / (2 * step)
    np.testing.assert_allclose(np.exp(warp.log_slope(kept)), differences, rtol=1e-5)
    np.testing.assert_allclose(warp.error(kept, np.full(kept.shape, step)), step * differences, rtol=1e-5)


def test_an_error_matters_across_the_cap_and_not_beyond_it() -> None:
    y = np.append(np.random.default_rng(0).normal(size=40), 1e6)
    warp = fit_warp(y, 1.0)
    assert warp.error(y, np.full(41, 1e3))[-1] == 0.0
    assert warp.error(y, np.full(41, 1e7))[-1] > 1e5
    assert (warp.error(y, np.zeros(41)) == 0.0).all()


def test_an_error_larger_than_a_positive_loss_is_finite() -> None:
    y = np.random.default_rng(0).gamma(2.0, size=40)
    errors = fit_warp(y, 0.0).error(y, 3.0 * y)
    assert np.isfinite(errors).all()
    assert (errors > 0.0).all()


def test_values_are_standardised_with_the_failures_among_them() -> None:
    y = np.random.default_rng(0).normal(size=50)
    warp = fit_warp(y, 1.0, failures=10)
    everything = np.append(warp.forward(y), np.full(10, warp.failure))
    assert everything.mean() == pytest.approx(0.0, abs=1e-12)
    assert everything.std() == pytest.approx(1.0)
    assert warp.failure == pytest.approx(warp.forward(y).max())


@pytest.mark.parametrize("power", POWERS)
@pytest.mark.parametrize("shift", [0.5, -5.0], ids=["positive", "both signs"])
def test_units_do_not_matter(power: float, shift: float) -> None:
    y = 10.0 * np.random.default_rng(0).gamma(2.0, size=40) + shift
    for unit in (1e-200, 1e-3, 1e200):
        np.testing.assert_allclose(
            fit_warp(unit * y, power).forward(unit * y), fit_warp(y, power).forward(y), atol=1e-9
        )


def test_the_offset_of_losses_of_both_signs_does_not_matter() -> None:
    y = np.random.default_rng(0).normal(size=40)
    np.testing.assert_allclose(fit_warp(y - 50.0, 0.5).forward(y - 50.0), fit_warp(y, 0.5).forward(y), atol=1e-9)


def test_one_outlier_moves_the_others_little() -> None:
    y = np.random.default_rng(0).normal(size=40)
    without, outlier = fit_warp(y, 1.0).forward(y), fit_warp(np.append(y, 1e12), 1.0).forward(y)
    assert np.corrcoef(without, outlier)[0, 1] > 0.999
    assert outlier.std() > 0.5


def test_the_good_half_keeps_its_metric_where_losses_have_both_signs() -> None:
    y = np.sort(np.random.default_rng(0).normal(size=41))
    good = fit_warp(y, 0.0).forward(y)[:20]
    np.testing.assert_allclose(np.diff(good) / np.diff(y[:20]), (np.diff(good) / np.diff(y[:20]))[0])


def test_equal_losses_are_one_value_and_a_failure_is_worse() -> None:
    warp = fit_warp(np.full(5, 3.0), 1.0, failures=2)
    z = warp.forward(np.full(5, 3.0))
    assert np.ptp(z) == 0
    assert warp.failure > z[0]
