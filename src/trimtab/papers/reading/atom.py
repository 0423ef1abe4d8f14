"""Atom feeds, as the arXiv answers (https://info.arxiv.org/help/api/user-manual.html; Atom is RFC 4287).

Of an entry are kept: title, summary (or content), the names of its authors, published (or updated, which is told), the
arXiv identifier without its version from id or a link, the DOI from arXiv's element or a link, and the address of its
link "alternate", else of its id.

The document is read as a stream by the standard library's expat. A document type is refused where it begins, and
without one no entity can be declared: there is nothing to expand and nothing to fetch. Depth and the size of a text or
tag are bounded. Where the XML breaks, what came before it is kept, and the place is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, final
from xml.parsers import expat

from trimtab.papers.reading.dates import read_iso
from trimtab.papers.reading.entry import Entry, listing_of
from trimtab.papers.reading.html_text import text_of_html
from trimtab.papers.reading.identifiers import arxiv_id, doi_of
from trimtab.papers.reading.told import Told
from trimtab.papers.records import Listing

__all__ = ["ATOM", "read_atom"]

ATOM = "http://www.w3.org/2005/Atom"
_ARXIV = "http://arxiv.org/schemas/atom"
_DEPTH = 200
_MOST = 1 << 20  # characters of a text, and bytes of a tag
_CHUNK = 1 << 16


class _Refused(Exception):
    """What a feed may not have."""


def read_atom(stream: BinaryIO, told: Told) -> Iterator[Listing]:
    """The entries of a feed.

    Arguments:
        stream: of the document's bytes; its XML declaration tells their encoding.
        told: gets what was not understood.
    """
    reader = _Reader(told)
    fed = 0
    while True:
        chunk = stream.read(_CHUNK)
        try:
            reader.parser.Parse(chunk, not chunk)
            fed += len(chunk)
            if fed - reader.parser.CurrentByteIndex > _MOST + _CHUNK:
                raise _Refused(f"a tag of more than {_MOST:,} bytes")
        except (expat.ExpatError, _Refused, ValueError) as error:
            yield from reader.take()
            why = f"{error}; the feed was read up to here"
            told.line(max(1, reader.parser.CurrentLineNumber), "", why)
            return
        yield from reader.take()
        if not chunk:
            return


@final
class _Reader:
    """Follows the tags of a feed; keeps one entry and the path to where it is."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._path: list[str] = []
        self._done: list[Listing] = []
        self._entry: Entry | None = None
        self._updated = self._address = self._id = ""
        self._parts: list[str] = []
        self._size = 0
        self._type = ""
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._data
        self.parser.StartDoctypeDeclHandler = self._doctype

    def take(self) -> list[Listing]:
        """The listings that were finished since the last call."""
        done, self._done = self._done, []
        return done

    def _doctype(self, *_: object) -> None:
        raise _Refused("a document type, which a feed has none of and which could declare entities")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        space, _, local = name.rpartition(" ")
        self._path.append(local if space in (ATOM, _ARXIV) else "")
        if len(self._path) > _DEPTH:
            raise _Refused(f"tags nested deeper than {_DEPTH}")
        if len(self._path) == 1 and (space, local) not in ((ATOM, "feed"), (ATOM, "entry")):
            raise _Refused(f"the document is {local[:40]!r}, not an Atom feed")
        if space == ATOM and local == "entry":
            self._entry = Entry(self.parser.CurrentLineNumber)
            self._updated = self._address = self._id = ""
        elif self._entry is not None and space == ATOM and local == "link":
            self._link(attributes)
        if self._entry is not None and self._place() is not None:
            self._parts, self._size = [], 0
            self._type = attributes.get("type", "text")

    def _place(self) -> str | None:
        """Which text of an entry the reader is in; None outside of all."""
        at = len(self._path) - 1 - self._path[::-1].index("entry") if "entry" in self._path else -1
        below = self._path[at + 1 :]
        if below == ["author", "name"]:
            return "name"
        if len(below) == 1 and below[0] in ("id", "title", "summary", "content", "published", "updated", "doi"):
            return below[0]
        return None

    def _data(self, text: str) -> None:
        if self._entry is None:
            return
        if self._size > _MOST:
            return
        self._size += len(text)
        self._parts.append(text)
        if self._size > _MOST:
            self._told.line(
                self.parser.CurrentLineNumber, text, f"a text of more than {_MOST:,} characters; it was cut"
            )

    def _link(self, attributes: dict[str, str]) -> None:
        """Take what a link tells."""
        assert self._entry is not None
        address, relation = attributes.get("href", ""), attributes.get("rel", "alternate")
        self._entry.arxiv = self._entry.arxiv or arxiv_id(address)
        if relation == "alternate" and not self._address:
            self._address = address
        if attributes.get("title") == "doi" and not self._entry.doi:
            self._entry.doi = doi_of(address)

    def _end(self, name: str) -> None:
        place = self._place() if self._entry is not None else None
        if place is not None:
            self._text(place, "".join(self._parts))
            self._parts = []
        local = self._path.pop()
        if local == "entry" and self._entry is not None and name == f"{ATOM} entry":
            self._finish(self._entry)
            self._entry = None

    def _text(self, place: str, text: str) -> None:
        """Take a text of the entry."""
        entry = self._entry
        assert entry is not None
        if self._type == "html" and place in ("title", "summary", "content"):
            text = text_of_html(text)
        text = text.strip()
        if place == "title":
            entry.title = text
        elif place == "summary" or (place == "content" and not entry.abstract):
            entry.abstract = text
        elif place == "name" and text:
            entry.authors = [*entry.authors, text] if len(entry.authors) < 20_000 else entry.authors
        elif place == "id":
            self._id = text
            entry.arxiv = arxiv_id(text) or entry.arxiv
        elif place == "doi":
            entry.doi = text
        elif place == "updated":
            self._updated = text
        elif place == "published" and text:
            entry.published = read_iso(text)[0]
            if entry.published is None:
                self._told.line(self.parser.CurrentLineNumber, text, "not a date; it was left out")

    def _finish(self, entry: Entry) -> None:
        """End the entry."""
        if "arxiv.org/api/errors" in self._id:
            self._told.line(entry.line, entry.abstract or entry.title, "an error of the arXiv, not a paper")
            return
        if entry.published is None and self._updated:
            entry.published = read_iso(self._updated)[0]
            self._told.often(entry.line, self._updated, "no date of publication; that of the last change was taken")
        entry.url = self._address or (self._id if self._id.startswith(("http://", "https://")) else "")
        listing = listing_of(entry, self._told)
        if listing is not None:
            self._done.append(listing)
