"""JSON lines: listings out and in again, and lines of any content."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.papers.reading import json_line
from trimtab.papers.reading.json_lines import read_json_lines
from trimtab.papers.reading.told import Told
from trimtab.papers.records import Listing, Misread

plain = st.text("abc é-:<>&\"'", min_size=1, max_size=30).map(lambda text: " ".join(text.split())).filter(bool)
listings = st.builds(
    lambda names, count, **parts: Listing(authors=names, author_count=len(names) or count, **parts),
    title=plain,
    abstract=st.just("") | plain | st.just("Of $L^2$ and $5"),
    names=st.lists(plain, max_size=3).map(tuple),
    count=st.none() | st.integers(0, 40),
    published=st.none() | st.dates(date(1990, 1, 1)),
    comments=st.none() | st.integers(0, 99),
    votes=st.none() | st.integers(0, 99),
    arxiv=st.sampled_from(["", "2310.20708", "cs/0102003"]),
    doi=st.sampled_from(["", "10.1000/a"]),
    url=st.sampled_from(["", "https://example.org/a?b=c"]),
)


def read(*lines: str) -> tuple[list[Listing], tuple[Misread, ...]]:
    told = Told()
    return list(read_json_lines(enumerate(lines, start=1), told)), told.misread()


@settings(max_examples=80, deadline=None)
@given(listings)
def test_what_is_given_away_is_read_back(listing: Listing) -> None:
    line = json_line(listing)
    assert "\n" not in line
    assert read(line) == ([replace(listing, line=1)], ())


json_values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from(
    ["abstract", "authors", "author_count", "published", "comments", "votes", "arxiv", "doi", "url", "other"]
)


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(keys, json_values))
def test_values_of_any_type_are_read_or_told(found: dict[str, Any]) -> None:
    (listing,), misread = read(json.dumps({"title": "T", **found}))
    assert listing.title == "T"
    for key, value in found.items():
        if value is not None and key != "other" and not getattr(listing, key, None) and value not in ("", [], 0):
            texts = [value] if isinstance(value, str) else value if isinstance(value, list) else [1]
            blank = all(isinstance(text, str) and not "".join(text.split()).strip("\0\x1f") for text in texts)
            assert misread or blank, key


def test_lines_that_are_no_objects_are_told() -> None:
    listings, misread = read(
        "[1]", '{"title":', "[" * 100_000, '{"title": "A"}', "", '{"title": " "}', '{"a": 1, "title": "B"}'
    )
    assert [listing.title for listing in listings] == ["A", "B"]
    assert [(row.line, row.why.split(" (")[0].split(";")[0]) for row in misread] == [
        (1, "not a JSON object"),
        (2, "not JSON"),
        (3, "not JSON"),
        (6, "an entry without a title was left out"),
        (7, "the key 'a' is not known"),
    ]


def test_signs_that_hide_are_taken_out_and_told() -> None:
    title = "Tabs\u202e\r\nBcc: all@example.org\x00\ud800"
    (listing,), misread = read(json.dumps({"title": title, "url": "https://a.org/\r\nX: y", "published": "2021-02"}))
    assert listing.title == "Tabs Bcc: all@example.org\ufffd"
    assert listing.url == ""
    assert listing.published == date(2021, 2, 1)
    assert [row.why.split(";")[0] for row in misread] == [
        "control or direction characters in the title were taken out",
        "not an http or https address",
        "a date without a day or month",
    ]
