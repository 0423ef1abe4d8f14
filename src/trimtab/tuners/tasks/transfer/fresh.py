"""Which configurations were tried already, which of a small space are left, and where to look without a model.

A space of at most `LISTED` configurations counts as small: they are listed, and tried once each. In a larger one a
proposal is compared with the `RECENT` last trials.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidSpace
from trimtab.base.history import History
from trimtab.base.seeds import Key
from trimtab.space import Space
from trimtab.surrogates.evidence import encode_valid

__all__ = ["covering", "is_listable", "keys", "left", "tried"]

Array = NDArray[np.float64]

LISTED, RECENT, ATTEMPTS = 4096, 4096, 64


def keys(raw: Array) -> list[bytes]:
    """One key for each raw row (n, d): equal for equal configurations."""
    plain = np.where(np.isnan(raw), np.inf, raw) + 0.0
    return [row.tobytes() for row in plain]


def tried(history: History[Space]) -> set[bytes]:
    """Keys of the configurations that were told or are pending."""
    numbers = np.arange(max(0, len(history) - RECENT), len(history))
    rows = [params for params in history.params(numbers) if params is not None]
    return set(keys(encode_valid(history.space, rows)[0]))


def is_listable(space: Space) -> bool:
    """Whether the space is small; one that was traced may still grow, and one without parameters never ends."""
    return len(space) > 0 and not space.is_traced and space.size is not None and space.size <= LISTED


def left(space: Space, taken: set[bytes]) -> Array:
    """Raw rows (m, d) of a small space that keep its constraints and are not taken."""
    rows = np.full((1, len(space)), np.nan)
    for place, column in enumerate(space.columns):
        levels = np.array([column.coordinate(value) for value in space.levels(column.name, column.size or 1)])
        active = np.ones(len(rows), dtype=np.bool_)
        if column.parent is not None:
            active = np.isin(rows[:, column.parent], list(column.parent_values))
        grown = np.repeat(rows[active], len(levels), axis=0)
        grown[:, place] = np.tile(levels, int(active.sum()))
        rows = np.concatenate([rows[~active], grown])
    rows = rows[space.feasible_many(rows)]
    return rows[np.array([key not in taken for key in keys(rows)], dtype=np.bool_)]


def covering(space: Space, taken: set[bytes], key: Key) -> tuple[Array, str] | None:
    """Raw coordinates (d,) of the default configuration, or of a uniform draw once it was tried; None where all were.

    Raises:
        InvalidSpace: the constraints of the space leave nothing.
    """
    default = _default(space)
    if default is not None and (not len(space) or keys(default[None, :])[0] not in taken):
        return default, "the default configuration"
    rng = key.child("transfer").generator()
    if is_listable(space):
        free = left(space, taken)
        return (free[rng.integers(len(free))], f"of {len(free)} configurations not tried yet") if len(free) else None
    drawn = space.sample_raw(rng, ATTEMPTS)
    fresh = [row for row, name in zip(drawn, keys(drawn), strict=True) if name not in taken]
    return (fresh[0] if fresh else drawn[0]), "a uniform draw"


def _default(space: Space) -> Array | None:
    """The default configuration as raw coordinates (d,); None where none near it keeps the constraints."""
    try:
        return space.encode(space.default_params())
    except InvalidSpace:
        return None
