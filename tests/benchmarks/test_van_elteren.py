"""The stratified test against a count of all ways, and against the tests that it is a case of."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, mannwhitneyu

from trimtab.benchmarks import van_elteren
from trimtab.benchmarks.van_elteren import Stratum, p_greater

VALUES = st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0, math.inf]), min_size=1, max_size=3)


def strata_of(*pairs: tuple[list[float], list[float]]) -> list[Stratum]:
    return [(np.array(own), np.array(other)) for own, other in pairs]


def twin(pairs: list[tuple[list[float], list[float]]]) -> float:
    """The share of all ways to name the values of all strata that have a sum as great as the one seen."""
    sums = []
    for own, other in pairs:
        pooled = own + other
        places = [Fraction(2 * sum(v < w for v in pooled) + sum(v == w for v in pooled) + 1, 2) for w in pooled]
        sums.append([sum(way) / (len(pooled) + 1) for way in itertools.combinations(places, len(own))])
    seen = sum(ways[0] for ways in sums)
    totals = [sum(ways) for ways in itertools.product(*sums)]
    return sum(total >= seen for total in totals) / len(totals)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=3))
def test_the_p_value_is_the_share_of_the_ways_to_name_the_values(pairs: list[tuple[list[float], list[float]]]) -> None:
    assert p_greater(strata_of(*pairs)) == pytest.approx(twin(pairs), abs=1e-12)


@given(st.lists(st.sampled_from([-1, 0, 1]), min_size=1, max_size=30))
def test_one_run_a_side_makes_it_the_sign_test_without_ties(signs: list[int]) -> None:
    pairs = [([float(sign)], [0.0]) for sign in signs]
    untied = [sign for sign in signs if sign]
    expected = binom.sf(untied.count(1) - 1, len(untied), 0.5) if untied else 1.0
    assert p_greater(strata_of(*pairs)) == pytest.approx(expected)


def test_one_stratum_makes_it_the_test_of_mann_and_whitney() -> None:
    rng = np.random.default_rng(0)
    for own, other in ((3, 3), (5, 10), (20, 15)):
        stratum = rng.normal(0.3, 1.0, own), rng.normal(size=other)
        expected = mannwhitneyu(*stratum, alternative="greater", method="exact").pvalue
        assert p_greater([stratum]) == pytest.approx(expected)


def test_every_stratum_has_a_scale_of_its_own() -> None:
    rng = np.random.default_rng(1)
    strata = [(rng.normal(size=2), rng.normal(size=3)) for _ in range(4)]
    scaled = [(1e6**h * np.exp(own), 1e6**h * np.exp(other)) for h, (own, other) in enumerate(strata)]
    assert p_greater(scaled) == p_greater(strata)


def test_the_normal_distribution_is_near_where_counting_would_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    strata = [(np.round(rng.normal(0.2, 1.0, 8), 1), np.round(rng.normal(size=8), 1)) for _ in range(6)]
    exact = p_greater(strata)
    monkeypatch.setattr(van_elteren, "MOST_VALUES", 0)
    assert p_greater(strata) == pytest.approx(exact, abs=0.01)
    assert p_greater(strata_of(([1.0, 1.0], [1.0]))) == 1.0


def test_a_true_null_is_rejected_no_more_often_than_the_level() -> None:
    """Strata of unlike scales and sizes; 2,000 repeats have a standard error of 0.5 %."""
    rng = np.random.default_rng(3)
    scales = np.array([1.0, 1e3, 1e6])
    found = [
        p_greater(
            [(scale * rng.random(n), scale * rng.random(2 * n)) for scale, n in zip(scales, (1, 2, 2), strict=True)]
        )
        for _ in range(2_000)
    ]
    share = np.mean(np.array(found) <= 0.05)
    assert 0.03 < share < 0.065
