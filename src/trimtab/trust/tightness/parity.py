"""Two parities that fit the training data without error, one right, one wrong on half of all inputs.

Needs n inputs uniform in {0, 1}^d, n < d, a target f uniform in {0, 1}^d, labels y_i = f . x_i mod 2. One learner
happens to be biased towards f and returns it. The other solves X h = y over the integers mod 2 by Gaussian elimination
and sets what the equations leave free at random, so that its h is uniform among all parities that fit. Given (X, y), f
is uniform among them too: a model alone does not show which learner made it. Its true error is 0 if h = f and exactly
1/2 otherwise, so a guess that sees only (X, y, h) is off by 1/4 on average, but for the chance 2^(rank - d) that the
second learner finds f as well. From n somewhat above d on, one parity fits and the effect is gone.

Source: M. Gastpar, I. Nachum, J. Shafer and T. Weinberger, "Fantastic generalization measures are nowhere to be found",
ICLR 2024, arXiv 2309.13658; its abstract and reviews that state its theorems were read (Theorem 5 is on this case,
algorithms biased towards a subspace over the integers mod 2). The two learners are the simplest such pair.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Parities", "draw_parities", "rank_mod_2", "solve_mod_2"]

Array = NDArray[np.float64]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Parities:
    """One draw.

    Arguments:
        x: training inputs 0 and 1, shape (n, d).
        y: labels 0 and 1, shape (n,).
        target: f, shape (d,).
        twin: as right on the training inputs, shape (d,).
    """

    x: Array
    y: Array
    target: Array
    twin: Array

    def error(self, model: Array) -> float:
        """The true error of a parity: 0 if it is the target, otherwise 1/2."""
        return 0.5 * float((model != self.target).any())

    def held_out(self, model: Array, size: int, rng: np.random.Generator) -> int:
        """How many of `size` fresh inputs a parity gets wrong."""
        x = rng.integers(2, size=(size, self.x.shape[1]))
        return int(((x @ model) % 2 != (x @ self.target) % 2).sum())


def draw_parities(examples: int, dimensions: int, rng: np.random.Generator) -> Parities:
    """Training data, the target, and a parity that fits as well.

    Arguments:
        examples: n.
        dimensions: d.
        rng: of the draw.
    """
    x = rng.integers(2, size=(examples, dimensions))
    target = rng.integers(2, size=dimensions)
    y = x @ target % 2
    twin = solve_mod_2(x, y, rng)
    return Parities(x.astype(np.float64), y.astype(np.float64), target.astype(np.float64), twin.astype(np.float64))


def solve_mod_2(x: NDArray[np.int64], y: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """A uniformly random solution h of X h = y mod 2, for equations that have one.

    Arguments:
        x: shape (n, d).
        y: shape (n,).
        rng: of the free coordinates.
    """
    rows, pivots = _reduced(np.concatenate([x, y[:, None]], axis=1), x.shape[1])
    h = np.asarray(rng.integers(2, size=x.shape[1]), dtype=np.int64)
    h[pivots] = 0
    h[pivots] = (rows[: len(pivots), -1] + rows[: len(pivots), :-1] @ h) % 2
    return h


def rank_mod_2(x: NDArray[np.int64]) -> int:
    """The rank of a matrix of 0 and 1 over the integers mod 2."""
    return len(_reduced(x.copy(), x.shape[1])[1])


def _reduced(rows: NDArray[np.int64], columns: int) -> tuple[NDArray[np.int64], list[int]]:
    """Rows reduced mod 2 by their first columns, in place, and the pivots' columns."""
    pivots: list[int] = []
    for column in range(columns):
        top = len(pivots)
        ones = np.flatnonzero(rows[top:, column]) + top
        if not ones.size:
            continue
        rows[[top, ones[0]]] = rows[[ones[0], top]]
        others = np.flatnonzero(rows[:, column])
        others = others[others != top]
        rows[others] ^= rows[top]
        pivots.append(column)
        if len(pivots) == len(rows):
            break
    return rows, pivots
