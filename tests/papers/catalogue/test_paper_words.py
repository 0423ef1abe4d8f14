"""Search by words: BM25 by its formula, any text as a query, and words that are being typed."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.papers import Catalogue, Filter, Listing, Page
from trimtab.papers.catalogue import catalogue as catalogue_module
from trimtab.papers.catalogue import filtering
from trimtab.papers.catalogue import words as module
from trimtab.papers.catalogue.words import words_of

# Words that stemming leaves as they are.
WORDS = ("blom", "krat", "zund", "vilk", "dorp", "mast")


def catalogue_of(papers):
    made = Catalogue(":memory:")
    made.add(
        Page("a", "atom", tuple(Listing(f"{t} {i}x", a, arxiv=f"2001.{i:05d}") for i, (t, a) in enumerate(papers)))
    )
    return made


@pytest.fixture(scope="module")
def shelf():
    papers = [
        ("Fréchet means of graphs", "Averages on manifolds, optimized by gradient descent."),
        ("Optimizing hyperparameters", "Networks and their settings."),
        ("A note on settings", "Graph networks learn; hyperparameters matter for graph networks and graph kernels."),
        ("日本語の論文について", "言葉 and words"),
    ]
    with catalogue_of(papers) as made:
        yield made


def bm25(papers, query):
    """The formula, word by word: k1 = 1.2, b = 0.75, a title's word counts four times, a name's twice."""
    texts = [(f"{title} {i}x".split(), abstract.split()) for i, (title, abstract) in enumerate(papers)]
    lengths = [len(title) + len(abstract) for title, abstract in texts]
    mean = sum(lengths) / len(lengths)
    scores = {}
    for number, (title, abstract) in enumerate(texts, start=1):
        score, found = 0.0, False
        for word in query:
            having = sum(word in t or word in a for t, a in texts)
            idf = max(math.log((len(texts) - having + 0.5) / (having + 0.5)), 1e-6)
            times = 4.0 * Counter(title)[word] + Counter(abstract)[word]
            found |= times > 0
            score += idf * times * 2.2 / (times + 1.2 * (0.25 + 0.75 * lengths[number - 1] / mean))
        if found:
            scores[number] = score
    return scores


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from(WORDS), max_size=3).map(" ".join),
            st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join),
        ),
        min_size=1,
        max_size=8,
    ),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=4, unique=True),
)
def test_scores_are_bm25(papers, query):
    with catalogue_of(papers) as catalogue:
        found = catalogue.words(" ".join(query) + " ")
    expected = bm25(papers, query)
    assert dict(found) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60) | st.text("\"'()*^-+:{}[]~ANDORNEAR,\\ \x00\ud800é日" + "gs", max_size=30))
def test_any_text_is_a_query(shelf, query):
    assert all(1 <= number <= 4 for number, _ in shelf.words(query))


@pytest.mark.parametrize(
    "query",
    [
        "",
        " ",
        '"',
        "graph NOT",
        "title:graph",
        "graph*",
        "(graph",
        "NEAR(a b, 3)",
        "graph " * 3000,
        "x" * 10_000,
        "^graph",
    ],
)
def test_operators_are_words(shelf, query):
    found = {number for number, _ in shelf.words(query)}
    assert found == ({1, 3} if "graph" in query else set()) or (found == {1, 3, 2, 4} & found and "a b" in query)


def test_stems_and_accents(shelf):
    assert {number for number, _ in shelf.words("frechet ")} == {1}
    assert {number for number, _ in shelf.words("optimization ")} == {1, 2}
    assert {number for number, _ in shelf.words("FRÉCHET networks")} == {1, 2, 3}
    assert shelf.words("graphs")[0][0] == 1  # a title's word before three of an abstract
    assert {number for number, _ in shelf.words("日本語の論文について ")} == {4}


def test_a_word_that_is_being_typed_finds_what_titles_make_of_it(shelf):
    assert {number for number, _ in shelf.words("hyperparam")} == {2, 3}
    assert {number for number, _ in shelf.words("optimizi")} == {1, 2}
    assert {number for number, _ in shelf.words("notes hyperp")} == {2, 3}
    assert shelf.words("hyperparam ") == []  # it is finished
    assert shelf.words("h") == []  # too little to go by


def test_common_words_count_where_there_is_nothing_else(shelf):
    assert words_of("the means of it") == ["means"]
    assert words_of("of the") == ["of", "the"]
    assert {number for number, _ in shelf.words("of ")} == {1}


def test_the_limit(shelf):
    assert len(shelf.words("graph settings networks", limit=2)) == 2
    assert shelf.words("graph", limit=0) == []


def test_the_commonest_words_are_left_out_of_a_large_search(monkeypatch):
    papers = [(f"blom {'krat' if i % 2 else ''} {'zund' if i % 10 == 0 else ''}", "") for i in range(60)]
    with catalogue_of(papers) as catalogue:
        monkeypatch.setattr(module, "MOST_PLACES", 40)
        monkeypatch.setattr(module, "_SAMPLE", 5)
        assert len(catalogue.words("blom krat zund ", limit=100)) == 36
        monkeypatch.setattr(module, "MOST_PLACES", 3)
        assert len(catalogue.words("blom krat zund ", limit=100)) == 6  # one word is always looked for
        assert len(catalogue.words("blom ", limit=100)) == 60
        monkeypatch.setattr(module, "MOST_PLACES", 10_000)
        assert len(catalogue.words("blom krat zund ", limit=100)) == 60


@pytest.mark.parametrize("long", [1, 10_000])
@pytest.mark.parametrize("first", [1, 4, 10_000])
def test_a_filtered_search_is_the_search_filtered(monkeypatch, long, first):
    """However many of the best are looked at first, and however the filter is asked."""
    monkeypatch.setattr(filtering, "_LONG", long)
    monkeypatch.setattr(catalogue_module, "_FIRST", first)
    with catalogue_of([(f"blom {'krat ' * (i % 5)}", "blom " * (i % 7)) for i in range(30)]) as catalogue:
        catalogue.add(Page("few", "atom", tuple(Listing("blom", arxiv=f"2001.{i:05d}") for i in (3, 4, 29))))
        every = catalogue.words("krat blom ", limit=100)
        for where in (Filter(source="few"), Filter(source="a"), Filter(source="none"), Filter(runs=False)):
            passing = set(catalogue.numbers(where).tolist())
            assert catalogue.count(where) == len(passing)
            for limit in (1, 3, 100):
                expected = [one for one in every if one[0] in passing][:limit]
                found = catalogue.words("krat blom ", where, limit)
                assert [score for _, score in found] == [score for _, score in expected]
                assert {number for number, _ in found} <= passing
