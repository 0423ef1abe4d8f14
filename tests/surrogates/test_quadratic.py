"""The local quadratic: exact where it can be, a ridge regression everywhere, and its minimum within reach."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from trimtab.surrogates import quadratic
from trimtab.surrogates.gp import NotPositiveDefinite
from trimtab.surrogates.quadratic import CONSTANT, FARTHEST, SHARED, Doubt, Quadratic, fit_quadratic, lowest_within

Array = np.ndarray


def drawn(columns: int, seed: int) -> Quadratic:
    """A quadratic without any structure, indefinite as a rule."""
    rng = np.random.default_rng(seed)
    half = rng.normal(size=(columns, columns))
    return Quadratic(float(rng.normal()), rng.normal(size=columns), half + half.T, np.ones(columns), 0.0)


def valued(model: Quadratic, z: Array) -> Array:
    """Its values at rows of points."""
    return np.array([model.value(row) for row in z])


def points(count: int, columns: int, seed: int = 0, reach: float = 1.0) -> Array:
    return np.random.default_rng(100 + seed).uniform(-reach, reach, (count, columns))


def coefficients(columns: int) -> int:
    return (columns + 1) * (columns + 2) // 2


@pytest.mark.parametrize("seed", range(3))
def test_gradients_match_differences(seed: int) -> None:
    model, z, step = drawn(3, seed), points(1, 3)[0], 1e-6
    differences = [(model.value(z + move) - model.value(z - move)) / (2 * step) for move in step * np.eye(3)]
    np.testing.assert_allclose(model.gradient(z), differences, rtol=1e-7, atol=1e-8)


@settings(max_examples=30, deadline=None)
@given(columns=st.integers(1, 5), seed=st.integers(0, 1000))
def test_enough_points_give_the_quadratic_itself(columns: int, seed: int) -> None:
    # With hardly more values than coefficients, noise may explain them as well as curvature does.
    truth, z = drawn(columns, seed), points(2 * coefficients(columns) + 4, columns, seed)
    found = fit_quadratic(z, valued(truth, z))
    np.testing.assert_allclose(found.constant, truth.constant, atol=1e-4)
    np.testing.assert_allclose(found.slope, truth.slope, atol=1e-4)
    np.testing.assert_allclose(found.curvature, truth.curvature, atol=1e-4)


def objective_twin(logs: Array, z: Array, values: Array) -> float:
    """The negative log posterior density, with the kernel number by number and s^2 put in where it is highest."""
    relevance, noise, n = np.exp(logs[:-1]), math.exp(logs[-1]), len(z)
    covariance = np.empty((n, n))
    for i in range(n):
        for j in range(n):
            t, r, q = (
                sum(a * a * x * y for a, x, y in zip(relevance, *pair, strict=True))
                for pair in ((z[i], z[j]), (z[i], z[i]), (z[j], z[j]))
            )
            covariance[i, j] = (
                CONSTANT + t + t * t / 2 + SHARED * r * q / 4 + (i == j) * noise * max(1.0, np.abs(z[i]).max()) ** 6
            )
    variance = values @ np.linalg.inv(covariance) @ values / n
    likelihood = -0.5 * (np.linalg.slogdet(variance * covariance)[1] + n)
    off = [
        (log - mean) / width for log, (mean, width) in zip(logs[:-1], [quadratic.RELEVANCE] * z.shape[1], strict=True)
    ]
    off.append((logs[-1] - quadratic.NOISE[0]) / quadratic.NOISE[1])
    return float(-likelihood + 0.5 * sum(x * x for x in off))


def an_objective(seed: int) -> tuple[Array, Array, Array]:
    """Points, some outside the unit box, values that are no quadratic's, and the widths of the noise."""
    rng = np.random.default_rng(seed)
    z = rng.uniform(-1.5, 1.5, (9, 3))
    values = np.sin(2 * z[:, 0]) + z[:, 1] ** 2 + 0.3 * rng.normal(size=9)
    return z, values, np.maximum(np.abs(z).max(axis=1), 1.0) ** 6


