"""Listing pages of the Daily Papers site, as HTML that a browser saved.

Elements are known by what they are, not by the names of their classes, which change:

    entry       an article element (or role="article"); where a page has none, what follows a heading with a link
    title       its first heading
    abstract    its paragraphs of 80 characters or more; where it has none, its longest other text, if that is as long
    link        the link of the title, else the first one that holds an arXiv identifier
    date        a time element, by its datetime or its text; else a text that is a date
    authors     a text such as "9 authors"; names from list items with a title or what is marked rel="author"
    votes       a number in what is labelled as votes, or in the label of a box to tick
    comments    a number in a link to "#community" or "comments" or in what is labelled so, or behind the date

A page without either kind of entry is read as text. Addresses are completed from the page's own (base, canonical link,
og:url, or the note of the browser that saved it); without one only whole addresses are kept. Texts of an entry that
are nothing of this are told by number with the first of them, as are those outside of all entries.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import final
from urllib.parse import urljoin

from trimtab.papers.reading.cleaning import clean, safe_url
from trimtab.papers.reading.daily_papers import AUTHORS, FURNITURE, read_daily_papers
from trimtab.papers.reading.dates import last, read_iso, read_written
from trimtab.papers.reading.entry import Entry, listing_of
from trimtab.papers.reading.html_text import BLOCKS, End, Start, Text, tokens
from trimtab.papers.reading.identifiers import arxiv_id
from trimtab.papers.reading.told import Told
from trimtab.papers.records import Listing

__all__ = ["read_saved_html"]

_ARTICLE = re.compile(r"<article[\s>]|role\s*=\s*[\"']?article\b", re.IGNORECASE)
_LINKED_HEADING = re.compile(r"<(h[2-4])\b[^<>]{0,500}>\s{0,50}<a\b", re.IGNORECASE)
_HEADINGS = frozenset(("h1", "h2", "h3", "h4"))
_PARAGRAPHS = frozenset(("p", "blockquote"))
_SAVED_FROM = re.compile(r"<!-- saved from url=\(\d+\)(https?://[^\s]{1,1000}) -->")
_VOTES = re.compile(r"\b(?:up)?votes?\b|\blikes?\b", re.IGNORECASE)
_COMMENTS = re.compile(r"\bcomments?\b|#community\b", re.IGNORECASE)
_COUNTED = re.compile(r"([\d,]{1,9}) ?(comments?|upvotes?|votes?|likes?)", re.IGNORECASE)
_LABELLED = re.compile(r"(comments?|upvotes?|votes?|likes?):? ([\d,]{1,9})", re.IGNORECASE)
_NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+|\d{1,8}")
_PUBLISHED = re.compile(r"(?:published|submitted|posted)(?: on)?:? ", re.IGNORECASE)
_ABSTRACT = 80  # characters of an abstract at least
_TEXTS = 2_000  # of one entry
_SEPARATORS = frozenset(["·", "•", "∙", "|", "‧", ",", "-", "–", "—"])


def read_saved_html(page: str, told: Told, today: date) -> Iterator[Listing]:
    """The entries of a page.

    Arguments:
        page: its text.
        told: gets what was not understood.
        today: the day of the import, for dates without a year.
    """
    heading = ""
    if _ARTICLE.search(page) is None:
        found = _LINKED_HEADING.search(page)
        if found is None:
            told.line(1, "", "no article and no heading with a link; the page was read as text")
            yield from read_daily_papers(_as_text(page), told, today)
            return
        heading = found[1].lower()
    saved = _SAVED_FROM.search(page[:4_000])
    reader = _Reader(told, today, heading, saved[1] if saved else "")
    for token in tokens(page):
        if isinstance(token, Text):
            reader.text(token.text, token.line)
        elif isinstance(token, Start):
            yield from reader.start(token)
        else:
            yield from reader.end(token)
    yield from reader.close()


def _as_text(page: str) -> Iterator[tuple[int, str]]:
    """The lines of a page's texts, with a blank one between blocks."""
    parts: list[str] = []
    begin = 1
    for token in tokens(page):
        if isinstance(token, Text):
            begin = begin if parts else token.line
            parts.append(token.text)
        elif token.tag in BLOCKS and parts:
            yield begin, "".join(parts)
            yield token.line, ""
            parts = []
    if parts:
        yield begin, "".join(parts)


