"""One ask of a method that proposes configurations one by one, each knowing what was proposed before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from trimtab.base.history import History
from trimtab.base.records import Suggestion
from trimtab.base.seeds import Key
from trimtab.space import Space
from trimtab.surrogates.untried import keys
from trimtab.tuners.values.initial_design import design_point
from trimtab.tuners.values.view import View

__all__ = ["Proposal", "Propose", "first_fresh", "instead", "propose_each"]

Array = NDArray[np.float64]

DESIGNED = 20
"""Trials that an initial design has at most: later points cover the whole space, since the middle gave nothing."""

Proposal: TypeAlias = tuple[Array, str]
"""Raw coordinates (d,) and why."""

Propose: TypeAlias = Callable[[Key], Proposal | None]
"""The next configuration, by the key of its trial; None where nothing is left."""


def propose_each(
    name: str, history: History[Space], count: int, key: Key, begin: Callable[[View], Propose]
) -> list[Suggestion]:
    """`count` suggestions under the tuner's name, each pending for the next; fewer where there is no more.

    Arguments:
        begin: given the view, how to propose one configuration; None from that ends the answer.
    """
    view = View(history)
    propose = begin(view)
    out: list[Suggestion] = []
    for place in range(count):
        found = propose(key.for_trial(key.trial + place))
        if found is None:
            break
        raw, why = found
        view.propose(raw, name)
        out.append(Suggestion(history.space.decode(raw), name, why))
    return out


def instead(view: View, key: Key, reason: str) -> Proposal | None:
    """A point of the initial design, and why it stands in for the method; None where nothing is left."""
    found = design_point(view.space, view.taken, key, inwards=view.known < DESIGNED)
    return None if found is None else (found[0], f"{found[1]} ({reason})")


def first_fresh(view: View, raw: Array) -> int:
    """Place of the first of raw rows (m, d) that was not tried; -1 where all were."""
    return next((place for place, name in enumerate(keys(raw)) if name not in view.taken), -1)
