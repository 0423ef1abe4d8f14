"""Intervals for a fresh test split: coverage by enumeration, closed forms, symmetry and refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from trimtab.base.errors import InvalidArgument
from trimtab.trust import binomial_interval, paired_difference


def coverage_of_a_rate(method: str, total: int, rate: float) -> float:
    """Exact: the probability of all counts whose interval holds the rate."""
    counts = np.arange(total + 1)
    held = [rate in binomial_interval(int(count), total, method=method) for count in counts]  # type: ignore[arg-type]
    return float(stats.binom.pmf(counts, total, rate)[held].sum())


@pytest.mark.parametrize("total", [10, 97])
def test_clopper_pearson_never_covers_less_than_its_level(total: int) -> None:
    assert min(coverage_of_a_rate("clopper-pearson", total, rate) for rate in np.linspace(0.005, 0.995, 67)) >= 0.95


def test_wilson_covers_its_level_on_average_and_is_shorter() -> None:
    covered = [coverage_of_a_rate("wilson", 97, rate) for rate in np.linspace(0.005, 0.995, 67)]
    assert 0.945 <= np.mean(covered) <= 0.965
    assert min(covered) < 0.95
    exact, short = binomial_interval(90, 97), binomial_interval(90, 97, method="wilson")
    assert short.high - short.low < exact.high - exact.low


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 500), st.data(), st.sampled_from(["clopper-pearson", "wilson"]))
def test_failures_mirror_successes(total: int, data: st.DataObject, method: str) -> None:
    count = data.draw(st.integers(0, total))
    one = binomial_interval(count, total, method=method)  # type: ignore[arg-type]
    other = binomial_interval(total - count, total, method=method)  # type: ignore[arg-type]
    assert one.low == pytest.approx(1.0 - other.high, abs=1e-9)
    assert count / total in one or np.isclose(count / total, [one.low, one.high], atol=1e-12).any()


def test_known_ends() -> None:
    none = binomial_interval(0, 20)
    assert (none.low, none.high) == (0.0, pytest.approx(1.0 - 0.025 ** (1 / 20)))
    reference = stats.binomtest(7, 40).proportion_ci(0.9, "wilson")
    ours = binomial_interval(7, 40, 0.9, "wilson")
    assert (ours.low, ours.high) == (pytest.approx(reference.low), pytest.approx(reference.high))


def outcome(only_a: int, only_b: int, total: int) -> tuple[np.ndarray, np.ndarray]:
    """Two 0/1 loss vectors that disagree on so many examples."""
    a, b = np.zeros(total), np.zeros(total)
    a[:only_a] = 1.0
    b[only_a : only_a + only_b] = 1.0
    return a, b


@pytest.mark.parametrize(("only_a", "only_b"), [(0.05, 0.05), (0.2, 0.05), (0.02, 0.3), (0.4, 0.4)])
def test_paired_0_1_losses_are_covered_as_claimed(only_a: float, only_b: float) -> None:
    total, held, chance = 30, [], []
    for count_a in range(total + 1):
        for count_b in range(total + 1 - count_a):
            held.append(only_a - only_b in paired_difference(*outcome(count_a, count_b, total)))
            cell = [count_a, count_b, total - count_a - count_b]
            chance.append(stats.multinomial.pmf(cell, total, [only_a, only_b, 1.0 - only_a - only_b]))
    assert 0.935 <= np.array(chance)[held].sum() <= 1.0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 30), st.integers(0, 30), st.integers(2, 40))
def test_paired_0_1_ends_are_where_the_score_test_turns(only_a: int, only_b: int, agreed: int) -> None:
    total = only_a + only_b + agreed
    a, b = outcome(only_a, only_b, total)
    here, mirrored = paired_difference(a, b), paired_difference(b, a)
    assert (here.low, here.high) == (pytest.approx(-mirrored.high, abs=1e-9), pytest.approx(-mirrored.low, abs=1e-9))
    assert here.low - 1e-9 <= (only_a - only_b) / total <= here.high + 1e-9
    # McNemar's test is the score test of no difference.
    if only_a + only_b:
        rejected = abs(only_a - only_b) / np.sqrt(only_a + only_b) > stats.norm.ppf(0.975)
        assert rejected == (0.0 not in here)


@pytest.mark.parametrize("noise", ["normal", "student"])
def test_paired_real_losses_are_covered_as_claimed(noise: str) -> None:
    rng = np.random.default_rng(0)
    repeats, held = 600, 0
    for _ in range(repeats):
        shared = rng.exponential(size=60)
        own = rng.standard_normal(60) if noise == "normal" else rng.standard_t(3, size=60)
        held += 0.1 in paired_difference(shared + 0.1 + 0.3 * own, shared)
    assert stats.binomtest(held, repeats, 0.95).pvalue > 0.001


def test_pairing_cancels_what_the_models_have_in_common() -> None:
    rng = np.random.default_rng(1)
    shared = rng.exponential(size=200)
    close = paired_difference(shared + 0.05 + 0.01 * rng.standard_normal(200), shared)
    assert close.low > 0.04
    assert paired_difference(shared + 0.05, rng.permutation(shared)).low < 0.0


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: binomial_interval(5, 3), r"a rate needs counts; got \(5, 3\); allowed: 0 <= successes <= total"),
        (lambda: binomial_interval(0, 0), "total >= 1"),
        (lambda: binomial_interval(1, 3, 1.0), "level must lie between 0 and 1; got 1.0; .* Next: use 0.95 for 95%"),
        (lambda: binomial_interval(1, 3, method="wald"), "unknown interval; got 'wald'; allowed: 'clopper-pearson'"),  # type: ignore[arg-type]
        (lambda: paired_difference([1, 2], [1, 2, 3]), r"losses of the same examples; got \(\(2,\), \(3,\)\)"),
        (lambda: paired_difference([1.0, np.nan], [1.0, 2.0]), "two vectors of finite losses"),
        (lambda: paired_difference([1.0], [1.0]), "n >= 2"),
        (lambda: paired_difference([1, 2], [1, 2], level=95), "level must lie between 0 and 1; got 95"),
    ],
)
def test_refusals_say_what_is_allowed(call: object, text: str) -> None:
    with pytest.raises(InvalidArgument, match=text):
        call()  # type: ignore[operator]
