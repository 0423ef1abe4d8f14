"""`trimtab papers import`: pages of abstracts into the catalogue."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trimtab.base.errors import InvalidArgument, message
from trimtab.cli.options import Format, FormatOption
from trimtab.cli.papers.asking import CatalogueOption, opened

if TYPE_CHECKING:
    from trimtab.cli.screen import Screen
    from trimtab.papers import Catalogue, ImportReport
    from trimtab.papers.linking import Linked
    from trimtab.report.tables import Row

__all__ = ["import_pages"]

_MOST_WARNINGS = 10  # of a page, on a screen
_PAUSE = 5.0  # seconds between two lines that tell how far the embeddings are


def import_pages(
    pages: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PAGES...",
            help="Files or addresses: listing pages as text or saved HTML, arXiv Atom, BibTeX, RIS, JSON lines.",
        ),
    ] = None,
    systems: Annotated[
        Path | None,
        typer.Option(
            "--systems",
            metavar="FILE",
            help="A tab-separated table of which room each paper belongs to, kept for later.",
        ),
    ] = None,
    meaning: Annotated[
        bool,
        typer.Option("--meaning/--no-meaning", help="Prepare the search by meaning, where its model is installed."),
    ] = True,
    catalogue: CatalogueOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Take pages of papers into the catalogue.

    A page that it has already changes nothing. Papers that several pages list are one entry. What is not understood is
    told line by line. With -f json: for each page and in total, the listings, the papers that these are, how many of
    them are new, how many are merged (known from another page), and the warnings.
    """
    from trimtab.cli.screen import Screen, complain, print_json, print_rows
    from trimtab.papers.linking import import_page, link
    from trimtab.papers.systems import read_systems

    if not pages and systems is None:
        raise InvalidArgument(
            message("nothing to import", do="name a file or an address: trimtab papers import page.txt")
        )
    table = None if systems is None else read_systems(systems)
    reports: list[ImportReport] = []
    failures: list[str] = []
    with opened(catalogue, make=True) as kept:
        screen = Screen()
        for page in pages or ():
            try:
                reports.append(import_page(kept, page))
            except InvalidArgument as error:
                # The other pages are no worse for it.
                failures.append(f"{page}: {error}")
                continue
            if format is Format.TABLE:
                _tell(screen, reports[-1])
        linked = link(kept, table)
        data = _data(kept, reports, linked, failures)
        if format is Format.TABLE:
            _conclude(screen, kept, data, linked)
        elif format is Format.JSON:
            print_json(data)
        else:
            print_rows([{**page, "warnings": len(page["warnings"])} for page in data["pages"]], format)
        if meaning:
            _prepare(kept, Screen(stderr=True))
    for failure in failures:
        complain(failure)
    if failures:
        raise typer.Exit(1 if reports else 2)


def _data(catalogue: Catalogue, reports: list[ImportReport], linked: Linked, failures: list[str]) -> dict[str, Any]:
    """What `-f json` prints."""
    import numpy as np

    from trimtab.papers import Filter

    pages = [_row(report) for report in reports]
    numbers = [catalogue.numbers(Filter(source=source)) for source in dict.fromkeys(page["source"] for page in pages)]
    data: dict[str, Any] = {"catalogue": str(catalogue.path)}
    data["listings"] = sum(page["listings"] for page in pages)
    data["papers"] = len(np.unique(np.concatenate(numbers))) if numbers else 0
    for count in ("new", "merged"):
        data[count] = sum(page[count] for page in pages)
    data["warnings"] = [{"source": page["source"], **warning} for page in pages for warning in page["warnings"]]
    data["pages"] = pages
    data["failed"] = failures
    data["in_catalogue"] = catalogue.count()
    data["linked"] = {"papers": linked.papers, "runs": linked.runs}
    data["systems"] = {
        "matched": len(linked.systems),
        "unmatched": [{"n": system.n, "system": system.system, "room": system.room} for system in linked.unmatched],
    }
    return data


def _row(report: ImportReport) -> Row:
    return {
        "source": report.source,
        "kind": report.kind,
        "listings": report.listings,
        "papers": report.papers,
        "new": report.new,
        "merged": report.merged,
        "warnings": [{"line": told.line, "text": told.text, "why": told.why} for told in report.misread],
    }


def _tell(screen: Screen, report: ImportReport) -> None:
    """A page on the screen."""
    screen.say(
        f"{report.source} ({report.kind}): {report.listings:,} listings of {report.papers:,} papers,"
        f" {report.new:,} new, {report.merged:,} known from elsewhere",
        whole=True,
    )
    for told in report.misread[:_MOST_WARNINGS]:
        screen.say(f"  line {told.line}: {told.why}: {told.text}" if told.text else f"  line {told.line}: {told.why}")
    left = len(report.misread) - _MOST_WARNINGS
    if left > 0:
        screen.say(f"  and {left:,} more that were not understood; -f json tells all")


def _conclude(screen: Screen, catalogue: Catalogue, data: dict[str, Any], linked: Linked) -> None:
    """The end of an import on the screen."""
    screen.say(
        f"{catalogue.path} has {data['in_catalogue']:,} papers; {linked.runs:,} of them run here", "bold", whole=True
    )
    if linked.systems or linked.unmatched:
        screen.say(f"systems: {len(linked.systems)} found their paper, {len(linked.unmatched)} did not")
        for system in linked.unmatched:
            screen.say(f"  not matched: {system.n} {system.system} ({system.room})")
    if data["in_catalogue"]:
        screen.say("next: trimtab papers search WORDS, or trimtab papers serve", whole=True)


def _prepare(catalogue: Catalogue, screen: Screen) -> None:
    """Embed what has no embedding yet, where the model is there. It may be broken off, and goes on the next time."""
    from trimtab.papers.search import Meaning, refresh

    if not Meaning.available():
        screen.say(Meaning.why_not(), whole=True)
        return
    seconds = time.monotonic()

    def tell(done: int) -> None:
        """Say now and then how far it is."""
        nonlocal seconds
        if time.monotonic() - seconds > _PAUSE:
            seconds = time.monotonic()
            screen.say(f"preparing the search by meaning: {done:,} papers done; Ctrl-C leaves the rest for later")

    refresh(catalogue, progress=tell)
