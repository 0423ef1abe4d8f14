"""Pages read whole, or as a stream of their entries."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import BinaryIO, cast, final

from trimtab.base.errors import InvalidArgument, message
from trimtab.papers.reading.atom import read_atom
from trimtab.papers.reading.bibtex import read_bibtex
from trimtab.papers.reading.daily_papers import read_daily_papers
from trimtab.papers.reading.detect import HEAD, KINDS, detect
from trimtab.papers.reading.fetching import MOST, opened, source_name
from trimtab.papers.reading.json_lines import read_json_lines
from trimtab.papers.reading.lines import Joined, lines_of, text_encoding
from trimtab.papers.reading.ris import read_ris
from trimtab.papers.reading.saved_html import read_saved_html
from trimtab.papers.reading.told import Told
from trimtab.papers.records import Listing, Misread, Page

__all__ = ["PageStream", "iter_listings", "open_page", "read_page", "read_pages"]

_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w-]{1,40})", re.IGNORECASE)


@final
class PageStream:
    """A page whose entries are read one after the other: iterate over it once, and ask for `misread` afterwards.

    Arguments:
        source: the page's name.
        kind: what it is, as in `Page`.
        listings: its entries.
        told: gathers what is not understood.
    """

    def __init__(self, source: str, kind: str, listings: Iterator[Listing], told: Told) -> None:
        self.source = source
        self.kind = kind
        self._listings = listings
        self._told = told

    def __iter__(self) -> Iterator[Listing]:
        return self._listings

    def misread(self) -> tuple[Misread, ...]:
        """What was not understood until now, in order of the lines."""
        return self._told.misread()


@contextmanager
def open_page(
    source: str | os.PathLike[str], *, kind: str | None = None, today: date | None = None
) -> Iterator[PageStream]:
    """A page as a stream, in bounded memory; its file is closed afterwards.

    Arguments:
        source: a file, or an http or https address.
        kind: one of `KINDS`; None: what the content shows.
        today: the day of the import, by which dates without a year get one; None: today.

    Raises:
        InvalidArgument: the page cannot be read, or is of no known kind.
    """
    if kind is not None and kind not in KINDS:
        raise InvalidArgument(message("no such kind of page", got=kind, allowed=", ".join(KINDS)))
    told = Told()
    day = today or date.today()
    with opened(source, told) as stream:
        head = stream.read(HEAD)
        name = source_name(source)
        kind = kind or detect(head, name)
        whole = cast(BinaryIO, Joined(head, stream))
        yield PageStream(name, kind, _listings(kind, whole, told, day), told)


def _listings(kind: str, stream: BinaryIO, told: Told, today: date) -> Iterator[Listing]:
    """The entries of a page of a kind."""
    match kind:
        case "atom":
            return read_atom(stream, told)
        case "saved html":
            return read_saved_html(_html(stream, told), told, today)
        case "bibtex":
            return read_bibtex(lines_of(stream, told), told)
        case "ris":
            return read_ris(lines_of(stream, told), told)
        case "json lines":
            return read_json_lines(lines_of(stream, told), told)
        case _:
            return read_daily_papers(lines_of(stream, told), told, today)


def _html(stream: BinaryIO, told: Told) -> str:
    """The text of an HTML page, which is read whole and is bounded."""
    parts, size = [], 0
    while size <= MOST and (part := stream.read(1 << 20)):
        parts.append(part)
        size += len(part)
    page = b"".join(parts)
    if size > MOST:
        told.line(1, "", f"the page has more than {MOST:,} bytes; the rest of it was not read")
        page = page[:MOST]
    encoding = text_encoding(page)
    if encoding == "utf-8" and (declared := _CHARSET.search(page[:4_096])):
        encoding = declared[1].decode()
    try:
        return page.decode(encoding).replace("\r\n", "\n")
    except (LookupError, UnicodeError):
        told.line(1, "", f"the page is not in {encoding[:40]}; it was read as Windows-1252")
        return page.decode("cp1252", "replace").replace("\r\n", "\n")


def iter_listings(
    source: str | os.PathLike[str], *, kind: str | None = None, today: date | None = None
) -> Iterator[Listing]:
    """The entries of a page, one after the other; arguments and errors as of `open_page`."""
    with open_page(source, kind=kind, today=today) as page:
        yield from page


def read_page(source: str | os.PathLike[str], *, kind: str | None = None, today: date | None = None) -> Page:
    """A page with all its entries; arguments and errors as of `open_page`."""
    with open_page(source, kind=kind, today=today) as page:
        listings = tuple(page)
        return Page(page.source, page.kind, listings, page.misread())


def read_pages(sources: Iterable[str | os.PathLike[str]], *, today: date | None = None) -> list[Page]:
    """Pages with all their entries, in order; arguments and errors as of `open_page`."""
    return [read_page(source, today=today) for source in sources]
