"""The trust region: it reaches the bottom, reads its radius off the history, and gives way where it cannot help."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from trimtab.base.history import History
from trimtab.base.outcomes import EndReason
from trimtab.base.records import Direction, Objective, Observation, Params, Suggestion
from trimtab.base.seeds import Key
from trimtab.space import Categorical, Choice, Float, Int, Ordinal, Space
from trimtab.testing.histories import Told, make_history
from trimtab.testing.tuner_kit import CONDITIONAL, CONSTRAINED, NUMBERS, SMALL, loss
from trimtab.tuners.values.quasi_random import sobol_raw
from trimtab.tuners.values.standing import FIRST, NAME
from trimtab.tuners.values.trust_region import AT_ONCE, TrustRegion, finish, local_step
from trimtab.tuners.values.view import View

Row = tuple[Params, Told, str]
"""A trial: its params, how it ended, and who proposed it."""

LINE = Space(x=Float(0.0, 1.0))
SQUARE = Space(x=Float(0.0, 1.0), y=Float(0.0, 1.0))
FOUR = Space({f"x{place}": Float(0.0, 1.0) for place in range(4)})


def history_of(
    space: Space, rows: Sequence[Row], pending: Sequence[tuple[Params, str]] = (), direction: Direction = "minimize"
) -> History[Space]:
    """A history that remembers the proposers, as a study does."""
    made = make_history(space, [(p, end) for p, end, _ in rows], [p for p, _ in pending], direction)
    names = [name for *_, name in rows] + [name for _, name in pending]
    trials = [trial.with_(tuner=name) for trial, name in zip(made, names, strict=True)]
    return History(made.study, space, trials, made.seq)


def run(
    function: Callable[[Params], Told], space: Space, seed: int, trials: int, enough: float = -math.inf
) -> list[Row]:
    """A study of so many trials, one after the other, or of fewer where one of them is good enough."""
    rows: list[Row] = []
    for number in range(trials):
        (found,) = TrustRegion().ask(history_of(space, rows), 1, Key(seed, number, "ask"))
        rows.append((found.params, function(found.params), found.tuner))
        if isinstance(rows[-1][1], float) and rows[-1][1] < enough:
            break
    return rows


def away(params: Params, centre: Sequence[float]) -> np.ndarray:
    return np.array(list(params.values()), dtype=np.float64) - np.array(centre)


def stepped(space: Space, rows: Sequence[Row], pending: Sequence[tuple[Params, str]] = ()) -> Params | None:
    """The local step after a history."""
    found = local_step(View(history_of(space, rows, pending)), Key(0, len(rows) + len(pending), "ask"))
    return None if found is None else space.decode(found[0])


CENTRE = (0.31, 0.72, 0.55, 0.13)


@pytest.mark.parametrize("seed", range(3))
def test_it_reaches_the_bottom_of_a_sphere(seed: int) -> None:
    rows = run(lambda p: float((away(p, CENTRE) ** 2).sum()), FOUR, seed, 60, enough=1e-6)
    assert rows[-1][1] < 1e-6
    assert rows[-1][2] == NAME


@pytest.mark.parametrize("seed", range(2))
def test_it_reaches_the_bottom_of_an_ill_conditioned_bowl(seed: int) -> None:
    weights = np.array([1.0, 1000.0, 10.0, 100.0])
    rows = run(lambda p: float(weights @ away(p, CENTRE) ** 2), FOUR, seed, 60, enough=1e-6)
    assert rows[-1][1] < 1e-6


def rosenbrock(params: Params) -> float:
    """A curved valley in the unit square, which no quadratic is; its minimum 0 is at (0.75, 0.5)."""
    x, y = 4.0 * float(params["x"]) - 2.0, 4.0 * float(params["y"]) - 1.0
    return (1.0 - x) ** 2 + 10.0 * (y - x * x) ** 2


@pytest.mark.parametrize("seed", range(2))
def test_it_reaches_the_bottom_of_what_is_no_quadratic(seed: int) -> None:
    assert run(rosenbrock, SQUARE, seed, 60, enough=1e-4)[-1][1] < 1e-4


def test_it_reaches_a_minimum_in_a_corner() -> None:
    # The ball is cut off by the space, whose edges a step may touch.
    assert run(lambda p: float(sum(p.values())), FOUR, 0, 60, enough=1e-6)[-1][1] < 1e-6


def told(*places: float, centre: float, name: str = "random") -> list[Row]:
    return [({"x": x}, (x - centre) ** 2, name) for x in places]


def test_a_step_goes_to_the_minimum_of_the_quadratic_where_it_is_near() -> None:
    found = stepped(LINE, told(0.3, 0.4, 0.5, 0.55, centre=0.44))
    assert found is not None
    assert found["x"] == pytest.approx(0.44, abs=1e-3)


def test_a_step_goes_no_farther_than_the_radius() -> None:
    found = stepped(LINE, told(0.1, 0.12, 0.14, centre=0.9))
    assert found is not None
    assert found["x"] == pytest.approx(0.14 + FIRST, abs=1e-6)


@pytest.mark.parametrize("change", [lambda y: y * 2.0**-600, lambda y: y * 2.0**600, lambda y: y + 0.5])
def test_the_units_of_the_losses_do_not_matter(change: Callable[[float], float]) -> None:
    # Values that are sums of a few powers of two, so that nothing is rounded.
    rows: list[Row] = [({"x": x}, (x - 0.375) ** 2, "random") for x in (0.125, 0.25, 0.5, 0.625, 0.75)]
    changed: list[Row] = [(p, change(float(y)), name) for p, y, name in rows]
    plain, found = stepped(LINE, rows), stepped(LINE, changed)
    assert plain is not None
    assert found is not None
    assert found["x"] == pytest.approx(plain["x"], abs=1e-6)


def test_maximising_is_minimising_what_is_negative() -> None:
    rows = told(0.3, 0.4, 0.5, 0.55, centre=0.44)
    negative: list[Row] = [(p, -float(y), name) for p, y, name in rows]
    upwards = local_step(View(history_of(LINE, negative, direction="maximize")), Key(0, 4, "ask"))
    assert upwards is not None
    assert LINE.decode(upwards[0]) == stepped(LINE, rows)


def test_below_the_smallest_radius_it_proposes_nothing() -> None:
    rows = [({"x": 0.5}, 0.0, "random"), ({"x": 0.75}, 1.0, "random"), ({"x": 0.25}, 1.0, "random")]
    rows += [({"x": 0.5 + FIRST * 0.5**place}, 1.0 + place, NAME) for place in range(80)]
    assert stepped(LINE, rows) is None
    (found,) = TrustRegion().ask(history_of(LINE, rows), 1, Key(0, len(rows), "ask"))
    assert found.tuner == "sobol"


CATEGORIES = Space(a=Categorical(list("abcde")), b=Categorical(list("uvwxyz")), c=Ordinal([1, 2, 4]))


@pytest.mark.parametrize("length", [0.06, 0.1, 0.2])
def test_no_step_is_shorter_than_one_that_told_the_best_again(length: float) -> None:
    rows = told(0.2, 0.4, 0.9, centre=0.44)
    again = ({"x": 0.4 + length}, rows[1][1])
    free = stepped(LINE, [*rows, (*again, "sobol")])
    assert free is not None
    assert abs(free["x"] - 0.4) < length
    held = stepped(LINE, [*rows, (*again, NAME)])
    assert held is None or abs(held["x"] - 0.4) >= length
    # What improves within that distance says that there is no plateau.
    assert stepped(LINE, [*rows, (*again, NAME), ({"x": 0.42}, 0.0, "sobol")]) is not None


def test_where_nothing_can_move_no_step_is_proposed() -> None:
    rows = [(params, loss(params), "random") for params in CATEGORIES.sample(np.random.default_rng(0), 20)]
    assert stepped(CATEGORIES, rows) is None
    assert finish(View(history_of(CATEGORIES, rows)), Key(0, 20, "ask")) is None
    assert {name for *_, name in run(loss, CATEGORIES, 0, 25)} == {"sobol"}


def test_it_moves_numbers_and_leaves_the_rest_as_it_is_at_the_best() -> None:
    space = Space(
        x=Float(0.0, 1.0),
        n=Int(1, 100),
        few=Int(1, 3),
        kind=Categorical(["a", "b"]),
        opt=Choice({"p": Space(z=Float(0.0, 1.0)), "q": Space(w=Float(0.0, 1.0))}),
    )

    def value(params: Params) -> float:
        return (float(params["x"]) - 0.4) ** 2 + (float(params["n"]) / 100 - 0.7) ** 2 + loss(params) / 1e3

    rows = [(params, value(params), "random") for params in space.sample(np.random.default_rng(0), 40)]
    best = min(rows, key=lambda row: float(row[1]))[0]
    found = stepped(space, rows)
    assert found is not None
    space.validate(found)
    assert found.keys() == best.keys()
    assert {name: found[name] for name in ("few", "kind", "opt")} == {
        name: best[name] for name in ("few", "kind", "opt")
    }
    assert found["x"] != best["x"]


@pytest.mark.parametrize("seed", range(2))
def test_steps_keep_the_constraints_of_the_space(seed: int) -> None:
    # The values fall towards where the constraints are broken.
    rows = run(lambda p: float(p["low"]) - float(p["high"]) + 0.1 * (int(p["k"]) - int(p["m"])), CONSTRAINED, seed, 30)
    for params, *_ in rows:
        CONSTRAINED.validate(params)
        assert CONSTRAINED.feasible(params)
    assert sum(name == NAME for *_, name in rows) >= 5


@pytest.mark.parametrize("space", [NUMBERS, CONDITIONAL, SMALL], ids=["numbers", "conditional", "small"])
def test_nothing_is_proposed_twice(space: Space) -> None:
    rows = run(loss, space, 0, 30)
    assert len({repr(sorted(params.items())) for params, *_ in rows}) == 30


def bowl_rows(count: int = 12) -> list[Row]:
    return [(p, float((away(p, CENTRE) ** 2).sum()), "random") for p in FOUR.sample(np.random.default_rng(0), count)]


def test_pending_steps_differ_and_are_not_without_end() -> None:
    rows = bowl_rows()
    found = TrustRegion().ask(history_of(FOUR, rows), AT_ONCE + 3, Key(0, 12, "ask"))
    coordinates = FOUR.encode_many([suggestion.params for suggestion in found])
    gaps = np.abs(coordinates[:, None] - coordinates[None]).max(axis=2)[np.triu_indices(len(found), 1)]
    assert gaps.min() > 1e-3
    names = [suggestion.tuner for suggestion in found]
    assert names[0] == NAME
    assert names[AT_ONCE:] == ["sobol"] * 3


def pairs(found: Sequence[Suggestion]) -> list[tuple[Params, str]]:
    return [(suggestion.params, suggestion.tuner) for suggestion in found]


def test_parallel_and_replayed_asks_give_the_same_answers() -> None:
    rows, tuner = bowl_rows(), TrustRegion()
    together = pairs(tuner.ask(history_of(FOUR, rows), 5, Key(0, 12, "ask")))
    assert NAME in {name for _, name in together}
    pending: list[tuple[Params, str]] = []
    for number in range(12, 17):
        pending += pairs(TrustRegion().ask(history_of(FOUR, rows, pending), 1, Key(0, number, "ask")))
    assert pending == together
    # What one worker asked for in between leaves no trace.
    tuner.ask(history_of(FOUR, rows[:7]), 3, Key(5, 3, "ask"))
    assert pairs(tuner.ask(history_of(FOUR, rows), 5, Key(0, 12, "ask"))) == together


def shared(function: Callable[[Params], Told], seed: int, trials: int) -> list[bool]:
    """Which trials are local steps where another tuner, here a Sobol sequence, has the rest."""
    rows: list[Row] = []
    for number in range(trials):
        key = Key(seed, number, "ask")
        step = finish(View(history_of(SQUARE, rows)), key)
        params = SQUARE.decode(sobol_raw(SQUARE, key) if step is None else step[0])
        rows.append((params, function(params), "sobol" if step is None else NAME))
    return [name == NAME for *_, name in rows]


def test_the_finish_takes_most_trials_while_they_pay_and_gives_way_to_noise() -> None:
    paying = [shared(rosenbrock, seed, 24) for seed in range(2)]
    rng = np.random.default_rng(0)
    noisy = [shared(lambda _: float(rng.normal()), seed, 50) for seed in range(2)]
    assert np.mean([row[4:] for row in paying]) > 0.6
    assert np.mean([row[20:] for row in noisy]) < 0.6


def test_alone_it_draws_anew_where_nothing_but_noise_is_left() -> None:
    rng = np.random.default_rng(0)
    names = [name for *_, name in run(lambda _: float(rng.normal()), LINE, 0, 50)]
    assert NAME in names
    assert names[20:].count("sobol") > 10


@pytest.mark.parametrize("end", [None, EndReason.OUT_OF_MEMORY, math.nan, Observation(0.0, constraints={"c": 1.0})])
def test_without_a_good_trial_it_covers_the_space(end: Told) -> None:
    assert {name for *_, name in run(lambda _: end, NUMBERS, 0, 12)} == {"sobol"}


def test_several_objectives_get_no_local_step() -> None:
    rows = [(params, Observation({"a": 1.0, "b": 2.0})) for params in NUMBERS.sample(np.random.default_rng(0), 12)]
    history = make_history(NUMBERS, rows, objectives=[Objective("a"), Objective("b")])
    assert TrustRegion().ask(history, 1, Key(0, 12, "ask"))[0].tuner == "sobol"


def test_a_step_says_how_it_was_found() -> None:
    found = TrustRegion().ask(history_of(LINE, told(0.3, 0.4, 0.5, 0.55, centre=0.44)), 1, Key(0, 4, "ask"))
    assert (
        found[0].why
        == f"lowest plausible value of a quadratic model of 4 trials in a trust region of radius {FIRST:.2g}"
    )


def test_the_name_is_the_one_by_which_its_steps_are_told_apart() -> None:
    assert TrustRegion.name == NAME
