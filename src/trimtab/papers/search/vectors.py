"""Vectors of a catalogue's papers, and the nearest of them.

Needs the sentence model (`trimtab.papers.search.embeddings`) to make vectors, and nothing to look them up. The
catalogue keeps them as float16, which changes a likeness by about 0.0001; they are looked up as float32, because
processors multiply no float16: 100,000 papers are 77 MB on disk and 154 MB in memory. Beyond 250,000 papers they stay
float16 in memory and are turned to float32 in blocks, which takes six times as long. Every paper is compared, so the
nearest are exact.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from trimtab.papers.catalogue import Catalogue
from trimtab.papers.search.embeddings import MODEL, Matrix, Meaning, SentenceModel

__all__ = ["Vectors", "best", "refresh", "vectors_of"]

_STORED_AT_ONCE = 32  # papers embedded between two commits: some seconds of work
_FLOAT32 = 250_000
_BLOCK = 8_192


def refresh(
    catalogue: Catalogue,
    *,
    model: SentenceModel | None = None,
    limit: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Embed the papers that lack a vector, and store it; the number of papers embedded.

    May be broken off at any time: what was embedded is stored in parts of 32, and a later call goes on from there.

    Arguments:
        catalogue: whose papers.
        model: what embeds them; the installed one where left out.
        limit: no more papers than these.
        progress: called with the number of papers embedded so far.

    Raises:
        MissingExtra: no model was given, and none is installed.
    """
    model = model or Meaning.model()
    done = 0
    while limit is None or done < limit:
        count = _STORED_AT_ONCE if limit is None else min(_STORED_AT_ONCE, limit - done)
        numbers = catalogue.missing_vectors(MODEL, count)
        if not len(numbers):
            break
        vectors = model.embed(catalogue.texts(numbers))
        catalogue.store_vectors(MODEL, numbers, vectors.astype(np.float16))
        done += len(numbers)
        if progress is not None:
            progress(done)
    return done


@final
@dataclass(frozen=True, slots=True)
class Vectors:
    """The vectors of papers.

    Arguments:
        numbers: of the papers, ascending, (n,).
        rows: their vectors, each of length 1 beyond rounding, float32 or float16, (n, d).
    """

    numbers: NDArray[np.int64]
    rows: NDArray[np.float32] | NDArray[np.float16]

    @classmethod
    def of(cls, numbers: NDArray[np.int64], rows: NDArray[np.float16]) -> Vectors:
        """Vectors in the order of their papers; float32 where they are few enough."""
        if not (numbers[1:] > numbers[:-1]).all():  # a copy of so much is made where it must be
            order = np.argsort(numbers, kind="stable")
            numbers, rows = numbers[order], rows[order]
        return cls(numbers, rows.astype(np.float32) if len(rows) <= _FLOAT32 else rows)

    def likeness(self, vector: Matrix) -> Matrix:
        """The product of a vector (d,) with that of each paper: 1 for the same direction; (n,)."""
        if self.rows.dtype == np.float32:
            product: Matrix = self.rows @ vector
            return product
        blocks = [
            self.rows[first : first + _BLOCK].astype(np.float32) @ vector for first in range(0, len(self.rows), _BLOCK)
        ]
        return np.concatenate(blocks) if blocks else np.empty(0, np.float32)

    def among(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of those of the given papers (ascending) that have a vector, ascending."""
        places = np.searchsorted(numbers, self.numbers)
        there = places < len(numbers)
        there[there] = numbers[places[there]] == self.numbers[there]
        return np.flatnonzero(there)

    def row(self, number: int) -> int | None:
        """The row of a paper; None where it has no vector."""
        place = int(np.searchsorted(self.numbers, number))
        return place if place < len(self.numbers) and self.numbers[place] == number else None


def best(scores: NDArray[np.floating], count: int) -> NDArray[np.int64]:
    """Places of the `count` highest scores, the highest first; of like ones the earlier first."""
    if count < len(scores):
        least = np.partition(scores, len(scores) - count)[len(scores) - count] if count else np.inf
        places = np.flatnonzero(scores >= least)
    else:
        places = np.arange(len(scores))
    return places[np.argsort(-scores[places], kind="stable")][:count]


_LOADED: weakref.WeakKeyDictionary[Catalogue, tuple[int, Vectors]] = weakref.WeakKeyDictionary()
_LOCK = threading.Lock()


def vectors_of(catalogue: Catalogue) -> Vectors:
    """The vectors that a catalogue has stored, read again after it changed."""
    version = catalogue.version("papers", "vectors")  # before the vectors, which may be newer, but never older
    with _LOCK:
        known = _LOADED.get(catalogue)
    if known is None or known[0] != version:
        # Not under the lock: who reads waits for the catalogue, and who has it may wait for the lock.
        known = (version, Vectors.of(*catalogue.vectors(MODEL)))
        with _LOCK:
            _LOADED[catalogue] = known
    return known[1]
