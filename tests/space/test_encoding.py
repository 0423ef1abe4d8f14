"""Params to coordinates and back: exact inverses, activity, bounds at the edges of float64."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.base.errors import InvalidParams
from trimtab.space import Bool, Categorical, Choice, Constant, Float, Int, Ordinal, Space
from trimtab.testing.strategies import params, spaces

NESTED = Space(
    lr=Float(1e-5, 1e-1, log=True),
    layers=Int(1, 8),
    opt=Choice(
        {
            "adam": Space(beta2=Float(0.9, 0.9999), amsgrad=Bool(), eps=Constant(1e-8)),
            "sgd": Space(momentum=Choice({"none": None, "some": Space(value=Float(0.1, 0.99), nesterov=Bool())})),
            "lbfgs": None,
        }
    ),
    size=Ordinal(["s", "m", "l"]),
    seed=Constant(7),
)


def same(one, two):
    """Equal dicts whose values are of equal types."""
    return one == two and all(type(one[name]) is type(two[name]) for name in one)


@settings(max_examples=40)
@given(st.data())
def test_decode_is_the_exact_inverse_of_encode(data):
    space = data.draw(spaces(constraints=True))
    found = data.draw(params(space))
    assert same(space.decode(space.encode(found)), found)
    assert space.contains(found)


@settings(max_examples=40)
@given(st.data())
def test_traced_spaces_are_inverted_too_with_any_part_absent(data):
    space = data.draw(spaces(traced=True))
    found = data.draw(params(space))
    raw = space.encode(found)
    assert same(space.decode(raw), found)
    assert [name for name, value in zip(space.names, raw, strict=True) if not np.isnan(value)] == list(found)


@settings(max_examples=40)
@given(st.data())
def test_many_rows_are_encoded_as_one_by_one(data):
    space = data.draw(spaces())
    rows = data.draw(st.lists(params(space), max_size=5))
    raw = space.encode_many(rows)
    assert raw.shape == (len(rows), len(space))
    slow = np.array([space.encode(row) for row in rows]).reshape(raw.shape)
    np.testing.assert_array_equal(raw, slow)
    assert all(map(same, space.decode_many(raw), rows))


@settings(max_examples=40)
@given(st.data())
def test_unit_coordinates_lie_in_the_cube_and_come_back(data):
    space = data.draw(spaces())
    raw = space.encode(data.draw(params(space)))[None, :]
    unit = space.to_unit(raw)
    np.testing.assert_array_equal(np.isnan(unit), np.isnan(raw))
    assert np.nanmin(unit, initial=0.5) >= 0.0
    assert np.nanmax(unit, initial=0.5) <= 1.0
    back = space.from_unit(unit)
    np.testing.assert_array_equal(np.isnan(back), np.isnan(raw))
    for column, one, two in zip(space.columns, raw[0], back[0], strict=True):
        if column.size is not None:
            assert one == two or np.isnan(one)
        elif not np.isnan(one):
            low, high = column.axis.ends
            scale = np.log if column.axis.log else np.asarray
            spread = max(abs(low), abs(high))
            assert abs(scale(two) / 4 - scale(one) / 4) <= 4e-15 * spread + 5e-324


@settings(max_examples=40)
@given(st.data(), st.lists(st.floats() | st.sampled_from([0.0, 1.0, -1.0, math.inf]), min_size=40, max_size=40))
def test_from_unit_never_leaves_the_bounds_whatever_it_is_given(data, numbers):
    space = data.draw(spaces())
    unit = np.array(numbers)[: len(space)]
    unit = np.resize(np.where(np.isnan(unit), 0.25, unit), (1, len(space)))
    assert space.contains(space.decode(space.from_unit(unit)[0]))


@settings(max_examples=40)
@given(st.data())
def test_inactive_entries_may_hold_anything(data):
    space = data.draw(spaces())
    raw = space.encode(data.draw(params(space)))[None, :]
    unit = space.to_unit(raw)
    anything = data.draw(st.floats())
    np.testing.assert_array_equal(space.from_unit(np.where(np.isnan(unit), anything, unit)), space.from_unit(unit))
    np.testing.assert_array_equal(space.active(np.where(np.isnan(raw), anything, raw)), ~np.isnan(raw))


def test_inactive_names_are_absent_and_their_coordinates_nan():
    raw = NESTED.encode({"lr": 0.01, "layers": 2, "opt": "sgd", "opt.sgd.momentum": "none", "size": "m", "seed": 7})
    np.testing.assert_array_equal(raw, [0.01, 2, 1, np.nan, np.nan, 0, np.nan, np.nan, 1])
    assert NESTED.names == (
        "lr",
        "layers",
        "opt",
        "opt.adam.beta2",
        "opt.adam.amsgrad",
        "opt.sgd.momentum",
        "opt.sgd.momentum.some.value",
        "opt.sgd.momentum.some.nesterov",
        "size",
    )
    assert NESTED.constants == {"opt.adam.eps": 1e-8, "seed": 7}


def test_grandchildren_of_an_inactive_choice_are_inactive_whatever_it_holds():
    raw = NESTED.encode({"lr": 0.01, "layers": 2, "opt": "lbfgs", "size": "m", "seed": 7})
    raw[NESTED.names.index("opt.sgd.momentum")] = 1.0
    raw[NESTED.names.index("opt.sgd.momentum.some.value")] = 0.5
    assert NESTED.decode(raw) == {"lr": 0.01, "layers": 2, "opt": "lbfgs", "size": "m", "seed": 7}
    assert not NESTED.active(raw[None, :])[0, 6]


def test_columns_tell_kind_size_and_parents():
    by_name = {column.name: column for column in NESTED.columns}
    assert [by_name[n].kind for n in ("lr", "layers", "opt", "size")] == ["float", "int", "categorical", "ordinal"]
    assert [by_name[n].size for n in ("lr", "layers", "opt", "size")] == [None, 8, 3, 3]
    child = by_name["opt.sgd.momentum.some.value"]
    assert NESTED.columns[child.parent].name == "opt.sgd.momentum"
    assert child.parent_values == {1}
    assert by_name["lr"].parent is None
    assert by_name["lr"].parent_values == frozenset()
    assert all(column.parent is None or column.parent < place for place, column in enumerate(NESTED.columns))


def test_values_that_differ_in_type_alone_are_told_apart():
    space = Space(x=Categorical([1, 1.0, True, "1", None, 0.0]))
    for index, value in enumerate([1, 1.0, True, "1", None, 0.0]):
        assert space.encode({"x": value})[0] == index
        assert space.encode_many([{"x": value}])[0, 0] == index
        assert same(space.decode(np.array([float(index)])), {"x": value})
    with pytest.raises(InvalidParams, match="not among the choices"):
        space.encode({"x": False})


def test_numpy_scalars_count_as_what_they_stand_for():
    space = Space(a=Float(0, 1), b=Int(0, 5), c=Categorical(["x", 2]), d=Bool())
    given_ = {"a": np.float64(0.5), "b": np.int64(3), "c": np.str_("x"), "d": np.bool_(True)}
    assert same(space.decode(space.encode(given_)), {"a": 0.5, "b": 3, "c": "x", "d": True})
    np.testing.assert_array_equal(space.encode_many([given_])[0], space.encode(given_))


@pytest.mark.parametrize(
    "parameter",
    [
        Float(5e-324, 1.7e308),
        Float(5e-324, 1.7e308, log=True),
        Float(-1.7e308, 1.7e308),
        Float(-1.7976931348623157e308, 1.7976931348623157e308),
        Float(5e-324, 1e-323),
        Float(5e-324, 1e-323, log=True),
        Float(1.0, math.nextafter(1.0, 2.0)),
        Float(1e300, math.nextafter(1e300, math.inf), log=True),
        Float(0.1, 0.3, log=True),
        Float(-3.7, 11.3, step=0.1),
        Int(-(2**53), 2**53),
        Int(1, 2**53, log=True),
        Int(1, 2**62, powers_of=2),
        Int(1, 10**22, powers_of=10),
        Int(1, 2, log=True),
        Int(0, 10**6, step=10**6),
    ],
)
def test_huge_and_tiny_ranges_keep_their_ends(parameter):
    space = Space(x=parameter)
    ends = np.array([[float(parameter.low)], [float(parameter.high)]])
    np.testing.assert_array_equal(space.from_unit(np.array([[0.0], [1.0]])), ends)
    np.testing.assert_array_equal(space.from_unit(space.to_unit(ends)), ends)
    unit = space.to_unit(ends)
    if parameter.size is None:
        np.testing.assert_array_equal(unit, [[0.0], [1.0]])
    grid = space.from_unit(np.linspace(0, 1, 1001)[:, None])
    assert np.isfinite(grid).all()
    assert (grid >= parameter.low).all()
    assert (grid <= parameter.high).all()
    assert (np.diff(grid[:, 0]) >= 0).all()
    inner = np.nextafter([[0.0], [1.0]], 0.5)
    assert all(space.contains(row) for row in space.decode_many(space.from_unit(inner)))


def test_integers_up_to_2_to_the_53_are_exact():
    space = Space(x=Int(-(2**53), 2**53))
    for value in (2**53, 2**53 - 1, -(2**53) + 1, 3):
        assert space.decode(space.encode({"x": value})) == {"x": value}
        assert space.decode(space.encode_many([{"x": value}])[0]) == {"x": value}
    with pytest.raises(InvalidParams, match="outside the range"):
        space.encode_many([{"x": 2**53 + 1}])


def test_an_integer_that_no_float_holds_is_no_value_of_a_float():
    space = Space(x=Float(0, 1e300), y=Int(1, 2**62, powers_of=2))
    with pytest.raises(InvalidParams, match="'x': an integer that no float64 holds"):
        space.encode_many([{"x": 2**60 + 1, "y": 1}])
    with pytest.raises(InvalidParams, match="'x': outside the range"):
        space.encode_many([{"x": 10**400, "y": 1}])
    with pytest.raises(InvalidParams, match="'y': not on the grid"):
        space.encode_many([{"x": 1, "y": 2**60 + 1}])
    assert space.decode(space.encode({"x": 3, "y": 2**60})) == {"x": 3.0, "y": 2**60}


def test_grids_of_decimal_steps_hold_decimal_numbers():
    space = Space(x=Float(0, 1, step=0.1), y=Float(0.05, 1.05, step=0.05))
    tenths = space.from_unit(np.column_stack([(np.arange(11) + 0.5) / 11] * 2))
    assert tenths[:, 0].tolist() == [k / 10 for k in range(11)]
    assert space.levels("y", 100) == [round(0.05 * k, 2) for k in range(1, 22)]
    assert space.contains({"x": 0.1 + 0.2, "y": 0.15})
    assert space.encode_many([{"x": 0.1 + 0.2, "y": 0.15}])[0, 0] == 0.1 + 0.2
    assert not space.contains({"x": 0.35, "y": 0.15})


def test_unit_coordinates_of_discrete_values_are_the_middles_of_their_cells():
    space = Space(a=Int(3, 6), b=Categorical(["x"]), c=Int(1, 8, powers_of=2), d=Bool())
    unit = space.to_unit(np.array([[3, 0, 1, 0], [6, 0, 8, 1]], dtype=float))
    np.testing.assert_allclose(unit, [[1 / 8, 1 / 2, 1 / 8, 1 / 4], [7 / 8, 1 / 2, 7 / 8, 3 / 4]])


def test_log_integers_share_the_scale_by_their_rounding_intervals():
    space = Space(n=Int(1, 1000, log=True))
    drawn = space.from_unit((np.arange(200_000)[:, None] + 0.5) / 200_000)[:, 0]
    width = np.log(1000.5) - np.log(0.5)
    for value in (1, 2, 10, 1000):
        share = (np.log(value + 0.5) - np.log(value - 0.5)) / width
        assert abs((drawn == value).mean() - share) < 1e-4


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"lr": None}, "parameter 'lr': wrong type; got None; allowed: a number from 1e-05 to 0.1."),
        ({"lr": "0.01"}, "parameter 'lr': wrong type; got '0.01'; allowed: a number from 1e-05 to 0.1."),
        ({"lr": True}, "parameter 'lr': wrong type; got True; allowed: a number from 1e-05 to 0.1."),
        ({"lr": 0.2}, "parameter 'lr': outside the range; got 0.2; allowed: a number from 1e-05 to 0.1."),
        ({"lr": math.nan}, "parameter 'lr': outside the range; got nan; allowed: a number from 1e-05 to 0.1."),
        ({"layers": 2.0}, "parameter 'layers': wrong type; got 2.0; allowed: an integer from 1 to 8."),
        ({"layers": 9}, "parameter 'layers': outside the range; got 9; allowed: an integer from 1 to 8."),
        ({"size": "xl"}, "parameter 'size': not among the choices; got 'xl'; allowed: one of 's', 'm', 'l'."),
        ({"size": ["s"]}, "parameter 'size': wrong type; got ['s']; allowed: one of 's', 'm', 'l'."),
        ({"size": np.array(["s", "m"])}, "parameter 'size': wrong type; got array(['s', 'm'], dtype='<U1')"),
        ({"seed": 8}, "parameter 'seed': not the constant's value; got 8; allowed: 7."),
        ({"sizes": "s"}, "there is no parameter 'sizes'; allowed: 'layers', 'lr', 'opt', 'opt.adam.amsgrad',"),
        ({"sizes": "s"}, "Next: did you mean 'size'?."),
        (
            {"opt.adam.beta2": 0.95},
            "parameter 'opt.adam.beta2' is inactive: it belongs to 'opt'='adam'; got \"opt='sgd'\"."
            " Next: leave it out, or choose that branch.",
        ),
        (
            {"opt.adam.eps": 1e-8},
            "parameter 'opt.adam.eps' is inactive: it belongs to 'opt'='adam'; got \"opt='sgd'\"",
        ),
        (
            {"opt.sgd.momentum.some.value": 0.5},
            "parameter 'opt.sgd.momentum.some.value' is inactive: it belongs to 'opt.sgd.momentum'='some'",
        ),
    ],
)
def test_bad_params_are_told_by_name(change, text):
    good = {"lr": 0.01, "layers": 2, "opt": "sgd", "opt.sgd.momentum": "none", "size": "m", "seed": 7}
    assert NESTED.contains(good)
    bad = {**good, **change}
    for read in (NESTED.encode, NESTED.validate, lambda p: NESTED.encode_many([good, p])):
        with pytest.raises(InvalidParams) as told:
            read(bad)
        assert text in str(told.value)
    assert not NESTED.contains(bad)


@pytest.mark.parametrize("missing", ["lr", "opt", "opt.sgd.momentum", "seed"])
def test_a_missing_active_parameter_is_told_by_name(missing):
    params_ = {"lr": 0.01, "layers": 2, "opt": "sgd", "opt.sgd.momentum": "none", "size": "m", "seed": 7}
    del params_[missing]
    for read in (NESTED.encode, lambda p: NESTED.encode_many([p])):
        with pytest.raises(InvalidParams) as told:
            read(params_)
        if missing != "opt":
            assert f"parameter {missing!r} is missing" in str(told.value)
        else:
            assert "parameter 'opt' is missing" in str(told.value)
    assert "Next: give it, or fill in the rest with space.complete(partial, space.default_params())." in str(told.value)


def test_params_must_be_a_dict():
    for read in (NESTED.encode, lambda p: NESTED.encode_many([p])):
        with pytest.raises(InvalidParams, match="params must be a dict of parameter names to values; got 3"):
            read(3)


def test_rows_that_no_encoding_makes_are_refused():
    space = Space(x=Float(0, 1), n=Int(0, 3), c=Categorical(["a", "b"]))
    for row in ([np.nan, 1, 0], [2.0, 1, 0], [0.5, 1.5, 0], [0.5, 1, -1], [0.5, 1, 2], [0.5, 1, 0.5]):
        with pytest.raises(InvalidParams, match="is active and its coordinate is outside the bounds"):
            space.decode(np.array(row))


def test_a_traced_space_lets_through_what_another_declaration_drew():
    space = Space.traced({"x": Float(0, 1), "n": Int(1, 3), "c": Categorical(["a", "b"])})
    found = {"x": 7.5, "n": 4.5, "c": "other", "unheard": 1}
    for raw in (space.encode(found), space.encode_many([found])[0]):
        np.testing.assert_array_equal(raw, [7.5, 4.5, np.nan])
    assert space.decode(space.encode(found)) == {"x": 7.5, "n": 4.5}
    np.testing.assert_array_equal(space.to_unit(space.encode(found)[None, :])[0, :1], [1.0])
    np.testing.assert_array_equal(space.encode_many([{"x": math.inf, "n": "3"}, {}]), np.full((2, 3), np.nan))
    np.testing.assert_array_equal(space.encode({"x": 10**400, "n": math.inf}), np.full(3, np.nan))


def test_a_space_without_columns_works():
    for space in (Space(), Space(c=Constant("x")), Space.traced({})):
        rows = space.sample(np.random.default_rng(0), 3)
        assert space.encode_many(rows).shape == (3, 0)
        assert space.from_unit(np.empty((2, 0))).shape == (2, 0)
        assert space.to_unit(np.empty((2, 0))).shape == (2, 0)
        assert rows == [space.default_params()] * 3
        assert space


@given(st.text(min_size=10, max_size=10, alphabet=st.characters(exclude_categories=())), st.text(min_size=1))
def test_names_of_any_characters_and_10000_of_them_work(letters, branch):
    name = letters * 1000
    space = Space({name: Choice({branch: Space({name: Float(0, 1)}), branch + "'": None})})
    found = space.sample(np.random.default_rng(0), 5)
    assert space.decode_many(space.encode_many(found)) == found
    assert Space.from_json(space.to_json()) == space
    with pytest.raises(InvalidParams) as told:
        space.encode({name: branch})
    assert len(str(told.value)) < 1000
