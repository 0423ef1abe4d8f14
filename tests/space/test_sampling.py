"""Draws: uniform on the unit cube, from priors, under constraints. Statistical rules state their level."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from trimtab.base.seeds import Key
from trimtab.space import Bool, Categorical, Choice, Float, Forbidden, Int, Linear, Normal, Ordered, Ordinal, Space
from trimtab.testing.strategies import params, spaces

LEVEL = 1e-4
"""Each test below fails a correct program with this probability; their generators are fixed."""

MIXED = Space(
    a=Float(1e-5, 1e-1, log=True, prior=Normal(1e-3, 0.1)),
    b=Int(1, 1000, log=True, prior=Normal(900, 0.15)),
    c=Int(0, 6, prior=Normal(0, 0.3)),
    d=Ordinal(["s", "m", "l"], prior=[1, 2, 3]),
    e=Choice({"x": Space(f=Float(0, 1, step=0.25, prior=Normal(0.5, 0.2))), "y": None}, prior={"x": 3, "y": 1}),
    g=Categorical(["u", "v"]),
    h=Bool(prior=0.9),
    i=Int(1, 64, powers_of=2, prior=Normal(64, 0.5)),
)


@settings(max_examples=40)
@given(spaces(constraints=True), st.booleans())
def test_draws_lie_in_the_space_and_depend_on_the_generator_alone(space, prior):
    prior = prior and not space.constraints
    one = space.sample(Key(1).generator(), 3, prior=prior)
    assert len(one) == 3
    assert all(map(space.contains, one))
    assert one == space.sample(Key(1).generator(), 3, prior=prior)


def test_where_priors_exclude_all_that_a_constraint_allows_the_constraint_holds():
    space = Space(c=Bool(prior=0.0)).require(Forbidden({"c": False}))
    assert space.sample(Key(0).generator(), 3, prior=True) == 3 * [{"c": True}]


def test_draws_are_uniform_in_unit_coordinates():
    space = Space(a=Float(1e-5, 1e-1, log=True), b=Float(-3, 8), n=Int(0, 6), c=Ordinal(["s", "m", "l"]))
    unit = space.to_unit(space.sample_raw(Key(0).generator(), 5000))
    for column in (0, 1):
        assert stats.kstest(unit[:, column], "uniform").pvalue > LEVEL
    for column, size in ((2, 7), (3, 3)):
        assert stats.chisquare(np.bincount((unit[:, column] * size).astype(int), minlength=size)).pvalue > LEVEL


def test_a_branch_is_drawn_as_often_as_another_whatever_is_in_it():
    space = Space(o=Choice({"a": Space(x=Float(0, 1), y=Int(1, 9)), "b": None}))
    count = sum(row["o"] == "a" for row in space.sample(Key(0).generator(), 4000))
    assert stats.binomtest(count, 4000, 0.5).pvalue > LEVEL


def test_constrained_draws_are_uniform_on_what_is_left():
    space = Space(a=Float(0, 1), b=Float(0, 1)).require(Linear({"a": 1, "b": 1}, upper=1))
    raw = space.sample_raw(Key(0).generator(), 4000)
    assert space.feasible_many(raw).all()
    assert stats.kstest(1 - (1 - raw[:, 0]) ** 2, "uniform").pvalue > LEVEL


def test_rare_configurations_are_found():
    space = Space(a=Float(0, 1), b=Float(0, 1), c=Float(0, 1)).require(
        Linear({"a": 1, "b": 1, "c": 1}, upper=0.2), Ordered("a", "b")
    )
    assert all(map(space.contains, space.sample(Key(0).generator(), 20)))


def test_prior_weights_average_to_one_over_uniform_draws():
    raw = MIXED.sample_raw(Key(0).generator(), 40_000)
    weights = np.exp(MIXED.log_prior(raw))
    error = weights.std() / np.sqrt(len(weights))
    assert abs(weights.mean() - 1.0) < stats.norm.isf(LEVEL / 2) * error
    assert error < 0.05


def test_draws_from_the_prior_have_its_density():
    """The mean of any function under the prior is its weighted mean under uniform draws."""
    uniform = MIXED.sample_raw(Key(1).generator(), 40_000)
    weights = np.exp(MIXED.log_prior(uniform))
    drawn = MIXED.sample_raw(Key(2).generator(), 4_000, prior=True)
    for place, column in enumerate(MIXED.columns):
        one = np.nan_to_num(MIXED.to_unit(drawn)[:, place], nan=-1.0)
        two = np.nan_to_num(MIXED.to_unit(uniform)[:, place], nan=-1.0) * weights
        spread = np.hypot(one.std() / np.sqrt(len(one)), two.std() / np.sqrt(len(two)))
        assert abs(one.mean() - two.mean()) < stats.norm.isf(LEVEL / 2 / len(MIXED)) * spread, column.name


def test_the_density_of_a_discrete_number_is_the_mass_of_its_cell():
    space = Space(n=Int(0, 6, prior=Normal(2, 0.3)), m=Int(1, 20, log=True, prior=Normal(5, 0.2)))
    centre = space.to_unit(np.array([[2.0, 5.0]]))[0]
    for place, (width, values, edges) in enumerate(
        [
            (0.3, np.arange(7.0), np.arange(8) / 7),
            (0.2, np.arange(1.0, 21), np.log(np.arange(1, 22) - 0.5) / np.log(20.5 / 0.5) - np.log(0.5) / np.log(41)),
        ]
    ):
        normal = stats.truncnorm(-centre[place] / width, (1 - centre[place]) / width, centre[place], width)
        mass = np.diff(normal.cdf(edges))
        raw = np.full((len(values), 2), np.nan)
        raw[:, place] = values
        np.testing.assert_allclose(np.exp(space.log_prior(raw)) * np.diff(edges), mass, rtol=1e-9)


def test_the_density_of_a_continuous_number_is_the_truncated_normal():
    space = Space(x=Float(1, 100, log=True, prior=Normal(10, 0.2)))
    raw = np.array([[1.0], [3.0], [10.0], [100.0]])
    normal = stats.truncnorm(-0.5 / 0.2, 0.5 / 0.2, 0.5, 0.2)
    np.testing.assert_allclose(space.log_prior(raw), normal.logpdf(space.to_unit(raw)[:, 0]), rtol=1e-12)


def test_impossible_categories_have_no_density_and_are_never_drawn():
    space = Space(c=Categorical(["a", "b", "c"], prior=[0, 1, 0]), d=Bool(prior=1.0))
    assert {row["c"] for row in space.sample(Key(0).generator(), 200, prior=True)} == {"b"}
    np.testing.assert_array_equal(space.log_prior(np.array([[0.0, 1.0], [1.0, 1.0], [1.0, 0.0]]))[[0, 2]], -np.inf)


@settings(max_examples=40)
@given(st.data())
def test_without_priors_the_density_is_one(data):
    space = Space(a=Float(0, 1), b=Categorical(["x", "y"]), c=Choice({"d": Space(e=Int(0, 5)), "f": None}))
    rows = data.draw(st.lists(params(space), min_size=1, max_size=3))
    np.testing.assert_array_equal(space.log_prior(space.encode_many(rows)), 0.0)


@settings(max_examples=40)
@given(spaces())
def test_the_density_is_never_nan(space):
    raw = space.sample_raw(Key(0).generator(), 4)
    assert not np.isnan(space.log_prior(raw)).any()
    own = space.sample_raw(Key(0).generator(), 4, prior=True)
    assert (space.log_prior(own) > -np.inf).all()


@pytest.mark.parametrize("location", [0.0, 1e-9, 0.5, 1.0])
@pytest.mark.parametrize("width", [1e-6, 0.1, 50.0])
def test_sharp_and_flat_priors_at_the_bounds_draw_within_them(location, width):
    space = Space(x=Float(0, 1, prior=Normal(location, width)))
    raw = space.sample_raw(Key(0).generator(), 500, prior=True)
    assert (np.abs(raw - location) <= 8 * width).all()
    assert np.isfinite(space.log_prior(raw)).all()
    assert len(np.unique(raw)) > 250 or location in (0.0, 1.0) or width < 1e-5
