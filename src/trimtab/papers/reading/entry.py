"""One entry as raw texts, made a listing: every kind of page ends here, so that the same doors are shut for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import final

from trimtab.papers.reading.cleaning import clean, hides, safe_url
from trimtab.papers.reading.identifiers import arxiv_id, doi_of
from trimtab.papers.reading.tex import repair
from trimtab.papers.reading.told import Told
from trimtab.papers.records import Listing

__all__ = ["Entry", "count_of", "listing_of"]

_TITLE, _ABSTRACT, _NAME, _NAMES = 1_000, 100_000, 200, 10_000  # characters, and how many names
_COUNT = 10_000_000


@final
@dataclass(slots=True)
class Entry:
    """What a page says of one entry; the parts are those of `Listing`, as texts of any content."""

    line: int
    title: str = ""
    abstract: str = ""
    authors: Sequence[str] = field(default_factory=list)
    author_count: int | None = None
    published: date | None = None
    comments: int | None = None
    votes: int | None = None
    arxiv: str = ""
    doi: str = ""
    url: str = ""
    abstract_line: int = 0


def listing_of(entry: Entry, told: Told) -> Listing | None:
    """The listing of an entry; None, told, where it has no title.

    Texts are cleaned, cut to a bound and their TeX repaired; identifiers, addresses and counts that are none are told
    and left out.
    """
    line = entry.line
    title = _text(entry.title, line, _TITLE, "the title", told)
    if not title:
        told.line(line, entry.abstract or entry.doi or entry.url, "an entry without a title was left out")
        return None
    abstract = _text(entry.abstract, entry.abstract_line or line, _ABSTRACT, "the abstract", told)
    names = [name for name in (_name(name, line, told) for name in entry.authors[:_NAMES]) if name]
    if len(entry.authors) > _NAMES:
        told.line(line, title, f"only the first {_NAMES:,} of {len(entry.authors):,} authors were taken")
    count = count_of(entry.author_count, line, "number of authors", told)
    if names and count is not None and count > len(names):
        told.often(line, title, "only some of the authors are named; their number was kept, the names were not")
        names = []
    arxiv = next((name for part in (entry.arxiv, entry.doi, entry.url) if part and (name := arxiv_id(part))), "")
    if entry.arxiv and not arxiv_id(entry.arxiv):
        told.line(line, entry.arxiv, "not an arXiv identifier; it was left out")
    doi = doi_of(entry.doi) if entry.doi else ""
    if entry.doi and not doi:
        told.line(line, entry.doi, "not a digital object identifier; it was left out")
    url = safe_url(entry.url) if entry.url else ""
    if entry.url and not url:
        told.line(line, entry.url, "not an http or https address; it was left out")
    return Listing(
        title=title,
        abstract=abstract,
        authors=tuple(names),
        author_count=len(names) or count,
        published=entry.published,
        comments=count_of(entry.comments, line, "number of comments", told),
        votes=count_of(entry.votes, line, "number of votes", told),
        arxiv=arxiv,
        doi=doi,
        url=url,
        line=line,
    )


def count_of(value: object, line: int, what: str, told: Told) -> int | None:
    """A count; None, told, where it is not one."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _COUNT:
        told.line(
            line, str(value)[:100] if not isinstance(value, int) else "a number", f"not a {what}; it was left out"
        )
        return None
    return value


def _text(text: str, line: int, most: int, what: str, told: Told) -> str:
    """A text that may be kept."""
    if len(text) > most:
        told.line(line, text[:200], f"{what} has {len(text):,} characters; it was cut after {most:,}")
        text = text[:most]
    cleaned = clean(text)
    if cleaned is not text and hides(text):
        told.line(line, text, f"control or direction characters in {what} were taken out")
    done, broken = repair(cleaned)
    for piece in dict.fromkeys(broken):
        told.line(line, piece, f"broken TeX in {what}; it was left as it stands")
    return done if done is cleaned else clean(done)


def _name(name: str, line: int, told: Told) -> str:
    """An author's name; accents written in TeX are letters."""
    return _text(name, line, _NAME, "an author's name", told)
