"""The lasso's path by its optimality conditions, beside scikit-learn, and as a dual function over tasks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.base.errors import InvalidArgument
from trimtab.tuners.tasks.duals.lasso import L1Path, l1_path, largest_l1, lasso_dual
from trimtab.tuners.tasks.duals.mean import mean_dual

Pair = tuple[np.ndarray, np.ndarray]
KINDS = ("normal", "whole", "centred whole", "twins", "zero column", "nearly equal")


def data(seed: int, n: int, d: int, kind: str) -> Pair:
    """Examples with ties of every sort: whole numbers, equal and opposite columns, columns of zeros."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, d)), rng.normal(size=n)
    if "whole" in kind:
        x, y = rng.integers(-2, 3, (n, d)).astype(float), rng.integers(-3, 4, n).astype(float)
    if kind == "centred whole":
        x, y = x - x.mean(0), y - y.mean()
    if kind == "twins":
        x[:, -1] = x[:, 0] * rng.choice([-1.0, 1.0])
    if kind == "zero column":
        x[:, 0] = 0.0
    if kind == "nearly equal" and d > 1:
        x[:, -1] = x[:, 0] + 1e-6 * x[:, -1]
    return x, y


def violation(matrix: np.ndarray, moments: np.ndarray, path: L1Path) -> float:
    """By how much the optimality conditions fail at and between knots, relative to the largest penalty."""
    inner = path.knots[:-1, None] + np.array([0.1, 0.5, 0.9]) * np.diff(path.knots)[:, None]
    points = np.concatenate([path.knots, inner.ravel()])
    weights = path.at(points)
    correlations = moments - weights @ matrix
    beyond = np.abs(correlations).max(axis=1) - points
    large = np.abs(weights) > 1e-7 * max(np.abs(weights).max(), 1e-300)
    off = np.where(large, np.abs(correlations - points[:, None] * np.sign(weights)), 0.0)
    return float(max(beyond.max(), off.max()) / max(np.abs(moments).max(), 1e-300))


@given(st.integers(0, 10**6), st.integers(1, 7), st.integers(1, 9), st.sampled_from(KINDS), st.sampled_from([0.0, 0.3]))
@settings(max_examples=200, deadline=None)
def test_the_path_meets_the_optimality_conditions(seed: int, n: int, d: int, kind: str, l2: float) -> None:
    x, y = data(seed, n, d, kind)
    matrix, moments = x.T @ x / n + l2 * np.eye(d), x.T @ y / n
    if not moments.any():
        return
    path = l1_path(matrix, moments, 0.0, 1.5 * np.abs(moments).max())
    # Columns that are all but equal count as equal, and the conditions hold up to their difference.
    assert violation(matrix, moments, path) < (1e-4 if kind == "nearly equal" else 1e-9)
    assert (np.diff(path.knots) > 0).all()
    if l2 == 0.0:
        for support in path.supports:
            assert np.linalg.matrix_rank(x[:, support]) == support.sum()


@pytest.mark.parametrize(("n", "d"), [(30, 10), (12, 40), (60, 25)])
def test_knots_and_coefficients_are_those_of_lars(n: int, d: int) -> None:
    from sklearn.linear_model import lars_path

    x, y = data(n, n, d, "normal")
    alphas, _, coefficients = lars_path(x, y, method="lasso")
    path = l1_path(x.T @ x / n, x.T @ y / n, 1e-3, float(alphas[0]) * 1.1)
    inner = (alphas > 1e-3) & (alphas < path.knots[-1])
    np.testing.assert_allclose(path.knots[1:-1][::-1], alphas[inner], rtol=1e-8)
    np.testing.assert_allclose(path.at(alphas[inner]), coefficients.T[inner], atol=1e-8)


def test_values_are_scikit_learns() -> None:
    from sklearn.linear_model import Lasso

    train, validation = data(0, 30, 10, "normal"), data(1, 20, 10, "normal")
    dual = lasso_dual(train, validation, low=1e-3, high=2.0)
    for alpha in (0.01, 0.1, 0.4, 1.5):
        model = Lasso(alpha=alpha, tol=1e-13, max_iter=100_000).fit(*train)
        expected = np.mean((validation[1] - model.predict(validation[0])) ** 2)
        assert float(dual.value(alpha)) == pytest.approx(expected, rel=1e-9)


def soft(x: np.ndarray, by: float) -> np.ndarray:
    return np.sign(x) * np.maximum(np.abs(x) - by, 0.0)


@given(st.lists(st.integers(-6, 6), min_size=1, max_size=6), st.floats(0.0, 4.0))
def test_orthogonal_columns_are_thresholded_softly(targets: list[int], penalty: float) -> None:
    """The closed form, with as many ties as whole numbers make."""
    y, d = np.array(targets, dtype=float), len(targets)
    dual = lasso_dual((np.eye(d), y), (np.eye(d), np.ones(d)), low=0.0, high=7.0, intercept=False)
    # n = d rows: c = y / d, G = I / d.
    expected = np.mean((1.0 - soft(y, d * penalty)) ** 2)
    assert float(dual.value(penalty)) == pytest.approx(expected, abs=1e-12)
    knots = {abs(t) / d for t in targets} - {0.0}
    np.testing.assert_allclose(dual.breakpoints, sorted(knots), rtol=1e-12)


