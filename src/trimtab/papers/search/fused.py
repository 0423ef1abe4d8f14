"""Search by words and meaning: a convex combination of two scores.

Needs a catalogue; its vectors (`trimtab.papers.search.vectors`) for the part of meaning, without which words alone
count. Paper: Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval", ACM Transactions on
Information Systems 42(1), 2023, arXiv:2210.11934, who find it better than the reciprocal rank fusion of Cormack,
Clarke and Büttcher (SIGIR 2009); in the mean it is so in `dev/studies/papers_search.py`. Of a query q and a paper p,

    score(q, p) = w bm25(q, p) / max_p bm25(q, p)  +  (1 - w) max(cos(q, p), 0) / max_p cos(q, p)

Differs from the paper in two points. The least cosine is taken to be 0, that of texts which have nothing in common, in
place of the least that was found or the theoretical -1. And w, which the paper learns once, goes down with the number n
of words that a query has besides those that nearly every text has:

    w = 1.5 / (n + 1)

A single word is mostly a name or a term, and who types it wants papers that have it (w = 3/4); in a sentence of eight
words each one says little (w = 1/6). The factor 1.5 was chosen on the queries of `queries_development.jsonl`.

A paper that has none of the words and is less like the query than 0.15 is not found, and the largest cosine is taken
to be 0.15 at least.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import check_count, message
from trimtab.base.refs import Reference
from trimtab.papers.catalogue import Catalogue
from trimtab.papers.catalogue.words import words_of
from trimtab.papers.records import EVERYTHING, Filter, Found
from trimtab.papers.search.embeddings import Matrix, Meaning
from trimtab.papers.search.vectors import Vectors, best, vectors_of

__all__ = ["refs", "search", "words_alone"]

refs = (
    Reference(
        authors="Bruch, Sebastian and Gai, Siyu and Ingber, Amir",
        title="An Analysis of Fusion Functions for Hybrid Retrieval",
        year=2023,
        venue="ACM Transactions on Information Systems 42(1)",
        arxiv="2210.11934",
        doi="10.1145/3596512",
    ),
)

_DEEP = 200
"""Papers that each of the two rankings proposes."""

_UNLIKE = 0.15
"""A cosine below which two texts have nothing to do with each other."""


def search(catalogue: Catalogue, query: str, where: Filter = EVERYTHING, limit: int = 10) -> list[Found]:
    """The papers that a query means, best first.

    Arguments:
        catalogue: where to search.
        query: any text, in words of one's own. One without a letter or a digit finds nothing.
        where: only papers that this lets through.
        limit: so many at most.

    Returns:
        what was found; `Found.why` has the place in the ranking by "words", by "meaning", or both. Scores are between 0
        and 1, or those of BM25 where words alone count.
    """
    check_count(limit, "the limit of papers", 0)
    asked = words_of(query)
    if not asked or limit == 0:
        return []
    deep = max(limit, _DEEP)
    vectors = _vectors(catalogue, where)
    if vectors is None:
        by_words = catalogue.words(query, where, deep)
        return _found(catalogue, dict(by_words), by_words, [], limit)
    # The two rankings are made side by side; the thread beside this one leaves the catalogue alone.
    with ThreadPoolExecutor(1) as beside:
        likeness = beside.submit(lambda: vectors[0].likeness(Meaning.model().embed([query])[0]))
        by_words = catalogue.words(query, where, deep)
        by_meaning = _nearest(*vectors, likeness.result(), deep, [number for number, _ in by_words])
    weight = 1.5 / (len(asked) + 1)
    most = max((score for _, score in by_words), default=1.0)
    nearest = max(cosine for _, cosine in by_meaning)
    scores = {number: weight * score / most for number, score in by_words}
    for number, cosine in by_meaning:
        if number in scores or cosine >= _UNLIKE:
            scores[number] = scores.get(number, 0.0) + (1.0 - weight) * max(cosine, 0.0) / max(nearest, _UNLIKE)
    return _found(catalogue, scores, by_words, by_meaning, limit)


def words_alone(catalogue: Catalogue) -> str:
    """Why a search in this catalogue is by words alone, and what to do; empty where it is by meaning too."""
    if not Meaning.available():
        return Meaning.why_not()
    if not len(vectors_of(catalogue).numbers) and catalogue.count():
        return message(
            "papers are searched by words alone: none of this catalogue has a vector yet",
            do="`trimtab papers import` makes them, and so does trimtab.papers.search.refresh(catalogue)",
        )
    return ""


def _vectors(catalogue: Catalogue, where: Filter) -> tuple[Vectors, NDArray[np.int64]] | None:
    """The vectors, and the rows of those papers that are let through; None where there are none."""
    if not Meaning.available():
        return None
    vectors = vectors_of(catalogue)
    rows = np.arange(len(vectors.numbers)) if where == EVERYTHING else vectors.among(catalogue.numbers(where))
    return (vectors, rows) if len(rows) else None


def _nearest(
    vectors: Vectors, rows: NDArray[np.int64], likeness: Matrix, limit: int, others: Sequence[int]
) -> list[tuple[int, float]]:
    """Of these rows the papers most like the query, the most first, then those of the others that are less like it."""
    chosen = rows[best(likeness[rows], limit)].tolist()
    known = set(chosen)
    # The cosine is known of every paper, so also of those that words alone propose.
    rest = [row for row in map(vectors.row, others) if row is not None and row not in known]
    ranked = [*chosen, *sorted(rest, key=lambda row: -likeness[row])]
    return [(int(vectors.numbers[row]), float(likeness[row])) for row in ranked]


def _found(
    catalogue: Catalogue,
    scores: dict[int, float],
    by_words: list[tuple[int, float]],
    by_meaning: list[tuple[int, float]],
    limit: int,
) -> list[Found]:
    ranked = sorted(scores, key=lambda number: (-scores[number], number))[:limit]
    places = {
        "words": {number: place for place, (number, _) in enumerate(by_words, 1)},
        "meaning": {number: place for place, (number, _) in enumerate(by_meaning, 1)},
    }
    return [
        Found(paper, scores[number], {name: of[number] for name, of in places.items() if number in of})
        for number, paper in zip(ranked, catalogue.many(ranked), strict=True)
    ]
