"""Related papers: by vectors, by words where there is none, never the paper itself."""

from __future__ import annotations

from typing import Any

import pytest

from trimtab.base.errors import InvalidArgument, UnknownName
from trimtab.papers.catalogue import Catalogue
from trimtab.papers.search import refresh, related
from trimtab.papers.search.vectors import vectors_of


def test_related_papers_are_those_of_the_same_subject(catalogue: Catalogue, model: Any) -> None:
    refresh(catalogue)
    for number in range(1, 13):
        found = related(catalogue, number, limit=3)
        assert {each.paper.number % 3 for each in found} == {number % 3}
        assert number not in {each.paper.number for each in found}
        assert [dict(each.why) for each in found] == [{"meaning": 1}, {"meaning": 2}, {"meaning": 3}]


def test_the_score_is_the_cosine(catalogue: Catalogue, model: Any) -> None:
    refresh(catalogue)
    rows = vectors_of(catalogue).rows.astype(float)
    for each in related(catalogue, 5, limit=11):
        assert each.score == pytest.approx(rows[4] @ rows[each.paper.number - 1], abs=1e-6)
    assert len(related(catalogue, 5, limit=50)) == 11


def test_without_a_vector_the_words_of_the_title_count(catalogue: Catalogue, model: Any) -> None:
    refresh(catalogue, limit=3)
    found = related(catalogue, 8, limit=4)
    assert found
    assert 8 not in {each.paper.number for each in found}
    assert all(set(each.why) == {"words"} for each in found)


def test_a_paper_that_is_not_there_is_told(catalogue: Catalogue) -> None:
    with pytest.raises(UnknownName, match="99"):
        related(catalogue, 99)
    with pytest.raises(InvalidArgument, match="limit"):
        related(catalogue, 1, limit=-1)
    assert related(catalogue, 1, limit=0) == []