@pytest.mark.parametrize("seed", range(4))
def test_the_objective_matches_its_twin_up_to_a_constant(seed: int) -> None:
    z, values, spread = an_objective(seed)
    logs = np.random.default_rng(seed).normal(-1.0, 1.0, (4, 4))
    found = np.array([quadratic._objective(row, z, values, spread)[0] for row in logs])
    wanted = np.array([objective_twin(row, z, values) for row in logs])
    np.testing.assert_allclose(found - found[0], wanted - wanted[0], atol=1e-8)


@pytest.mark.parametrize("seed", range(4))
def test_the_gradient_of_the_objective_matches_differences_of_the_twin(seed: int) -> None:
    z, values, spread = an_objective(seed)
    logs, step = np.random.default_rng(seed).normal(-1.0, 1.0, 4), 1e-5
    differences = [
        (objective_twin(logs + move, z, values) - objective_twin(logs - move, z, values)) / (2 * step)
        for move in step * np.eye(4)
    ]
    np.testing.assert_allclose(quadratic._objective(logs, z, values, spread)[1], differences, rtol=1e-5, atol=1e-6)


def features(z: Array, relevance: Array) -> Array:
    """Vectors whose inner products are the kernel, shape (n, 2 + d + d^2)."""
    known = z * relevance
    pairs = (known[:, :, None] * known[:, None, :]).reshape(len(z), -1) / math.sqrt(2.0)
    bowl = 0.5 * math.sqrt(SHARED) * (known**2).sum(axis=1, keepdims=True)
    return np.hstack([np.full((len(z), 1), math.sqrt(CONSTANT)), known, pairs, bowl])


def ridge_twin(model: Quadratic, z: Array, values: Array) -> Quadratic:
    """The quadratic of least norm and squared error, coefficient by coefficient, under a model's relevances.

    The kernel is the inner product of (10, a_j z_j, a_i a_j z_i z_j / sqrt 2, sqrt 10 sum_j (a_j z_j)^2 / 2), so
    that the mean of the process is the ridge regression on these; its noise is the one that gives the model's
    deviation.
    """
    n, columns = z.shape
    phi = features(z, model.relevance)
    spread = np.maximum(np.abs(z).max(axis=1), 1.0) ** 6

    def weights(noise: float) -> tuple[Array, float]:
        dual = np.linalg.solve(phi @ phi.T + noise * np.diag(spread), values)
        return phi.T @ dual, float(values @ dual) / n

    log_noise = brentq(
        lambda log: math.log(weights(math.exp(log))[1]) + log - 2.0 * math.log(model.deviation), -30.0, 1.0, xtol=1e-13
    )
    w, _ = weights(math.exp(log_noise))
    inner = math.sqrt(2.0) * w[1 + columns : -1].reshape(columns, columns) + math.sqrt(SHARED) * w[-1] * np.eye(columns)
    curvature = np.outer(model.relevance, model.relevance) * inner
    return Quadratic(math.sqrt(CONSTANT) * float(w[0]), model.relevance * w[1 : 1 + columns], curvature, w, 0.0)


