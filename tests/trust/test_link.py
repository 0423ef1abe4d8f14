"""From the mean loss to the objective: every known scale, its direction, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from trimtab.base.records import Objective
from trimtab.trust.link import find_link
from trimtab.trust.sample import PairedSample

LOSSES = np.random.default_rng(0).exponential(0.3, size=(6, 50))
SAMPLE = PairedSample.of(list(LOSSES))
MEANS = LOSSES.mean(axis=1)
DOWN, UP = Objective(), Objective(direction="maximize")

Scale = Callable[[np.ndarray], np.ndarray]

SCALES: list[tuple[str, Objective, Scale]] = [
    ("mean loss", DOWN, lambda mean: mean),
    ("100 x mean loss", DOWN, lambda mean: 100 * mean),
    ("sum of losses", DOWN, lambda mean: 50 * mean),
    ("root of the mean loss", DOWN, np.sqrt),
    ("exponential of the mean loss", DOWN, np.exp),
    ("1 - mean loss", UP, lambda mean: 1 - mean),
    ("-mean loss", UP, lambda mean: -mean),
    ("100 x (1 - mean loss)", UP, lambda mean: 100 - 100 * mean),
    ("0.8 - 2.5 x mean loss", UP, lambda mean: 0.8 - 2.5 * mean),
    ("3 + 2 x mean loss", DOWN, lambda mean: 3 + 2 * mean),
]


@pytest.mark.parametrize(("words", "objective", "scale"), SCALES, ids=[words for words, _, _ in SCALES])
def test_every_known_scale_is_found_from_values_in_single_precision(
    words: str, objective: Objective, scale: Scale
) -> None:
    link = find_link(scale(MEANS).astype(np.float32).astype(float), SAMPLE, objective)
    assert link is not None
    assert (link.words, link.exact) == (words, True)
    assert link(0.25) == pytest.approx(float(scale(np.array(0.25))), rel=1e-4)


@pytest.mark.parametrize(("words", "objective", "scale"), SCALES, ids=[words for words, _, _ in SCALES])
def test_a_scale_in_the_wrong_direction_is_refused(words: str, objective: Objective, scale: Scale) -> None:
    assert find_link(scale(MEANS), SAMPLE, UP if objective is DOWN else DOWN) is None


def test_a_small_part_of_the_standard_error_may_be_missing() -> None:
    error = float(SAMPLE.errors.min())
    near = find_link(MEANS + 0.04 * error, SAMPLE, DOWN)
    assert near is not None
    assert (near.words, near.exact) == ("mean loss", False)
    shaken = MEANS + 0.3 * error * np.array([1, -1, 1, -1, 1, -1])
    assert find_link(shaken, SAMPLE, DOWN) is None


def test_two_trials_do_not_make_a_line() -> None:
    two = PairedSample.of(list(LOSSES[:2]))
    assert find_link(3 + 2 * MEANS[:2], two, DOWN) is None


def test_a_far_end_may_be_infinite() -> None:
    link = find_link(np.exp(MEANS), SAMPLE, DOWN)
    assert link is not None
    assert link(1e6) == np.inf
