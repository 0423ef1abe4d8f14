"""When two listings are one paper."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.papers.identity import arxiv_id, contradict, doi_of, keys, same, title_key
from trimtab.papers.records import Listing

LONG = "Tuning the Trim Tabs of a Large Ship"
ABSTRACT = "We turn a large ship by its smallest surface and measure how far it goes"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("2310.20708", "2310.20708"),
        ("arXiv:2310.20708v2 [cs.LG]", "2310.20708"),
        ("https://arxiv.org/pdf/2310.20708v1.pdf", "2310.20708"),
        ("http://www.arxiv.org/abs/cs.LG/0102003v4", "cs/0102003"),
        ("https://doi.org/10.48550/arXiv.2310.20708", "2310.20708"),
        ("https://huggingface.co/papers/2310.20708#community", "2310.20708"),
        ("pages 2310.20708 to", ""),
        ("2310.2070", "2310.2070"),
        ("2310.207081", ""),
        ("", ""),
    ],
)
def test_arxiv_identifiers(text: str, name: str) -> None:
    assert arxiv_id(text) == name
    assert arxiv_id(name) == name


@pytest.mark.parametrize(
    ("text", "doi"),
    [
        ("10.1000/Xyz", "10.1000/xyz"),
        ("https://doi.org/10.1016/S0004-3702(97)00043-X.", "10.1016/s0004-3702(97)00043-x"),
        ("(see doi:10.1000/a)", "10.1000/a"),
        ("10.10/short", ""),
    ],
)
def test_digital_object_identifiers(text: str, doi: str) -> None:
    assert doi_of(text) == doi
    assert doi_of(doi) == doi


@pytest.mark.parametrize(
    "other",
    [
        "TUNING THE TRIM-TABS OF A LARGE SHIP",
        "  Tuning  the Trim\tTabs: of a Large Ship. ",
        r"Tuning the {Trim} {\em Tabs} of a $Large$ Ship",
        "Tuníng the Trim Tabs of a Large Ship",
        r"Tun\'ing the Trim Tabs of a Large Ship",
    ],
)
def test_one_title_in_other_words_of_type_is_one_paper(other: str) -> None:
    assert same(Listing(LONG), Listing(other))


def test_greek_letters_are_their_names() -> None:
    assert title_key("On ε-nets") == title_key(r"On $\varepsilon$-nets") == title_key("On varepsilon-nets")
    assert title_key("Straße & Weg") == title_key("Strasse and Weg")


def test_short_titles_alone_are_no_key() -> None:
    one = Listing(
        "Introduction",
        "Here the first chapter of a book on rudders and tabs begins, which tells who made them, when and why",
        ("Ada Vane",),
        None,
    )
    other = Listing("Introduction", "Another book about the sea begins with this chapter on its many storms")
    assert not same(one, other)
    assert not same(Listing("Introduction"), Listing("Introduction"))
    assert keys(Listing("Introduction")) == ()
    # The same beginning of the abstract, or the same first author and year, make it the same.
    assert same(one, replace(one, authors=(), abstract=one.abstract + ", cut elsewhere"))
    dated = Listing("Introduction", authors=("Ada Vane", "B. Mast"), published=date(2020, 3, 1))
    assert same(dated, Listing("INTRODUCTION", authors=("Vane, Ada",), published=date(2020, 1, 1)))
    assert not same(dated, replace(dated, authors=("Carl Keel",)))
    assert not same(dated, replace(dated, published=date(2021, 3, 1)))


def test_identifiers_that_differ_say_that_papers_differ() -> None:
    assert not same(Listing(LONG, arxiv="2310.20708"), Listing(LONG, arxiv="2310.20709"))
    assert not same(Listing(LONG, doi="10.1000/a"), Listing(LONG, doi="10.1000/b"))
    assert same(Listing("Any", arxiv="2310.20708"), Listing("Other", url="https://arxiv.org/abs/2310.20708v2"))
    assert same(Listing("Any", doi="10.48550/arXiv.2310.20708"), Listing("Other", arxiv="2310.20708"))
    assert same(Listing(LONG, doi="10.1000/a"), Listing(LONG, doi="10.48550/arxiv.2310.20708"))
    assert not same(Listing(LONG, authors=("Ada Vane",)), Listing(LONG, authors=("B. Mast",)))
    assert same(Listing(LONG, authors=("Ada Vane",)), Listing(LONG, authors=("Vane, A.", "B. Mast")))


titles = st.text(max_size=40) | st.sampled_from(
    [LONG, LONG.upper(), "Introduction", "On ε-nets", r"Fr\'echet", "{}$\\"]
)
listings = st.builds(
    Listing,
    title=titles,
    abstract=st.sampled_from(["", ABSTRACT, ABSTRACT[::-1]]),
    authors=st.sampled_from([(), ("Ada Vane",), ("Vane, Ada", "B. Mast"), ("B. Mast",), ("",)]),
    published=st.sampled_from([None, date(2020, 1, 1), date(2021, 1, 1)]),
    arxiv=st.sampled_from(["", "", "2310.20708", "2310.20709", "cs.LG/0102003"]),
    doi=st.sampled_from(["", "", "10.1000/a", "10.1000/b", "10.48550/arxiv.2310.20708"]),
)


@settings(max_examples=120, deadline=None)
@given(listings, listings)
def test_the_relation_is_symmetric_and_reflexive(one: Listing, other: Listing) -> None:
    assert same(one, other) == same(other, one)
    assert contradict(one, other) == contradict(other, one)
    assert not contradict(one, one)
    assert same(one, one) == bool(keys(one))
    assert len(set(keys(one))) == len(keys(one))


@settings(max_examples=120, deadline=None)
@given(titles)
def test_a_key_of_a_key_is_itself(title: str) -> None:
    assert title_key(title_key(title)) == title_key(title)
