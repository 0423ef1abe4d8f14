"""The likelihood ratio for noise: a slow twin on a grid, its size where there is no noise, its power where there is."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import lognorm, multivariate_normal

from trimtab.surrogates.gp.kernels import matern52, squared_distances
from trimtab.surrogates.gp.noise_evidence import ALMOST_NONE, LITTLE, gain_of_noise
from trimtab.surrogates.gp.regression import LENGTH_SCALES, Data, Hyperparameters, fit


def data(n: int, seed: int, noise: float, columns: int = 2) -> Data:
    """A draw of the prior's own process with length-scales near one half, and noise of a standard deviation."""
    rng = np.random.default_rng(seed)
    features = rng.random((n, columns))
    kernel = matern52(squared_distances(features / 0.5)) + 1e-9 * np.eye(n)
    values = np.linalg.cholesky(kernel) @ rng.normal(size=n) + noise * rng.normal(size=n)
    return Data(
        features, (values - values.mean()) / values.std(), np.zeros(n), np.arange(columns, dtype=np.intp), columns
    )


def twin(given: Data, noise: float, grid: np.ndarray) -> float:
    """The highest log p(y | l, v) p(l) over a grid of one length-scale, by densities of the library's."""
    found = []
    for scale in grid:
        covariance = matern52(squared_distances(given.features / scale)) + noise * np.eye(len(given.values))
        inverse = np.linalg.inv(covariance)
        mean = float(inverse.sum(axis=0) @ given.values) / float(inverse.sum())
        likelihood = multivariate_normal.logpdf(given.values, np.full(len(given.values), mean), covariance)
        found.append(float(likelihood + lognorm.logpdf(scale, s=math.sqrt(3), scale=math.exp(math.sqrt(2)))))
    return max(found)


@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_ratio_that_a_grid_finds(seed: int) -> None:
    given = data(15, seed, 0.5, columns=1)
    fitted = fit(given)
    grid = np.exp(np.linspace(math.log(LENGTH_SCALES[0]), math.log(100.0), 2000))
    here = twin(given, fitted.noise, fitted.length_scales)
    wanted = here - twin(given, ALMOST_NONE, grid) if fitted.noise > LITTLE else 0.0
    # The grid finds the highest mode, a descent may end in a lower one, where noise gains more.
    assert gain_of_noise(given, fitted) >= max(wanted, 0.0) - 0.01
    if seed < 2:
        assert gain_of_noise(given, fitted) == pytest.approx(max(wanted, 0.0), abs=0.05)


def test_values_without_noise_rarely_show_any() -> None:
    gains = [gain_of_noise(given, fit(given)) for given in (data(10, seed, 0.0) for seed in range(40))]
    assert sum(gain > 2.0 for gain in gains) <= 4


def test_noise_shows_the_more_the_more_values_there_are() -> None:
    medians = [
        np.median([gain_of_noise(given, fit(given)) for given in (data(n, seed, 1.0) for seed in range(7))])
        for n in (6, 30, 50)
    ]
    assert medians[0] < 2.0 < medians[1] < medians[2]


def test_little_noise_is_none() -> None:
    given = data(10, 0, 0.0)
    assert gain_of_noise(given, Hyperparameters(np.full(2, 0.5), LITTLE)) == 0.0
    worse = replace(given, values=given.values[::-1].copy())
    assert gain_of_noise(worse, Hyperparameters(np.full(2, 0.5), 0.5)) >= 0.0
