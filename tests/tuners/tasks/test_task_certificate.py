"""Certificates: coverage by simulation, widths, and exact small cases."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from trimtab.base.errors import InvalidArgument
from trimtab.trust.quantiles import beta_quantile
from trimtab.tuners.tasks.certificate import Certificate, certify_setting, compare_settings

DRAWS = {
    "beta": (lambda rng, size: rng.beta(2, 5, size), 2 / 7),
    "rare": (lambda rng, size: np.where(rng.random(size) < 0.02, 1.0, 0.05), 0.069),
    "coin": (lambda rng, size: rng.integers(0, 2, size).astype(float), 0.5),
}


def most_misses(runs: int, rate: float) -> int:
    """What a count of misses exceeds with a probability of 1 in 10,000 only, if each run misses with this rate."""
    misses = 0
    while misses < runs and beta_quantile(1e-4, misses + 1, runs - misses) <= rate:
        misses += 1
    return misses


@pytest.mark.parametrize("method", ["betting", "bernstein", "hoeffding"])
@pytest.mark.parametrize("name", list(DRAWS))
@pytest.mark.parametrize("level", [0.95, 0.6])
def test_intervals_cover_at_their_level(method, name, level):
    draw, truth = DRAWS[name]
    runs = 80 if method == "betting" else 200
    misses = 0
    for seed in range(runs):
        found = certify_setting(2.0 + 3.0 * draw(np.random.default_rng(seed), 60), 2.0, 5.0, level=level, method=method)
        misses += not found.interval.low <= 2.0 + 3.0 * truth <= found.interval.high
    assert misses <= most_misses(runs, 1.0 - level)


def test_the_rule_refuses_an_interval_that_is_too_short():
    misses = 0
    for seed in range(100):
        losses = np.random.default_rng(seed).beta(2, 5, 60)
        reach = losses.std() / math.sqrt(60)
        misses += abs(losses.mean() - 2 / 7) > reach
    assert misses > most_misses(100, 0.05)


@pytest.mark.parametrize("name", list(DRAWS))
def test_betting_is_the_shortest_from_twenty_tasks_on(name):
    for size in (20, 100):
        widths = {}
        for method in ("betting", "bernstein", "hoeffding"):
            found = [
                certify_setting(DRAWS[name][0](np.random.default_rng(seed), size), 0, 1, method=method).interval
                for seed in range(10)
            ]
            widths[method] = np.mean([each.high - each.low for each in found])
        assert min(widths, key=widths.get) == "betting"


def test_hoeffding_and_bernstein_are_their_formulas():
    losses = [0.2, 0.4, 0.4, 0.6] * 100
    mean, count = 0.4, 400
    found = certify_setting(losses, 0.0, 1.0, method="hoeffding").interval
    assert found.high - mean == pytest.approx(math.sqrt(math.log(40) / 800))
    assert mean - found.low == pytest.approx(found.high - mean)
    found = certify_setting(losses, 0.0, 1.0, method="bernstein").interval
    variance = 0.02 * count / (count - 1)
    assert found.high - mean == pytest.approx(
        math.sqrt(2 * variance * math.log(80) / count) + 7 * math.log(80) / (3 * (count - 1))
    )


@pytest.mark.parametrize("size", [30, 99])
def test_the_next_task_is_covered(size):
    misses = 0
    for seed in range(300):
        *seen, new = np.random.default_rng(seed).gamma(0.5, size=size + 1)
        misses += new > certify_setting(seen, 0.0, 50.0, level=0.9).next_task
    assert misses <= most_misses(300, 0.1)
    # With a continuous distribution the rate is 1 - ceil((m + 1) level) / (m + 1) exactly.
    assert misses >= 300 - most_misses(300, math.ceil(0.9 * (size + 1)) / (size + 1)) - 1


def test_the_next_task_needs_enough_tasks():
    losses = np.linspace(0.1, 0.5, 19)
    assert certify_setting(losses, 0.0, 1.0).next_task == 0.5
    assert certify_setting(losses[1:], 0.0, 1.0).next_task == 1.0
    assert "say nothing of the worst" in certify_setting(losses[1:], 0.0, 1.0).sentence


def test_a_comparison_decides_rightly():
    wrong, power = 0, 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        hard = rng.random(60)
        same = compare_settings(hard * rng.random(60), hard * rng.random(60), 0.0, 1.0, level=0.9)
        wrong += same.better or same.worse
        power += compare_settings(0.8 * hard, hard, 0.0, 1.0).better
    assert wrong <= most_misses(100, 0.1)
    assert power >= 80


def test_a_comparison_is_of_pairs_and_says_which_way():
    hard = np.linspace(0.0, 0.9, 60)
    found = compare_settings(hard + 0.1, hard, 0.0, 1.0)
    assert found.worse
    assert "MORE" in found.sentence
    assert found.difference == pytest.approx(0.1)
    assert found.approximate.low == pytest.approx(0.1)
    assert compare_settings(hard, hard + 0.1, 0.0, 1.0).better
    assert "do not decide" in compare_settings(hard, hard, 0.0, 1.0).sentence


def test_json_brings_back_the_certificate():
    found = certify_setting(np.random.default_rng(0).random(50), 0.0, 1.0)
    assert Certificate.from_json(json.loads(json.dumps(found.to_json()))) == found


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: certify_setting([0.5, 1.5], 0.0, 1.0), "outside the stated range; got 1.5"),
        (lambda: certify_setting([0.5, math.nan], 0.0, 1.0), "outside the stated range"),
        (lambda: certify_setting([0.5], 0.0, 1.0), "2 or more"),
        (lambda: certify_setting([0.5, 0.6], 1.0, 0.0), "range of losses"),
        (lambda: certify_setting([0.5, 0.6], 0.0, 1.0, level=95), "0.95 for 95%"),
        (lambda: certify_setting([0.5, 0.6], 0.0, 1.0, method="normal"), "betting, bernstein, hoeffding"),
        (lambda: compare_settings([0.5, 0.6], [0.5, 0.6, 0.7], 0.0, 1.0), "same tasks"),
    ],
)
def test_errors_say_what_is_wrong(make, text):
    with pytest.raises(InvalidArgument, match=text):
        make()
