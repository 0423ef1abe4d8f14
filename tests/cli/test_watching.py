"""The live display on a terminal, and what takes its place elsewhere."""

from __future__ import annotations

import io
import re
import time

import pytest
from rich.console import Console

from trimtab.api import create_study
from trimtab.base.errors import StorageError
from trimtab.cli.progress import RunStart
from trimtab.cli.screen import Screen
from trimtab.cli.watching import LiveDisplay, PlainLines, Silence, watcher
from trimtab.study import Study, Trial


def objective(trial: Trial) -> float:
    x = trial.suggest_float("x", 0, 1)
    if trial.number == 1:
        raise ValueError("no good")
    return x


class Output(io.StringIO):
    """Where the output goes: a terminal or not."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


def screen(terminal: bool, dumb: bool = False, colour: bool = False) -> tuple[Screen, io.StringIO]:
    out = Output(terminal)
    made = Screen()
    environ = {"TERM": "dumb"} if dumb else {"TERM": "xterm-256color"}
    made.console = Console(file=out, force_terminal=terminal or colour, width=80, height=24, _environ=environ)
    return made, out


def run(terminal: bool) -> tuple[Study, str]:
    study = create_study(tuner="random", seed=0)
    made, out = screen(terminal)
    with watcher(study, RunStart(time.time(), 0, total=3), made, quiet=False) as shown:
        study.optimize(objective, n_total=3, catch=ValueError, callbacks=[shown.told])
    return study, out.getvalue()


def test_each_place_has_its_way() -> None:
    study, start = create_study(tuner="random"), RunStart(0.0, 0)
    for terminal, dumb, quiet, kind in (
        (True, False, False, LiveDisplay),
        (True, True, False, PlainLines),
        (False, False, False, PlainLines),
        (True, False, True, Silence),
    ):
        assert type(watcher(study, start, screen(terminal, dumb)[0], quiet)) is kind


def test_a_terminal_shows_the_end_of_the_run_and_its_failures() -> None:
    study, out = run(terminal=True)
    assert out.startswith("\x1b[?25l"), "the cursor is hidden"
    assert out.count("\x1b[?25h") == 1, "and shown again"
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", out)
    assert "trial 1 failed: the objective raised an exception" in text
    last = text[text.rindex("3 of 3 trials") :]
    assert last.startswith("3 of 3 trials · 1 failed · best so far ")
    assert f"(trial {study.best_trial.number})" in last
    assert re.findall(r"^ +(\d) +(\w+)", last, re.MULTILINE) == [("0", "complete"), ("1", "error"), ("2", "complete")]


def test_elsewhere_there_are_plain_lines() -> None:
    _, out = run(terminal=False)
    assert "\x1b" not in out
    assert screen(terminal=False, colour=True)[0].is_live is False, "not even where colour is forced"
    assert [line[:16] for line in out.splitlines() if " of 3: " in line] == [
        "1 of 3: trial 0 ",
        "2 of 3: trial 1 ",
        "3 of 3: trial 2 ",
    ]
    assert "  ValueError: no good" in out.splitlines()


def test_a_storage_that_is_gone_for_a_moment_does_not_end_the_display(monkeypatch: pytest.MonkeyPatch) -> None:
    study = create_study(tuner="random", seed=0)
    made, out = screen(terminal=True)
    with LiveDisplay(study, RunStart(time.time(), 0), made) as shown:
        study.optimize(objective, n_trials=1, callbacks=[shown.told])
        shown._live.refresh()
        monkeypatch.setattr(Study, "history", property(lambda self: (_ for _ in ()).throw(StorageError("gone"))))
        shown._live.refresh()
    assert "1 trial" in out.getvalue().rpartition("\x1b[2K")[2]


def test_what_an_objective_prints_stays_above_the_display(capsys: pytest.CaptureFixture[str]) -> None:
    study = create_study(tuner="random", seed=0)
    made, out = screen(terminal=True)
    with LiveDisplay(study, RunStart(time.time(), 0), made):
        print("hello from the objective")
    assert "hello from the objective\n" in out.getvalue()
    assert capsys.readouterr().out == ""
