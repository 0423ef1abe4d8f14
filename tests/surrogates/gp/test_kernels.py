"""The Matern kernel against its formula pair by pair, and its derivative against differences."""

from __future__ import annotations

import math

import numpy as np

from trimtab.surrogates.gp.kernels import matern52, matern52_and_slope, squared_distances


def plain(a: np.ndarray, b: np.ndarray) -> float:
    """Rasmussen and Williams, equation 4.17."""
    r = math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b, strict=True)))
    return (1 + math.sqrt(5) * r + 5 * r**2 / 3) * math.exp(-math.sqrt(5) * r)


def test_it_matches_the_formula_pair_by_pair() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(6, 3)), rng.normal(size=(4, 3))
    wanted = [[plain(x, y) for y in b] for x in a]
    np.testing.assert_allclose(matern52(squared_distances(a, b)), wanted, rtol=1e-12)
    np.testing.assert_allclose(matern52(squared_distances(a)), [[plain(x, y) for y in a] for x in a], rtol=1e-12)


def test_distances_are_never_negative_and_zero_on_the_diagonal() -> None:
    points = np.tile(np.random.default_rng(0).normal(size=(1, 5)) * 1e3, (20, 1))
    distances = squared_distances(points)
    assert (distances >= 0).all()
    assert (np.diagonal(distances) == 0).all()
    assert (squared_distances(points, points) >= 0).all()


def test_slope_by_the_squared_distance_matches_differences_and_exists_at_zero() -> None:
    r2, step = np.array([1e-3, 0.1, 1.0, 9.0]), 1e-7
    value, slope = matern52_and_slope(r2)
    np.testing.assert_allclose(value, matern52(r2), rtol=1e-14)
    np.testing.assert_allclose(slope, (matern52(r2 + step) - matern52(r2 - step)) / (2 * step), rtol=1e-5)
    assert matern52_and_slope(np.zeros(1))[1][0] == -5 / 6
