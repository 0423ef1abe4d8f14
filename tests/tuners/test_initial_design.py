"""The initial design: defaults, priors, the Sobol sequence, and no configuration twice while others are there."""

from __future__ import annotations

import numpy as np
import pytest

from trimtab.base.seeds import Key
from trimtab.space import Categorical, Float, Int, Linear, Normal, Ordered, Space
from trimtab.surrogates.untried import keys
from trimtab.testing.histories import make_history
from trimtab.tuners import make_tuner
from trimtab.tuners.values import initial_design
from trimtab.tuners.values.initial_design import INNER, design_point
from trimtab.tuners.values.quasi_random import sobol_raw

KEY = Key(0, 3, "ask")
LARGE = Space(a=Int(1, 100), b=Int(1, 100))


def first(space: Space, key: Key = KEY) -> np.ndarray:
    """What is proposed before anything was tried."""
    found = design_point(space, set(), key)
    assert found is not None
    return found[0]


def test_a_default_that_was_tried_is_not_proposed_again() -> None:
    space = Space(x=Float(0.0, 1.0, default=0.25))
    found = design_point(space, set(), KEY)
    assert found is not None
    assert found[0].tolist() == [0.25]
    assert found[1] == "the default configuration"
    again = design_point(space, set(keys(found[0][None, :])), KEY)
    assert again is not None
    assert again[1] == "Sobol point 3, drawn towards the middle"


def test_without_any_default_the_middle_comes_first() -> None:
    space = Space(x=Float(-2.0, 4.0), y=Float(1e-4, 1.0, log=True), n=Int(1, 9), k=Categorical(["a", "b"]))
    np.testing.assert_allclose(first(space), [1.0, 1e-2, 5.0, 0.0])


def test_the_mode_of_a_prior_counts_as_a_default() -> None:
    assert first(Space(x=Float(0.0, 1.0, prior=Normal(0.8, 0.1)), y=Float(0.0, 1.0))).tolist() == [0.8, 0.5]


def test_a_define_by_run_space_has_a_default_only_where_one_was_given() -> None:
    found = design_point(Space.traced({"x": Float(0.0, 1.0)}), set(), KEY)
    assert found is not None
    assert found[1] == "Sobol point 3, drawn towards the middle"
    assert first(Space.traced({"x": Float(0.0, 1.0, default=0.3)})).tolist() == [0.3]


def test_numbers_are_drawn_towards_the_middle_and_categories_are_not() -> None:
    space = Space(x=Float(-2.0, 4.0), y=Float(1e-4, 1.0, log=True), k=Categorical(list("abcde")))
    taken, seen = set(keys(first(space)[None, :])), set()
    for number in range(40):
        key = Key(0, number, "ask")
        found = design_point(space, taken, key)
        assert found is not None
        own = sobol_raw(space, key)
        unit, own_unit = space.to_unit(np.stack([found[0], own]))
        np.testing.assert_allclose(unit[:2] - 0.5, INNER * (own_unit[:2] - 0.5), atol=1e-12)
        assert found[0][2] == own[2]
        seen.add(found[0][2])
    assert seen == {0.0, 1.0, 2.0, 3.0, 4.0}


def test_where_the_space_is_to_be_covered_after_all_nothing_is_drawn_in() -> None:
    space = Space(x=Float(-2.0, 4.0), y=Float(1e-4, 1.0, log=True), k=Categorical(list("abcde")))
    taken = set(keys(first(space)[None, :]))
    for number in range(20):
        key = Key(0, number, "ask")
        found = design_point(space, taken, key, inwards=False)
        assert found is not None
        assert found[0].tolist() == sobol_raw(space, key).tolist()
        assert found[1] == f"Sobol point {number}"


def test_points_that_drawing_in_would_take_out_of_the_constraints_stay_where_they_are() -> None:
    # The middle is forbidden, so that points drawn in would be.
    space = Space(a=Float(0.0, 1.0), b=Float(0.0, 1.0)).require(Linear({"a": 1, "b": 1}, lower=1.5))
    taken, reasons = set(keys(first(space)[None, :])), set()
    for number in range(30):
        found = design_point(space, taken, Key(0, number, "ask"))
        assert found is not None
        assert space.feasible_many(found[0][None, :])[0]
        reasons.add(found[1].removeprefix(f"Sobol point {number}"))
    assert reasons == {""}


def test_a_default_beside_the_constraints_is_moved_or_left_out() -> None:
    space = Space(a=Float(0.0, 1.0, default=0.9), b=Float(0.0, 1.0, default=0.1)).require(Ordered("a", "b"))
    found = design_point(space, set(), KEY)
    assert found is not None
    assert space.feasible_many(found[0][None, :])[0]


def first_two(space: Space) -> tuple[np.ndarray, set[bytes]]:
    """The point that the trial's key gives once the default was tried, and the keys of both."""
    taken = set(keys(first(space)[None, :]))
    own = design_point(space, taken, KEY)
    assert own is not None
    return own[0], taken | set(keys(own[0][None, :]))


def test_a_tried_sobol_point_of_a_large_space_gives_way_to_a_draw() -> None:
    own, taken = first_two(LARGE)
    found = design_point(LARGE, taken, KEY)
    assert found is not None
    assert keys(found[0][None, :])[0] not in taken
    assert found[0].tolist() != own.tolist()
    assert found[1] == "a random draw, because Sobol point 3, drawn towards the middle was tried"


def test_where_no_other_is_found_the_same_is_proposed(monkeypatch: pytest.MonkeyPatch) -> None:
    own, taken = first_two(LARGE)
    monkeypatch.setattr(initial_design, "ATTEMPTS", 0)
    found = design_point(LARGE, taken, KEY)
    assert found is not None
    assert found[0].tolist() == own.tolist()
    assert found[1] == "Sobol point 3, drawn towards the middle, tried before"


def test_a_small_space_runs_out() -> None:
    space = Space(k=Categorical(["a", "b"]))
    assert design_point(space, set(keys(np.array([[0.0], [1.0]]))), KEY) is None
    found = design_point(space, set(keys(np.array([[0.0]]))), KEY)
    assert found is not None
    assert found[0].tolist() == [1.0]


@pytest.mark.parametrize("name", ["tpe", "evolution", "gp", "trust-region"])
def test_where_the_middle_fails_the_whole_space_is_covered(name: str) -> None:
    space = Space(x=Float(0.0, 1.0), y=Float(0.0, 1.0))
    failed = [space.default_params(), *space.sample(np.random.default_rng(0), 29)]
    history = make_history(space, [(row, None) for row in failed])
    asked = [make_tuner(name).ask(history, 1, Key(0, number, "ask"))[0].params for number in range(30, 50)]
    assert any(max(abs(float(params[c]) - 0.5) for c in "xy") > 0.3 for params in asked)
