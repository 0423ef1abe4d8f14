# ruff: noqa: E501  # tables are read line by line
"""Growing a space: what may change, what may not, and in which words both are told."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.base.errors import InvalidSpace, SpaceMismatch
from trimtab.base.seeds import Key
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
    check_migration,
    check_same,
)
from trimtab.space.containment import covers, lost
from trimtab.testing.strategies import floats, ints, listed, params, spaces

OLD = Space(
    lr=Float(1e-4, 1e-1, log=True),
    n=Int(0, 10, step=2),
    act=Categorical(["relu", "gelu"]),
    size=Ordinal(["s", "m"]),
    opt=Choice({"adam": Space(beta2=Float(0.9, 0.99)), "sgd": None}),
    seed=Constant(7),
)


def replaced(**changes):
    return Space({**OLD.parameters, **changes})


def without(name):
    return Space({own: parameter for own, parameter in OLD.parameters.items() if own != name})


# Growing.


@pytest.mark.parametrize(
    ("new", "changes"),
    [
        (OLD, ()),
        (OLD.widened("lr", low=1e-6), ("'lr': range 0.0001 to 0.1 became 1e-06 to 0.1",)),
        (OLD.widened("n", low=-4, high=12), ("'n': range 0 to 10 became -4 to 12",)),
        (OLD.widened("opt.adam.beta2", high=0.9999), ("'opt.adam.beta2': range 0.9 to 0.99 became 0.9 to 0.9999",)),
        (OLD.with_choice("act", "silu"), ("'act': 'silu' added",)),
        (OLD.with_choice("size", "l"), ("'size': 'l' added",)),
        (
            OLD.with_choice("opt", "lion", Space(beta=Float(0.8, 1))),
            ("'opt': 'lion' added", "'opt.lion.beta' added as Float(0.8, 1.0), in a new branch"),
        ),
        (OLD.with_choice("opt", "lbfgs"), ("'opt': 'lbfgs' added",)),
        (
            OLD.with_parameter("drop", Float(0, 0.5), older=0.0),
            ("'drop' added as Float(0.0, 0.5), older trials count as 0.0",),
        ),
        (
            OLD.with_parameter("opt.sgd.momentum", Float(0, 1), older=0.0),
            ("'opt.sgd.momentum' added as Float(0.0, 1.0), older trials count as 0.0",),
        ),
        (
            OLD.with_parameter("amp", Constant("off"), older="off"),
            ("'amp' added as Constant('off'), older trials count as 'off'",),
        ),
        (replaced(lr=Float(1e-4, 1e-1)), ("'lr': log True became False",)),
        (replaced(n=Int(0, 10)), ("'n': step 2 became 1",)),
        (replaced(n=Int(0, 10, step=2, default=4)), ("'n': default None became 4",)),
        (
            replaced(n=Int(0, 10, step=2, prior=Normal(4))),
            ("'n': prior None became Normal(location=4.0, width=0.2)",),
        ),
        (replaced(n=Float(0, 10)), ("'n': Int(0, 10, step=2) became Float(0.0, 10.0)",)),
        (replaced(seed=Int(0, 10)), ("'seed': Constant(7) became Int(0, 10)",)),
        (replaced(act=Categorical(["gelu", "relu"])), ("'act': order of the choices changed",)),
        (replaced(act=Ordinal(["relu", "gelu"])), ("'act': Categorical(['relu', 'gelu']) became Ordinal(['relu', 'gelu'])",)),
        (Space(dict(reversed(OLD.parameters.items()))), ("order of the parameters changed",)),
        (OLD.require(Ordered("lr", "n")), ("constraint 'lr <= n' added; older trials that break it stay",)),
    ],
)  # fmt: skip
def test_what_may_change_is_told_in_plain_words(new, changes):
    assert check_migration(OLD, new) == changes


def test_a_constraint_may_go():
    assert check_migration(OLD.require(Ordered("lr", "n")), OLD) == ("constraint 'lr <= n' removed",)


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        (without("lr"), "'lr' is gone"),
        (without("seed"), "'seed' is gone"),
        (without("opt"), "'opt' is gone; 'opt.adam.beta2' is gone"),
        (replaced(lr=Float(1e-3, 1e-1, log=True)), "'lr' no longer allows 0.0001"),
        (replaced(n=Int(0, 10, step=5)), "'n' no longer allows 2"),
        (replaced(n=Categorical([0, 2, 4])), "'n' no longer allows 6"),
        (replaced(n=Constant(2)), "'n' no longer allows 0"),
        (replaced(act=Categorical(["relu", "silu"])), "'act' no longer allows 'gelu'"),
        (replaced(seed=Constant(8)), "'seed' no longer allows 7"),
        (replaced(seed=Constant(7.0)), "'seed' no longer allows 7"),
        (replaced(lr=Int(1, 3)), "'lr' no longer allows 0.0001"),
        (replaced(new=Float(0, 1, default=0.5)), "'new' is new, and older trials have no value for it"),
        (replaced(new=Constant(1)), "'new' is new, and older trials have no value for it"),
        (
            replaced(opt=Choice({"adam": Space(beta2=Float(0.9, 0.99), eps=Bool()), "sgd": None})),
            "'opt.adam.eps' is new, and older trials have no value for it",
        ),
        (
            Space({**{k: v for k, v in OLD.parameters.items() if k != "opt"}, "opt.adam.beta2": Float(0.9, 0.99)}),
            "'opt' is gone; 'opt.adam.beta2' belongs to another choice",
        ),
    ],
)
def test_what_would_leave_trials_outside_is_refused_by_name(new, reason):
    with pytest.raises(SpaceMismatch) as told:
        check_migration(OLD, new)
    assert str(told.value) == (
        f"trials of the old space would not lie in the new one: {reason};"
        " allowed: wider ranges, more choices, parameters added by space.with_parameter."
        " Next: keep what is there, or create a study under another name."
    )


def test_what_older_trials_count_as_may_not_change():
    grown = OLD.with_parameter("drop", Float(0, 0.5), older=0.0)
    assert check_migration(grown, grown.widened("drop", high=0.9)) == ("'drop': range 0.0 to 0.5 became 0.0 to 0.9",)
    for new in (replaced(drop=Float(0, 0.5)), OLD.with_parameter("drop", Float(0, 0.5), older=0.1)):
        with pytest.raises(SpaceMismatch, match=r"'drop': older trials no longer count as 0\.0"):
            check_migration(grown, new)


def test_define_by_run_spaces_are_not_migrated():
    with pytest.raises(SpaceMismatch, match="only declared spaces can be migrated"):
        check_migration(OLD, Space.traced({}))


@settings(max_examples=40)
@given(st.data())
def test_an_accepted_migration_keeps_every_trial(data):
    """Whatever two spaces are compared: if they are accepted, any old configuration encodes in the new one."""
    old = data.draw(spaces(depth=1))
    new = data.draw(st.just(_grown(data, old)) | spaces(depth=1))
    try:
        check_migration(old, new)
    except SpaceMismatch:
        return
    rows = [data.draw(params(old)), *old.sample(Key(0).generator(), 5)]
    raw = new.encode_many(rows)
    for row, found in zip(rows, new.decode_many(raw), strict=True):
        assert {name: found[name] for name in row} == row


def _grown(data, space):
    """A space with something more of everything that can have more."""
    for name, entry in space.entries.items():
        parameter = entry.parameter
        if isinstance(parameter, Categorical | Ordinal | Choice):
            space = space.with_choice(name, "and one more value")
        elif isinstance(parameter, Float) and parameter.step is None and data.draw(st.booleans()):
            space = space.widened(name, high=max(parameter.high, 1e6))
    return space.with_parameter("one more name", Bool(), older=True)


def test_grown_spaces_fill_in_what_older_trials_had():
    grown = OLD.with_parameter("drop", Float(0, 0.5), older=0.1).with_parameter("opt.sgd.momentum", Int(0, 3), older=2)
    grown = grown.with_parameter("opt.adam.amp", Constant("on"), older="on")
    old = [
        {"lr": 0.01, "n": 2, "act": "relu", "size": "s", "opt": "sgd", "seed": 7},
        {"lr": 0.01, "n": 2, "act": "relu", "size": "s", "opt": "adam", "opt.adam.beta2": 0.95, "seed": 7},
    ]
    new = [
        {**old[0], "drop": 0.1, "opt.sgd.momentum": 2},
        {**old[1], "drop": 0.1, "opt.adam.amp": "on"},
    ]
    np.testing.assert_array_equal(grown.encode_many(old), grown.encode_many(new))
    np.testing.assert_array_equal(grown.encode_many(old), [grown.encode(row) for row in old])
    assert grown.decode_many(grown.encode_many(old)) == new
    assert all(map(grown.contains, old + new))
    assert not grown.contains({**new[0], "opt.adam.amp": "on"})
    assert grown.all_fills == {"drop": 0.1, "opt.adam.amp": "on", "opt.sgd.momentum": 2}


def test_a_wider_choice_keeps_default_and_adds_an_average_weight():
    old = Space(c=Categorical(["a", "b"], default="b", prior=[1, 3]), o=Choice({"x": None}, default="x", prior=[2]))
    new = old.with_choice("c", "z").with_choice("o", "y", Space(q=Bool()))
    assert new["c"] == Categorical(["a", "b", "z"], default="b", prior=[1, 3, 2])
    assert new["o"] == Choice({"x": None, "y": Space(q=Bool())}, default="x", prior=[2, 2])


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: OLD.widened("lr", high=0.01), "parameter 'lr': the new range must hold every value of the old one;"
                                               " got Float(0.0001, 0.01, log=True); allowed: low <= 0.0001, high >= 0.1,"
                                               " on the same grid."),
        (lambda: OLD.widened("n", low=-1, high=11), "parameter 'n': the new range must hold every value of the old one"),
        (lambda: OLD.widened("n", high=13), "Int: no whole number of steps leads from low to high"),
        (lambda: OLD.widened("act", high=1), "parameter 'act' is no number; got Categorical(['relu', 'gelu'])."
                                             " Next: use with_choice."),
        (lambda: OLD.widened("momentum", high=1), "there is no parameter 'momentum'; allowed: 'act', 'lr', 'n', 'opt'"),
        (lambda: OLD.with_choice("opt.adam.beta2", "x"), "parameter 'opt.adam.beta2' cannot take another choice;"
                                                         " got Float(0.9, 0.99); allowed: Categorical, Ordinal, Choice."),
        (lambda: OLD.with_choice("act", "relu"), "parameter 'act': a choice appears twice; got 'relu'."),
        (lambda: OLD.with_choice("act", "x", Space()), "parameter 'act' is no Choice, its values have no spaces"),
        (lambda: OLD.with_choice("opt", 3), "parameter 'opt': a branch's name must be a text; got 3."),
        (lambda: OLD.with_parameter("lr", Bool(), older=True), "two parameters have the name 'lr'"),
        (lambda: OLD.with_parameter("opt.adam.beta2", Bool(), older=True), "two parameters have the name 'opt.adam.beta2'"),
        (lambda: OLD.with_parameter("new", Int(0, 3), older=4), "parameter 'new': older is outside the range; got 4;"
                                                                " allowed: an integer from 0 to 3."),
        (lambda: OLD.with_parameter("new", Choice({"a": None}), older="a"), "parameter 'new': a Choice cannot be added to a"
                                                                            " space that has trials."),
    ],
)  # fmt: skip
def test_growth_that_is_none_is_refused(make, text):
    with pytest.raises(InvalidSpace) as told:
        make()
    assert text in str(told.value)


@given(floats() | ints() | listed(), floats() | ints() | listed())
def test_containment_is_never_claimed_wrongly(new, old):
    names = {"x": old}
    drawn = [row["x"] for row in Space(names).sample(Key(0).generator(), 20)]
    if covers(new, old):
        assert all(new.problem(value) is None for value in drawn)
    assert covers(old, old)


@pytest.mark.parametrize(
    ("new", "old", "missing"),
    [
        (Float(0, 1e9), Int(0, 10**6), None),
        (Int(0, 10**6), Int(0, 10**6, step=10), None),
        (Int(0, 10**6, step=5), Int(0, 10**6, step=10), None),
        (Int(0, 10**6, step=20), Int(0, 10**6, step=10), "10"),
        (Int(1, 2**20, powers_of=2), Int(1, 2**20, log=True), "a number between 1 and 1048576"),
        (Int(1, 2**20, log=True), Int(1, 2**20, powers_of=2), None),
        (Float(0, 1, step=0.1), Float(0, 1), "a number between 0.0 and 1.0"),
        (Float(0, 1), Float(0, 1, step=0.1), None),
        (Float(0, 1, step=0.05), Float(0, 1, step=0.1), None),
        (Categorical([0.0, 1.0]), Float(0, 1), "a number between 0.0 and 1.0"),
        (Int(0, 1), Float(0, 1, step=1), "0.0"),
        (Bool(), Categorical([True]), None),
        (Bool(), Categorical([1]), "1"),
        (Categorical([None, 1]), Constant(None), None),
        (Constant(1), Categorical([None, 1]), "None"),
    ],
)
def test_containment_of_numbers_goes_by_ends_and_grids(new, old, missing):
    assert lost(new, old) == missing


# The same space again.


def test_the_same_space_is_taken_with_its_code_in_the_stored_order():
    rule = Predicate(lambda p: p["a"] < p["b"], "a < b")
    inner = Predicate(lambda p: p["x"] > 0, "x > 0")
    given_ = Space(a=Int(0, 9), b=Int(0, 9), c=Choice({"u": Space(x=Int(0, 9)).require(inner), "v": None})).require(
        rule
    )
    stored = Space.from_json(given_.to_json())
    assert check_same(stored, given_) is given_
    other = Space(dict(reversed(given_.parameters.items()))).require(rule)
    taken = check_same(stored, other)
    assert taken == stored
    assert taken.names == stored.names
    drawn = taken.sample(Key(0).generator(), 50)
    assert all(row["a"] < row["b"] and row.get("c.u.x", 1) > 0 for row in drawn)


def test_every_difference_is_named():
    stored = OLD.require(Predicate(bool, "old rule"))
    given_ = Space(
        lr=Float(1e-4, 1.0, log=True),
        n=Int(0, 10, step=2),
        act=Categorical(["relu", "gelu", "silu"]),
        opt=Choice({"adam": Space(beta2=Float(0.9, 0.99, default=0.95)), "sgd": None}),
        seed=Constant(7),
        new=Bool(),
    ).require(Predicate(bool, "new rule"))
    with pytest.raises(SpaceMismatch) as told:
        check_same(stored, given_)
    assert str(told.value) == (
        "the space given differs from the one this study was created with:"
        " 'lr': stored Float(0.0001, 0.1, log=True), given Float(0.0001, 1.0, log=True);"
        " 'act': stored Categorical(['relu', 'gelu']), given Categorical(['relu', 'gelu', 'silu']);"
        " 'size': stored Ordinal(['s', 'm']), given nothing;"
        " 'opt.adam.beta2': stored Float(0.9, 0.99), given Float(0.9, 0.99, default=0.95);"
        " 'new': stored nothing, given Bool();"
        " constraint 'new rule': only in the given space;"
        " constraint 'old rule': only in the stored space."
        " Next: use study.migrate(space) to change the study's space, or create a study under another name."
    )


def test_a_rule_that_moved_to_another_branch_is_a_difference():
    rule = Predicate(bool, "rule")
    plain, ruled = Space(x=Bool()), Space(x=Bool()).require(rule)
    with pytest.raises(SpaceMismatch) as told:
        check_same(Space(c=Choice({"a": ruled, "b": plain})), Space(c=Choice({"a": plain, "b": ruled})))
    assert "constraint 'rule (in c.a)': only in the stored space" in str(told.value)
    assert "constraint 'rule (in c.b)': only in the given space" in str(told.value)


def test_constraints_that_differ_in_the_last_digit_are_told_apart():
    with pytest.raises(SpaceMismatch, match=r"constraint 'lr <= 0\.1': only in the given space"):
        check_same(OLD.require(Linear({"lr": 1}, upper=0.1 + 1e-16)), OLD.require(Linear({"lr": 1}, upper=0.1)))


def test_a_study_without_a_space_has_none_to_compare():
    with pytest.raises(SpaceMismatch, match="this study was created without a space, to define parameters as it goes"):
        check_same(None, OLD)


@settings(max_examples=40)
@given(spaces(constraints=True))
def test_a_space_is_the_same_as_its_stored_form(space):
    assert check_same(Space.from_json(space.to_json()), space) is space
    assert check_migration(space, space) == ()
