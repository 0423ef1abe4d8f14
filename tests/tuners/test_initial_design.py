"""The initial design: defaults, priors, the Sobol sequence, and no configuration twice while others are there."""

from __future__ import annotations

import numpy as np
import pytest

from trimtab.base.seeds import Key
from trimtab.space import Categorical, Float, Int, Ordered, Space
from trimtab.tuners.values import initial_design
from trimtab.tuners.values.initial_design import design_point
from trimtab.tuners.values.quasi_random import sobol_raw
from trimtab.tuners.values.untried import keys

KEY = Key(0, 3, "ask")
LARGE = Space(a=Int(1, 100), b=Int(1, 100))


def test_a_default_that_was_tried_is_not_proposed_again() -> None:
    space = Space(x=Float(0.0, 1.0, default=0.25))
    found = design_point(space, set(), KEY)
    assert found is not None
    assert found[0].tolist() == [0.25]
    again = design_point(space, set(keys(found[0][None, :])), KEY)
    assert again is not None
    assert again[1] == "Sobol point 3"


def test_a_default_beside_the_constraints_is_moved_or_left_out() -> None:
    space = Space(a=Float(0.0, 1.0, default=0.9), b=Float(0.0, 1.0, default=0.1)).require(Ordered("a", "b"))
    found = design_point(space, set(), KEY)
    assert found is not None
    assert space.feasible_many(found[0][None, :])[0]


def test_a_tried_sobol_point_of_a_large_space_gives_way_to_a_draw() -> None:
    own = sobol_raw(LARGE, KEY)
    found = design_point(LARGE, set(keys(own[None, :])), KEY)
    assert found is not None
    assert found[0].tolist() != own.tolist()
    assert found[1] == "a random draw, because Sobol point 3 was tried"


def test_where_no_other_is_found_the_same_is_proposed(monkeypatch: pytest.MonkeyPatch) -> None:
    own = sobol_raw(LARGE, KEY)
    monkeypatch.setattr(initial_design, "ATTEMPTS", 0)
    found = design_point(LARGE, set(keys(own[None, :])), KEY)
    assert found is not None
    assert found[0].tolist() == own.tolist()
    assert found[1] == "Sobol point 3, tried before"


def test_a_small_space_runs_out() -> None:
    space = Space(k=Categorical(["a", "b"]))
    assert design_point(space, set(keys(np.array([[0.0], [1.0]]))), KEY) is None
    found = design_point(space, set(keys(np.array([[0.0]]))), KEY)
    assert found is not None
    assert found[0].tolist() == [1.0]
