"""Derivatives as observations: against differences of the kernel, against densities, and against their own claims."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, multivariate_normal

from trimtab.base.errors import InvalidArgument
from trimtab.base.records import Observation
from trimtab.space import Choice, Float, Int, Space
from trimtab.surrogates.certificates.mean import mean_of
from trimtab.surrogates.evidence import Evidence, gather, told_numbers
from trimtab.surrogates.gp import Embedding, Model, build, fingerprint, fit_settings
from trimtab.surrogates.gp.derivatives import (
    Derivatives,
    chain_jointly,
    chosen,
    covariances,
    cross_covariances,
)
from trimtab.surrogates.gp.kernels import matern52, squared_distances
from trimtab.surrogates.gp.priors import length_scale_prior, noise_prior
from trimtab.surrogates.gp.regression import Data, Hyperparameters, condition, fit, objective
from trimtab.testing.histories import make_history

GROUPS = np.array([0, 1, 1], dtype=np.intp)
SQUARE = Space(x=Float(0.0, 1.0), y=Float(0.0, 1.0))


def some(points: int, features: int, rng: np.random.Generator, values: np.ndarray | None = None) -> Derivatives:
    """All derivatives at the first so many points."""
    rows, axes = np.repeat(np.arange(points), features), np.tile(np.arange(features), points)
    return Derivatives(rows, axes, rng.normal(size=len(rows)) if values is None else values)


def data(seed: int = 0, n: int = 7) -> Data:
    rng = np.random.default_rng(seed)
    return Data(rng.random((n, 3)), rng.normal(size=n), 0.1 * rng.random(n), GROUPS, 2, some(4, 3, rng))


def twin(scaled: np.ndarray, told: Derivatives, step: float = 1e-3) -> np.ndarray:
    """The covariances by differences of the kernel, each derivative as two values a step apart."""
    n, k = len(scaled), len(told)
    shifts = step * np.eye(scaled.shape[1])[told.axes]
    ends = np.vstack([scaled, scaled[told.rows] + shifts, scaled[told.rows] - shifts])
    turn = np.zeros((n + k, len(ends)))
    turn[:n, :n] = np.eye(n)
    turn[n:, n : n + k], turn[n:, n + k :] = np.eye(k) / (2 * step), -np.eye(k) / (2 * step)
    return turn @ matern52(squared_distances(ends)) @ turn.T


def test_the_covariances_are_differences_of_the_kernel() -> None:
    rng = np.random.default_rng(1)
    scaled, told = rng.random((5, 3)), some(4, 3, rng)
    found = covariances(scaled, told)
    np.testing.assert_allclose(found, twin(scaled, told), atol=5e-3)
    np.testing.assert_allclose(found, found.T, rtol=1e-12)
    np.testing.assert_allclose(np.diagonal(found), [1.0] * 5 + [5.0 / 3.0] * 12, rtol=1e-12)
    assert np.linalg.eigvalsh(found).min() > 0.0


def test_the_objective_is_a_log_density() -> None:
    # Of values and derivatives together: the difference between two settings is free of constants.
    told = data()
    told = replace(told, values=told.values - told.values.mean())

    def twin_of(logs: np.ndarray) -> float:
        settings = Hyperparameters.from_logs(logs, 2)
        posterior = condition(told, settings)
        assert told.derivatives is not None
        scales = posterior.scales
        noise = [*(settings.noise + told.known), *[settings.slope_noise] * 12]
        size = np.append(np.ones(7), 1.0 / scales[told.derivatives.axes])
        covariance = (covariances(told.features / scales, told.derivatives) + np.diag(noise)) * np.outer(size, size)
        seen = np.append(told.values - posterior.mean, told.derivatives.values)
        density = float(multivariate_normal(np.zeros(19), covariance).logpdf(seen))
        return -density - length_scale_prior(2).log_density(logs[:2])[0] - noise_prior().log_density(logs[2:])[0]

    first, second = np.log([0.4, 0.7, 0.05, 0.2]), np.log([0.9, 0.3, 0.2, 0.01])
    wanted = twin_of(first) - twin_of(second)
    assert objective(first, told)[0] - objective(second, told)[0] == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_the_gradient_of_the_objective_matches_differences(seed: int) -> None:
    told, rng = data(seed), np.random.default_rng(seed)
    logs = np.log([0.5, 0.5, 0.05, 0.1]) + 0.5 * rng.normal(size=4)
    steps = 1e-5 * np.eye(4)
    wanted = [(objective(logs + step, told)[0] - objective(logs - step, told)[0]) / 2e-5 for step in steps]
    np.testing.assert_allclose(objective(logs, told)[1], wanted, rtol=1e-6, atol=1e-6)


def test_the_gradients_of_the_posterior_match_differences() -> None:
    posterior = condition(data(), Hyperparameters(np.array([0.4, 0.8]), 0.02, 0.05))
    here = np.random.default_rng(5).random((6, 3))
    _, _, by_mean, by_variance = posterior.predict_with_gradient(here)
    for axis, step in enumerate(1e-5 * np.eye(3)):
        high, low = posterior.predict(here + step), posterior.predict(here - step)
        np.testing.assert_allclose(by_mean[:, axis], (high[0] - low[0]) / 2e-5, atol=1e-6)
        np.testing.assert_allclose(by_variance[:, axis], (high[1] - low[1]) / 2e-5, atol=1e-6)


def test_the_chain_matches_differences_at_the_points_themselves() -> None:
    rng = np.random.default_rng(2)
    there, told = rng.random((4, 2)), some(4, 2, rng)
    weights = rng.normal(size=(4, 12))
    found = chain_jointly(weights, there, there, told)
    for axis, step in enumerate(1e-5 * np.eye(2)):
        high, low = (cross_covariances(there + shift, there, told) for shift in (step, -step))
        np.testing.assert_allclose(found[:, axis], ((high - low) * weights).sum(axis=1) / 2e-5, atol=1e-3)


def test_a_derivative_is_two_values_side_by_side() -> None:
    rng = np.random.default_rng(3)
    points, settings = rng.random((6, 3)), Hyperparameters(np.array([0.6, 0.9]), 1e-6, 1e-6)

    def function(x: np.ndarray) -> np.ndarray:
        return np.sin(3.0 * x[:, 0]) + x[:, 1] * x[:, 2]

    slopes = np.column_stack([3.0 * np.cos(3.0 * points[:, 0]), points[:, 2], points[:, 1]])
    known = Data(points, function(points), np.zeros(6), GROUPS, 2, some(6, 3, rng, slopes.ravel()))
    beside = np.vstack([points, *(points + step for step in 1e-2 * np.eye(3))])
    values = Data(beside, function(beside), np.zeros(24), GROUPS, 2)
    here = rng.random((10, 3))
    first, second = (condition(each, settings).predict(here)[0] for each in (known, values))
    np.testing.assert_allclose(first, second, atol=0.03)
    np.testing.assert_allclose(first, function(here), atol=0.1)


def test_intervals_cover_what_the_model_itself_draws() -> None:
    settings, covered = Hyperparameters(np.array([0.3, 0.8]), 0.02, 0.05), 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        points, axes = rng.random((13, 2)), np.arange(2)
        told = some(12, 2, rng)
        scaled = points / settings.length_scales
        draw = np.linalg.cholesky(covariances(scaled, told) + 1e-10 * np.eye(37)) @ rng.normal(size=37)
        slopes = (draw[13:] + math.sqrt(0.05) * rng.normal(size=24)) / settings.length_scales[told.axes]
        values = draw[:12] + math.sqrt(0.02) * rng.normal(size=12)
        seen = Data(points[:12], values, np.zeros(12), axes, 2, replace(told, values=slopes))
        mean, variance = condition(seen, settings).predict(points[12:])
        covered += int(abs(draw[12] - mean[0]) < 1.645 * math.sqrt(variance[0]))
    low, high = binom.interval(0.999, 60, 0.9)
    assert low <= covered <= high


def curve(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A smooth function on the unit square, and its derivatives."""
    value = np.sin(4.0 * x[:, 0]) + (x[:, 1] - 0.3) ** 2
    return value, np.column_stack([4.0 * np.cos(4.0 * x[:, 0]), 2.0 * (x[:, 1] - 0.3)])


