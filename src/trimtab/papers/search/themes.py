"""Themes: what a catalogue is about, as groups of papers with names, and a map of them.

Needs the vectors of the papers (`trimtab.papers.search.vectors`). Groups are those of spherical k-means
(`trimtab.papers.search.spherical_k_means`), as many as the square root of half the number of papers, a rule of thumb
of Mardia, Kent and Bibby ("Multivariate Analysis", 1979), but 24 at most. They are named by the terms that tell them
apart (`trimtab.papers.search.class_tfidf`) in the papers nearest to their middle. The map is that of t-SNE
(`trimtab.papers.search.tsne`); of more than 600 papers that many, drawn by chance, are laid out so, and every other
one lies between the five that are most like it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import sqrt
from typing import final

import numpy as np
from numpy.typing import NDArray

from trimtab.base.seeds import Key
from trimtab.papers.catalogue import Catalogue
from trimtab.papers.records import EVERYTHING, Filter
from trimtab.papers.search.class_tfidf import name_groups
from trimtab.papers.search.embeddings import Matrix
from trimtab.papers.search.fused import words_alone
from trimtab.papers.search.spherical_k_means import nearest_directions, spherical_k_means
from trimtab.papers.search.tsne import tsne
from trimtab.papers.search.vectors import vectors_of

__all__ = ["Themes", "themes"]

_MOST_THEMES = 24
_STARTS = 4
_LEARNT_FROM = 5_000  # papers from which the groups are learnt; the others join them
_NAMED_BY = 60  # papers of a group from which it is named
_LAID_OUT = 600
_BETWEEN = 5
_BLOCK = 8_192


@final
@dataclass(frozen=True, slots=True)
class Themes:
    """Groups of papers.

    Arguments:
        names: of the groups, the largest group first.
        members: numbers of the papers of each group, the most typical first.
        places: paper -> x and y on the map, each between -1 and 1.
        why: why there are no groups; empty where there are.
    """

    names: tuple[str, ...] = ()
    members: tuple[NDArray[np.int64], ...] = ()
    places: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    why: str = ""


def themes(
    catalogue: Catalogue, where: Filter = EVERYTHING, *, count: int | None = None, key: Key | None = None
) -> Themes:
    """The themes of a catalogue's papers.

    Arguments:
        catalogue: whose papers.
        where: only papers that this lets through.
        count: how many themes; by the rule where left out.
        key: what chance is drawn by. The same papers and the same key give the same themes.
    """
    key = key or Key(0, purpose="themes")
    vectors = vectors_of(catalogue)
    rows = np.arange(len(vectors.numbers)) if where == EVERYTHING else vectors.among(catalogue.numbers(where))
    if not len(rows):
        return Themes(why=words_alone(catalogue) or "No paper with a vector is let through.")
    numbers = vectors.numbers[rows]
    drawn = _drawn(len(rows), _LEARNT_FROM, key.child("groups"))
    learnt = vectors.rows[rows[drawn]].astype(np.float32)
    groups = min(count or round(sqrt(len(rows) / 2.0)), _MOST_THEMES if count is None else len(drawn), len(drawn))
    directions = spherical_k_means(learnt, max(groups, 1), starts=_STARTS, key=key)
    group, likeness = np.empty(len(rows), np.int64), np.empty(len(rows), np.float32)
    landmarks = _drawn(len(rows), _LAID_OUT, key.child("map"))
    shown = vectors.rows[rows[landmarks]].astype(np.float32)
    layout, spots = tsne(shown), np.empty((len(rows), 2))
    for first in range(0, len(rows), _BLOCK):
        block = slice(first, first + _BLOCK)
        some = vectors.rows[rows[block]].astype(np.float32)
        group[block], likeness[block] = nearest_directions(some, directions)
        if len(landmarks) < len(rows):
            spots[block] = _between(some, shown, layout)
    spots[landmarks] = layout
    members = [np.flatnonzero(group == i) for i in range(len(directions))]
    members = [of[np.argsort(-likeness[of], kind="stable")] for of in members if len(of)]
    members.sort(key=lambda of: (-len(of), int(numbers[of].min())))
    names = name_groups([catalogue.texts(numbers[of[:_NAMED_BY]]) for of in members])
    spots /= max(float(np.abs(spots).max()), 1e-12)
    places = {int(number): (float(x), float(y)) for number, (x, y) in zip(numbers, spots, strict=True)}
    return Themes(tuple(names), tuple(numbers[of] for of in members), places)


def _drawn(count: int, most: int, key: Key) -> NDArray[np.int64]:
    """Places of at most so many of `count`, ascending."""
    if count <= most:
        return np.arange(count)
    return np.sort(key.generator().choice(count, most, replace=False))


def _between(vectors: Matrix, landmarks: Matrix, layout: NDArray[np.float64]) -> NDArray[np.float64]:
    """Places of vectors between those of the landmarks most like them."""
    products = vectors @ landmarks.T
    nearest = np.argpartition(-products, _BETWEEN, axis=1)[:, :_BETWEEN]
    weights = np.maximum(np.take_along_axis(products, nearest, axis=1), 1e-6).astype(np.float64) ** 8
    spots: NDArray[np.float64] = (layout[nearest] * weights[:, :, None]).sum(axis=1) / weights.sum(axis=1)[:, None]
    return spots
