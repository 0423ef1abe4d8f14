"""The ridge dual beside fits at single penalties, and its minimum beside all roots of its derivative."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.base.errors import InvalidArgument
from trimtab.tuners.tasks.duals.mean import mean_dual
from trimtab.tuners.tasks.duals.rational import Rational
from trimtab.tuners.tasks.duals.ridge import ridge_dual

Pair = tuple[np.ndarray, np.ndarray]


def made(seed: int, n: int, d: int, m: int, *, whole: bool = False, scale: float = 1.0) -> tuple[Pair, Pair]:
    """A task; whole numbers make ties and columns that depend on each other."""
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> np.ndarray:
        return rng.integers(-2, 3, shape).astype(float) if whole else rng.normal(size=shape)

    return (draw(n, d) * scale, draw(n)), (draw(m, d) * scale, draw(m))


def brute(train: Pair, validation: Pair, penalty: float, intercept: bool) -> float:
    """Normal equations, at one penalty."""
    (x, y), (held, target) = train, validation
    mean, level = (x.mean(0), y.mean()) if intercept else (np.zeros(x.shape[1]), 0.0)
    w = np.linalg.solve((x - mean).T @ (x - mean) + penalty * np.eye(x.shape[1]), (x - mean).T @ (y - level))
    return float(np.mean((target - level - (held - mean) @ w) ** 2))


tiny = st.builds(
    made, st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 6), st.integers(1, 4), whole=st.booleans()
)


@given(tiny, st.booleans(), st.floats(-2, 3))
def test_values_are_those_of_a_fit(task: tuple[Pair, Pair], intercept: bool, log_penalty: float) -> None:
    dual = ridge_dual(*task, low=1e-3, high=1e4, intercept=intercept)
    penalty = 10.0**log_penalty
    assert float(dual.value(penalty)) == pytest.approx(brute(*task, penalty, intercept), rel=1e-8, abs=1e-10)


def test_values_are_scikit_learns() -> None:
    from sklearn.linear_model import Ridge

    train, validation = made(0, 25, 7, 12)
    dual = ridge_dual(train, validation, low=1e-3, high=1e3)
    for alpha in (0.01, 1.0, 300.0):
        expected = np.mean((validation[1] - Ridge(alpha=alpha).fit(*train).predict(validation[0])) ** 2)
        assert float(dual.value(alpha)) == pytest.approx(expected, rel=1e-12)


@given(tiny, st.floats(-2, 2))
def test_the_derivative_is_that_of_the_values(task: tuple[Pair, Pair], log_penalty: float) -> None:
    dual = ridge_dual(*task, low=1e-3, high=1e3)
    at, step = 10.0**log_penalty, 1e-5 * 10.0**log_penalty
    numeric = (dual.value(at + step) - dual.value(at - step)) / (2 * step)
    assert float(dual.derivative(at)) == pytest.approx(float(numeric), rel=1e-4, abs=1e-6 * dual.value(at) / at)


@given(st.lists(tiny, min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_nothing_on_a_fine_grid_is_below_the_minimum_nor_changes_its_slope_unseen(tasks: list) -> None:
    mean = mean_dual([ridge_dual(*task, low=1e-3, high=1e4) for task in tasks])
    assert isinstance(mean, Rational)
    grid = np.geomspace(1e-3, 1e4, 5001)
    values, least = mean.value(grid), mean.minimum()
    assert least.value <= values.min() + 1e-14 * values.max()
    assert mean.lower_bound() <= least.value
    assert least.value - mean.lower_bound() <= 1e-10 * max(1.0, values.max())
    # Every sign that the slope visibly has on the grid is one that the list of extrema explains.
    slope = grid * mean.derivative(grid)
    clear = np.abs(slope) > 1e-9 * max(1.0, values.max())
    signs, where = np.sign(slope[clear]), grid[clear]
    for k in np.flatnonzero(signs[1:] != signs[:-1]):
        between = (mean.extrema() > where[k]) & (mean.extrema() < where[k + 1])
        assert between.sum() % 2 == 1


@pytest.mark.parametrize("seed", range(6))
def test_extrema_are_the_roots_of_the_numerator_of_the_derivative(seed: int) -> None:
    """For three poles, the polynomial is written out with coefficients, and all of its roots are found."""
    rng = np.random.default_rng(seed)
    poles, targets, factors = rng.uniform(0.1, 3, 3), rng.normal(size=3), rng.normal(size=(3, 3)) * 3
    dual = Rational([1e-2, 1e2], 0.5, poles[None], targets[None], factors[None])
    ones = [np.polynomial.Polynomial([pole, 1.0]) for pole in poles]
    full = ones[0] * ones[1] * ones[2]
    others = [ones[1] * ones[2], ones[0] * ones[2], ones[0] * ones[1]]
    numerator = np.polynomial.Polynomial([0.0])
    for z, row in zip(targets, factors, strict=True):
        top = z * full - sum(r * o for r, o in zip(row, others, strict=True))  # residual times the denominator
        numerator += top * (top.deriv() * full - top * full.deriv())
    roots = numerator.roots()
    real = np.sort(roots[np.abs(roots.imag) < 1e-7].real)
    real = real[(real > 1e-2) & (real < 1e2)]
    np.testing.assert_allclose(dual.extrema(), real, rtol=1e-6)
    assert float(dual.minimum().value) <= dual.value(np.append(real, [1e-2, 1e2])).min() + 1e-14


@pytest.mark.parametrize(("steepness", "near"), [(0.3, 0.1), (0.6, 10.0)])
def test_of_two_valleys_the_lower_one_is_the_minimum(steepness: float, near: float) -> None:
    """(1 - 0.11 / (0.01 + p))^2 is zero at 0.1, (c - 15 c / (5 + p))^2 at 10, and their sum has a hill between."""
    c = steepness
    dual = Rational([1e-2, 1e3], 0.0, [[0.01], [5.0]], [[1.0], [c]], [[[0.11]], [[15 * c]]])
    first, hill, second = dual.extrema()
    assert dual.value(hill) > max(dual.value(first), dual.value(second))
    assert dual.minimum().at == pytest.approx(near, rel=0.3)
    assert dual.minimum().value == pytest.approx(min(dual.value(first), dual.value(second)), rel=1e-14)


def test_a_mean_of_tasks_of_different_widths_is_the_mean_of_their_values() -> None:
    duals = [ridge_dual(*made(s, 8, d, 5), low=1e-2, high=1e2) for s, d in enumerate((1, 3, 6))]
    mean = mean_dual(duals, [1.0, 2.0, 1.0])
    points = np.geomspace(1e-2, 1e2, 50)
    np.testing.assert_allclose(
        mean.value(points), (duals[0].value(points) + 2 * duals[1].value(points) + duals[2].value(points)) / 4
    )
    assert mean.pieces == 1
    assert len(mean.breakpoints) == 0


def test_no_features_that_vary_leave_a_flat_dual() -> None:
    x, y = np.ones((4, 2)), np.arange(4.0)
    dual = ridge_dual((x, y), (x, y), low=0.1, high=10.0)
    least = dual.minimum()
    assert (least.low, least.high) == (0.1, 10.0)
    assert least.value == pytest.approx(np.var(y))
    assert len(dual.extrema()) == 0


def test_rescaling_the_features_rescales_the_penalty() -> None:
    near, far = made(3, 12, 4, 6), made(3, 12, 4, 6, scale=10.0)
    low = ridge_dual(*near, low=1e-3, high=1e3).minimum()
    high = ridge_dual(*far, low=1e-1, high=1e5).minimum()
    assert high.at == pytest.approx(100 * low.at, rel=1e-6)
    assert high.value == pytest.approx(low.value, rel=1e-12)


def test_what_cannot_be_is_refused() -> None:
    train, validation = made(0, 5, 2, 3)
    with pytest.raises(InvalidArgument, match=r"interval of the ridge penalty.*0 < low < high"):
        ridge_dual(train, validation, low=0.0, high=1.0)
    with pytest.raises(InvalidArgument, match="the same columns"):
        ridge_dual(train, (np.ones((3, 5)), np.ones(3)), low=0.1, high=1.0)
    with pytest.raises(InvalidArgument, match="validation has nan"):
        ridge_dual(train, (np.full((3, 2), np.nan), np.ones(3)), low=0.1, high=1.0)
    with pytest.raises(InvalidArgument, match="train must be a matrix and a target for each"):
        ridge_dual((np.ones((4, 2)), np.ones(3)), validation, low=0.1, high=1.0)
