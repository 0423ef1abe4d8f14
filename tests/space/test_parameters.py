# ruff: noqa: E501  # tables are read line by line
"""What each parameter accepts, and what it says of what it does not."""

import math

import numpy as np
import pytest
from hypothesis import given

from trimtab.base.errors import InvalidSpace
from trimtab.space import Bool, Categorical, Choice, Constant, Float, Int, Normal, Ordinal, Space
from trimtab.testing.strategies import floats, ints, listed

BAD = [
    (lambda: Float(1, 0), "Float: low must be below high; got (1.0, 0.0); allowed: low < high. Next: write Float(0.0, 1.0)."),
    (lambda: Float(1, 1), "Float: low must be below high; got (1.0, 1.0); allowed: low < high."
                          " Next: use Constant(1.0) for a single value."),
    (lambda: Float(0.0, -0.0), "Float: low must be below high"),
    (lambda: Float(math.nan, 1), "Float: low must be a finite number; got nan."),
    (lambda: Float(0, math.inf), "Float: high must be a finite number; got inf."),
    (lambda: Float(0, 10**400), "Float: high must be a finite number; got 1000000"),
    (lambda: Float("0", 1), "Float: low must be a finite number; got '0'."),
    (lambda: Float(False, 1), "Float: low must be a finite number; got False."),
    (lambda: Float(0, 1, log=True), "Float: a logarithmic scale needs bounds above zero; got (0.0, 1.0);"
                                    " allowed: 0 < low < high. Next: raise low, or leave log out."),
    (lambda: Float(-2, 1, log=True), "Float: a logarithmic scale needs bounds above zero"),
    (lambda: Float(0, 1, step=0.3), "Float: no whole number of steps leads from low to high;"
                                    " got 'low=0.0, high=1.0, step=0.3'. Next: use high=0.9 or high=1.2."),
    (lambda: Float(0, 1, step=2), "Next: use high=2.0."),
    (lambda: Float(0, 1e9, step=1.0000001), "Float: no whole number of steps leads from low to high"),
    (lambda: Float(1e308, 1.5e308, step=1.7e308), "Next: use a larger step."),
    (lambda: Float(-1.7e308, 1.7e308, step=1e308), "Float: no whole number of steps leads from low to high"),
    (lambda: Float(0, 1, step=0), "Float: step must be above zero; got 0.0."),
    (lambda: Float(0, 1, step=-0.1), "Float: step must be above zero; got -0.1."),
    (lambda: Float(0, 1, step=1e-300), "Float: no whole number of steps leads from low to high"),
    (lambda: Float(1, 2, step=0.5, log=True), "Float: step and log exclude each other; got 0.5."),
    (lambda: Float(0, 1, default=2), "Float: default is outside the range; got 2.0; allowed: a number from 0.0 to 1.0."),
    (lambda: Float(0, 1, step=0.5, default=0.4), "Float: default is not on the grid; got 0.4;"
                                                 " allowed: a number from 0.0 to 1.0 in steps of 0.5."),
    (lambda: Float(0, 1, prior=0.5), "Float: a prior on a number is a Normal(location, width); got 0.5."),
    (lambda: Float(0, 1, prior=Normal(2, 0.1)), "Float: the prior's location is outside the range; got 2.0;"
                                                " allowed: 0.0 to 1.0."),
    (lambda: Int(5, 4), "Int: low must be below high; got (5, 4); allowed: low < high. Next: write Int(4, 5)."),
    (lambda: Int(4, 4), "Next: use Constant(4) for a single value."),
    (lambda: Int(0.5, 4), "Int: low must be an integer; got 0.5. Next: use Float for others."),
    (lambda: Int(0, 4.0), "Int: high must be an integer; got 4.0."),
    (lambda: Int(0, math.inf), "Int: high must be an integer; got inf."),
    (lambda: Int(True, 4), "Int: low must be an integer; got True."),
    (lambda: Int(0, 8, log=True), "Int: a logarithmic scale needs bounds above zero; got (0, 8)"),
    (lambda: Int(0, 2**62), "Int: bounds beyond 2**53 are not exact in float64; got (0, 4611686018427387904);"
                            " allowed: -9007199254740992 to 9007199254740992."
                            " Next: tune the exponent instead, or use powers_of=2."),
    (lambda: Int(1, 10, step=2), "Int: no whole number of steps leads from low to high;"
                                 " got 'low=1, high=10, step=2'. Next: use high=9 or high=11."),
    (lambda: Int(1, 10, step=0), "Int: step must be above zero; got 0."),
    (lambda: Int(1, 9, step=2, log=True), "Int: step and log exclude each other; got 2. Next: leave out one of them."),
    (lambda: Int(1, 16, step=3, powers_of=2), "Int: step and powers_of exclude each other; got 3."),
    (lambda: Int(1, 16, log=True, powers_of=2), "Int: log and powers_of exclude each other."),
    (lambda: Int(3, 16, powers_of=2), "Int: low must be a power of 2; got 3. Next: use 2 or 4."),
    (lambda: Int(-3, 16, powers_of=2), "Int: low must be a power of 2; got -3. Next: use 1."),
    (lambda: Int(1, 17, powers_of=2), "Int: high must be a power of 2; got 17. Next: use 16 or 32."),
    (lambda: Int(1, 16, powers_of=1), "Int: powers_of must be at least 2; got 1."),
    (lambda: Int(1, 3**40, powers_of=3), "Int: high is not exact in float64; got 12157665459056928801. Next: lower it."),
    (lambda: Int(1, 2**2000, powers_of=2), "Int: high is not exact in float64"),
    (lambda: Int(1, 16, powers_of=2, default=3), "Int: default is not on the grid; got 3; allowed: a power of 2 from 1 to 16."),
    (lambda: Int(1, 3, default=2.0), "Int: default must be an integer; got 2.0."),
    (lambda: Int(1, 3, prior=Normal(4)), "Int: the prior's location is outside the range; got 4.0; allowed: 1 to 3."),
    (lambda: Normal(0, 0), "Normal: width must be a finite number above 0; got 0."),
    (lambda: Normal(math.nan, 1), "Normal: location must be a finite number; got nan."),
    (lambda: Normal("0", 1), "Normal: location must be a finite number; got '0'."),
    (lambda: Categorical([]), "Categorical: no choices; got []; allowed: at least one."),
    (lambda: Categorical("abc"), "Categorical: choices must be a list; got 'abc'. Next: write [first, second]."),
    (lambda: Categorical(3), "Categorical: choices must be a list; got 3."),
    (lambda: Categorical(["a", "b", "a"]), "Categorical: a choice appears twice; got 'a'. Next: leave out one of them."),
    (lambda: Categorical([0.0, -0.0]), "Categorical: a choice appears twice; got -0.0."),
    (lambda: Categorical([1, math.nan]), "Categorical cannot hold such a value; got nan; allowed: finite float, int, str,"
                                         " bool, None. Next: name it by a text and build the object from that name in the objective."),
    (lambda: Categorical([dict]), "Categorical cannot hold such a value; got <class 'dict'>"),
    (lambda: Categorical(["a"], default="b"), "Categorical: default is not a choice; got 'b'; allowed: one of 'a'."),
    (lambda: Categorical([1, 2], default=1.0), "Categorical: default is not a choice; got 1.0; allowed: one of 1, 2."),
    (lambda: Categorical(["a", "b"], prior=[1]), "Categorical: a prior on categories has one weight per choice; got [1];"
                                                 " allowed: 2 numbers >= 0, one of them positive, or a dict of choices to weights."),
    (lambda: Categorical(["a", "b"], prior=[0, 0]), "Categorical: a prior on categories has one weight per choice"),
    (lambda: Categorical(["a", "b"], prior=[1, -1]), "Categorical: a prior on categories has one weight per choice"),
    (lambda: Categorical(["a", "b"], prior=[1, math.inf]), "Categorical: a prior on categories has one weight per choice"),
    (lambda: Categorical(["a", "b"], prior={"c": 1}), "Categorical: a prior on categories has one weight per choice"),
    (lambda: Categorical(["a", "b"], prior=3), "Categorical: a prior on categories has one weight per choice; got 3"),
    (lambda: Ordinal([]), "Ordinal: no choices"),
    (lambda: Bool(default=1), "Bool: default is not a choice; got 1; allowed: one of False, True."),
    (lambda: Bool(prior=1.5), "Bool: prior is the probability of True; got 1.5; allowed: 0 to 1."),
    (lambda: Constant([1]), "Constant cannot hold such a value; got [1]"),
    (lambda: Constant(math.inf), "Constant cannot hold such a value; got inf"),
    (lambda: Choice({}), "Choice: no choices; got []; allowed: at least one."),
    (lambda: Choice(["a"]), "Choice: branches must be a dict; got ['a']; allowed: name: Space or None."),
    (lambda: Choice({1: None}), "Choice: a branch's name must be a text; got 1."),
    (lambda: Choice({"": None}), "Choice: a branch's name must be a text; got ''."),
    (lambda: Choice({"a": Float(0, 1)}), "Choice: branch 'a' must be a Space or None; got Float(0.0, 1.0)."),
    (lambda: Choice({"a": Space.traced({})}), "Choice: branch 'a' must be a Space or None; got Space.traced({})."),
    (lambda: Choice({"a": None}, default="b"), "Choice: default is not a choice; got 'b'; allowed: one of 'a'."),
]  # fmt: skip


