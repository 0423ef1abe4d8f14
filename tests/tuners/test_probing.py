"""Probes: where they go, whose word they are taken for, and that a study asks for one at most."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from trimtab.base.history import History
from trimtab.base.records import Params
from trimtab.base.seeds import Key
from trimtab.space import Categorical, Choice, Float, Int, Space
from trimtab.surrogates.beside import STEP
from trimtab.surrogates.evidence import Evidence
from trimtab.testing.histories import make_history
from trimtab.tuners.values.gp import GaussianProcess
from trimtab.tuners.values.probing import is_waiting, probe
from trimtab.tuners.values.spacing import spaced, thinned
from trimtab.tuners.values.standing import NAME
from trimtab.tuners.values.view import View

SQUARE = Space(x=Float(0.0, 1.0), y=Float(1e-5, 10.0, log=True))
MIXED = Space(kind=Categorical(["a", "b"]), n=Int(1, 50), opt=Choice({"p": Space(z=Float(-3.0, 8.0)), "q": None}))


def told(unit: list[list[float]], losses: list[float], space: Space = SQUARE) -> Evidence:
    return Evidence(space.from_unit(np.array(unit)), np.array(losses), np.zeros(len(losses)))


def test_a_probe_that_repeats_is_left_out_of_the_global_model_and_one_that_differs_is_kept() -> None:
    unit = [[0.5, 0.5], [0.1, 0.9], [0.9, 0.2], [0.5 + STEP, 0.5]]
    assert thinned(told(unit, [1.0, 9.0, 5.0, 1.001]), SQUARE).losses.tolist() == [1.0, 9.0, 5.0]
    assert thinned(told(unit, [1.0, 9.0, 5.0, 1.1]), SQUARE).losses.tolist() == [1.0, 9.0, 5.0, 1.1]


@pytest.mark.parametrize("corner", [0.0, 0.3, 1.0])
def test_a_probe_is_beside_the_best_and_another_configuration(corner: float) -> None:
    params = SQUARE.decode(SQUARE.from_unit(np.array([[corner, corner]]))[0])
    view = View(make_history(SQUARE, [(params, 1.0), ({"x": 0.7, "y": 0.1}, 2.0)]))
    evidence = view.evidence(9)
    raw = probe(view, evidence, Key(0))
    assert raw is not None
    gaps = np.abs(SQUARE.to_unit(raw[None, :])[0] - corner)
    assert (gaps > 0.5 * STEP).all()
    assert (gaps < 1.5 * STEP).all()
    assert not is_waiting(view, evidence)
    view.propose(raw, "gp")
    assert is_waiting(view, evidence)


def test_what_is_not_continuous_stays_and_where_nothing_is_there_is_no_probe() -> None:
    best = next(p for p in MIXED.sample(np.random.default_rng(1), 50) if p["opt"] == "p")
    other = next(p for p in MIXED.sample(np.random.default_rng(2), 50) if p["opt"] == "q")
    for first, second, free in ((best, other, True), (other, best, False)):
        view = View(make_history(MIXED, [(first, 1.0), (second, 2.0)]))
        raw = probe(view, view.evidence(9), Key(0))
        assert (raw is not None) is free
        if raw is not None:
            changed = {name for name, value in MIXED.decode(raw).items() if value != first[name]}
            assert len(changed) == 1


@pytest.mark.parametrize("space", [Space(kind=Categorical(["a", "b"])), Space.traced({})])
def test_nothing_waits_beside_anything_where_nothing_is_continuous(space: Space) -> None:
    params = space.default_params()
    view = View(make_history(space, [(params, 1.0)]))
    view.propose(space.encode_many([params])[0], NAME)
    assert not is_waiting(view, view.evidence(9))


def study(function: Callable[[Params], float], seed: int, trials: int = 24) -> list[tuple[Params, float, str, str]]:
    """Configurations, values, proposers and reasons."""
    rows: list[tuple[Params, float, str, str]] = []
    for number in range(trials):
        made = make_history(SQUARE, [(params, value) for params, value, *_ in rows], seed=seed)
        named = [trial.with_(tuner=name) for trial, (_, _, name, _) in zip(made, rows, strict=True)]
        (found,) = GaussianProcess().ask(History(made.study, SQUARE, named, made.seq), 1, Key(seed, number, "ask"))
        rows.append((found.params, function(found.params), found.tuner, found.why or ""))
    return rows


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_roughness_lets_local_steps_go_on_and_noise_ends_them(noise: float) -> None:
    rng = np.random.default_rng(0)

    def value(params: Params) -> float:
        unit = SQUARE.to_unit(SQUARE.encode(params)[None, :])[0]
        ripple = float(np.sin(700.0 * unit[0] + 400.0 * unit[1])) if not noise else noise * float(rng.normal())
        return float(((unit - 0.4) ** 2).sum()) + 0.5 * ripple

    asked = study(value, 1)
    probes = [place for place, (*_, why) in enumerate(asked) if "noise from roughness" in why]
    assert len(probes) == 1
    after = [name for _, _, name, _ in asked[probes[0] + 1 :]]
    assert (after.count(NAME) > 0) is (noise == 0.0)


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_with_noise_trials_gather_where_it_is_good_and_without_they_keep_their_distance(noise: float) -> None:
    """What is spent beside the best tells it from the lucky, once local steps are none."""
    rng = np.random.default_rng(0)

    def value(params: Params) -> float:
        unit = SQUARE.to_unit(SQUARE.encode(params)[None, :])[0]
        return float(((unit - 0.4) ** 2).sum()) + noise * float(rng.normal())

    asked = study(value, 1, 40)
    raw, losses = SQUARE.encode_many([params for params, *_ in asked]), np.array([loss for _, loss, *_ in asked])
    crowded = [
        not spaced(Evidence(raw[:place], losses[:place], np.zeros(place)), SQUARE, raw[[place]])[0]
        for place, (_, _, name, why) in enumerate(asked)
        if place > 10 and name == "gp" and "beside" not in why
    ]
    assert any(crowded) is (noise > 0.0)
