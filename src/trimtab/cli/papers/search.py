"""`trimtab papers search`: by words and meaning."""

from __future__ import annotations

from typing import Annotated

import typer

from trimtab.cli.options import Format, FormatOption
from trimtab.cli.papers.asking import (
    CatalogueOption,
    LimitOption,
    RunsOption,
    SinceOption,
    SourceOption,
    TagOption,
    UntilOption,
    asked_filter,
    opened,
)

__all__ = ["search"]


def search(
    query: Annotated[list[str], typer.Argument(metavar="QUERY", help="Any words; what they mean counts too.")],
    since: SinceOption = None,
    until: UntilOption = None,
    source: SourceOption = None,
    runs: RunsOption = None,
    tag: TagOption = None,
    limit: LimitOption = 10,
    catalogue: CatalogueOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Find papers by words and by meaning, best first.

    By words alone where the sentence model is not installed.
    """
    from trimtab.cli.papers.rows import found_row, papers_table
    from trimtab.cli.screen import Screen, print_rows
    from trimtab.papers import search as papers_search

    with opened(catalogue) as kept:
        where = asked_filter(kept, since, until, source, runs, tag)
        found = papers_search.search(kept, " ".join(query), where, limit)
        alone = papers_search.words_alone(kept)
    if format is not Format.TABLE:
        print_rows([found_row(one) for one in found], format)
    elif found:
        Screen().show(papers_table([one.paper for one in found]))
    else:
        Screen().say("no paper has these words")
    if alone and format is Format.TABLE:
        Screen(stderr=True).say(alone, "dim", whole=True)
