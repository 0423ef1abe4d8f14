"""What answers cost and what is stated of them; fingerprints, sealed splits, and holdouts that changed."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.base.errors import Conflict, InvalidArgument, InvalidObservation
from trimtab.base.seeds import Key
from trimtab.trust import binomial_interval
from trimtab.trust.holdout import (
    Fingerprint,
    FreeLadder,
    HoldoutAnswer,
    HoldoutState,
    Ladder,
    PracticalThresholdout,
    ReusableHoldout,
    SealedSplit,
    StaleAnswer,
    Thresholdout,
    check_disjoint,
    fold_answers,
    least_rows,
    practical_error,
    privacy,
)

KEY = Key(0, purpose="holdout")
texts = st.lists(st.text(max_size=3), min_size=2, max_size=8, unique=True)


def test_the_theorem_asks_for_hundreds_of_millions_of_rows() -> None:
    # n0 = 2 B / (sigma t) is the smaller one here; written out.
    sigma = 0.05 / (96 * math.log(4 * 1000 / 0.05))
    assert least_rows(0.05, 1000, 50) == math.ceil(2 * 50 / (sigma * 0.05 / 8))
    # With a large budget n1 is, and grows with the root of the budget.
    assert least_rows(0.05, 1000, 4 * 10**6) / least_rows(0.05, 1000, 10**6) == pytest.approx(2.0, rel=0.001)
    assert least_rows(0.1, 1000, 50) < least_rows(0.05, 1000, 50) < least_rows(0.05, 2000, 50)


def test_privacy_adds_up_and_its_root_law_wins_for_large_budgets() -> None:
    assert privacy(10, 0.01, 1000) == pytest.approx(2.0)
    assert privacy(40, 0.01, 10_000, delta=1e-6) == pytest.approx(2 * privacy(10, 0.01, 10_000, delta=1e-6))
    assert privacy(10, 0.01, 1000, delta=1e-6) > privacy(10, 0.01, 1000)
    assert privacy(10_000, 0.01, 1000, delta=1e-6) < privacy(10_000, 0.01, 1000)
    assert Thresholdout(0.1, 0.01, 10).privacy(1000) == pytest.approx(2.0)


def test_two_neighbouring_holdouts_are_as_private_as_the_account_says() -> None:
    """The chance that the holdout speaks, with one example changed, from the law of the noise that the code draws."""
    size, mechanism = 50, Thresholdout(0.2, 0.05, budget=1)
    keys = [Key(seed) for seed in range(1500)]
    chances = []
    for errors in (10, 11):
        held = (np.arange(size) < errors).astype(np.float64)
        spoke = [mechanism.answer(HoldoutState(), np.zeros(size), held, key).spent for key in keys]
        chances.append(np.mean(spoke))
    ratio = abs(math.log(chances[1] / chances[0]))
    assert 0.0 < ratio < mechanism.privacy(size)


def test_the_practical_error_is_a_rule_of_thumb_in_words_too() -> None:
    assert practical_error(900, 900) == pytest.approx(7 / 30)
    # The smaller part decides.
    assert practical_error(100, 10_000) > practical_error(10_000, 10_000) + 0.2
    words = PracticalThresholdout(900, 900).words(HoldoutState())
    assert "0.233" in words
    assert "not proven" in words
    assert not PracticalThresholdout(900, 900).proven


@settings(max_examples=60, deadline=None)
@given(texts, st.data())
def test_a_fingerprint_tells_order_and_members_apart(names: list[str], data: st.DataObject) -> None:
    mine = Fingerprint.of(names)
    mixed = data.draw(st.permutations(names))
    other = Fingerprint.of(mixed)
    assert other.members == mine.members
    if mixed == names:
        mine.check(other, "holdout")
    else:
        with pytest.raises(InvalidArgument, match="holdout is in another order"):
            mine.check(other, "holdout")
    with pytest.raises(InvalidArgument, match="changed its size"):
        mine.check(Fingerprint.of([*names, "one more"]), "holdout")
    with pytest.raises(InvalidArgument, match="other examples or labels"):
        mine.check(Fingerprint.of([*names[:-1], "another"]), "holdout")
    assert Fingerprint.from_json(json.loads(json.dumps(mine.to_json()))) == mine


def test_a_fingerprint_of_examples_sees_values_and_labels() -> None:
    rows, labels = np.arange(12.0).reshape(6, 2), [0, 1, 0, 1, 0, 1]
    mine = Fingerprint.of(rows, labels)
    mine.check(Fingerprint.of(rows.tolist(), np.array(labels)), "holdout")
    changed = rows.copy()
    changed[3, 1] += 1e-12
    for other in (Fingerprint.of(changed, labels), Fingerprint.of(rows, [0, 1, 0, 1, 0, 0]), Fingerprint.of(rows)):
        with pytest.raises(InvalidArgument, match="other examples or labels"):
            mine.check(other, "holdout")
    swapped = [1, 0, 2, 3, 4, 5]
    with pytest.raises(InvalidArgument, match="another order"):
        mine.check(Fingerprint.of(rows[swapped], np.array(labels)[swapped]), "holdout")
    assert Fingerprint.of([[0.0]]) == Fingerprint.of([[-0.0]])
    assert Fingerprint.of([["a", "b"]]) != Fingerprint.of([["a", "c"]])
    for examples, some, text in (([], None, "needs examples"), (3, None, "a sequence"), (rows, [0, 1], "6 labels")):
        with pytest.raises(InvalidArgument, match=text):
            Fingerprint.of(examples, some)


def test_splits_that_overlap_are_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"overlap in 2 examples.*\[0, 1\]"):
        check_disjoint(range(10), range(8, 20))
    rows = np.random.default_rng(0).random((20, 3))
    check_disjoint(rows[:10], rows[10:])
    with pytest.raises(InvalidArgument, match=r"overlap in 1 examples.*\[4\].*copies"):
        ReusableHoldout.of(rows[:10], rows[[10, 11, 12, 13, 9]])


def test_a_holdout_that_changed_is_refused() -> None:
    first = ReusableHoldout.of(range(10), range(10, 30), holdout_labels=[0] * 20)
    same = ReusableHoldout.of(range(10), range(10, 30), holdout_labels=[0] * 20)
    losses = np.zeros(30)
    assert first.query(HoldoutState(), losses, KEY, examples=same)[1].queries == 1
    others = {
        "training part holds other": ReusableHoldout.of(range(40, 50), range(10, 30), holdout_labels=[0] * 20),
        "holdout holds other examples or labels": ReusableHoldout.of(range(10), range(10, 30), holdout_labels=[1] * 20),
        "holdout is in another order": ReusableHoldout.of(range(10), range(29, 9, -1), holdout_labels=[0] * 20),
        "holdout changed its size": ReusableHoldout.of(range(10), range(10, 31), holdout_labels=[0] * 21),
        "another mechanism.*grows with demand": ReusableHoldout.of(
            range(10), range(10, 30), holdout_labels=[0] * 20, budget=1000
        ),
    }
    for text, other in others.items():
        with pytest.raises(InvalidArgument, match=text):
            first.query(HoldoutState(), losses, KEY, examples=other)
    # A claim that is proven for another size would be a false one.
    proven = Thresholdout.for_tolerance(10**10, 0.1, queries=10, budget=1)
    for mechanism in (Ladder(100, 0.1), PracticalThresholdout(11, 20), PracticalThresholdout(10, 21), proven):
        with pytest.raises(InvalidArgument, match="other sizes"):
            ReusableHoldout.of(range(10), range(10, 30), mechanism=mechanism)


@pytest.mark.parametrize(
    "mechanism",
    [None, Thresholdout(0.1, 0.02, 7, bound=2.0), PracticalThresholdout(10, 20, 7, 3.0), Ladder(20, 0.1), FreeLadder()],
)
def test_a_holdout_survives_json(mechanism: Thresholdout | PracticalThresholdout | Ladder | FreeLadder | None) -> None:
    made = ReusableHoldout.of(range(10), range(10, 30), mechanism=mechanism)
    read = ReusableHoldout.from_json(json.loads(json.dumps(made.to_json())))
    assert read == made
    read.check(made)
    losses = np.random.default_rng(0).random(30)
    assert made.query(HoldoutState(), losses, KEY) == read.query(HoldoutState(), losses, KEY)
    assert made.mechanism.refs
    for broken in ({}, {**made.to_json(), "schema": 2}, {**made.to_json(), "mechanism": {"kind": "other"}}):
        with pytest.raises(InvalidArgument, match="no ReusableHoldout's JSON"):
            ReusableHoldout.from_json(broken)


def test_answers_out_of_their_place_are_refused() -> None:
    first, second = HoldoutAnswer(0, 0.5, False), HoldoutAnswer(1, 0.5, True)
    state = fold_answers([first, second])
    assert (state.queries, state.spent) == (2, 1)
    for answers in ([second], [first, first], [second, first]):
        with pytest.raises(StaleAnswer, match=r"other answers since.*query again"):
            fold_answers(answers)


def test_a_sealed_split_opens_once_and_says_so_for_ever() -> None:
    examples = Fingerprint.of(range(100))
    losses = (np.arange(100) < 12).astype(np.float64)
    opening, opened = SealedSplit(examples).open(4, losses, examples=examples)
    assert opening.interval == binomial_interval(12, 100)
    assert (opening.trial, opening.mean) == (4, 0.12)
    stored = SealedSplit.from_json(json.loads(json.dumps(opened.to_json())))
    assert stored == opened
    for split in (opened, stored):
        for trial in (4, 5):
            with pytest.raises(Conflict, match=r"opened once, for trial 4: mean loss 0\.12.*seal a fresh split"):
                split.open(trial, losses)
    sealed = SealedSplit.from_json(SealedSplit(examples).to_json())
    assert sealed.opening is None
    with pytest.raises(InvalidArgument, match="sealed split is in another order"):
        sealed.open(4, losses, examples=Fingerprint.of(range(99, -1, -1)))
    for bad in (losses[:99], [math.nan] * 100):
        with pytest.raises(InvalidObservation, match="100 examples"):
            sealed.open(4, bad)


def test_a_sealed_split_covers_the_true_loss() -> None:
    rng = np.random.default_rng(0)
    sealed = SealedSplit(Fingerprint.of(range(80)))
    held = [
        0.5 in sealed.open(0, rng.random(80))[0].interval and 0.3 in sealed.open(0, rng.random(80) < 0.3)[0].interval
        for _ in range(300)
    ]
    # Two intervals of 95% hold together with .9025 or more.
    assert 0.86 < np.mean(held) < 0.97