def model_of(raw: np.ndarray, losses: np.ndarray, slopes: np.ndarray | None) -> Model:
    told = Evidence(raw, losses, np.zeros(len(raw)), gradients=np.full(raw.shape, np.nan) if slopes is None else slopes)
    embedding = Embedding(SQUARE.columns)
    return build(told, raw, embedding, fit_settings(told, raw, embedding))


def error_of(model: Model) -> float:
    here = np.random.default_rng(9).random((200, 2))
    return float(np.abs(model.warp.inverse(model.predict(here)[0]) - curve(here)[0]).mean())


def test_gradients_teach_a_function_from_fewer_trials() -> None:
    raw = np.random.default_rng(0).random((8, 2))
    losses, slopes = curve(raw)
    with_them = model_of(raw, losses, slopes)
    assert error_of(with_them) < 0.3 * error_of(model_of(raw, losses, None))
    assert with_them.posterior.hyperparameters.slope_noise < 0.05


def test_gradients_that_are_wrong_are_put_down_to_noise() -> None:
    rng = np.random.default_rng(0)
    raw = rng.random((30, 2))
    losses, slopes = curve(raw)
    lying = model_of(raw, losses, 5.0 * rng.normal(size=slopes.shape))
    assert lying.posterior.hyperparameters.slope_noise > 0.3
    assert error_of(lying) < 3.0 * error_of(model_of(raw, losses, None)) + 0.02


