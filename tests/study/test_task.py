"""Objective functions as tasks, by the conformance kit; and the kit finds out tasks that break their word."""

from __future__ import annotations

import pytest

import trimtab as tt
from trimtab.base.info import Info
from trimtab.base.ports import Context
from trimtab.base.records import Objective, Observation, Params
from trimtab.study.task import FunctionTask
from trimtab.testing.task_kit import TaskKit

SPACE = tt.Space(x=tt.Float(-1.0, 1.0), kind=tt.Choice({"plain": None, "noisy": tt.Space(sd=tt.Float(0.0, 1.0))}))
OBJECTIVES = (Objective(),)


def declared(trial: tt.Trial) -> float:
    for step in range(3):
        trial.report(float(step), step)
        if trial.should_prune():
            raise tt.TrialPruned
    return float(trial.params["x"]) ** 2  # type: ignore[arg-type]


def by_run(trial: tt.Trial) -> float:
    return trial.suggest_float("x", 0.0, 1.0) + trial.seed % 2


class TestDeclared(TaskKit):
    def make_task(self) -> FunctionTask:
        return FunctionTask(declared, OBJECTIVES, SPACE)


class TestDefineByRun(TaskKit):
    def make_task(self) -> FunctionTask:
        return FunctionTask(by_run, OBJECTIVES, None)


class Promising:
    """Says that it provides losses, and tells none; gives another value at each call."""

    space = SPACE
    provides = Info.VALUES | Info.LOSSES
    calls = 0

    def run(self, params: Params, context: Context) -> Observation:
        Promising.calls += 1
        return Observation(float(self.calls))


class PromisingKit(TaskKit):
    __test__ = False

    def make_task(self) -> Promising:
        return Promising()


@pytest.mark.parametrize(
    "check",
    ["it_tells_what_it_says_it_provides", "the_same_key_gives_the_same_values"],
)
def test_the_kit_finds_out_a_task_that_breaks_its_word(check: str) -> None:
    with pytest.raises(AssertionError):
        getattr(PromisingKit(), f"test_{check}")()
