"""Mixtures of kernels: they are densities, draws follow them, and inactive columns say nothing."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.stats import truncnorm

from trimtab.surrogates.parzen import (
    Parzen,
    Points,
    gap_widths,
    joint_log_density,
    log_kernels,
    marginal_log_density,
    sample,
)

Array = NDArray[np.float64]


def points(unit: Array, cells: Array | None = None, prior: Array | None = None) -> Points:
    """Points on grids of so many cells per column, 0 for continuous."""
    half = np.zeros(unit.shape[1]) if cells is None else np.where(cells > 0, 0.5 / np.maximum(cells, 1), 0.0)
    return Points(unit, unit - half, unit + half, np.zeros(unit.shape) if prior is None else prior)


def model(rng: np.random.Generator, count: int, categories: list[int], inactive: float = 0.0) -> Parzen:
    """Random centres, some of them inactive; widths of numbers 0.02 to 0.5."""
    sizes = np.array(categories, dtype=np.intp)
    unit = rng.random((count, len(sizes)))
    unit = np.where(sizes > 0, (np.floor(unit * np.maximum(sizes, 1)) + 0.5) / np.maximum(sizes, 1), unit)
    unit[rng.random(unit.shape) < inactive] = np.nan
    widths = np.where(sizes > 0, rng.uniform(0.1, 1.0, unit.shape), np.exp(rng.uniform(-4.0, -0.7, unit.shape)))
    weights = rng.random(count + 1) + 0.1
    return Parzen(unit, widths, weights / weights.sum(), sizes)


def slow_joint(at: Points, mixture: Parzen) -> Array:
    """The joint density term by term, with SciPy's truncated normal."""
    out = np.zeros(len(at.unit))
    for m, x in enumerate(at.unit):
        there = ~np.isnan(x)
        total = mixture.weights[-1] * float(np.exp(at.prior[m][there].sum()))
        for k, centre in enumerate(mixture.centres):
            term = mixture.weights[k]
            for j, c in enumerate(centre):
                if np.isnan(x[j]) or np.isnan(c):
                    continue
                size, width = int(mixture.categories[j]), mixture.widths[k, j]
                if size:
                    term *= width + (1.0 - width) * size * (np.floor(x[j] * size) == np.floor(c * size))
                    continue
                kernel = truncnorm(-c / width, (1.0 - c) / width, loc=c, scale=width)
                low, high = at.low[m, j], at.high[m, j]
                term *= kernel.pdf(x[j]) if high == low else (kernel.cdf(high) - kernel.cdf(low)) / (high - low)
            total += term
        out[m] = total
    return out


def test_the_joint_density_is_the_one_term_by_term() -> None:
    rng = np.random.default_rng(0)
    mixture = model(rng, 9, [0, 0, 3, 0], inactive=0.3)
    cells = np.array([0, 0, 0, 8])
    unit = rng.random((20, 4))
    unit[:, 2] = (np.floor(unit[:, 2] * 3) + 0.5) / 3
    unit[:, 3] = (np.floor(unit[:, 3] * 8) + 0.5) / 8
    unit[::3, 1] = np.nan
    at = points(unit, cells, rng.normal(size=unit.shape))
    density, shares = joint_log_density(at, mixture)
    np.testing.assert_allclose(np.exp(density), slow_joint(at, mixture), rtol=1e-8)
    prior = mixture.weights[-1] * np.exp(np.where(np.isnan(unit), 0.0, at.prior).sum(axis=1))
    np.testing.assert_allclose(np.exp(shares).sum(axis=1) + prior, np.exp(density), rtol=1e-9)


def test_one_column_is_a_density_on_the_unit_interval() -> None:
    mixture = model(np.random.default_rng(1), 5, [0])

    def density(x: float) -> float:
        return float(np.exp(marginal_log_density(points(np.array([[x]])), mixture)[0]))

    mass, _ = quad(density, 0.0, 1.0, limit=200)
    assert mass == pytest.approx(1.0, abs=1e-6)


def test_cells_and_categories_have_mass_one() -> None:
    rng = np.random.default_rng(2)
    mixture = model(rng, 6, [4, 0], inactive=0.2)
    first, second = np.meshgrid((np.arange(4) + 0.5) / 4, (np.arange(5) + 0.5) / 5)
    at = points(np.column_stack([first.ravel(), second.ravel()]), np.array([0, 5]))
    for density in (joint_log_density(at, mixture)[0], marginal_log_density(at, mixture)):
        assert np.exp(density).mean() == pytest.approx(1.0, abs=1e-9)


