"""The whole surrogate: it chooses the warp that helps, learns from failures, and trusts told noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from trimtab.space import Categorical, Choice, Float, Space
from trimtab.surrogates.evidence import Evidence
from trimtab.surrogates.gp import FAILURE, Embedding, Hyperparameters, Model, build, fingerprint, fit_settings
from trimtab.surrogates.gp.kernels import matern52, squared_distances

SPACE = Space(x=Float(0.0, 1.0), y=Float(0.0, 1.0))


def evidence(losses: np.ndarray, raw: np.ndarray, stderr: float = 0.0) -> Evidence:
    return Evidence(raw, losses, np.full(len(losses), stderr))


def model(told: Evidence, space: Space = SPACE) -> Model:
    embedding, unit = Embedding(space.columns), space.to_unit(told.raw)
    return build(told, unit, embedding, fit_settings(told, unit, embedding))


def points(n: int = 40, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((n, 2))


def bowl(raw: np.ndarray) -> np.ndarray:
    return ((raw - 0.4) ** 2).sum(axis=1)


def power(losses: np.ndarray, raw: np.ndarray | None = None) -> float:
    told, embedding = evidence(losses, points() if raw is None else raw), Embedding(SPACE.columns)
    return fit_settings(told, told.raw, embedding).power


def test_what_the_model_draws_is_left_as_it_is_and_its_exponential_is_undone() -> None:
    start = Hyperparameters.start(2)
    plain, exponential = [], []
    for seed in range(15):
        raw = points(50, seed)
        covariance = matern52(squared_distances(raw / start.length_scales)) + start.noise * np.eye(50)
        drawn = np.linalg.cholesky(covariance) @ np.random.default_rng(seed).normal(size=50)
        plain.append(power(drawn - 10.0, raw))
        exponential.append(power(np.exp(2.0 * drawn), raw))
    assert np.mean(np.array(plain) >= 0.75) > 0.7
    assert np.mean(np.array(exponential) <= 0.25) > 0.7
    assert power(np.exp(40.0 * bowl(points()))) == 0.0


def test_the_choice_of_the_warp_does_not_depend_on_the_units() -> None:
    for losses in (bowl(points()) - 0.2, np.exp(10.0 * bowl(points()))):
        assert power(losses) == power(1e-200 * losses) == power(1e200 * losses)


def test_predictions_come_back_in_the_units_of_the_losses() -> None:
    raw, unseen = points(), points(20, seed=1)
    found = model(evidence(3e6 + 1e5 * bowl(raw), raw))
    predicted = found.warp.inverse(found.predict(unseen)[0])
    np.testing.assert_allclose(predicted, 3e6 + 1e5 * bowl(unseen), atol=0.02e5)


def test_far_from_all_trials_it_expects_their_average_where_it_is_told_to() -> None:
    raw = 0.05 * points(30)
    losses = bowl(raw)
    told, embedding = evidence(losses, raw), Embedding(SPACE.columns)
    settings = fit_settings(told, raw, embedding, mean=0.0)
    short = replace(settings, hyperparameters=Hyperparameters(np.full(2, 0.02), 1e-4))
    assert settings.mean == 0.0
    found = build(told, raw, embedding, short)
    assert found.predict(np.array([[0.9, 0.9]]))[0][0] == pytest.approx(0.0, abs=1e-9)
    assert found.warp.forward(losses).mean() == pytest.approx(0.0, abs=1e-9)
    estimated = build(told, raw, embedding, replace(short, mean=None))
    assert estimated.predict(np.array([[0.9, 0.9]]))[0][0] == pytest.approx(estimated.posterior.mean)


def test_predictions_are_right_over_ten_decades() -> None:
    raw, unseen = points(60), points(20, seed=1)
    truth = 10.0 ** (12.0 * bowl(unseen) - 6.0)
    found = model(evidence(10.0 ** (12.0 * bowl(raw) - 6.0), raw))
    predicted = found.warp.inverse(found.predict(unseen)[0])
    np.testing.assert_allclose(np.log10(predicted), np.log10(truth), atol=0.3)


def test_failures_make_their_neighbourhood_bad() -> None:
    raw = points(60)
    failed = raw[:, 0] > 0.7
    losses = np.where(failed, np.nan, bowl(raw))
    found = model(evidence(losses, raw))
    inside, outside = (found.predict(np.array([[x, 0.5]]))[0][0] for x in (0.9, 0.5))
    assert inside > outside + 1.0
    assert found.best == pytest.approx(found.posterior.fitted[~failed].min())


def test_gradients_by_unit_coordinates_match_differences_with_nesting() -> None:
    space = Space(x=Float(0.0, 1.0), opt=Choice({"p": Space(z=Float(0.0, 1.0)), "q": None}), k=Categorical(["a", "b"]))
    raw = space.sample_raw(np.random.default_rng(0), 30)
    found = model(evidence(np.nansum(raw**2, axis=1), raw), space)
    unit, step = space.to_unit(raw[:8]), 1e-6
    _, _, by_mean, by_variance = found.predict_with_gradient(unit)
    for index in (0, 2):
        move = step * np.eye(4)[index]
        (mean_up, variance_up), (mean_down, variance_down) = found.predict(unit + move), found.predict(unit - move)
        np.testing.assert_allclose(by_mean[:, index], (mean_up - mean_down) / (2 * step), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(
            by_variance[:, index], (variance_up - variance_down) / (2 * step), rtol=1e-4, atol=1e-6
        )
    assert (by_mean[:, [1, 3]] == 0).all()


def test_told_standard_errors_are_noise() -> None:
    raw = np.tile([[0.5, 0.5]], (2, 1))
    losses = np.array([0.0, 1.0])
    told = Evidence(
        np.vstack([raw, points(30)]), np.append(losses, bowl(points(30))), np.append([1e-6, 10.0], np.zeros(30))
    )
    found = model(told)
    assert found.warp.inverse(found.predict(raw[:1])[0])[0] == pytest.approx(0.0, abs=0.1)


def test_the_incumbents_are_the_trials_of_lowest_posterior_mean() -> None:
    raw = points()
    found = model(evidence(bowl(raw), raw))
    means = found.predict(raw)[0]
    np.testing.assert_array_equal(found.incumbents, raw[np.argsort(means, kind="stable")[:5]])
    assert found.best == pytest.approx(means.min())


def test_a_trial_that_broke_a_constraint_informs_the_objective_and_is_no_incumbent() -> None:
    raw = points()
    broken = raw[:, 0] < 0.5
    told = Evidence(
        raw,
        np.where(broken, np.nan, bowl(raw)),
        np.zeros(40),
        measured=bowl(raw),
        names=("c",),
        constraints=0.5 - raw[:, :1],
    )
    found, unseen = model(told), np.array([[0.2, 0.4], [0.3, 0.7], [0.4, 0.4]])
    np.testing.assert_allclose(found.warp.inverse(found.predict(unseen)[0]), bowl(unseen), atol=0.02)
    assert (found.incumbents[:, 0] >= 0.5).all()
    assert found.told_rows.tolist() == np.flatnonzero(~broken).tolist()
    assert found.best == pytest.approx(found.predict(raw[~broken])[0].min())
    np.testing.assert_allclose(found.told_means, found.predict(raw[~broken])[0], atol=1e-8)
    assert set(found.sides) == {"c"}
    assert (found.sides["c"].predict(unseen)[0] > 0.0).all()


def test_where_every_trial_broke_a_constraint_there_is_a_model_and_no_best() -> None:
    raw = points()
    told = Evidence(
        raw, np.full(40, np.nan), np.zeros(40), measured=bowl(raw), names=("c",), constraints=raw[:, :1] + 0.1
    )
    found, unseen = model(told), points(10, seed=1)
    assert np.isposinf(found.best)
    assert len(found.incumbents) == len(found.told_rows) == 0
    np.testing.assert_allclose(found.warp.inverse(found.predict(unseen)[0]), bowl(unseen), atol=0.02)


def test_failures_have_a_surface_of_their_own() -> None:
    raw = points(60)
    found = model(evidence(np.where(raw[:, 0] > 0.7, np.nan, bowl(raw)), raw))
    mean, _ = found.sides[FAILURE].predict(np.array([[0.95, 0.5], [0.4, 0.5]]))
    assert mean[0] > 0.0 > mean[1]
    assert FAILURE not in model(evidence(bowl(raw), raw)).sides


def test_the_fingerprint_tells_evidence_apart() -> None:
    raw, losses = points(5), np.arange(5.0)
    one = evidence(losses, raw)
    assert fingerprint(one) == fingerprint(evidence(losses.copy(), raw.copy()))
    others = [
        evidence(losses + 1, raw),
        evidence(losses, raw + 1e-9),
        evidence(losses, raw, stderr=0.1),
        evidence(losses[:4], raw[:4]),
        evidence(losses, raw.reshape(10, 1)[:5]),
        replace(one, measured=losses + 1),
        replace(one, cost=losses),
        replace(one, names=("c",), constraints=losses[:, None]),
        replace(one, names=("d",), constraints=losses[:, None]),
    ]
    assert len({fingerprint(one), *map(fingerprint, others)}) == 10
