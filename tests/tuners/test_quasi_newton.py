"""Descents: exact on quadratics, begun anew at the bottom, a function of the history, and silent where slopes lie."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import minimize

from trimtab.base.history import History
from trimtab.base.records import Observation, Params
from trimtab.base.seeds import Key
from trimtab.space import Categorical, Float, Space
from trimtab.testing.histories import Told, make_history
from trimtab.tuners.values.gp import GaussianProcess
from trimtab.tuners.values.quasi_newton import (
    FEW,
    FIRST_LOOK,
    NAME,
    SHARE,
    START,
    QuasiNewton,
    descend,
    finish,
)
from trimtab.tuners.values.view import View

Row = tuple[Params, Told, str]
"""A trial: its params, what it told, and who proposed it."""

FOUR = Space({f"x{place}": Float(0.0, 1.0) for place in range(4)})
MANY = Space({f"x{place}": Float(0.0, 1.0) for place in range(FEW + 1)})
CENTRE = np.array([0.31, 0.72, 0.55, 0.13])
WEIGHTS = np.array([1.0, 1000.0, 10.0, 100.0])


def history_of(space: Space, rows: Sequence[Row], pending: Sequence[tuple[Params, str]] = ()) -> History[Space]:
    """A history that remembers the proposers, as a study does."""
    made = make_history(space, [(p, end) for p, end, _ in rows], [p for p, _ in pending])
    names = [name for *_, name in rows] + [name for _, name in pending]
    trials = [trial.with_(tuner=name) for trial, name in zip(made, names, strict=True)]
    return History(made.study, space, trials, made.seq)


def run(function: Callable[[Params], Observation], space: Space, seed: int, trials: int) -> list[Row]:
    """A study of so many trials, one after the other."""
    rows: list[Row] = []
    for number in range(trials):
        (found,) = QuasiNewton().ask(history_of(space, rows), 1, Key(seed, number, "ask"))
        rows.append((found.params, function(found.params), found.tuner))
    return rows


def bowl(params: Params) -> Observation:
    """An ill-conditioned quadratic with its gradient."""
    away = np.array(list(params.values())) - np.resize(CENTRE, len(params))
    weights = np.resize(WEIGHTS, len(params))
    return Observation(
        float(0.5 * weights @ away**2), gradient=dict(zip(params, (weights * away).tolist(), strict=True))
    )


def values(rows: Sequence[Row]) -> list[float]:
    return [told.values["value"] for _, told, _ in rows if isinstance(told, Observation)]


def test_it_reaches_the_bottom_of_an_ill_conditioned_bowl() -> None:
    rows = run(bowl, FOUR, 0, 25)
    assert min(values(rows)) < 1e-6
    assert rows[0][2] == "sobol"
    assert rows[1][2] == NAME


def test_it_takes_no_more_trials_than_l_bfgs_b_takes_evaluations_and_a_few() -> None:
    def evaluated(place: np.ndarray) -> tuple[float, np.ndarray]:
        told = bowl(dict(zip(FOUR, place.tolist(), strict=True)))
        seen.append(told.values["value"])
        return seen[-1], np.array(list(told.gradient.values()))

    seen: list[float] = []
    minimize(evaluated, np.full(4, 0.5), jac=True, method="L-BFGS-B", bounds=[(0.0, 1.0)] * 4)
    reached = next(place for place, value in enumerate(values(run(bowl, FOUR, 0, 40))) if value < 1e-4)
    assert reached <= next(place for place, value in enumerate(seen) if value < 1e-4) + 5


def test_a_minimum_at_the_edge_is_met() -> None:
    def slope(params: Params) -> Observation:
        away = np.array([params[name] for name in FOUR]) - np.array([-0.2, 0.5, 1.3, 0.4])
        return Observation(float(away @ away), gradient=dict(zip(FOUR, (2.0 * away).tolist(), strict=True)))

    best = min(run(slope, FOUR, 1, 15), key=lambda row: row[1].values["value"])[0]
    assert np.allclose(list(best.values()), [0.0, 0.5, 1.0, 0.4], atol=1e-3)


def test_a_curvature_of_zero_is_followed_to_the_end_of_the_space() -> None:
    # The slopes at 1, 0.75 and 0.5 make a curvature of 8 and then of exactly 0.
    told = {1.0: (1.0, 3.0), 0.75: (0.5, 1.0), 0.5: (0.25, 1.0)}
    rows: list[Row] = [
        ({"x": x}, Observation(value, gradient={"x": slope}), NAME) for x, (value, slope) in told.items()
    ]
    found = descend(View(history_of(Space(x=Float(0.0, 1.0)), rows)), Key(0, 3, "ask"))
    assert found is not None
    assert found[1] == NAME
    assert 0.0 <= found[0][0] < 0.5


def double_well(params: Params) -> Observation:
    """Two minima: a shallow one at 0.25, where descents from the middle end, and the deep one at 0.9."""
    x = params["x"]
    value = 20.0 * (x - 0.25) ** 2 * (x - 0.9) ** 2 - 0.05 * x
    slope = 40.0 * (x - 0.25) * (x - 0.9) * (2.0 * x - 1.15) - 0.05
    return Observation(value, gradient={"x": slope})


@pytest.mark.parametrize("seed", range(3))
def test_descents_from_other_starts_find_the_deeper_minimum(seed: int) -> None:
    rows = run(double_well, Space(x=Float(0.0, 1.0)), seed, 40)
    assert START in [name for *_, name in rows]
    first = [name for *_, name in rows].index(START)
    assert min(values(rows)) <= min(values(rows[:first]))
    assert min(values(rows)) == pytest.approx(-0.05 * 0.9, abs=1e-3)


def test_parameters_without_derivatives_stay_as_they_are() -> None:
    space = Space(kind=Categorical(["a", "b"]), x=Float(0.0, 1.0), z=Float(1e-3, 1e3, log=True))

    def told(params: Params) -> Observation:
        x, log = params["x"] - 0.3, math.log(params["z"])
        value = (params["kind"] == "b") + x * x + 0.1 * (log - 1.0) ** 2
        return Observation(value, gradient={"x": 2.0 * x, "z": 0.2 * (log - 1.0) / params["z"]})

    start = {"kind": "b", "x": 0.9, "z": 1.0}
    rows: list[Row] = [(start, told(start), "gp")]
    for number in range(1, 12):
        found = descend(View(history_of(space, rows)), Key(0, number, "ask"))
        assert found is not None
        rows.append((space.decode(found[0]), told(space.decode(found[0])), found[1]))
    steps = rows[1 : next(place for place, row in enumerate(rows) if row[2] == START)]
    assert {row[0]["kind"] for row in steps} == {"b"}
    assert steps[-1][0]["x"] == pytest.approx(0.3, abs=0.01)
    assert math.log(steps[-1][0]["z"]) == pytest.approx(1.0, abs=0.05)


def test_the_answer_depends_on_what_was_told_and_not_on_who_asks() -> None:
    rows = run(bowl, FOUR, 0, 9)
    here = Key(0, 9, "ask")
    warm, fresh = QuasiNewton(), QuasiNewton()
    warm.ask(history_of(FOUR, rows[:4]), 1, Key(0, 4, "ask"))
    assert warm.ask(history_of(FOUR, rows), 1, here) == fresh.ask(history_of(FOUR, rows), 1, here)


def test_a_second_step_waits_for_the_first() -> None:
    rows = run(bowl, FOUR, 0, 6)
    (step,) = QuasiNewton().ask(history_of(FOUR, rows), 1, Key(0, 6, "ask"))
    waiting = history_of(FOUR, rows, [(step.params, step.tuner)])
    assert step.tuner == NAME
    assert descend(View(waiting), Key(0, 7, "ask")) is None
    (other,) = QuasiNewton().ask(waiting, 1, Key(0, 7, "ask"))
    assert other.tuner == "sobol"


@pytest.mark.parametrize("lie", [lambda g: -g, lambda g: 1e3 * g], ids=["opposite", "far too steep"])
def test_slopes_that_are_not_those_of_the_values_end_the_descents(lie: Callable[[float], float]) -> None:
    def told(params: Params) -> Observation:
        true = bowl(params)
        return Observation(true.values["value"], gradient={name: lie(slope) for name, slope in true.gradient.items()})

    rows = run(told, FOUR, 0, 40)
    assert sum(name == NAME for *_, name in rows) <= 12
    assert rows[-1][2] == "sobol"


def test_noise_ends_the_descents() -> None:
    rng = np.random.default_rng(0)

    def told(params: Params) -> Observation:
        away = np.array([params[name] for name in FOUR]) - CENTRE
        noisy = 2.0 * away + rng.normal(0.0, 3.0, 4)
        return Observation(float(away @ away + rng.normal(0.0, 1.0)), gradient=dict(zip(FOUR, noisy, strict=True)))

    rows = run(told, FOUR, 0, 60)
    assert sum(name in (NAME, START) for *_, name in rows) < 40


@pytest.mark.parametrize(
    "told",
    [
        Observation(1.0),
        Observation(math.nan, gradient={"x0": 1.0}),
        Observation(1.0, gradient={"x0": math.nan, "x1": math.inf}),
    ],
    ids=["no gradient", "no value", "not finite"],
)
def test_without_derivatives_it_covers_the_space(told: Observation) -> None:
    rows: list[Row] = [(params, told, "sobol") for params in FOUR.sample(np.random.default_rng(0), 5)]
    found = QuasiNewton().ask(history_of(FOUR, rows), 2, Key(0, 5, "ask"))
    assert [suggestion.tuner for suggestion in found] == ["sobol", "sobol"]


@pytest.mark.parametrize("scale", [1e-300, 1e-8, 1e8, 1e250, 1e300])
def test_losses_of_any_size(scale: float) -> None:
    def told(params: Params) -> Observation:
        true = bowl(params)
        return Observation(
            scale * true.values["value"], gradient={name: scale * slope for name, slope in true.gradient.items()}
        )

    rows = run(told, FOUR, 0, 25)
    assert len(rows) == 25
    if 1e-300 < scale < 1e250:
        assert min(values(rows)) < 1e-6 * scale


def test_failed_steps_are_pulled_back() -> None:
    rows = run(bowl, FOUR, 0, 4)
    tried = []
    for number in range(4, 7):
        found = descend(View(history_of(FOUR, rows)), Key(0, number, "ask"))
        assert found is not None
        tried.append(FOUR.to_unit(found[0][None, :])[0])
        rows.append((FOUR.decode(found[0]), None, NAME))
    centre = np.array(list(min(rows[:4], key=lambda row: row[1].values["value"])[0].values()))
    reaches = [float(np.abs(place - centre).max()) for place in tried]
    assert reaches[0] > reaches[1] > reaches[2]


@pytest.mark.parametrize(("space", "looks"), [(FOUR, FIRST_LOOK * 4), (MANY, 1)])
def test_a_shared_study_gives_the_first_descent_all_turns_and_later_ones_most(space: Space, looks: int) -> None:
    """In few dimensions after a first look by the other tuner, in many from the first trial on."""
    rows: list[Row] = []
    for number in range(60):
        found = finish(View(history_of(space, rows)), Key(0, number, "ask"))
        params = space.sample(np.random.default_rng(number), 1)[0] if found is None else space.decode(found[0])
        rows.append((params, bowl(params), "gp" if found is None else found[1]))
    names = [name for *_, name in rows]
    assert set(names[:looks]) == {"gp"}
    first = names.index("gp", looks)
    assert set(names[looks:first]) == {NAME}
    assert names[first + 1] == START
    last = names[first:]
    assert max(len(run) for run in "".join("g" if name == "gp" else "d" for name in last).split("g")) <= SHARE
    assert all(before == "gp" for before, name in pairwise(names) if name == START)


def test_the_gaussian_process_shares_its_study_with_descents() -> None:
    tuner, rows = GaussianProcess(), []
    for number in range(30):
        (found,) = tuner.ask(history_of(FOUR, rows), 1, Key(0, number, "ask"))
        rows.append((found.params, bowl(found.params), found.tuner))
    assert {"gp", NAME} <= {name for *_, name in rows}
    assert min(values(rows)) < 1e-6
