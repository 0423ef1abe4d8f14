"""The first trials of a method that learns: where to look before there is anything to learn from.

1. The default configuration: what the user gave as defaults, the modes of the users' priors, the middle of
   numbers, the first of categories. In many dimensions nearly all points lie at the edge of the space, and
   the middle is a better guess than any of them. A define-by-run space has it only where the user gave any.
2. Where the user gave priors, half of the points are drawn from them, as in C. Hvarfner et al., "piBO:
   Augmenting Acquisition Functions with User Beliefs for Bayesian Optimization", ICLR 2022, arXiv
   2204.11051, algorithm 1, where all are.
3. The points of the study's Sobol sequence, by trial number, with numbers drawn half-way to the middle of
   their ranges: in d dimensions all but 2^-d of the space lies farther out, and few points spread over all of it
   say little about any part. That good values are not at the ends of the ranges is a guess, so only the first
   points are drawn so (`inwards`).

A configuration that was tried already is not proposed again, as long as others can be found.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidSpace
from trimtab.base.seeds import Key
from trimtab.space import Space
from trimtab.surrogates.untried import is_listable, keys, left
from trimtab.tuners.values.quasi_random import nearest, sobol_raw
from trimtab.tuners.values.random_search import has_priors

__all__ = ["design_point"]

Array = NDArray[np.float64]

INNER = 0.5
"""How far from the middle of a number's range the first points reach, 1 for all of it."""

ATTEMPTS = 64
"""Draws in search of an untried configuration of a space too large to list."""


def design_point(space: Space, taken: set[bytes], key: Key, inwards: bool = True) -> tuple[Array, str] | None:
    """Raw coordinates (d,) and what they are; None where a small space has nothing left.

    Arguments:
        space: where.
        taken: keys of the configurations that were tried (`untried.keys`).
        key: of the trial; its number picks the Sobol point.
        inwards: whether that is drawn towards the middle; False where the space is to be covered after all.

    Raises:
        InvalidSpace: the constraints of the space leave nothing.
    """
    default = _default(space)
    if default is not None and keys(default[None, :])[0] not in taken:
        return default, "the default configuration"
    raw, why = _drawn(space, key, inwards)
    if not len(space) or keys(raw[None, :])[0] not in taken:
        return raw, why
    if is_listable(space):
        free = left(space, taken)
        if not len(free):
            return None
        return free[nearest(space, free, raw)], f"of {len(free)} configurations not tried yet, nearest to {why}"
    others = space.sample_raw(key.child("design/others").generator(), ATTEMPTS)
    fresh = [row for row, name in zip(others, keys(others), strict=True) if name not in taken]
    return (fresh[0], f"a random draw, because {why} was tried") if fresh else (raw, f"{why}, tried before")


def _default(space: Space) -> Array | None:
    """The default configuration; None for a define-by-run space without any, and for one without parameters."""
    given = any(c.parameter.default is not None or c.parameter.prior is not None for c in space.columns)
    if not len(space) or (space.is_traced and not given):
        return None
    try:
        return space.encode(space.default_params())
    except InvalidSpace:
        # No configuration near the defaults keeps the constraints; other points may.
        return None


def _drawn(space: Space, key: Key, inwards: bool) -> tuple[Array, str]:
    """A draw from the priors, or the trial's Sobol point."""
    if has_priors(space):
        rng = key.child("design").generator()
        if rng.random() < 0.5:
            drawn: Array = space.sample_raw(rng, prior=True)[0]
            return drawn, "a draw from the prior"
    raw = sobol_raw(space, key)
    drawn_in = _inwards(space, raw) if inwards else None
    if drawn_in is None:
        return raw, f"Sobol point {key.trial}"
    return drawn_in, f"Sobol point {key.trial}, drawn towards the middle"


def _inwards(space: Space, raw: Array) -> Array | None:
    """A configuration whose numbers are `INNER` as far from the middle; None where constraints forbid it."""
    unit = space.to_unit(raw[None, :])[0]
    numbers = np.array([column.kind != "categorical" for column in space.columns], dtype=np.bool_)
    unit = np.where(np.isnan(unit), 0.5, np.where(numbers, 0.5 + INNER * (unit - 0.5), unit))
    drawn: Array = space.from_unit(unit[None, :])
    return drawn[0] if not space.all_constraints or space.feasible_many(drawn)[0] else None
