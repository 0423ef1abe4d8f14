"""Vectors: the best by a slow twin, float16 in blocks, embedding that is broken off, and catalogues that change."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.papers.catalogue import Catalogue
from trimtab.papers.records import Listing, Page
from trimtab.papers.search import refresh
from trimtab.papers.search import vectors as module
from trimtab.papers.search.embeddings import MODEL
from trimtab.papers.search.vectors import Vectors, best, vectors_of


@given(st.lists(st.integers(-3, 3), max_size=30), st.integers(0, 35))
def test_the_best_are_those_of_a_full_sort_and_ties_keep_their_order(scores: list[int], count: int) -> None:
    expected = sorted(range(len(scores)), key=lambda i: (-scores[i], i))[:count]
    assert best(np.array(scores, np.float32), count).tolist() == expected


def unit(count: int, size: int = 16) -> np.ndarray[Any, np.dtype[np.float16]]:
    rows = np.random.default_rng(0).standard_normal((count, size))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


def test_float16_in_blocks_gives_the_same_likeness(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers, rows = np.arange(1, 51), unit(50)
    wide = Vectors.of(numbers, rows)
    monkeypatch.setattr(module, "_FLOAT32", 10)
    monkeypatch.setattr(module, "_BLOCK", 7)
    narrow = Vectors.of(numbers, rows)
    assert (wide.rows.dtype, narrow.rows.dtype) == (np.float32, np.float16)
    query = unit(3)[2].astype(np.float32)
    np.testing.assert_allclose(narrow.likeness(query), wide.likeness(query), atol=1e-6)
    np.testing.assert_allclose(wide.likeness(query), [float((row * query).sum()) for row in rows], atol=1e-3)


@given(st.sets(st.integers(1, 20)), st.sets(st.integers(1, 20)))
def test_rows_among_papers_and_of_one(have: set[int], wanted: set[int]) -> None:
    numbers = np.array(sorted(have), np.int64)
    vectors = Vectors.of(numbers, unit(len(have)))
    rows = vectors.among(np.array(sorted(wanted), np.int64))
    assert numbers[rows].tolist() == sorted(have & wanted)
    for number in range(22):
        row = vectors.row(number)
        assert (row is None) == (number not in have)
        assert row is None or numbers[row] == number


def test_embedding_that_is_broken_off_goes_on_where_it_was(
    catalogue: Catalogue, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_STORED_AT_ONCE", 5)

    def stop(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        refresh(catalogue, progress=stop)
    assert len(vectors_of(catalogue).numbers) == 5
    assert refresh(catalogue, limit=3) == 3
    told: list[int] = []
    assert refresh(catalogue, progress=told.append) == 4
    assert told == [4]
    assert refresh(catalogue) == 0
    assert model.embedded == catalogue.texts(catalogue.numbers())  # each once, in order


def test_stored_vectors_are_those_that_were_made(catalogue: Catalogue, model: Any) -> None:
    refresh(catalogue)
    found = vectors_of(catalogue)
    np.testing.assert_array_equal(found.numbers, catalogue.numbers())
    np.testing.assert_allclose(found.rows, model.embed(catalogue.texts(found.numbers)), atol=1e-3)


def test_a_catalogue_that_changed_is_read_again_and_one_that_did_not_is_not(catalogue: Catalogue, model: Any) -> None:
    refresh(catalogue)
    before = vectors_of(catalogue)
    catalogue.set_vote(1, 1)
    assert vectors_of(catalogue) is before
    catalogue.add(Page("third", "json lines", (Listing("Nodes and edges once more", "On a graph.", line=1),)))
    refresh(catalogue)
    assert len(vectors_of(catalogue).numbers) == 13


def test_a_paper_whose_text_grew_is_embedded_anew(catalogue: Catalogue, model: Any) -> None:
    refresh(catalogue)
    paper = catalogue.paper(1)
    longer = f"{paper.abstract} It also has a scene, an image, a camera and a pixel, and many of them."
    catalogue.add(Page("third", "json lines", (Listing(paper.title, longer, arxiv=paper.arxiv, line=1),)))
    assert catalogue.missing_vectors(MODEL, 10).tolist() == [1]
    assert refresh(catalogue) == 1
    np.testing.assert_allclose(vectors_of(catalogue).rows[0], model.embed(catalogue.texts([1]))[0], atol=1e-3)
