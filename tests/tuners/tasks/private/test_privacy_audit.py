"""The audit: it never claims what is not so, finds what is there, and catches a broken mechanism."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binom

from trimtab.base.errors import InvalidArgument
from trimtab.space import Float, Space
from trimtab.tuners.tasks.private import (
    DistanceDesign,
    KernelDesign,
    Noise,
    audit,
    distance_sums,
    kernel_sums,
    likelihood_ratio,
    threshold_attacks,
)
from trimtab.tuners.tasks.private.audit import lower_epsilon
from trimtab.tuners.tasks.private.discrete_noise import discrete_laplace

Array = NDArray[np.float64]
BOX = Space(x=Float(0.0, 1.0), y=Float(0.0, 1.0))


def counts(scale: float, source: Callable[[int], int]) -> tuple[Callable[[], list[int]], Callable[[], list[int]]]:
    """Releases of a count of 5 and of 6."""
    width = Fraction(scale)
    return lambda: [6 + discrete_laplace(width, source)], lambda: [5 + discrete_laplace(width, source)]


@settings(max_examples=20, deadline=None)
@given(st.floats(0.05, 0.95), st.floats(0.0, 3.0), st.sampled_from([0.9, 0.99]), st.integers(50, 400))
def test_the_lower_limit_is_too_high_as_rarely_as_it_says(p: float, true: float, confidence: float, n: int) -> None:
    """By enumeration of every outcome of two binomial counts."""
    q = p * math.exp(-true)
    ks = np.arange(n + 1)
    ps, qs = binom.pmf(ks, n, p), binom.pmf(ks, n, q)
    likely, unlikely = np.flatnonzero(ps > 1e-5), np.flatnonzero(qs > 1e-5)
    wrong = sum(
        ps[a] * qs[b]
        for a in likely[:: max(1, len(likely) // 12)]
        for b in unlikely[:: max(1, len(unlikely) // 12)]
        if lower_epsilon(int(a), int(b), n, 0.0, confidence) > true + 1e-12
    )
    assert wrong <= 1.0 - confidence


def test_a_sound_count_stays_below_its_epsilon_and_the_attack_comes_near() -> None:
    first, second = counts(1.0, random.Random(0).randrange)
    attacks = {**threshold_attacks([0]), "ratio": likelihood_ratio([6.0], [5.0], 1.0)}
    found = audit(first, second, attacks, releases=6000)
    assert not found.refutes(1.0)
    assert found.epsilon > 0.8


def test_half_the_noise_is_caught() -> None:
    """A count that says epsilon 1 and adds noise for 2."""
    first, second = counts(0.5, random.Random(1).randrange)
    found = audit(first, second, threshold_attacks([0]), releases=4000)
    assert found.refutes(1.0)
    assert not found.refutes(2.0)


def kernel_pair(
    kind: str, delta: float, waste: float, waves: int, seed: int
) -> tuple[Callable[[], Array], Callable[[], Array], dict[str, Callable[[Array], Array]]]:
    """Releases of twenty configurations and of the same and one more, with the noise of epsilon `waste`."""
    source = random.Random(seed).randrange
    design, noise = KernelDesign(BOX, 0.5, waves), Noise(kind, waste, delta)  # type: ignore[arg-type]
    raw = BOX.sample_raw(np.random.default_rng(0), 20)
    more = np.concatenate([raw, [[0.9, 0.1]]])
    exact = [design.contributions(rows).sum(axis=0) for rows in (more, raw)]
    width = float(noise.width(design.l1, design.l2_squared))
    attacks = {**threshold_attacks(range(2 * waves)), "ratio": likelihood_ratio(exact[0], exact[1], width, kind)}
    return lambda: kernel_sums(design, more, noise, source), lambda: kernel_sums(design, raw, noise, source), attacks


@pytest.mark.parametrize(("kind", "delta", "releases"), [("laplace", 0.0, 2500), ("gaussian", 1e-5, 600)])
def test_kernel_sums_stay_below_their_epsilon(kind: str, delta: float, releases: int) -> None:
    first, second, attacks = kernel_pair(kind, delta, 1.0, 3, 2)
    found = audit(first, second, attacks, releases=releases, delta=delta)
    assert not found.refutes(1.0)
    # Gaussian noise for so small a delta hides nearly all that few releases could show.
    if kind == "laplace":
        assert found.epsilon > 0.1


def test_gaussian_sums_with_a_tenth_of_the_noise_are_caught() -> None:
    first, second, attacks = kernel_pair("gaussian", 1e-5, 16.0, 2, 6)
    assert audit(first, second, attacks, releases=400, delta=1e-5).refutes(1.0)


def test_kernel_sums_with_half_the_noise_are_caught() -> None:
    first, second, attacks = kernel_pair("laplace", 0.0, 2.0, 1, 3)
    found = audit(first, second, attacks, releases=3600)
    assert found.refutes(1.0)
    assert not found.refutes(2.0)


def test_distance_counts_stay_below_their_epsilon() -> None:
    source = random.Random(4).randrange
    design, noise = DistanceDesign(BOX, depth=2), Noise("laplace", 1.0)
    raw = BOX.sample_raw(np.random.default_rng(0), 20)
    more = np.concatenate([raw, [[0.9, 0.1]]])
    exact = [design.counts(rows) for rows in (more, raw)]
    width = float(noise.width(design.sensitivity, design.sensitivity))
    attacks = {"ratio": likelihood_ratio(exact[0], exact[1], width)}
    found = audit(
        lambda: distance_sums(design, more, noise, source),
        lambda: distance_sums(design, raw, noise, source),
        attacks,
        releases=2500,
    )
    assert not found.refutes(1.0)
    # A configuration stands in as many counts as the noise is made for, so the ratio reaches far.
    assert found.epsilon > 0.4


def test_two_equal_data_sets_show_nothing() -> None:
    source = random.Random(5).randrange
    same = lambda: [discrete_laplace(Fraction(1), source)]  # noqa: E731
    assert audit(same, same, threshold_attacks([0]), releases=2000).epsilon < 0.1


def test_an_audit_without_attacks_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="needs attacks"):
        audit(lambda: [0.0], lambda: [0.0], {})
