"""`trimtab papers serve`: the reader, in a browser."""

from __future__ import annotations

import ipaddress
import secrets
from typing import Annotated

import typer

from trimtab.base.errors import InvalidArgument, message
from trimtab.cli.papers.asking import CatalogueOption, catalogue_path, need_reader, opened

__all__ = ["serve"]

_TOKEN = "TRIMTAB_PAPERS_TOKEN"


def serve(
    host: Annotated[
        str, typer.Option("--host", help="The address to listen on; others than this machine's need a token.")
    ] = ("127.0.0.1"),
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 for any that is free.")] = 8771,
    token: Annotated[
        str | None,
        typer.Option(
            "--token", envvar=_TOKEN, help="What whoever reads must know; given once as ?token=... in the address."
        ),
    ] = None,
    catalogue: CatalogueOption = None,
) -> None:
    """Read papers in a browser, until Ctrl-C.

    On this machine alone, unless --host says otherwise; then a token is needed. Needs the extra `papers`.
    """
    from trimtab.base.lazy import need
    from trimtab.cli.screen import Screen

    if token is None and not _is_loopback(host):
        raise InvalidArgument(
            message(
                "other machines can reach this address, so the reader needs a token there",
                got=host,
                allowed="127.0.0.1 or ::1 without a token",
                do=f"set one: export {_TOKEN}={secrets.token_urlsafe(18)}",
            )
        )
    need_reader()
    uvicorn = need("uvicorn", "papers", "the reader of papers")
    from trimtab.papers.reader import make_app
    from trimtab.surrogates.small_matrices import small_matrices

    with opened(catalogue, make=True) as kept:
        count = kept.count()
    app = make_app(catalogue_path(catalogue), token=token)
    config = uvicorn.Config(
        app, host=host, port=port, log_level="warning", access_log=False, server_header=False, date_header=False
    )
    listening = config.bind_socket()
    address = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}/"
    screen = Screen()
    screen.say(f"{count:,} papers, at {address}" + ("?token=..." if token else ""), "bold", whole=True)
    screen.say("Ctrl-C ends it")
    try:
        # Requests come side by side; a pool of threads for each of their small products would only make them wait.
        with small_matrices():
            uvicorn.Server(config).run(sockets=[listening])
    finally:
        listening.close()


def _is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
