"""The probability of being the best: as often right as it says, and untouched by what trials have in common."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from trimtab.base.seeds import Key
from trimtab.trust.best_probability import _SPREADS, _prior, independent_best_probability, paired_best_probability
from trimtab.trust.sample import PairedSample


def rng() -> np.random.Generator:
    return Key(0, purpose="test").generator()


def test_of_studies_that_say_so_much_so_many_are_right() -> None:
    draws = np.random.default_rng(1)
    said, right = [], []
    for _ in range(500):
        spread, errors = float(np.exp(draws.uniform(-1.0, 2.0))), draws.uniform(0.5, 2.0, 12)
        truths = spread * draws.normal(size=12)
        seen = truths + errors * draws.normal(size=12)
        place = int(np.argmin(seen + errors))
        said.append(independent_best_probability(seen, errors, place, rng()))
        right.append(place == int(np.argmin(truths)))
    told, hits = np.array(said), np.array(right)
    for low, high in ((0.0, 0.3), (0.3, 0.6), (0.6, 0.9), (0.9, 1.01)):
        inside = (told >= low) & (told < high)
        assert inside.sum() > 30
        assert stats.binomtest(int(hits[inside].sum()), int(inside.sum()), told[inside].mean()).pvalue > 0.001
    # The rule can fail: the raw values, taken without shrinking, would be called the best far too often.
    assert hits.mean() < 0.75


def test_how_hopeless_the_worse_half_is_makes_no_difference() -> None:
    draws = np.random.default_rng(6)
    good, noise = draws.normal(size=6), np.ones(12)
    said = [
        independent_best_probability(
            np.concatenate([good, far + draws.normal(size=6)]), noise, int(good.argmin()), rng()
        )
        for far in (30.0, 1e3, 1e6)
    ]
    assert said == pytest.approx([said[0]] * 3, abs=1e-4)


@pytest.mark.parametrize("noise", [1.0, 0.4])
def test_the_prior_is_an_average_over_centres_and_spreads(noise: float) -> None:
    """Against sums over each trial, for every centre and spread."""
    means, variances = np.random.default_rng(7).normal(size=9), noise**2 * np.linspace(0.5, 2.0, 9)
    centres, weights = _prior(means, variances, noise)
    order, wanted, middle = np.argsort(means), [], []
    for tau in noise * _SPREADS:
        unit = np.hypot(tau, noise)
        m = means[order[:5]].mean() + unit * np.linspace(-3.0, 3.5, 4_000)[:, None]
        scale = np.sqrt(tau**2 + variances[order])
        told = stats.norm(m, scale[:5]).logpdf(means[order[:5]]).sum(axis=1)
        told += stats.norm(m, scale[5:]).logsf(means[order[4]]).sum(axis=1)
        wanted.append(np.exp(told).mean() * unit * tau / (noise**2 + tau**2))
        middle.append(np.average(m[:, 0], weights=np.exp(told)))
    assert weights == pytest.approx(np.array(wanted) / sum(wanted), abs=2e-3)
    assert centres[weights > 0.01] == pytest.approx(np.array(middle)[weights > 0.01], abs=0.02)


def test_one_of_all_trials_is_the_best() -> None:
    means, errors = np.array([0.0, 0.5, 0.4, 2.0]), np.array([0.5, 0.2, 0.6, 1.0])
    assert sum(independent_best_probability(means, errors, place, rng()) for place in range(4)) == pytest.approx(1.0)


def test_equal_trials_are_as_probable_and_a_lone_one_is_sure() -> None:
    assert independent_best_probability(np.zeros(4), np.ones(4), 2, rng()) == pytest.approx(0.25, abs=0.08)
    assert independent_best_probability(np.array([-30.0, 0.0, 1.0]), np.ones(3), 0, rng()) > 0.999
    assert independent_best_probability(np.zeros(1), np.ones(1), 0, rng()) == 1.0
    assert independent_best_probability(np.array([1.0, 1.0, 2.0]), np.zeros(3), 0, rng()) == 0.5


def test_what_trials_have_in_common_does_not_matter() -> None:
    losses = np.random.default_rng(2).normal(size=(6, 80))
    common = 10.0 * np.random.default_rng(3).normal(size=80)
    found, shifted = (paired_best_probability(PairedSample.of(list(rows)), rng()) for rows in (losses, losses + common))
    assert shifted == pytest.approx(found, abs=1e-9)


def test_independent_losses_say_what_their_standard_errors_say() -> None:
    losses = np.random.default_rng(4).normal(size=(40, 300)) + 0.1 * np.random.default_rng(5).normal(size=(40, 1))
    sample = PairedSample.of(list(losses))
    alone = independent_best_probability(sample.means, sample.errors, sample.best, rng())
    assert paired_best_probability(sample, rng()) == pytest.approx(alone, abs=0.12)


def test_only_so_many_trials_are_drawn_the_asked_one_among_them() -> None:
    means = np.linspace(0.0, 1.0, 2000)
    assert independent_best_probability(means, np.full(2000, 0.01), 1999, rng()) == 0.0