def test_a_conditional_space_has_mass_one() -> None:
    """Column 1 is active under category 0 of column 0 only."""
    centres = np.array([[0.25, 0.3], [0.75, np.nan], [0.75, np.nan], [0.25, 0.9]])
    mixture = Parzen(centres, np.full((4, 2), 0.4), np.full(5, 0.2), np.array([2, 0]))
    grid = (np.arange(2000) + 0.5) / 2000
    inside = points(np.column_stack([np.full(2000, 0.25), grid]))
    outside = points(np.array([[0.75, np.nan]]))
    for form in (marginal_log_density, lambda at, m: joint_log_density(at, m)[0]):
        mass = 0.5 * np.exp(form(inside, mixture)).mean() + 0.5 * float(np.exp(form(outside, mixture))[0])
        assert mass == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("joint", [True, False])
def test_draws_follow_the_density(joint: bool) -> None:
    rng = np.random.default_rng(3)
    mixture = model(rng, 4, [3, 0], inactive=0.25)
    drawn = sample(mixture, rng, rng.random((20_000, 2)), joint)
    assert drawn.shape == (20_000, 2)
    assert ((drawn >= 0.0) & (drawn <= 1.0)).all()
    counted = np.histogram2d(drawn[:, 0], drawn[:, 1], bins=[3, 5], range=[[0, 1], [0, 1]])[0].ravel() / 20_000
    first, second = np.meshgrid((np.arange(3) + 0.5) / 3, (np.arange(5) + 0.5) / 5, indexing="ij")
    at = points(np.column_stack([first.ravel(), second.ravel()]), np.array([0, 5]))
    log_density = joint_log_density(at, mixture)[0] if joint else marginal_log_density(at, mixture)
    expected = np.exp(log_density) / 15
    # 15 shares with standard errors of at most 0.0036: a correct sampler fails with probability below 1e-4.
    assert np.all(np.abs(counted - expected) < 4.5 * np.sqrt(expected / 20_000))


def test_the_two_forms_agree_on_one_column_and_differ_on_two_that_go_together() -> None:
    mixture = model(np.random.default_rng(4), 5, [0])
    at = points(np.linspace(0.0, 1.0, 11)[:, None])
    np.testing.assert_allclose(joint_log_density(at, mixture)[0], marginal_log_density(at, mixture), atol=1e-12)
    diagonal = Parzen(np.array([[0.2, 0.2], [0.8, 0.8]]), np.full((2, 2), 0.05), np.full(3, 1 / 3), np.array([0, 0]))
    corner = points(np.array([[0.2, 0.8]]))
    assert joint_log_density(corner, diagonal)[0][0] < marginal_log_density(corner, diagonal)[0] - 2.0


def test_narrow_cells_are_as_continuous_ones() -> None:
    mixture = model(np.random.default_rng(5), 7, [0])
    unit = np.array([[0.1234567], [0.9]])
    fine = log_kernels(points(unit, np.array([2**52])), mixture, 0)
    np.testing.assert_allclose(fine, log_kernels(points(unit), mixture, 0), rtol=1e-9)
    nearly = log_kernels(points(unit, np.array([990])), mixture, 0)
    np.testing.assert_allclose(nearly, log_kernels(points(unit), mixture, 0), rtol=1e-3, atol=1e-3)


def test_far_cells_keep_a_finite_density() -> None:
    mixture = Parzen(np.array([[1.0]]), np.array([[0.005]]), np.array([0.5, 0.5]), np.array([0]))
    at = points(np.array([[0.05], [0.95]]), np.array([10]))
    log_density = joint_log_density(at, mixture)[0]
    assert np.isfinite(log_density).all()
    assert log_density[0] < log_density[1]


def test_widths_are_gaps_to_the_neighbours() -> None:
    centres = np.array([[0.1, np.nan], [0.9, 0.5], [0.4, np.nan], [0.42, np.nan]])
    found = gap_widths(centres, np.array([0.05, 0.05]))
    np.testing.assert_allclose(found[:, 0], [0.3, 0.48, 0.3, 0.48])
    assert np.isnan(found[[0, 2, 3], 1]).all()
    assert found[1, 1] == 1.0


def test_widths_keep_their_bounds() -> None:
    same = gap_widths(np.full((5, 1), 0.3), np.array([0.07]))
    assert same.tolist() == [[0.07]] * 5
    assert gap_widths(np.empty((0, 2)), np.ones(2)).shape == (0, 2)
    assert gap_widths(np.array([[0.3]]), np.array([0.1])).tolist() == [[1.0]]


def test_without_centres_there_is_the_prior() -> None:
    empty = Parzen(np.empty((0, 2)), np.empty((0, 2)), np.ones(1), np.array([0, 3]))
    at = points(np.random.default_rng(0).random((4, 2)), prior=np.full((4, 2), -0.5))
    np.testing.assert_allclose(joint_log_density(at, empty)[0], -1.0)
    np.testing.assert_allclose(marginal_log_density(at, empty), -1.0)
    prior = np.random.default_rng(1).random((4, 2))
    for joint in (True, False):
        assert sample(empty, np.random.default_rng(2), prior, joint).tolist() == prior.tolist()
