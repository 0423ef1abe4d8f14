"""Papers that are related to one: the nearest by their vectors, or those that share the words of its title."""

from __future__ import annotations

import numpy as np

from trimtab.base.errors import check_count
from trimtab.papers.catalogue import Catalogue
from trimtab.papers.records import Found
from trimtab.papers.search.vectors import best, vectors_of

__all__ = ["related"]


def related(catalogue: Catalogue, number: int, limit: int = 10) -> list[Found]:
    """The papers most like one, the most first; not that one itself.

    Arguments:
        catalogue: where to search.
        number: of the paper.
        limit: so many at most.

    Returns:
        what was found. The score is the cosine of the vectors, and `Found.why` says "meaning"; a paper that has no
        vector is compared by the words of its title, the score is that of BM25, and `Found.why` says "words".

    Raises:
        UnknownName: no paper has this number.
    """
    check_count(limit, "the limit of papers", 0)
    paper = catalogue.paper(number)
    vectors = vectors_of(catalogue)
    row = vectors.row(paper.number)
    if row is None:
        scored, why = catalogue.words(paper.title, limit=limit + 1), "words"
    else:
        likeness = vectors.likeness(vectors.rows[row].astype(np.float32))
        nearest = best(likeness, limit + 1)
        scored, why = [(int(vectors.numbers[at]), float(likeness[at])) for at in nearest], "meaning"
    others = [(found, score) for found, score in scored if found != paper.number][:limit]
    papers = catalogue.many([found for found, _ in others])
    return [
        Found(paper, score, {why: place})
        for place, (paper, (_, score)) in enumerate(zip(papers, others, strict=True), 1)
    ]
