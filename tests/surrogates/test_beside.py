"""Trials beside each other: which pairs there are by a slow twin, what proves noise, and what proves nothing."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.space import Categorical, Choice, Float, Int, Space
from trimtab.surrogates.beside import EXACT, STEP, agreement, beside, repeats, shows_noise
from trimtab.surrogates.evidence import Evidence

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


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40))
def test_pairs_over_a_mixed_space_match_all_pairs_looked_at(seed: int, count: int) -> None:
    """Clusters, repeated rows and inactive coordinates, against every pair by itself."""
    rng = np.random.default_rng(seed)
    raw = MIXED.encode_many(MIXED.sample(rng, 6))[rng.integers(0, 6, count)]
    z = MIXED.columns[-1].name
    column = [each.name for each in MIXED.columns].index(z)
    raw[:, column] += rng.choice([0.0, 1.0, 1.5, 3.0], count) * STEP * 11.0
    evidence = Evidence(raw, rng.choice([0.0, 1.0], count), np.zeros(count))
    unit = np.nan_to_num(MIXED.to_unit(raw), nan=-1.0)
    wanted = [
        (i, j)
        for i in range(count)
        for j in range(i + 1, count)
        if (np.abs(unit[i] - unit[j]) <= 2.0 * STEP).all() and (unit[i] != unit[j]).any()
    ]
    assert [tuple(pair) for pair in beside(evidence, MIXED)[0].tolist()] == wanted


def test_noise_is_shown_by_neighbours_that_differ_and_by_one_place_that_does() -> None:
    unit = [[0.5, 0.5], [0.1, 0.9], [0.9, 0.2], [0.5 + STEP, 0.5]]
    assert shows_noise(told(unit, [1.0, 9.0, 5.0, 1.1]), SQUARE)
    assert not shows_noise(told(unit, [1.0, 9.0, 5.0, 1.001]), SQUARE)
    assert not shows_noise(told(unit[:3], [1.0, 9.0, 5.0]), SQUARE)
    assert shows_noise(told([*unit[:3], unit[0]], [1.0, 9.0, 5.0, 1.1]), SQUARE)
    assert not shows_noise(told([*unit[:3], unit[0]], [1.0, 9.0, 5.0, 1.0]), SQUARE)
    assert not shows_noise(told([*unit[:3], unit[0]], [1.0, 9.0, 5.0, np.nan]), SQUARE)


@pytest.mark.parametrize("losses", [[], [1.0], [np.nan, np.nan]])
def test_fewer_than_two_losses_show_nothing(losses: list[float]) -> None:
    evidence = Evidence(np.full((len(losses), 2), 0.5), np.array(losses), np.zeros(len(losses)))
    assert not shows_noise(evidence, SQUARE)


def test_categories_alone_show_noise_where_one_of_them_told_two_losses() -> None:
    kinds = Space(kind=Categorical(["a", "b"]))
    raw = np.array([[0.0], [1.0], [0.0]])
    assert shows_noise(Evidence(raw, np.array([1.0, 2.0, 1.5]), np.zeros(3)), kinds)
    assert not shows_noise(Evidence(raw, np.array([1.0, 2.0, 1.0]), np.zeros(3)), kinds)
    assert agreement(Evidence(raw, np.array([1.0, 2.0, 1.5]), np.zeros(3)), kinds) is None


def test_asking_imports_no_scipy() -> None:
    """Every selection asks, and the command line should start at once."""
    code = "import sys, trimtab.surrogates.beside; sys.exit('scipy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_repeats_are_grouped_and_answers_of_a_cache_count_once() -> None:
    unit = [[0.5, 0.5], [0.1, 0.9], [0.5 + STEP, 0.5], [0.9, 0.2], [0.5, 0.5], [0.9, 0.2], [0.1, 0.9], [0.7, 0.7]]
    losses = [1.0, 9.0, 1.5, 5.0, 1.2, 5.0, 8.0, 2.0]
    assert [rows.tolist() for rows in repeats(told(unit, losses), SQUARE)] == [[0, 2, 4], [1, 6]]
    assert repeats(told(unit[:2], losses[:2]), SQUARE) == []
