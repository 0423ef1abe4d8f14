"""Kernel densities in many dimensions: where a few points carry the estimate, and what that costs.

Gaussian data as in the theory: points and queries from N(0, I_d). Numbers of samples are small; the rules are
the statements that hold at these sizes, and the theory's constants at infinite size are checked exactly.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import logsumexp

from trimtab.surrogates.density import (
    clt_bandwidth,
    condensation_bandwidth,
    effective_sample_size,
    leave_one_out_bandwidth,
    leave_one_out_log_likelihood,
    neighbour_bandwidth,
    optimal_bandwidth,
)

Array = NDArray[np.float64]

SIZES = [(10, 148), (20, 403), (30, 1808)]
"""Dimensions and points, with alpha = log(n) / d of 0.5, 0.3 and 0.25."""


def shares(queries: Array, points: Array, h: float) -> Array:
    """Log kernel values (m, n)."""
    norms = (queries**2).sum(axis=1)[:, None] + (points**2).sum(axis=1)[None, :]
    return np.asarray((queries @ points.T - 0.5 * norms) / (h * h))


def log_density(queries: Array, points: Array, h: float) -> Array:
    """Log of the kernel estimate (m,)."""
    count, columns = points.shape
    norm = math.log(count) + columns * (math.log(h) + 0.5 * math.log(2.0 * math.pi))
    return np.asarray(logsumexp(shares(queries, points, h), axis=1) - norm)


def drawn(columns: int, count: int, seed: int = 0) -> tuple[Array, Array]:
    """Points, and 200 queries of the same distribution."""
    rng = np.random.default_rng((columns, count, seed))
    return rng.standard_normal((count, columns)), rng.standard_normal((200, columns))


def optimum(columns: int, count: int) -> tuple[float, float, float]:
    """The bandwidth of least divergence on fresh queries, the divergence per dimension there, and at Scott's."""
    points, queries = drawn(columns, count)
    truth = -0.5 * (queries**2).sum(axis=1) - 0.5 * columns * math.log(2.0 * math.pi)
    grid = np.geomspace(0.4, 1.6, 40)
    divergence = [float((truth - log_density(queries, points, h)).mean()) / columns for h in grid.tolist()]
    best = int(np.argmin(divergence))
    scott = count ** (-1.0 / (columns + 4))
    return float(grid[best]), divergence[best], float((truth - log_density(queries, points, scott)).mean()) / columns


@pytest.mark.parametrize(
    ("alpha", "h_g", "h_clt", "h_opt"),
    [(0.05, 1.73, 2.45, 1.15), (0.1, 1.37, 1.94, 1.04), (0.3, 0.87, 1.23, 0.78), (1.0, 0.372, 0.526, 0.369)],
)
def test_the_thresholds_at_infinite_size(alpha: float, h_g: float, h_clt: float, h_opt: float) -> None:
    assert condensation_bandwidth(alpha) == pytest.approx(h_g, rel=0.005)
    assert clt_bandwidth(alpha) == pytest.approx(h_clt, rel=0.005)
    assert optimal_bandwidth(alpha) == pytest.approx(h_opt, rel=0.005)


def test_the_condensation_threshold_solves_its_equation() -> None:
    for alpha in (1e-3, 0.05, 0.7, 3.0, 30.0):
        t = condensation_bandwidth(alpha) ** -2
        phi = -0.5 * math.log1p(t) - 0.5 * t / (1.0 + t)
        slope = -0.5 / (1.0 + t) - 0.5 / (1.0 + t) ** 2
        assert t * slope - phi == pytest.approx(alpha, rel=1e-6)
    for wrong in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="must be positive and finite"):
            condensation_bandwidth(wrong)


