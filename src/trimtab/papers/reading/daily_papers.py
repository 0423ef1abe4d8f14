"""Listing pages of the Daily Papers site, as text that was copied from a browser.

    new                                         the head: lines of the site, and the day of the page
    Subscribe                                   (without a year)
    Daily Papers
    Jun 9

    A Title                                     an entry: a title,

    Its abstract, a long line.                  an abstract,

      • 6 authors                               how many authors, a date, and how many comments, if there are any
    ·
    Jan 29 2

Blank lines part blocks, and a block of several lines is one text that was split. The first block of an entry is its
title, the second its abstract. An entry ends with its date, and, since some pages and some entries have no lines of
authors and date, also where a block that can be a title follows an abstract: one that is short, does not end like a
sentence, holds no address, and has another text behind it. Every other block continues the abstract.

Every line that is not blank is used or told. A date without a year gets one as `trimtab.papers.reading.dates` says, and
is told; so are entries without an abstract, date or number of authors, texts that were joined, and lines that are
nothing of this.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Literal, NamedTuple, final

from trimtab.papers.reading.cleaning import clean
from trimtab.papers.reading.dates import Written, last, read_written
from trimtab.papers.reading.entry import Entry, listing_of
from trimtab.papers.reading.told import Told
from trimtab.papers.records import Listing

__all__ = ["AUTHORS", "FURNITURE", "read_daily_papers"]

AUTHORS = re.compile(r"\W{0,3}([\d,]{1,9}) authors?", re.IGNORECASE)
# Lines of the site itself, without spaces and capitals.
FURNITURE = frozenset(
    (
        "new",
        "gettrendingpapersinyouremailinbox!",
        "subscribe",
        "dailypapers",
        "byakandtheresearchcommunity",
        "trendingpapers",
    )
)
_DOTS = frozenset({"·", "•", "∙", "|", "‧"})
_TITLE = 250  # characters of a title at most, where nothing but its length tells
_LINES = 400  # of one block, so that a page without blank lines stays bounded
_SENTENCE_END = (".", ":", ";", ",", "。")


@final
class Block(NamedTuple):
    """Lines without a blank one between them, as one text; or one line that says something of an entry."""

    kind: Literal["text", "authors", "date", "dot", "furniture", "number"]
    line: int
    text: str
    parts: tuple[str, ...] = ()


def read_daily_papers(lines: Iterable[tuple[int, str]], told: Told, today: date) -> Iterator[Listing]:
    """The entries of a listing page.

    Arguments:
        lines: with their numbers, in order.
        told: gets what was not understood.
        today: the day of the import; the page is not from later.
    """
    reader = _Reader(told, today)
    before: Block | None = None
    for block in _blocks(lines):
        if before is not None:
            yield from reader.read(before, block)
        before = block
    if before is not None:
        yield from reader.read(before, None)
    yield from reader.end()


def _blocks(lines: Iterable[tuple[int, str]]) -> Iterator[Block]:
    """The blocks of a page."""
    text: list[str] = []
    begin = 0
    held: tuple[int, str] | None = None  # a day whose year stands on the next line, or a count without its word

    def block() -> Block:
        return Block("text", begin, _joined(text), tuple(text))

    for number, raw in lines:
        line = clean(raw)
        if held is not None:
            both = f"{held[1]} {line}"
            if line and _special(number, both) is not None:
                number, line = held[0], both
            elif text:
                text.append(held[1])
            else:
                begin, text = held[0], [held[1]]
            held = None
        special = _special(number, line) if line else None
        if line and special is None and re.fullmatch(r"\w{3,9} \d{1,2},|[•*·] ?[\d,]*", line) and line not in _DOTS:
            held = number, line
            continue
        if text and (not line or special is not None or len(text) >= _LINES):
            yield block()
            text = []
        if special is not None:
            yield from special
        elif line:
            begin = begin if text else number
            text.append(line)
    if held is not None:
        begin = begin if text else held[0]
        text.append(held[1])
    if text:
        yield block()


def _special(number: int, line: str) -> list[Block] | None:
    """What a line says of an entry or of the page; None where it is text."""
    if len(line) > 100:
        return None
    if line in _DOTS:
        return [Block("dot", number, line)]
    if line.isascii() and line.isdigit():
        return [Block("number", number, line)]
    if line.replace(" ", "").lower() in FURNITURE:
        return [Block("furniture", number, line)]
    if AUTHORS.fullmatch(line):
        return [Block("authors", number, line)]
    if read_written(line) is not None:
        return [Block("date", number, line)]
    head, dot, rest = line.partition(" · ")
    if dot and AUTHORS.fullmatch(head) and read_written(rest.strip()) is not None:
        return [Block("authors", number, head), Block("date", number, rest.strip())]
    return None


def _joined(parts: Sequence[str]) -> str:
    """Lines that are one text; a hyphen at the end of one is kept, and nothing is put behind it."""
    text = parts[0]
    for part in parts[1:]:
        text += part if text.endswith("-") and text[-2:-1].isalpha() else f" {part}"
    return text


@final
class _Reader:
    """Puts blocks together to entries."""

    def __init__(self, told: Told, today: date) -> None:
        self._told = told
        self._today = today
        self._page = today  # the day of the page, once it is known
        self._page_text = ""
        self._entry: Entry | None = None
        self._abstracts: list[Block] = []
        self._authors = self._date = False  # whether the entry has these lines
        self._entries = self._bare = 0  # and how many of them have none of both
        self._head = True  # in the lines above the entries
        self._after_date = False

    def read(self, block: Block, following: Block | None) -> Iterator[Listing]:
        """Take a block; gives the entry that it ends, if it ends one."""
        after_date, self._after_date = self._after_date, False
        match block.kind:
            case "furniture":
                if self._head or (following is not None and following.kind == "furniture"):
                    yield from self.end_entry()
                    if not self._head:  # another page was put behind this one
                        self._head, self._page, self._page_text = True, self._today, ""
                else:
                    yield from self._text(block, following)
            case "text":
                yield from self._text(block, following)
            case "authors":
                self._count(block)
            case "date":
                self._day(block)
            case "dot":
                if self._entry is None or not (self._authors or self._date):
                    self._told.line(block.line, block.text, "a dot without an entry; it was passed over")
            case "number":
                if after_date and self._entry is not None and self._entry.comments is None:
                    self._entry.comments = int(block.text)
                else:
                    why = (
                        "a number alone; it was passed over, since it may count votes or comments or number the entries"
                    )
                    self._told.line(block.line, block.text, why)

    def _text(self, block: Block, following: Block | None) -> Iterator[Listing]:
        """Take a text: a title, or an abstract or a part of one."""
        if self._entry is not None and (self._authors or self._date):
            yield from self.end_entry()
        if self._entry is None:
            if self._head and following is not None and following.kind in ("furniture", "date"):
                for offset, part in enumerate(block.parts or (block.text,)):
                    self._told.line(
                        block.line + offset, part, "not a known line of the page's head; it was passed over"
                    )
                return
            self._begin(block, following)
        elif self._starts_entry(block, following):
            yield from self.end_entry()
            self._begin(block, following)
        else:
            self._abstracts.append(block)
            self._bound()

    def _begin(self, block: Block, following: Block | None) -> None:
        """Begin an entry with the block of its title."""
        self._head = False
        title, rest = block.text, ""
        if len(block.parts) > 1 and (following is None or following.kind != "text" or len(title) > 2 * _TITLE):
            title, rest = block.parts[0], _joined(block.parts[1:])
            self._told.line(
                block.line, title, "no blank line parts title and abstract; the first line was taken as title"
            )
        elif len(title) > 4 * _TITLE:
            self._told.line(block.line, title, "a long text where a title is expected; it was taken as an abstract")
            title, rest = "", title
        self._entry = Entry(block.line, title=title)
        if rest:
            self._abstracts.append(Block("text", block.line + bool(title), rest))

    def _starts_entry(self, block: Block, following: Block | None) -> bool:
        """Whether a text that follows a title or an abstract is the title of the next entry."""
        if not _like_title(block.text):
            return False
        if following is None:
            # The last line of a page: an entry that was cut, if entries of this page end without lines of authors.
            return bool(self._abstracts) and self._entries > 0 and self._bare == self._entries
        if following.kind != "text":
            return False
        if self._abstracts:
            return True
        # Two short texts after each other: the first has no abstract, if a long text is the abstract of the second.
        return not _like_title(following.text) and len(following.text) > len(block.text)

    def _bound(self) -> None:
        """Keep a page that is all abstract bounded: its middle is not needed, as no listing keeps it."""
        if len(self._abstracts) > _LINES:
            dropped = self._abstracts.pop()
            self._told.line(dropped.line, dropped.text, "an abstract of too many paragraphs; this one was left out")

    def _count(self, block: Block) -> None:
        """Take a line of how many authors there are."""
        found = AUTHORS.fullmatch(block.text)
        if self._entry is None or self._authors or found is None:
            self._told.line(block.line, block.text, "a number of authors without an entry; it was passed over")
            return
        self._authors = True
        digits = found[1].replace(",", "")
        self._entry.author_count = int(digits) if digits else None

    def _day(self, block: Block) -> None:
        """Take a date: the page's or an entry's."""
        written = read_written(block.text)
        if written is None or self._date:
            self._told.line(block.line, block.text, "a second date of one entry; it was passed over")
            return
        if self._entry is None:
            if self._head and not self._page_text:
                self._page_text = block.text
                self._page = self._resolved(written, self._today)
            else:
                self._told.line(block.line, block.text, "a date without an entry; it was passed over")
            return
        self._date = self._after_date = True
        self._entry.published = self._resolved(written, self._page)
        self._entry.comments = written.number
        if written.year is None:
            assumed = self._entry.published.isoformat()
            by = f"the day of the page is {self._page_text!r}" if self._page_text else "the page tells no day"
            why = f"a date without a year; {assumed} was assumed, as {by} and it was imported on {self._today}"
            self._told.line(block.line, block.text, why)
        elif self._entry.published > self._today:
            self._told.line(block.line, block.text, f"later than the day of the import, {self._today}; it was kept")
        elif self._page_text and self._entry.published > self._page:
            why = f"later than the day of the page, which was taken to be {self._page} and may be of a later year"
            self._told.line(block.line, block.text, why)

    def _resolved(self, written: Written, until: date) -> date:
        """The date of a line; the last one until another day where it has no year."""
        whole = written.on(written.year) if written.year else None
        return whole or last(written, until)

    def end_entry(self) -> Iterator[Listing]:
        """The entry that was begun, if there is one."""
        entry, parts = self._entry, self._abstracts
        has_authors, has_date = self._authors, self._date
        self._entry, self._abstracts, self._authors, self._date = None, [], False, False
        if entry is None:
            return
        self._entries += 1
        if parts:
            entry.abstract = " ".join(part.text for part in parts)
            entry.abstract_line = parts[0].line
        else:
            self._told.line(entry.line, entry.title, "an entry without an abstract")
        if len(parts) > 1:
            why = f"{len(parts)} texts in one entry; they were joined to its abstract"
            self._told.line(parts[1].line, parts[1].text, why)
        if not has_authors and not has_date:
            self._bare += 1
            self._told.often(entry.line, entry.title, "an entry without number of authors and date")
        elif not has_authors:
            self._told.line(entry.line, entry.title, "an entry without number of authors")
        elif not has_date:
            self._told.line(entry.line, entry.title, "an entry without a date")
        listing = listing_of(entry, self._told)
        if listing is not None:
            yield listing

    def end(self) -> Iterator[Listing]:
        """The last entry of the page."""
        yield from self.end_entry()


def _like_title(text: str) -> bool:
    """Whether a text can be a title, by itself."""
    return len(text) <= _TITLE and not text.endswith(_SENTENCE_END) and "://" not in text
