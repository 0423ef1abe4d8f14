"""RIS records."""

from __future__ import annotations

from datetime import date

from trimtab.papers.reading.ris import read_ris
from trimtab.papers.reading.told import Told
from trimtab.papers.records import Listing, Misread


def read(text: str) -> tuple[list[Listing], tuple[Misread, ...]]:
    told = Told()
    return list(read_ris(enumerate(text.split("\n"), start=1), told)), told.misread()


def test_records() -> None:
    listings, misread = read(
        "TY  - JOUR\nAU  - Vane, Ada\nA1  - Mast, B., Jr.\nTI  - Rudders and\nTabs\n"
        "PY  - 2021/02/16/online\nAB  - We turn\n  a ship.\n"
        "DO  - 10.1000/ABC\nUR  - https://example.org/x\nUR  - https://arxiv.org/abs/2310.20708\nJO  - Sea\nER  - \n\n"
        "TY  - CONF\nT1  - Second\nY1  - 2020//\nER  -\n"
    )
    assert listings == [
        Listing(
            "Rudders and Tabs",
            "We turn a ship.",
            ("Ada Vane", "Jr. Mast B."),
            2,
            date(2021, 2, 16),
            arxiv="2310.20708",
            doi="10.1000/abc",
            url="https://example.org/x",
            line=1,
        ),
        Listing("Second", published=date(2020, 1, 1), line=15),
    ]
    assert [row.why for row in misread] == ["a date without a day or month; the first was assumed"]


def test_what_is_not_understood_is_told() -> None:
    listings, misread = read(
        "stray\nTI  - Outside\nTY  - JOUR\nTI  - First\nPY  - soon\nTY  - JOUR\nTI  - Second\nDO  - none\n"
        "ER  - \nTY  - JOUR\nTI  - Third"
    )
    assert [listing.title for listing in listings] == ["First", "Second", "Third"]
    whys = [(row.line, row.why.split(";")[0]) for row in misread]
    assert whys == [
        (1, "a line outside of a record"),
        (2, "a line outside of a record"),
        (3, "not a date"),
        (6, "a record begins before the last one ended"),
        (6, "not a digital object identifier"),
        (10, "the last record of the page does not end"),
    ]


def test_a_record_without_end_is_bounded() -> None:
    listings, misread = read("TY  - JOUR\nTI  - T\n" + "AB  - a long line of an abstract\n" * 40_000)
    assert [listing.title for listing in listings] == ["T"]
    assert any("longer than" in row.why for row in misread)
