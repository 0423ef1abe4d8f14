"""Sums of l1 distances from noisy dyadic trees."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument
from trimtab.space import Categorical, Choice, Float, Int, Space
from trimtab.testing.strategies import spaces
from trimtab.tuners.tasks.private import DistanceDesign, Noise, distance_sums
from trimtab.tuners.tasks.private.distance_sums import consistent, relative_error

Array = NDArray[np.float64]

BOX = Space({f"x{place}": Float(0.0, 1.0) for place in range(2)})
MIXED = Space(
    lr=Float(1e-4, 1.0, log=True),
    n=Int(1, 9),
    act=Categorical(["a", "b", "c"]),
    opt=Choice({"p": Space(q=Float(0.0, 1.0), r=Categorical(["x", "y"])), "s": None}),
)


def slow(space: Space, raw: Array, queries: Array) -> Array:
    """The sums by their definition, one pair and one column at a time."""
    units, asked = space.to_unit(raw), space.to_unit(queries)
    out = np.zeros(len(queries))
    for place, y in enumerate(asked):
        for x in units:
            for column, a, b in zip(space.columns, x, y, strict=True):
                if np.isnan(a) or np.isnan(b):
                    out[place] += float(np.isnan(a) != np.isnan(b))
                else:
                    out[place] += float(a != b) if column.kind == "categorical" else abs(a - b)
    return out


def structure(depth: int) -> Array:
    """Which cells each node covers, shape (nodes, 2^depth)."""
    return np.concatenate([np.repeat(np.eye(2**level), 2 ** (depth - level), axis=1) for level in range(1, depth + 1)])


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5), st.integers(0, 10**6))
def test_two_passes_are_generalised_least_squares(depth: int, seed: int) -> None:
    nodes = np.random.default_rng(seed).normal(size=2 ** (depth + 1) - 2) * 10.0
    wanted = np.linalg.lstsq(structure(depth), nodes, rcond=None)[0]
    np.testing.assert_allclose(consistent(nodes, depth), wanted, atol=1e-9)


def test_consistency_has_less_variance_than_the_fewest_nodes() -> None:
    """The prefix of all cells but one needs eight nodes of noise; after the passes it has less than half."""
    depth = 8
    rng = np.random.default_rng(0)
    prefixes = [consistent(rng.normal(size=2 ** (depth + 1) - 2), depth)[:-1].sum() for _ in range(2000)]
    assert np.var(prefixes) < 0.5 * depth


@pytest.mark.parametrize("space", [BOX, MIXED], ids=["numbers", "mixed"])
def test_without_noise_the_sums_are_right_to_half_a_cell(space: Space) -> None:
    rng = np.random.default_rng(1)
    raw, queries = space.sample_raw(rng, 60), space.sample_raw(rng, 25)
    design = DistanceDesign(space, depth=10)
    found = design.estimate(design.counts(raw).astype(float), queries)
    np.testing.assert_allclose(found, slow(space, raw, queries), atol=60 * len(space) * 2.0**-11)


@settings(max_examples=60, deadline=None)
@given(space=spaces(), seed=st.integers(0, 10**6), depth=st.integers(1, 6))
def test_a_configuration_stands_in_no_more_counts_than_the_sensitivity(space: Space, seed: int, depth: int) -> None:
    if not len(space):
        return
    design = DistanceDesign(space, depth)
    raw = space.sample_raw(np.random.default_rng(seed), 5)
    whole, without = design.counts(raw), design.counts(raw[1:])
    change = whole - without
    assert len(change) == sum(design.sizes)
    assert set(np.unique(change)) <= {0, 1}
    assert change.sum() <= design.sensitivity


def test_the_noise_is_unbiased_and_does_not_know_how_many_trials_there_are() -> None:
    source = random.Random(5).randrange
    design, noise = DistanceDesign(BOX, depth=4), Noise("laplace", 1.0)
    queries = BOX.sample_raw(np.random.default_rng(0), 10)
    sizes = []
    for trials in (5, 500):
        raw = BOX.sample_raw(np.random.default_rng(1), trials)
        exact = design.estimate(design.counts(raw).astype(float), queries)
        errors = np.array(
            [design.estimate(distance_sums(design, raw, noise, source), queries) - exact for _ in range(100)]
        )
        sizes.append(float(np.abs(errors).mean()))
        assert np.abs(errors.mean(axis=0)).max() < 5.0 * errors.std() / 10.0
    assert sizes[1] == pytest.approx(sizes[0], rel=0.25)
    told = relative_error(design, noise, 500, np.random.default_rng(2))
    exact = slow(BOX, raw, queries)
    assert sizes[1] / exact.mean() == pytest.approx(told, rel=0.4)


def test_what_is_not_public_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="no public constants"):
        DistanceDesign(Space.traced({"x": Float(0.0, 1.0)}))
    with pytest.raises(InvalidArgument, match="too deep"):
        DistanceDesign(BOX, depth=30)
