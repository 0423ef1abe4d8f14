"""The map against differences, its fit against planted warps, and its decision against stationary draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from trimtab.space import Categorical, Choice, Float, Space
from trimtab.surrogates.evidence import Evidence
from trimtab.surrogates.gp import Embedding, Hyperparameters, InputWarp, Model, Settings, build, fit_settings
from trimtab.surrogates.gp import input_warping as module
from trimtab.surrogates.gp.input_warping import LEAST, MOST, fit_input_warp, objective_with_warp
from trimtab.surrogates.gp.kernels import matern52, squared_distances
from trimtab.surrogates.gp.regression import Data, condition, fit, objective

NESTED = Space(
    x=Float(0.0, 1.0), opt=Choice({"p": Space(z=Float(0.0, 1.0)), "q": None}), k=Categorical(["a", "b", "c"])
)
logs = st.lists(st.floats(-MOST, MOST), min_size=2, max_size=2)


def standardised(features: np.ndarray, values: np.ndarray) -> Data:
    d = features.shape[1]
    return Data(features, (values - values.mean()) / values.std(), np.zeros(len(values)), np.arange(d), d)


def planted(seed: int, n: int = 60) -> tuple[Data, np.ndarray]:
    """A wave in warped coordinates, fast at the low end of its first number, and the log a and log b it takes."""
    rng, warp = np.random.default_rng(seed), InputWarp(np.array([[-0.9, 0.0], [0.3, 0.0]]))
    unit = rng.random((n, 2))
    values = np.sin(9.0 * warp.forward(unit)[:, 0]) + unit[:, 1] + 0.05 * rng.normal(size=n)
    return standardised(unit, values), warp.logs


@given(parts=logs, u=st.floats(0.01, 0.99))
def test_the_slopes_match_differences(parts: list[float], u: float) -> None:
    point, step = np.array([[u]]), 1e-6
    warp = InputWarp(np.array(parts)[:, None])
    up, down = warp.forward(point + step), warp.forward(point - step)
    np.testing.assert_allclose(warp.slope(point), (up - down) / (2 * step), rtol=1e-4, atol=1e-7)
    for index, found in enumerate(warp.by_logs(point)):
        move = step * np.eye(2)[index][:, None]
        up, down = (InputWarp(warp.logs + sign * move).forward(point) for sign in (1, -1))
        np.testing.assert_allclose(found, (up - down) / (2 * step), rtol=1e-4, atol=1e-7)


@given(parts=logs)
def test_the_map_is_increasing_within_the_unit_interval_and_has_an_inverse(parts: list[float]) -> None:
    warp, unit = InputWarp(np.array(parts)[:, None]), np.linspace(0.0, 1.0, 41)[:, None]
    warped = warp.forward(unit)
    assert (np.diff(warped[:, 0]) >= 0.0).all()
    assert ((warped >= 0.0) & (warped <= 1.0)).all()
    assert np.isfinite(warp.slope(unit)).all()
    assert np.isfinite(warp.by_logs(unit)).all()
    # Where the map is nearly flat, an inverse can be no more exact than the slope allows.
    np.testing.assert_allclose(warp.forward(warp.inverse(warped)), warped, atol=1e-9)
    clear = warp.slope(unit) > 1e-3
    np.testing.assert_allclose(warp.inverse(warped)[clear], unit[clear], atol=1e-9)


def test_no_logs_are_the_identity_and_inactive_stays_inactive() -> None:
    unit = np.array([[0.0, 0.3, np.nan], [1.0, 0.7, 0.5]])
    np.testing.assert_allclose(InputWarp(np.zeros((2, 3))).forward(unit), unit, atol=1.1e-7)
    assert np.isnan(InputWarp(np.full((2, 3), 0.5)).forward(unit)).tolist() == np.isnan(unit).tolist()


@pytest.mark.parametrize("seed", range(3))
def test_the_gradient_of_the_objective_matches_differences_with_nesting(seed: int) -> None:
    rng, embedding = np.random.default_rng(seed), Embedding(NESTED.columns)
    unit = NESTED.to_unit(NESTED.sample_raw(rng, 25))
    given = Data(embedding.features(unit), rng.normal(size=25), np.zeros(25), embedding.groups, 4)
    columns = np.flatnonzero(embedding.place >= 0)
    point, step = 0.4 * rng.normal(size=5 + 2 * len(columns)), 1e-5

    def value(at: np.ndarray) -> tuple[float, np.ndarray]:
        return objective_with_warp(at, given, unit[:, columns], embedding.place[columns])

    differences = [(value(point + move)[0] - value(point - move)[0]) / (2 * step) for move in step * np.eye(len(point))]
    np.testing.assert_allclose(value(point)[1], differences, rtol=1e-5, atol=1e-6)


def test_the_objective_is_that_of_the_warped_features_and_the_prior() -> None:
    given, warp = planted(0)
    start = Hyperparameters.start(2)
    at_warp = objective_with_warp(np.append(start.logs, warp.ravel()), given, given.features, np.arange(2))[0]
    warped = replace(given, features=InputWarp(warp).forward(given.features))
    assert at_warp == pytest.approx(objective(start.logs, warped)[0] + 0.5 * (warp**2).sum() / 0.1)


def test_a_planted_warp_is_found_and_predicts_better() -> None:
    grid, gains = np.linspace(0.0, 1.0, 50)[:, None] * np.ones(2), []
    for seed in range(8):
        everything, logs = planted(seed, 120)
        given, unseen = (
            replace(everything, features=everything.features[rows], values=everything.values[rows], known=np.zeros(60))
            for rows in (slice(60), slice(60, None))
        )
        plain = fit(given)
        found = fit_input_warp(given, given.features, np.arange(2), plain)
        assert found is not None
        warp, hyperparameters = found
        off = np.abs(warp.forward(grid) - InputWarp(logs).forward(grid)).max(axis=0)
        assert off.max() < 0.15
        assert np.abs(grid - InputWarp(logs).forward(grid)).max() > 0.3
        warped = replace(given, features=warp.forward(given.features))
        scores = [
            _log_density(condition(data, chosen).predict(points), chosen.noise, unseen.values)
            for data, chosen, points in (
                (given, plain, unseen.features),
                (warped, hyperparameters, warp.forward(unseen.features)),
            )
        ]
        gains.append(scores[1] - scores[0])
    assert np.median(gains) > 0.1
    assert min(gains) > 0.0


def _log_density(predicted: tuple[np.ndarray, np.ndarray], noise: float, values: np.ndarray) -> float:
    mean, variance = predicted[0], predicted[1] + noise
    return float(np.mean(-0.5 * np.log(variance) - 0.5 * (values - mean) ** 2 / variance))


def test_what_is_stationary_is_seldom_warped() -> None:
    # No more often than at a level of one in ten.
    scales, count = np.array([0.5, 1.0, 2.0]), 40
    warped = 0
    for seed in range(count):
        rng = np.random.default_rng(seed)
        unit = rng.random((40, 3))
        covariance = matern52(squared_distances(unit / scales)) + 0.01 * np.eye(40)
        given = standardised(unit, np.linalg.cholesky(covariance) @ rng.normal(size=40))
        warped += fit_input_warp(given, unit, np.arange(3), fit(given)) is not None
    assert warped <= binom.ppf(0.99, count, 0.1)


def test_where_nothing_is_promised_the_cost_is_one_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    inner = module.objective_and_slopes
    monkeypatch.setattr(module, "objective_and_slopes", lambda *given: calls.append(given) or inner(*given))
    rng = np.random.default_rng(0)
    given = standardised(rng.random((40, 2)), rng.normal(size=40))
    start = fit(given)
    assert fit_input_warp(given, given.features, np.arange(2), start) is None
    assert len(calls) == 1
    few = replace(given, features=given.features[:5], values=given.values[:5], known=given.known[:5])
    assert fit_input_warp(few, few.features, np.arange(2), start) is None
    assert fit_input_warp(given, given.features, np.full(2, -1), start) is None
    assert len(calls) == 1
    assert len(few.values) < LEAST


def warped_model(space: Space, n: int = 30, seed: int = 0) -> Model:
    rng = np.random.default_rng(seed)
    raw = space.sample_raw(rng, n)
    d = len(space)
    chosen = Settings(
        1.0, Hyperparameters(rng.uniform(0.4, 1.5, d), 1e-3), input_warp=InputWarp(0.5 * rng.normal(size=(2, d)))
    )
    evidence = Evidence(raw, np.nansum(raw**2, axis=1), np.zeros(n))
    return build(evidence, space.to_unit(raw), Embedding(space.columns), chosen)


def test_the_warp_moves_active_numbers_and_nothing_else() -> None:
    raw = NESTED.sample_raw(np.random.default_rng(0), 20)
    unit, plain = NESTED.to_unit(raw), Embedding(NESTED.columns)
    warped = plain.warped(InputWarp(np.full((2, 4), 0.4)))
    changed = warped.features(unit) != plain.features(unit)
    assert changed[:, plain.place[0]].all()
    nested = plain.place[2]
    np.testing.assert_array_equal(changed[:, nested], ~np.isnan(unit[:, 2]))
    changed[:, [plain.place[0], nested]] = False
    assert not changed.any()


@pytest.mark.parametrize("seed", range(3))
def test_gradients_of_predictions_are_chained_through_the_warp(seed: int) -> None:
    model, step = warped_model(NESTED, seed=seed), 1e-6
    rng = np.random.default_rng(seed)
    unit = np.clip(NESTED.to_unit(NESTED.sample_raw(rng, 8)), 0.05, 0.95)
    fantasies = model.imagining(unit[:2], rng.normal(size=(3, 20)), most=5)

    def weigh(means: np.ndarray, variance: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return means.sum(axis=1) + variance, np.ones_like(means), np.ones_like(variance)

    predictions: list[tuple[Callable[[np.ndarray], np.ndarray], np.ndarray]] = [
        (lambda at: model.predict(at)[0], model.predict_with_gradient(unit)[2]),
        (lambda at: model.predict(at)[1], model.predict_with_gradient(unit)[3]),
        (lambda at: weigh(*fantasies.predict(at))[0], fantasies.predict_with_gradient(unit, weigh)[1]),
    ]
    for value, gradient in predictions:
        for index in (0, 2):
            move = step * np.eye(4)[index]
            difference = (value(unit + move) - value(unit - move)) / (2 * step)
            np.testing.assert_allclose(
                gradient[:, index], np.nan_to_num(difference) * ~np.isnan(unit[:, index]), rtol=1e-4, atol=1e-5
            )
        assert (gradient[:, [1, 3]] == 0).all()


def test_a_warp_comes_with_the_settings_and_predicts_in_units_of_the_losses() -> None:
    space, rng = Space(x=Float(0.0, 1.0), y=Float(0.0, 1.0)), np.random.default_rng(0)
    raw, unseen = rng.random((50, 2)), rng.random((30, 2))

    def loss(at: np.ndarray) -> np.ndarray:
        return 3.0 + np.sin(8.0 * at[:, 0] ** 0.3) + 0.3 * at[:, 1]

    evidence, embedding = Evidence(raw, loss(raw), np.zeros(50)), Embedding(space.columns)
    chosen = fit_settings(evidence, raw, embedding)
    assert chosen.input_warp is not None
    again = fit_settings(evidence, raw, embedding).input_warp
    assert again is not None
    np.testing.assert_array_equal(again.logs, chosen.input_warp.logs)
    errors = []
    for settled in (chosen, replace(chosen, input_warp=None, hyperparameters=fit(standardised(raw, loss(raw))))):
        model = build(evidence, raw, embedding, settled)
        errors.append(np.abs(model.warp.inverse(model.predict(unseen)[0]) - loss(unseen)).mean())
    assert errors[0] < 0.8 * errors[1]


@pytest.mark.parametrize("size", [1e-300, 1.0, 1e300])
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_hard_numbers_have_settings(size: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    raw = np.repeat(rng.random((12, 2)) ** 8, 4, axis=0)
    losses = size * rng.lognormal(size=48) * (raw[:, 0] + 0.1)
    space = Space(x=Float(0.0, 1.0), y=Float(0.0, 1.0))
    evidence, embedding = Evidence(raw, losses, np.zeros(48)), Embedding(space.columns)
    model = build(evidence, raw, embedding, fit_settings(evidence, raw, embedding))
    corners = np.array([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    assert all(np.isfinite(part).all() for part in model.predict_with_gradient(corners))
