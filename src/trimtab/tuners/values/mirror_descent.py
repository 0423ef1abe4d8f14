"""Who plays next: optimistic online mirror descent over a few experts, and discounted UCB for bandit feedback.

S. Chen, Y.-J. Zhang, W.-W. Tu, P. Zhao and L. Zhang, "Optimistic Online Mirror Descent for Bridging
Stochastic and Adversarial Online Convex Optimization", Journal of Machine Learning Research 25(178), 2024,
arXiv 2302.04552. On the simplex with the entropy as mirror map, losses g_t in [0, 1]^K and a hint M_t:

    x_t      proportional to  xh_t exp(-eta_t M_t)                  what is played
    xh_{t+1} proportional to  xh_t exp(-eta_t g_t)                  what is remembered
    eta_t    = D / sqrt(delta + 4 G^2 + V),   V = sum_{s<t} max_k (g_s - M_s)_k^2,   D = sqrt(2 log K)

Differences from the paper: the hint is an exponential mean of past losses instead of the last one, and a fixed
share s is given back to all (M. Herbster and M. K. Warmuth, "Tracking the Best Expert", Machine Learning 32,
1998): xh <- (1 - s) xh + s / K. Without the share the iterate hardly recovers after the best expert changes;
the hint alone does not track. On losses that alternate, hints cost: the last loss as a hint doubles the regret.

Where only the played expert's loss is seen, importance weights make mirror descent too noisy for a few hundred
rounds. There, the discounted index policy of A. Garivier and E. Moulines, "On Upper-Confidence Bound Policies
for Switching Bandit Problems", ALT 2011, arXiv 0805.3415, is used: with weights w_s = discount^(t - s),

    play argmin_k  m_k - sqrt(c log(n) / n_k),   n_k = sum_{s: k played} w_s,   m_k their mean loss,   n = sum_k n_k

No bound of the first paper is claimed for this feedback.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["discounted_index", "discounted_means", "mirror_weights", "step_size"]

Array = NDArray[np.float64]
Numbers = NDArray[np.intp]

HINT_MEMORY = 0.7
"""Weight of the past in the exponential mean that serves as a hint."""

SHARE = 0.001
"""What is given back to all experts each round."""

DISCOUNT = 0.995
"""Weight of a round relative to the next one."""

EXPLORATION = 0.05
"""c of the index."""


def step_size(experts: int, variation: float, bound: float = 1.0, delta: float = 1.0) -> float:
    """The step eta of K experts after the hints missed by `variation` = V in all; `bound` = G on the losses."""
    return math.sqrt(2.0 * math.log(experts)) / math.sqrt(delta + 4.0 * bound * bound + variation)


def _tilted(weights: Array, slope: Array, eta: float) -> Array:
    """Weights (K,) times exp(-eta slope), normalised."""
    scaled: Array = weights * np.exp(-eta * (slope - slope.min()))
    total: Array = scaled / scaled.sum()
    return total


def mirror_weights(losses: Array, memory: float = HINT_MEMORY, share: float = SHARE) -> Array:
    """What is played in each round, and next, shape (T + 1, K).

    Arguments:
        losses: of all K experts in rounds 1 to T, in [0, 1], shape (T, K).
        memory: of the hint M_{t+1} = memory M_t + (1 - memory) g_t; 0 for the last loss, 1 for no hint.
        share: s, in [0, 1).
    """
    rounds, experts = losses.shape
    kept = np.full(experts, 1.0 / experts)
    if experts == 1:
        return np.ones((rounds + 1, 1))
    hint, variation = np.zeros(experts), 0.0
    played = np.empty((rounds + 1, experts))
    for t in range(rounds + 1):
        eta = step_size(experts, variation)
        played[t] = _tilted(kept, hint, eta)
        if t == rounds:
            break
        loss = losses[t]
        variation += float(np.abs(loss - hint).max()) ** 2
        kept = (1.0 - share) * _tilted(kept, loss, eta) + share / experts
        hint = memory * hint + (1.0 - memory) * loss
    return played


def discounted_means(played: Numbers, losses: Array, experts: int, discount: float = DISCOUNT) -> tuple[Array, Array]:
    """Discounted mean losses (K,), nan where an expert was never played, and discounted numbers of plays (K,).

    Arguments:
        played: who played in rounds 1 to T, shape (T,).
        losses: what that cost, shape (T,); nan where it is not known yet: the round counts as played.
    """
    weights = discount ** np.arange(len(played) - 1, -1, -1, dtype=np.float64)
    known = np.isfinite(losses)
    plays: Array = np.bincount(played, weights, experts).astype(np.float64)
    told = np.bincount(played[known], weights[known], experts)
    total = np.bincount(played[known], weights[known] * losses[known], experts)
    means: Array = np.where(told > 0.0, total / np.where(told > 0.0, told, 1.0), np.nan)
    return means, plays


def discounted_index(means: Array, plays: Array, exploration: float = EXPLORATION) -> Array:
    """Indices (K,), the lowest of which is to be played; -inf for an expert that never was.

    One that was played without a result so far counts with a mean loss of 1/2.
    """
    with np.errstate(divide="ignore"):
        bonus = np.sqrt(exploration * math.log(max(float(plays.sum()), math.e)) / plays)
    index: Array = np.where(np.isnan(means), 0.5, means) - bonus
    return index
