"""Draws of the objective: each is a posterior that knows it, together they are the one that does not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from trimtab.space import Categorical, Choice, Float, Space
from trimtab.surrogates.acquisition import LogImprovement, LogNoisyImprovement, log_ei
from trimtab.surrogates.evidence import Evidence
from trimtab.surrogates.gp import (
    Data,
    Embedding,
    Hyperparameters,
    Model,
    Posterior,
    Settings,
    Surface,
    build,
    condition,
)
from trimtab.surrogates.gp.fantasies import EXACT, Fantasies, imagine
from trimtab.surrogates.gp.kernels import matern52, squared_distances

Array = np.ndarray

SPACE = Space(
    x=Float(0.0, 1.0),
    opt=Choice({"p": Space(z=Float(0.0, 1.0)), "q": None}),
    k=Categorical(["a", "b"]),
)
EMBEDDING = Embedding(SPACE.columns)
SCALES = np.array([0.5, 0.8, 0.6, 0.9])


def units(count: int, seed: int) -> Array:
    return SPACE.to_unit(SPACE.sample_raw(np.random.default_rng(seed), count))


def posterior_of(noise: float = 0.05, count: int = 12) -> Posterior:
    unit, rng = units(count, 0), np.random.default_rng(1)
    values = np.sin(5 * unit[:, 0]) + 0.3 * rng.normal(size=count)
    known = 0.02 * rng.random(count)
    data = Data(EMBEDDING.features(unit), values, known, EMBEDDING.groups, len(SPACE))
    return condition(data, Hyperparameters(SCALES, noise))


def drawn(posterior: Posterior, points: Array, normals: Array) -> Array:
    """The draws of f at features (p, f), shape (S, p), from the joint posterior in plain linear algebra."""
    told, new = posterior.features / posterior.scales, points / posterior.scales
    noise = np.diag(posterior.hyperparameters.noise + posterior.known)
    inverse = np.linalg.inv(matern52(squared_distances(told)) + noise)
    cross = matern52(squared_distances(new, told))
    mean = posterior.mean + cross @ inverse @ (posterior.values - posterior.mean)
    covariance = matern52(squared_distances(new)) - cross @ inverse @ cross.T
    root = np.linalg.cholesky(covariance + EXACT * np.eye(len(new)))
    return mean + normals[:, : len(new)] @ root.T


def twin(posterior: Posterior, points: Array, values: Array, features: Array) -> tuple[Array, Array]:
    """Mean and variance at features after the data and exact values (p,) at points, the constant mean given."""
    everything = np.vstack([posterior.features, points]) / posterior.scales
    noise = np.append(posterior.hyperparameters.noise + posterior.known, np.full(len(points), EXACT))
    inverse = np.linalg.inv(matern52(squared_distances(everything)) + np.diag(noise))
    cross = matern52(squared_distances(features / posterior.scales, everything))
    residual = np.append(posterior.values, values) - posterior.mean
    return posterior.mean + cross @ inverse @ residual, 1.0 - np.einsum("ij,jk,ik->i", cross, inverse, cross)


@pytest.fixture(name="made")
def _made() -> tuple[Posterior, Array, Array, Fantasies]:
    """A posterior, points, normals, and what is imagined of them."""
    posterior, points = posterior_of(), EMBEDDING.features(units(4, 2))
    normals = np.random.default_rng(3).normal(size=(6, 7))
    return posterior, points, normals, imagine(EMBEDDING, posterior, points, normals)


def test_each_draw_is_the_posterior_that_knows_it(made: tuple[Posterior, Array, Array, Fantasies]) -> None:
    posterior, points, normals, found = made
    unit = units(9, 4)
    means, variance = found.predict(unit)
    assert means.shape == (9, 6)
    for place, draw in enumerate(drawn(posterior, points, normals)):
        mean, wanted = twin(posterior, points, draw, EMBEDDING.features(unit))
        np.testing.assert_allclose(means[:, place], mean, atol=1e-6)
        np.testing.assert_allclose(variance, wanted, atol=1e-8)


def test_it_is_conditioning_on_exact_observations_but_for_the_constant_mean(
    made: tuple[Posterior, Array, Array, Fantasies],
) -> None:
    posterior, points, normals, found = made
    settings = posterior.hyperparameters
    draw = drawn(posterior, points, normals)[0]
    # A known variance on top of the learned noise that leaves the points with that of the draws.
    known = np.append(posterior.known, np.full(len(points), EXACT - settings.noise))
    data = Data(
        np.vstack([posterior.features, points]), np.append(posterior.values, draw), known, posterior.groups, len(SPACE)
    )
    wanted, unit = condition(data, settings), units(9, 4)
    _, variance = wanted.predict(EMBEDDING.features(unit))
    np.testing.assert_allclose(found.predict(unit)[1], variance, atol=1e-8)
    # Weights are linear in the residuals, so that a change of the mean can be undone.
    weights = np.linalg.solve(wanted.lower @ wanted.lower.T, np.ones(len(data.values)))
    np.testing.assert_allclose(
        found.alphas[:, 0], wanted.alpha + (wanted.mean - posterior.mean) * weights, rtol=1e-4, atol=1e-4
    )


def test_the_bests_are_the_lowest_values_of_the_draws(made: tuple[Posterior, Array, Array, Fantasies]) -> None:
    posterior, points, normals, found = made
    np.testing.assert_allclose(found.bests, drawn(posterior, points, normals).min(axis=1), atol=1e-7)
    means, variance = found.predict(units(4, 2))
    np.testing.assert_allclose(means.min(axis=0), found.bests, atol=1e-3)
    assert (variance < 2 * EXACT).all()


def test_together_the_draws_are_the_posterior_itself() -> None:
    posterior, unit = posterior_of(), units(8, 4)
    count = 4000
    normals = np.random.default_rng(3).normal(size=(count, 4))
    means, variance = imagine(EMBEDDING, posterior, EMBEDDING.features(units(4, 2)), normals).predict(unit)
    wanted_mean, wanted_variance = posterior.predict(EMBEDDING.features(unit))
    spread = means.var(axis=1)
    # The laws of total expectation and of total variance, within five standard errors.
    assert (np.abs(means.mean(axis=1) - wanted_mean) < 5 * np.sqrt(spread / count) + 1e-6).all()
    assert (np.abs(spread + variance - wanted_variance) < 5 * spread * math.sqrt(2 / count) + 1e-5).all()
    assert spread.max() > 0.01


def test_it_needs_no_more_normals_than_points() -> None:
    posterior, points = posterior_of(), EMBEDDING.features(units(3, 2))
    normals = np.random.default_rng(0).normal(size=(5, 9))
    many, few = (imagine(EMBEDDING, posterior, points, part) for part in (normals, normals[:, :3]))
    np.testing.assert_array_equal(many.bests, few.bests)


def test_a_told_point_and_one_twice_may_be_drawn() -> None:
    posterior, unit = posterior_of(), units(3, 2)
    points = np.vstack([posterior.features[:4], EMBEDDING.features(unit), EMBEDDING.features(unit)])
    found = imagine(EMBEDDING, posterior, points, np.random.default_rng(0).normal(size=(5, 10)))
    means, variance = found.predict(units(9, 4))
    assert np.isfinite(means).all()
    assert (variance > 0.0).all()


def test_gradients_match_differences(made: tuple[Posterior, Array, Array, Fantasies]) -> None:
    found = made[-1]
    criterion, unit, step = LogNoisyImprovement(found), units(10, 4), 1e-6
    value, gradient = criterion.value_and_gradient(unit)
    np.testing.assert_allclose(value, criterion.value(unit), rtol=1e-10)
    assert np.isnan(unit).any()
    assert (gradient[np.isnan(unit)] == 0.0).all()
    assert (gradient[:, [1, 3]] == 0.0).all()
    for index in (0, 2):
        move, active = step * np.eye(4)[index], ~np.isnan(unit[:, index])
        slope = (criterion.value(unit + move) - criterion.value(unit - move)) / (2 * step)
        np.testing.assert_allclose(gradient[active, index], slope[active], rtol=1e-4, atol=1e-5)


def test_the_gradient_is_the_chain_rule_of_any_weighing(made: tuple[Posterior, Array, Array, Fantasies]) -> None:
    found, unit, step = made[-1], units(6, 4), 1e-6
    shares = np.random.default_rng(5).normal(size=(6, 6))

    def weigh(means: Array, variance: Array) -> tuple[Array, Array, Array]:
        return (shares * means).sum(axis=1) + variance**2, shares, 2.0 * variance

    value, gradient = found.predict_with_gradient(unit, weigh)
    np.testing.assert_allclose(value, weigh(*found.predict(unit))[0], rtol=1e-12)
    move = step * np.eye(4)[0]
    up, down = (weigh(*found.predict(unit + sign * move))[0] for sign in (1, -1))
    np.testing.assert_allclose(gradient[:, 0], (up - down) / (2 * step), rtol=1e-5, atol=1e-6)


def test_the_noisy_improvement_is_the_mean_of_the_improvements(made: tuple[Posterior, Array, Array, Fantasies]) -> None:
    found, unit = made[-1], units(10, 4)
    means, variance = found.predict(unit)
    each = [np.exp(log_ei(means[:, s], np.sqrt(variance), float(found.bests[s]))) for s in range(6)]
    np.testing.assert_allclose(np.exp(LogNoisyImprovement(found).value(unit)), np.mean(each, axis=0), rtol=1e-9)


PLANE = Space(x=Float(0.0, 1.0), y=Float(0.0, 1.0))


def model(noise: float) -> Model:
    raw = np.random.default_rng(0).random((14, 2))
    losses = np.cos(4 * raw[:, 0]) + (raw[:, 1] - 0.4) ** 2
    evidence, embedding = Evidence(raw, losses, np.zeros(14)), Embedding(PLANE.columns)
    return build(evidence, raw, embedding, Settings(1.0, Hyperparameters(np.array([0.7, 1.0]), noise)))


def test_without_noise_and_pending_trials_it_is_the_improvement_below_the_best() -> None:
    found, unit = model(1e-6), np.random.default_rng(1).random((200, 2))
    normals = np.random.default_rng(2).normal(size=(64, 14))
    noisy = LogNoisyImprovement(found.imagining(np.empty((0, 2)), normals)).value(unit)
    plain = LogImprovement(found, found.best).value(unit)
    likely = plain > -8.0
    assert likely.sum() > 10
    np.testing.assert_allclose(noisy[likely], plain[likely], atol=0.05)
    # The best of the values is known to the deviation of a draw, a thousandth.
    np.testing.assert_allclose(found.imagining(np.empty((0, 2)), normals).bests, found.best, atol=6e-3)


def test_with_noise_the_best_told_value_may_be_a_lucky_one() -> None:
    found = model(0.3)
    bests = found.imagining(np.empty((0, 2)), np.random.default_rng(2).normal(size=(400, 14))).bests
    assert bests.std() > 0.05
    # The lowest of several uncertain values lies below the lowest of their means.
    assert bests.mean() < found.best


def test_a_pending_point_takes_the_improvement_from_its_neighbourhood() -> None:
    found = model(1e-4)
    unit = np.random.default_rng(1).random((400, 2))
    goal = unit[LogImprovement(found, found.best).value(unit).argmax()][None, :]
    normals = np.random.default_rng(2).normal(size=(64, 15))
    near, far = goal + 0.01, np.array([[1.0, 0.0]]) if goal[0, 0] < 0.5 else np.array([[0.0, 1.0]])
    before = LogNoisyImprovement(found.imagining(np.empty((0, 2)), normals))
    after = LogNoisyImprovement(found.imagining(goal, normals))
    assert after.value(near)[0] < before.value(near)[0] - 1.0
    # Elsewhere it counts for less, and only in so far as the pending trial may raise the standard.
    assert after.value(near)[0] - before.value(near)[0] < after.value(far)[0] - before.value(far)[0]


def test_only_so_many_of_the_told_trials_may_be_the_best() -> None:
    found, normals = model(0.1), np.random.default_rng(2).normal(size=(5, 14))
    few = found.imagining(np.empty((0, 2)), normals, most=3)
    assert len(few.lower) == 14 + 3
    told = found.posterior.features[np.argsort(found.posterior.fitted, kind="stable")[:3]]
    np.testing.assert_allclose(few.drawn * few.posterior.scales, told, rtol=1e-12)


def test_a_surface_is_the_posterior_behind_the_embedding() -> None:
    posterior, unit = posterior_of(), units(6, 4)
    np.testing.assert_array_equal(
        Surface(EMBEDDING, posterior).predict(unit), posterior.predict(EMBEDDING.features(unit))
    )
