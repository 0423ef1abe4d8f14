"""What is printed where, and commands that can be pasted."""

from __future__ import annotations

import shlex
import sys

import pytest
from rich.table import Table

from trimtab.cli.screen import Screen, again, command, complain, version


@pytest.mark.usefixtures("here")
def test_texts_are_not_read_as_markup_and_cannot_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    Screen().say("[bold]x[/bold] :smile: \x1b[2J", style="red")
    complain("[red]no\x07")
    out, err = capsys.readouterr()
    assert out == "[bold]x[/bold] :smile: \\x1b[2J\n"
    assert err == "[red]no\\x07\n"


@pytest.mark.usefixtures("here")
def test_a_pipe_gets_whole_lines_without_blanks_at_their_ends(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("a", "b", box=None)
    table.add_row("x" * 150, "y")
    table.add_row("x", "y")
    Screen().show(table)
    Screen().say("word " * 100)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert [line for line in lines[:3] if line != line.rstrip()] == []
    assert "x" * 150 in lines[1]


def test_the_width_of_a_pipe_can_be_set(here: object, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Screen().console.width == 200
    monkeypatch.setenv("COLUMNS", "50")
    assert Screen().console.width == 50


def test_a_command_to_paste(here: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["trimtab", "demo", "--fresh", "--report", "a b.html"])
    assert command("report", "my study") == "trimtab report 'my study'"
    with_storage = command("show", "x", storage="sqlite:///other one.db")
    assert shlex.split(with_storage) == ["trimtab", "show", "x", "--storage", "sqlite:///other one.db"]
    assert again() == "trimtab demo --fresh --report 'a b.html'"
    assert again("--fresh") == "trimtab demo --report 'a b.html'"
    monkeypatch.setenv("TRIMTAB_STORAGE", "sqlite:///mine.db")
    assert command("studies", storage="sqlite:///mine.db") == "trimtab studies"
    monkeypatch.setattr(sys, "argv", ["/somewhere/trimtab/__main__.py", "studies"])
    assert again().endswith(" -m trimtab studies")


def test_the_version_is_a_number() -> None:
    assert version()[0].isdigit()
