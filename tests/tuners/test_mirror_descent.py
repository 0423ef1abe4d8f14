"""Who plays next: weights on the simplex, what hints and shares are good for, and the index of the bandit.

Six experts, 600 rounds, 12 seeds. Regret is against the best fixed expert; below 0 is better than that one.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from trimtab.tuners.values.mirror_descent import discounted_index, discounted_means, mirror_weights, step_size

Array = NDArray[np.float64]

EXPERTS, ROUNDS, SEEDS = 6, 600, 12
BASE = np.linspace(0.35, 0.65, EXPERTS)
TIME = np.arange(ROUNDS)[:, None]


def noisy(means: Array, spread: float, seed: int) -> Array:
    noise = np.random.default_rng(seed).standard_normal((ROUNDS, EXPERTS))
    return np.clip(means + spread * noise, 0.0, 1.0)


def drift() -> Array:
    return np.asarray(0.5 + 0.3 * np.cos(2.0 * np.pi * (TIME / ROUNDS - np.arange(EXPERTS) / EXPERTS)))


WORLDS: dict[str, Callable[[int], Array]] = {
    "stochastic": lambda seed: noisy(np.tile(BASE, (ROUNDS, 1)), 0.2, seed),
    "drift": lambda seed: noisy(drift(), 0.0, seed),
    "drift and noise": lambda seed: noisy(drift(), 0.2, seed),
    "one switch": lambda seed: noisy(np.where(TIME < ROUNDS // 2, BASE, BASE[::-1]), 0.1, seed),
}


@functools.cache
def regret(world: str, memory: float = 0.7, share: float = 0.001) -> float:
    """Mean over the seeds of the regret of mirror descent with full information."""
    found = []
    for seed in range(SEEDS):
        losses = WORLDS[world](seed)
        weights = mirror_weights(losses, memory, share)
        found.append((weights[:-1] * losses).sum() - losses.sum(axis=0).min())
    return float(np.mean(found))


def bandit_regret(world: str, seeds: int = 3) -> float:
    """The same of the discounted index, which sees the losses of its own choices only."""
    found = []
    for seed in range(seeds):
        losses = WORLDS[world](seed)
        played, seen = np.empty(0, dtype=np.intp), np.empty(0)
        for t in range(ROUNDS):
            means, plays = discounted_means(played, seen, EXPERTS)
            chosen = int(discounted_index(means, plays).argmin())
            played, seen = np.append(played, chosen), np.append(seen, losses[t, chosen])
        found.append(seen.sum() - losses.sum(axis=0).min())
    return float(np.mean(found))


def uniform_regret(world: str) -> float:
    losses = WORLDS[world](0)
    return float(losses.mean(axis=1).sum() - losses.sum(axis=0).min())


def test_with_one_best_expert_the_regret_is_small() -> None:
    assert regret("stochastic") < 10.0 < 0.2 * uniform_regret("stochastic")


@pytest.mark.parametrize("world", ["drift", "one switch"])
def test_the_hint_helps_where_the_best_expert_changes(world: str) -> None:
    assert regret(world) < regret(world, memory=1.0) - 15.0


def test_it_tracks_what_no_fixed_expert_does() -> None:
    assert max(regret("drift"), regret("drift and noise"), regret("one switch")) < -40.0


@pytest.mark.parametrize("world", ["drift", "drift and noise", "one switch"])
def test_the_hint_alone_does_not_track(world: str) -> None:
    assert regret(world, share=0.0) > regret(world) + 40.0


def test_too_large_a_share_costs_where_nothing_changes() -> None:
    assert regret("stochastic", share=0.01) > regret("stochastic") + 5.0


@pytest.mark.parametrize(("world", "most"), [("stochastic", 40.0), ("drift and noise", -50.0), ("one switch", -40.0)])
def test_the_discounted_index_beats_uniform_play(world: str, most: float) -> None:
    assert bandit_regret(world) < min(most, 0.6 * uniform_regret(world))


def test_weights_lie_on_the_simplex_and_follow_the_losses_before_them() -> None:
    losses = np.random.default_rng(0).random((50, 4))
    weights = mirror_weights(losses)
    assert weights.shape == (51, 4)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    assert (weights > 0.0).all()
    assert weights[0].tolist() == [0.25] * 4
    changed = losses.copy()
    changed[30:] = 0.5
    np.testing.assert_array_equal(mirror_weights(changed)[:31], weights[:31])


def test_a_round_is_the_two_steps_of_the_paper() -> None:
    losses = np.array([[0.2, 0.9, 0.4]])
    eta = step_size(3, 0.0)
    assert eta == pytest.approx(math.sqrt(2.0 * math.log(3.0)) / math.sqrt(5.0))
    kept = np.exp(-eta * losses[0])
    kept /= kept.sum()
    second = step_size(3, 0.9**2)
    assert second == pytest.approx(math.sqrt(2.0 * math.log(3.0)) / math.sqrt(5.0 + 0.81))
    played = kept * np.exp(-second * 0.3 * losses[0])
    np.testing.assert_allclose(mirror_weights(losses, 0.7, 0.0)[1], played / played.sum())


def test_one_expert_always_plays() -> None:
    assert mirror_weights(np.random.default_rng(0).random((3, 1))).tolist() == [[1.0]] * 4


def test_means_and_plays_are_discounted() -> None:
    means, plays = discounted_means(np.array([0, 1, 0]), np.array([1.0, 0.5, 0.0]), 3, discount=0.5)
    np.testing.assert_allclose(plays, [1.25, 0.5, 0.0])
    np.testing.assert_allclose(means, [0.2, 0.5, np.nan])


def test_a_pending_round_counts_as_played_but_tells_nothing() -> None:
    means, plays = discounted_means(np.array([0, 0, 1]), np.array([0.4, np.nan, np.nan]), 2, discount=1.0)
    assert plays.tolist() == [2.0, 1.0]
    assert means[0] == 0.4
    assert np.isnan(means[1])
    assert np.isfinite(discounted_index(means, plays)).all()


def test_who_never_played_comes_first() -> None:
    means, plays = discounted_means(np.array([0, 1]), np.array([0.0, 0.0]), 3)
    assert int(discounted_index(means, plays).argmin()) == 2
    nobody = discounted_index(*discounted_means(np.empty(0, dtype=np.intp), np.empty(0), 3))
    assert np.isneginf(nobody).all()