@final
class _Reader:
    """Follows the tags of a page; keeps one entry, and where in it the reader is."""

    def __init__(self, told: Told, today: date, heading: str, base: str) -> None:
        self._told, self._today, self._by_heading, self._base = told, today, heading, base
        self._entry: Entry | None = None
        self._tag = ""  # of the element that is the entry, and how many of its name are open
        self._open = 0
        self._begin_entry("", 0)
        self._entry = None

    def _begin_entry(self, tag: str, line: int) -> None:
        """Begin an entry."""
        self._entry = Entry(line)
        self._tag, self._open = tag, 1
        self._parts: list[str] = []  # of the block that is being read
        self._line = line
        self._heading = ""  # the heading that is being read
        self._paragraph = False
        self._role = ""  # "votes", "comments" or "author", and the element that has it
        self._role_tag, self._role_open = "", 0
        self._label = False
        self._paragraphs: list[tuple[int, str]] = []
        self._others: list[tuple[int, str]] = []
        self._names: list[str] = []
        self._title_link = False
        self._anchor = self._linked = False  # in a link, and whether the text that is being read has some of one
        self._dated = False

    def start(self, token: Start) -> Iterator[Listing]:
        """Take a tag that begins an element."""
        tag, attributes = token.tag, token.attributes
        if tag in ("base", "link", "meta"):
            self._address(tag, attributes)
        begins = tag == "article" or attributes.get("role", "").lower() == "article"
        if self._by_heading:
            begins = tag == self._by_heading
        if begins:
            yield from self._finish()
            self._begin_entry("" if self._by_heading else tag, token.line)
        elif self._entry is None:
            return
        elif tag == self._tag:
            self._open += 1
        if tag in BLOCKS:
            self._flush()
        if tag in _HEADINGS and not self._heading and not self._entry_title():
            self._heading = tag
        elif tag in _PARAGRAPHS:
            self._paragraph = True
        self._roles(token)

    def _entry_title(self) -> str:
        return self._entry.title if self._entry is not None else ""

    def _address(self, tag: str, attributes: dict[str, str]) -> None:
        """Take the address that a page tells as its own."""
        if tag == "base":
            address = attributes.get("href", "")
        elif tag == "link":
            address = attributes.get("href", "") if attributes.get("rel", "").lower() == "canonical" else ""
        else:
            address = attributes.get("content", "") if attributes.get("property", "") == "og:url" else ""
        self._base = self._base or safe_url(address)

    def _roles(self, token: Start) -> None:
        """Take what the attributes of an element tell."""
        assert self._entry is not None
        tag, attributes = token.tag, token.attributes
        label = " ".join(attributes.get(name, "") for name in ("aria-label", "title", "itemprop", "rel"))[:300]
        self._anchor = self._anchor or tag == "a"
        if tag == "a" and (link := attributes.get("href", "")):
            self._link(link)
            if _COMMENTS.search(link[-200:]):
                label += " comments"
        if tag == "time":
            day, parts = read_iso(attributes.get("datetime", ""))
            if day is not None and parts == 3:
                self._entry.published, self._dated = day, True
        if tag == "input" and attributes.get("type", "").lower() == "checkbox" and self._label:
            self._role, self._role_tag, self._role_open = "votes", "label", 1
        self._label = tag == "label" or (self._label and tag not in BLOCKS)
        if found := _COUNTED.fullmatch(clean(attributes.get("aria-label", "") or attributes.get("title", ""))[:60]):
            self._counted(found[2], _number(found[1]))
        elif not self._role:
            role = "votes" if _VOTES.search(label) else "comments" if _COMMENTS.search(label) else ""
            role = role or ("author" if re.search(r"\bauthor\b", label) else "")
            if role and tag not in ("input", "img", "br", "meta", "link"):
                self._flush()
                self._role, self._role_tag, self._role_open = role, tag, 1
        elif tag == self._role_tag:
            self._role_open += 1
        if tag == "li" and (name := clean(attributes.get("title", ""))[:200]):
            self._names.append(name)

    def _link(self, link: str) -> None:
        """Take a link: the title's, or one that holds an arXiv identifier."""
        assert self._entry is not None
        self._entry.arxiv = self._entry.arxiv or arxiv_id(link)
        if self._title_link:
            return
        try:
            address = safe_url(urljoin(self._base, link.strip()))
        except ValueError:
            return
        if address and (self._heading or (arxiv_id(link) and not self._entry.url)):
            self._entry.url, self._title_link = address, bool(self._heading)

    def text(self, text: str, line: int) -> None:
        """Take a text."""
        if self._entry is None:
            if len(text.strip()) > 1 and clean(text).replace(" ", "").lower() not in FURNITURE:
                self._told.often(line, text, "a text outside of the entries")
            return
        if not self._parts:
            self._line = line
        self._linked = self._linked or (self._anchor and not text.isspace())
        self._parts.append(text)

    def end(self, token: End) -> Iterator[Listing]:
        """Take a tag that ends an element."""
        if self._entry is None:
            return
        tag = token.tag
        if tag in BLOCKS or tag == self._role_tag:
            self._flush()
        self._anchor = self._anchor and tag != "a"
        if tag == self._heading:
            self._heading = ""
        elif tag in _PARAGRAPHS:
            self._paragraph = False
        if self._role and tag == self._role_tag:
            self._role_open -= 1
            if self._role_open <= 0:
                self._role = self._role_tag = ""
        if tag == self._tag:
            self._open -= 1
            if self._open <= 0:
                yield from self._finish()
        elif tag in ("body", "html"):
            yield from self._finish()

    def _flush(self) -> None:
        """Take the block that was read."""
        text, self._parts = clean("".join(self._parts)), []
        linked, self._linked = self._linked, False
        entry = self._entry
        if not text or entry is None:
            return
        if self._heading and not entry.title:
            entry.title = text
        elif found := AUTHORS.fullmatch(text):
            entry.author_count = _number(found[1])
        elif found := _COUNTED.fullmatch(text):
            self._counted(found[2], _number(found[1]))
        elif found := _LABELLED.fullmatch(text):
            self._counted(found[1], _number(found[2]))
        elif self._role in ("votes", "comments") and _NUMBER.fullmatch(text):
            self._counted(self._role, _number(text))
        elif self._role == "author":
            self._names.append(text)
        elif self._day(text) or text in _SEPARATORS:
            return
        elif self._dated and entry.comments is None and not (self._role or linked) and _NUMBER.fullmatch(text):
            entry.comments = _number(text)
        elif len(self._paragraphs) + len(self._others) < _TEXTS:
            (self._paragraphs if self._paragraph else self._others).append((self._line, text))

    def _counted(self, what: str, number: int | None) -> None:
        """Take a number of votes or comments; the first counts."""
        assert self._entry is not None
        if what.lower().startswith("comment"):
            self._entry.comments = number if self._entry.comments is None else self._entry.comments
        else:
            self._entry.votes = number if self._entry.votes is None else self._entry.votes

    def _day(self, text: str) -> bool:
        """Take a text that is a date; gives whether it is one."""
        assert self._entry is not None
        written = read_written(_PUBLISHED.sub("", text.strip("· •")))
        if written is None:
            return False
        if self._entry.published is None:
            whole = written.on(written.year) if written.year else None
            self._entry.published = whole or last(written, self._today)
            if whole is None:
                assumed = self._entry.published.isoformat()
                why = f"a date without a year; {assumed} was assumed, as it was imported on {self._today}"
                self._told.line(self._line, text, why)
        if written.number is not None and self._entry.comments is None:
            self._entry.comments = written.number
        self._dated = True
        return True

    def _finish(self) -> Iterator[Listing]:
        """End the entry, if there is one."""
        self._flush()
        entry, self._entry = self._entry, None
        if entry is None:
            return
        whole = [part for part in self._paragraphs if len(part[1]) >= _ABSTRACT]
        if not whole:
            longest = max(self._others, key=lambda part: len(part[1]), default=(0, ""))
            whole = [longest] if len(longest[1]) >= _ABSTRACT else []
        entry.abstract = " ".join(text for _, text in whole)
        entry.abstract_line = whole[0][0] if whole else 0
        for line, text in (*self._paragraphs, *self._others):
            if (line, text) not in whole:
                self._told.often(line, text, "a text of an entry that is none of its known parts")
        if not entry.title:
            texts = (*self._paragraphs, *self._others)
            if texts or entry.url:
                self._told.line(
                    entry.line, texts[0][1] if texts else entry.url, "an entry without a title was left out"
                )
            return
        if not entry.abstract:
            self._told.often(entry.line, entry.title, "an entry without an abstract")
        entry.authors = list(dict.fromkeys(self._names))
        listing = listing_of(entry, self._told)
        if listing is not None:
            yield listing

    def close(self) -> Iterator[Listing]:
        """End the page."""
        yield from self._finish()


def _number(text: str) -> int | None:
    """A number with commas between its thousands."""
    digits = text.replace(",", "")
    return int(digits) if digits.isdigit() else None
