"""Every file in `examples/` runs, in a folder that is not its own."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
TRIALS = 5
CAPPED = """
import runpy, sys, trimtab

optimize = trimtab.Study.optimize

def capped(study, objective, n_trials=None, *rest, **named):
    return optimize(study, objective, min(n_trials or {0}, {0}), *rest, **named)

trimtab.Study.optimize = capped
runpy.run_path(sys.argv[1], run_name="__main__")
"""
"""Runs a script as `python SCRIPT` would, with a few trials only."""


def defines(example: Path, name: str) -> bool:
    body = ast.parse(example.read_text(encoding="utf-8")).body
    return any(isinstance(node, ast.FunctionDef) and node.name == name for node in body)


def run(arguments: list[str], folder: Path) -> None:
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_example_runs_as_a_script(example: Path, tmp_path: Path) -> None:
    run(["-c", CAPPED.format(TRIALS), str(example)], tmp_path)


@pytest.mark.parametrize("example", [e for e in EXAMPLES if defines(e, "objective")], ids=lambda example: example.name)
def test_example_runs_from_the_command_line(example: Path, tmp_path: Path) -> None:
    run(["-m", "trimtab", "run", str(example), "--n-trials", str(TRIALS)], tmp_path)


@pytest.mark.parametrize("script", sorted((ROOT / "speed").glob("*.py")), ids=lambda script: script.name)
def test_speed_script_starts(script: Path, tmp_path: Path) -> None:
    """What it measures is for people to run; that its imports still exist is tested here."""
    run([str(script), "--help"], tmp_path)
