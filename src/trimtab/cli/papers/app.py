"""The commands of `trimtab papers`, wired together."""

from __future__ import annotations

import typer

from trimtab.cli.papers.digest import digest
from trimtab.cli.papers.feed import feed
from trimtab.cli.papers.import_pages import import_pages
from trimtab.cli.papers.related import related
from trimtab.cli.papers.search import search
from trimtab.cli.papers.serve import serve
from trimtab.cli.papers.show import show
from trimtab.cli.papers.subscribe import subscribe

__all__ = ["papers"]

papers = typer.Typer(
    name="papers",
    help="Keep, search and read papers, and see which of them run here.",
    epilog="Begin with: trimtab papers import FILE, a page of abstracts, BibTeX, RIS, arXiv Atom or JSON lines.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
papers.command("import")(import_pages)
for command in (search, show, related, feed, subscribe, digest, serve):
    papers.command()(command)
