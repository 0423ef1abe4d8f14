"""The regression against a plain twin, its gradients against differences, and its claims against draws."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom, lognorm

from trimtab.surrogates.gp import regression
from trimtab.surrogates.gp.kernels import matern52, squared_distances
from trimtab.surrogates.gp.regression import (
    LENGTH_SCALES,
    NOISE,
    WHOLE,
    Data,
    Hyperparameters,
    budget,
    condition,
    fit,
    objective,
    objective_and_slopes,
)

GROUPS = np.array([0, 1, 2, 2], dtype=np.intp)


def data(n: int = 20, seed: int = 0, known: float = 0.01) -> Data:
    """A smooth function of four features with three length-scales."""
    rng = np.random.default_rng(seed)
    features = rng.random((n, 4))
    values = np.sin(5 * features[:, 0]) + features[:, 1] ** 2 + 0.1 * rng.normal(size=n)
    return Data(features, (values - values.mean()) / values.std(), known * rng.random(n), GROUPS, 3)


def kernel_twin(a: np.ndarray, b: np.ndarray, scales: np.ndarray) -> float:
    """One covariance, number by number."""
    r = math.sqrt(sum(((x - y) / scales[g]) ** 2 for x, y, g in zip(a, b, GROUPS, strict=True)))
    return (1 + math.sqrt(5) * r + 5 * r**2 / 3) * math.exp(-math.sqrt(5) * r)


def covariance_twin(given: Data, scales: np.ndarray, noise: float) -> np.ndarray:
    """The covariance of the values, number by number."""
    kernel = np.array([[kernel_twin(a, b, scales) for b in given.features] for a in given.features])
    return kernel + np.diag(noise + given.known)


def mean_twin(given: Data, inverse: np.ndarray) -> float:
    """The constant that is given, or the one of the least generalised squares."""
    ones = np.ones(len(given.values))
    estimate = (ones @ inverse @ given.values) / (ones @ inverse @ ones)
    return float(estimate if given.mean is None else given.mean)


def objective_twin(logs: np.ndarray, given: Data) -> float:
    """Negative log posterior by explicit inverses and determinants, constants left out."""
    scales, noise = np.exp(logs[:-1]), math.exp(logs[-1])
    covariance = covariance_twin(given, scales, noise)
    inverse = np.linalg.inv(covariance)
    residual = given.values - mean_twin(given, inverse)
    likelihood = -0.5 * residual @ inverse @ residual - 0.5 * np.linalg.slogdet(covariance)[1]
    width = math.exp(math.sqrt(2) + 0.5 * math.log(3))
    return (
        -likelihood
        - lognorm.logpdf(scales, s=math.sqrt(3), scale=width).sum()
        - lognorm.logpdf(noise, 2, scale=math.exp(-1))
    )


@pytest.mark.parametrize("mean", [None, 0.0, 0.7])
def test_the_objective_matches_its_twin(mean: float | None) -> None:
    given, rng = replace(data(), mean=mean), np.random.default_rng(1)
    points = rng.normal(size=(5, 4))
    found = np.array([objective(p, given)[0] for p in points])
    wanted = np.array([objective_twin(p, given) for p in points])
    np.testing.assert_allclose(found - found[0], wanted - wanted[0], atol=1e-9)


@pytest.mark.parametrize("mean", [None, 0.7])
@pytest.mark.parametrize("seed", range(5))
def test_the_gradient_of_the_objective_matches_differences_of_the_twin(seed: int, mean: float | None) -> None:
    given, logs, step = replace(data(), mean=mean), np.random.default_rng(seed).normal(size=4), 1e-5
    differences = [
        (objective_twin(logs + move, given) - objective_twin(logs - move, given)) / (2 * step)
        for move in step * np.eye(4)
    ]
    np.testing.assert_allclose(objective(logs, given)[1], differences, rtol=1e-6, atol=1e-7)


def test_the_derivatives_by_the_features_match_differences() -> None:
    given, logs, step = data(8), np.random.default_rng(0).normal(size=4), 1e-6
    found = objective_and_slopes(logs, given)[2]
    for row, column in np.ndindex(found.shape):
        move = np.zeros_like(given.features)
        move[row, column] = step
        up, down = (objective(logs, replace(given, features=given.features + sign * move))[0] for sign in (1, -1))
        assert found[row, column] == pytest.approx((up - down) / (2 * step), rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("mean", [None, 0.7])
def test_the_posterior_matches_its_twin(mean: float | None) -> None:
    given, scales, noise = replace(data(), mean=mean), np.array([0.4, 0.9, 2.0]), 0.05
    posterior = condition(given, Hyperparameters(scales, noise))
    points = np.random.default_rng(2).random((6, 4))
    inverse = np.linalg.inv(covariance_twin(given, scales, noise))
    mean = mean_twin(given, inverse)
    cross = np.array([[kernel_twin(p, x, scales) for x in given.features] for p in points])
    found_mean, found_variance = posterior.predict(points)
    np.testing.assert_allclose(found_mean, mean + cross @ inverse @ (given.values - mean), rtol=1e-9)
    np.testing.assert_allclose(found_variance, 1 - np.einsum("ij,jk,ik->i", cross, inverse, cross), rtol=1e-8)
    np.testing.assert_allclose(posterior.fitted, posterior.predict(given.features)[0], rtol=1e-9)


def test_the_gradients_of_the_posterior_match_differences() -> None:
    posterior = condition(data(), Hyperparameters(np.array([0.4, 0.9, 2.0]), 0.05))
    points, step = np.random.default_rng(2).random((6, 4)), 1e-6
    mean, variance, by_mean, by_variance = posterior.predict_with_gradient(points)
    np.testing.assert_allclose((mean, variance), posterior.predict(points), rtol=1e-12)
    for index, move in enumerate(step * np.eye(4)):
        up, down = posterior.predict(points + move), posterior.predict(points - move)
        np.testing.assert_allclose(by_mean[:, index], (up[0] - down[0]) / (2 * step), rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(by_variance[:, index], (up[1] - down[1]) / (2 * step), rtol=1e-6, atol=1e-8)


def test_gradients_are_finite_at_the_data_themselves() -> None:
    given = data(known=0.0)
    posterior = condition(given, Hyperparameters(np.array([0.4, 0.9, 2.0]), 1e-6))
    assert all(np.isfinite(part).all() for part in posterior.predict_with_gradient(given.features))


def test_a_fit_ends_at_a_stationary_point_within_the_bounds() -> None:
    given = data(60)
    found = fit(given)
    gradient = objective(found.logs, given)[1]
    inside = (np.exp(found.logs) > 1.01 * np.append(np.full(3, LENGTH_SCALES[0]), NOISE[0])) & (
        np.exp(found.logs) < 0.99 * np.append(np.full(3, LENGTH_SCALES[1]), NOISE[1])
    )
    assert np.abs(gradient[inside]).max() < 0.1
    assert objective(found.logs, given)[0] < objective(Hyperparameters.start(3).logs, given)[0]


def test_the_budget_bounds_what_any_fit_costs() -> None:
    costs = [budget(n) * n**3 for n in range(1, WHOLE + 1)]
    assert max(costs) <= 25 * WHOLE**3
    assert all(budget(n) >= budget(n + 1) >= 4 for n in range(1, 2000))
    # Above, only the least of all budgets may cost more.
    assert all(budget(n) * n**3 <= max(25 * WHOLE**3, 4 * n**3) for n in range(WHOLE, 2000, 50))


def test_a_large_fit_keeps_to_its_budget_and_ends_where_a_long_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    n, sizes = 450, []
    rng = np.random.default_rng(0)
    features = rng.random((n, 3))
    values = np.sin(9 * features[:, 0]) + features[:, 1] ** 2 + 0.2 * rng.normal(size=n)
    given = Data(features, (values - values.mean()) / values.std(), np.zeros(n), np.arange(3), 3)

    def counted(logs: np.ndarray, told: Data) -> tuple[float, np.ndarray]:
        sizes.append(len(told.values))
        return objective(logs, told)

    monkeypatch.setattr(regression, "objective", counted)
    found = fit(given)
    # L-BFGS-B may look twice in an iteration, seldom more.
    assert sizes.count(n) <= 2 * budget(n)
    assert set(sizes) == {n, n // 2}
    monkeypatch.setattr(regression, "budget", lambda n: 60)
    long = fit(given, start=Hyperparameters.start(3))
    assert objective(found.logs, given)[0] < objective(long.logs, given)[0] + 0.5


def test_a_fit_begins_where_it_is_told_to() -> None:
    given = data(40)
    found = fit(given)
    again = fit(given, start=found)
    assert objective(again.logs, given)[0] <= objective(found.logs, given)[0]
    none = fit(given, 0, found)
    np.testing.assert_allclose(none.logs, found.logs)
    np.testing.assert_array_equal(fit(given).logs, found.logs)


def test_a_fit_tells_what_matters_from_what_does_not_and_finds_the_noise() -> None:
    rng = np.random.default_rng(0)
    features = rng.random((150, 3))
    values = np.sin(9 * features[:, 0]) + 0.3 * rng.normal(size=150)
    found = fit(Data(features, (values - values.mean()) / values.std(), np.zeros(150), np.arange(3), 3))
    assert found.length_scales[0] < 0.2 * found.length_scales[1:].min()
    assert 0.6 < found.noise / (0.09 / values.var()) < 1.6


def test_known_noise_is_not_learned_a_second_time() -> None:
    rng = np.random.default_rng(0)
    features = rng.random((120, 1))
    values = np.sin(9 * features[:, 0]) + 0.4 * rng.normal(size=120)
    variance = values.var()
    values = (values - values.mean()) / values.std()
    unknown = fit(Data(features, values, np.zeros(120), np.arange(1), 1)).noise
    known = fit(Data(features, values, np.full(120, 0.16 / variance), np.arange(1), 1)).noise
    assert known < 0.2 * unknown


@pytest.mark.parametrize("values", [np.zeros(12), np.append(np.zeros(11), 1.0)], ids=["constant", "one differs"])
def test_degenerate_values_have_a_fit(values: np.ndarray) -> None:
    features = np.tile(np.random.default_rng(0).random((4, 2)), (3, 1))
    given = Data(features, values, np.zeros(12), np.arange(2), 2)
    mean, variance = condition(given, fit(given)).predict(features)
    assert np.isfinite(mean).all()
    assert (variance > 0).all()


def test_intervals_cover_what_the_model_itself_draws() -> None:
    # Functions drawn from the prior: a 90 % interval must cover 90 % of the held-out values.
    covered = total = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        settings = Hyperparameters(np.array([0.3, 0.8]), 0.02)
        points = rng.random((30, 2))
        kernel = matern52(squared_distances(points / settings.length_scales))
        truth = np.linalg.cholesky(kernel + 1e-10 * np.eye(30)) @ rng.normal(size=30)
        told = truth[:20] + math.sqrt(settings.noise) * rng.normal(size=20)
        posterior = condition(Data(points[:20], told, np.zeros(20), np.arange(2), 2), settings)
        mean, variance = posterior.predict(points[20:])
        # One held-out value per function keeps the trials of the binomial test independent.
        covered += int(abs(truth[20] - mean[0]) < 1.645 * math.sqrt(variance[0]))
        total += 1
    low, high = binom.interval(0.999, total, 0.9)
    assert low <= covered <= high
