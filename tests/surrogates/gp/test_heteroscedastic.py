"""Scoring against derivatives, planted noise recovered and believed, constant noise left alone."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.stats import binom

from trimtab.space import Float, Space
from trimtab.surrogates.evidence import Evidence
from trimtab.surrogates.gp import Embedding, build, fit_settings
from trimtab.surrogates.gp.heteroscedastic import AMPLITUDE, LEAST, fit_noise, responses
from trimtab.surrogates.gp.kernels import matern52, squared_distances
from trimtab.surrogates.gp.regression import Data, Posterior, condition, fit

SPACE = Space(x=Float(0.0, 1.0), y=Float(0.0, 1.0))


@dataclass(frozen=True)
class Case:
    """Told values and as many unseen ones of one function, and the standard deviations of their noise."""

    told: Data
    unseen: Data
    deviations: np.ndarray


def case(seed: int, ratio: float, n: int = 80) -> Case:
    """A smooth function of two numbers; its noise grows by the ratio along the first."""
    rng = np.random.default_rng(seed)
    features = rng.random((2 * n, 2))
    deviations = 0.3 * ratio ** (features[:, 0] - 0.5)
    values = np.sin(4.0 * features[:, 0]) + features[:, 1] + deviations * rng.normal(size=2 * n)
    spread = values[:n].std()
    values = (values - values[:n].mean()) / spread
    parts = [Data(features[rows], values[rows], np.zeros(n), np.arange(2), 2) for rows in (slice(n), slice(n, None))]
    return Case(parts[0], parts[1], deviations[n:] / spread)


def everything(data: Data) -> np.ndarray:
    return np.ones(len(data.values), dtype=np.bool_)


def score(posterior: Posterior, noise: np.ndarray | float, unseen: Data) -> float:
    """Mean log density of unseen values."""
    mean, variance = posterior.predict(unseen.features)
    variance = variance + noise
    return float(np.mean(-0.5 * np.log(variance) - 0.5 * (unseen.values - mean) ** 2 / variance))


def log_likelihood(kernel: np.ndarray, data: Data, noise: np.ndarray) -> float:
    """By explicit inverses and determinants."""
    covariance = kernel + np.diag(noise + data.known)
    inverse, ones = np.linalg.inv(covariance), np.ones(len(noise))
    residual = data.values - (ones @ inverse @ data.values) / (ones @ inverse @ ones)
    return float(-0.5 * residual @ inverse @ residual - 0.5 * np.linalg.slogdet(covariance)[1])


def test_a_round_steps_along_the_derivative_of_the_likelihood() -> None:
    rng, data = np.random.default_rng(0), replace(case(0, 5.0, 15).told, known=np.linspace(0.0, 0.3, 15))
    kernel, logs = matern52(squared_distances(data.features / 0.5)), rng.normal(size=15) - 1.0
    told = everything(data)
    told[[3, 7]] = False
    found, step = responses(kernel, data, np.exp(logs), told), 1e-5
    moves = step * np.eye(15)[told]
    differences = [
        (log_likelihood(kernel, data, np.exp(logs + move)) - log_likelihood(kernel, data, np.exp(logs - move)))
        / (2 * step)
        for move in moves
    ]
    # Scoring: the step, divided by its variance, is the derivative by log r.
    steps = AMPLITUDE * found.values - logs[told]
    np.testing.assert_allclose(steps / (AMPLITUDE**2 * found.known), differences, rtol=1e-6, atol=1e-8)


def test_residuals_are_those_of_leaving_one_out() -> None:
    data = case(1, 5.0, 12).told
    kernel, noise = matern52(squared_distances(data.features / 0.5)), np.full(12, 0.1)
    found = responses(kernel, data, noise, everything(data))
    precision = np.linalg.inv(kernel + np.diag(noise))
    mean = precision.sum(axis=1) @ data.values / precision.sum()
    for left in range(12):
        rest = np.delete(np.arange(12), left)
        inverse = np.linalg.inv((kernel + np.diag(noise))[np.ix_(rest, rest)])
        expected = mean + kernel[left, rest] @ inverse @ (data.values[rest] - mean)
        variance = 1.0 + noise[left] - kernel[left, rest] @ inverse @ kernel[rest, left]
        share = noise[left] / variance
        wanted = np.log(noise[left]) + ((data.values[left] - expected) ** 2 / variance - 1.0) / share
        assert AMPLITUDE * found.values[left] == pytest.approx(wanted)
        assert AMPLITUDE**2 * found.known[left] == pytest.approx(2.0 / share**2)


def test_noise_that_grows_is_found_and_predicts_better() -> None:
    found, factors, gains = 0, [], []
    for seed in range(10):
        given = case(seed, 10.0)
        plain = fit(given.told)
        answer = fit_noise(given.told, plain, everything(given.told))
        if answer is None:
            continue
        found += 1
        noise, hyperparameters = answer
        here = noise.noise_at(given.unseen.features)
        factors.append(np.exp(np.abs(0.5 * np.log(here) - np.log(given.deviations))).mean())
        varying = condition(noise.added_to(given.told, everything(given.told)), hyperparameters)
        gains.append(
            score(varying, here, given.unseen) - score(condition(given.told, plain), plain.noise, given.unseen)
        )
    assert found >= 8
    assert np.median(factors) < 1.5
    assert np.median(gains) > 0.1
    assert np.mean(np.array(gains) > 0.0) > 0.7


def test_constant_noise_is_left_alone() -> None:
    # Accepted no more often than at a level of one in twenty.
    count = accepted = 0
    for n, repeats in ((50, 25), (100, 8)):
        for seed in range(repeats):
            given = case(seed, 1.0, n).told
            accepted += fit_noise(given, fit(given), everything(given)) is not None
            count += 1
    assert accepted <= binom.ppf(0.99, count, 0.05)


def test_told_errors_leave_nothing_to_learn() -> None:
    given = case(0, 10.0).told
    deviations = 0.3 * 10.0 ** (given.features[:, 0] - 0.5) / np.sqrt(0.45)
    told = replace(given, known=deviations**2)
    assert fit_noise(given, fit(given), everything(given)) is not None
    assert fit_noise(told, fit(told), everything(told)) is None


def test_few_or_exact_values_are_not_asked() -> None:
    given = case(0, 10.0).told
    loud = fit(given)
    assert fit_noise(given, loud, np.arange(80) < LEAST - 1) is None
    assert fit_noise(given, replace(loud, noise=1e-4), everything(given)) is None


def test_values_put_in_for_failures_tell_no_noise_and_get_none() -> None:
    given = case(3, 10.0).told
    failed = given.features[:, 0] < 0.15
    values = np.where(failed, 2.5, given.values)
    data = replace(given, values=(values - values.mean()) / values.std())
    answer = fit_noise(data, fit(data), ~failed)
    assert answer is not None
    noise, _ = answer
    added = noise.added_to(data, ~failed).known
    assert (added[failed] == 0.0).all()
    assert added[~failed].max() > 0.0
    assert len(noise.posterior.values) == (~failed).sum()


def evidence(seed: int, n: int = 90, size: float = 1.0) -> Evidence:
    rng = np.random.default_rng(seed)
    raw = rng.random((n, 2))
    deviations = 0.3 * 15.0 ** (raw[:, 0] - 0.5)
    losses = size * (5.0 + np.sin(4.0 * raw[:, 0]) + raw[:, 1] + deviations * rng.normal(size=n))
    return Evidence(raw, losses, np.zeros(n))


def test_a_surrogate_learns_which_end_is_loud() -> None:
    ends, embedding, ratios = np.array([[0.05, 0.5], [0.95, 0.5]]), Embedding(SPACE.columns), []
    for seed in range(3):
        told = evidence(seed, 200)
        low, high = build(told, told.raw, embedding, fit_settings(told, told.raw, embedding)).noise_at(ends)
        ratios.append(np.sqrt(high / low))
    # 15^0.9 = 11; the prior of log r draws the ends together.
    assert np.median(ratios) > 3.0


def test_a_surrogate_answers_the_same_when_asked_again() -> None:
    told, embedding = evidence(0), Embedding(SPACE.columns)
    chosen = fit_settings(told, told.raw, embedding)
    assert chosen.noise is not None
    ends = np.array([[0.05, 0.5], [0.95, 0.5]])
    models = [build(told, told.raw, embedding, each) for each in (chosen, fit_settings(told, told.raw, embedding))]
    assert models[0].posterior.known.max() > 10.0 * models[0].posterior.known.min()
    for first, second in zip(models[0].predict(ends), models[1].predict(ends), strict=True):
        np.testing.assert_array_equal(first, second)
    # More trials than it was fitted to: the noise of the new ones comes from where they are.
    more = evidence(0, 120)
    grown = build(more, more.raw, embedding, chosen)
    assert len(grown.posterior.known) == 120
    np.testing.assert_allclose(
        grown.noise_at(more.raw), chosen.hyperparameters.noise + grown.posterior.known, rtol=1e-9
    )


def test_constant_noise_is_the_same_everywhere() -> None:
    raw = np.random.default_rng(0).random((20, 2))
    told, embedding = Evidence(raw, raw.sum(axis=1), np.zeros(20)), Embedding(SPACE.columns)
    model = build(told, raw, embedding, fit_settings(told, raw, embedding))
    assert (model.noise_at(raw) == model.posterior.hyperparameters.noise).all()


@pytest.mark.parametrize("size", [1e-300, 1e300])
def test_noise_in_any_unit(size: float) -> None:
    told, embedding = evidence(1, size=size), Embedding(SPACE.columns)
    model = build(told, told.raw, embedding, fit_settings(told, told.raw, embedding))
    assert all(np.isfinite(part).all() for part in model.predict(told.raw))


def test_identical_points_tell_their_noise() -> None:
    rng = np.random.default_rng(0)
    features = np.repeat([[0.1, 0.5], [0.9, 0.5]], 40, axis=0)
    values = np.where(features[:, 0] < 0.5, 0.05, 1.0) * rng.normal(size=80)
    data = Data(features, values / values.std(), np.zeros(80), np.arange(2), 2)
    answer = fit_noise(data, fit(data), everything(data))
    assert answer is not None
    low, high = np.sqrt(answer[0].noise_at(features[[0, -1]]))
    assert 0.5 < high / (1.0 / values.std()) < 1.5
    assert low < 0.3 * high
