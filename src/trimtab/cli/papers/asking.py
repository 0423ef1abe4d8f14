"""The options that the commands of `trimtab papers` share, and the catalogue that they open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.base.errors import StorageError, UnknownName, message

if TYPE_CHECKING:
    from trimtab.papers import Catalogue, Filter

__all__ = [
    "CatalogueOption",
    "LimitOption",
    "NumberArgument",
    "RunsOption",
    "SinceOption",
    "SourceOption",
    "TagOption",
    "UntilOption",
    "asked_filter",
    "catalogue_path",
    "need_reader",
    "opened",
]

CatalogueOption = Annotated[
    Path | None,
    typer.Option(
        "--catalogue",
        metavar="PATH",
        envvar="TRIMTAB_CATALOGUE",
        help="The catalogue; by default the one in the user's data folder.",
    ),
]
NumberArgument = Annotated[int, typer.Argument(metavar="NUMBER", help="Of the paper, as `search` tells it.")]
LimitOption = Annotated[int, typer.Option("--limit", min=1, help="So many papers at most.")]
SinceOption = Annotated[
    datetime | None,
    typer.Option("--since", metavar="DAY", formats=["%Y-%m-%d"], help="Published on this day or later: 2026-01-31."),
]
UntilOption = Annotated[
    datetime | None,
    typer.Option("--until", metavar="DAY", formats=["%Y-%m-%d"], help="Published on this day or earlier."),
]
SourceOption = Annotated[str | None, typer.Option("--source", metavar="NAME", help="Listed by this page.")]
RunsOption = Annotated[
    bool | None, typer.Option("--runs/--runs-not", help="Of which something runs here; or nothing does yet.")
]
TagOption = Annotated[str | None, typer.Option("--tag", metavar="TAG", help="With this tag of yours.")]


def catalogue_path(path: Path | None) -> Path:
    """The catalogue that is meant."""
    from trimtab.papers import default_path

    return default_path() if path is None else path


@contextmanager
def opened(path: Path | None, *, make: bool = False) -> Iterator[Catalogue]:
    """The catalogue that is meant; looking at one must not make it.

    Arguments:
        path: as the option gives it.
        make: make it where it is missing.

    Raises:
        StorageError: it is not there, or cannot be opened.
    """
    from trimtab.papers import Catalogue

    found = catalogue_path(path)
    if not make and not (found.exists() and (found.is_dir() or found.stat().st_size > 0)):
        raise StorageError(
            message(
                "there is no catalogue of papers yet",
                got=str(found),
                do="make it: trimtab papers import FILE; or name another with --catalogue",
            )
        )
    with Catalogue(path) as catalogue:
        yield catalogue


def asked_filter(
    catalogue: Catalogue,
    since: datetime | None,
    until: datetime | None,
    source: str | None,
    runs: bool | None,
    tag: str | None,
) -> Filter:
    """The filter of the options.

    Raises:
        UnknownName: the catalogue has no page or no tag of this name.
    """
    from trimtab.papers import Filter

    sources = [name for name, _, _ in catalogue.sources()] if source is not None else []
    if source is not None and source not in sources:
        raise UnknownName(
            message("the catalogue has no page of this name", got=source, allowed=", ".join(sources[:20]) or "none yet")
        )
    tags = [name for name, _ in catalogue.tags()] if tag is not None else []
    if tag is not None and tag not in tags:
        raise UnknownName(
            message("no paper has this tag", got=tag, allowed=", ".join(tags[:20]) or "none yet; the reader gives tags")
        )
    return Filter(since=_day(since), until=_day(until), source=source, runs=runs, tag=tag)


def need_reader() -> None:
    """Refuse to go on without the libraries of the reader.

    Raises:
        MissingExtra: one is not installed.
    """
    from trimtab.base.lazy import need

    for module in ("starlette", "jinja2"):
        need(module, "papers", "the reader of papers")


def _day(moment: datetime | None) -> date | None:
    return None if moment is None else moment.date()