@pytest.mark.parametrize("count", [2, 4, 7, 12])
def test_it_is_the_ridge_regression_under_its_relevances(count: int) -> None:
    z = points(count, 3, reach=1.5)
    values = 2.0 + np.cos(3 * z[:, 0]) + z @ np.array([1.0, -2.0, 0.5])
    found = fit_quadratic(z, values)
    wanted = ridge_twin(found, z, values)
    np.testing.assert_allclose(found.constant, wanted.constant, rtol=1e-6)
    np.testing.assert_allclose(found.slope, wanted.slope, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(found.curvature, wanted.curvature, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("columns", "seed"), [(2, 0), (3, 1), (4, 2), (6, 3), (10, 4)])
def test_it_goes_through_too_few_points(columns: int, seed: int) -> None:
    z = points(coefficients(columns) // 2, columns, seed)
    values = valued(drawn(columns, seed), z)
    found = fit_quadratic(z, values)
    np.testing.assert_allclose(valued(found, z), values, atol=0.02 * values.std())
    np.testing.assert_allclose(found.curvature, found.curvature.T, rtol=1e-9, atol=1e-12)


def test_where_the_points_do_not_vary_it_has_the_shared_curvature_alone() -> None:
    z = points(6, 3)
    z[:, 1] = 0.0
    found = fit_quadratic(z, np.sin(z[:, 0]) + z[:, 2])
    assert found.slope[1] == 0.0
    assert (found.curvature[1, [0, 2]] == 0.0).all()
    assert (found.curvature[[0, 2], 1] == 0.0).all()
    assert np.abs(found.slope[[0, 2]]).min() > 0.1


def test_the_relevances_are_in_the_order_of_the_curvatures() -> None:
    # Condition number 1000, in an order that is not that of the coordinates. By chance one in 24 is right.
    curvatures, right = np.array([10.0, 1000.0, 1.0, 100.0]), 0
    for seed in range(10):
        z = points(24, 4, seed)
        found = fit_quadratic(z, 0.5 * ((z - 0.2) ** 2) @ curvatures)
        right += np.argsort(found.relevance).tolist() == np.argsort(curvatures).tolist()
        assert found.relevance.argmax() == curvatures.argmax()
        assert found.curvature[1, 1] == pytest.approx(1000.0, rel=0.01)
    assert right >= 6


@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1e30, 1e200])
def test_the_units_of_the_values_do_not_matter(scale: float) -> None:
    z = points(8, 3)
    values = 1.0 + np.cos(3 * z[:, 0]) + z @ np.array([1.0, -2.0, 0.5])
    plain, scaled = fit_quadratic(z, values), fit_quadratic(z, scale * values)
    np.testing.assert_allclose(scaled.relevance, plain.relevance, rtol=1e-4)
    for name in ("constant", "slope", "curvature", "deviation"):
        np.testing.assert_allclose(getattr(scaled, name) / scale, getattr(plain, name), rtol=1e-3, atol=1e-6)
    low, high = np.full(3, -1.0), np.full(3, 1.0)
    np.testing.assert_allclose(lowest_within(scaled, low, high), lowest_within(plain, low, high), atol=1e-3)


def test_beyond_a_hundred_million_times_the_others_it_does_not_matter_how_far_an_outlier_is() -> None:
    z = np.vstack([points(20, 2), [[3.0, 3.0]]])
    values = ((z - 0.3) ** 2).sum(axis=1)
    scale = float(np.median(values))
    worst = [fit_quadratic(z, np.append(values[:-1], far)) for far in (2 * FARTHEST * scale, 1e100, 1e300)]
    for found in worst:
        assert np.isfinite(found.curvature).all()
        assert np.isfinite(found.slope).all()
        assert found.curvature.tolist() == worst[0].curvature.tolist()
        assert np.isfinite(lowest_within(found, np.full(2, -1.0), np.full(2, 1.0))).all()


def test_an_outlier_far_away_leaves_the_minimum_where_it_is() -> None:
    # It has thirty times the largest of the other values, where the quadratic has seven times as much.
    z = np.vstack([points(20, 2), [[3.0, 3.0]]])
    values = ((z - 0.3) ** 2).sum(axis=1)
    values[-1] = 30.0 * values[:-1].max()
    found = lowest_within(fit_quadratic(z, values), np.full(2, -1.0), np.full(2, 1.0))
    np.testing.assert_allclose(found, 0.3, atol=0.1)


@pytest.mark.parametrize("value", [0.0, 3.0, -1e200])
def test_equal_values_are_flat(value: float) -> None:
    found = fit_quadratic(points(7, 2), np.full(7, value))
    assert found.constant == pytest.approx(value)
    assert np.abs(found.slope).max() <= 1e-9 * abs(value)
    assert np.abs(found.curvature).max() <= 1e-9 * abs(value)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_points_without_a_model_are_told(bad: float) -> None:
    z = points(5, 2)
    z[3, 1] = bad
    with np.errstate(invalid="ignore"), pytest.raises(NotPositiveDefinite, match="no Cholesky factor of a 5 x 5"):
        fit_quadratic(z, np.arange(5.0))


def boxed(seed: int, columns: int) -> tuple[Array, Array]:
    """A box around 0 that is not symmetric, sometimes with 0 at its edge."""
    rng = np.random.default_rng(200 + seed)
    return -rng.choice([0.0, 0.3, 1.0, 2.0], columns), rng.choice([0.2, 1.0, 2.0], columns)


