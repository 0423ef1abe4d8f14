"""Maximising a criterion over a space of any kind.

Candidates are scored in one batch, the best and mutually distant ones become starts, and all starts are
refined together, alternating until nothing discrete changes any more:

1. the continuous, active coordinates of all starts by one L-BFGS-B run on the sum of their values
   (the starts do not interact), with analytic gradients;
2. the discrete coordinates one column after the other, by exact values: every value of a column with few,
   geometric steps in both directions along one with many.

Every value that is compared belongs to a configuration that exists: points are snapped to the grid before
they are scored. Points that break a constraint of the space lose; a refinement that ends outside is pulled
back towards its start. Alternation over mixed spaces as in Optuna's and BoTorch's practice; L-BFGS-B is
C. Zhu, R. H. Byrd, P. Lu and J. Nocedal, "Algorithm 778: L-BFGS-B", ACM Transactions on Mathematical
Software 23, 1997.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from trimtab.space import Space
from trimtab.surrogates.acquisition.candidates import distinct
from trimtab.surrogates.acquisition.criterion import Criterion

__all__ = ["Scored", "Search"]

Array = NDArray[np.float64]

EXHAUSTIVE = 16
"""Numbers with at most so many values are searched completely."""

MOST_CATEGORIES = 64
"""Categoricals too, up to so many values."""

HALVINGS = 6
"""How often a refinement that broke a constraint is pulled back halfway."""


@dataclass(frozen=True, slots=True)
class Scored:
    """Configurations from the best down: raw coordinates (m, d) and the criterion's values (m,)."""

    raw: Array
    values: Array


@dataclass(frozen=True, slots=True)
class Search:
    """A search over one space.

    Arguments:
        space: where.
        criterion: what is maximised.
        starts: how many candidates are refined.
        rounds: how often continuous and discrete refinement alternate at most.
        iterations: of L-BFGS-B in each round.
    """

    space: Space
    criterion: Criterion
    starts: int = 8
    rounds: int = 3
    iterations: int = 40

    def run(self, latent: Array) -> Scored:
        """All candidates (m, d), and the refined best of them, from the best down."""
        raw, values = self._score(latent)
        order = np.argsort(-values, kind="stable")
        order = order[np.isfinite(values[order])]
        if len(self.space) and order.size:
            chosen = distinct(self.space.to_unit(raw), order, self.starts, apart=0.05)
            better_raw, better = self._refine(latent[chosen], values[chosen])
            raw, values = np.concatenate([better_raw, raw]), np.append(better, values)
            order = np.argsort(-values, kind="stable")
            order = order[np.isfinite(values[order])]
        return Scored(raw[order], values[order])

    def _score(self, latent: Array) -> tuple[Array, Array]:
        """Snapped raw coordinates and values; -inf where a constraint of the space is broken."""
        raw = self.space.from_unit(latent)
        values = np.full(len(raw), -np.inf)
        kept = np.ones(len(raw), dtype=np.bool_)
        if self.space.all_constraints:
            kept = self.space.feasible_many(raw)
        if kept.any():
            values[kept] = self.criterion.value(self.space.to_unit(raw[kept]))
        return raw, values

    def _refine(self, latent: Array, values: Array) -> tuple[Array, Array]:
        """Local maxima near the starts (s, d): raw coordinates and values, never worse than the starts."""
        for _ in range(self.rounds):
            latent, values = self._climb(latent, values)
            before = values
            latent, values = self._step(latent, values)
            if np.array_equal(before, values):
                break
        return self._score(latent)

    def _climb(self, latent: Array, values: Array) -> tuple[Array, Array]:
        """Continuous refinement of all starts."""
        unit = self.space.to_unit(self.space.from_unit(latent))
        free = ~np.isnan(unit) & np.array([column.size is None for column in self.space.columns])
        if not free.any():
            return latent, values

        def negative(flat: Array) -> tuple[float, Array]:
            unit[free] = flat
            value, gradient = self.criterion.value_and_gradient(unit)
            return -float(value.sum()), -gradient[free]

        found = minimize(
            negative,
            unit[free],
            jac=True,
            method="L-BFGS-B",
            bounds=[(0.0, 1.0)] * int(free.sum()),
            options={"maxiter": self.iterations, "ftol": 1e-8, "gtol": 1e-5},
        )
        reached = latent.copy()
        reached[free] = found.x
        return self._improved(latent, values, reached)

    def _improved(self, latent: Array, values: Array, reached: Array) -> tuple[Array, Array]:
        """The better of two rows each; rows that broke a constraint are pulled back first."""
        _, found = self._score(reached)
        for _ in range(HALVINGS if self.space.all_constraints else 0):
            broken = np.isneginf(found)
            if not broken.any():
                break
            reached = np.where(broken[:, None], 0.5 * (reached + latent), reached)
            _, found = self._score(reached)
        better = found > values
        return np.where(better[:, None], reached, latent), np.where(better, found, values)

    def _step(self, latent: Array, values: Array) -> tuple[Array, Array]:
        """One sweep over the discrete columns of all starts."""
        for index, column in enumerate(self.space.columns):
            if column.size is None or column.size == 1:
                continue
            moves = self._moves(index, latent[:, index])
            starts, count = moves.shape
            trial = np.repeat(latent, count, axis=0)
            trial[:, index] = moves.ravel()
            _, found = self._score(trial)
            best = found.reshape(starts, count).argmax(axis=1)
            rows = np.arange(starts) * count + best
            better = found[rows] > values
            latent = np.where(better[:, None], trial[rows], latent)
            values = np.where(better, found[rows], values)
        return latent, values

    def _moves(self, index: int, unit: Array) -> Array:
        """Unit coordinates of one discrete column to try in place of each of (s,), shape (s, count)."""
        column = self.space.columns[index]
        size = column.size or 1
        if column.kind == "categorical":
            # Categories have no neighbours: all of them, or as many as are affordable, evenly from here on.
            steps = np.linspace(0.0, size, min(size, MOST_CATEGORIES), endpoint=False).round()
            places: Array = (np.floor(unit[:, None] * size) + steps) % size
            return (places + 0.5) / size
        if size > EXHAUSTIVE:
            powers = 0.5 ** np.arange(1, np.ceil(np.log2(2 * size)) + 1)
            along: Array = np.clip(unit[:, None] + np.concatenate([powers, -powers]), 0.0, 1.0)
            return along
        rows = np.full((size, len(self.space)), np.nan)
        rows[:, index] = [column.coordinate(value) for value in self.space.levels(column.name, size)]
        return np.tile(self.space.to_unit(rows)[:, index], (len(unit), 1))
