"""Listing pages as text: every line is used or told, and what was guessed is told."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.papers.reading import iter_listings, read_page
from trimtab.papers.reading.daily_papers import read_daily_papers
from trimtab.papers.reading.told import Told
from trimtab.papers.records import Listing, Misread

TODAY = date(2026, 11, 26)
HEAD = (
    "new\n\nGet trending papers in your email inbox!\n\nSubscribe\n\nDaily Papers\n\n"
    "byAK and the research community\n\nJun 9\n"
)
LONG = (
    "We propose a gauge of how far a rudder turns before the ship does, and show on three fleets that it is the trim "
    "tab which decides. Our bound is tight up to a constant"
)


def read(text: str, today: date = TODAY) -> tuple[list[Listing], tuple[Misread, ...]]:
    told = Told()
    lines = enumerate(text.split("\n"), start=1)
    return list(read_daily_papers(lines, told, today)), told.misread()


def entry(title: str, abstract: str, meta: str = "  • 6 authors\n·\nNov 8, 2023") -> str:
    return f"\n{title}\n\n{abstract}\n" + (f"\n{meta}\n" if meta else "")


def test_an_entry_has_its_parts_and_its_line() -> None:
    page = HEAD + entry("Rudders and Tabs", LONG) + entry("A Second Look", LONG, "  • 1 authors\n·\nJan 29, 2025 12")
    listings, misread = read(page)
    assert listings == [
        Listing("Rudders and Tabs", LONG, (), 6, date(2023, 11, 8), line=13),
        Listing("A Second Look", LONG, (), 1, date(2025, 1, 29), comments=12, line=21),
    ]
    assert misread == ()


@pytest.mark.parametrize(
    ("head", "written", "today", "expected"),
    [
        ("Jun 9", "Jan 29 2", date(2026, 11, 26), date(2026, 1, 29)),  # the page is from this year
        ("Jun 9", "Jan 29 2", date(2026, 5, 1), date(2025, 1, 29)),  # June has not come yet: from last year
        ("Jun 9", "Oct 3", date(2026, 11, 26), date(2025, 10, 3)),  # not after the page's own day
        ("Jan 2", "Jan 2", date(2026, 1, 2), date(2026, 1, 2)),
        ("Mar 1", "Feb 29", date(2026, 11, 26), date(2024, 2, 29)),  # a day that only leap years have
        ("", "Oct 3", date(2026, 11, 26), date(2026, 10, 3)),  # a page without a day: the import's
        ("", "Dec 3", date(2026, 11, 26), date(2025, 12, 3)),
    ],
)
def test_a_date_without_a_year_is_the_last_that_can_be_and_is_told(
    head: str, written: str, today: date, expected: date
) -> None:
    page = HEAD.replace("Jun 9\n", f"{head}\n") + entry("Rudders", LONG, f"  • 2 authors\n·\n{written}")
    (listing,), misread = read(page, today)
    assert listing.published == expected
    assert listing.comments == (2 if written.endswith(" 2") and head == "Jun 9" else None)
    (told,) = misread
    assert told.text == written
    assert expected.isoformat() in told.why
    assert str(today) in told.why


def test_a_page_without_lines_of_authors_and_dates_tells_so_once() -> None:
    page = HEAD + "".join(entry(f"Title Number {n}", f"{LONG} of {n}.", "") for n in range(30))
    listings, misread = read(page)
    assert [listing.title for listing in listings] == [f"Title Number {n}" for n in range(30)]
    assert all(listing.abstract.endswith(f" of {n}.") for n, listing in enumerate(listings))
    (told,) = misread
    assert "without number of authors and date (30 times" in told.why


def test_one_entry_without_its_lines_among_others() -> None:
    page = HEAD + entry("First One", f"{LONG}.") + entry("The Bare One", f"{LONG}!", "") + entry("Last One", f"{LONG}.")
    listings, misread = read(page)
    assert [(listing.title, listing.author_count) for listing in listings] == [
        ("First One", 6),
        ("The Bare One", None),
        ("Last One", 6),
    ]
    assert [told.text for told in misread] == ["The Bare One"]


def test_split_lines_are_one_text() -> None:
    halves = LONG[:60], LONG[60:]
    assert halves[0][-1] != " " or halves[1][0] != " "
    broken = LONG.replace(" ", "\n", 9)
    page = HEAD + entry("A Title that\nwas Split over Pre-\nand Post-lines", broken, "• 6\nauthors\n·\nNov 8,\n2023\n4")
    (listing,), misread = read(page)
    assert listing == Listing(
        "A Title that was Split over Pre-and Post-lines", LONG, (), 6, date(2023, 11, 8), comments=4, line=13
    )
    assert misread == ()


def test_an_abstract_of_paragraphs_is_joined_and_told() -> None:
    page = HEAD + entry("Rudders", f"{LONG}.\n\nCode: https://example.org/rudders\n\n{LONG}!")
    (listing,), (told,) = read(page)
    assert listing.abstract == f"{LONG}. Code: https://example.org/rudders {LONG}!"
    assert "joined" in told.why


def test_lines_without_blank_ones_between() -> None:
    page = (
        "Daily Papers\nSubscribe\nJun 9\nRudders\n"
        + LONG
        + "\n• 6 authors · Nov 8, 2023\nTabs\n"
        + LONG
        + "\n• 1 author"
    )
    listings, misread = read(page)
    assert [(x.title, x.abstract, x.author_count, x.published) for x in listings] == [
        ("Rudders", LONG, 6, date(2023, 11, 8)),
        ("Tabs", LONG, 1, None),
    ]
    assert [told.why for told in misread if "no blank line" not in told.why] == ["an entry without a date"]


def test_missing_parts_are_told_and_the_rest_is_kept() -> None:
    page = (
        HEAD
        + entry("No Abstract Here", "", "  • 3 authors\n·\nNov 8, 2023").replace("\n\n\n", "\n")
        + entry("No Date", LONG, "  • 3 authors")
        + entry("No Authors", LONG, "·\nNov 8, 2023")
        + entry("A Broken Date", LONG, "  • 3 authors\n·\nNov 38, 2023")
        + "\n17\n\nNov 9, 2023\n\n"
        + entry("The Last", LONG)
    )
    listings, misread = read(page)
    by_title = {listing.title: listing for listing in listings}
    assert by_title["No Abstract Here"].abstract == ""
    assert by_title["No Date"].published is None
    assert by_title["No Authors"].author_count is None
    assert by_title["The Last"] == Listing("The Last", LONG, (), 6, date(2023, 11, 8), line=by_title["The Last"].line)
    told = {row.text: row.why for row in misread}
    assert told["No Abstract Here"] == "an entry without an abstract"
    assert told["No Date"] == "an entry without a date"
    assert told["No Authors"] == "an entry without number of authors"
    assert "Nov 38, 2023" in {row.text for row in misread} | {listing.title for listing in listings}
    assert "a number alone" in told["17"]


def test_dates_that_contradict_what_was_taken_for_the_page_are_told() -> None:
    meta = "• 1 author\n·\n"
    page = HEAD + entry("Ahead", LONG, f"{meta}Jan 1, 2027") + entry("Behind", LONG, f"{meta}Aug 1, 2026")
    listings, misread = read(page)
    assert [listing.published for listing in listings] == [date(2027, 1, 1), date(2026, 8, 1)]
    assert [row.why.split(",")[0] for row in misread] == [
        "later than the day of the import",
        "later than the day of the page",
    ]


def test_a_repeated_entry_is_listed_twice() -> None:
    listings, _ = read(HEAD + entry("Rudders", LONG) * 2)
    assert [listing.line for listing in listings] == [13, 21]


def test_two_pages_behind_each_other_are_two_heads() -> None:
    page = (
        HEAD
        + entry("Rudders", LONG)
        + "\n"
        + HEAD.replace("Jun 9", "May 7")
        + entry("Tabs", LONG, "• 2 authors\n·\nMay 30")
    )
    listings, misread = read(page)
    assert [(listing.title, listing.published) for listing in listings] == [
        ("Rudders", date(2023, 11, 8)),
        ("Tabs", date(2025, 5, 30)),
    ]
    assert ["'May 7'" in told.why for told in misread] == [True]


words = st.text("abcdefgh ", min_size=1, max_size=30).map(lambda text: " ".join(text.split()) or "word")
lines = st.one_of(
    words,
    words.map(lambda text: f"{text.capitalize()}. {text}."),
    st.just(LONG),
    st.sampled_from(
        [
            "",
            "",
            "  • 4 authors",
            "·",
            "Nov 8, 2023",
            "Jan 29 2",
            "new",
            "Subscribe",
            "17",
            "• 9",
            "authors",
            "Feb 3,",
            "2021",
            "•",
        ]
    ),
)


@settings(max_examples=120, deadline=None)
@given(st.lists(lines, max_size=30), st.booleans())
def test_every_line_is_used_or_told(page: list[str], with_head: bool) -> None:
    text = (HEAD if with_head else "") + "\n".join(page)
    listings, misread = read(text)
    told = {row.line for row in misread}
    kept = [re.sub(r"\s+", "", listing.title + listing.abstract) for listing in listings]
    known = {"new", "subscribe", "dailypapers", "byakandtheresearchcommunity", "gettrendingpapersinyouremailinbox!"}
    counts = sum(listing.author_count is not None for listing in listings)
    for number, line in enumerate(text.split("\n"), start=1):
        bare = re.sub(r"\s+", "", line)
        if not bare or number in told or bare.lower() in known or any(bare in text for text in kept):
            continue
        # What is left says something of an entry, which has it then; parts of split lines count together.
        assert re.fullmatch(r"·|•?(\d+)?(authors)?|[A-Z][a-z]{2}\d+,?(\d{4})?\d*", bare), (number, line, misread)
        assert counts or "authors" not in bare, (number, line)
    assert all(row.why for row in misread)
    assert [row.line for row in misread] == sorted(row.line for row in misread)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 40), st.dates(date(1995, 1, 1), date(2025, 12, 31)), st.none() | st.integers(1, 99)),
        min_size=1,
        max_size=8,
    )
)
def test_what_is_written_is_read(parts: list[tuple[int, date, int | None]]) -> None:
    page = HEAD
    for n, (authors, day, comments) in enumerate(parts):
        number = f" {comments}" if comments else ""
        page += entry(f"Paper {n}", f"{LONG} {n}.", f"  • {authors} authors\n·\n{day:%b} {day.day}, {day.year}{number}")
    listings, misread = read(page)
    assert misread == ()
    assert [(x.author_count, x.published, x.comments) for x in listings] == parts


def test_a_long_page_is_a_stream(tmp_path: Path) -> None:
    """Entries come while the page is read: the first ones are there though the end of the page is not."""
    path = tmp_path / "page.txt"
    path.write_text(HEAD + entry("Rudders", LONG) * 3_000)
    stream = iter_listings(path, today=TODAY)
    assert next(stream).title == "Rudders"
    assert sum(1 for _ in stream) == 2_999


def test_reading_twice_gives_the_same(tmp_path: Path) -> None:
    path = tmp_path / "page.txt"
    path.write_text(HEAD + entry("Rudders", LONG, "• 2 authors\n·\nMay 30"))
    one, other = (read_page(path, today=TODAY) for _ in range(2))
    assert one == other
    assert (one.source, one.kind) == ("page.txt", "daily papers")
