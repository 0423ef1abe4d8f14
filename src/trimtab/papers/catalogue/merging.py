"""One paper from its listings: a function of the listings in the order of their import, and of nothing else.

Each part is the best that any listing gave:

    title                        of the first listing; one that is cut (ends in "..." or "…") gives way to a whole one
    abstract                     the longest; one that is cut counts only where there is no other
    authors                      the longest list of names; their number, where none are named, is the first one told
    published                    the first date that is told with an identifier beside it (an arXiv id or a DOI: such
                                 pages give whole dates, others may leave the year to be guessed), else the first
    votes, comments              the largest
    arxiv, doi, url              the first; an arXiv id also where a DOI or a URL tells it; of URLs http and https only

So the order of imports decides only between parts that are equally good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeVar, final

from trimtab.papers.identity import arxiv_id, doi_of
from trimtab.papers.records import Listing

__all__ = ["Merged", "merge"]

T = TypeVar("T")


@final
@dataclass(frozen=True, slots=True)
class Merged:
    """What the listings of one paper give together; the parts are as in `trimtab.papers.records.Paper`."""

    title: str
    abstract: str
    authors: tuple[str, ...]
    author_count: int | None
    published: date | None
    comments: int | None
    votes: int
    arxiv: str
    doi: str
    url: str


def merge(listings: Sequence[Listing]) -> Merged:
    """The best of every part.

    Arguments:
        listings: of one paper, in the order of import; at least one.
    """
    if len(listings) == 1:
        return _alone(listings[0])
    authors = _best((listing.authors for listing in listings), len) or ()
    counts = [listing.author_count for listing in listings if listing.author_count is not None]
    dated = [listing for listing in listings if listing.published is not None]
    surely = [listing for listing in dated if listing.arxiv or listing.doi]
    comments = [listing.comments for listing in listings if listing.comments is not None]
    return Merged(
        title=_best((listing.title for listing in listings), lambda title: bool(title) and not _is_cut(title)) or "",
        abstract=_best((listing.abstract for listing in listings), lambda text: (not _is_cut(text), len(text))) or "",
        authors=authors,
        author_count=len(authors) or (counts[0] if counts else None),
        published=(surely or dated)[0].published if dated else None,
        comments=max(comments, default=None),
        votes=max((listing.votes for listing in listings if listing.votes is not None), default=0),
        arxiv=_first(arxiv_id(part) for listing in listings for part in (listing.arxiv, listing.doi, listing.url)),
        doi=_first(doi_of(listing.doi) for listing in listings),
        url=_first(listing.url for listing in listings if listing.url.startswith(("http://", "https://"))),
    )


def _alone(listing: Listing) -> Merged:
    """What one listing gives: most papers have one, and this is quick."""
    return Merged(
        title=listing.title,
        abstract=listing.abstract,
        authors=listing.authors,
        author_count=len(listing.authors) or listing.author_count,
        published=listing.published,
        comments=listing.comments,
        votes=listing.votes or 0,
        arxiv=_first(arxiv_id(part) for part in (listing.arxiv, listing.doi, listing.url)),
        doi=doi_of(listing.doi),
        url=listing.url if listing.url.startswith(("http://", "https://")) else "",
    )


def _first(parts: Iterable[str]) -> str:
    """The first part that is not empty."""
    return next(filter(None, parts), "")


def _best(parts: Iterable[T], worth: Callable[[T], object]) -> T | None:
    """The first of the worthiest parts."""
    return max(parts, key=worth, default=None)  # type: ignore[arg-type]


def _is_cut(text: str) -> bool:
    """Whether a page left the end of a text out."""
    return text.rstrip().endswith(("...", "…"))
