"""`trimtab papers feed`: the newest papers for a feed reader."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from trimtab.cli.papers.asking import (
    CatalogueOption,
    RunsOption,
    SinceOption,
    SourceOption,
    TagOption,
    UntilOption,
    asked_filter,
    need_reader,
    opened,
)

__all__ = ["feed"]


class FeedFormat(StrEnum):
    """How a feed is written."""

    ATOM = "atom"
    JSON = "json"


def feed(
    format: Annotated[
        FeedFormat, typer.Option("-f", "--format", help="Atom (RFC 4287) or JSON Feed 1.1.")
    ] = FeedFormat.ATOM,
    since: SinceOption = None,
    until: UntilOption = None,
    source: SourceOption = None,
    runs: RunsOption = None,
    tag: TagOption = None,
    base_url: Annotated[
        str, typer.Option("--base-url", metavar="URL", help="Where the reader is, which the links lead to.")
    ] = "http://127.0.0.1:8771",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="PATH", help="Write a file; by default it is printed.")
    ] = None,
    catalogue: CatalogueOption = None,
) -> None:
    """Write the newest papers as a feed. Needs the extra `papers`."""
    from trimtab.cli.screen import Screen
    from trimtab.report.files import write_text

    need_reader()
    from trimtab.papers.reader import feed_atom, feed_json

    with opened(catalogue) as kept:
        where = asked_filter(kept, since, until, source, runs, tag)
        write = feed_atom if format is FeedFormat.ATOM else feed_json
        text = write(kept, where, base_url.rstrip("/"))
    if output is None:
        typer.echo(text)
    else:
        write_text(output, text, "the feed")
        Screen().say_written(output.resolve())
