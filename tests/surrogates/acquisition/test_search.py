"""The search finds the best configuration of criteria whose best is known, and keeps to the space."""

from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from trimtab.space import Bool, Categorical, Choice, Float, Int, Ordered, Ordinal, Space
from trimtab.surrogates.acquisition import Search, distinct, filled, near, spread
from trimtab.testing.strategies import spaces

Array = NDArray[np.float64]

MIXED = Space(
    x=Float(0.0, 1.0),
    y=Float(1e-4, 1.0, log=True),
    n=Int(1, 1000),
    few=Int(1, 8, log=True),
    kind=Categorical(list("abcdefgh")),
    opt=Choice({"p": Space(z=Float(0.0, 1.0), flag=Bool()), "q": None}),
    level=Ordinal([0, 1, 5]),
)


class Distance:
    """Minus the squared distance to a goal in unit coordinates; categories count 1 where they differ."""

    def __init__(self, space: Space, goal: Array, bonus: float = 0.0) -> None:
        self.goal = goal
        self.categories = np.array([column.kind == "categorical" for column in space.columns])
        self.bonus = bonus

    def value(self, unit: Array) -> Array:
        gaps = np.where(self.categories, np.abs(unit - self.goal) > 1e-9, unit - self.goal)
        total: Array = -np.nansum(gaps**2, axis=1) + self.bonus * (~np.isnan(unit)).sum(axis=1)
        return total

    def value_and_gradient(self, unit: Array) -> tuple[Array, Array]:
        slope = np.where(self.categories, 0.0, -2 * (unit - self.goal))
        return self.value(unit), np.nan_to_num(slope)


def test_it_finds_the_best_of_a_mixed_space() -> None:
    best = {"x": 0.123, "y": 0.02, "n": 617, "few": 3, "kind": "f", "opt": "p", "opt.p.z": 0.8, "opt.p.flag": True}
    goal = MIXED.to_unit(MIXED.encode({**best, "level": 5})[None, :])[0]
    found = Search(MIXED, Distance(MIXED, goal)).run(spread(np.random.default_rng(0), 64, len(MIXED)))
    params = MIXED.decode(found.raw[0])
    assert {name: params[name] for name in ("n", "few", "kind", "opt", "opt.p.flag", "level")} == {
        "n": 617, "few": 3, "kind": "f", "opt": "p", "opt.p.flag": True, "level": 5,
    }  # fmt: skip
    np.testing.assert_allclose(MIXED.to_unit(found.raw[:1])[0], goal, atol=1e-4)


def test_values_belong_to_the_configurations_and_come_in_order() -> None:
    criterion = Distance(MIXED, np.full(len(MIXED), 0.4))
    latent = spread(np.random.default_rng(1), 32, len(MIXED))
    found = Search(MIXED, criterion).run(latent)
    np.testing.assert_array_equal(found.values, criterion.value(MIXED.to_unit(found.raw)))
    assert (np.diff(found.values) <= 0).all()
    assert found.values[0] >= criterion.value(MIXED.to_unit(MIXED.from_unit(latent))).max()


def test_a_small_discrete_space_is_solved_exactly() -> None:
    space = Space(a=Int(0, 6), b=Int(0, 6), c=Categorical(list("xyz")))
    criterion = Distance(space, np.array([0.31, 0.77, 0.5]))
    rows = np.array(list(product(range(7), range(7), range(3))), dtype=np.float64)
    best = criterion.value(space.to_unit(rows)).max()
    assert Search(space, criterion).run(spread(np.random.default_rng(0), 8, 3)).values[0] == best


def test_constraints_are_kept_and_the_edge_is_reached() -> None:
    space = Space(low=Float(0.0, 1.0), high=Float(0.0, 1.0)).require(Ordered("low", "high"))
    # The unconstrained best lies at low 0.9, high 0.1; the constrained best at 0.5, 0.5.
    found = Search(space, Distance(space, np.array([0.9, 0.1]))).run(spread(np.random.default_rng(0), 256, 2))
    assert space.feasible_many(found.raw).all()
    np.testing.assert_allclose(found.raw[0], [0.5, 0.5], atol=0.05)


def test_a_branch_with_parameters_of_its_own_is_entered_where_it_pays() -> None:
    space = Space(opt=Choice({"p": Space(z=Float(0.0, 1.0)), "q": None}))
    criterion = Distance(space, np.array([0.25, 0.7]), bonus=1.0)
    only_q = np.array([[0.9, 0.2]])
    found = Search(space, criterion).run(only_q)
    assert space.decode(found.raw[0])["opt"] == "p"
    np.testing.assert_allclose(found.raw[0, 1], 0.7, atol=1e-5)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(space=spaces(constraints=True), seed=st.integers(0, 99))
def test_any_space(space: Space, seed: int) -> None:
    rng = np.random.default_rng(seed)
    criterion = Distance(space, rng.random(len(space)))
    found = Search(space, criterion, starts=3).run(spread(rng, 16, len(space)))
    for params in space.decode_many(found.raw[:3]):
        space.validate(params)
    np.testing.assert_array_equal(found.values, criterion.value(space.to_unit(found.raw)))


def test_nothing_feasible_gives_nothing() -> None:
    space = Space(a=Float(0.5, 1.0), b=Float(0.0, 0.4)).require(Ordered("a", "b"))
    found = Search(space, Distance(space, np.zeros(2))).run(spread(np.random.default_rng(0), 16, 2))
    assert found.raw.shape == (0, 2)


def test_candidates_lie_in_the_unit_cube_and_near_their_centres() -> None:
    rng = np.random.default_rng(0)
    for columns in (0, 1, 7, 150):
        points = spread(rng, 64, columns)
        assert points.shape == (64, columns)
        assert ((points >= 0) & (points <= 1)).all()
    centres = np.array([[0.5, 0.0, 1.0]])
    around = near(rng, centres, 500)
    assert ((around >= 0) & (around <= 1)).all()
    spans = [np.abs(around[start : start + 500, 0] - 0.5).std() for start in (0, 500, 1000)]
    assert spans[0] > 4 * spans[1] > 16 * spans[2]
    few = near(rng, np.full((1, 100), 0.5), 300) != 0.5
    assert 10 < few.sum(axis=1).mean() < 30


def test_filled_keeps_what_is_known() -> None:
    unit = np.array([[0.2, np.nan], [np.nan, 0.4]])
    out = filled(np.random.default_rng(0), unit)
    assert out[0, 0] == 0.2
    assert out[1, 1] == 0.4
    assert ((out >= 0) & (out < 1)).all()


def test_distinct_takes_the_best_that_lie_apart() -> None:
    unit = np.array([[0.5, 0.5], [0.51, 0.5], [0.7, 0.5], [0.5, np.nan], [0.5, np.nan]])
    assert distinct(unit, np.array([1, 0, 3, 4, 2]), 9, apart=0.05) == [1, 3, 2]
    assert distinct(unit, np.array([1, 0, 3, 4, 2]), 2, apart=0.05) == [1, 3]
