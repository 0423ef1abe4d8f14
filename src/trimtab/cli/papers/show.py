"""`trimtab papers show`: all of one paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trimtab.cli.options import Format, FormatOption
from trimtab.cli.papers.asking import CatalogueOption, NumberArgument, opened

if TYPE_CHECKING:
    from trimtab.cli.screen import Screen
    from trimtab.papers import Method, Paper

__all__ = ["show"]

_MOST_AUTHORS = 12


def show(number: NumberArgument, catalogue: CatalogueOption = None, format: FormatOption = Format.TABLE) -> None:
    """Show a paper, and what of it runs here.

    Its abstract, the pages that list it, your own notes, and for each method how to call it, where it is and its check.
    """
    from trimtab.cli.papers.rows import paper_row
    from trimtab.cli.screen import Screen, print_json, print_rows

    with opened(catalogue) as kept:
        paper = kept.paper(number)
    if format is Format.JSON:
        print_json(paper_row(paper))
    elif format is Format.CSV:
        print_rows([{**paper_row(paper), "methods": [method.name for method in paper.methods]}], format)
    else:
        _tell(Screen(), paper)


def _tell(screen: Screen, paper: Paper) -> None:
    """A paper on the screen."""
    screen.say(f"{paper.number}  {paper.title}", "bold")
    screen.say(_authors(paper))
    facts = [
        "" if paper.published is None else paper.published.isoformat(),
        paper.arxiv and f"arXiv:{paper.arxiv}",
        paper.doi and f"doi:{paper.doi}",
        paper.url,
    ]
    screen.say("  ".join(filter(None, facts)), whole=True)
    screen.say(f"listed in: {', '.join(paper.sources)}")
    if paper.votes or paper.comments:
        screen.say(f"votes: {paper.votes}" + (f", comments: {paper.comments}" if paper.comments else ""))
    own = ["on the reading list"] if paper.reading else []
    own += [f"tags: {', '.join(paper.tags)}"] if paper.tags else []
    for text in (*own, *filter(None, (paper.note,))):
        screen.say(text)
    if paper.abstract:
        screen.say()
        screen.say(paper.abstract)
    for method in paper.methods:
        screen.say()
        _tell_method(screen, method)


def _tell_method(screen: Screen, method: Method) -> None:
    """What implements the paper, or is to."""
    if not method.runs:
        screen.say(f"does not run here yet: {method.name}, in the room {method.room}")
        return
    screen.say(f"runs here: {method.name}", "bold")
    screen.say(f"  {method.call}", whole=True)
    screen.say(f"  in {method.file}" + (f", checked by {method.check}" if method.check else ""), "dim", whole=True)


def _authors(paper: Paper) -> str:
    """Who wrote it, or how many."""
    if not paper.authors:
        count = paper.author_count
        return "authors not told" if count is None else f"{count} author{'' if count == 1 else 's'}"
    names = ", ".join(paper.authors[:_MOST_AUTHORS])
    left = len(paper.authors) - _MOST_AUTHORS
    return f"{names} and {left} more" if left > 0 else names
