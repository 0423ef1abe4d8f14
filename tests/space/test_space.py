"""The space as an object: names, texts, equality, grids, defaults, completion."""

import copy
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab import space as room
from trimtab.base.errors import InvalidArgument, InvalidParams, InvalidSpace
from trimtab.space import (
    Bool,
    Categorical,
    Choice,
    Constant,
    Float,
    Int,
    Linear,
    Normal,
    Ordered,
    Ordinal,
    Predicate,
    Space,
)
from trimtab.testing.strategies import params, spaces

NESTED = Space(
    lr=Float(1e-5, 1e-1, log=True),
    opt=Choice(
        {
            "adam": Space(beta2=Float(0.9, 0.9999, default=0.999), amsgrad=Bool()),
            "sgd": Space(momentum=Choice({"none": None, "some": Space(value=Float(0.1, 0.9))})),
        }
    ),
    seed=Constant(7),
)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Space({"a": Int(0, 1)}, a=Int(0, 2)), "two parameters have the name 'a'. Next: rename one of them."),
        (
            lambda: Space({"opt": Choice({"adam": Space(b=Int(0, 1))}), "opt.adam.b": Int(0, 1)}),
            "two parameters have the name 'opt.adam.b'. Next: rename the one whose own name holds dots, or its branch.",
        ),
        (
            lambda: Space({"opt": Choice({"a": Space({"b.c": Int(0, 1)}), "a.b": Space(c=Constant(1))})}),
            "two parameters have the name 'opt.a.b.c'",
        ),
        (lambda: Space({"": Int(0, 1)}), "a parameter's name must be a text; got ''; allowed: 1 to 100000 characters"),
        (lambda: Space({3: Int(0, 1)}), "a parameter's name must be a text; got 3"),
        (lambda: Space({"a" * 100_001: Int(0, 1)}), "a parameter's name must be a text"),
        (
            lambda: Space(a=Space(b=Int(0, 1))),
            "parameter 'a' is no parameter; got Space(b=Int(0, 1)); allowed: Float, Int, Categorical, Ordinal, Bool,"
            " Constant or Choice. Next: wrap it as Choice({'a': Space(...), ...}).",
        ),
        (lambda: Space(a=[1, 2]), "parameter 'a' is no parameter; got [1, 2]"),
        (lambda: Space([("a", Int(0, 1))]), "Space: parameters must be a dict of names to parameters"),
        (
            lambda: Space.traced({"a": Choice({"b": None})}),
            "parameter 'a': a Choice cannot be traced. Next: declare a Space instead.",
        ),
        (lambda: Space.traced({"a": Constant(1)}), "parameter 'a': a Constant cannot be traced"),
    ],
)
def test_spaces_that_cannot_be_are_refused(make, text):
    with pytest.raises(InvalidSpace) as told:
        make()
    assert text in str(told.value)


def test_names_with_dots_are_fine_where_they_collide_with_nothing():
    space = Space(
        {"a.b": Int(0, 1), "a": Choice({"c": Space({"d.e": Int(0, 1)})}), "self": Int(0, 1), "parameters": Bool()}
    )
    assert space.names == ("a.b", "a", "a.c.d.e", "self", "parameters")
    assert Space(self=Int(0, 1)).names == ("self",)


def test_it_is_a_collection_of_its_columns():
    assert len(NESTED) == 6
    assert list(NESTED) == list(NESTED.names) == [column.name for column in NESTED.columns]
    assert NESTED["opt.adam.beta2"] == Float(0.9, 0.9999, default=0.999)
    assert NESTED["seed"] == Constant(7)
    assert "opt.sgd.momentum" in NESTED
    assert "seed" in NESTED
    assert "momentum" not in NESTED
    assert list(NESTED.parameters) == ["lr", "opt", "seed"]
    with pytest.raises(KeyError, match=r"there is no parameter 'opt\.adam\.beta'"):
        NESTED["opt.adam.beta"]


