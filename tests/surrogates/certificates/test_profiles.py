"""The kernels are what the bounds take them for: falling, convex in the squared distance, of known curvature."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest

from trimtab.surrogates.certificates import MATERN52, SQUARED_EXPONENTIAL, Profile

BOTH = pytest.mark.parametrize("profile", [MATERN52, SQUARED_EXPONENTIAL], ids=lambda profile: profile.name)
ALONG = {
    "Matern-5/2": lambda t: (1 + mp.sqrt(5) * t + mp.mpf(5) / 3 * t**2) * mp.exp(-mp.sqrt(5) * t),
    "squared exponential": lambda t: mp.exp(-(t**2) / 2),
}


@BOTH
def test_the_kernel_falls_from_one_and_its_slope_rises(profile: Profile) -> None:
    s = np.concatenate([[0.0], np.logspace(-8, 2.5, 400)])
    value, slope = profile.value_and_slope(s)
    assert value[0] == 1.0
    assert (np.diff(value) < 0.0).all()
    assert (slope < 0.0).all()
    assert (np.diff(slope) > 0.0).all()


@BOTH
@pytest.mark.parametrize("s", [0.01, 0.5, 2.0, 9.0])
def test_the_slope_is_the_derivative(profile: Profile, s: float) -> None:
    wanted = mp.diff(lambda x: ALONG[profile.name](mp.sqrt(x)), s)
    assert profile.value_and_slope(np.array(s))[1] == pytest.approx(float(wanted), rel=1e-12)


@BOTH
def test_the_curvature_is_the_root_of_the_fourth_derivative_along_a_line(profile: Profile) -> None:
    fourth = mp.diff(ALONG[profile.name], 0, 4, direction=1)
    assert profile.curvature == pytest.approx(math.sqrt(fourth), rel=1e-6)
