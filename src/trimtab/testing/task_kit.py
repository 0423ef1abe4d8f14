"""The conformance kit for tasks: a task is done when these tests pass.

from trimtab.testing.task_kit import TaskKit

class TestMine(TaskKit):
    def make_task(self):
        return MyTask()
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import cloudpickle

from trimtab.base.info import Info
from trimtab.base.outcomes import Decision, EndReason, TrialState, Verdict
from trimtab.base.ports import Job, Task
from trimtab.base.records import Outcome, ParamValue, Report
from trimtab.base.seeds import Key
from trimtab.executors.inline import InlineExecutor
from trimtab.space import Space

__all__ = ["TaskKit"]

_PARTS = {
    Info.STDERR: "stderr",
    Info.GRADIENTS: "gradient",
    Info.LOSSES: "losses",
    Info.CONSTRAINTS: "constraints",
    Info.COST: "cost",
    Info.FIDELITY: "fidelity",
}


class TaskKit(ABC):
    """What every task must do. Inherit, name the class Test..., and say how to make one.

    Attributes:
        runs: how many random configurations are run; fewer for a costly task.
        repeatable: whether the same params and key give the same values.
    """

    runs: int = 3
    repeatable: bool = True

    @abstractmethod
    def make_task(self) -> Task[Space]:
        """A new task."""

    def configurations(self, task: Task[Space]) -> list[dict[str, ParamValue]]:
        """The default configuration and random ones; none but the empty one for define-by-run."""
        if task.space is None:
            return [{}] * self.runs
        drawn = task.space.sample(Key(0, purpose="task kit").generator(), self.runs - 1)
        return [dict(params) for params in (task.space.default_params(), *drawn)]

    def run_once(self, task: Task[Any], params: dict[str, ParamValue], verdict: Verdict = Verdict.GO_ON) -> Outcome:
        """How one run ends, and whether each report gets the same verdict."""
        decision = Decision(verdict, "the kit says so")

        def report(_: Report) -> Decision:
            return decision

        executor = InlineExecutor()
        executor.submit(Job(0, 1, task, params, Key(0, 0, "run"), None, report))
        (ended,) = executor.events(1.0)
        executor.close()
        return ended.outcome

    def test_its_space_survives_json(self) -> None:
        """A study keeps the space as JSON."""
        space = self.make_task().space
        assert space is None or Space.from_json(space.to_json()) == space

    def test_it_tells_what_it_says_it_provides(self) -> None:
        """Every run that ends well carries each promised part; divergence is allowed, exceptions are not."""
        task = self.make_task()
        ended_well = 0
        for params in self.configurations(task):
            outcome = self.run_once(task, params)
            assert outcome.reason in (EndReason.COMPLETED, EndReason.DIVERGED), outcome.text
            if outcome.state is TrialState.COMPLETE:
                ended_well += 1
                missing = [part for info, part in _PARTS.items() if info in task.provides and not _has(outcome, part)]
                assert not missing, f"the task says that it provides {missing}, but told none"
        assert ended_well, "no configuration ran to its end"

    def test_the_same_key_gives_the_same_values(self) -> None:
        """What is random comes from the trial's key, so that a trial can be run again."""
        if not self.repeatable:
            return
        task = self.make_task()
        params = self.configurations(task)[0]
        first, second = self.run_once(task, params), self.run_once(task, params)
        assert first.observation is not None
        assert second.observation is not None
        assert first.observation.values == second.observation.values

    def test_it_travels_to_a_worker(self) -> None:
        """Worker processes get the task by cloudpickle."""
        task = self.make_task()
        copy = cloudpickle.loads(cloudpickle.dumps(task))
        params = self.configurations(task)[0]
        assert self.run_once(copy, params).reason in (EndReason.COMPLETED, EndReason.DIVERGED)

    def test_it_ends_when_it_is_given_up(self) -> None:
        """A task that reports may be stopped: it raises `TrialPruned`, or runs to its end."""
        task = self.make_task()
        outcome = self.run_once(task, self.configurations(task)[0], Verdict.STOP)
        assert outcome.reason in (EndReason.PRUNED, EndReason.COMPLETED), outcome.text


def _has(outcome: Outcome, part: str) -> bool:
    """Whether the outcome's observation carries a part."""
    return outcome.observation is not None and getattr(outcome.observation, part) is not None