def test_it_is_immutable():
    for change in (lambda: setattr(NESTED, "_own", {}), lambda: setattr(NESTED, "new", 1)):
        with pytest.raises(AttributeError, match="a Space is immutable"):
            change()
    with pytest.raises(TypeError):
        NESTED.parameters["x"] = Int(0, 1)


@settings(max_examples=40)
@given(spaces(constraints=True))
def test_the_text_of_a_space_makes_it_again(space):
    again = eval(repr(space), vars(room).copy())
    assert again == space
    assert hash(again) == hash(space)
    assert again.names == space.names


def test_texts_are_readable():
    assert repr(Space(a=Int(0, 3), b=Bool())) == "Space(a=Int(0, 3), b=Bool())"
    assert repr(Space({"a b": Int(0, 3), "class": Bool()})) == "Space({'a b': Int(0, 3), 'class': Bool()})"
    assert repr(Space.traced({"a": Int(0, 3)})) == "Space.traced({'a': Int(0, 3)})"
    ruled = Space(a=Int(0, 3), b=Int(0, 3)).require(Ordered("a", "b"), Predicate(max, "some rule"))
    assert repr(ruled) == "Space(a=Int(0, 3), b=Int(0, 3)).require(Ordered('a', 'b'), Predicate('some rule'))"
    grown = Space(a=Int(0, 3)).with_parameter("b", Bool(), older=False)
    assert repr(grown) == "Space(a=Int(0, 3)).with_parameter('b', Bool(), older=False)"
    assert eval(repr(grown), vars(room).copy()) == grown
    assert repr(NESTED).splitlines()[0] == "Space("
    assert repr(NESTED).splitlines()[1] == "    lr=Float(1e-05, 0.1, log=True),"


def test_equality_counts_order_defaults_priors_and_types():
    base = Space(a=Int(0, 3), b=Categorical([1, 2]))
    assert base == Space(a=Int(0, 3), b=Categorical([1, 2]))
    assert base != Space(b=Categorical([1, 2]), a=Int(0, 3))
    assert base != Space(a=Int(0, 3, default=1), b=Categorical([1, 2]))
    assert base != Space(a=Int(0, 3), b=Categorical([1.0, 2.0]))
    assert base != Space(a=Int(0, 3), b=Categorical([1, 2], prior=[1, 1]))
    assert base != Space.traced({"a": Int(0, 3), "b": Categorical([1, 2])})
    assert base != base.require(Linear({"a": 1}, upper=2))
    assert base != "Space"


@settings(max_examples=40)
@given(spaces(constraints=True))
def test_a_copy_in_another_process_is_the_same(space):
    assert pickle.loads(pickle.dumps(space)) == space
    assert copy.deepcopy(space) == space


def test_size_is_a_product_over_parameters_and_a_sum_over_branches():
    space = Space(
        a=Int(1, 4), b=Choice({"x": Space(c=Bool(), d=Bool()), "y": Space(e=Int(0, 2)), "z": None}), f=Constant(1)
    )
    assert space.size == 4 * (4 + 3 + 1)
    assert NESTED.size is None
    assert Space().size == 1
    assert Space.traced({"a": Bool()}).size is None
    assert Space({str(k): Int(1, 2**40) for k in range(30)}).size == 2 ** (40 * 30)


@settings(max_examples=40)
@given(spaces(depth=1))
def test_size_counts_what_from_unit_can_give(space):
    sizes = [column.size or 1_000_000 for column in space.columns]
    if math.prod(sizes) > 2_000 or any(column.axis.rounded for column in space.columns):
        return
    axes = [(np.arange(size) + 0.5) / size for size in sizes]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(space)) if axes else np.empty((1, 0))
    assert len(np.unique(np.nan_to_num(space.from_unit(grid), nan=-0.5), axis=0)) == space.size


