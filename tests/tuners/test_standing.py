"""Where a local search stands: the fold against a slow twin, and what each rule is for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.surrogates.evidence import Evidence
from trimtab.tuners.values.standing import (
    FIRST,
    LARGEST,
    NAME,
    RECENT,
    SHARE,
    SMALLEST,
    WORTH,
    Standing,
    after,
    first_radius,
    is_local_turn,
    standing,
)


def standing_twin(losses: Sequence[float], unit: np.ndarray, local: Sequence[bool], shape: np.ndarray) -> Standing:
    """The fold by its rules, each on its own, from the whole history at each place."""
    finite = sorted(loss for loss in losses if not math.isnan(loss))
    worth = WORTH * (finite[(len(finite) - 1) // 2] - finite[0]) if finite else 0.0
    free = sum(not math.isnan(side) for side in shape)
    first_one = FIRST / math.cbrt(max(free, 1))
    radius, paid, steps = first_one, -1, list[float]()
    for place, value in enumerate(losses):
        before = [earlier for earlier in losses[:place] if not math.isnan(earlier)]
        improved = not math.isnan(value) and (not before or value < min(before))
        if improved and (not before or min(before) - value > worth):
            paid = place
        if before:
            best = list(losses).index(min(before))
            gaps = [
                abs(np.nan_to_num(unit[place, column]) - np.nan_to_num(unit[best, column])) / side
                for column, side in enumerate(shape)
                if not math.isnan(side)
            ]
            length = math.hypot(*gaps)
        else:
            length = 1.0
        if local[place] and before and value == min(before):
            steps.append(length)
        if improved and length < max(steps, default=0.0):
            steps.clear()
        if local[place] and improved:
            radius = min(LARGEST, max(radius, 2.0 * length))
        elif local[place]:
            half = min(radius, max(length, radius / 5.0)) / 2.0
            # Of more than three columns, as many failures in a row as a third of them take it there.
            radius = half if free <= 3 else math.exp(math.log(radius) + 3 / free * math.log(half / radius))
        elif improved:
            radius = max(radius, min(first_one, 2.0 * length))
    run_local, run_other = 0, 0
    while run_local < len(local) and local[-1 - run_local]:
        run_local += 1
    while run_other < len(local) and not local[-1 - run_other]:
        run_other += 1
    own = [value for value, is_local in zip(losses, local, strict=True) if is_local]
    broken = 0
    while broken < len(own) and math.isnan(own[-1 - broken]):
        broken += 1
    least = min((loss for loss in losses if not math.isnan(loss)), default=math.inf)
    first = losses.index(least) if least in losses else len(losses)
    flat = any(loss == least and step for loss, step in list(zip(losses, local, strict=True))[first + 1 :])
    gains = []
    for whose in (True, False):
        gained, counted = 0.0, 0.0
        for place, value in enumerate(losses):
            before = [earlier for earlier in losses[:place] if not math.isnan(earlier)]
            share = RECENT ** (len(losses) - 1 - place) if local[place] == whose else 0.0
            counted += share
            if before and value < min(before):
                gained += share * (min(before) - value) / 2.0
        gains.append(gained / (1.0 + counted))
    return Standing(radius, sum(local[paid + 1 :]), broken, flat, max(steps, default=0.0), run_local, run_other, *gains)


@st.composite
def folds(draw: st.DrawFn) -> tuple[list[float], np.ndarray, list[bool], np.ndarray]:
    """Losses with ties and failures, coordinates with inactive ones, and a shape with fixed columns."""
    count, columns = draw(st.integers(0, 14)), draw(st.integers(1, 7))
    losses = draw(
        st.lists(st.sampled_from([math.nan, 0.0, 1.0, 1.00001, 2.0, 5.0, 9.0]), min_size=count, max_size=count)
    )
    coordinate = st.sampled_from([math.nan, 0.0, 0.1, 0.3, 0.35, 0.5, 0.9, 1.0])
    unit = [draw(st.lists(coordinate, min_size=columns, max_size=columns)) for _ in range(count)]
    local = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    shape = draw(st.lists(st.sampled_from([math.nan, 0.5, 1.0, 4.0]), min_size=columns, max_size=columns))
    return losses, np.array(unit).reshape(count, columns), local, np.array(shape)


@settings(max_examples=200, deadline=None)
@given(folds())
def test_the_standing_matches_its_twin(made: tuple[list[float], np.ndarray, list[bool], np.ndarray]) -> None:
    losses, unit, local, shape = made
    evidence = Evidence(unit, np.array(losses), np.zeros(len(losses)))
    found = standing(evidence, unit, np.array(local, dtype=np.bool_), shape)
    wanted = standing_twin(losses, unit, local, shape)
    floats = {"radius": 0.0, "plateau": 0.0, "gain": 0.0, "other_gain": 0.0}
    for name in floats:
        assert getattr(found, name) == pytest.approx(getattr(wanted, name), rel=1e-12)
    assert replace(found, **floats) == replace(wanted, **floats)


def stands(*trials: tuple[float, float, bool]) -> Standing:
    """After trials in one dimension: place, loss, whether it was a local step."""
    place, losses, local = (np.array(part) for part in zip(*trials, strict=True))
    return standing(Evidence(place[:, None], losses, np.zeros(len(losses))), place[:, None], local, np.ones(1))


def turns(state: Standing) -> tuple[float, int, int, int, int, int]:
    """All but the gains."""
    return state.radius, state.failures, state.broken, state.flat, state.since_other, state.since_local


OTHERS = ((0.5, 10.0, False), (0.9, 20.0, False), (0.1, 30.0, False))


def test_at_first_the_radius_is_the_first_one() -> None:
    assert stands(*OTHERS) == Standing(
        FIRST, failures=0, broken=0, flat=False, plateau=0.0, since_other=0, since_local=3, gain=0.0, other_gain=0.0
    )


def test_a_step_of_full_length_that_improved_doubles_the_radius() -> None:
    assert turns(stands(*OTHERS, (0.5 + FIRST, 1.0, True))) == (min(2 * FIRST, LARGEST), 0, 0, 0, 1, 0)


def test_a_short_step_that_improved_leaves_the_radius() -> None:
    assert turns(stands(*OTHERS, (0.5 + FIRST / 4, 1.0, True))) == (FIRST, 0, 0, 0, 1, 0)


def test_a_step_that_failed_halves_the_radius() -> None:
    assert turns(stands(*OTHERS, (0.5 + FIRST, 11.0, True))) == (FIRST / 2, 1, 0, 0, 1, 0)
    assert turns(stands(*OTHERS, (0.5 + FIRST, math.nan, True))) == (FIRST / 2, 1, 1, 0, 1, 0)


@pytest.mark.parametrize("columns", [3, 6, 12])
def test_among_many_columns_it_takes_more_failures_to_halve_the_radius(columns: int) -> None:
    centre, radius = np.full(columns, 0.5), first_radius(columns)
    assert radius == pytest.approx(FIRST / np.cbrt(columns))
    trials, losses = [centre], [10.0]
    for _ in range(columns // 3):
        trials.append(centre + radius / np.sqrt(columns))
        losses.append(11.0)
        local = np.arange(len(trials)) > 0
        evidence = Evidence(np.array(trials), np.array(losses), np.zeros(len(trials)))
        radius = standing(evidence, evidence.raw, local, np.ones(columns)).radius
    assert radius == pytest.approx(first_radius(columns) / 2)


def test_who_gains_more_of_late_gets_more_turns() -> None:
    local, other = (0.5 + FIRST / 4, 9.0, True), (0.7, 1.0, False)
    assert stands(*OTHERS, local).gain == pytest.approx(0.25)
    assert is_local_turn(stands(*OTHERS, local), 1)
    # The other gained more since: the turns are shared evenly.
    assert stands(*OTHERS, local, other).other_gain > stands(*OTHERS, local, other).gain
    assert is_local_turn(stands(*OTHERS, local, other), 1)
    assert not is_local_turn(stands(*OTHERS, local, other, (0.69, 0.9, True)), 1)
    # Long ago counts for nothing.
    steps = [(0.7 - k / 1000, 1.0 - k / 10, True) for k in range(1, 4)]
    idle = [(0.2 + k / 100, 12.0, False) for k in range(40)]
    assert is_local_turn(stands(*OTHERS, local, other, *idle, *steps), 1)


def test_pending_trials_take_turns_too() -> None:
    state = stands(*OTHERS, (0.5 + FIRST / 4, 9.0, True))
    assert (state.since_other, state.since_local) == (1, 0)
    assert after(state, []) == state
    assert turns(after(state, [NAME, NAME]))[4:] == (3, 0)
    assert turns(after(state, [NAME, "gp", "gp"]))[4:] == (0, 2)
    assert not is_local_turn(after(state, [NAME] * SHARE), 1)


def test_on_a_plateau_it_gives_up_its_turns() -> None:
    flat = (0.5 + FIRST / 2.0, 10.0, True)
    assert stands(*OTHERS, flat).flat
    assert not is_local_turn(stands(*OTHERS, flat), 1)
    assert not stands(*OTHERS, flat, (0.9, 1.0, False)).flat


def test_a_plateau_is_as_wide_as_the_longest_step_on_it_until_one_within_it_improves() -> None:
    steps = [(0.5 + FIRST / 2.0, 10.0, True), (0.5 - FIRST / 4.0, 10.0, True)]
    assert stands(*OTHERS, *steps).plateau == pytest.approx(FIRST / 2.0)
    assert stands(*OTHERS, *steps, (0.95, 1.0, False)).plateau == pytest.approx(FIRST / 2.0)
    assert stands(*OTHERS, *steps, (0.5 + FIRST / 3.0, 1.0, False)).plateau == 0.0


def test_others_that_do_not_improve_change_no_radius_and_forget_no_failure() -> None:
    failed = (0.5 + FIRST, 11.0, True)
    assert stands(*OTHERS, failed, (0.2, 12.0, False)) == replace(stands(*OTHERS, failed), since_other=0, since_local=1)


def test_another_that_improves_opens_the_radius_again() -> None:
    failures = [(0.5 + FIRST / 2**k, 11.0, True) for k in range(4)]
    assert stands(*OTHERS, *failures).radius == pytest.approx(FIRST / 16)
    assert turns(stands(*OTHERS, *failures, (0.9, 1.0, False))) == (FIRST, 0, 0, 0, 0, 1)


def test_a_gain_that_is_only_polish_is_still_a_failure() -> None:
    # The median of what was told, 20, lies 10 above the best before.
    others = (*OTHERS, (0.2, 20.0, False), (0.3, 25.0, False))
    assert stands(*others, (0.5 + FIRST, 10.0 - 2 * 10 * WORTH, True)).failures == 0
    polish = stands(*others, (0.5 + FIRST, 10.0 - 0.5 * 10 * WORTH, True))
    # It improved, so that the radius grows all the same.
    assert turns(polish) == (min(2 * FIRST, LARGEST), 1, 0, 0, 1, 0)


def test_repeated_failures_make_the_radius_as_small_as_need_be() -> None:
    trials, radius = list(OTHERS), FIRST
    for _ in range(40):
        trials.append((0.5 + radius, 11.0, True))
        radius = stands(*trials).radius
    assert radius < SMALLEST
