"""The posterior of the optimum's place as BAL has it: low where the predicted loss is high, at an annealed temperature.

Needs a fitted surrogate. Y. Cao and Y. Shen, "Bayesian Active Learning for Optimization and Uncertainty Quantification
in Protein Docking", Journal of Chemical Theory and Computation 16(8), 2020, arXiv 1902.00067. With the predicted
(standardised) loss m, d parameters and n trials,

    p(x) = exp(-rho m(x)) / Z,    rho = rho_0 exp(n^(1 / (d / 2 + 2)) / H(p)),    rho_0 = 1,

where H is the entropy of p in bits. Its regions of highest density are sublevel sets of m, whatever rho is: the
temperature decides how far up they reach, and nothing in it knows how well m is known.

Where it differs from the paper: the surrogate is that of the tuner `gp`, not a Kriging regressor of a bandwidth that n
sets; the history is there, so that the temperature is annealed by repeating its rule, not between batches; the
exponent is that of the authors' program (1 / d in their supporting information); chains at a ladder of temperatures,
which exchange their states, stand for one long chain; and the entropy needs no density estimate, since along the ladder

    H(rho) = H(0) + rho E_rho[m] - int_0^rho E_r[m] dr    (in nats).

H(0) is that of a cube of side 10, in which the rule is positive; the paper does not state its functions' ranges. The
entropy is not let fall below a bit. An inflation a divides rho by a^2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.space import Space
from trimtab.surrogates.acquisition.candidates import filled, spread
from trimtab.surrogates.gp import Model

__all__ = ["Annealed", "annealed", "annealed_rho", "entropies"]

Array = NDArray[np.float64]

LADDER = np.array([0.0, *np.geomspace(0.25, 256.0, 11)])
"""The values of rho, from the uniform distribution on."""

CHAINS = 8
"""Chains of each rung."""

BURN_IN, KEPT, THIN = 300, 150, 3
"""Steps that are forgotten, states of each chain that are kept, and steps between them."""

SIDE = 10.0
"""The side of the cube that entropies are measured in."""

LEAST_ENTROPY = 1.0
"""Bits; the rule has a pole at none."""

ROUNDS = 30
"""How often the temperature is updated, as in the paper."""

JUMP = 0.2
"""Probability that a step draws one coordinate anew, which takes chains over categories and between basins."""

ACCEPTANCE = (0.25, 0.4)
"""Below and above, steps are shortened and lengthened during the burn-in."""


@dataclass(frozen=True, slots=True)
class Annealed:
    """Draws from the posterior of the place.

    Arguments:
        unit: unit coordinates, nan where inactive, shape (s, d).
        means: predicted losses there, in the model's warped units, shape (s,).
        rho: the inverse temperature.
        entropy: of the posterior, in bits within a cube of side 10.
    """

    unit: Array
    means: Array
    rho: float
    entropy: float


def annealed(model: Model, space: Space, draws: int, inflation: float, rng: np.random.Generator) -> Annealed:
    """Draws from the annealed posterior.

    Arguments:
        model: a fitted surrogate.
        space: that it is about.
        draws: s, how many.
        inflation: divides rho by its square.
        rng: of the chains.
    """
    latent, means = _tempered(model, space, rng)
    bits = entropies(LADDER, means.mean(axis=1), len(space))
    rho = annealed_rho(LADDER, bits, model.trials, len(space)) / inflation**2
    rho = min(max(rho, float(LADDER[0])), float(LADDER[-1]))
    rung = int(np.abs(np.log((LADDER + 0.1) / (rho + 0.1))).argmin())
    # The nearest rung's states, reweighted to rho.
    weights = -(rho - LADDER[rung]) * means[rung]
    weights = np.exp(weights - weights.max())
    rows = rng.choice(len(weights), size=draws, p=weights / weights.sum())
    unit = space.to_unit(space.from_unit(latent[rung, rows]))
    return Annealed(unit, means[rung, rows], rho, float(np.interp(rho, LADDER, bits)))


def entropies(rhos: Array, means: Array, columns: int) -> Array:
    """Entropies in bits along a ladder, from the mean losses of its rungs.

    Arguments:
        rhos: ascending from 0, shape (k,).
        means: E_rho[m] for each, shape (k,).
        columns: d, the number of parameters.
    """
    areas = np.append(0.0, np.cumsum(0.5 * (means[1:] + means[:-1]) * np.diff(rhos)))
    bits: Array = columns * math.log2(SIDE) + (rhos * means - areas) / math.log(2.0)
    return bits


def annealed_rho(rhos: Array, bits: Array, trials: int, columns: int) -> float:
    """The inverse temperature after `ROUNDS` updates, which never lower it.

    Arguments:
        rhos, bits: a ladder and its entropies, shape (k,).
        trials: n.
        columns: d.
    """
    rho, growth = 1.0, trials ** (1.0 / (0.5 * columns + 2.0))
    for _ in range(ROUNDS):
        entropy = max(float(np.interp(rho, rhos, bits)), LEAST_ENTROPY)
        # exp(50) lies far beyond any ladder.
        rho = min(max(rho, math.exp(min(growth / entropy, 50.0))), float(rhos[-1]))
    return rho


def _tempered(model: Model, space: Space, rng: np.random.Generator) -> tuple[Array, Array]:
    """Latent states (rungs, CHAINS * KEPT, d) of tempered Metropolis chains, and the predicted losses there."""
    rungs, columns = len(LADDER), len(space)
    start = np.vstack([filled(rng, model.incumbents), spread(rng, 1 << (rungs * CHAINS).bit_length(), columns)])
    state = start[rng.permutation(len(start))[: rungs * CHAINS]]
    rho = np.repeat(LADDER, CHAINS)
    loss = _losses(model, space, state)
    step, accepted = np.full(rungs, 0.2), np.zeros(rungs)
    states, means = [], []
    for turn in range(BURN_IN + KEPT * THIN):
        proposal = _moved(state, np.repeat(step, CHAINS), rng)
        there = _losses(model, space, proposal)
        taken = np.log(rng.random(len(rho))) < _rise(rho, loss, there)
        state, loss = np.where(taken[:, None], proposal, state), np.where(taken, there, loss)
        accepted += taken.reshape(rungs, CHAINS).mean(axis=1)
        _exchange(state, loss, turn % 2, rng)
        if turn < BURN_IN and turn % 20 == 19:
            rate, accepted = accepted / 20.0, np.zeros(rungs)
            step *= np.where(rate > ACCEPTANCE[1], 1.3, np.where(rate < ACCEPTANCE[0], 0.75, 1.0))
            step = np.clip(step, 1e-3, 0.5)
        if turn >= BURN_IN and turn % THIN == 0:
            states.append(state.reshape(rungs, CHAINS, columns))
            means.append(loss.reshape(rungs, CHAINS))
    return np.concatenate(states, axis=1), np.concatenate(means, axis=1)


def _losses(model: Model, space: Space, latent: Array) -> Array:
    """Predicted losses of the configurations nearest to latent points; inf where these break a constraint."""
    raw = space.from_unit(latent)
    posterior = model.posterior
    cross = posterior.cross(model.embedding.features(space.to_unit(raw)) / posterior.scales)
    losses: Array = posterior.mean + cross @ posterior.alpha
    return np.where(space.feasible_many(raw), losses, np.inf) if space.all_constraints else losses


def _rise(rho: Array, loss: Array, there: Array) -> Array:
    """What rho (loss - there) is, where both may be inf: what breaks a constraint is left, and never entered."""
    finite = np.isfinite(there)
    rise: Array = np.where(
        finite, rho * (np.where(np.isfinite(loss), loss, 1e9) - np.where(finite, there, 0.0)), -np.inf
    )
    return rise


def _moved(state: Array, step: Array, rng: np.random.Generator) -> Array:
    """Symmetric proposals: Gaussian ones, reflected at the ends, or one coordinate drawn anew."""
    moved = state + step[:, None] * rng.standard_normal(state.shape)
    moved = np.abs(np.mod(moved + 1.0, 2.0) - 1.0)
    jumps = np.flatnonzero(rng.random(len(state)) < JUMP)
    moved[jumps] = state[jumps]
    moved[jumps, rng.integers(state.shape[1], size=len(jumps))] = rng.random(len(jumps))
    return moved


def _exchange(state: Array, loss: Array, first: int, rng: np.random.Generator) -> None:
    """Exchange states of neighbouring rungs, in place: with probability min(1, exp((rho' - rho) (loss' - loss)))."""
    for low in range(first, len(LADDER) - 1, 2):
        a = np.arange(low * CHAINS, (low + 1) * CHAINS)
        gain = (LADDER[low + 1] - LADDER[low]) * (np.minimum(loss[a + CHAINS], 1e9) - np.minimum(loss[a], 1e9))
        swap = a[np.log(rng.random(CHAINS)) < gain]
        both, other = np.append(swap, swap + CHAINS), np.append(swap + CHAINS, swap)
        state[both], loss[both] = state[other], loss[other]
