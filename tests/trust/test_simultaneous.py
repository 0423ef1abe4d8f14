"""The factors of simultaneous intervals, against closed forms, one comparison, and plain simulation."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from trimtab.base.seeds import Key
from trimtab.trust.quantiles import (
    beta_quantile,
    chi_quantiles,
    normal_cdf,
    normal_quantile,
    normal_tail,
    student_quantile,
)
from trimtab.trust.resampling import chunks, resampled_counts
from trimtab.trust.sample import PairedSample
from trimtab.trust.simultaneous import max_t, max_z, sidak, studentized_maximum_modulus


def rng() -> np.random.Generator:
    return Key(0, purpose="test").generator()


def standard(losses: NDArray[np.float64]) -> NDArray[np.float32]:
    return PairedSample.of(list(losses)).standardised()


@pytest.mark.parametrize("tail", [1e-7, 0.01, 0.3])
def test_quantiles_are_those_of_the_distributions(tail: float) -> None:
    assert normal_quantile(tail) == pytest.approx(stats.norm.isf(tail), rel=1e-9)
    assert normal_tail(normal_quantile(tail)) == pytest.approx(tail)
    assert normal_cdf(np.array([0.7]))[0] == pytest.approx(stats.norm.cdf(0.7))
    assert student_quantile(tail, 7) == pytest.approx(stats.t.isf(tail, 7), rel=1e-8)
    assert beta_quantile(tail, 3.0, 9.0) == pytest.approx(stats.beta.ppf(tail, 3.0, 9.0), rel=1e-8)
    assert chi_quantiles(5.0, 3)[1] == pytest.approx(np.sqrt(stats.chi2.median(5) / 5))


def test_sidak_is_the_quantile_of_the_largest_of_independent_normals() -> None:
    q = sidak(40, 0.9)
    assert (2.0 * stats.norm.cdf(q) - 1.0) ** 40 == pytest.approx(0.9)


@pytest.mark.parametrize("df", [4, 15])
def test_the_maximum_modulus_of_one_is_student_and_of_many_is_simulated(df: int) -> None:
    assert studentized_maximum_modulus(1, df, 0.95) == pytest.approx(stats.t.ppf(0.975, df), rel=2e-3)
    draws = rng()
    repeats = 40_000
    largest = np.abs(draws.standard_normal((repeats, 12))).max(axis=1)
    largest /= np.sqrt(draws.chisquare(df, repeats) / df)
    held = int((largest <= studentized_maximum_modulus(12, df, 0.95)).sum())
    assert stats.binomtest(held, repeats, 0.95).pvalue > 0.001


def test_the_maximum_modulus_with_much_freedom_is_sidak() -> None:
    assert studentized_maximum_modulus(25, 1e6, 0.95) == pytest.approx(sidak(25, 0.95), rel=1e-3)


def test_max_z_lies_between_one_comparison_and_independent_ones() -> None:
    noise = rng().standard_normal((20, 300))
    apart = max_z(standard(noise), 0.95, rng())
    alike = max_z(standard(noise[:1] + 0.3 * noise), 0.95, rng())
    same = max_z(standard(np.repeat(noise[:1], 20, axis=0)), 0.95, rng())
    assert same == pytest.approx(sidak(1, 0.95), abs=0.1)
    assert sidak(1, 0.95) <= same < alike < apart <= sidak(20, 0.95)
    assert apart == pytest.approx(sidak(20, 0.95), abs=0.12)


def test_trials_without_any_error_are_drawn_as_independent() -> None:
    losses = np.zeros((20, 300))
    assert max_z(standard(losses), 0.95, rng()) == pytest.approx(sidak(20, 0.95), abs=0.12)


def test_max_t_of_one_gaussian_sample_is_student() -> None:
    low, high = max_t(standard(rng().standard_normal((1, 200))), 0.95, rng())
    assert [low, high] == pytest.approx([-1.97, 1.97], abs=0.25)


def test_max_t_reaches_further_up_for_losses_skewed_to_the_right() -> None:
    low, high = max_t(standard(rng().lognormal(size=(30, 200))), 0.95, rng())
    assert -low > 1.2 * high > 0.0


def test_max_t_is_finite_where_resamples_miss_every_loss() -> None:
    losses = np.zeros((3, 50))
    losses[:2, 0] = 0.5
    low, high = max_t(standard(losses), 0.95, rng())
    assert np.isfinite([low, high]).all()
    assert low < 0.0 < high


def test_max_t_matches_a_slow_twin() -> None:
    losses = rng().exponential(size=(3, 40))
    draws, low, high = rng(), [], []
    for _ in range(2_000):
        picked = losses[:, draws.integers(40, size=40)]
        t = (picked.mean(axis=1) - losses.mean(axis=1)) / (picked.std(axis=1, ddof=1) / np.sqrt(40))
        low.append(t.min())
        high.append(t.max())
    assert max_t(standard(losses), 0.9, rng()) == pytest.approx(
        (np.quantile(low, 0.05), np.quantile(high, 0.95)), rel=1e-3
    )


def test_resamples_have_as_many_examples_as_there_are() -> None:
    counts = resampled_counts(rng(), 500, 30)
    assert (counts.sum(axis=1) == 30).all()
    assert counts.mean(axis=0) == pytest.approx(np.ones(30), abs=0.25)
    assert counts.var() == pytest.approx(1.0 - 1.0 / 30, rel=0.05)


def test_draws_come_in_pieces_of_bounded_size() -> None:
    assert list(chunks(10, 100)) == [10]
    sizes = list(chunks(1_000, 100_000))
    assert sum(sizes) == 1_000
    assert max(sizes) * 100_000 <= 4_000_000
    assert list(chunks(2, 10**9)) == [1, 1]
