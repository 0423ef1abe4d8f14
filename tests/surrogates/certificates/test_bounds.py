"""Bounds of boxes: never above the mean, whatever the kernel, the space and the box; and of the order they claim."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trimtab.space import Categorical, Choice, Float, Int, Space
from trimtab.surrogates.certificates import MATERN52, SQUARED_EXPONENTIAL, Profile
from trimtab.surrogates.certificates.bounds import analytic_bound, best_bound, relaxed_bound, smooth_bound
from trimtab.surrogates.certificates.branch_and_bound import Problem
from trimtab.surrogates.certificates.configurations import Configurations
from trimtab.surrogates.certificates.domains import Boxes, Domain
from trimtab.surrogates.certificates.mean import PosteriorMean, mean_of
from trimtab.surrogates.certificates.palm_mean import problem_in_box
from trimtab.surrogates.gp import Model
from trimtab.testing.strategies import spaces

Narrowed = Callable[..., tuple[Boxes, np.ndarray]]
MIXED = Space(
    x=Float(0.0, 1.0),
    n=Int(1, 9, log=True),
    c=Categorical(["a", "b", "c"]),
    opt=Choice({"p": Space(z=Float(0.0, 1.0), k=Categorical(["u", "v"])), "q": Space(m=Int(0, 4)), "r": None}),
)
BOTH = pytest.mark.parametrize("profile", [MATERN52, SQUARED_EXPONENTIAL], ids=lambda profile: profile.name)


def every_bound(mean: PosteriorMean, boxes: Boxes) -> dict[str, np.ndarray]:
    distances = mean.distances(boxes)
    return {
        "analytic": analytic_bound(mean, distances),
        "relaxed": relaxed_bound(mean, boxes, distances).values,
        "smooth": smooth_bound(mean, boxes, distances),
    }


def around(problem: Problem, point: np.ndarray, widths: list[float]) -> Boxes:
    """Boxes of several half widths with one middle."""
    half = np.array(widths)[:, None]
    return problem.domain.boxes(point - half, point + half)


@BOTH
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), n=st.integers(1, 25), d=st.integers(1, 4), log_scale=st.floats(-1.5, 1.0))
def test_no_bound_of_a_random_box_is_violated(profile: Profile, seed: int, n: int, d: int, log_scale: float) -> None:
    rng = np.random.default_rng(seed)
    centres, scales = rng.random((n, d)), 10.0**log_scale * rng.uniform(0.5, 2.0, d)
    weights = rng.normal(size=n) * 10.0 ** rng.uniform(-2, 4)
    problem = problem_in_box(centres, weights, [0.0] * d, [1.0] * d, scales, 0.5, profile)
    ends = np.sort(rng.random((2, 30, d)), axis=0)
    boxes = problem.domain.boxes(ends[0], ends[0] + (ends[1] - ends[0]) * rng.random((30, 1)) ** 4)
    inside = boxes.low + (boxes.high - boxes.low) * rng.random((100, 30, d)).round(1)
    values = problem.mean.value(inside.reshape(-1, d)).reshape(100, 30)
    for name, bound in every_bound(problem.mean, boxes).items():
        assert (bound <= values).all(), name


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(space=st.one_of(st.just(MIXED), spaces().filter(len)), seed=st.integers(0, 2**32), depth=st.integers(0, 14))
def test_no_bound_of_a_mixed_box_is_violated(
    fitted: Callable[..., Model], narrowed: Narrowed, space: Space, seed: int, depth: int
) -> None:
    rng, domain, known = np.random.default_rng(seed), Domain(space.columns), Configurations(space)
    mean = mean_of(fitted(space, 12, seed, scale=10.0 ** rng.uniform(-1, 0.5), noise=1e-4))
    points = known.points(space.to_unit(space.sample_raw(rng, 150)))
    values = mean.value(points)
    boxes, held = narrowed(mean, domain, points, depth)
    assert held[0]
    for name, bound in every_bound(mean, boxes).items():
        assert (bound <= values[held] + 1e-9).all(), name


@pytest.mark.parametrize("space", [MIXED, Space.traced({"x": Float(0.0, 1.0), "c": Categorical(["a", "b"])})])
def test_the_mean_is_that_of_the_surrogate(fitted: Callable[..., Model], space: Space) -> None:
    model, known = fitted(space, 40), Configurations(space)
    unit = space.to_unit(space.sample_raw(np.random.default_rng(1), 200))
    mean = mean_of(model)
    np.testing.assert_allclose(mean.value(known.points(unit)), model.predict(unit)[0], rtol=0, atol=1e-9)
    posterior = model.posterior
    assert mean.norm**2 == pytest.approx(
        posterior.alpha @ (posterior.values - posterior.mean - posterior.hyperparameters.noise * posterior.alpha)
    )


@BOTH
def test_the_gradient_is_the_derivative(example: Callable[..., Problem], profile: Profile) -> None:
    mean, points = example(30, profile).mean, np.random.default_rng(0).random((20, 2))
    _, gradient = mean.value_and_gradient(mean.as_boxes(points))
    for index, step in enumerate(1e-5 * np.eye(2)):
        slope = (mean.value(points + step) - mean.value(points - step)) / 2e-5
        np.testing.assert_allclose(gradient[:, index] / mean.scales[index], slope, atol=1e-5)


def test_a_function_linear_in_the_distances_is_minimised_exactly(fitted: Callable[..., Model]) -> None:
    space = Space(
        x=Float(0.0, 1.0), c=Categorical(["a", "b", "c"]), opt=Choice({"p": Space(z=Float(0.0, 1.0)), "q": None})
    )
    mean, rng = mean_of(fitted(space, 8)), np.random.default_rng(0)
    grid = np.linspace(0.0, 1.0, 41)
    # As long as its parent is undecided, a nested column is minimised apart from it.
    points = np.array([*itertools.product(grid, range(3), range(2), [*grid, np.nan])])
    distances = mean.distances(mean.as_boxes(points)).middle
    root = Domain(space.columns).root()
    for _ in range(20):
        slopes = rng.normal(size=(1, 8)) + rng.normal()
        least, sums = mean.least(slopes, root).values[0], distances @ slopes[0]
        assert sums.min() - 0.01 * np.abs(slopes).sum() < least < sums.min() + 1e-9


@BOTH
def test_errors_fall_with_the_order_that_is_claimed(example: Callable[..., Problem], profile: Profile) -> None:
    """Against the least value on a grid over boxes that halve around points of non-zero slope."""
    problem, widths = example(40, profile), [0.02, 0.01, 0.005]
    orders: dict[str, list[float]] = {"analytic": [], "relaxed": [], "smooth": []}
    for point in 0.1 + 0.8 * np.random.default_rng(2).random((20, 2)):
        boxes = around(problem, point, widths)
        shifts = np.stack(np.meshgrid(*[np.linspace(-1.0, 1.0, 21)] * 2), axis=-1).reshape(-1, 2)
        least = np.array([problem.mean.value(point + width * shifts).min() for width in widths])
        for name, bound in every_bound(problem.mean, boxes).items():
            error = least - bound
            orders[name].append(float(np.log2(error[0] / error[2]) / 2.0))
    assert 0.9 < np.median(orders["analytic"]) < 1.1
    assert np.median(orders["relaxed"]) > 1.9
    assert np.median(orders["smooth"]) > 1.9


@BOTH
def test_a_box_of_one_point_is_bounded_by_its_value(example: Callable[..., Problem], profile: Profile) -> None:
    problem, points = example(60, profile), np.random.default_rng(0).random((50, 2))
    boxes = problem.domain.boxes(points, points)
    for bound in (*every_bound(problem.mean, boxes).values(), best_bound(problem.mean, boxes).values):
        np.testing.assert_allclose(bound, problem.mean.value(points), rtol=0, atol=1e-8)


@BOTH
def test_the_curvature_bound_holds_for_any_function_of_the_kernel(profile: Profile) -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        centres, weights = 3.0 * rng.random((6, 1)), rng.normal(size=6)
        mean = problem_in_box(centres, weights, [0.0], [3.0], [1.0], 0.0, profile).mean
        x = np.linspace(0.05, 0.95, 400)
        step = 1e-4
        second = (
            sum(f * mean.value((x + k * step)[:, None]) for k, f in ((-1, 1.0), (0, -2.0), (1, 1.0)))
            / (3.0 * step) ** 2
        )
        assert np.abs(second).max() <= profile.curvature * mean.norm * (1.0 + 1e-4)
