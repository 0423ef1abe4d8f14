"""Where to look without a model: the default configuration first, then anything that was not tried."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidSpace
from trimtab.base.seeds import Key
from trimtab.space import Space
from trimtab.surrogates.untried import is_listable, keys, left

__all__ = ["covering"]

Array = NDArray[np.float64]

ATTEMPTS = 64
"""Draws, of which the first that was not tried is taken."""


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
