"""`trimtab papers related`: what is most like a paper."""

from __future__ import annotations

from trimtab.cli.options import Format, FormatOption
from trimtab.cli.papers.asking import CatalogueOption, LimitOption, NumberArgument, opened

__all__ = ["related"]


def related(
    number: NumberArgument,
    limit: LimitOption = 10,
    catalogue: CatalogueOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """List the papers that are most like one, the most first."""
    from trimtab.cli.papers.rows import found_row, papers_table
    from trimtab.cli.screen import Screen, print_rows
    from trimtab.papers import search as papers_search

    with opened(catalogue) as kept:
        found = papers_search.related(kept, number, limit)
    if format is not Format.TABLE:
        print_rows([found_row(one) for one in found], format)
    elif found:
        Screen().show(papers_table([one.paper for one in found]))
    else:
        Screen().say("no other paper is like it")
