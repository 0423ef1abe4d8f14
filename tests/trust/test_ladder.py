"""The Ladder: slow twins, what is proven of it, the boosting attack, and restarts."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument
from trimtab.base.seeds import Key
from trimtab.trust.holdout import FreeLadder, HoldoutAnswer, HoldoutState, Ladder, fold_answers, ladder_error
from trimtab.trust.holdout.accounting import ladder_step

NONE, KEY = np.zeros(0), Key(0)
Losses = NDArray[np.float64]


def climb(mechanism: Ladder | FreeLadder, submissions: Losses) -> list[HoldoutAnswer]:
    """The answers to submissions in turn."""
    state, answers = HoldoutState(), []
    for losses in submissions:
        answers.append(mechanism.answer(state, NONE, losses, KEY))
        state = state.advanced(answers[-1])
    return answers


def submissions(count: int, size: int, seed: int) -> Losses:
    """0/1 losses of ever better models."""
    rng = np.random.default_rng(seed)
    return (rng.random((count, size)) < np.linspace(0.6, 0.2, count)[:, None]).astype(np.float64)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=30), st.sampled_from([1.0, 0.3, 0.1, 1 / 12, 0.01]))
def test_the_best_so_far_is_a_step_at_most_from_the_least_loss(errors: list[int], step: float) -> None:
    rows = np.array([np.arange(40) < count for count in errors], dtype=np.float64)
    told = [answer.value for answer in climb(Ladder(40, step), rows)]
    least = np.minimum.accumulate(rows.mean(axis=1))
    assert np.abs(np.array(told) - least).max() <= step + 1e-12
    assert all(later <= earlier for earlier, later in itertools.pairwise(told))
    assert np.allclose(np.array(told) / step, np.round(np.array(told) / step))
    # It falls once for each level at most, which is what the proof counts.
    assert len(set(told)) <= round(1 / step) + 1


@pytest.mark.parametrize(("rounds", "levels"), [(1, 2), (3, 2), (4, 3), (6, 5)])
def test_the_proof_counts_every_function_that_can_be_asked(rounds: int, levels: int) -> None:
    """One next submission for every transcript of fewer rounds, a sequence of levels that never rises."""
    transcripts = sum(
        sum(list(path) == sorted(path, reverse=True) for path in itertools.product(range(levels), repeat=length))
        for length in range(rounds)
    )
    step, size, beta = 1.0 / (levels - 1), 50, 0.1
    deviation = 2.0 * transcripts * math.exp(-2.0 * size * (ladder_error(size, rounds, step, beta) - step) ** 2)
    assert deviation == pytest.approx(beta / (rounds * (rounds + 1)))


def test_the_proven_error_falls_like_the_third_root_of_the_examples() -> None:
    rounds = 10**6
    errors = [ladder_error(size, rounds, ladder_step(size, rounds)) for size in (10**4, 10**7)]
    assert 9.0 < errors[0] / errors[1] < 12.0
    assert ladder_error(10**4, 10**6, 0.05) < 1.5 * ladder_error(10**4, 10**3, 0.05)
    best = ladder_step(1000, 10_000)
    assert all(ladder_error(1000, 10_000, best) <= ladder_error(1000, 10_000, step) for step in (0.02, 0.05, 0.2, 0.5))


def test_the_stated_error_holds_under_hill_climbing() -> None:
    size, rounds = 500, 2000
    ladder = Ladder.for_queries(size, rounds)
    for seed in range(5):
        rng = np.random.default_rng(seed)
        votes, state, naive = np.zeros(size), HoldoutState(), 0.5
        for _ in range(rounds):
            tried = votes + rng.standard_normal(size)
            losses = (tried < 0).astype(np.float64)
            answer = ladder.answer(state, NONE, losses, KEY)
            state = state.advanced(answer)
            assert abs(answer.value - 0.5) <= ladder.stated_error(state)
            if losses.mean() < naive:  # an analyst with more than the Ladder tells
                votes, naive = tried, losses.mean()
        assert naive < 0.42


@pytest.mark.parametrize("seed", range(3))
def test_the_free_ladder_is_the_authors_paired_test(seed: int) -> None:
    rows = submissions(60, 50, seed)
    best, leader, told = math.inf, np.zeros(50), []
    for row in rows:
        if row.mean() < best - np.std(row - leader, ddof=1) / math.sqrt(50):
            best, leader = row.mean(), row
        told.append(best)
    answers = climb(FreeLadder(), rows)
    assert [answer.value for answer in answers] == pytest.approx(told)
    moved = [place for place, answer in enumerate(answers) if answer.spent]
    assert moved[0] == 0
    assert 2 < len(moved) < 20
    assert all((answer.leader is not None) == answer.spent for answer in answers)


def test_boosting_a_leaderboard_fails_against_either_ladder() -> None:
    rng = np.random.default_rng(0)
    losses = rng.integers(0, 2, (500, 4000)).astype(np.float64)

    def boosted(liked: NDArray[np.bool_]) -> float:
        wrong = losses[liked].sum(axis=0) - liked.sum() / 2.0
        return float(np.where(wrong == 0.0, rng.integers(0, 2, 4000), wrong > 0).mean())

    def moved(answers: list[HoldoutAnswer]) -> NDArray[np.bool_]:
        told = np.array([0.5, *(answer.value for answer in answers)])
        return np.diff(np.minimum(told, 0.5)) < 0

    assert boosted(losses.mean(axis=1) <= 0.5) < 0.44
    assert boosted(moved(climb(FreeLadder(), losses))) >= 0.47
    assert boosted(moved(climb(Ladder(4000, 0.05), losses))) >= 0.47


@pytest.mark.parametrize("ladder", [Ladder(50, 0.05), FreeLadder()])
def test_a_restart_goes_on_with_the_leader(ladder: Ladder | FreeLadder) -> None:
    rows = submissions(40, 50, 0)
    answers = climb(ladder, rows)
    read = [HoldoutAnswer.from_json(json.loads(json.dumps(answer.to_json()))) for answer in answers[:20]]
    state = HoldoutState.from_json(json.loads(json.dumps(fold_answers(read).to_json())))
    assert state == fold_answers(answers[:20])
    for row, answer in zip(rows[20:], answers[20:], strict=True):
        again = ladder.answer(state, NONE, row, KEY)
        assert again == answer
        state = state.advanced(again)
    assert f"{state.spent} times" in ladder.words(state)
    assert ladder.left(state) is None


def test_losses_are_scaled_by_their_bound_on_the_ladders() -> None:
    rows = submissions(40, 50, 1)
    for one, ten in ((Ladder(50, 0.05), Ladder(50, 0.05, bound=10.0)), (FreeLadder(), FreeLadder(10.0))):
        small, large = climb(one, rows), climb(ten, 10.0 * rows)
        assert [answer.value for answer in large] == pytest.approx([10 * answer.value for answer in small])
    assert Ladder(50, 0.05, bound=10.0).stated_error(HoldoutState()) == pytest.approx(10 * ladder_error(50, 1, 0.05))
    assert FreeLadder().stated_error(HoldoutState()) is None
    assert "No error is proven" in FreeLadder().words(HoldoutState())


@pytest.mark.parametrize(
    "make",
    [lambda: Ladder(0, 0.1), lambda: Ladder(10, 0.0), lambda: Ladder(10, 2.0), lambda: Ladder(10, 0.1, beta=1.0),
     lambda: FreeLadder(bound=-1.0)],
)  # fmt: skip
def test_settings_of_a_ladder_out_of_range_are_refused(make: object) -> None:
    with pytest.raises(InvalidArgument, match="out of range"):
        make()  # type: ignore[operator]
