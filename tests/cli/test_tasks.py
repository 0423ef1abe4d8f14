"""`trimtab tasks`: fit, apply and plot, on families whose answers are known."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FAMILY = """\
import trimtab.space as ts
from trimtab.tuners.tasks import FamilyMember, TaskFamily
from trimtab.tuners.tasks.duals import PiecewiseConstant

space = ts.Space(cut=ts.Float(0.0, 4.0))

def member(place, shift=0.0):
    # Each task errs left of 1 and right of 3, and task by task a little further.
    steps = PiecewiseConstant([0.0, 1.0 + 0.01 * place, 3.0 - 0.01 * place, 4.0], [0.5, 0.25, 1.0])
    return FamilyMember.exact(f"task {place}", lambda: steps, space, {"size": shift + place % 7})

family = TaskFamily([member(place) for place in range(30)])
unlike = TaskFamily([member(place, shift=100.0) for place in range(30)])
bare = TaskFamily([FamilyMember("one", member(0).task)])
broken = TaskFamily([FamilyMember.exact("sad", lambda: 1 / 0, space)])
several = TaskFamily([FamilyMember("one", type("Two", (), {"space": ts.Space(a=ts.Float(0, 1), b=ts.Float(0, 1))})())])
number = 3
"""


@pytest.fixture
def path(here: Path) -> Path:
    (here / "mine.py").write_text(FAMILY, encoding="utf-8")
    return here / "mine.py"


def test_a_fit_is_exact_and_judged_by_held_out_tasks(trimtab: Callable[..., Any], path: Path) -> None:
    found = json.loads(trimtab("tasks", "fit", path, "--within", 0, 1, "-f", "json").out)
    assert (found["tasks"], found["held_out_tasks"]) == (20, 10)
    assert found["mean_loss"] == pytest.approx(0.25)
    assert found["held_out_loss"] == 0.25
    low, high = found["ties"]
    assert low < found["at"] < high
    assert 1.0 <= low <= 1.29
    assert 2.71 <= high <= 3.0
    assert found["certificate"]["interval"][0] <= 0.25 <= found["certificate"]["interval"][1]
    words = trimtab("tasks", "fit", path, "--held-out", 0).out
    assert "over 30 tasks, as is any from 1.29 to 2.71" in words
    assert "held-out" not in words


def test_a_kept_fit_is_applied_to_new_tasks(trimtab: Callable[..., Any], path: Path) -> None:
    trimtab("tasks", "fit", path, "-o", "fit.json")
    same = trimtab("tasks", "apply", "fit.json", path)
    assert same.status == 0
    assert "mean loss on 30 new tasks: 0.25" in same.out
    assert "No sign" in same.out
    assert "UNLIKE" in trimtab("tasks", "apply", "fit.json", f"{path}:unlike").out
    data = json.loads(trimtab("tasks", "apply", "fit.json", path, "--within", 0, 1, "-f", "json").out)
    assert data["best_of_each_task"] == data["mean_loss"] == 0.25


def test_the_picture_shows_every_task(trimtab: Callable[..., Any], path: Path, here: Path) -> None:
    assert trimtab("tasks", "plot", path, "-o", "duals.svg").status == 0
    text = (here / "duals.svg").read_text(encoding="utf-8")
    assert text.count('class="line s3"') == 31  # one more in the legend
    assert "Loss of 30 tasks by cut" in text


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("fit", "mine.py:nothing"), "mine.py has no family 'nothing'; allowed: families in it: family, unlike"),
        (("fit", "mine.py:number"), "'number' in mine.py is no family of tasks; got 3"),
        (("fit", "mine.py:bare"), "task 'one' has no dual function"),
        (("fit", "mine.py:broken"), "the dual function of task 'sad' could not be made: ZeroDivisionError"),
        (("fit", "mine.py:several"), "exact fits are of one hyperparameter; got ['a', 'b']"),
        (("fit", "mine.py", "--held-out", 30), "a split leaves tasks on both sides; got 30"),
        (("apply", "none.json", "mine.py"), "the fit none.json cannot be read"),
        (("apply", "mine.py", "mine.py"), "mine.py holds no fit of this program"),
    ],
)
def test_what_cannot_be_done_is_said(
    trimtab: Callable[..., Any], path: Path, words: tuple[object, ...], told: str
) -> None:
    ran = trimtab("tasks", *words)
    assert ran.status == 2
    assert told in ran.err
    assert "Traceback" not in ran.err
