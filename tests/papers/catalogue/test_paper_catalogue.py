"""The catalogue: what goes in comes out, filtered, ordered and marked."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from trimtab.base.errors import InvalidArgument, StorageError, UnknownName
from trimtab.base.refs import Reference
from trimtab.papers import Catalogue, Filter, Listing, Method, Misread, Page

TIDES = Listing(
    "Tides of gradient noise in deep estuaries",
    "Noise moves in and out. It leaves sand.",
    ("Ada Möwe", "Bo Watt"),
    published=date(2026, 3, 1),
    votes=3,
    arxiv="2603.00001",
    line=4,
)
LAMPS = Listing("Lamps that learn to burn slowly", "A lamp is tuned.", (), 4, date(2026, 3, 5), comments=2, line=9)
ROPES = Listing(
    "Ropes and knots of random length", "Knots.", published=date(2025, 1, 1), votes=900, doi="10.1000/ROPES"
)
UNDATED = Listing("An undated note on nothing in particular", url="https://example.org/note")


@pytest.fixture
def catalogue():
    with Catalogue(":memory:") as made:
        yield made


@pytest.fixture
def filled(catalogue):
    catalogue.add(Page("spring.txt", "daily papers", (TIDES, LAMPS, UNDATED)))
    catalogue.add(Page("old.bib", "bibtex", (ROPES, TIDES)))
    return catalogue


def numbers(papers):
    return [paper.number for paper in papers]


def test_a_paper_is_what_its_listing_says(filled):
    paper = filled.paper(1)
    assert (paper.title, paper.abstract, paper.authors) == (TIDES.title, TIDES.abstract, TIDES.authors)
    assert (paper.author_count, paper.published, paper.votes) == (2, TIDES.published, 3)
    assert (paper.arxiv, paper.comments, paper.sources) == ("2603.00001", None, ("spring.txt", "old.bib"))
    assert filled.paper(2).author_count == 4
    assert filled.paper(4).doi == "10.1000/ropes"


def test_the_report_counts(catalogue):
    misread = (Misread(7, "?", "unclear"),)
    first = catalogue.add(Page("a", "atom", (TIDES, LAMPS, TIDES), misread))
    assert (first.listings, first.papers, first.new, first.merged, first.misread) == (3, 2, 2, 0, misread)
    second = catalogue.add(Page("b", "ris", (LAMPS, ROPES)))
    assert (second.listings, second.papers, second.new, second.merged) == (2, 2, 1, 1)
    again = catalogue.add(Page("b", "ris", (LAMPS, ROPES)))
    assert (again.listings, again.papers, again.new, again.merged) == (2, 2, 0, 0)


def test_orders(filled):
    assert numbers(filled.papers()) == [2, 1, 4, 3]  # without a date: last
    assert numbers(filled.papers(order="title")) == [3, 2, 4, 1]
    assert numbers(filled.papers(order="trending")) == [2, 1, 4, 3]
    assert numbers(filled.papers(limit=2, offset=1)) == [1, 4]
    with pytest.raises(InvalidArgument, match=r"unknown order of papers; got 'best'; allowed: date, trending, title"):
        filled.papers(order="best")


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (Filter(), [1, 2, 3, 4]),
        (Filter(since=date(2026, 3, 1)), [1, 2]),
        (Filter(until=date(2026, 3, 1)), [1, 4]),
        (Filter(since=date(2026, 3, 2), until=date(2026, 3, 4)), []),
        (Filter(source="old.bib"), [1, 4]),
        (Filter(source="none"), []),
        (Filter(runs=True), [1]),
        (Filter(runs=False), [2, 3, 4]),
        (Filter(tag="sea"), [1, 3]),
        (Filter(tag="sea", reading=True), [3]),
        (Filter(reading=False), [1, 2, 4]),
    ],
)
def test_filters(filled, where, expected):
    filled.set_tags(1, ["sea"])
    filled.set_tags(3, ["sea", "sky"])
    filled.set_reading(3, True)
    filled.link_methods([(TIDES.title, Method("tide", "tuners/values", call="trimtab run FILE.py"))])
    assert filled.numbers(where).tolist() == expected
    assert filled.count(where) == len(expected)
    assert sorted(numbers(filled.papers(where))) == expected
    assert {number for number, _ in filled.words("tides lamps ropes undated", where)} == set(expected)


def test_marks_come_back(filled):
    filled.set_vote(2, -1)
    filled.set_note(2, "read\nthis \x00 again")
    filled.set_reading(2, True)
    filled.set_tags(2, [" lamp ", "", "a  b", "lamp"])
    paper = filled.paper(2)
    assert (paper.vote, paper.votes, paper.reading, paper.tags) == (-1, -1, True, ("a b", "lamp"))
    assert paper.note == "read\nthis \ufffd again"
    assert filled.tags() == [("a b", 1), ("lamp", 1)]
    filled.set_vote(2, 0)
    filled.set_note(2, "")
    filled.set_tags(2, [])
    filled.set_reading(2, False)
    assert filled.paper(2) == Catalogue.paper(filled, 2)
    assert (filled.paper(2).vote, filled.paper(2).note, filled.paper(2).tags, filled.tags()) == (0, "", (), [])


def test_a_vote_moves_a_paper_in_the_trending_order(catalogue):
    day = date(2026, 1, 1)
    catalogue.add(
        Page("a", "atom", tuple(Listing(f"A paper of number {name}", published=day, votes=9) for name in "abc"))
    )
    catalogue.set_vote(2, 1)
    catalogue.set_vote(1, -1)
    assert numbers(catalogue.papers(order="trending")) == [2, 3, 1]


def test_unknown_numbers_and_votes(filled):
    for work in (
        lambda: filled.paper(99),
        lambda: filled.paper(2**70),
        lambda: filled.many([1, -4]),
        lambda: filled.set_note(99, ""),
        lambda: filled.texts([1, 99]),
        lambda: filled.link_methods([(99, Method("a", "b"))]),
    ):
        with pytest.raises(UnknownName, match="no paper of the catalogue has this number"):
            work()
    with pytest.raises(InvalidArgument, match=r"no such vote; got 2; allowed: 1, 0 or -1"):
        filled.set_vote(1, 2)


def test_many_and_texts_keep_the_order(filled):
    assert numbers(filled.many([4, 1, 4])) == [4, 1, 4]
    assert filled.texts(np.array([3, 1])) == [UNDATED.title, f"{TIDES.title}. {TIDES.abstract}"]
    assert filled.many([]) == filled.texts([]) == []


def test_sources_and_an_empty_catalogue(catalogue):
    assert (catalogue.papers(), catalogue.count(), catalogue.sources(), catalogue.tags()) == ([], 0, [], [])
    assert catalogue.numbers().dtype == np.int64
    catalogue.add(Page("empty.txt", "daily papers", ()))
    assert catalogue.sources() == [("empty.txt", "daily papers", 0)]


def test_methods_belong_to_what_recognises_a_paper(catalogue):
    """Links are made before and after the paper, by arXiv id, DOI or title; another arXiv id speaks against one."""
    tide, knot = Method("tide", "tuners/values", "t.py", "tt.tide()", "tests/t.py"), Method("knot", "explain")
    wrong = Reference("Watt, Bo", TIDES.title, 2020, arxiv="1901.00001")
    right = Reference("Watt, Bo", "Tides, as the journal called it", 2026, arxiv="2603.00001v3")
    linked = [
        (wrong, Method("wrong", "x", call="y")),
        (right, tide),
        (Reference("", "Ropes", 2025, doi="10.1000/ropes"), knot),
    ]
    assert catalogue.link_methods(linked) == 0
    catalogue.add(Page("a", "atom", (TIDES, ROPES)))
    assert catalogue.methods(1) == (tide,)
    assert catalogue.methods(2) == (knot,)
    assert catalogue.numbers(Filter(runs=True)).tolist() == [1]
    assert catalogue.numbers_of(right) == [1]
    assert catalogue.numbers_of(wrong) == []
    before = catalogue.version("methods")
    assert catalogue.link_methods(linked) == 2
    assert catalogue.version("methods") == before
    assert catalogue.link_methods([]) == 0
    assert catalogue.methods(1) == ()


def test_vectors_come_back_and_leave_with_the_text(filled):
    vectors = np.arange(12.0).reshape(4, 3)
    assert filled.missing_vectors("m", 3).tolist() == [1, 2, 3]
    filled.store_vectors("m", [4, 1, 2, 77], vectors)
    found, stored = filled.vectors("m")
    assert found.tolist() == [1, 2, 4]
    assert stored.dtype == np.float16
    assert stored.tolist() == vectors[[1, 2, 0]].tolist()
    assert filled.vectors("other")[1].shape == (0, 0)
    assert filled.missing_vectors("m", 9).tolist() == [3]
    filled.add(Page("more", "atom", (Listing(TIDES.title, TIDES.abstract + " And salt.", arxiv=TIDES.arxiv),)))
    assert filled.missing_vectors("m", 9).tolist() == [1, 3]
    filled.add(Page("more votes", "atom", (Listing(ROPES.title, votes=10**6),)))
    assert filled.missing_vectors("m", 9).tolist() == [1, 3]
    with pytest.raises(InvalidArgument, match="have another dimension"):
        filled.store_vectors("m", [1], np.zeros((1, 4)))
    with pytest.raises(InvalidArgument, match="one vector for each paper"):
        filled.store_vectors("m", [1, 2], np.zeros((1, 3)))


def test_version_grows_with_writes_only(filled):
    seen = [filled.version()]
    filled.papers()
    filled.words("tides")
    assert filled.version() == seen[-1]
    for work in (
        lambda: filled.set_vote(1, 1),
        lambda: filled.set_tags(1, ["x"]),
        lambda: filled.store_vectors("m", [1], np.zeros((1, 2))),
        lambda: filled.add(Page("c", "atom", (Listing("Yet another paper about something"),))),
    ):
        work()
        assert filled.version() > seen[-1]
        seen.append(filled.version())
    papers = filled.version("papers")
    filled.set_vote(1, 0)
    assert filled.version("papers") == papers
    assert filled.version("papers", "marks") > papers


def test_a_transaction_lasts_whole_or_not_at_all(filled):
    def break_off():
        with filled.transaction():
            filled.set_note(1, "gone")
            filled.add(Page("c", "atom", (Listing("Yet another paper about something"),)))
            assert filled.count() == 5  # a transaction sees what it wrote
            raise KeyError

    with pytest.raises(KeyError):
        break_off()
    assert (filled.paper(1).note, filled.count()) == ("", 4)
    with filled.transaction() as connection:
        filled.set_note(1, "kept")
        assert connection.exec_driver_sql("SELECT note FROM marks").scalar() == "kept"
    assert filled.paper(1).note == "kept"
    with filled.read(), pytest.raises(StorageError, match="only reads cannot become one that writes"):
        filled.set_note(1, "no")


def test_hostile_texts_are_data(catalogue):
    title = "'); DROP TABLE papers; -- <script>alert(1)</script> \x00 \ud800 \u202e é"
    catalogue.add(
        Page("a\x00\ud800", "atom", (Listing(title, "a" * 2_000_000, ("A\nB\x00", "<b>"), url="javascript:alert(1)"),))
    )
    paper = catalogue.paper(1)
    assert paper.title == title.replace("\x00", "\ufffd").replace("\ud800", "\ufffd")
    assert paper.authors == ("A B\ufffd", "<b>")
    assert paper.url == ""
    assert len(paper.abstract) == 2_000_000
    assert paper.sources == ("a\ufffd\ufffd",)
    again = catalogue.add(Page("a\x00\ud800", "atom", (Listing(title, "a" * 2_000_000, ("A\nB\x00", "<b>")),)))
    assert (again.new, catalogue.count()) == (0, 1)
