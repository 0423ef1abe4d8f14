"""Random search: independent draws, the baseline of every comparison.

Needs nothing of a run, and looks at the history only where the space is small enough to be exhausted:
there each configuration is drawn once. With priors on some parameters, a share of the draws comes from
them and the rest is uniform in unit coordinates, so that no wrong prior can hide the optimum.

Source: J. Bergstra and Y. Bengio, "Random Search for Hyper-Parameter Optimization", Journal of Machine
Learning Research 13, 2012.
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
from trimtab.space import Space
from trimtab.surrogates.untried import is_listable, left, tried

__all__ = ["BERGSTRA_2012", "RandomSearch", "has_priors"]

Array = NDArray[np.float64]

BERGSTRA_2012 = Reference(
    authors="Bergstra, James and Bengio, Yoshua",
    title="Random Search for Hyper-Parameter Optimization",
    year=2012,
    venue="Journal of Machine Learning Research 13, 281-305",
    url="https://jmlr.org/papers/v13/bergstra12a.html",
)


def has_priors(space: Space) -> bool:
    """Whether the user said of any parameter where its optimum is likely to be."""
    return any(column.parameter.prior is not None for column in space.columns)


@dataclass(frozen=True)
class RandomSearch:
    """Random search.

    Arguments:
        prior_share: of the draws, how many come from the users' priors where there are any; in [0, 1].
    """

    prior_share: float = 0.5

    name: ClassVar[str] = "random"
    needs: ClassVar[Info] = Info(0)
    refs: ClassVar[tuple[Reference, ...]] = (BERGSTRA_2012,)

    def ask(self, history: History[Space], count: int, key: Key) -> list[Suggestion]:
        """`count` configurations; fewer where a small space has no more that were not tried."""
        space = history.space
        if is_listable(space):
            return self._draw_left(history, count, key)
        return [self._draw(space, key.for_trial(key.trial + place)) for place in range(count)]

    def _draw(self, space: Space, key: Key) -> Suggestion:
        """One draw."""
        rng = key.child("random").generator()
        believed = has_priors(space) and rng.random() < self.prior_share
        (params,) = space.sample(rng, prior=believed)
        return Suggestion(params, self.name, "draw from the prior" if believed else "uniform draw")

    def _draw_left(self, history: History[Space], count: int, key: Key) -> list[Suggestion]:
        """Draws without replacement from what was not tried."""
        space = history.space
        raw = left(space, tried(history))
        chosen = weighted_order(key.child("random").generator(), self._weights(space, raw))[:count]
        why = f"uniform draw from the {len(raw)} configurations not tried yet"
        return [Suggestion(params, self.name, why) for params in space.decode_many(raw[chosen])]

    def _weights(self, space: Space, raw: Array) -> Array:
        """Probabilities of rows (m, d) under the mixture of prior and uniform, shape (m,)."""
        uniform = np.full(len(raw), 1.0 / max(len(raw), 1))
        if not has_priors(space):
            return uniform
        density = np.exp(space.log_prior(raw))
        total = float(density.sum())
        if not total > 0.0:
            return uniform
        return (1.0 - self.prior_share) * uniform + self.prior_share * density / total


def weighted_order(rng: np.random.Generator, weights: Array) -> NDArray[np.intp]:
    """A random order of (m,) items in which heavier ones tend to come first.

    Sorting by exponential arrival times of rate w gives the order of draws without replacement; items of
    weight 0 come last.
    """
    with np.errstate(divide="ignore"):
        arrivals = rng.exponential(size=len(weights)) / weights
    return np.argsort(arrivals, kind="stable")
