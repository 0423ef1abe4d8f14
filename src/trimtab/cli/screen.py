"""What the commands print on: sentences and tables on a screen, JSON and CSV, errors, and commands to paste."""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import typer

from trimtab.cli.options import DEFAULT_STORAGE, Format

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from trimtab.report.tables import Row

__all__ = ["Screen", "again", "command", "complain", "print_json", "print_rows", "version"]

_PIPE_WIDTH = 200


@final
class Screen:
    """A terminal, or a pipe or file in its place. Nothing is coloured by guessing, and no text is read as markup.

    Into a pipe or a file, lines are wide enough that tables are not cut; COLUMNS sets another width.

    Attributes:
        console: the Rich console behind it.
    """

    def __init__(self, stderr: bool = False) -> None:
        from rich.console import Console

        stream = sys.stderr if stderr else sys.stdout
        wide = not stream.isatty() and "COLUMNS" not in os.environ
        self.console: Console = Console(
            stderr=stderr, highlight=False, emoji=False, markup=False, width=_PIPE_WIDTH if wide else None
        )

    @property
    def is_live(self) -> bool:
        """Whether lines can be redrawn: a terminal that can move its cursor."""
        return self.console.file.isatty() and self.console.is_terminal and not self.console.is_dumb_terminal

    def say(self, text: str = "", style: str = "", whole: bool = False) -> None:
        """Print a text of any origin; control characters are shown by their escapes.

        Arguments:
            text: one line or more.
            style: such as "bold"; seen where there is colour.
            whole: break no line, so that paths and commands can be copied.
        """
        from trimtab.report.terminal import plain

        self.console.print(plain(text), style=style, soft_wrap=whole or not self.console.is_terminal)
        self.console.file.flush()

    def show(self, view: RenderableType) -> None:
        """Print a table or another view; into a pipe without the blanks at the ends of lines."""
        if self.console.is_terminal:
            self.console.print(view)
            return
        with self.console.capture() as captured:
            self.console.print(view)
        typer.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))

    def say_written(self, path: Path) -> None:
        """Tell where a file was written, also as a URL that a terminal can open."""
        self.say(f"written: {path}\n         {path.as_uri()}", whole=True)


def complain(text: str) -> None:
    """An error on stderr, red where there is colour."""
    Screen(stderr=True).say(text, style="red", whole=True)


def print_json(data: Any) -> None:
    """Strict JSON on stdout."""
    typer.echo(json.dumps(data, allow_nan=False, indent=2))


def print_rows(rows: list[Row], format: Format) -> None:
    """Rows of plain data on stdout, as JSON or CSV."""
    from trimtab.report.export import rows_to_csv

    if format is Format.CSV:
        typer.echo(rows_to_csv(rows), nl=False)
    else:
        print_json(rows)


def command(*words: str, storage: str = DEFAULT_STORAGE) -> str:
    """A trimtab command as one can paste it into a shell."""
    where = [] if storage == DEFAULT_STORAGE or os.environ.get("TRIMTAB_STORAGE") == storage else ["--storage", storage]
    return shlex.join([*_program(), *words, *where])


def again(*without: str) -> str:
    """The command that is running, as one can paste it into a shell, without some of its words."""
    return shlex.join([*_program(), *(word for word in sys.argv[1:] if word not in without)])


def _program() -> list[str]:
    """How this program was called."""
    if Path(sys.argv[0]).name == "__main__.py":
        return [Path(sys.executable).name, "-m", "trimtab"]
    return ["trimtab"]


def version() -> str:
    """The version of trimtab that is installed."""
    from importlib.metadata import version

    return version("trimtab")
