"""Search by words and meaning: the formula by hand, filters, queries that are hardly any, and those of the study."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from trimtab.base.errors import InvalidArgument
from trimtab.papers.catalogue import Catalogue
from trimtab.papers.catalogue.words import words_of
from trimtab.papers.records import Filter, Listing, Page
from trimtab.papers.search import refresh, search, words_alone
from trimtab.papers.search.vectors import vectors_of

HERE = Path(__file__).parent


def queries(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (HERE / name).read_text("utf-8").splitlines()]


@pytest.mark.parametrize("query", ["secret", "camera scene", "private noise of a molecule and an image"])
def test_the_score_is_the_convex_combination(catalogue: Catalogue, model: Any, query: str) -> None:
    refresh(catalogue)
    found = search(catalogue, query, limit=12)
    words = dict(catalogue.words(query))
    vectors = vectors_of(catalogue)
    cosines = dict(zip(vectors.numbers.tolist(), vectors.likeness(model.embed([query])[0]).tolist(), strict=True))
    weight = 1.5 / (len(words_of(query)) + 1)
    for each in found:
        number = each.paper.number
        expected = weight * words.get(number, 0.0) / max(words.values())
        expected += (1 - weight) * max(cosines[number], 0.0) / max(cosines.values())
        assert each.score == pytest.approx(expected, abs=1e-6)
        assert ("words" in each.why) == (number in words)
        assert each.why["meaning"] == 1 + sum(
            (cosine, -other) > (cosines[number], -number) for other, cosine in cosines.items()
        )
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
    left_out = set(cosines) - {each.paper.number for each in found}
    assert left_out == {number for number in cosines if number not in words and cosines[number] < 0.15}


def test_meaning_finds_what_has_none_of_the_words(catalogue: Catalogue, model: Any) -> None:
    assert search(catalogue, "confidential") == []  # no paper has the word, and none has a vector
    refresh(catalogue)
    found = search(catalogue, "confidential")
    assert {each.paper.number % 3 for each in found} == {1}  # those about privacy
    assert all(set(each.why) == {"meaning"} for each in found)


def test_a_word_that_only_one_paper_has_wins_over_meaning(catalogue: Catalogue, model: Any) -> None:
    catalogue.add(Page("third", "json lines", (Listing("DELENT: graph nodes", "Edges of a molecule.", line=1),)))
    refresh(catalogue)
    assert search(catalogue, "delent")[0].paper.title == "DELENT: graph nodes"


def test_filters_hold_for_both_rankings(catalogue: Catalogue, model: Any) -> None:
    dated = Listing("Secret noise of yesterday", "Private budget.", published=date(2026, 2, 1), line=1)
    catalogue.add(Page("third", "json lines", (dated,)))
    refresh(catalogue)
    for where, expected in (
        (Filter(source="second"), {7, 10}),
        (Filter(since=date(2026, 1, 1)), {13}),
        (Filter(source="second", since=date(2026, 1, 1)), set()),
        (Filter(runs=True), set()),
    ):
        assert {each.paper.number for each in search(catalogue, "confidential", where)} == expected
        assert {each.paper.number for each in search(catalogue, "private budget secret noise", where)} >= expected
        through = set(catalogue.numbers(where).tolist())
        assert {each.paper.number for each in search(catalogue, "noise or pixel", where)} <= through


@pytest.mark.parametrize("query", ["", "  ", "!!!", "\0", "…", "🤖"])
def test_a_query_without_letters_finds_nothing(catalogue: Catalogue, model: Any, query: str) -> None:
    refresh(catalogue)
    assert search(catalogue, query) == []


@pytest.mark.parametrize(
    "query", ["a", "the", "AND", '"', 'node" OR', "NEAR(", "日本語", "x" * 10_000, "node " * 5_000]
)
def test_any_other_text_is_a_query(catalogue: Catalogue, model: Any, query: str) -> None:
    refresh(catalogue)
    assert len(search(catalogue, query)) <= 10


def test_a_limit_is_a_limit(catalogue: Catalogue, model: Any) -> None:
    refresh(catalogue)
    assert search(catalogue, "graph", limit=0) == []
    assert len(search(catalogue, "graph", limit=2)) == 2
    assert search(catalogue, "graph", limit=2) == search(catalogue, "graph", limit=4)[:2]
    with pytest.raises(InvalidArgument, match="limit"):
        search(catalogue, "graph", limit=-1)


def test_a_search_within_a_transaction_ends(catalogue: Catalogue, model: Any) -> None:
    refresh(catalogue)
    expected = search(catalogue, "confidential")
    with catalogue.transaction():
        assert search(catalogue, "confidential") == expected


def test_without_vectors_words_alone_count_and_why_is_told(catalogue: Catalogue, model: Any) -> None:
    found = search(catalogue, "molecule")
    assert [(each.paper.number, each.score) for each in found] == catalogue.words("molecule")
    assert [dict(each.why) for each in found] == [{"words": place} for place in range(1, len(found) + 1)]
    assert "refresh(catalogue)" in words_alone(catalogue)
    refresh(catalogue)
    assert words_alone(catalogue) == ""


@pytest.mark.usefixtures("bare")
def test_without_the_model_words_alone_count_and_why_is_told(catalogue: Catalogue) -> None:
    assert [each.paper.number for each in search(catalogue, "molecule")] == [n for n, _ in catalogue.words("molecule")]
    assert "--no-deps" in words_alone(catalogue)


def test_papers_without_a_vector_are_found_by_their_words(catalogue: Catalogue, model: Any) -> None:
    refresh(catalogue, limit=6)
    found = {each.paper.number for each in search(catalogue, "secret", limit=20)}
    assert {number for number, _ in catalogue.words("secret")} <= found
    assert any(number > 6 for number in found)


def test_the_queries_of_the_study_are_whole() -> None:
    test, development = queries("queries.jsonl"), queries("queries_development.jsonl")
    assert len(test) == 60
    texts = [each["query"] for each in test + development]
    assert len(set(texts)) == len(texts)
    for each in test + development:
        assert set(each) == {"query", "relevant"}
        assert set(each["relevant"].values()) <= {1, 2}
        assert 2 in each["relevant"].values()
    meant = [{title for title, grade in each["relevant"].items() if grade == 2} for each in test]
    learnt = {title for each in development for title, grade in each["relevant"].items() if grade == 2}
    assert not set.union(*meant) & learnt  # what is reported was not chosen by


def test_the_queries_use_other_words_than_the_titles() -> None:
    shares = []
    for each in queries("queries.jsonl"):
        asked = set(words_of(each["query"]))
        titles = [set(words_of(title)) for title, grade in each["relevant"].items() if grade == 2]
        shares += [len(asked & title) / len(asked) for title in titles]
    assert sum(shares) / len(shares) < 0.15
