"""Two models on the same test images, in words."""

from __future__ import annotations

import json

import numpy as np
import pytest

from trimtab.cli.comparison import Comparison
from trimtab.trust import binomial_interval, paired_difference


def compared(default_wrong: range, tuned_wrong: range, size: int = 500) -> Comparison:
    return Comparison(7, size, tuple(default_wrong), tuple(tuned_wrong))


def test_losses_come_back() -> None:
    default, tuned = np.zeros(20), np.zeros(20)
    default[[3, 5]] = 1.0
    tuned[5] = 1.0
    made = Comparison.from_losses(7, default, tuned)
    assert made == Comparison(7, 20, (3, 5), (5,))
    assert Comparison.from_json(json.loads(json.dumps(made.to_json()))) == made
    gain, interval = made.gain
    assert gain == pytest.approx(0.05)
    assert interval == paired_difference(default, tuned)
    assert gain in interval


def test_accuracies_with_their_intervals() -> None:
    interval = binomial_interval(480, 500)
    assert compared(range(40), range(20)).rows == (
        ("default settings", "92.0 %", "89.3 % to 94.2 %"),
        ("tuned (trial 7)", "96.0 %", f"{100 * interval.low:.1f} % to {100 * interval.high:.1f} %"),
    )


@pytest.mark.parametrize(
    ("default_wrong", "tuned_wrong", "verdict"),
    [
        (range(40), range(20), "Tuning helped: +4.0 percentage points (95 % interval +"),
        (range(20), range(40), "Tuning did harm: -4.0 percentage points (95 % interval -"),
        (range(20), range(10, 29), "No evidence that tuning helped or did harm: +0.2 percentage points"),
        (range(20), range(20), "No evidence that tuning helped or did harm: +0.0 percentage points"),
    ],
)
def test_the_verdict_follows_the_interval(default_wrong: range, tuned_wrong: range, verdict: str) -> None:
    made = compared(default_wrong, tuned_wrong)
    assert made.verdict.startswith(verdict)
    assert made.verdict in made.section.text
    assert "tuned (trial 7)" in str(made.section.grid)
