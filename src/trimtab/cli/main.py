"""The program `trimtab`: its commands, its global options, and how its errors look."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from trimtab.base.errors import TrimtabError
from trimtab.cli.bench import bench
from trimtab.cli.best import best
from trimtab.cli.demo import demo
from trimtab.cli.doctor import doctor
from trimtab.cli.export import export
from trimtab.cli.papers import papers
from trimtab.cli.report import report
from trimtab.cli.run import run
from trimtab.cli.screen import complain, version
from trimtab.cli.show import show
from trimtab.cli.studies import studies
from trimtab.cli.tasks import tasks

__all__ = ["app", "main"]

_DEBUG = "TRIMTAB_DEBUG"

app = typer.Typer(
    name="trimtab",
    help="Tunes the settings of anything one can train, and says what can be trusted.",
    epilog="Try it: trimtab demo. Tune your own: trimtab run FILE.py, with a function objective(trial) in the file.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: quick, and readable anywhere
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (run, demo, studies, show, best, report, export, doctor):
    app.command()(command)
app.add_typer(bench)
app.add_typer(tasks)
app.add_typer(papers)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"trimtab {version()}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.", envvar=_DEBUG)] = False,
) -> None:
    if debug:
        os.environ[_DEBUG] = "1"


def main() -> None:
    """Run the program on the words of the command line.

    Exit status: 0 done; 1 done, but with a finding (a broken installation, trials that all failed);
    2 refused, with a message on stderr; 130, 143 and 129 ended by Ctrl-C, SIGTERM and SIGHUP.
    """
    try:
        app(prog_name="trimtab")
    except TrimtabError as error:
        if os.environ.get(_DEBUG) == "1":
            raise
        complain(str(error))
        sys.exit(2)
    except BrokenPipeError:
        # Whoever read the output has had enough. Python would complain once more when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