@given(st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from(KINDS)), min_size=1, max_size=4), st.booleans())
@settings(max_examples=30, deadline=None)
def test_no_point_of_a_grid_is_below_the_minimum_of_tiny_families(tasks: list, intercept: bool) -> None:
    duals = [
        lasso_dual(data(s, 5, 3, kind), data(s + 1, 4, 3, "normal"), low=0.0, high=3.0, intercept=intercept)
        for s, kind in tasks
    ]
    mean = mean_dual(duals)
    grid = np.linspace(0.0, 3.0, 4001)
    brute = np.mean([dual.value(grid) for dual in duals], axis=0)
    least = mean.minimum()
    assert least.value <= brute.min() + 1e-12
    near = np.abs(grid - least.at).argmin()
    # Not far below it either: the loss between points of the grid changes by its slope at most.
    assert brute[near] - least.value <= np.abs(np.diff(brute)).max() + 1e-12


def family(seed: int, count: int) -> list[tuple[Pair, Pair]]:
    """Random splits of the diabetes data: 30 examples to train on, 60 to judge by."""
    from sklearn.datasets import load_diabetes
    from sklearn.preprocessing import scale

    x, y = load_diabetes(return_X_y=True)
    x, y = scale(x), scale(y)
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(count):
        order = rng.permutation(len(x))
        out.append(((x[order[:30]], y[order[:30]]), (x[order[30:90]], y[order[30:90]])))
    return out


def test_the_mean_loss_is_quadratic_between_merged_knots() -> None:
    """Third differences of fits, made anew at four places of each piece, vanish."""
    tasks = family(0, 8)
    duals = [lasso_dual(*task, low=1e-3, high=1.0) for task in tasks]
    mean = mean_dual(duals)
    left, width = mean.edges[:-1], np.diff(mean.edges)
    wide = width > 1e-6
    places = left[wide, None] + width[wide, None] * np.array([0.2, 0.4, 0.6, 0.8])
    values = np.mean([dual.value(places) for dual in duals], axis=0)
    third = values @ np.array([-1.0, 3.0, -3.0, 1.0])
    assert wide.sum() > 50
    assert np.abs(third).max() <= 1e-9 * values.min()
    np.testing.assert_allclose(mean.value(places), values, rtol=1e-12)


def test_fresh_tasks_lose_less_the_more_tasks_were_tuned_on() -> None:
    """Excess over the best single penalty for 100 fresh tasks, the mean over ten draws of tuning tasks."""
    fresh = mean_dual([lasso_dual(*task, low=1e-3, high=1.0) for task in family(1, 100)])
    duals = [lasso_dual(*task, low=1e-3, high=1.0) for task in family(2, 120)]
    best = fresh.minimum().value

    def excess(tasks: int) -> float:
        draws = np.random.default_rng(3)
        chosen = [draws.choice(len(duals), tasks, replace=False) for _ in range(10)]
        return float(np.mean([fresh.value(mean_dual([duals[i] for i in c]).minimum().at) - best for c in chosen]))

    assert excess(40) < 0.25 * excess(1)


def test_twin_columns_change_no_prediction() -> None:
    (x, y), (held, target) = data(5, 12, 4, "normal"), data(6, 9, 4, "normal")
    single = lasso_dual((x, y), (held, target), low=1e-3, high=1.0)
    doubled = lasso_dual((np.hstack([x, x]), y), (np.hstack([held, held]), target), low=1e-3, high=1.0)
    points = np.geomspace(1e-3, 1.0, 100)
    np.testing.assert_allclose(doubled.value(points), single.value(points), rtol=1e-9)


def test_from_the_largest_penalty_on_the_loss_is_flat() -> None:
    train, validation = data(7, 15, 5, "normal"), data(8, 10, 5, "normal")
    top = largest_l1(train)
    dual = lasso_dual(train, validation, low=1e-3, high=3 * top)
    assert dual.breakpoints[-1] == pytest.approx(top)
    flat = dual.value([top, 2 * top, 3 * top])
    np.testing.assert_allclose(flat, np.mean((validation[1] - train[1].mean()) ** 2))
    assert lasso_dual(train, validation, low=2 * top, high=3 * top).pieces == 1


def test_an_interval_cuts_the_path_and_changes_nothing_else() -> None:
    train, validation = data(9, 20, 8, "normal"), data(10, 10, 8, "normal")
    whole, part = (lasso_dual(train, validation, low=low, high=high) for low, high in ((1e-4, 2.0), (0.03, 0.2)))
    points = np.linspace(0.03, 0.2, 77)
    np.testing.assert_allclose(part.value(points), whole.value(points), rtol=1e-10)
    assert (part.low, part.high) == (0.03, 0.2)


def test_what_cannot_be_is_refused() -> None:
    train = data(0, 5, 2, "normal")
    with pytest.raises(InvalidArgument, match=r"interval of the l1 penalty.*0 <= low < high"):
        lasso_dual(train, train, low=-0.1, high=1.0)
    with pytest.raises(InvalidArgument, match="outside the interval"):
        l1_path(np.eye(2), np.ones(2), 0.1, 1.0).at(2.0)
