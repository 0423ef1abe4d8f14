"""A nugget of noise and roughness: the posterior by brute-force conditioning, the share by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from trimtab.surrogates.gp import Data, Hyperparameters, Posterior, condition
from trimtab.surrogates.gp.kernels import matern52, squared_distances
from trimtab.surrogates.gp.roughness import NoiseShare, noise_share, told_draws, told_means

N = 12


def posterior(seed: int = 0, noise: float = 0.3, known: float = 0.0, values: np.ndarray | None = None) -> Posterior:
    """Of values at random places on a line, some with noise of their own."""
    rng = np.random.default_rng(seed)
    features = rng.random((N, 1)) if values is None else np.linspace(0.0, 1.0, len(values))[:, None]
    told = rng.normal(size=N) if values is None else values
    more = known * rng.random(len(told))
    chosen = Hyperparameters(np.array([0.3]), noise)
    return condition(Data(features, told, more, np.zeros(1, dtype=np.intp), 1, mean=0.0), chosen)


def by_conditioning(told: Posterior, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of smooth + rough given y, from the joint normal distribution of both."""
    smooth = matern52(squared_distances(told.features / told.scales))
    nugget = np.diag(told.hyperparameters.noise + told.known)
    prior, seen = smooth + (1.0 - share) * nugget, smooth + nugget
    gain = prior @ np.linalg.inv(seen)
    return told.mean + gain @ (told.values - told.mean), prior - gain @ prior


@pytest.mark.parametrize("share", [0.02, 0.5, 1.0])
@pytest.mark.parametrize("known", [0.0, 0.4])
def test_means_and_draws_are_those_of_conditioning(share: float, known: float) -> None:
    told = posterior(known=known)
    mean, covariance = by_conditioning(told, share)
    assert told_means(told, share) == pytest.approx(mean)
    count = 40_000
    drawn = told_draws(told, np.full(count, share), np.ones(count), np.random.default_rng(1))
    # Four standard errors of a mean, and of a covariance of normal draws.
    deviations = np.sqrt(np.diag(covariance))
    assert (np.abs(drawn.mean(axis=0) - mean) < 4.0 * deviations / np.sqrt(count)).all()
    spread = np.outer(deviations, deviations)
    assert (np.abs(np.cov(drawn.T) - covariance) < 4.0 * spread * np.sqrt(2.0 / count)).all()


def test_all_noise_is_the_usual_posterior_and_all_roughness_the_values() -> None:
    told = posterior(known=0.2)
    mean, variance = told.predict(told.features)
    assert told_means(told, 1.0) == pytest.approx(mean)
    assert told_means(told, 1.0) == pytest.approx(told.fitted)
    assert told_means(told, 0.0) == pytest.approx(told.values)
    drawn = told_draws(told, np.ones(20_000), np.ones(20_000), np.random.default_rng(2))
    assert drawn.var(axis=0) == pytest.approx(variance, rel=0.1)


def test_widths_widen_and_shares_are_of_each_draw() -> None:
    told, rng = posterior(), np.random.default_rng
    plain = told_draws(told, np.full(500, 0.4), np.ones(500), rng(3))
    wide = told_draws(told, np.full(500, 0.4), np.full(500, 3.0), rng(3))
    mean = told_means(told, 0.4)
    assert wide - mean == pytest.approx(3.0 * (plain - mean))
    mixed = told_draws(told, np.array([1e-12, 1.0]), np.zeros(2), rng(3))
    assert mixed[0] == pytest.approx(told.values)
    assert mixed[1] == pytest.approx(told.fitted)


def test_without_neighbours_any_share_is_as_likely() -> None:
    share = noise_share(posterior(), [])
    assert share.weights == pytest.approx(np.full(len(share.shares), 1.0 / len(share.shares)))
    assert share.mean == pytest.approx(0.5)


def test_the_share_is_the_posterior_of_a_variance_by_fine_summation() -> None:
    told = posterior(noise=0.5)
    groups = [np.array([0, 3]), np.array([1, 4, 7])]
    found = noise_share(told, groups)
    fine = (np.arange(20_000) + 0.5) / 20_000
    density = np.ones_like(fine)
    for rows in groups:
        values = told.values[rows]
        # The density of the differences to the first, whose covariance is s v (1 + identity).
        away, size = values[1:] - values[0], len(rows) - 1
        inner = float(away @ np.linalg.solve(np.eye(size) + 1.0, away))
        density *= (fine * 0.5) ** (-0.5 * size) * np.exp(-0.5 * inner / (fine * 0.5))
    assert found.mean == pytest.approx(float(fine @ density / density.sum()), rel=1e-3)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_share_is_found_where_there_are_many_neighbours_and_is_calibrated_where_there_are_few(share: float) -> None:
    nugget, rng = 0.4, np.random.default_rng(4)

    def found(pairs: int) -> NoiseShare:
        values = np.repeat(rng.normal(size=pairs), 2) + np.sqrt(share * nugget) * rng.normal(size=2 * pairs)
        return noise_share(posterior(noise=nugget, values=values), [np.array([2 * k, 2 * k + 1]) for k in range(pairs)])

    assert found(400).mean == pytest.approx(share, abs=0.1)
    assert np.mean([found(1).mean for _ in range(50)]) == pytest.approx(0.5, abs=0.25)


def test_draws_of_the_share_follow_its_weights() -> None:
    share = noise_share(posterior(), [np.array([0, 1])])
    drawn = share.drawn(50_000, np.random.default_rng(5))
    assert drawn.mean() == pytest.approx(share.mean, abs=0.01)
    assert set(drawn.tolist()) <= set(share.shares.tolist())
