"""One ask of a method that models the new task: what was told, and the best new place by a criterion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.base.history import History
from trimtab.base.records import Suggestion
from trimtab.base.seeds import Key
from trimtab.space import Space
from trimtab.surrogates.acquisition import Criterion, Search, filled, near, spread
from trimtab.surrogates.evidence import Evidence, encode_valid, gather, subset, told_numbers
from trimtab.surrogates.small_matrices import small_matrices
from trimtab.surrogates.untried import is_listable, keys, left, tried
from trimtab.tuners.tasks.transfer.fresh import covering

__all__ = ["Found", "View", "best_new", "propose_each"]

Array = NDArray[np.float64]

CANDIDATES, AROUND, STARTS, ROUNDS, ITERATIONS = 512, 32, 3, 2, 20
"""Points spread over the space, moves of each width around the best ones; how many are refined, how often, how long."""

MOST_TOLD = 300
"""Trials of the new task that a model reads."""

Found = tuple[Array, str]
"""Raw coordinates (d,), and why."""


@dataclass
class View:
    """The new task as one ask sees it.

    Arguments:
        space: where.
        evidence: what at most `MOST_TOLD` trials told.
        pending: unit coordinates of what is pending or was proposed in this ask, shape (p, d).
        taken: keys of all configurations told, pending or proposed.
    """

    space: Space
    evidence: Evidence
    pending: Array
    taken: set[bytes]

    @classmethod
    def of(cls, history: History[Space]) -> View:
        """The view of a history."""
        space = history.space
        evidence = gather(history, subset(history, told_numbers(history), MOST_TOLD))
        rows = [params for params in history.params(history.pending) if params is not None]
        raw, _ = encode_valid(space, rows)
        return cls(space, evidence, space.to_unit(raw), tried(history))

    def propose(self, raw: Array) -> None:
        """Count a proposal (d,) as pending."""
        self.taken.update(keys(raw[None, :]))
        self.pending = np.concatenate([self.pending, self.space.to_unit(raw[None, :])])


def propose_each(
    name: str, history: History[Space], count: int, key: Key, find: Callable[[View, Key], Found | None]
) -> list[Suggestion]:
    """`count` suggestions of a method, each pending for the next; fewer where a small space has no more.

    Arguments:
        find: given the view and the trial's key, what the method proposes. It is not asked where there is nothing
            to model: no parameter, several objectives, or nothing left; then the space is covered.
    """
    view = View.of(history)
    out: list[Suggestion] = []
    for place in range(count):
        own = key.for_trial(key.trial + place)
        found: Found | None = None
        if len(view.space) and len(history.objectives) == 1:
            with small_matrices():
                found = find(view, own)
        found = found or covering(view.space, view.taken, own)
        if found is None:
            break
        view.propose(found[0])
        out.append(Suggestion(view.space.decode(found[0]), name, found[1]))
    return out


def best_new(view: View, criterion: Criterion, centres: Sequence[Array], key: Key) -> tuple[Array, float] | None:
    """The untried configuration (d,) of the highest criterion that was found, and its value; None where none is left.

    Arguments:
        view: the new task.
        criterion: what is maximised.
        centres: unit coordinates (k, d) of places to begin at and to look around.
        key: of the trial.
    """
    space = view.space
    if is_listable(space):
        raw = left(space, view.taken)
        if not len(raw):
            return None
        values = criterion.value(space.to_unit(raw))
        place = int(values.argmax())
        return raw[place], float(values[place])
    rng = key.child("transfer").generator()
    begin = filled(rng, np.concatenate([*centres, np.empty((0, len(space)))]))
    latent = [spread(rng, CANDIDATES, len(space)), begin]
    if len(begin):
        latent.append(near(rng, begin, AROUND))
    scored = Search(space, criterion, starts=STARTS, rounds=ROUNDS, iterations=ITERATIONS).run(np.concatenate(latent))
    for row, value, name in zip(scored.raw, scored.values.tolist(), keys(scored.raw), strict=True):
        if name not in view.taken:
            return row, value
    return None
