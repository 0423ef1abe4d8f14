"""Steps of a descent: the box's minimum is the one that its conditions single out, and quadratics are met exactly."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.surrogates.box_quadratic import lowest_in_box
from trimtab.surrogates.secant import SMALLEST, SecantDescent


def convex(rng: np.random.Generator, count: int, spread: float) -> np.ndarray:
    """A positive definite matrix whose eigenvalues span so many decades."""
    basis, _ = np.linalg.qr(rng.normal(size=(count, count)))
    return (basis * 10.0 ** rng.uniform(-spread, 0.0, count)) @ basis.T


@given(st.integers(0, 10**6), st.integers(1, 12), st.sampled_from([0.0, 2.0, 5.0]), st.floats(1e-3, 3.0))
def test_the_minimum_in_a_box_keeps_the_optimality_conditions(
    seed: int, count: int, spread: float, reach: float
) -> None:
    rng = np.random.default_rng(seed)
    curvature, slope = convex(rng, count, spread), rng.normal(size=count)
    low, high = -reach * rng.random(count), reach * rng.random(count)
    start = rng.normal(size=count)
    place = lowest_in_box(slope, curvature, low, high, start)
    assert ((low <= place) & (place <= high)).all()
    # Of a convex function: no slope inside, and at a bound only one that pushes outwards.
    here = slope + curvature @ place
    margin = 1e-7 * np.abs(slope).max()
    assert (here[place > low] <= margin).all()
    assert (here[place < high] >= -margin).all()


def test_a_box_without_width_and_one_without_bounds() -> None:
    curvature, slope = np.diag([1.0, 4.0]), np.array([1.0, -4.0])
    held = np.array([0.25, 0.5])
    assert lowest_in_box(slope, curvature, held, held, np.zeros(2)).tolist() == held.tolist()
    wide = np.full(2, 1e9)
    assert np.allclose(lowest_in_box(slope, curvature, -wide, wide, np.zeros(2)), [-1.0, 1.0])


@pytest.mark.parametrize("seed", range(3))
def test_the_curvature_of_a_quadratic_is_exact_after_as_many_steps_as_coordinates(seed: int) -> None:
    rng = np.random.default_rng(seed)
    signs = np.array([1.0, 1.0, -1.0, 1.0, 1.0])  # it need not be convex
    curvature, slope = convex(rng, 5, 1.0) * np.outer(signs, signs) - 0.1 * np.eye(5), rng.normal(size=5)
    places = rng.random((6, 5))
    descent = SecantDescent(places[0], 1e9, slope + curvature @ places[0])
    descent.curvature = np.eye(5)
    for place in places[1:]:
        # Each lower than the one before, so that steps are taken from place to place.
        descent.told(place, descent.loss - 1.0, slope + curvature @ place)
    assert descent.curvature is not None
    assert np.allclose(descent.curvature, curvature, atol=1e-8)


def test_along_a_direction_that_bends_downwards_a_step_goes_down_as_far_as_along_one_that_bends_up() -> None:
    descent = SecantDescent(np.full(2, 0.5), 0.0, np.array([0.1, 0.1]), curvature=np.diag([1.0, -1.0]))
    step, gain = descent.target(0.5)
    assert np.allclose(step, [-0.1, -0.1])
    assert gain == pytest.approx(0.01)


def test_the_target_is_in_the_cube_and_within_reach_and_its_gain_is_that_of_the_model() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        count = int(rng.integers(1, 8))
        half = rng.normal(size=(count, count))
        descent = SecantDescent(rng.integers(0, 3, count) / 2.0, 0.0, rng.normal(size=count), curvature=half + half.T)
        step, gain = descent.target(0.3)
        assert (np.abs(step) <= 0.3).all()
        assert ((descent.place + step >= 0.0) & (descent.place + step <= 1.0)).all()
        assert gain >= 0.0


def test_why_a_descent_is_over() -> None:
    flat = SecantDescent(np.array([0.0, 1.0]), 1.0, np.zeros(2))
    assert flat.why_over(1.0, 0.0) == "bottom"
    inside = SecantDescent(np.array([0.5, 1.0]), 1.0, np.array([1.0, -1.0]))
    assert inside.why_over(1.0, 0.0) is None
    inside.radius = 0.5 * SMALLEST
    assert inside.why_over(1.0, 0.0) == "stuck"
    # Its slope promises at most a half, and the best is one lower.
    hopeless = SecantDescent(np.array([0.5]), 1.0, np.array([0.1]), curvature=np.eye(1), gains=[0.1] * 3)
    assert hopeless.why_over(1.0, 1e-3) is None
    assert hopeless.why_over(0.0, 1e-3) == "hopeless"


def test_failed_steps_pull_it_back_until_it_is_stuck() -> None:
    descent, reaches = SecantDescent(np.full(3, 0.5), 1.0, np.ones(3)), []
    while descent.why_over(1.0, 0.0) is None:
        step, _ = descent.target()
        reaches.append(float(np.abs(step).max()))
        descent.step_told(descent.place + step, math.nan, np.full(3, math.nan))
    assert len(reaches) == 8
    assert all(later <= 0.5 * earlier for earlier, later in pairwise(reaches))
