"""Help is quick, complete, and the same for every command."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from trimtab.cli.screen import version

COMMANDS = ("run", "demo", "studies", "show", "best", "report", "export", "doctor", "bench", "tasks", "papers")
WITHOUT_STORAGE = ("bench", "tasks", "papers")  # what they keep are files of their own, not studies
HEAVY = ("cloudpickle", "pandas", "rich", "scipy", "sklearn", "sqlalchemy")
Command = Callable[..., Any]


def test_help_lists_every_command(trimtab: Command) -> None:
    ran = trimtab("--help")
    assert ran.status == 0
    listed = re.findall(r"^  (\w+) +[A-Z][^.]+\.$", ran.out, re.MULTILINE)
    assert tuple(listed) == COMMANDS, "each with one whole sentence"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(trimtab: Command, command: str) -> None:
    ran = trimtab(command, "--help")
    assert ran.status == 0
    assert ran.out.startswith(f"Usage: trimtab {command} ")
    assert ("--storage URL" in ran.out) == (command not in WITHOUT_STORAGE)
    options = re.findall(r"^  (-[-\w, ]+?)(?: [A-Z]+| <[^>]+>| \[[^]]+\])?(?:  .*)?$", ran.out, re.MULTILINE)
    assert options[-1] == "-h, --help"
    assert max(map(len, ran.out.splitlines())) <= 80


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['trimtab', '--help']\n"
        "from trimtab.cli.main import main\n"
        "try: main()\nfinally: print('loaded:', *(m for m in sys.modules if '.' not in m))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    loaded = done.stdout.rpartition("loaded:")[2].split()
    assert "typer" in loaded
    assert set(HEAVY) & set(loaded) == set()


def test_the_version(trimtab: Command) -> None:
    assert trimtab("--version").out == f"trimtab {version()}\n"


def test_a_mistyped_command_is_met_with_a_guess(trimtab: Command) -> None:
    ran = trimtab("rum")
    assert ran.status == 2
    assert "Did you mean 'run'?" in ran.err
    assert trimtab("show", "-f", "xml").status == 2
