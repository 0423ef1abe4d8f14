"""Thresholdout: a slow twin, the laws of its noise, folds and replays, the budget, and ten thousand questions' luck."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from trimtab.base.errors import InvalidArgument, InvalidObservation
from trimtab.base.seeds import Key
from trimtab.trust.holdout import (
    HoldoutAnswer,
    HoldoutState,
    HoldoutUsedUp,
    PracticalThresholdout,
    ReusableHoldout,
    StaleAnswer,
    Thresholdout,
    fold_answers,
    least_rows,
)

KEY = Key(3, purpose="holdout")
Losses = NDArray[np.float64]


def wrong(count: int, size: int = 100) -> Losses:
    """0/1 losses with so many errors."""
    return (np.arange(size) < count).astype(np.float64)


def pairs(count: int, seed: int = 0, size: int = 100) -> list[tuple[Losses, Losses]]:
    """Losses of random models on both parts, some of them far apart."""
    rng = np.random.default_rng(seed)
    return [tuple((rng.random((2, size)) < rng.random((2, 1))).astype(np.float64)) for _ in range(count)]


def twin(queries: list[tuple[Losses, Losses]], threshold: float, noise: float, budget: int, key: Key) -> list[float]:
    """The algorithm as the paper prints it: a bar that is drawn again after each answer from the holdout."""
    gamma = key.child("threshold 0").generator().laplace(0.0, 2.0 * noise)
    answers: list[float] = []
    left = budget
    for place, (training, holdout) in enumerate(queries):
        if left < 1:
            break
        eta = key.child(f"query {place}").generator().laplace(0.0, 4.0 * noise)
        if abs(np.mean(holdout) - np.mean(training)) > threshold + gamma + eta:
            spent = budget - left
            answers.append(np.mean(holdout) + key.child(f"answer {spent}").generator().laplace(0.0, noise))
            left -= 1
            gamma = key.child(f"threshold {spent + 1}").generator().laplace(0.0, 2.0 * noise)
        else:
            answers.append(np.mean(training))
    return answers


def ask_all(
    mechanism: Thresholdout | PracticalThresholdout,
    queries: list[tuple[Losses, Losses]],
    state: HoldoutState | None = None,
    key: Key = KEY,
) -> tuple[list[HoldoutAnswer], HoldoutState]:
    """All answers until the budget is used up."""
    answers, state = [], HoldoutState() if state is None else state
    for training, holdout in queries:
        try:
            answers.append(mechanism.answer(state, training, holdout, key))
        except HoldoutUsedUp:
            break
        state = state.advanced(answers[-1])
    return answers, state


@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_published_algorithm(seed: int) -> None:
    queries, key = pairs(200, seed), Key(seed)
    answers, state = ask_all(Thresholdout(0.3, 0.02, budget=20), queries, key=key)
    assert [answer.value for answer in answers] == pytest.approx(twin(queries, 0.3, 0.02, 20, key), abs=1e-15)
    assert state.spent == 20
    assert 20 < state.queries < 200


def test_the_laws_of_the_published_noise() -> None:
    mechanism = Thresholdout(0.1, 0.05, budget=1)
    low, high = wrong(20), wrong(40)
    answers = [mechanism.answer(HoldoutState(), low, high, Key(seed)) for seed in range(3000)]
    spoke = np.array([answer.value for answer in answers if answer.spent])
    assert stats.kstest((spoke - 0.4) / 0.05, "laplace").pvalue > 0.01
    # P(Lap(2 sigma) + Lap(4 sigma) < 0.2 - 0.1), by the sum over slices of the first.
    slices = stats.laplace(scale=0.1).ppf((np.arange(10_000) + 0.5) / 10_000)
    chance = stats.laplace(scale=0.2).cdf(0.1 - slices).mean()
    assert len(spoke) / 3000 == pytest.approx(chance, abs=3.5 * math.sqrt(chance * (1 - chance) / 3000))
    assert all(answer.value == 0.2 for answer in answers if not answer.spent)


@pytest.mark.parametrize(("beyond", "chance"), [(0.0, 0.5), (1.0, stats.norm.cdf(1.0)), (-1.0, stats.norm.cdf(-1.0))])
def test_the_laws_of_the_practical_noise(beyond: float, chance: float) -> None:
    size = 400  # T = 0.2, sigma = 0.05
    mechanism = PracticalThresholdout(size, size)
    low, high = wrong(100, size), wrong(180 + round(20 * beyond), size)
    answers = [mechanism.answer(HoldoutState(), low, high, Key(seed)) for seed in range(2000)]
    spoke = np.array([answer.value for answer in answers if answer.spent])
    assert len(spoke) / 2000 == pytest.approx(chance, abs=3.5 * math.sqrt(chance * (1 - chance) / 2000))
    assert stats.kstest((spoke - high.mean()) / 0.05, "norm").pvalue > 0.01


def test_a_question_asked_again_is_not_averaged_away() -> None:
    practical, published = PracticalThresholdout(100, 100), Thresholdout(0.01, 0.01, budget=100)
    same = [(wrong(0), wrong(90))] * 50
    assert len({answer.value for answer in ask_all(practical, same)[0]}) == 1
    # The published algorithm draws fresh noise and pays for each answer instead.
    answers, state = ask_all(published, same)
    assert len({answer.value for answer in answers}) == state.spent == 50


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(12)))
def test_practical_answers_do_not_depend_on_the_order(order: list[int]) -> None:
    queries, mechanism = pairs(12), PracticalThresholdout(100, 100)
    straight, _ = ask_all(mechanism, queries)
    shuffled, _ = ask_all(mechanism, [queries[place] for place in order])
    assert [answer.value for answer in shuffled] == [straight[place].value for place in order]


@pytest.mark.parametrize("mechanism", [Thresholdout(0.3, 0.02, 20), PracticalThresholdout(100, 100, 20)])
def test_a_restart_from_the_answers_goes_on_as_if_nothing_had_happened(
    mechanism: Thresholdout | PracticalThresholdout,
) -> None:
    queries = pairs(60)
    answers, state = ask_all(mechanism, queries)
    written = json.loads(json.dumps([answer.to_json() for answer in answers[:10]]))
    read = [HoldoutAnswer.from_json(item) for item in written]
    assert read == answers[:10]
    halfway = HoldoutState.from_json(json.loads(json.dumps(fold_answers(read).to_json())))
    assert halfway == fold_answers(answers[:10])
    more, end = ask_all(mechanism, queries[10:], halfway)
    assert [*read, *more] == answers
    assert end == state


def test_workers_that_share_a_log_get_what_one_worker_gets() -> None:
    mechanism, queries = Thresholdout(0.3, 0.02, 20), pairs(40, seed=1)
    rng = np.random.default_rng(0)
    log: list[HoldoutAnswer] = []
    asked: list[int] = []
    waiting, running = list(range(40)), {}
    refused = 0
    while waiting or running:
        if waiting and (len(running) < 3):
            number = waiting.pop(0)
            running[number] = mechanism.answer(fold_answers(log), *queries[number], KEY)
            continue
        number = int(rng.choice(list(running)))
        try:
            fold_answers(log).advanced(running[number])
        except StaleAnswer:
            refused += 1
            running[number] = mechanism.answer(fold_answers(log), *queries[number], KEY)
            continue
        log.append(running.pop(number))
        asked.append(number)
        if fold_answers(log).spent == mechanism.budget:
            break
    alone, _ = ask_all(mechanism, [queries[number] for number in asked])
    assert log == alone
    assert refused > 0
    assert asked != sorted(asked)


@pytest.mark.parametrize("mechanism", [Thresholdout(0.05, 0.001, 3), PracticalThresholdout(100, 100, 3)])
def test_every_question_is_refused_once_the_budget_is_used_up(mechanism: Thresholdout | PracticalThresholdout) -> None:
    far, near = (wrong(0), wrong(90)), (wrong(30), wrong(30))
    answers, state = ask_all(mechanism, [far, near, far, near, far, near, far])
    assert [answer.spent for answer in answers] == [True, False, True, False, True]
    assert mechanism.left(state) == 0
    with pytest.raises(HoldoutUsedUp, match=r"spoke 3 times in 5 queries.*allowed: 3 times.*fresh examples"):
        mechanism.answer(state, *near, KEY)
    assert "spoke in 3 of them, of 3 allowed" in mechanism.words(state)


def test_losses_are_scaled_by_their_bound() -> None:
    queries = pairs(30)
    one, _ = ask_all(PracticalThresholdout(100, 100), queries)
    # Noise is named by the losses, so only answers of the training part are compared to the last bit.
    ten, _ = ask_all(PracticalThresholdout(100, 100, bound=10.0), [(10 * low, 10 * high) for low, high in queries])
    assert all(
        b.value == pytest.approx(10 * a.value) for a, b in zip(one, ten, strict=True) if not (a.spent or b.spent)
    )
    published, _ = ask_all(Thresholdout(0.3, 0.02, 20), queries)
    scaled, _ = ask_all(Thresholdout(0.3, 0.02, 20, bound=10.0), [(10 * low, 10 * high) for low, high in queries])
    assert [answer.value for answer in scaled] == pytest.approx([10 * answer.value for answer in published])
    assert PracticalThresholdout(100, 100, bound=10.0).stated_error(HoldoutState()) == pytest.approx(7.0)


def test_pure_noise_fools_the_plain_holdout_and_not_the_reusable_one() -> None:
    """2,000 one-feature classifiers, then the vote of those that looked good; ten runs, every answer counts."""
    size, trials, runs = 400, 2000, 10
    holdout = ReusableHoldout.of(range(size), range(size, 2 * size))
    stated = holdout.stated_error(HoldoutState())
    assert stated == pytest.approx(7 / 20)
    naive, errors = [], []
    for seed in range(runs):
        both = np.random.default_rng(seed).integers(0, 2, (trials, 2 * size)).astype(np.float64)
        training = both[:, :size].mean(axis=1) - 0.5

        def vote(answers: Losses, both: Losses = both, training: Losses = training) -> Losses:
            same = np.flatnonzero(training * (answers - 0.5) > 0)
            chosen = same[: len(same) - 1 + len(same) % 2]
            return (-np.sign(training[chosen]) @ (1.0 - 2.0 * both[chosen]) < 0.0).astype(np.float64)

        naive.append(0.5 - vote(both[:, size:].mean(axis=1))[size:].mean())
        state, values = HoldoutState(), []
        for row in both:
            answer, state = holdout.query(state, row, Key(seed))
            values.append(answer.value)
        answer, state = holdout.query(state, vote(np.array(values)), Key(seed))
        errors.append(np.abs(np.array([*values, answer.value]) - 0.5).max())
    assert np.mean(naive) > stated > np.max(errors)
    assert np.min(naive) > np.max(errors)


def test_a_spent_budget_combined_stays_within_the_stated_error() -> None:
    """The analyst knows the training labels, makes the holdout speak each time, and weights queries by answers."""
    size, off = 1000, []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        mechanism, known = PracticalThresholdout(size, size, budget=101), np.zeros(size)
        queries = rng.integers(0, 2, (100, size)).astype(np.float64)
        answers, state = ask_all(mechanism, [(known, row) for row in queries], key=Key(seed))
        weights = 0.5 - np.array([answer.value for answer in answers])
        last = (weights @ (0.5 - queries) <= 0).astype(np.float64)
        off.append(0.5 - last.mean())
        assert abs(mechanism.answer(state, known, last, Key(seed)).value - 0.5) < mechanism.stated_error(state)
    # What the module says of it: 0.18 sqrt(B / n).
    assert np.mean(off) == pytest.approx(0.18 * math.sqrt(0.1), rel=0.15)


def test_the_theorem_is_refused_where_it_does_not_hold() -> None:
    rows = least_rows(0.05, 1000, 50)
    with pytest.raises(InvalidArgument, match=r"1000 examples is too small.*346,822,101.*PracticalThresholdout"):
        Thresholdout.for_tolerance(1000, 0.05, queries=1000, budget=50)
    proven = Thresholdout.for_tolerance(rows, 0.05, queries=1000, budget=50)
    assert proven.proven
    assert proven.threshold == pytest.approx(0.0375)
    assert proven.noise == pytest.approx(0.05 / (96 * math.log(80_000)))
    assert proven.stated_error(HoldoutState()) == 0.05
    assert "proven" in proven.words(HoldoutState())
    with pytest.raises(HoldoutUsedUp, match="set up for 1000 queries"):
        proven.answer(HoldoutState(queries=1000), wrong(10), wrong(10), KEY)
    free = Thresholdout(0.3, 0.02, 20)
    assert free.stated_error(HoldoutState()) is None
    assert "no error is stated" in free.words(HoldoutState())


@pytest.mark.parametrize("budget", [0, -1, 1.5, True])
def test_a_budget_of_nothing_is_refused(budget: int) -> None:
    for make in (
        lambda: Thresholdout(0.1, 0.1, budget),
        lambda: PracticalThresholdout(10, 10, budget),
        lambda: ReusableHoldout.of(range(10), range(10, 20), budget=budget),
        lambda: Thresholdout.for_tolerance(10**12, 0.1, queries=10, budget=budget),
    ):
        with pytest.raises(InvalidArgument, match=r"needs a budget.*1 or more"):
            make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Thresholdout(0.0, 0.1, 10),
        lambda: Thresholdout(0.1, math.nan, 10),
        lambda: PracticalThresholdout(0, 10),
        lambda: PracticalThresholdout(10, 10, bound=0.0),
        lambda: Thresholdout.for_tolerance(10**12, 1.5, queries=10, budget=1),
    ],
)
def test_settings_out_of_range_are_refused(make: object) -> None:
    with pytest.raises(InvalidArgument, match="out of range"):
        make()  # type: ignore[operator]


def test_losses_that_do_not_fit_are_refused() -> None:
    holdout, state = ReusableHoldout.of(range(10), range(10, 30)), HoldoutState()
    for losses in (np.zeros(29), np.zeros((30, 1)), np.zeros(31)):
        with pytest.raises(InvalidObservation, match=r"one loss for each of its 30 examples.*same order"):
            holdout.query(state, losses, KEY)
    for value in (1.5, -0.1, math.nan):
        with pytest.raises(InvalidObservation, match=r"outside the range.*0 to 1.*clip"):
            holdout.query(state, [value] + [0.0] * 29, KEY)