@pytest.mark.parametrize(("columns", "count"), SIZES)
def test_the_best_bandwidth_lies_below_the_clt_regime_and_beats_scott(columns: int, count: int) -> None:
    best, divergence, scott = optimum(columns, count)
    alpha = math.log(count) / columns
    assert optimal_bandwidth(alpha) < best < clt_bandwidth(alpha)
    # Finite sets shift the optimum up from the limit, to about the condensation threshold.
    assert best < 1.35 * condensation_bandwidth(alpha)
    assert 1.05 < scott / divergence < 1.6


@pytest.mark.parametrize(("columns", "count"), SIZES)
def test_a_few_points_carry_the_estimate_at_the_condensation_threshold(columns: int, count: int) -> None:
    points, queries = drawn(columns, count)
    alpha = math.log(count) / columns
    at_g = shares(queries, points, condensation_bandwidth(alpha))
    at_clt = shares(queries, points, clt_bandwidth(alpha))
    assert 2.0 < np.median(effective_sample_size(at_g)) < 6.0
    assert 7.0 < np.median(effective_sample_size(at_clt)) < 35.0
    top = np.exp(at_g.max(axis=1) - logsumexp(at_g, axis=1))
    assert 0.35 < np.median(top) < 0.6


@pytest.mark.parametrize(
    ("columns", "count", "expected"),
    [
        (1, 25, 12.0),
        (2, 25, 6.5),
        (5, 25, 2.7),
        (10, 25, 2.0),
        (20, 25, 1.6),
        (2, 100, 18.0),
        (5, 100, 4.6),
        (10, 100, 2.6),
    ],
)
def test_sets_of_a_tuner_s_size_are_neighbour_rules_from_five_dimensions_on(
    columns: int, count: int, expected: float
) -> None:
    """The uniform cube with Scott's bandwidth: expected is the median n_eff over many such sets."""
    found = []
    for seed in range(20):
        rng = np.random.default_rng((columns, count, seed))
        points, queries = rng.random((count, columns)), rng.random((100, columns))
        h = float(points.std(axis=0).mean()) * count ** (-1.0 / (columns + 4))
        found.append(np.median(effective_sample_size(shares(queries, points, h))))
    assert np.mean(found) == pytest.approx(expected, rel=0.2)


@pytest.mark.parametrize(("columns", "rule", "loo"), [(5, 0.14, 0.17), (10, 0.21, 0.23), (20, 0.27, 0.30)])
def test_the_neighbour_rule_begins_near_the_leave_one_out_bandwidth(columns: int, rule: float, loo: float) -> None:
    cubes = [np.random.default_rng((columns, seed)).random((100, columns)) for seed in range(8)]
    assert np.mean([neighbour_bandwidth(cube) for cube in cubes]) == pytest.approx(rule, rel=0.15)
    assert np.mean([leave_one_out_bandwidth(cube) for cube in cubes]) == pytest.approx(loo, rel=0.15)


def test_in_one_dimension_the_neighbour_rule_is_far_too_small() -> None:
    line = np.random.default_rng(0).random((100, 1))
    assert neighbour_bandwidth(line) < 0.3 * leave_one_out_bandwidth(line)


def test_the_leave_one_out_likelihood_leaves_one_out() -> None:
    points = np.random.default_rng(1).standard_normal((12, 3))
    slow = np.mean([log_density(points[[i]], np.delete(points, i, axis=0), 0.7)[0] for i in range(12)])
    assert leave_one_out_log_likelihood(points, np.array([0.7]))[0] == pytest.approx(slow, rel=1e-10)


def test_the_effective_sample_size_counts_equal_shares() -> None:
    assert effective_sample_size(np.zeros((1, 7)))[0] == pytest.approx(7.0)
    assert effective_sample_size(np.array([[0.0, -800.0, -900.0]]))[0] == pytest.approx(1.0)
    with np.errstate(divide="ignore"):
        assert effective_sample_size(np.log(np.array([[0.5, 0.5, 0.0]])))[0] == pytest.approx(2.0)


def test_points_that_coincide_have_a_bandwidth() -> None:
    assert leave_one_out_bandwidth(np.full((6, 4), 0.3)) > 0.0
