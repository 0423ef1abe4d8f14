"""The lattice numbers every configuration once, on nested spaces too."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings

from trimtab.space import Bool, Categorical, Choice, Float, Int, Ordinal, Space
from trimtab.space.lattice import Lattice
from trimtab.surrogates.untried import keys
from trimtab.testing.strategies import spaces


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(space=spaces())
def test_every_configuration_of_a_finite_space_has_one_number(space: Space) -> None:
    assume(space.size is not None and space.size <= 3000)
    lattice = Lattice(space)
    assert lattice.size == space.size
    raw = lattice.raw(np.arange(lattice.size))
    assert len(set(keys(raw))) == lattice.size
    for params in space.decode_many(raw[:: max(1, len(raw) // 20)]):
        space.validate(params)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(space=spaces())
def test_levels_lie_in_any_space(space: Space) -> None:
    lattice = Lattice(space, 3)
    numbers = np.unique(np.linspace(0, min(lattice.size, 10**6) - 1, 30).astype(np.int64))
    raw = lattice.raw(numbers)
    assert len(set(keys(raw))) == len(numbers)
    for params in space.decode_many(raw):
        space.validate(params)


def test_the_order_is_that_of_a_number_and_the_last_parameter_is_fastest() -> None:
    space = Space(a=Int(1, 2), opt=Choice({"p": Space(q=Bool()), "r": None}), k=Categorical(["x", "y"]))
    rows = space.decode_many(Lattice(space).raw(np.arange(6)))
    assert [(r["a"], r["opt"], r.get("opt.p.q"), r["k"]) for r in rows] == [
        (1, "p", False, "x"), (1, "p", False, "y"), (1, "p", True, "x"),
        (1, "p", True, "y"), (1, "r", None, "x"), (1, "r", None, "y"),
    ]  # fmt: skip


def test_levels_are_even_on_the_scale_and_hold_both_ends() -> None:
    space = Space(x=Float(1e-4, 1.0, log=True), n=Int(0, 100), level=Ordinal(list(range(50))))
    lattice = Lattice(space, 5)
    rows = space.decode_many(lattice.raw(np.arange(lattice.size)))
    np.testing.assert_allclose(sorted({r["x"] for r in rows}), [1e-4, 1e-3, 1e-2, 1e-1, 1.0])
    assert sorted({r["n"] for r in rows}) == [0, 25, 50, 75, 100]
    assert sorted({r["level"] for r in rows}) == [0, 12, 24, 37, 49]
    assert lattice.size == 125


def test_numbers_beyond_machine_integers() -> None:
    space = Space({f"x{place}": Float(0.0, 1.0) for place in range(60)})
    lattice = Lattice(space, 10)
    assert lattice.size == 10**60
    last = lattice.raw(np.array([0, 10**60 - 1, 9 * 10**59], dtype=object))
    np.testing.assert_allclose(last[:2], [np.zeros(60), np.ones(60)])
    np.testing.assert_allclose(last[2], [1.0] + [0.0] * 59)


def test_a_continuous_parameter_has_no_list_of_values() -> None:
    with pytest.raises(ValueError, match="parameter 'x' is continuous"):
        Lattice(Space(x=Float(0.0, 1.0)))


def test_an_empty_space_has_one_configuration() -> None:
    assert Lattice(Space()).size == 1
    assert Lattice(Space()).raw(np.arange(1)).shape == (1, 0)
