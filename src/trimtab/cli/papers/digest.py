"""`trimtab papers digest`: the mails that are due."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.cli.options import Format, FormatOption
from trimtab.cli.papers.asking import CatalogueOption, opened

if TYPE_CHECKING:
    from trimtab.papers.digest import Delivery
    from trimtab.report.tables import Row

__all__ = ["digest"]


def digest(
    smtp: Annotated[
        str,
        typer.Option(
            "--smtp",
            metavar="URL",
            help="The mail server: smtp://USER@HOST:587 (STARTTLS), smtps://USER@HOST (TLS) or smtp+plain://HOST."
            " Its password is in TRIMTAB_SMTP_PASSWORD.",
        ),
    ],
    sender: Annotated[str, typer.Option("--sender", metavar="ADDRESS", help="Who the mails are from.")],
    base_url: Annotated[
        str | None,
        typer.Option("--base-url", metavar="URL", help="Where `serve` is reached from outside, for the links."),
    ] = None,
    again: Annotated[
        int | None,
        typer.Option("--again", metavar="NUMBER", help="Try this digest anew, which was given up or is in doubt."),
    ] = None,
    catalogue: CatalogueOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Send the digests that are due, and try again what waits. Each paper comes to a subscriber once.

    To be called by a timer, hourly for example. Ends with 1 where a digest was not delivered.
    """
    from trimtab.cli.screen import Screen, complain, print_rows
    from trimtab.papers.digest import mail_server, requeue, run_digests

    server = mail_server(smtp, sender, os.environ)
    with opened(catalogue) as kept:
        if again is not None:
            requeue(kept, again)
        report = run_digests(kept, server, base_url=base_url)
    if format is Format.TABLE:
        screen = Screen()
        for delivery in report.deliveries:
            screen.say(_line(delivery))
        screen.say(f"{report.made} made, {report.sent} sent", "bold")
    else:
        print_rows([_row(delivery) for delivery in report.deliveries], format)
    if report.trouble:
        complain(report.trouble)
    if report.trouble or any(delivery.state not in ("sent", "cancelled") for delivery in report.deliveries):
        raise typer.Exit(1)


def _line(delivery: Delivery) -> str:
    """A digest in a line."""
    papers = f"{delivery.papers} paper{'' if delivery.papers == 1 else 's'}"
    why = f" ({delivery.why})" if delivery.why and delivery.state != "sent" else ""
    return f"{delivery.number}  {delivery.address}: {papers}, {delivery.state}{why}"


def _row(delivery: Delivery) -> Row:
    return {
        "number": delivery.number,
        "subscription": delivery.subscription,
        "address": delivery.address,
        "papers": delivery.papers,
        "state": delivery.state,
        "tries": delivery.tries,
        "next": delivery.next,
        "why": delivery.why,
    }