@pytest.mark.parametrize("seed", range(12))
def test_the_minimum_of_a_convex_quadratic_is_the_lowest_of_a_dense_grid(seed: int) -> None:
    rng = np.random.default_rng(seed)
    half = rng.normal(size=(2, 2)) * np.array([1.0, 30.0 if seed % 2 else 1.0])
    model = Quadratic(float(rng.normal()), 3 * rng.normal(size=2), half.T @ half, np.ones(2), 0.0)
    low, high = boxed(seed, 2)
    found = lowest_within(model, low, high)
    assert (low <= found).all()
    assert (found <= high).all()
    x, y = (np.linspace(*ends, 401) for ends in zip(low, high, strict=True))
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    values = model.constant + grid @ model.slope + 0.5 * np.einsum("ni,ij,nj->n", grid, model.curvature, grid)
    assert model.value(found) <= values.min() + 1e-9 * (1.0 + np.abs(values).max())


@settings(max_examples=50, deadline=None)
@given(columns=st.integers(1, 6), seed=st.integers(0, 10_000))
def test_the_minimum_of_any_quadratic_is_a_local_one_and_no_worse_than_the_centre(columns: int, seed: int) -> None:
    model, (low, high) = drawn(columns, seed), boxed(seed, columns)
    found = lowest_within(model, low, high)
    assert (low <= found).all()
    assert (found <= high).all()
    assert model.value(found) <= model.constant
    # Where it is not at an edge it has no slope, and at an edge none that leads back into the box.
    slope, at_low, at_high = model.gradient(found), found <= low + 1e-9, found >= high - 1e-9
    size = 1.0 + np.abs(model.slope).max() + np.abs(model.curvature).sum()
    assert (slope[~at_low] <= 1e-4 * size).all()
    assert (slope[~at_high] >= -1e-4 * size).all()


@pytest.mark.parametrize("seed", range(12))
def test_within_reach_the_minimum_of_a_convex_quadratic_is_the_lowest_of_a_dense_grid(seed: int) -> None:
    rng = np.random.default_rng(seed)
    half = rng.normal(size=(2, 2))
    model = Quadratic(0.0, 3 * rng.normal(size=2), half.T @ half, np.ones(2), 0.0)
    low, high = boxed(seed, 2)
    found, lower = lowest_within(model, low, high, 0.6), lowest_within(model, low, high)
    assert (low <= found).all()
    assert (found <= high).all()
    assert np.linalg.norm(found) <= 0.6 * (1 + 1e-12)
    angle, length = np.meshgrid(np.linspace(0.0, 2.0 * math.pi, 1441), np.linspace(0.0, 0.6, 121))
    grid = np.stack([length * np.cos(angle), length * np.sin(angle)], axis=-1).reshape(-1, 2)
    grid = grid[((low <= grid) & (grid <= high)).all(axis=1)]
    assert model.value(found) <= valued(model, grid).min() + 1e-6
    if np.linalg.norm(lower) < 0.6:
        np.testing.assert_allclose(found, lower, atol=1e-5)


def test_within_reach_a_slope_is_followed_to_the_surface_of_the_ball() -> None:
    slope = np.array([3.0, -4.0, 0.0])
    plane = Quadratic(1.0, slope, np.zeros((3, 3)), np.ones(3), 0.0)
    found = lowest_within(plane, np.full(3, -1.0), np.full(3, 1.0), 0.5)
    np.testing.assert_allclose(found, -0.5 * slope / 5.0, atol=1e-6)
    # Where the box cuts it off, it turns along the edge.
    found = lowest_within(plane, np.array([-1.0, -1.0, -1.0]), np.array([1.0, 0.1, 1.0]), 0.5)
    np.testing.assert_allclose(found, [-math.sqrt(0.25 - 0.01), 0.1, 0.0], atol=1e-5)


def test_the_minimum_of_a_flat_quadratic_is_the_centre() -> None:
    flat = Quadratic(2.0, np.zeros(3), np.zeros((3, 3)), np.ones(3), 0.0)
    assert lowest_within(flat, np.full(3, -1.0), np.full(3, 1.0)).tolist() == [0.0, 0.0, 0.0]


