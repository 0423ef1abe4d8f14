"""Exact noise, and sums of similarities whose sensitivity is what they say."""

from __future__ import annotations

import math
import random
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.base.errors import InvalidArgument
from trimtab.space import Categorical, Choice, Float, Int, Space
from trimtab.testing.strategies import spaces
from trimtab.tuners.tasks.private import KernelDesign, Noise, kernel_sums
from trimtab.tuners.tasks.private.discrete_noise import as_fraction, bernoulli_exp, discrete_gaussian, discrete_laplace
from trimtab.tuners.tasks.private.kernel_sums import GRID

BOX = Space({f"x{place}": Float(0.0, 1.0) for place in range(3)})
MIXED = Space(
    lr=Float(1e-4, 1.0, log=True),
    n=Int(1, 9),
    act=Categorical(["a", "b", "c"]),
    opt=Choice({"p": Space(q=Float(0.0, 1.0), r=Categorical(["x", "y"])), "s": None}),
)


def chi_square(counts: Counter[int], chances: dict[int, float], draws: int) -> float:
    """Pearson's statistic over its degrees of freedom, of the values that are expected five times or more."""
    kept = {value: chance for value, chance in chances.items() if chance * draws >= 5.0}
    return sum((counts[v] - draws * p) ** 2 / (draws * p) for v, p in kept.items()) / len(kept)


@pytest.mark.parametrize("ratio", [Fraction(0), Fraction(1, 3), Fraction(1), Fraction(7, 3)])
def test_a_coin_falls_heads_with_the_chance_it_should(ratio: Fraction) -> None:
    source = random.Random(1).randrange
    draws = 4000
    heads = sum(bernoulli_exp(ratio.numerator, ratio.denominator, source) for _ in range(draws))
    chance = math.exp(-ratio)
    assert abs(heads - draws * chance) <= 4.0 * math.sqrt(draws * chance * (1.0 - chance)) + 1e-9


@pytest.mark.parametrize("scale", [Fraction(1, 2), Fraction(7, 3), Fraction(5)])
def test_discrete_laplace_has_its_distribution(scale: Fraction) -> None:
    source, draws = random.Random(2).randrange, 6000
    counts = Counter(discrete_laplace(scale, source) for _ in range(draws))
    step = math.exp(-1.0 / scale)
    chances = {k: (1.0 - step) / (1.0 + step) * step ** abs(k) for k in range(-60, 61)}
    assert chi_square(counts, chances, draws) < 2.0


@pytest.mark.parametrize("variance", [Fraction(1, 4), Fraction(10, 3), Fraction(30)])
def test_discrete_gaussian_has_its_distribution(variance: Fraction) -> None:
    source, draws = random.Random(3).randrange, 4000
    counts = Counter(discrete_gaussian(variance, source) for _ in range(draws))
    weights = {k: math.exp(-(k**2) / (2.0 * variance)) for k in range(-60, 61)}
    total = sum(weights.values())
    assert chi_square(counts, {k: weight / total for k, weight in weights.items()}, draws) < 2.0


def test_an_epsilon_is_rounded_to_the_private_side() -> None:
    assert as_fraction(0.3, "epsilon") <= Fraction(0.3)
    for wrong in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(InvalidArgument, match="epsilon must be a positive number"):
            as_fraction(wrong, "epsilon")


@settings(max_examples=60, deadline=None)
@given(space=spaces(), seed=st.integers(0, 10**6), waves=st.integers(1, 6), bandwidth=st.floats(0.01, 10.0))
def test_no_configuration_adds_more_than_the_sensitivity(space: Space, seed: int, waves: int, bandwidth: float) -> None:
    if not len(space):
        return
    design = KernelDesign(space, bandwidth, waves, seed)
    added = design.contributions(space.sample_raw(np.random.default_rng(seed), 20))
    assert np.abs(added).sum(axis=1).max() <= design.l1
    assert (added**2).sum(axis=1).max() <= design.l2_squared
    # And not much less either: noise is not wasted on a bound that nothing comes near.
    assert (added**2).sum(axis=1).min() >= 0.99 * waves * GRID**2


