"""Answer lengths: exact tests against enumeration, intervals against exact coverage, and what a stop rule states."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from trimtab.base.errors import InvalidArgument
from trimtab.base.seeds import Key
from trimtab.trust.answer_length import (
    AnswerLog,
    accuracy_by_length,
    anytime_rate,
    error_table,
    fit_stop_rule,
    isotonic_accuracy,
    length_association,
)
from trimtab.trust.answer_length.association import _score_interval
from trimtab.trust.answer_length.stop_rule import _exact_tail, _threshold

KEY = Key(0, purpose="test")


def drawn(count: int, seed: int, planted: bool) -> AnswerLog:
    rng = np.random.default_rng([seed, count])
    lengths = np.round(3000 * np.exp(0.6 * rng.standard_normal(count)))
    wrong = np.where(lengths > 6000, 0.3, 0.02) if planted else np.full(count, 0.2)
    return AnswerLog.of(lengths, rng.random(count) > wrong)


def ever_outside(rate: float, looks: int, level: float) -> float:
    """The exact probability that a rate is ever outside of its interval, by dynamic programming over the counts."""
    inside = np.array([1.0])
    lost = 0.0
    for total in range(1, looks + 1):
        step = np.zeros(total + 1)
        step[:-1] += inside * (1.0 - rate)
        step[1:] += inside * rate
        for good in range(total + 1):
            if step[good] > 0.0 and rate not in anytime_rate(good, total, level):
                lost += step[good]
                step[good] = 0.0
        inside = step
    return lost


@pytest.mark.parametrize("rate", [0.02, 0.3, 0.5])
def test_the_anytime_interval_holds_at_every_look_exactly(rate: float) -> None:
    assert 0.0 < ever_outside(rate, 90, 0.9) <= 0.1


def test_an_interval_for_one_look_does_not() -> None:
    looked = anytime_rate(70, 100, 0.95)
    once = accuracy_by_length(AnswerLog.of([1.0] * 100, [1] * 70 + [0] * 30), bins=1)[0].interval
    assert looked.low < once.low < once.high < looked.high
    assert anytime_rate(0, 0).low == 0.0
    assert anytime_rate(0, 0).high == 1.0


def test_bins_hold_every_answer_and_their_intervals_hold_together() -> None:
    found = drawn(203, 0, planted=True)
    table = accuracy_by_length(found)
    assert len(table) == 5
    assert sum(row.count for row in table) == 203
    assert sum(row.correct for row in table) == found.correct.sum()
    assert min(row.count for row in table) >= 39
    assert [row.interval.level for row in table] == pytest.approx([0.95 ** (1 / 5)] * 5)
    for row in table:
        each = (1 - row.interval.level) / 2
        assert stats.binom.sf(row.correct - 1, row.count, row.interval.low) == pytest.approx(each, abs=1e-6)


def test_equal_lengths_share_a_bin_and_empty_bins_say_nothing() -> None:
    assert [row.count for row in accuracy_by_length(AnswerLog.of([5] * 9 + [7], [1] * 10), bins=4)] == [10]
    rows = accuracy_by_length(AnswerLog.of([5, 5, 7], [1, 0, 1]), edges=[6, 9])
    assert [row.count for row in rows] == [2, 1, 0]
    assert (rows[2].interval.low, rows[2].interval.high) == (0.0, 1.0)
    assert math.isnan(rows[2].accuracy)
    assert rows[0].accuracy == 0.5


def test_the_area_counts_pairs_and_the_p_value_is_that_of_all_assignments() -> None:
    lengths, wrong, names = [1, 2, 2, 5, 3, 3, 4, 9], {1, 3, 6}, ["a", "a", "a", "a", "b", "b", "b", "b"]
    found = length_association(AnswerLog.of(lengths, [k not in wrong for k in range(8)], names), key=KEY)

    def pairs(bad: set[int]) -> float:
        return sum(
            (lengths[i] > lengths[j]) + 0.5 * (lengths[i] == lengths[j])
            for i in bad
            for j in set(range(8)) - bad
            if names[i] == names[j]
        )

    total = sum(names[i] == names[j] for i in wrong for j in set(range(8)) - wrong)
    assert found.area == pytest.approx(pairs(wrong) / total)
    assert (found.wrong, found.right, found.categories) == (3, 5, 2)
    every = [
        pairs({*first, *second})
        for first in itertools.combinations(range(4), 2)
        for second in itertools.combinations(range(4, 8), 1)
    ]
    exact = np.mean([each >= pairs(wrong) for each in every])
    assert found.p_value == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 2000))
    assert found.area in found.interval
    assert "causes" in str(found)


def test_the_areas_interval_covers_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(1_000):
        wrong, right = 1.5 * rng.exponential(size=8), rng.exponential(size=60)
        area = float((wrong[:, None] > right).mean())
        held += 1.5 / 2.5 in _score_interval(area, [(8, 60)], 0.9)
    assert 0.86 < held / 1_000 < 0.95


def test_all_wrong_answers_longer_leaves_an_interval_below_one() -> None:
    found = length_association(AnswerLog.of([1, 2, 3, 4, 5, 6], [1, 1, 1, 1, 0, 0]), key=KEY)
    assert found.area == 1.0 == found.interval.high
    assert 0.2 < found.interval.low < 0.9


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=15))
def test_the_isotonic_fit_is_the_minimum_of_maxima(answers: list[tuple[int, bool]]) -> None:
    lengths, fitted = isotonic_accuracy(AnswerLog.of([x for x, _ in answers], [c for _, c in answers]))

    def mean(first: int, last: int) -> float:
        return float(np.mean([c for x, c in answers if lengths[first] <= x <= lengths[last]]))

    slow = [
        min(max(mean(a, b) for b in range(place, len(lengths))) for a in range(place + 1))
        for place in range(len(lengths))
    ]
    assert fitted.tolist() == pytest.approx(slow)


def test_the_exact_tail_is_fishers_test_and_its_sum_over_categories() -> None:
    rng = np.random.default_rng(1)
    found = AnswerLog.of(rng.random(40), rng.random(40) < 0.7)
    beyond = found.lengths > 0.6
    table = [
        [int((~found.correct & beyond).sum()), int((found.correct & beyond).sum())],
        [int((~found.correct & ~beyond).sum()), int((found.correct & ~beyond).sum())],
    ]
    assert _exact_tail(found, beyond) == pytest.approx(stats.fisher_exact(table, alternative="greater").pvalue)
    two = AnswerLog.of([1, 2, 3, 4, 1, 2, 3, 4], [1, 1, 0, 0, 1, 0, 1, 0], list("aaaabbbb"))
    far = two.lengths > 2.5
    counts = [
        len(set(first) & {2, 3}) + len(set(second) & {2, 3})
        for first in itertools.combinations(range(4), 2)
        for second in itertools.combinations(range(4), 2)
    ]
    assert _exact_tail(two, far) == pytest.approx(np.mean([count >= 3 for count in counts]))


def test_the_threshold_is_the_best_by_brute_force() -> None:
    found = drawn(120, 3, planted=True)
    values = {}
    for cut in (np.unique(found.lengths)[:-1] + np.unique(found.lengths)[1:]) / 2:
        near, far = found.correct[found.lengths <= cut], found.correct[found.lengths > cut]
        if min(len(near), len(far)) >= 5 and near.mean() > far.mean():
            likelihood = sum(
                stats.binom.logpmf(x.sum(), len(x), x.mean()) - np.log(math.comb(len(x), x.sum())) for x in (near, far)
            )
            values[float(cut)] = (likelihood, near.sum() + 0.95 * len(far))
    assert _threshold(found, None) == pytest.approx(max(values, key=lambda cut: values[cut][0]))
    assert _threshold(found, 0.95) == pytest.approx(max(values, key=lambda cut: values[cut][1]))


def test_a_planted_threshold_fires_and_a_null_hardly_ever() -> None:
    runs = 150
    planted = [fit_stop_rule(drawn(300, seed, True), key=Key(seed)) for seed in range(30)]
    assert sum(rule.fires for rule in planted) >= 27
    assert np.median([rule.threshold for rule in planted]) == pytest.approx(6000, rel=0.1)
    null = sum(fit_stop_rule(drawn(100, seed, False), key=Key(seed), alpha=0.1).fires for seed in range(runs))
    assert stats.binomtest(null, runs, 0.1, alternative="greater").pvalue > 0.001
    assert null


def test_difficulty_explains_length_away_where_it_is_told() -> None:
    told, blind = 0, 0
    for seed in range(40):
        rng = np.random.default_rng([11, seed])
        hard = rng.random(300) < 0.4
        lengths, correct = rng.exponential(size=300) + 2.0 * hard, rng.random(300) > np.where(hard, 0.4, 0.03)
        told += fit_stop_rule(AnswerLog.of(lengths, correct, [str(each) for each in hard]), key=Key(seed)).fires
        blind += fit_stop_rule(AnswerLog.of(lengths, correct), key=Key(seed)).fires
    assert blind > 35
    assert told <= 5  # 2.5% stated; 6 or more of 40 would have probability .001


def test_worth_asks_for_more_than_a_difference() -> None:
    lengths = np.arange(400.0)
    correct = np.arange(400) % 10 > np.where(lengths < 200, -1, 2)  # right in all, then in 7 of 10
    generous = fit_stop_rule(AnswerLog.of(lengths, correct), key=KEY, worth=0.9)
    assert generous.fires
    assert generous.stops(300.0)
    assert not generous.stops(generous.threshold)
    mean = fit_stop_rule(AnswerLog.of(lengths, correct), key=KEY, worth=0.75)
    assert not mean.fires
    assert not mean.stops(1e9)
    assert "75%" in mean.reason
    assert mean.p_value <= mean.alpha
    assert "truncated answer is another answer" in str(mean)


def test_logs_without_errors_or_without_a_fall_have_no_rule() -> None:
    for correct in ([1] * 40, [0] * 40, [0] * 20 + [1] * 20):
        rule = fit_stop_rule(AnswerLog.of(range(40), correct), key=KEY)
        assert not rule.fires
        assert rule.threshold == math.inf
        assert rule.p_value == rule.confirmation == 1.0
        assert str(rule).startswith("No stop rule")


def test_a_rule_is_replayed_by_its_key() -> None:
    assert fit_stop_rule(drawn(100, 0, True), key=KEY) == fit_stop_rule(drawn(100, 0, True), key=KEY)


def test_errors_by_category() -> None:
    rows = error_table(AnswerLog.of([1, 2, 3, 10], [1, 0, 0, 1], ["x", "x", "x", "y"]))
    assert [(row.category, row.count, row.wrong) for row in rows] == [("x", 3, 2), ("y", 1, 0)]
    assert (rows[0].median_right, rows[0].median_wrong) == (1.0, 2.5)
    assert math.isnan(rows[1].median_wrong)
    assert rows[1].interval.level == pytest.approx(math.sqrt(0.95))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: AnswerLog.of([1, 2], [1]), "vectors of one length"),
        (lambda: AnswerLog.of([1, 2], [1, 0], ["a"]), "vectors of one length"),
        (lambda: AnswerLog.of([], []), "vectors of one length"),
        (lambda: AnswerLog.of([1, -2], [1, 0]), "answer 1 has no length"),
        (lambda: AnswerLog.of([1, np.nan], [1, 0]), "answer 1 has no length"),
        (lambda: AnswerLog.of([1, 2], [1, 0.5]), "answer 1 is neither right nor wrong"),
        (lambda: accuracy_by_length(drawn(9, 0, True), anytime=True), "do not move with the data"),
        (lambda: accuracy_by_length(drawn(9, 0, True), edges=[2, 1]), "edges must be finite and ascend"),
        (lambda: accuracy_by_length(drawn(9, 0, True), level=1.0), "level must lie"),
        (lambda: accuracy_by_length(drawn(9, 0, True), bins=0), "number of bins"),
        (lambda: error_table(drawn(9, 0, True), level=0.0), "level must lie"),
        (lambda: anytime_rate(3, 2), "counts and a level"),
        (lambda: length_association(AnswerLog.of([1, 2], [1, 1]), key=KEY), "no category has both"),
        (lambda: length_association(drawn(99, 0, True), level=2.0, key=KEY), "level must lie"),
        (lambda: fit_stop_rule(drawn(99, 0, True), key=KEY, worth=1.0), "worth must lie"),
        (lambda: fit_stop_rule(drawn(99, 0, True), key=KEY, alpha=0.0), "alpha must lie"),
        (lambda: fit_stop_rule(drawn(3, 0, True), key=KEY), "two halves"),
    ],
)
def test_misuse_is_refused(make: object, text: str) -> None:
    with pytest.raises(InvalidArgument, match=text):
        make()  # type: ignore[operator]
