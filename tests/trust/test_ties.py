"""The tie set and the choice inside it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from trimtab.trust.sample import PairedSample
from trimtab.trust.ties import comparison_bound, independent_ties, paired_ties, surest

evidence = st.lists(
    st.tuples(st.floats(-5, 5), st.one_of(st.just(0.0), st.floats(1e-3, 3))), min_size=1, max_size=12
).map(lambda pairs: (np.array([m for m, _ in pairs]), np.array([s for _, s in pairs])))
levels = st.sampled_from([0.2, 0.5, 0.9, 0.99])


@settings(max_examples=60, deadline=None)
@given(evidence, levels, st.sampled_from([1.0, 4.0, math.inf]))
def test_the_surest_trial_and_the_observed_best_are_related_to_the_tie_set(
    pair: tuple[np.ndarray, np.ndarray], level: float, df: float
) -> None:
    means, errors = pair
    tied = independent_ties(means, errors, level, df)
    assert surest(means, errors, level) in tied
    assert int(np.argmin(means)) in tied


@settings(max_examples=60, deadline=None)
@given(evidence, levels)
def test_a_trial_leaves_only_if_another_is_surely_better(pair: tuple[np.ndarray, np.ndarray], level: float) -> None:
    means, errors = pair
    bound = comparison_bound(len(means), level)
    twin = [
        k
        for k in range(len(means))
        if all(means[k] - means[other] <= bound * np.hypot(errors[k], errors[other]) for other in range(len(means)))
    ]
    assert independent_ties(means, errors, level).tolist() == twin


def test_equal_errors_make_the_surest_the_observed_best() -> None:
    means = np.array([3.0, 1.0, 2.0, 1.0])
    assert surest(means, np.full(4, 0.7), 0.95) == 1


def test_a_noisy_lucky_trial_is_not_the_surest() -> None:
    assert surest(np.array([0.10, 0.12, 0.30]), np.array([0.10, 0.01, 0.01]), 0.95) == 1


def test_bounds_are_bonferroni_quantiles() -> None:
    assert comparison_bound(1, 0.95) == 0.0
    assert comparison_bound(2, 0.4) == 0.0
    assert comparison_bound(11, 0.95) == pytest.approx(stats.norm.isf(0.005))
    assert comparison_bound(11, 0.95, df=6) == pytest.approx(stats.t.isf(0.005, 6))


def test_paired_ties_match_a_paired_t_test() -> None:
    rng = np.random.default_rng(0)
    shared = rng.exponential(size=100)
    losses = [shared + gap + 0.3 * rng.standard_normal(100) for gap in (0.3, 0.0, 0.08, 0.1, 0.15)]
    best = int(np.argmin([row.mean() for row in losses]))
    twin = [
        k
        for k, row in enumerate(losses)
        if k == best or stats.ttest_rel(row, losses[best], alternative="greater").pvalue >= 0.05 / 4
    ]
    assert paired_ties(PairedSample.of(losses), 0.95).tolist() == twin
    assert 1 < len(twin) < 5


def test_a_constant_disadvantage_is_sure_and_identical_losses_are_tied() -> None:
    losses = np.arange(20.0)
    assert paired_ties(PairedSample.of([losses, losses + 0.5, losses.copy()]), 0.95).tolist() == [0, 2]


def test_a_trial_can_be_beaten_by_another_than_the_surest() -> None:
    means, errors = np.array([1.0, 0.0, 10.3]), np.array([0.01, 1.0, 5.0])
    assert surest(means, errors, 0.95) == 0
    assert independent_ties(means, errors, 0.95).tolist() == [0, 1]
    assert independent_ties(means[[0, 2]], errors[[0, 2]], 0.999).tolist() == [0, 1]
