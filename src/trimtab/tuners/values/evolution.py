"""Regularised evolution: the young survive, the best of a few of them has a child that differs in one parameter.

Needs values; only their order counts. E. Real, A. Aggarwal, Y. Huang and Q. V. Le, "Regularized Evolution
for Image Classifier Architecture Search", AAAI 2019, arXiv 1802.01548, algorithm 1:

1. the population are the P trials that ended last, whoever proposed them: each one ages and leaves it, so
   that a lucky value does not stay;
2. of S members drawn at random, the one of lowest loss is the parent;
3. the child is the parent with one parameter changed.

Any number of trials may run at once: the population is read from the history at each ask. A failed trial is
a member, and loses every tournament against one that told a value.

Mutations beyond the paper's, for mixed and conditional spaces. One of the parent's active parameters is
drawn, all equally likely, and of a child nothing but this one and what it makes active differs:

- a category becomes another one, all equally likely;
- a number makes a Gaussian step in unit coordinates, of a standard deviation drawn log-uniformly between 0.02
  and 0.3, at least to the next value of its grid; one time in ten it is drawn anew;
- parameters that a new branch makes active are taken from the youngest member in which they were, and drawn
  where there is none.

The first trials are the initial design. Cost: an ask reads P trials, whatever the length of the history.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from trimtab.base.history import History
from trimtab.base.info import Info
from trimtab.base.records import Suggestion
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.space import Column, Space
from trimtab.surrogates.evidence import Evidence, gather
from trimtab.tuners.values.proposing import Proposal, Propose, first_fresh, instead, propose_each
from trimtab.tuners.values.quasi_random import SOBOL_REFS
from trimtab.tuners.values.view import View

__all__ = ["REAL_2019", "Evolution", "mutated"]

Array = NDArray[np.float64]

REAL_2019 = Reference(
    authors="Real, Esteban and Aggarwal, Alok and Huang, Yanping and Le, Quoc V.",
    title="Regularized Evolution for Image Classifier Architecture Search",
    year=2019,
    venue="AAAI Conference on Artificial Intelligence 33, 4780-4789",
    arxiv="1802.01548",
)

SMALLEST_STEP, LARGEST_STEP = 0.02, 0.3
"""Between these lies the standard deviation of a number's step, in unit coordinates."""

ANEW = 0.1
"""How often a number is drawn anew instead."""

ATTEMPTS = 64
"""Children that are made in search of one that keeps the constraints and was not tried."""


@dataclass(frozen=True)
class Evolution:
    """Regularised evolution.

    Arguments:
        population: P, how many of the last trials may become parents, >= 1.
        tournament: S, how many of these are drawn to compete, >= 1.
        initial_design: trials before the first child, as many as the population where None.
    """

    population: int = 20
    tournament: int = 5
    initial_design: int | None = None

    name: ClassVar[str] = "evolution"
    needs: ClassVar[Info] = Info.VALUES
    refs: ClassVar[tuple[Reference, ...]] = (REAL_2019, *SOBOL_REFS)

    def ask(self, history: History[Space], count: int, key: Key) -> list[Suggestion]:
        """`count` configurations; fewer where a small space has no more that were not tried."""
        return propose_each(self.name, history, count, key, self._begin)

    def _begin(self, view: View) -> Propose:
        """The population, ready to have children."""
        members = gather(view.history, _last(view, self.population))
        return lambda key: self._propose(view, members, key)

    def _propose(self, view: View, members: Evidence, key: Key) -> Proposal | None:
        """One child."""
        wanted = self.population if self.initial_design is None else self.initial_design
        if view.known < wanted:
            return instead(view, key, f"initial design, {view.known + 1} of {wanted}")
        if len(view.history.objectives) > 1:
            return instead(view, key, "in place of evolution, which has one objective")
        if not members.good.any():
            return instead(view, key, f"none of the last {self.population} trials has told a finite value")
        rng = key.child("evolution").generator()
        unit = view.space.to_unit(members.raw)
        rivals = rng.choice(len(unit), size=min(self.tournament, len(unit)), replace=False)
        losses = np.where(members.good, members.losses, np.inf)[rivals]
        parent = int(rivals[int(losses.argmin())])
        changed = _children(view.space, unit, parent, rng)
        if not changed:
            return instead(view, key, "the parent has no parameter with another value")
        raw = view.space.from_unit(np.array([child for child, _ in changed]))
        kept = np.flatnonzero(view.space.feasible_many(raw))
        place = first_fresh(view, raw[kept])
        if place < 0:
            return instead(view, key, "all children of the parent were tried or broke a constraint")
        column = changed[int(kept[place])][1]
        best = f"the best of {len(rivals)} among the last {len(unit)} trials"
        return raw[kept[place]], f"{best} with another value of {view.space.columns[column].name!r}"


def _last(view: View, count: int) -> NDArray[np.intp]:
    """Numbers of the `count` told trials that ended last, oldest first."""
    # Trials end about in the order of their numbers; those that could have ended later than these are among them.
    recent = [view.history.trial(int(number)) for number in view.told[-8 * count :]]
    recent.sort(key=lambda trial: (trial.ended or 0.0, trial.number))
    return np.array([trial.number for trial in recent[-count:]], dtype=np.intp)


def _children(space: Space, unit: Array, parent: int, rng: np.random.Generator) -> list[tuple[Array, int]]:
    """Latent unit coordinates (d,) of children of a member, each with the column that changed."""
    latent = _inherited(unit, parent, rng)
    columns = [j for j, c in enumerate(space.columns) if not np.isnan(unit[parent, j]) and c.size != 1]
    if not columns:
        return []
    chosen = rng.choice(columns, size=ATTEMPTS).tolist()
    return [(mutated(latent, space.columns[j], j, rng), j) for j in chosen]


def _inherited(unit: Array, parent: int, rng: np.random.Generator) -> Array:
    """The parent's coordinates (d,); inactive ones from the youngest member in which they are active, or drawn."""
    latent = unit[parent].copy()
    for member in unit[::-1]:
        latent = np.where(np.isnan(latent), member, latent)
    return np.where(np.isnan(latent), rng.random(len(latent)), latent)


def mutated(latent: Array, column: Column, place: int, rng: np.random.Generator) -> Array:
    """A copy of unit coordinates (d,) with another value in one column of more than one value."""
    child = latent.copy()
    size = column.size
    if column.kind == "categorical" and size is not None:
        child[place] = ((np.floor(latent[place] * size) + rng.integers(1, size)) % size + 0.5) / size
        return child
    if rng.random() < ANEW:
        child[place] = rng.random()
        return child
    width = np.exp(rng.uniform(np.log(SMALLEST_STEP), np.log(LARGEST_STEP)))
    step = width * rng.standard_normal()
    if size is not None:
        step = np.copysign(max(abs(step), 1.0 / size), step)
    # Reflected at the ends, so that the bounds themselves do not collect what would leave.
    child[place] = np.abs((latent[place] + step + 1.0) % 2.0 - 1.0)
    return child