def doubted(count: int = 7, columns: int = 3) -> tuple[Quadratic, Doubt]:
    """A quadratic of a few values that are no quadratic's, and its doubt."""
    z = points(count, columns, reach=1.5)
    model = fit_quadratic(z, 2.0 + np.cos(3 * z[:, 0]) + z.sum(axis=1))
    assert model.doubt is not None
    return model, model.doubt


def test_the_doubt_is_the_posterior_deviation_of_bayesian_linear_regression() -> None:
    _, doubt = doubted()
    phi = features(doubt.known / doubt.relevance, doubt.relevance)
    posterior = np.linalg.inv(np.eye(phi.shape[1]) + phi.T @ (phi / doubt.noise[:, None]))
    for z in points(5, 3, seed=1):
        here = features(z[None, :], doubt.relevance)[0]
        wanted = doubt.scale * math.sqrt(here @ posterior @ here)
        assert doubt.deviation(z)[0] == pytest.approx(wanted, rel=1e-5)


def test_the_gradients_of_the_doubt_and_of_the_plausible_value_match_differences() -> None:
    model, doubt = doubted()
    z, step = np.array([0.4, -0.9, 0.7]), 1e-4
    for function in (doubt.deviation, lambda place: model.plausible(place, 1.5)):
        differences = [(function(z + move)[0] - function(z - move)[0]) / (2 * step) for move in step * np.eye(3)]
        np.testing.assert_allclose(function(z)[1], differences, rtol=1e-4, atol=1e-5)


def test_the_plausible_value_is_the_model_less_its_doubt() -> None:
    model, doubt = doubted()
    z = np.array([0.4, -0.9, 0.7])
    assert model.plausible(z, 0.0)[0] == model.value(z)
    assert model.plausible(z, 2.0)[0] == pytest.approx(model.value(z) - 2.0 * doubt.deviation(z)[0])
    assert drawn(3, 0).plausible(z, 2.0)[0] == drawn(3, 0).value(z)


def test_what_is_pending_leaves_less_doubt_and_none_where_it_is() -> None:
    noisy = doubted()[1]
    doubt = Doubt.about(noisy.known, noisy.relevance, 1e-8 * noisy.noise / noisy.noise.min(), noisy.scale)
    pending = points(2, 3, seed=2)
    less = doubt.given(pending)
    for z in points(20, 3, seed=3):
        assert less.deviation(z)[0] <= doubt.deviation(z)[0] * (1 + 1e-9)
    for z in pending:
        assert less.deviation(z)[0] < 0.05 * doubt.deviation(z)[0]
    both = doubt.given(pending[:1]).given(pending[1:])
    np.testing.assert_allclose(both.lower, less.lower, rtol=1e-6)


def test_the_lowest_plausible_value_lies_along_what_is_not_known() -> None:
    # All points lie on a line: along it the least is known, and across it nothing is.
    z = np.array([[-1.0, 0.0], [-0.5, 0.0], [0.0, 0.0], [0.5, 0.0], [1.0, 0.0]])
    model = fit_quadratic(z, (z[:, 0] - 0.25) ** 2)
    low, high = np.full(2, -1.0), np.full(2, 1.0)
    np.testing.assert_allclose(lowest_within(model, low, high), [0.25, 0.0], atol=1e-3)
    starts = np.random.default_rng(0).uniform(low, high, (4, 2))
    found = lowest_within(model, low, high, optimism=1.0, starts=starts)
    assert abs(found[1]) > 0.2
    assert model.plausible(found, 1.0)[0] <= min(model.plausible(start, 1.0)[0] for start in starts)


def test_where_the_values_leave_no_doubt_none_is_made_up() -> None:
    # A parabola through eight points, whose covariance is all but singular.
    z = np.array([0.3, 0.35, 0.4, 0.42, 0.46, 0.48, 0.5, 0.55])[:, None] - 0.42
    model = fit_quadratic(4.0 * z, (z[:, 0] - 0.02) ** 2)
    assert model.doubt is not None
    for place in np.linspace(-1.0, 1.0, 9):
        assert model.doubt.deviation(np.array([place]))[0] < 1e-3 * np.ptp((z - 0.02) ** 2)