@pytest.mark.parametrize(("make", "text"), BAD, ids=[text for _, text in BAD])
def test_what_cannot_be_is_refused_with_a_text(make, text):
    with pytest.raises(InvalidSpace) as told:
        make()
    assert text in str(told.value)


def test_numbers_are_made_plain():
    parameter = Float(np.float32(0.5), np.int64(2), default=1)
    assert (type(parameter.low), type(parameter.high), type(parameter.default)) == (float, float, float)
    assert type(Int(np.int8(1), 3).low) is int
    assert [type(value) for value in Categorical([np.float64(1), np.int64(1), np.bool_(True)]).choices] == [
        float,
        int,
        bool,
    ]


@pytest.mark.parametrize(
    ("parameter", "size"),
    [
        (Float(0, 1), None),
        (Float(0, 1, step=0.1), 11),
        (Float(-1, 1, step=1 / 3), 7),
        (Float(0, 1e6, step=1e-6), 10**12 + 1),
        (Int(-5, 5), 11),
        (Int(1, 100, log=True), 100),
        (Int(0, 10, step=5), 3),
        (Int(1, 1024, powers_of=2), 11),
        (Categorical(["a", 1, None]), 3),
        (Ordinal(["a", "b"]), 2),
        (Bool(), 2),
        (Choice({"a": None, "b": Space(x=Float(0, 1))}), 2),
        (Constant(1), 1),
    ],
)
def test_size_counts_the_distinct_values(parameter, size):
    assert parameter.size == size