def test_gradients_may_be_told_by_some_trials_and_of_some_parameters_only() -> None:
    raw = np.random.default_rng(0).random((8, 2))
    losses, slopes = curve(raw)
    slopes[3:] = np.nan
    slopes[:, 1] = np.nan
    told = model_of(raw, losses, slopes).posterior.derivatives
    assert told is not None
    assert told.rows.tolist() == [0, 1, 2]
    assert told.axes.tolist() == [0, 0, 0]


def test_a_certificate_refuses_a_model_that_knows_gradients() -> None:
    raw = np.random.default_rng(0).random((8, 2))
    with pytest.raises(InvalidArgument, match=r"conditioned on gradients.*got '16 derivatives'.*fit it to the values"):
        mean_of(model_of(raw, *curve(raw)))


def test_the_model_may_be_conditioned_on_draws_beside_gradients() -> None:
    raw = np.random.default_rng(0).random((8, 2))
    model = model_of(raw, *curve(raw))
    pending = np.array([[0.2, 0.9], [0.7, 0.4]])
    draws = model.imagining(pending, np.random.default_rng(1).normal(size=(5, 10)))
    means, variance = draws.predict(np.vstack([pending, raw]))
    assert variance[:2].max() < 1e-5
    np.testing.assert_allclose(means.min(axis=0), draws.bests, atol=2e-3)

    def mean_of_all(means: np.ndarray, variance: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return means.mean(axis=1) + variance, np.full(means.shape, 0.2), np.ones(len(variance))

    here = np.random.default_rng(4).random((5, 2))
    _, by_unit = draws.predict_with_gradient(here, mean_of_all)
    for axis, step in enumerate(1e-5 * np.eye(2)):
        high, low = (mean_of_all(*draws.predict(here + shift))[0] for shift in (step, -step))
        np.testing.assert_allclose(by_unit[:, axis], (high - low) / 2e-5, atol=1e-5)


NESTED = Space(rate=Float(1e-4, 1.0, log=True), n=Int(1, 9), kind=Choice({"a": Space(c=Float(-2.0, 6.0)), "b": None}))


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_gradients_of_a_study_are_derivatives_by_unit_coordinates(direction: str) -> None:
    def value(rate: float, c: float) -> float:
        return math.log(rate) ** 2 + 0.5 * c

    sign = 1.0 if direction == "minimize" else -1.0
    rows = [
        (
            {"rate": 0.1, "n": 3, "kind": "a", "kind.a.c": 2.0},
            Observation(value(0.1, 2.0), gradient={"rate": 2.0 * math.log(0.1) / 0.1, "kind.a.c": 0.5}),
        ),
        ({"rate": 0.01, "n": 3, "kind": "b"}, Observation(value(0.01, 0.0), gradient={"rate": 100.0})),
        ({"rate": 0.02, "n": 3, "kind": "b"}, 5.0),
        ({"rate": 0.03, "n": 3, "kind": "b"}, None),
    ]
    history = make_history(NESTED, rows, direction=direction)
    found = gather(history, told_numbers(history))
    unit = NESTED.to_unit(found.raw)
    assert (
        np.isfinite(found.gradients).tolist() == [[True, False, False, True], [True] + [False] * 3] + [[False] * 4] * 2
    )

    def at(shift: np.ndarray) -> float:
        raw = NESTED.from_unit(unit[:1] + shift)[0]
        return sign * value(float(raw[0]), float(raw[3]))

    for column, step in ((0, np.array([1e-6, 0, 0, 0])), (3, np.array([0, 0, 0, 1e-6]))):
        assert found.gradients[0, column] == pytest.approx((at(step) - at(-step)) / 2e-6, rel=1e-5)


def test_the_fingerprint_tells_gradients_apart() -> None:
    raw = np.random.default_rng(0).random((4, 2))
    losses, slopes = curve(raw)
    first = Evidence(raw, losses, np.zeros(4), gradients=slopes)
    assert fingerprint(first) != fingerprint(replace(first, gradients=2.0 * slopes))


@given(st.integers(0, 40), st.integers(1, 30))
def test_of_many_those_of_the_first_points_enter_whole(points: int, most: int) -> None:
    rng = np.random.default_rng(points)
    counts = rng.integers(0, 4, points)
    rows = np.repeat(np.arange(points), counts)
    told = Derivatives(rows, np.concatenate([np.arange(c) for c in counts] or [[]]).astype(np.intp), np.ones(len(rows)))
    order = rng.permutation(points)
    found = chosen(told, order, most)
    if not len(rows):
        assert found is None
        return
    assert found is not None
    assert 1 <= len(found) <= most
    whole = [point for point in order if counts[point]]
    if counts[whole[0]] <= most:
        entered = set(found.rows.tolist())
        assert len(found) == counts[list(entered)].sum()
        assert entered == set(whole[: len(entered)])


def test_of_a_gradient_that_is_too_long_the_largest_parts_enter() -> None:
    told = Derivatives(np.zeros(5, dtype=np.intp), np.arange(5), np.array([0.1, -3.0, 0.2, 2.0, 0.0]))
    found = chosen(told, np.array([0]), 2)
    assert found is not None
    assert found.axes.tolist() == [1, 3]


def test_a_fit_is_bounded_however_many_gradients_were_told() -> None:
    rng = np.random.default_rng(0)
    raw = rng.random((60, 40))
    space = Space({f"p{i}": Float(0.0, 1.0) for i in range(40)})
    told = Evidence(raw, ((raw - 0.3) ** 2).sum(axis=1), np.zeros(60), gradients=2.0 * (raw - 0.3))
    embedding = Embedding(space.columns)
    settings = fit_settings(told, raw, embedding)
    made = build(told, raw, embedding, settings)
    assert len(made.posterior.alpha) <= 1000
    assert made.posterior.derivatives is not None
    assert len(made.posterior.derivatives) >= 800


def test_a_fit_without_gradients_has_no_noise_of_them() -> None:
    plain = replace(data(), derivatives=None)
    assert math.isnan(fit(plain).slope_noise)
    assert not math.isnan(fit(data()).slope_noise)
