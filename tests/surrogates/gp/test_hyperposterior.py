"""Draws of hyperparameters: the evidence by a slow twin, and chains by the densities they have to follow."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import multivariate_normal, truncnorm

from trimtab.surrogates.gp.cholesky import NotPositiveDefinite
from trimtab.surrogates.gp.derivatives import Derivatives
from trimtab.surrogates.gp.hyperposterior import drawn_hyperparameters, log_evidence
from trimtab.surrogates.gp.kernels import matern52, squared_distances
from trimtab.surrogates.gp.priors import length_scale_prior, noise_prior
from trimtab.surrogates.gp.regression import LENGTH_SCALES, NOISE, Data, Hyperparameters, log_bounds


def told(n: int, columns: int = 1) -> Data:
    features = np.random.default_rng(0).random((n, columns))
    values = np.sin(7.0 * features[:, 0]) + 0.1 * np.random.default_rng(1).standard_normal(n)
    return Data(features, values, np.linspace(0.0, 0.1, n), np.arange(columns), columns)


def test_evidence_is_that_of_a_process_with_a_vague_constant() -> None:
    data, found, slow = told(7, 2), [], []
    for logs in np.log([[0.3, 0.5, 0.01], [2.0, 0.2, 0.3], [40.0, 9.0, 1e-4]]):
        kernel = matern52(squared_distances(data.features / np.exp(logs[:2])))
        # A constant of variance 1e6 moves the density by half the logarithm of that, whatever the settings.
        covariance = kernel + np.diag(data.known + math.exp(logs[2])) + 1e6
        slow.append(multivariate_normal.logpdf(data.values, np.zeros(7), covariance))
        found.append(log_evidence(logs, data))
    assert np.diff(found) == pytest.approx(np.diff(slow), abs=1e-3)


def test_one_value_tells_nothing_so_that_draws_are_those_of_the_prior() -> None:
    drawn = drawn_hyperparameters(told(1), Hyperparameters.start(1), 1500, np.random.default_rng(2))
    for prior, ends, logs in (
        (length_scale_prior(1), LENGTH_SCALES, [math.log(each.length_scales[0]) for each in drawn]),
        (noise_prior(), NOISE, [math.log(each.noise) for each in drawn]),
    ):
        low, high = (np.log(ends) - prior.mu) / prior.sigma
        exact = truncnorm(low, high, prior.mu, prior.sigma)
        assert np.quantile(logs, [0.1, 0.5, 0.9]) == pytest.approx(exact.ppf([0.1, 0.5, 0.9]), abs=0.35)


def test_draws_follow_the_posterior_on_a_grid() -> None:
    data = told(9)
    axes = [np.linspace(low, high, 120) for low, high in log_bounds(1)]
    lengths, noises = np.meshgrid(*axes, indexing="ij")
    height = np.array([[log_evidence(np.array([a, b]), data) for b in axes[1]] for a in axes[0]])
    for prior, logs in ((length_scale_prior(1), lengths), (noise_prior(), noises)):
        height -= 0.5 * ((logs - prior.mu) / prior.sigma) ** 2
    density = np.exp(height - height.max())
    drawn = drawn_hyperparameters(data, Hyperparameters.start(1), 1500, np.random.default_rng(3))
    logs = np.array([each.logs for each in drawn])
    for axis in (0, 1):
        exact = density.sum(axis=1 - axis).cumsum() / density.sum()
        for level in (0.1, 0.5, 0.9):
            place = axes[axis][np.searchsorted(exact, level)]
            assert np.mean(logs[:, axis] <= place) == pytest.approx(level, abs=0.07)


def test_a_chain_starts_at_a_bound_stays_within_them_and_is_repeated_by_its_numbers() -> None:
    data, start = told(12, 3), Hyperparameters(np.full(3, 1e-3), 1e-9)
    first, again = (drawn_hyperparameters(data, start, 6, np.random.default_rng(4)) for _ in range(2))
    low, high = np.transpose(log_bounds(3))
    assert len(first) == 6
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one.logs, other.logs)
        assert np.all((one.logs >= low - 1e-6) & (one.logs <= high + 1e-6))


def test_what_has_no_covariance_or_has_derivatives_is_refused() -> None:
    data, rng = told(4), np.random.default_rng(0)
    broken = replace(data, features=np.full((4, 1), np.nan))
    with pytest.raises(NotPositiveDefinite, match="no covariance"):
        drawn_hyperparameters(broken, Hyperparameters.start(1), 1, rng)
    slopes = Derivatives(np.array([0]), np.array([0]), np.array([1.0]))
    with pytest.raises(ValueError, match="derivatives"):
        drawn_hyperparameters(replace(data, derivatives=slopes), Hyperparameters.start(1), 1, rng)