def test_equality_tells_values_of_different_types_apart():
    assert Categorical([1]) == Categorical([1])
    assert Categorical([1]) != Categorical([True])
    assert Categorical([1]) != Categorical([1.0])
    assert Categorical([1]) != Ordinal([1])
    assert Constant(1) != Constant(True)
    assert Constant(None) == Constant(None)
    assert len({Categorical([1]), Categorical([1]), Categorical([True]), Constant(1), Constant(1.0)}) == 4
    assert Choice({"a": Space(x=Int(0, 1))}) != Choice({"a": Space(x=Int(0, 2))})


def test_a_prior_on_categories_may_be_a_dict():
    assert Categorical(["a", "b", "c"], prior={"c": 3, "a": 1}).prior == (1.0, 0.0, 3.0)
    assert Bool(prior=0.75).prior == (0.25, 0.75)
    assert Choice({"a": None, "b": None}, prior={"b": 1}).prior == (0.0, 1.0)


@given(floats() | ints())
def test_a_number_contains_its_ends_and_default_and_nothing_beyond(parameter):
    for value in (parameter.low, parameter.high, parameter.default):
        assert value is None or parameter.problem(value) is None
    assert parameter.problem(math.nextafter(parameter.high, math.inf)) is not None
    assert parameter.problem(parameter.low - 1 - abs(parameter.low)) is not None
    assert parameter.problem(None) == "wrong type"
    assert parameter.problem(True) == "wrong type"
    assert parameter.problem(math.nan) is not None


@given(floats() | ints() | listed())
def test_the_text_of_a_parameter_makes_it_again(parameter):
    names = {cls.__name__: cls for cls in (Float, Int, Categorical, Ordinal, Bool, Normal)}
    again = eval(repr(parameter), names)
    assert again == parameter
    assert hash(again) == hash(parameter)
