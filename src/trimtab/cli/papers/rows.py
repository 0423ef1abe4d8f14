"""Papers as rows of plain data, and as tables on a screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from trimtab.papers import Found, Method, Paper
    from trimtab.report.tables import Row

__all__ = ["found_row", "list_row", "paper_row", "papers_table"]


def paper_row(paper: Paper) -> Row:
    """A paper with all that is known of it."""
    return {
        **list_row(paper),
        "abstract": paper.abstract,
        "authors": list(paper.authors),
        "comments": paper.comments,
        "arxiv": paper.arxiv,
        "doi": paper.doi,
        "url": paper.url,
        "vote": paper.vote,
        "reading": paper.reading,
        "note": paper.note,
        "methods": [_method_row(method) for method in paper.methods],
    }


def list_row(paper: Paper) -> Row:
    """A paper as one of many."""
    return {
        "number": paper.number,
        "title": paper.title,
        "published": None if paper.published is None else paper.published.isoformat(),
        "author_count": paper.author_count,
        "votes": paper.votes,
        "runs": [method.name for method in paper.methods if method.runs],
        "sources": list(paper.sources),
        "tags": list(paper.tags),
    }


def found_row(found: Found) -> Row:
    """A result of a search."""
    return {**list_row(found.paper), "score": found.score, "why": dict(found.why)}


def papers_table(papers: Sequence[Paper]) -> Table:
    """Papers, one a line."""
    from rich.table import Table
    from rich.text import Text

    from trimtab.report.terminal import plain

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("number", justify="right")
    for name in ("title", "published", "runs here"):
        table.add_column(name)
    for paper in papers:
        names = ", ".join(dict.fromkeys(method.name for method in paper.methods if method.runs))
        table.add_row(
            str(paper.number),
            Text(plain(paper.title, 120)),
            "" if paper.published is None else paper.published.isoformat(),
            Text(plain(names, 40)),
        )
    return table


def _method_row(method: Method) -> dict[str, Any]:
    return {
        "name": method.name,
        "room": method.room,
        "runs": method.runs,
        "file": method.file,
        "call": method.call,
        "check": method.check,
    }
