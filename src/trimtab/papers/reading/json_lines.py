"""Listings as JSON lines: one object a line. It is also the form in which listings are given away.

    title         text; the only key that must be there
    abstract      text; TeX stands between dollar signs
    authors       list of names, "Given Family"
    author_count  whole number
    published     "2021-02-16"; "2021-02" and "2021" are taken as the first day of it, which is told
    comments      whole number
    votes         whole number
    arxiv         identifier
    doi           identifier
    url           http or https address

A key that is left out, or null, is not given. Other keys are told, once each.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

from trimtab.papers.reading.dates import read_iso
from trimtab.papers.reading.entry import Entry, listing_of
from trimtab.papers.reading.told import Told
from trimtab.papers.records import Listing

__all__ = ["json_line", "read_json_lines"]

_TEXTS = ("title", "abstract", "arxiv", "doi", "url")
_COUNTS = ("author_count", "comments", "votes")
_KEYS = frozenset((*_TEXTS, *_COUNTS, "authors", "published"))


def json_line(listing: Listing) -> str:
    """A listing as one line, which `read_json_lines` reads back as the same listing.

    >>> json_line(Listing("A title", author_count=2))
    '{"title":"A title","author_count":2}'
    """
    kept: dict[str, Any] = {"title": listing.title}
    for key in ("abstract", "authors", "author_count", "published", "comments", "votes", "arxiv", "doi", "url"):
        value = getattr(listing, key)
        if value is not None and value not in ("", ()):
            kept[key] = value.isoformat() if isinstance(value, date) else value
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":"))


def read_json_lines(lines: Iterable[tuple[int, str]], told: Told) -> Iterator[Listing]:
    """The listings of a page of JSON lines.

    Arguments:
        lines: with their numbers, in order.
        told: gets what was not understood.
    """
    for number, line in lines:
        line = line.strip("\ufeff \t\0")
        if not line:
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            told.line(number, line, f"not JSON ({type(error).__name__}: {error}); the line was left out")
            continue
        if not isinstance(found, dict):
            told.line(number, line, "not a JSON object; the line was left out")
            continue
        listing = listing_of(_entry(number, found, told), told)
        if listing is not None:
            yield listing


def _entry(number: int, found: dict[str, Any], told: Told) -> Entry:
    """The entry that an object tells of."""
    entry = Entry(number)
    for key, value in found.items():
        if value is None:
            continue
        if (key in _TEXTS and isinstance(value, str)) or (key in _COUNTS and isinstance(value, int)):
            setattr(entry, key, value)
        elif key == "authors" and isinstance(value, list) and all(isinstance(name, str) for name in value):
            entry.authors = value
        elif key == "published" and isinstance(value, str):
            entry.published, parts = read_iso(value)
            if entry.published is None:
                told.line(number, value, "not a date; it was left out")
            elif parts < 3:
                told.often(number, value, "a date without a day or month; the first was assumed")
        elif key in _KEYS:
            told.line(
                number, f"{key}: {str(value)[:200]}", "a value of another type than this key has; it was left out"
            )
        else:
            told.often(number, key, f"the key {key[:40]!r} is not known; it was passed over")
    return entry
