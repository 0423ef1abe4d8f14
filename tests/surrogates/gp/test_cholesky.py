"""Cholesky factors: exact where that is possible, jittered where not, and the same when points are appended."""

from __future__ import annotations

import numpy as np
import pytest

from trimtab.surrogates.gp.cholesky import (
    NotPositiveDefinite,
    append,
    factor,
    inverse_of,
    solve,
    solve_lower,
    solve_upper,
)


def covariance(n: int, seed: int = 0) -> np.ndarray:
    """A well-conditioned covariance of n points."""
    root = np.random.default_rng(seed).normal(size=(n, n + 5))
    return root @ root.T / n + np.eye(n)


def test_factor_and_solves() -> None:
    matrix = covariance(30)
    kept = matrix.copy()
    lower, jitter = factor(matrix)
    np.testing.assert_array_equal(matrix, kept)
    assert jitter == 0.0
    np.testing.assert_array_equal(lower, np.tril(lower))
    np.testing.assert_allclose(lower @ lower.T, matrix, rtol=1e-12)
    right = np.random.default_rng(1).normal(size=(30, 4))
    np.testing.assert_allclose(lower @ solve_lower(lower, right), right, atol=1e-12)
    np.testing.assert_allclose(lower.T @ solve_upper(lower, right), right, atol=1e-12)
    np.testing.assert_allclose(matrix @ solve(lower, right), right, atol=1e-11)
    np.testing.assert_allclose(inverse_of(lower), np.linalg.inv(matrix), atol=1e-12)


def test_200_appended_points_give_the_factor_of_all() -> None:
    matrix = covariance(220)
    lower, _ = factor(matrix[:20, :20])
    for n in range(20, 220):
        lower = append(lower, matrix[:n, n : n + 1], matrix[n : n + 1, n : n + 1])
    whole, _ = factor(matrix)
    assert np.abs(lower - whole).max() < 1e-8
    block, _ = factor(matrix[:150, :150])
    assert np.abs(append(block, matrix[:150, 150:], matrix[150:, 150:]) - whole).max() < 1e-10


def test_a_singular_matrix_gets_the_smallest_jitter_that_works() -> None:
    ones = np.ones((40, 40))
    lower, jitter = factor(ones)
    assert 0 < jitter <= 1e-8
    np.testing.assert_allclose(lower @ lower.T, ones + jitter * np.eye(40), atol=1e-12)


@pytest.mark.parametrize("bad", [-np.eye(3), np.diag([1.0, 1.0, -1.0]), np.full((3, 3), np.nan)])
def test_what_has_no_factor_is_refused(bad: np.ndarray) -> None:
    with pytest.raises(NotPositiveDefinite, match="no Cholesky factor of a 3 x 3 matrix"):
        factor(bad)


def test_nothing_at_all_has_an_empty_factor() -> None:
    assert factor(np.empty((0, 0)))[0].shape == (0, 0)
