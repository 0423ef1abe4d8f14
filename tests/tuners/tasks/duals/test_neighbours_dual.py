"""Nearest neighbours: all k, all scales of a group of features, all exponents, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.base.errors import InvalidArgument
from trimtab.tuners.tasks.duals.nearest_neighbours import (
    neighbour_exponent_dual,
    neighbour_scale_dual,
    neighbours_dual,
)


def task(seed: int, classes: int = 3, n: int = 14, m: int = 7, lattice: bool = False):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, n + m - classes)])
    points = rng.integers(0, 4, (n + m, 3)).astype(float) if lattice else rng.normal(size=(n + m, 3)) + labels[:, None]
    return (points[:n], labels[:n]), (points[n:], labels[n:])


def error(train, validation, k: int, scale=(1.0, 1.0, 1.0), exponent: float | None = None) -> float:
    """The definition, one example at a time."""
    wrong = 0
    for x, label in zip(*validation, strict=True):
        squares = [sum(s * (a - b) ** 2 for s, a, b in zip(scale, x, row, strict=True)) for row in train[0]]
        nearest = sorted(range(len(squares)), key=lambda i: (squares[i], i))[:k]
        exact = [i for i in nearest if squares[i] == 0]
        votes = np.zeros(train[1].max() + 1)
        for i in nearest:
            if exponent is None or exact:
                votes[train[1][i]] += exponent is None or squares[i] == 0
            else:
                votes[train[1][i]] += squares[i] ** (-exponent / 2)
        wrong += int(votes.argmax() != label)
    return wrong / len(validation[1])


@given(st.integers(0, 10**6), st.booleans())
@settings(deadline=None, max_examples=12)
def test_all_numbers_of_neighbours(seed: int, lattice: bool) -> None:
    train, validation = task(seed, lattice=lattice)
    dual = neighbours_dual(train, validation)
    assert dual.edges.tolist() == list(range(1, 16))
    assert dual.levels.tolist() == [error(train, validation, k) for k in range(1, 15)]


@given(st.integers(0, 10**6), st.integers(1, 14))
@settings(deadline=None, max_examples=12)
def test_scales_between_all_places_where_two_distances_are_equal(seed: int, k: int) -> None:
    train, validation = task(seed)
    group = np.array([True, False, True])
    dual = neighbour_scale_dual(train, validation, group=group, neighbours=k, low=0.0, high=5.0)
    crossings = [0.0, 5.0]
    for x in validation[0]:
        squares = (train[0] - x) ** 2
        start, slope = squares[:, ~group].sum(axis=1), squares[:, group].sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            meet = (start[None] - start[:, None]) / (slope[:, None] - slope[None])
        crossings += meet[np.isfinite(meet) & (meet > 0) & (meet < 5)].tolist()
    crossings = np.unique(crossings)
    assert np.isin(dual.breakpoints.round(9), crossings.round(9)).all()
    middles = (crossings[1:] + crossings[:-1])[np.diff(crossings) > 1e-6] / 2
    for s in middles[:: 1 + len(middles) // 20]:
        assert float(dual.value(s)) == error(train, validation, k, (s, 1.0, s))


@pytest.mark.parametrize("k", [1, 3, 6])
def test_scales_where_many_lines_meet_and_coincide(k: int) -> None:
    """On a lattice, at scales whose products are exact, so that the slow way breaks ties as it should."""
    train, validation = task(3, lattice=True, n=20, m=10)
    dual = neighbour_scale_dual(train, validation, group=[True, False, False], neighbours=k, low=0.0, high=12.0)
    for s in np.arange(1, 96) / 8 + 1 / 1024:
        assert float(dual.value(s)) == error(train, validation, k, (s, 1.0, 1.0))


@given(st.integers(0, 10**6), st.integers(2, 14), st.booleans())
@settings(deadline=None, max_examples=12)
def test_exponents(seed: int, k: int, exact: bool) -> None:
    train, validation = task(seed)
    if exact:
        validation = (np.concatenate([validation[0][:-1], train[0][:1]]), validation[1])
    found = neighbour_exponent_dual(train, validation, neighbours=k, low=-2.0, high=12.0)
    assert found.complete
    for p in np.linspace(-1.987, 11.987, 25):
        assert float(found.dual.value(p)) == error(train, validation, k, exponent=p)


def test_what_cannot_be_is_named() -> None:
    train, validation = task(0)
    with pytest.raises(InvalidArgument, match="more neighbours than examples"):
        neighbours_dual(train, validation, most=15)
    with pytest.raises(InvalidArgument, match="must be a whole number"):
        neighbour_exponent_dual(train, validation, neighbours=0, low=0, high=1)
    with pytest.raises(InvalidArgument, match="a group of features"):
        neighbour_scale_dual(train, validation, group=[True], neighbours=1, low=0, high=1)
