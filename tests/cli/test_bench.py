"""`trimtab bench`, from the list over runs to the page."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Command = Callable[..., Any]
RUN = ("bench", "run", "runs", "--peer", "trimtab:random", "--peer", "trimtab:sobol+values")
SMALL = ("--problem", "bbob-f1-d2", "--problem", "bbob-f5-d2", "--seeds", "1", "--budget", "6")


def test_the_list(trimtab: Command) -> None:
    rows = json.loads(trimtab("bench", "list", "-f", "json").out)
    kinds = {row["kind"] for row in rows}
    assert kinds == {"bbob", "tables", "training", "penalties", "peer"}
    assert {"optuna:tpe", "hebo:hebo", "trimtab:auto"} <= {row["name"] for row in rows if row["kind"] == "peer"}
    text = trimtab("bench", "list").out
    assert "set bbob (36)" in text
    assert "table-cifar100" in text


def test_from_runs_to_the_page(trimtab: Command, here: Path) -> None:
    ran = trimtab(*RUN, *SMALL, "--jobs", "2")
    assert (ran.status, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0] == "4 runs, 0 of them are there"
    assert sum(line.endswith(" done") for line in lines) == 4
    assert lines[-1] == "4 of 4 runs are there"
    files = sorted(here.glob("runs/*/*.jsonl"))
    assert len(files) == 4
    torn = files[2].read_bytes()
    files[2].write_bytes(torn[: len(torn) // 2])
    again = trimtab(*RUN, *SMALL)
    assert again.out.splitlines()[0] == "4 runs, 3 of them are there"
    assert len(again.out.splitlines()) == 3
    written = trimtab("bench", "report", "runs", "-o", "bench.md", "--budgets", "3,6")
    assert written.out.splitlines()[0] == f"written: {here / 'bench.md'}"
    assert "2 problems, 2 cells." in (here / "bench.md").read_text(encoding="utf-8")
    assert (here / "bench-regret-bbob.svg").exists()
    told = json.loads(trimtab("bench", "report", "runs", "-f", "json", "--budgets", "6").out)
    assert {row["peer"] for row in told["groups"][0]["standings"]["6"]} == {"trimtab:random", "trimtab:sobol+values"}
    shown = trimtab("bench", "report", "runs", "--budgets", "6", "--peer", "trimtab:sobol+values").out
    assert "trimtab:sobol+values ran alone." in shown
    near = trimtab("bench", "targets", "runs", "--within", "0.5").out
    assert near.splitlines()[0] == "| problem | trimtab:random | trimtab:sobol+values |"
    rows = json.loads(trimtab("bench", "targets", "runs", "-f", "json", "--peer", "trimtab:sobol+values").out)
    assert [(row["problem"], row["peer"], row["runs"]) for row in rows] == [
        ("bbob-f1-d2", "trimtab:sobol+values", 1),
        ("bbob-f5-d2", "trimtab:sobol+values", 1),
    ]


def test_wrong_words_are_met_with_what_is_missing(trimtab: Command) -> None:
    assert "trimtab bench list" in trimtab("bench", "run", "runs", "--peer", "trimtab:random").err
    assert "trimtab bench run runs" in trimtab("bench", "report", "runs").err
    assert "20,50,100" in trimtab("bench", "report", "runs", "--budgets", "many").err
    ran = trimtab("bench", "run", "runs", "--peer", "optuna:tpe", "--problem", "bbob-f1-d2")
    assert ran.status == 2
    assert "trimtab bench prepare optuna --environments peers" in ran.err
    assert "allowed: optuna, botorch" in trimtab("bench", "prepare", "ax").err


def test_an_interrupt_keeps_what_is_there(program: Callable[..., subprocess.Popen[str]], here: Path) -> None:
    words = (*RUN[:5], "--problem", "bbob-f1-d2", "--seeds", "400", "--budget", "4")
    running = program(*words)
    assert running.stdout is not None
    for line in running.stdout:
        if line.startswith("2 of 400"):
            break
    running.send_signal(signal.SIGINT)
    out, err = running.communicate()
    assert (running.returncode, err) == (130, "")
    assert out.splitlines()[-1] == f"go on: {Path(sys.executable).name} -m trimtab {' '.join(words)}"
    there = sum('"end"' in path.read_text(encoding="utf-8") for path in here.glob("runs/*/*.jsonl"))
    assert f"interrupted; {there} of 400 runs are there" in out
    assert 2 <= there < 400
