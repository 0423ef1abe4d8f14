"""What the tests of the command line share: the program within this process, and as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from trimtab.cli.main import main

OBJECTIVE = """\
import trimtab.space as ts

space = ts.Space(x=ts.Float(-1.0, 1.0), kind=ts.Categorical(["a", "b"]))

def objective(trial):
    trial.report(1.0, step=1)
    return trial.params["x"] ** 2 + (trial.params["kind"] == "b")
"""


class Ran(NamedTuple):
    """How a command ended, and what it printed."""

    status: int
    out: str
    err: str


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder to work in, with nothing of the outside's settings, nor of ours left behind."""
    monkeypatch.chdir(tmp_path)
    for name in ("TRIMTAB_STORAGE", "TRIMTAB_DEBUG", "COLUMNS", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith(("trimtab_file_", "my_")):
            del sys.modules[name]


@pytest.fixture
def trimtab(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Runs a command in this process."""

    def run(*words: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["trimtab", *map(str, words)])
        capsys.readouterr()
        status = 0
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
        return Ran(status, *capsys.readouterr())

    return run


@pytest.fixture
def program(here: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts a command as a process of its own; give it `communicate`."""

    def start(*words: object, **environ: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "trimtab", *map(str, words)],
            cwd=here,
            env={**os.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.fixture
def file(here: Path) -> Callable[..., Path]:
    """Writes a Python file to run; by default one with an objective that is quick."""

    def write(text: str = OBJECTIVE, name: str = "mine.py") -> Path:
        path = here / name
        path.write_text(text, encoding="utf-8")
        return path

    return write
