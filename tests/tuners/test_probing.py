"""Probes: what lies beside what, whose word they are taken for, and that a study asks for one at most."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.base.history import History
from trimtab.base.records import Params
from trimtab.base.seeds import Key
from trimtab.space import Categorical, Choice, Float, Int, Space
from trimtab.surrogates.evidence import Evidence
from trimtab.testing.histories import make_history
from trimtab.tuners.values.gp import GaussianProcess
from trimtab.tuners.values.probing import EXACT, STEP, agreement, beside, is_waiting, probe
from trimtab.tuners.values.spacing import thinned
from trimtab.tuners.values.standing import NAME
from trimtab.tuners.values.view import View

SQUARE = Space(x=Float(0.0, 1.0), y=Float(1e-5, 10.0, log=True))
MIXED = Space(kind=Categorical(["a", "b"]), n=Int(1, 50), opt=Choice({"p": Space(z=Float(-3.0, 8.0)), "q": None}))


def told(unit: list[list[float]], losses: list[float], space: Space = SQUARE) -> Evidence:
    return Evidence(space.from_unit(np.array(unit)), np.array(losses), np.zeros(len(losses)))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([0.0, STEP, 1.5 * STEP, 0.3]), st.sampled_from([np.nan, 0.0, 0.004, 0.006, 1.0, 9.0])
        ),
        min_size=1,
        max_size=8,
    )
)
def test_pairs_match_their_twin(rows: list[tuple[float, float]]) -> None:
    line = Space(x=Float(0.0, 1.0))
    losses = [loss for _, loss in rows]
    pairs, equal = beside(told([[x] for x, _ in rows], losses, line), line)
    wanted = {}
    for later in range(len(rows)):
        for earlier in range(later):
            gap = abs(rows[later][0] - rows[earlier][0])
            if 0.0 < gap <= 2.0 * STEP and np.isfinite([losses[later], losses[earlier]]).all():
                before = sorted(loss for loss in losses[:later] if np.isfinite(loss))
                reach = before[(len(before) - 1) // 2] - before[0]
                wanted[earlier, later] = abs(losses[later] - losses[earlier]) <= EXACT * reach
    assert {tuple(pair): bool(same) for pair, same in zip(pairs.tolist(), equal.tolist(), strict=True)} == wanted


def test_a_word_once_given_stands() -> None:
    unit = [[0.5, 0.5], [0.1, 0.9], [0.9, 0.2], [0.5 + STEP, 0.5]]
    near, far = told(unit, [1.0, 9.0, 5.0, 1.001]), told(unit, [1.0, 9.0, 5.0, 1.1])
    assert agreement(near, SQUARE) is True
    assert agreement(far, SQUARE) is False
    assert agreement(told(unit[:3], [1.0, 9.0, 5.0]), SQUARE) is None
    # Later trials lie within a thousandth of the best, and change nothing about the pair.
    later = [[0.5, 0.5 + 0.01 * k] for k in range(1, 9)]
    assert agreement(told(unit + later, [1.0, 9.0, 5.0, 1.001, *([0.999] * 8)]), SQUARE) is True
    # One configuration told twice is no evidence.
    assert agreement(told([[0.5, 0.5]] * 2, [1.0, 2.0]), SQUARE) is None


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


def study(function: Callable[[Params], float], seed: int, trials: int = 24) -> list[tuple[str, str]]:
    """The proposers and reasons of a study."""
    rows: list[tuple[Params, float, str]] = []
    out = []
    for number in range(trials):
        made = make_history(SQUARE, [(params, value) for params, value, _ in rows], seed=seed)
        named = [trial.with_(tuner=name) for trial, (*_, name) in zip(made, rows, strict=True)]
        (found,) = GaussianProcess().ask(History(made.study, SQUARE, named, made.seq), 1, Key(seed, number, "ask"))
        rows.append((found.params, function(found.params), found.tuner))
        out.append((found.tuner, found.why or ""))
    return out


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_roughness_lets_local_steps_go_on_and_noise_ends_them(noise: float) -> None:
    rng = np.random.default_rng(0)

    def value(params: Params) -> float:
        unit = SQUARE.to_unit(SQUARE.encode(params)[None, :])[0]
        ripple = float(np.sin(700.0 * unit[0] + 400.0 * unit[1])) if not noise else noise * float(rng.normal())
        return float(((unit - 0.4) ** 2).sum()) + 0.5 * ripple

    asked = study(value, 1)
    probes = [place for place, (_, why) in enumerate(asked) if "noise from roughness" in why]
    assert len(probes) == 1
    after = [name for name, _ in asked[probes[0] + 1 :]]
    assert (after.count(NAME) > 0) is (noise == 0.0)
