"""RIS: the tagged form of reference managers and publishers (https://refdb.sourceforge.net/manual/c1478.html).

A record begins with TY and ends with ER. Of its tags these are kept, the others are passed over:

    TI, T1, CT           title                  DO        digital object identifier
    AU, A1               authors                UR, L1    addresses; the first is kept, arXiv's tells the identifier
    AB, N2               abstract               PY, Y1, DA   "2021/02/16/"; what is left out is the first, and told

A line without a tag continues the one before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from trimtab.papers.reading.dates import read_iso
from trimtab.papers.reading.entry import Entry, listing_of
from trimtab.papers.reading.identifiers import arxiv_id
from trimtab.papers.reading.people import given_first
from trimtab.papers.reading.told import Told
from trimtab.papers.records import Listing

__all__ = ["TAG", "read_ris"]

TAG = re.compile(r"([A-Z][A-Z0-9]) {1,2}- ?(.*)")
_TITLES, _ABSTRACTS, _DATES = ("TI", "T1", "CT"), ("AB", "N2"), ("DA", "PY", "Y1")
_MOST = 1 << 20  # characters of a record


def read_ris(lines: Iterable[tuple[int, str]], told: Told) -> Iterator[Listing]:
    """The records of a RIS file; arguments as of `read_json_lines`."""
    record: dict[str, list[str]] | None = None
    begin = size = 0
    last: list[str] | None = None
    for number, line in lines:
        text = line.strip("\ufeff\0 \t")
        found = TAG.fullmatch(text)
        if found is None:
            if not text:
                continue
            if record is None or last is None:
                told.line(number, text, "a line outside of a record; it was passed over")
            elif size + len(text) > _MOST:
                told.line(number, text, f"the record is longer than {_MOST:,} characters; this line was passed over")
            else:
                size += len(text)
                last[-1] += f" {text}"
            continue
        tag, value = found[1], found[2].strip()
        if tag == "TY":
            if record is not None:
                told.line(number, text, "a record begins before the last one ended; the last one was ended here")
                yield from _listing(record, begin, told)
            record, begin, size, last = {}, number, 0, None
        elif record is None:
            told.line(number, text, "a line outside of a record; it was passed over")
        elif tag == "ER":
            yield from _listing(record, begin, told)
            record = last = None
        elif size + len(value) > _MOST:
            told.line(number, text, f"the record is longer than {_MOST:,} characters; this line was passed over")
        else:
            size += len(value) + 16
            last = record.setdefault(tag, [])
            last.append(value)
    if record is not None:
        told.line(begin, "", "the last record of the page does not end; it was taken as it is")
        yield from _listing(record, begin, told)


def _listing(record: dict[str, list[str]], line: int, told: Told) -> Iterator[Listing]:
    """The listing of a record."""

    def first(*tags: str) -> str:
        return next((record[tag][0] for tag in tags if record.get(tag)), "")

    links = [link for tag in ("UR", "L1") for link in record.get(tag, []) if link]
    entry = Entry(
        line,
        title=first(*_TITLES),
        abstract=first(*_ABSTRACTS),
        authors=[given_first(name) for tag in ("AU", "A1") for name in record.get(tag, []) if name],
        doi=first("DO"),
        url=links[0] if links else "",
        arxiv=next((name for link in links if (name := arxiv_id(link))), ""),
    )
    known = 0
    for tag in _DATES:
        if not (text := first(tag)):
            continue
        day, parts = read_iso(
            "-".join(part for part in text.replace("-", "/").split("/")[:3] if part.strip().isdigit())
        )
        if day is None:
            told.line(line, f"{tag}  - {text}", "not a date; it was left out")
        elif parts > known:
            entry.published, known = day, parts
    if entry.published is not None and known < 3:
        told.often(line, entry.title, "a date without a day or month; the first was assumed")
    listing = listing_of(entry, told)
    if listing is not None:
        yield listing
