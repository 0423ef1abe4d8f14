"""Rules between parameters: what they mean, where they apply, and what is said where nothing is left."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.base.errors import InvalidParams, InvalidSpace
from trimtab.space import Bool, Categorical, Choice, Constant, Float, Forbidden, Int, Linear, Ordered, Predicate, Space
from trimtab.testing.strategies import params, spaces

FLAT = Space(a=Float(0, 10), b=Float(0, 10), n=Int(0, 10), c=Categorical(["x", "y", 1, True]), k=Constant(2))
CHOICE = Space(
    depth=Int(1, 10),
    model=Choice(
        {
            "net": Space(width=Int(1, 10), heads=Int(1, 10)).require(
                Predicate(lambda p: p["width"] % p["heads"] == 0, "heads divides width"), Linear({"width": 1}, upper=8)
            ),
            "tree": Space(leaves=Int(1, 10)),
        }
    ),
).require(Ordered("depth", "model.net.width"))


def at(**changes):
    return {"a": 1.0, "b": 2.0, "n": 3, "c": "x", "k": 2, **changes}


@pytest.mark.parametrize(
    ("constraint", "kept", "broken"),
    [
        (Linear({"a": 1, "b": 2}, upper=5), at(), at(a=1.1)),
        (Linear({"a": 1, "b": -1}, lower=-1), at(), at(a=0.9)),
        (Linear({"a": 1, "n": 1}, lower=1, upper=4), at(), at(n=4)),
        (Linear({"a": 1, "k": 1}, upper=3), at(), at(a=1.5)),
        (Ordered("a", "b", "n"), at(), at(b=3.5)),
        (Ordered("a", "b"), at(a=2.0), at(a=2.1)),
        (Ordered("a", "b", strict=True), at(), at(a=2.0)),
        (Forbidden({"c": 1}), at(c=True), at(c=1)),
        (Forbidden({"c": "x", "n": 4}), at(), at(n=4)),
        (Forbidden({"c": "x", "k": 2}), at(c="y"), at()),
        (Predicate(lambda p: p["a"] * p["n"] <= 3, "a * n <= 3"), at(), at(n=4)),
        (Predicate(lambda p: p["c"] in ("x", "y"), "c is a text"), at(), at(c=True)),
    ],
)
def test_each_kind_means_what_it_says(constraint, kept, broken):
    space = FLAT.require(constraint)
    assert space.feasible(kept)
    assert space.contains(kept)
    assert not space.feasible(broken)
    assert not space.contains(broken)
    with pytest.raises(InvalidParams) as told:
        space.validate(broken)
    assert "params break a constraint; got {'a': " in str(told.value)
    assert f"allowed: {constraint.text!r}" in str(told.value)
    np.testing.assert_array_equal(space.feasible_many(space.encode_many([kept, broken])), [True, False])


def test_a_constraint_on_something_inactive_does_not_apply():
    tree = {"depth": 9, "model": "tree", "model.tree.leaves": 3}
    assert CHOICE.contains(tree)
    net = {"depth": 2, "model": "net", "model.net.width": 6, "model.net.heads": 3}
    assert CHOICE.contains(net)
    assert not CHOICE.contains({**net, "depth": 7})
    assert not CHOICE.contains({**net, "model.net.heads": 4})
    assert not CHOICE.contains({**net, "model.net.width": 9})
    assert [rule.text for rule in CHOICE.all_constraints] == [
        "depth <= model.net.width",
        "heads divides width",
        "model.net.width <= 8",
    ]


def test_constants_of_an_inactive_branch_are_inactive_too():
    space = Space(x=Float(0, 10), m=Choice({"a": Space(cap=Constant(3)), "b": None})).require(
        Ordered("x", "m.a.cap"), Forbidden({"m.a.cap": 3, "x": 1.0})
    )
    assert space.contains({"x": 9.0, "m": "b"})
    assert space.contains({"x": 1.0, "m": "b"})
    assert not space.contains({"x": 9.0, "m": "a", "m.a.cap": 3})
    assert not space.contains({"x": 1.0, "m": "a", "m.a.cap": 3})


@settings(max_examples=40)
@given(st.data())
def test_vectorised_rules_agree_with_the_obvious_ones(data):
    space = data.draw(spaces(constraints=True))
    rows = data.draw(st.lists(params(Space(dict(space.parameters))), min_size=1, max_size=4))
    kept = space.feasible_many(space.encode_many(rows))
    for row, found in zip(rows, kept, strict=True):
        assert found == all(obvious(rule, row) for rule in space.constraints)
        assert found == space.feasible(row) == space.contains(row)


def obvious(rule, row):
    if any(name not in row for name in rule.names):
        return True
    if isinstance(rule, Linear):
        total = np.sum([np.float64(c) * row[name] for name, c in rule.coefficients.items()])
        return bool(total <= rule.upper)
    if isinstance(rule, Ordered):
        return all(row[one] <= row[two] for one, two in zip(rule.order, rule.order[1:], strict=False))
    return any(row[name] != value or type(row[name]) is not type(value) for name, value in rule.combination.items())


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Linear({}, upper=1), "Linear: no coefficients; got {}; allowed: a dict of name: number."),
        (lambda: Linear({"a": 1}), "Linear: no bound. Next: give upper=, lower= or both."),
        (lambda: Linear({"a": "1"}, upper=1), "Linear: coefficients and bounds must be finite numbers; got '1'."),
        (lambda: Linear({"a": 1}, upper=np.inf), "Linear: coefficients and bounds must be finite numbers; got inf."),
        (lambda: Ordered("a"), "Ordered: nothing to compare; got ('a',); allowed: two names or more."),
        (lambda: Forbidden({}), "Forbidden: no values; got {}; allowed: a dict of name: value."),
        (lambda: Forbidden({"a": [1]}), "Forbidden cannot hold such a value; got [1]"),
        (lambda: Predicate(3, "three"), "Predicate: the first argument must be a function; got 3."),
        (lambda: Predicate(max, ""), "Predicate: a text must say what the function checks; got ''."),
        (lambda: FLAT.require(max), "this is no constraint; got <built-in function max>; allowed: Linear, Ordered,"),
        (lambda: FLAT.require(Ordered("a", "z")), "constraint 'a <= z': there is no parameter 'z'; allowed: 'a', 'b',"),
        (
            lambda: FLAT.require(Ordered("a", "c")),
            "constraint 'a <= c': 'c' is no number; got Categorical(['x', 'y', 1",
        ),
        (lambda: FLAT.require(Linear({"c": 1}, upper=1)), "constraint 'c <= 1': 'c' is no number"),
        (
            lambda: FLAT.require(Forbidden({"c": "z"})),
            "constraint \"not (c='z')\": 'c' never has that value; got 'z'; allowed: one of 'x', 'y', 1, True.",
        ),
    ],
)
def test_constraints_that_cannot_be_are_refused(make, text):
    with pytest.raises(InvalidSpace) as told:
        make()
    assert text in str(told.value)


def test_constraints_that_leave_nothing_are_named_with_how_often_each_was_kept():
    space = FLAT.require(Linear({"a": 1, "b": 1}, upper=-1), Ordered("a", "b"))
    with pytest.raises(InvalidSpace) as told:
        space.sample(np.random.default_rng(0))
    text = str(told.value)
    assert "the constraints leave (almost) nothing: 10000 draws in a row broke one; of 1000 more draws" in text
    assert "'a + b <= -1' kept by 0, 'a <= b' kept by 4" in text or "'a <= b' kept by 5" in text
    assert text.endswith("Next: loosen a constraint, or narrow the parameters so that more of the space is allowed.")
    with pytest.raises(InvalidSpace, match=r"no configuration was found that keeps the constraints; allowed: 'a \+ b"):
        space.default_params()


def test_a_predicate_read_back_without_its_code_says_what_to_do():
    space = Space.from_json(CHOICE.to_json())
    assert space == CHOICE
    net = {"depth": 2, "model": "net", "model.net.width": 6, "model.net.heads": 3}
    expected = (
        "the constraint 'heads divides width' is code, and this space was read from storage without it."
        " Next: pass the space again from the program that defines it."
    )
    for use in (
        lambda: space.sample(np.random.default_rng(0)),
        lambda: space.feasible(net),
        lambda: space.validate(net),
        space.default_params,
    ):
        with pytest.raises(InvalidSpace) as told:
            use()
        assert str(told.value) == expected
    assert space.decode(space.encode(net)) == net


def test_a_predicate_that_fails_or_reads_an_unknown_name_is_named():
    failing = FLAT.require(Predicate(lambda p: 1 / 0, "always fails"))
    with pytest.raises(InvalidSpace, match="the constraint 'always fails' raised ZeroDivisionError: division by zero"):
        failing.feasible(at())
    unknown = FLAT.require(Predicate(lambda p: p["aa"] > 0, "typo"))
    with pytest.raises(InvalidSpace, match="a constraint reads an unknown parameter 'aa'; allowed: 'a', 'b', 'c'"):
        unknown.feasible(at())


def test_a_predicate_sees_its_own_space_only():
    seen = []
    inner = Space(x=Int(0, 1), sub=Choice({"s": Space(y=Int(0, 1))})).require(
        Predicate(lambda p: seen.append(dict(p)) or True, "looks")
    )
    space = Space(outer=Bool(), top=Choice({"in": inner}))
    assert space.feasible({"outer": True, "top": "in", "top.in.x": 1, "top.in.sub": "s", "top.in.sub.s.y": 0})
    assert seen == [{"x": 1, "sub": "s", "sub.s.y": 0}]


def test_predicates_are_compared_by_their_text():
    assert FLAT.require(Predicate(min, "rule")) == FLAT.require(Predicate(max, "rule"))
    assert FLAT.require(Predicate(min, "rule")) != FLAT.require(Predicate(min, "other rule"))
