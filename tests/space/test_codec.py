# ruff: noqa: E501  # tables are read line by line
"""Spaces and parameters in JSON: exact round trips, and clear words for what cannot be read."""

import json

import pytest
from hypothesis import given, settings

from trimtab.base.arrays import dumps, loads
from trimtab.base.errors import InvalidSpace
from trimtab.space import (
    Bool,
    Categorical,
    Choice,
    Constant,
    Float,
    Forbidden,
    Int,
    Linear,
    Normal,
    Ordered,
    Ordinal,
    Predicate,
    Space,
    parameter_from_json,
    parameter_to_json,
)
from trimtab.testing.strategies import parameters, spaces

FULL = Space(
    lr=Float(1e-5, 0.1, log=True, default=1e-3, prior=Normal(1e-3, 0.1)),
    drop=Float(0, 0.5, step=0.1),
    n=Int(1, 9, step=2),
    batch=Int(16, 256, powers_of=2),
    width=Int(1, 100, log=True),
    act=Categorical([1, 1.0, True, None, "x"], default="x", prior=[1, 2, 3, 4, 5]),
    size=Ordinal(["s", "l"]),
    flag=Bool(default=True, prior=0.75),
    const=Constant(None),
    opt=Choice({"a": Space(b=Float(0, 1), c=Float(0, 1)).require(Ordered("b", "c", strict=True)), "z": None}, default="z"),
).require(
    Linear({"lr": 1, "drop": 2}, upper=3, lower=-1), Forbidden({"n": 3, "act": True}), Predicate(bool, "some rule")
)  # fmt: skip


@settings(max_examples=40)
@given(spaces(constraints=True))
def test_spaces_come_back_through_text(space):
    again = Space.from_json(loads(dumps(space.to_json())))
    assert again == space
    assert again.to_json() == space.to_json()
    assert again.columns == space.columns


@given(parameters(depth=1))
def test_parameters_come_back_through_text(parameter):
    assert parameter_from_json(loads(dumps(parameter_to_json(parameter)))) == parameter


@settings(max_examples=40)
@given(spaces(traced=True))
def test_traced_spaces_come_back_too(space):
    again = Space.from_json(space.to_json())
    assert again.is_traced
    assert again == space


def test_the_written_form_is_fixed():
    """A change of this form needs a new schema version and a reader for this one."""
    assert FULL.to_json() == {
        "schema": 1,
        "parameters": [
            {"name": "lr", "kind": "float", "low": 1e-5, "high": 0.1, "log": True, "default": 1e-3, "prior": [1e-3, 0.1]},
            {"name": "drop", "kind": "float", "low": 0.0, "high": 0.5, "step": 0.1},
            {"name": "n", "kind": "int", "low": 1, "high": 9, "step": 2},
            {"name": "batch", "kind": "int", "low": 16, "high": 256, "powers_of": 2},
            {"name": "width", "kind": "int", "low": 1, "high": 100, "log": True},
            {"name": "act", "kind": "categorical", "choices": [1, 1.0, True, None, "x"], "default": "x",
             "prior": [1.0, 2.0, 3.0, 4.0, 5.0]},
            {"name": "size", "kind": "ordinal", "choices": ["s", "l"]},
            {"name": "flag", "kind": "bool", "default": True, "prior": [0.25, 0.75]},
            {"name": "const", "kind": "constant", "value": None},
            {"name": "opt", "kind": "choice", "default": "z", "branches": [
                ["a", {"parameters": [{"name": "b", "kind": "float", "low": 0.0, "high": 1.0},
                                      {"name": "c", "kind": "float", "low": 0.0, "high": 1.0}],
                       "constraints": [{"kind": "ordered", "names": ["b", "c"], "strict": True}]}],
                ["z", None]]},
        ],
        "constraints": [
            {"kind": "linear", "coefficients": [["lr", 1.0], ["drop", 2.0]], "upper": 3.0, "lower": -1.0},
            {"kind": "forbidden", "combination": [["n", 3], ["act", True]]},
            {"kind": "predicate", "text": "some rule"},
        ],
    }  # fmt: skip
    assert Space.from_json(json.loads(json.dumps(FULL.to_json()))) == FULL
    assert parameter_to_json(Bool()) == {"schema": 1, "kind": "bool"}
    grown = Space(a=Bool()).with_parameter("b", Int(0, 2), older=1)
    assert grown.to_json()["fills"] == [["b", 1]]
    assert Space.from_json(grown.to_json()) == grown


def test_json_that_a_database_has_sorted_reads_the_same():
    assert Space.from_json(json.loads(json.dumps(FULL.to_json(), sort_keys=True))) == FULL


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (None, "this is no space's JSON: it has no schema version"),
        ([], "this is no space's JSON: it has no schema version; got []"),
        ({"parameters": []}, "this is no space's JSON: it has no schema version"),
        ({"schema": True, "parameters": []}, "this is no space's JSON: it has no schema version"),
        ({"schema": "1", "parameters": []}, "this is no space's JSON: it has no schema version"),
        (
            {"schema": 2, "parameters": []},
            "this space was written by a newer version of trimtab; got 'schema 2'; allowed: schema 1 to 1."
            " Next: upgrade trimtab.",
        ),
        (
            {"schema": 1},
            "the JSON of a space cannot be read (KeyError: 'parameters'). Next: restore it as it was written.",
        ),
        ({"schema": 1, "parameters": 3}, "the JSON of a space cannot be read (TypeError:"),
        ({"schema": 1, "parameters": ["a"]}, "the JSON of a space cannot be read (TypeError:"),
        ({"schema": 1, "parameters": [{"name": "a", "kind": "float", "low": 0}]}, "cannot be read (KeyError: 'high')"),
        ({"schema": 1, "parameters": [{"name": "a", "kind": "tensor"}]}, "unknown kind of parameter; got 'tensor'."),
        (
            {"schema": 1, "parameters": [{"name": "a", "kind": "float", "low": 1, "high": 0}]},
            "Float: low must be below",
        ),
        (
            {"schema": 1, "parameters": [{"name": "a", "kind": "bool"}, {"name": "a", "kind": "bool"}]},
            "two parameters have the name 'a'. Next: rename one of them.",
        ),
        (
            {"schema": 1, "parameters": [], "constraints": [{"kind": "smile"}]},
            "unknown kind of constraint; got 'smile'. Next: upgrade trimtab.",
        ),
        (
            {"schema": 1, "parameters": [], "constraints": [{"kind": "ordered", "names": ["a", "b"], "strict": False}]},
            "constraint 'a <= b': there is no parameter 'a'; allowed: none.",
        ),
        (
            {"schema": 1, "parameters": [{"name": "a", "kind": "int", "low": 0, "high": 1, "prior": 3}]},
            "the JSON of a space cannot be read (TypeError",
        ),
    ],
)
def test_json_that_is_no_space_is_refused(data, text):
    with pytest.raises(InvalidSpace) as told:
        Space.from_json(data)
    assert text in str(told.value)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"kind": "bool"}, "it has no schema version"),
        ({"schema": 9, "kind": "bool"}, "written by a newer version"),
        ({"schema": 1}, "the JSON of a parameter cannot be read (KeyError: 'kind')"),
        ({"schema": 1, "kind": "tensor"}, "unknown kind of parameter; got 'tensor'"),
    ],
)
def test_json_that_is_no_parameter_is_refused(data, text):
    with pytest.raises(InvalidSpace) as told:
        parameter_from_json(data)
    assert text in str(told.value)