@pytest.mark.parametrize(
    ("parameter", "most", "levels"),
    [
        (Float(0, 1), 3, [0.0, 0.5, 1.0]),
        (Float(0, 1), 1, [0.5]),
        (Float(1e-4, 1, log=True), 5, [1e-4, 1e-3, 1e-2, 1e-1, 1.0]),
        (Float(0, 1, step=0.1), 3, [0.0, 0.5, 1.0]),
        (Float(0, 0.3, step=0.1), 9, [0.0, 0.1, 0.2, 0.3]),
        (Int(1, 4), 9, [1, 2, 3, 4]),
        (Int(0, 100), 3, [0, 50, 100]),
        (Int(1, 10**6, log=True), 3, [1, 707, 10**6]),
        (Int(1, 3, log=True), 5, [1, 2, 3]),
        (Int(1, 256, powers_of=2), 3, [1, 16, 256]),
        (Ordinal(["a", "b", "c", "d", "e"]), 3, ["a", "c", "e"]),
        (Categorical(["a", 1, None]), 1, ["a", 1, None]),
        (Bool(), 1, [False, True]),
        (Choice({"a": None, "b": None}), 1, ["a", "b"]),
        (Constant("x"), 4, ["x"]),
    ],
)
def test_levels_are_spread_over_the_scale_with_its_ends(parameter, most, levels):
    space = Space(x=parameter)
    found = space.levels("x", most)
    assert found == pytest.approx(levels) if isinstance(levels[0], float) else found == levels
    assert list(map(type, found)) == list(map(type, levels))
    assert all(space["x"].problem(value) is None for value in found)


def test_levels_need_a_number_of_them():
    with pytest.raises(InvalidArgument, match="levels of 'lr': most must be at least 1; got 0"):
        NESTED.levels("lr", 0)
    with pytest.raises(KeyError, match="there is no parameter 'x'"):
        NESTED.levels("x", 2)


# Defaults and completion.


def test_defaults_are_given_or_likeliest_or_in_the_middle():
    space = Space(
        a=Float(0, 1, default=0.1),
        b=Float(1e-4, 1, log=True),
        c=Float(0, 1, prior=Normal(0.3, 0.1)),
        d=Int(0, 10, prior=Normal(7.4)),
        e=Categorical(["x", "y"], prior=[1, 2]),
        f=Categorical(["x", "y"]),
        g=Ordinal(["s", "m", "l"]),
        h=Bool(),
        i=Bool(prior=0.9),
        j=Categorical(["x", "y"], default="x", prior=[1, 2]),
        k=Choice({"u": Space(v=Int(0, 4)), "w": None}, default="u"),
        m=Constant(3),
    )
    expected = {"a": 0.1, "b": 0.01, "c": 0.3, "d": 7, "e": "y", "f": "x", "g": "m", "h": False, "i": True, "j": "x"}
    found = space.default_params()
    assert found.pop("b") == pytest.approx(expected.pop("b"))
    assert found == {**expected, "k": "u", "k.u.v": 2, "m": 3}


@settings(max_examples=40)
@given(spaces(constraints=True))
def test_default_params_always_lie_in_the_space(space):
    assert space.contains(space.default_params())


def test_defaults_that_break_a_constraint_move_to_what_keeps_it():
    space = Space(a=Float(0, 1), b=Float(0, 1), c=Float(0, 1)).require(Ordered("a", "b", "c", strict=True))
    found = space.default_params()
    assert space.contains(found)
    assert all(abs(value - 0.5) < 0.3 for value in found.values())
    assert found == space.default_params()


