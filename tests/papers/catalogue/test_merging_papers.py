"""One paper from several listings, and several listings into papers."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.papers import Catalogue, Listing, Page, identity
from trimtab.papers.catalogue.codec import decode, encode, storable
from trimtab.papers.catalogue.merging import merge

TITLES = ("On the tides of a quiet harbour", "Slow lamps for long winter nights", "Counting knots in ropes of sand")
DAYS = st.dates(date(2020, 1, 1), date(2026, 1, 1))
PARTS = {
    "abstract": st.sampled_from(["", "Short.", "Short. And longer.", "A very long one that is cut off ..."]),
    "authors": st.sampled_from([(), ("Ada Möwe",), ("Ada Möwe", "Bo Watt")]),
    "author_count": st.sampled_from([None, 2, 3]),
    "published": st.none() | DAYS,
    "comments": st.sampled_from([None, 0, 5]),
    "votes": st.sampled_from([None, 0, 7]),
    "line": st.integers(0, 9),
}
LISTINGS = st.builds(
    Listing,
    st.sampled_from(TITLES),
    arxiv=st.sampled_from(["", "", "2001.00001", "2001.00002"]),
    doi=st.sampled_from(["", "", "10.1000/a", "10.1000/b"]),
    url=st.sampled_from(["", "https://example.org/a"]),
    **PARTS,
)
ANY = st.builds(
    Listing,
    st.text(max_size=40),
    abstract=st.text(max_size=60),
    authors=st.lists(st.text(max_size=12), max_size=3).map(tuple),
    author_count=st.none() | st.integers(0, 9),
    published=st.none() | DAYS,
    comments=st.none() | st.integers(0, 9),
    votes=st.none() | st.integers(0, 9),
    arxiv=st.text(max_size=12),
    doi=st.text(max_size=12),
    url=st.text(max_size=12),
)
PAGES = st.lists(st.tuples(st.sampled_from("abc"), st.lists(LISTINGS, max_size=5)), max_size=5)


def state(catalogue):
    """What a reader sees."""
    return catalogue.papers(order="title", limit=1000), catalogue.sources()


def fill(pages):
    made = Catalogue(":memory:")
    for source, listings in pages:
        made.add(Page(source, "atom", tuple(listings)))
    return made


@given(ANY)
def test_what_is_stored_of_a_listing_is_the_listing(listing):
    kept = storable(listing)
    assert decode(encode(kept), kept.line) == kept
    assert storable(kept) == kept
    encode(kept).encode("utf-8")


@given(st.lists(LISTINGS, min_size=1, max_size=5))
def test_every_part_of_a_merged_paper_is_the_best_of_some_listing(listings):
    merged = merge(listings)
    whole = [listing.abstract for listing in listings if not listing.abstract.endswith("...")]
    assert len(merged.abstract) == max(map(len, whole or [listing.abstract for listing in listings]))
    assert len(merged.authors) == max(len(listing.authors) for listing in listings)
    assert merged.votes == max((listing.votes or 0) for listing in listings)
    assert merged.comments == max((one.comments for one in listings if one.comments is not None), default=None)
    sure = [one.published for one in listings if one.published and (one.arxiv or one.doi)]
    told = [one.published for one in listings if one.published]
    assert merged.published == next(iter(sure or told), None)


@given(ANY)
def test_a_listing_told_twice_is_the_listing(listing):
    assert merge([listing]) == merge([listing, listing])


@given(st.permutations([("A.", 3), ("A longer one.", 5), ("The longest of all of them.", 1)]))
def test_the_order_of_imports_matters_for_ties_only(parts):
    listings = [Listing(TITLES[0], text, votes=votes, published=date(2026, 1, 1)) for text, votes in parts]
    merged = merge(listings)
    assert (merged.abstract, merged.votes) == ("The longest of all of them.", 5)


def test_a_date_beside_an_identifier_beats_an_earlier_one_without():
    guessed = Listing(TITLES[0], published=date(2026, 1, 29))
    exact = Listing(TITLES[0], published=date(2024, 1, 29), arxiv="2401.00001")
    assert merge([guessed, exact]).published == merge([exact, guessed]).published == date(2024, 1, 29)


def test_names_beat_a_number_and_identifiers_are_read_from_links():
    merged = merge(
        [Listing("A", author_count=9, url="https://arxiv.org/abs/2401.00001v2"), Listing("A", authors=("B", "C"))]
    )
    assert (merged.authors, merged.author_count, merged.arxiv) == (("B", "C"), 2, "2401.00001")


@settings(max_examples=15, deadline=None)
@given(PAGES)
def test_a_second_import_changes_nothing(pages):
    """Of every page, in any order, as long as no page was changed in between."""
    last = dict(pages)
    with fill(last.items()) as catalogue:
        before, version = state(catalogue), catalogue.version()
        for source, listings in reversed(last.items()):
            report = catalogue.add(Page(source, "atom", tuple(listings)))
            assert (report.new, report.merged) == (0, 0)
            catalogue.add_listings(source, "atom", iter(listings))
        assert state(catalogue) == before
        assert catalogue.version() == version


@settings(max_examples=15, deadline=None)
@given(st.lists(LISTINGS, max_size=12), st.integers(1, 4))
def test_batches_do_not_show(listings, size):
    """A stream in batches of any size makes the papers that one page makes."""
    from trimtab.papers.catalogue import catalogue as module

    with Catalogue(":memory:") as whole, Catalogue(":memory:") as stream, pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BATCH", size)
        one = whole.add(Page("a", "atom", tuple(listings)))
        many = stream.add_listings("a", "atom", iter(listings))
        assert (one.listings, one.papers, one.new, one.merged) == (many.listings, many.papers, many.new, many.merged)
        texts = [sorted((p.title, p.abstract, p.arxiv, p.doi, p.votes) for p in state(c)[0]) for c in (whole, stream)]
        assert texts[0] == texts[1]


@settings(max_examples=15, deadline=None)
@given(st.lists(LISTINGS.map(lambda one: Listing(one.title, arxiv=one.arxiv)), max_size=10))
def test_papers_are_the_classes_of_a_slow_twin(listings):
    """With titles and ids alone: every id of a title is a paper, and what has no id goes with the first of them."""
    expected = set()
    for title in TITLES:
        ids = list(dict.fromkeys(one.arxiv for one in listings if one.title == title))
        named = [name for name in ids if name]
        expected |= {(title, name) for name in named} or ({(title, "")} if ids else set())
    # One id under several titles joins these.
    joined = {frozenset(t for t, n in expected if n == name) for _, name in expected if name}
    with fill([("a", listings)]) as catalogue:
        papers = catalogue.papers(limit=100)
        if all(len(titles) == 1 for titles in joined):
            assert {(paper.title, paper.arxiv) for paper in papers} == expected
            assert len(papers) == len(expected)
        for paper in papers:
            others = [one for one in papers if one.number != paper.number and one.arxiv]
            assert not paper.arxiv or paper.arxiv not in {one.arxiv for one in others}


@settings(max_examples=15, deadline=None)
@given(PAGES)
def test_no_paper_holds_listings_that_contradict_each_other(pages):
    with fill(pages) as catalogue, catalogue.read() as connection:
        held = {}
        for number, data in connection.exec_driver_sql("SELECT paper, data FROM listings"):
            held.setdefault(number, []).append(decode(data))
        assert set(held) == set(catalogue.numbers().tolist())
        for listings in held.values():
            assert not any(identity.contradict(one, other) for one in listings for other in listings)
        assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
        connection.exec_driver_sql("INSERT INTO papers_fts(papers_fts, rank) VALUES ('integrity-check', 1)")
        connection.exec_driver_sql("INSERT INTO title_words(title_words, rank) VALUES ('integrity-check', 1)")


def test_a_listing_that_joins_two_papers_joins_all_that_belongs_to_them():
    first = Listing(TITLES[0], "A.", arxiv="2001.00001")
    second = Listing(TITLES[1], "Longer abstract.", doi="10.1000/b")
    joint = Listing(TITLES[1], arxiv="2001.00001", doi="10.1000/b")
    with fill([("a", [first]), ("b", [second])]) as catalogue:
        catalogue.set_note(1, "one")
        catalogue.set_note(2, "two")
        catalogue.set_vote(2, 1)
        catalogue.set_tags(1, ["x", "y"])
        catalogue.set_tags(2, ["y", "z"])
        catalogue.set_reading(2, True)
        report = catalogue.add(Page("c", "atom", (joint,)))
        assert (report.papers, report.new, report.merged) == (1, 0, 1)
        paper = catalogue.paper(1)
        assert catalogue.count() == 1
        assert (paper.title, paper.abstract, paper.note) == (TITLES[0], "Longer abstract.", "one\n\ntwo")
        assert (paper.vote, paper.reading, paper.tags, paper.sources) == (1, True, ("x", "y", "z"), ("a", "b", "c"))
        # The old number leads to it, and is given to nobody else.
        assert catalogue.paper(2) == paper
        assert catalogue.many([2, 1]) == [paper, paper]
        catalogue.set_vote(2, -1)
        assert catalogue.paper(1).vote == -1
        catalogue.add(Page("d", "atom", (Listing(TITLES[2]),)))
        assert catalogue.numbers().tolist() == [1, 3]
        assert catalogue.words("lamps") == []


def test_a_page_that_changed_replaces_what_it_said():
    with fill([("a", [Listing(TITLES[0], "Old and rather long abstract.", votes=9), Listing(TITLES[1])])]) as catalogue:
        catalogue.add(Page("a", "atom", (Listing(TITLES[0], "New.", votes=3, line=5),)))
        paper = catalogue.paper(1)
        assert (paper.abstract, paper.votes) == ("New.", 3)
        assert catalogue.count() == 2  # what the page lists no more stays
        assert catalogue.words("rather") == []


def test_two_papers_of_one_short_title_stay_two():
    pages = [("a", [Listing("Introduction")]), ("b", [Listing("Introduction")])]
    with fill(pages) as catalogue:
        assert catalogue.count() == 2
        for source, listings in pages:
            assert catalogue.add(Page(source, "atom", tuple(listings))).new == 0
