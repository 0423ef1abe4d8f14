"""The records of the room: what a page listed, what the catalogue holds, and what an import did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import final

__all__ = ["EVERYTHING", "Filter", "Found", "ImportReport", "Listing", "Method", "Misread", "Page", "Paper"]


@final
@dataclass(frozen=True, slots=True)
class Listing:
    """One entry of one page, as the page gave it; an empty part was not given.

    Arguments:
        title: plain text, repaired where the page broke it.
        abstract: plain text; TeX stands between dollar signs where it is known to be TeX.
        authors: their names, "Given Family"; empty where only their number is told.
        author_count: how many they are.
        published: the date; None where none was given, or it is not one.
        comments: how many comments the page counted.
        votes: likewise.
        arxiv: identifier without its version, such as "2310.20708".
        doi: digital object identifier, lower case.
        url: where to read it; http or https only.
        line: where the entry begins in the page, from 1.
    """

    title: str
    abstract: str = ""
    authors: tuple[str, ...] = ()
    author_count: int | None = None
    published: date | None = None
    comments: int | None = None
    votes: int | None = None
    arxiv: str = ""
    doi: str = ""
    url: str = ""
    line: int = 0


@final
@dataclass(frozen=True, slots=True)
class Misread:
    """Something in a page that was not understood.

    Arguments:
        line: where, from 1.
        text: what stands there, shortened.
        why: why it was not understood, and what was done.
    """

    line: int
    text: str
    why: str


@final
@dataclass(frozen=True, slots=True)
class Page:
    """A page that was read.

    Arguments:
        source: its name: a file's name or a URL, by which a second import of it is recognised.
        kind: "daily papers", "saved html", "atom", "bibtex", "ris" or "json lines".
        listings: its entries in order.
        misread: what was not understood, in order.
    """

    source: str
    kind: str
    listings: tuple[Listing, ...]
    misread: tuple[Misread, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import of one page did to the catalogue.

    Arguments:
        source: of the page.
        kind: of the page.
        listings: how many entries the page has.
        papers: how many papers these are; fewer where the page lists one twice.
        new: how many of them the catalogue did not have.
        merged: how many it had from another page, and has now from this one too.
        misread: what was not understood.
    """

    source: str
    kind: str
    listings: int
    papers: int
    new: int
    merged: int
    misread: tuple[Misread, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class Method:
    """A method of trimtab that implements a paper, or a room that is to have it.

    Arguments:
        name: as users call it, such as "tpe".
        room: such as "tuners/values".
        file: of the source, from the package's root.
        call: how to call it: a line of Python or of a shell; empty where nothing runs yet.
        check: the test that checks it, as a path; empty where none is known.
    """

    name: str
    room: str
    file: str = ""
    call: str = ""
    check: str = ""

    @property
    def runs(self) -> bool:
        """Whether there is something to call."""
        return bool(self.call)


@final
@dataclass(frozen=True, slots=True)
class Paper:
    """One paper of the catalogue.

    Arguments:
        number: of the paper in its catalogue, from 1; never given twice.
        title, abstract, authors, author_count, published, comments, arxiv, doi, url: as in `Listing`, the best
            that any of its sources gave.
        sources: the pages that list it.
        votes: those of its pages (the largest number) and the reader's own (+1 or -1).
        vote: the reader's own vote: -1, 0 or 1.
        reading: whether it is on the reading list.
        note: the reader's own note.
        tags: the reader's own tags, sorted.
        methods: what runs here.
    """

    number: int
    title: str
    abstract: str = ""
    authors: tuple[str, ...] = ()
    author_count: int | None = None
    published: date | None = None
    comments: int | None = None
    votes: int = 0
    arxiv: str = ""
    doi: str = ""
    url: str = ""
    sources: tuple[str, ...] = ()
    vote: int = 0
    reading: bool = False
    note: str = ""
    tags: tuple[str, ...] = ()
    methods: tuple[Method, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class Filter:
    """Which papers count; a part that is left out lets all through.

    Arguments:
        since: published on this day or later.
        until: published on this day or earlier.
        source: listed by this page.
        runs: whether something of it runs here.
        tag: carries this tag.
        reading: is on the reading list.
    """

    since: date | None = None
    until: date | None = None
    source: str | None = None
    runs: bool | None = None
    tag: str | None = None
    reading: bool | None = None


EVERYTHING = Filter()
"""Lets every paper through."""


@final
@dataclass(frozen=True, slots=True)
class Found:
    """One result of a search.

    Arguments:
        paper: what was found.
        score: higher is better; comparable within one search only.
        why: which rankings found it, and at which place: "words" and "meaning" -> place from 1.
    """

    paper: Paper
    score: float
    why: Mapping[str, int] = field(default_factory=dict)
