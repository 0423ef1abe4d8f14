"""The corrected estimates: slow twins, exact cases, and the expectation that the coupled bootstrap promises."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from trimtab.base.seeds import Key
from trimtab.trust.coupled import coupled_correction
from trimtab.trust.out_of_bag import out_of_bag_correction
from trimtab.trust.sample import PairedSample
from trimtab.trust.ties import surest


def rng() -> np.random.Generator:
    return Key(0, purpose="test").generator()


def correction(losses: np.ndarray) -> float:
    sample = PairedSample.of(list(losses))
    return out_of_bag_correction(sample, sample.standardised(), rng())


def test_a_lone_or_clear_winner_needs_no_correction() -> None:
    losses = rng().exponential(size=(4, 100))
    assert correction(losses[:1]) == 0.0
    assert correction(losses + np.array([0.0, 9.0, 9.0, 9.0])[:, None]) == 0.0
    rule = partial(surest, level=0.95)
    assert coupled_correction(np.array([1.0]), np.array([0.5]), rule, rng()) == 0.0
    assert coupled_correction(np.array([1.0, 90.0]), np.array([0.5, 0.5]), rule, rng()) == 0.0


def test_out_of_bag_matches_the_published_form() -> None:
    losses = rng().exponential(size=(8, 60))
    draws, outside = rng(), []
    for _ in range(3_000):
        inside = draws.integers(60, size=60)
        left = np.setdiff1d(np.arange(60), inside)
        outside.append(losses[int(np.argmin(losses[:, inside].mean(axis=1)))][left].mean())
    published, spread = np.mean(outside), np.std(outside) / np.sqrt(1_000)
    assert losses.mean(axis=1).min() + correction(losses) == pytest.approx(published, abs=4 * spread)


def test_identical_trials_need_no_correction() -> None:
    assert correction(np.repeat(rng().random((1, 50)), 5, axis=0)) == 0.0


@pytest.mark.parametrize("errors", [np.ones(12), np.geomspace(0.3, 2.0, 12)], ids=["equal", "unequal"])
def test_the_coupled_estimate_is_unbiased_for_the_choice_under_twice_the_variance(errors: np.ndarray) -> None:
    draws, rule = rng(), partial(surest, level=0.95)
    truths = np.linspace(0.0, 2.0, 12)
    repeats, estimates = 300, []
    for _ in range(repeats):
        values = truths + errors * draws.standard_normal(12)
        estimates.append(values[rule(values, errors)] + coupled_correction(values, errors, rule, draws))
    wider = np.sqrt(2.0) * errors
    promised = truths[rule(truths + wider * draws.standard_normal((20_000, 12)), wider)]
    spread = np.std(estimates) / np.sqrt(repeats)
    assert np.mean(estimates) == pytest.approx(np.mean(promised), abs=3.5 * spread)