def test_the_sums_of_many_waves_are_sums_of_gaussian_similarities() -> None:
    rng = np.random.default_rng(0)
    raw, queries = MIXED.sample_raw(rng, 200), MIXED.sample_raw(rng, 50)
    design = KernelDesign(MIXED, 0.9, waves=4000)
    exact = design.contributions(raw).sum(axis=0)
    points, others = design.embedded(raw), design.embedded(queries)
    slow = [sum(math.exp(-float(((x - y) ** 2).sum()) / 0.9**2) for x in points) for y in others]
    np.testing.assert_allclose(design.similarity(raw, queries).sum(axis=0), slow)
    np.testing.assert_allclose(design.estimate(exact, queries), slow, atol=0.05 * len(raw))


@pytest.mark.parametrize(("kind", "delta"), [("laplace", 0.0), ("gaussian", 1e-5)])
def test_the_noise_of_an_estimate_is_what_it_says_whatever_the_trials(kind: str, delta: float) -> None:
    """Error times n is constant in n: the noise does not know how many configurations there are."""
    source = random.Random(4).randrange
    noise = Noise(kind, 1.0, delta)  # type: ignore[arg-type]
    design = KernelDesign(BOX, 0.7, waves=8)
    rng = np.random.default_rng(0)
    queries = BOX.sample_raw(rng, 30)
    for trials in (10, 1000):
        raw = BOX.sample_raw(rng, trials)
        exact = design.estimate(design.contributions(raw).sum(axis=0), queries)
        errors = np.array(
            [design.estimate(kernel_sums(design, raw, noise, source), queries) - exact for _ in range(120)]
        )
        assert np.sqrt((errors**2).mean()) == pytest.approx(design.deviation(noise), rel=0.15)
    assert design.deviation(noise) == pytest.approx(2 * math.sqrt(8) if kind == "laplace" else 4.9, rel=0.02)


def test_gaussian_noise_grows_with_no_number_of_waves_and_laplace_noise_with_its_root() -> None:
    few, many = (KernelDesign(BOX, 0.7, waves) for waves in (4, 400))
    assert many.deviation(Noise("gaussian", 1.0, 1e-6)) == pytest.approx(few.deviation(Noise("gaussian", 1.0, 1e-6)))
    assert many.deviation(Noise("laplace", 1.0)) == pytest.approx(10.0 * few.deviation(Noise("laplace", 1.0)))


def test_a_group_has_the_noise_of_its_epsilon_shared_out() -> None:
    design = KernelDesign(BOX, 0.7)
    assert design.deviation(Noise("laplace", 1.0, group=20)) == pytest.approx(design.deviation(Noise("laplace", 0.05)))


def test_projection_keeps_similarities_better_with_more_coordinates() -> None:
    """Fewer coordinates tell apart less; the error falls with their number."""
    space = Space({f"x{place}": Float(0.0, 1.0) for place in range(200)})
    rng = np.random.default_rng(0)
    raw, queries = space.sample_raw(rng, 60), space.sample_raw(rng, 60)
    errors = []
    for kept in (4, 16, 64):
        design = KernelDesign(space, 4.0, waves=1500, projection=kept)
        estimate = design.estimate(design.contributions(raw).sum(axis=0), queries)
        errors.append(float(np.abs(estimate - design.similarity(raw, queries).sum(axis=0)).mean()))
    assert errors[0] > 1.5 * errors[1] > 2.0 * errors[2]


def test_constants_that_are_not_public_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="no public constants"):
        KernelDesign(Space.traced({"x": Float(0.0, 1.0)}), 0.5)
    with pytest.raises(InvalidArgument, match="bandwidth"):
        KernelDesign(BOX, 0.0)
    with pytest.raises(InvalidArgument, match="delta does not fit"):
        Noise("gaussian", 1.0)
    with pytest.raises(InvalidArgument, match="delta does not fit"):
        Noise("laplace", 1.0, 1e-6)
    with pytest.raises(InvalidArgument, match="no such noise"):
        Noise("uniform", 1.0)  # type: ignore[arg-type]