@settings(max_examples=40)
@given(st.data())
def test_completion_keeps_what_was_forced_and_lies_in_the_space(data):
    space = data.draw(spaces())
    base, other = data.draw(params(space)), data.draw(params(space))
    names = data.draw(st.lists(st.sampled_from(sorted(other)), unique=True)) if other else []
    partial = {name: other[name] for name in names}
    found = space.complete(partial, base)
    assert space.contains(found)
    assert {name: found[name] for name in partial} == partial
    untouched = set(base) & set(found) - set(partial)
    implied = {name for name in untouched if any(key.startswith(f"{name}.") for key in partial)}
    assert all(found[name] == base[name] for name in untouched - implied)
    assert space.complete({}, base) == base


def test_a_nested_name_chooses_its_branch():
    base = {"lr": 0.01, "opt": "adam", "opt.adam.beta2": 0.95, "opt.adam.amsgrad": True, "seed": 7}
    assert NESTED.complete({"opt.sgd.momentum.some.value": 0.5}, base) == {
        "lr": 0.01,
        "opt": "sgd",
        "opt.sgd.momentum": "some",
        "opt.sgd.momentum.some.value": 0.5,
        "seed": 7,
    }
    assert NESTED.complete({"opt": "sgd"}, base)["opt.sgd.momentum"] == "none"


@pytest.mark.parametrize(
    ("partial", "text"),
    [
        ({"lr": 1.0}, "parameter 'lr': outside the range; got 1.0; allowed: a number from 1e-05 to 0.1."),
        ({"Lr": 0.1}, "there is no parameter 'Lr'"),
        (
            {"opt": "adam", "opt.sgd.momentum": "none"},
            "parameter 'opt.sgd.momentum' belongs to 'opt'='sgd'; got \"opt='adam'\"."
            " Next: give parameters of one branch only.",
        ),
        (
            {"opt.adam.beta2": 0.95, "opt.sgd.momentum": "none"},
            "parameter 'opt.sgd.momentum' belongs to 'opt'='sgd'; got \"opt='adam'\".",
        ),
        ({"seed": 8}, "parameter 'seed': not the constant's value; got 8; allowed: 7."),
    ],
)
def test_parts_that_fit_nowhere_are_refused(partial, text):
    with pytest.raises(InvalidParams) as told:
        NESTED.complete(partial, NESTED.default_params())
    assert text in str(told.value)


def test_numpy_scalars_may_be_forced():
    found = NESTED.complete({"lr": np.float64(0.01), "opt": np.str_("sgd")}, {"opt.sgd.momentum": np.str_("none")})
    assert found == {"lr": 0.01, "opt": "sgd", "opt.sgd.momentum": "none", "seed": 7}
    assert [type(value) for value in found.values()] == [float, str, str, int]


def test_what_does_not_fit_of_the_base_is_replaced_by_defaults():
    found = NESTED.complete({"lr": 0.01}, {"lr": 5.0, "opt": "adam", "opt.adam.beta2": 2.0, "gone": 1})
    assert found == {"lr": 0.01, "opt": "adam", "opt.adam.beta2": 0.999, "opt.adam.amsgrad": False, "seed": 7}


def test_completion_moves_what_was_not_forced_until_constraints_hold():
    space = Space(a=Float(0, 1), b=Float(0, 1), c=Int(0, 100)).require(Ordered("a", "b"))
    found = space.complete({"a": 0.123456789}, {"a": 0.0, "b": 0.1, "c": 50})
    assert space.contains(found)
    assert found["a"] == 0.123456789
    assert space.complete({"a": 0.05}, {"a": 0.0, "b": 0.1, "c": 50}) == {"a": 0.05, "b": 0.1, "c": 50}
    with pytest.raises(InvalidParams) as told:
        space.complete({"a": 0.5, "b": 0.1}, space.default_params())
    assert str(told.value) == (
        "no configuration with these values was found that keeps the constraints;"
        " got {'a': 0.5, 'b': 0.1}; allowed: 'a <= b'."
    )


def test_a_traced_space_completes_by_overwriting():
    assert Space.traced({"a": Int(0, 3)}).complete({"new": 1}, {"a": 2}) == {"a": 2, "new": 1}
