"""BibTeX as people and programs write it."""

from __future__ import annotations

from datetime import date

import pytest

from trimtab.base.refs import Reference
from trimtab.papers.reading.bibtex import read_bibtex
from trimtab.papers.reading.told import Told
from trimtab.papers.records import Listing, Misread

FILE = r"""% a comment of the file
@string{ sea = {Journal of } # "the Sea" }
@comment{ @article{no, title={Never}} }
@preamble{"\newcommand{\x}{y}"}

@Article{vane2021,
  author    = {Vane, Ada and {von} Mast, Jr., Jos{\'e} and {Rudder and Tab Group} and Erd{\H{o}}s, P.},
  title     = {{BERT} on {Fr\'echet} Means: from $L^{2}$ to {\O}resund},
  journal   = sea,
  year      = 2021, month = feb,
  abstract  = {We turn --- a large ship --- by ``its tab'', with 50\% less
               force; see~\cite{x}.},
  doi       = "https://doi.org/10.1000/AbC",
  url       = {https://example.org/a\_b},
}
@inproceedings(mast, title = "A {"}quoted{"} thing", author = "B. Mast", crossref = {sea20},
  eprint = {2310.20708v2}, archivePrefix = {arXiv})
@misc{pre, title={Preprint of Things}, author={Keel, Carl and others}, date = {2024-01-05},
  journal={arXiv preprint arXiv:2401.00001}}
@proceedings{sea20, title = {All of the Sea}, year = {2020}}
"""


def read(text: str) -> tuple[list[Listing], tuple[Misread, ...]]:
    told = Told()
    return list(read_bibtex(enumerate(text.split("\n"), start=1), told)), told.misread()


def test_a_file() -> None:
    listings, misread = read(FILE)
    by_line = {listing.line: listing for listing in listings}
    first = by_line[6]
    assert first.title == "BERT on Fréchet Means: from $L^{2}$ to Øresund"
    assert first.authors == ("Ada Vane", "José von Mast Jr.", "Rudder and Tab Group", "P. Erdős")
    assert first.author_count == 4
    assert first.published == date(2021, 2, 1)
    assert first.abstract.startswith("We turn — a large ship — by “its tab”, with 50% less force;")
    assert (first.doi, first.url) == ("10.1000/abc", "https://example.org/a_b")
    second = by_line[16]
    assert (second.title, second.arxiv, second.published) == ('A "quoted" thing', "2310.20708", date(2020, 1, 1))
    third = by_line[18]
    assert (third.arxiv, third.authors, third.published) == ("2401.00001", ("Carl Keel",), date(2024, 1, 5))
    assert len(listings) == 3
    told = {row.line: row.why for row in misread}
    assert "day or month" in told[6]
    assert "others" in told[18]
    assert "collection" in told[20]


def test_the_house_s_own_references_are_read_back() -> None:
    reference = Reference(
        "Vane, Ada and Mast, José",
        "Tuning the Tabs",
        2021,
        "Sea",
        arxiv="2310.20708",
        doi="10.1000/a",
        url="https://a.org/x",
    )
    (listing,), _ = read(reference.bibtex)
    assert (listing.title, listing.authors) == ("Tuning the Tabs", ("Ada Vane", "José Mast"))
    assert (listing.arxiv, listing.doi, listing.url) == ("2310.20708", "10.1000/a", "https://a.org/x")


def test_an_entry_that_never_closes_ends_at_the_next() -> None:
    listings, misread = read(
        "@article{a,\n title = {Open {brace},\n year = 2020\n@article{b, title={Second}, year=2021}\nstray\n"
    )
    assert [(x.line, x.title) for x in listings] == [(1, "Open brace, year = 2020"), (4, "Second")] or listings[
        -1
    ].title == "Second"
    assert any("not closed" in row.why and row.line == 1 for row in misread)
    assert any(row.line == 5 and "comment" in row.why for row in misread)


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("@article{a, title = {T}, year = {soon}}", "not a date"),
        ("@article{a, title = nosuch, date = {2020-01-01}}", "without its @string"),
        ("@article{a, author = {Vane, Ada}, date = {2020-01-01}}", "without a title"),
        ("@article{a, title = {T}, date = {2020-01-01}, crossref = {b}}", "not on the page"),
        ("@article{a, title = {T}, date = {2020-01-01}, ??? }", "not a field"),
        ("@article{a, title = {T}, date = {2020-01-01}", "not closed"),
        ("@article{a, title = {T}, date = {2020-01-01}, url = {javascript:alert(1)}}", "not an http or https address"),
    ],
)
def test_what_is_not_understood_is_told(entry: str, why: str) -> None:
    _, misread = read(entry)
    assert [why in row.why for row in misread] == [True]


def test_deep_and_long_entries_are_bounded() -> None:
    for body in (
        "{" * 10_000,
        "a = {" * 2_000,
        '"' * 10_000,
        "#" * 10_000,
        "\\" * 10_000,
        "a = b # " * 1_500,
        "x and " * 2_000,
    ):
        read("@article{k, title = {T}, " + body)
        read("@article{k, title = {T}, author = {" + body + "}, year = 2020}")
    listings, misread = read(
        "@article{k, title = {T}, date = {2020-01-01},\n" + ("note = {" + "a" * 100 + "},\n") * 11_000 + "}"
    )
    assert [listing.title for listing in listings] == ["T"]
    assert any("longer than" in row.why for row in misread)
