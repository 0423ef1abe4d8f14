from __future__ import annotations

import pytest

from trimtab.base.outcomes import EndReason
from trimtab.base.ports import Context, Executor
from trimtab.base.records import Observation, Params
from trimtab.executors import InlineExecutor
from trimtab.testing.executor_kit import ExecutorKit
from trimtab.testing.tasks import finish, job, quadratic


class TestInlineExecutor(ExecutorKit):
    def make_executor(self, slots: int) -> Executor:
        return InlineExecutor()


def interrupted(params: Params, context: Context) -> Observation:
    context.attribute("reached", "half")
    raise KeyboardInterrupt


def test_an_interrupt_passes_out_of_events_and_the_job_is_told_as_cancelled() -> None:
    with InlineExecutor() as executor:
        executor.submit(job(0, interrupted))
        executor.submit(job(1, quadratic, {"x": 0}))
        with pytest.raises(KeyboardInterrupt):
            executor.events(1.0)
        executor.cancel(0)
        executor.cancel(1)
        ended = finish(executor, 2)
    assert [(event.number, event.outcome.reason) for event in ended] == [
        (0, EndReason.CANCELLED),
        (1, EndReason.CANCELLED),
    ]
    assert ended[0].outcome.attributes == {"reached": "half"}


def test_the_time_limit_cannot_be_enforced_and_the_trial_is_told_as_it_ended() -> None:
    with InlineExecutor() as executor:
        executor.submit(job(0, quadratic, {"x": 0}, timeout=0.0))
        assert executor.events(0.0)[0].outcome.reason is EndReason.COMPLETED


def test_the_objective_runs_in_the_calling_thread_without_any_copy() -> None:
    seen: list[Params] = []

    def remember(params: Params, context: Context) -> Observation:
        seen.append(params)
        return Observation(0.0)

    given = job(0, remember, {"x": 1})
    with InlineExecutor() as executor:
        executor.submit(given)
        finish(executor, 1)
    assert seen[0] is given.params
