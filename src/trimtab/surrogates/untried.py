"""Which configurations of a space were tried already, and which of a small one are left."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trimtab.base.history import History
from trimtab.space import Space
from trimtab.space.lattice import Lattice
from trimtab.surrogates.evidence import encode_valid

__all__ = ["LISTED", "is_listable", "keys", "left", "tried"]

Array = NDArray[np.float64]

LISTED = 4096
"""A space with at most so many configurations counts as small: they are listed and tried once each."""

RECENT = 4096
"""At most so many trials, the most recent ones, are compared with a proposal: what keeps an ask bounded."""


def keys(raw: Array) -> list[bytes]:
    """One key per raw row (n, d): equal for equal configurations."""
    plain = np.where(np.isnan(raw), np.inf, raw) + 0.0
    return [row.tobytes() for row in plain]


def tried(history: History[Space], recent: int = RECENT) -> set[bytes]:
    """Keys of all configurations that were told or are pending, up to the `recent` last trials."""
    numbers = np.arange(max(0, len(history) - recent), len(history))
    rows = [params for params in history.params(numbers) if params is not None]
    return set(keys(encode_valid(history.space, rows)[0]))


def is_listable(space: Space) -> bool:
    """Whether the space is small, so that it can be exhausted.

    A define-by-run space is not: the next trial may show more of it. Nor is one without parameters:
    there is nothing to try but the same again.
    """
    return len(space) > 0 and not space.is_traced and space.size is not None and space.size <= LISTED


def left(space: Space, taken: set[bytes]) -> Array:
    """Raw rows (m, d) of a small space that keep its constraints and are not taken."""
    lattice = Lattice(space)
    raw = lattice.raw(np.arange(lattice.size))
    raw = raw[space.feasible_many(raw)]
    free = np.array([key not in taken for key in keys(raw)], dtype=np.bool_)
    return raw[free]
