"""What peers are told of a space, and the way of a configuration there and back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.base.errors import InvalidParams
from trimtab.benchmarks.columns import columns_of, from_peer, to_peer
from trimtab.benchmarks.problems.training import TRAININGS, Training
from trimtab.space import Categorical, Choice, Float, Int, Ordinal, Space
from trimtab.testing import strategies

NESTED = Space(
    lr=Float(1e-5, 1e-1, log=True),
    batch=Int(8, 64, powers_of=2),
    share=Float(0.0, 1.0, step=0.25),
    size=Ordinal(["s", "m", "l"]),
    opt=Choice(
        {"adam": Space(beta=Float(0.9, 0.999)), "sgd": Space(nest=Choice({"a": Space(k=Int(1, 3)), "b": None}))}
    ),
    kind=Categorical(["x", 1]),
)


@settings(max_examples=30)
@given(st.data())
def test_a_configuration_comes_back_as_it_was(data: st.DataObject) -> None:
    space = data.draw(strategies.spaces())
    params = data.draw(strategies.params(space))
    assert from_peer(space, json.loads(json.dumps(to_peer(space, params)))) == params


@pytest.mark.parametrize("training", TRAININGS)
def test_the_trainings_configurations_come_back(training: str) -> None:
    space = Training(training).space()
    params = space.default_params()
    assert from_peer(space, to_peer(space, params)) == params


def test_numbers_with_steps_and_powers_are_told_as_ordinals() -> None:
    columns = {column["name"]: column for column in columns_of(NESTED)}
    assert columns["batch"] | {"parent": None} == {
        "name": "batch",
        "kind": "ordinal",
        "low": 0,
        "high": 3,
        "log": False,
        "size": 4,
        "parent": None,
        "parent_values": [],
    }
    assert (columns["share"]["kind"], columns["share"]["size"]) == ("ordinal", 5)
    assert (columns["lr"]["kind"], columns["lr"]["log"], columns["lr"]["size"]) == ("float", True, None)
    assert (columns["opt.sgd.nest.a.k"]["parent"], columns["opt.sgd.nest.a.k"]["parent_values"]) == (
        "opt.sgd.nest",
        [0],
    )
    chosen = {"lr": 0.01, "batch": 2, "share": 3, "size": 2, "opt": 0, "opt.adam.beta": 0.95, "kind": 1}
    assert from_peer(NESTED, chosen) == {
        "lr": 0.01,
        "batch": 32,
        "share": 0.75,
        "size": "l",
        "opt": "adam",
        "opt.adam.beta": 0.95,
        "kind": 1,
    }


def test_inactive_coordinates_are_ignored_and_missing_ones_refused() -> None:
    flat = dict.fromkeys(NESTED.names, 0.0) | {"lr": 0.01, "opt": 1, "opt.sgd.nest": 1, "opt.adam.beta": 0.95}
    flat["opt.sgd.nest.a.k"] = 1
    assert "opt.adam.beta" not in from_peer(NESTED, flat)
    assert "opt.sgd.nest.a.k" not in from_peer(NESTED, flat)
    del flat["size"]
    with pytest.raises(InvalidParams):
        from_peer(NESTED, flat)


def test_rounding_at_a_bound_is_forgiven_and_no_more() -> None:
    space = Space(x=Float(0.1, 0.3), k=Int(1, 5))
    assert from_peer(space, {"x": 0.3 + 1e-9, "k": 5}) == {"x": 0.3, "k": 5}
    with pytest.raises(InvalidParams, match="left the range of 'x'"):
        from_peer(space, {"x": 0.31, "k": 5})
    with pytest.raises(InvalidParams, match="no integer for 'k'"):
        from_peer(space, {"x": 0.2, "k": 2.5})
