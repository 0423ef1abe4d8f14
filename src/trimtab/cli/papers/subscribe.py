"""`trimtab papers subscribe`: a saved search that comes as a mail."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.base.errors import InvalidArgument, message
from trimtab.cli.options import Format, FormatOption
from trimtab.cli.papers.asking import (
    CatalogueOption,
    RunsOption,
    SinceOption,
    SourceOption,
    TagOption,
    asked_filter,
    opened,
)

if TYPE_CHECKING:
    from trimtab.papers.digest import Subscription
    from trimtab.report.tables import Row

__all__ = ["subscribe"]


class Every(StrEnum):
    """How often a digest comes."""

    DAILY = "daily"
    WEEKLY = "weekly"


def subscribe(
    address: Annotated[
        str | None,
        typer.Argument(metavar="ADDRESS", help="Where the digests go; without one, subscriptions are listed."),
    ] = None,
    query: Annotated[
        list[str] | None, typer.Argument(metavar="QUERY", help="Words to search for; none for all.")
    ] = None,
    every: Annotated[Every, typer.Option("--every", help="How often.")] = Every.DAILY,
    zone: Annotated[str, typer.Option("--zone", metavar="ZONE", help="Time zone of the hour: Europe/Rome.")] = "UTC",
    hour: Annotated[int, typer.Option("--hour", min=0, max=23, help="From which hour of the day on it is due.")] = 7,
    most: Annotated[int, typer.Option("--most", min=1, max=200, help="Papers in one digest.")] = 25,
    backlog: Annotated[
        bool, typer.Option("--backlog/--no-backlog", help="Whether papers that are there already are new to it.")
    ] = True,
    end: Annotated[
        int | None, typer.Option("--end", metavar="NUMBER", help="End the subscription of this number instead.")
    ] = None,
    since: SinceOption = None,
    source: SourceOption = None,
    runs: RunsOption = None,
    tag: TagOption = None,
    catalogue: CatalogueOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Have a search sent to an address.

    Daily or weekly: `trimtab papers digest` sends what is due. Without an address, the subscriptions are listed.
    """
    from trimtab.cli.screen import Screen, print_rows
    from trimtab.papers import digest

    if end is not None and address is not None:
        raise InvalidArgument(message("--end takes a number and no address", got=address))
    with opened(catalogue) as kept:
        if end is not None:
            found: list[Subscription] = [digest.end_subscription(kept, end)]
        elif address is None:
            found = list(digest.subscriptions(kept))
        else:
            where = asked_filter(kept, since, None, source, runs, tag)
            timing = {"zone": zone, "hour": hour, "most": most, "backlog": backlog}
            found = [digest.subscribe(kept, address, " ".join(query or ()), where, every.value, **timing)]  # type: ignore[arg-type]
    if format is not Format.TABLE:
        print_rows([_row(one) for one in found], format)
        return
    screen = Screen()
    for one in found:
        screen.say(_line(one))
    if not found:
        screen.say("no subscription yet; make one: trimtab papers subscribe ADDRESS WORDS")
    elif address is not None:
        screen.say(
            "digests go out with: trimtab papers digest --smtp URL --sender ADDRESS, hourly from a timer", whole=True
        )


def _line(one: Subscription) -> str:
    """A subscription in a line."""
    asked = f"papers with {one.query!r}" if one.query else "all papers"
    ended = ", ended" if one.ended else ""
    return f"{one.number}  {one.address}: {asked}, {one.every}, from {one.hour}:00 {one.zone}{ended}"


def _row(one: Subscription) -> Row:
    return {
        "number": one.number,
        "address": one.address,
        "query": one.query,
        "every": one.every,
        "zone": one.zone,
        "hour": one.hour,
        "most": one.most,
        "ended": one.ended,
    }
