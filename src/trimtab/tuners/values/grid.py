"""Grid search: every combination of a few levels of each parameter, once.

Needs nothing of a run. Trial t begins at combination t, in the order of `Lattice`, and takes the first one
from there on, cyclically, that keeps the constraints of the space and is not in the history, told or
pending. So workers that ask at the same time begin at different places, and the grid is covered once with
any number of them. When all combinations are in the history the grid ends: fewer suggestions are given
than were asked for.

Cost: linear in the number of trials; the last asks of a grid look through all of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument, message
from trimtab.base.history import History
from trimtab.base.info import Info
from trimtab.base.records import Suggestion
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.space import Space
from trimtab.space.lattice import Lattice
from trimtab.surrogates.untried import keys, tried

__all__ = ["Grid"]

Array = NDArray[np.float64]

LONGEST_CHUNK = 4096
"""Combinations are made in chunks that double up to this length: most asks need the first few only."""


@dataclass(frozen=True)
class Grid:
    """Grid search.

    Arguments:
        levels: of each number or ordinal with more values than that; evenly spaced on its scale, both ends
            included. Categories are all tried.

    Raises:
        InvalidArgument: `levels` is below 1.
    """

    levels: int = 5

    name: ClassVar[str] = "grid"
    needs: ClassVar[Info] = Info(0)
    refs: ClassVar[tuple[Reference, ...]] = ()

    def __post_init__(self) -> None:
        """Check the number of levels."""
        if self.levels < 1:
            raise InvalidArgument(message("grid: levels must be at least 1", got=self.levels))

    def ask(self, history: History[Space], count: int, key: Key) -> list[Suggestion]:
        """`count` combinations; fewer when the grid ends. Without parameters there is no grid: {} for ever."""
        space = history.space
        if not len(space):
            return [Suggestion(space.decode(np.empty(0)), self.name, "no parameters to vary")] * count
        lattice = Lattice(space, self.levels)
        taken = tried(history, recent=len(history))
        out: list[Suggestion] = []
        for number, raw in _walk(space, lattice, max(key.trial, 0) % lattice.size):
            if len(out) == count:
                break
            (name,) = keys(raw[None, :])
            if name not in taken:
                taken.add(name)
                out.append(Suggestion(space.decode(raw), self.name, f"point {number + 1} of a grid of {lattice.size}"))
        return out


def _walk(space: Space, lattice: Lattice, start: int) -> Iterator[tuple[int, Array]]:
    """Numbers and raw rows of the lattice from `start` on, cyclically, those that break a constraint left out."""
    offset = 0
    chunk = 16
    while offset < lattice.size:
        size = min(chunk, lattice.size - offset)
        numbers = np.array([(start + offset + place) % lattice.size for place in range(size)], dtype=object)
        raw = lattice.raw(numbers)
        for place in np.flatnonzero(space.feasible_many(raw)).tolist():
            yield int(numbers[place]), raw[place]
        offset += size
        chunk = min(2 * chunk, LONGEST_CHUNK)
