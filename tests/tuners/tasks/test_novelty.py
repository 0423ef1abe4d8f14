"""Novelty: level and power by simulation, invariance, and exact small cases."""

from __future__ import annotations

import numpy as np
import pytest

from trimtab.base.errors import InvalidArgument
from trimtab.base.seeds import Key
from trimtab.trust.quantiles import beta_quantile
from trimtab.tuners.tasks.duals import PiecewiseConstant
from trimtab.tuners.tasks.novelty import check_novelty, loss_profiles


def most_alarms(runs: int, rate: float) -> int:
    """What a count of alarms exceeds with a probability of 1 in 10,000 only, if each run gives one with this rate."""
    alarms = 0
    while alarms < runs and beta_quantile(1e-4, alarms + 1, runs - alarms) <= rate:
        alarms += 1
    return alarms


def skewed(rng: np.random.Generator, count: int) -> np.ndarray:
    """Features of very different scales, one of them with few values."""
    return np.stack([rng.lognormal(3, 2, count), rng.normal(size=count), rng.integers(0, 2, count)], axis=-1)


@pytest.mark.parametrize("level", [0.05, 0.3])
def test_false_alarms_keep_to_their_level(level):
    runs, together, flags = 120, 0, 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        found = check_novelty(skewed(rng, 40), skewed(rng, 6), level=level, relabellings=99, key=Key(seed))
        together += found.alarm
        flags += bool(found.flagged.any())
    assert together <= most_alarms(runs, level)
    assert flags <= most_alarms(runs, level)


def test_p_values_of_single_tasks_are_uniform():
    found = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        found.append(check_novelty(rng.normal(size=(19, 2)), rng.normal(size=(1, 2))).together)
    values, counts = np.unique(found, return_counts=True)
    assert values == pytest.approx(np.arange(1, 21) / 20)
    # Chi-squared with 19 degrees of freedom exceeds 50 with a probability of 1.3 in 10,000.
    assert ((counts - 10.0) ** 2 / 10.0).sum() < 50.0


def test_shifted_tasks_are_seen():
    together, single, flagged = 0, 0, 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        old, same = rng.normal(size=(60, 3)), rng.normal(size=(8, 3))
        together += check_novelty(old, same + np.array([1.0, 1.0, 0.0]), relabellings=199).alarm
        single += check_novelty(old, same[:1] + 6.0).alarm
        same[2] += 8.0
        flagged += check_novelty(old, same[:3]).flagged.tolist() == [False, False, True]
    assert together >= 24
    assert single == 40
    assert flagged >= 36


def test_a_change_that_no_single_task_shows_is_seen_together():
    rng = np.random.default_rng(0)
    old = rng.normal(size=(80, 2))
    new = 0.2 * rng.normal(size=(15, 2))
    found = check_novelty(old, new)
    assert found.alarm
    assert not found.flagged.any()
    assert "UNLIKE" in found.sentence


def test_units_and_order_do_not_matter():
    rng = np.random.default_rng(1)
    old, new = skewed(rng, 30), skewed(rng, 4)
    first = check_novelty(old, new)
    scaled = check_novelty(old * [1e-6, 1e5, 3.0] + [7.0, 0.0, -2.0], new * [1e-6, 1e5, 3.0] + [7.0, 0.0, -2.0])
    shuffled = check_novelty(old[rng.permutation(30)], new)
    assert first.p_values.tolist() == scaled.p_values.tolist() == shuffled.p_values.tolist()
    assert first.together == pytest.approx(scaled.together, abs=0.01)
    assert check_novelty(old, new, key=Key(3)).together == check_novelty(old, new, key=Key(3)).together


def test_the_sentence_says_what_could_not_be_seen():
    rng = np.random.default_rng(2)
    found = check_novelty(rng.normal(size=(30, 2)), rng.normal(size=(5, 2)) + 100.0)
    assert found.alarm
    assert found.p_values.tolist() == [f / 31 for f in (found.p_values * 31).round()]
    assert not found.flagged.any()
    assert "No single task could be flagged: that takes 99 old tasks." in found.sentence
    assert "No sign" in check_novelty(np.eye(5), np.eye(5)).sentence


def test_a_column_that_never_changed_counts_when_it_does():
    old = np.stack([np.random.default_rng(3).normal(size=99), np.ones(99)], axis=-1)
    assert check_novelty(old, [[0.0, 5.0]]).p_values[0] == pytest.approx(0.01)
    assert check_novelty(old, [[0.0, 1.0]]).p_values[0] > 0.05


def test_loss_profiles_are_losses():
    duals = [PiecewiseConstant([0.01, 0.5, 1.0], [0.0, place]) for place in (0.2, 0.7)]
    assert loss_profiles(duals, 4).tolist() == [[0.0, 0.0, 0.2, 0.2], [0.0, 0.0, 0.7, 0.7]]
    assert loss_profiles(duals, 4, log=True).tolist() == [[0.0, 0.0, 0.0, 0.2], [0.0, 0.0, 0.0, 0.7]]
    crowd = loss_profiles([PiecewiseConstant([0, 0.5, 1], [0.0, 0.5 + place / 1000]) for place in range(40)])
    assert check_novelty(crowd[:39], loss_profiles([PiecewiseConstant([0, 0.5, 1], [1.0, 0.0])])).together < 0.05


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: check_novelty([[1.0]], [[1.0]]), "m >= 2"),
        (lambda: check_novelty([[1.0], [2.0]], [[1.0, 2.0]]), "same columns"),
        (lambda: check_novelty([[1.0], [np.nan]], [[1.0]]), "finite"),
        (lambda: check_novelty([[1.0], [2.0]], [[1.0]], level=5), "0.05 for 5%"),
        (lambda: check_novelty([[1.0], [2.0]], [[1.0]], neighbours=0), "neighbours"),
        (lambda: loss_profiles([]), "share"),
    ],
)
def test_errors_say_what_is_wrong(make, text):
    with pytest.raises(InvalidArgument, match=text):
        make()
