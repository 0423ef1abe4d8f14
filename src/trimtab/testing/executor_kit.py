"""The conformance kit for executors: an executor is done when these tests pass.

from trimtab.testing.executor_kit import ExecutorKit

class TestMine(ExecutorKit):
    def make_executor(self, slots):
        return MyExecutor(slots)
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence

import pytest

from trimtab.base.outcomes import Decision, EndReason, TrialState, Verdict
from trimtab.base.ports import Executor, Job
from trimtab.base.records import Outcome, Report
from trimtab.testing.tasks import (
    diverging,
    finish,
    go_on,
    job,
    learning_curve,
    noting,
    quadratic,
    raising,
    random_value,
    value_of,
    without_observation,
)

__all__ = ["ExecutorKit"]


class ExecutorKit(ABC):
    """What every executor must do. Inherit, name the class Test..., and say how to make one."""

    @abstractmethod
    def make_executor(self, slots: int) -> Executor:
        """A new executor with `slots` slots, or with fewer where it cannot have so many."""

    @contextlib.contextmanager
    def executor(self, slots: int = 2) -> Iterator[Executor]:
        """A new executor, closed at the end of the block."""
        executor = self.make_executor(slots)
        try:
            yield executor
        finally:
            executor.close()

    def run(self, jobs: Sequence[Job], slots: int = 2) -> dict[int, Outcome]:
        """The outcomes of jobs by number; each must be told once, and then nothing more."""
        with self.executor(slots) as executor:
            for each in jobs:
                executor.submit(each)
            ended = finish(executor, len(jobs))
            assert executor.events(0.0) == []
        assert sorted(event.number for event in ended) == sorted(each.number for each in jobs)
        return {event.number: event.outcome for event in ended}

    def test_it_has_at_least_one_slot(self) -> None:
        """`slots` is a whole number."""
        with self.executor(1) as executor:
            assert executor.slots == 1

    def test_nothing_ends_where_nothing_runs(self) -> None:
        """`events` of an executor without jobs is empty."""
        with self.executor() as executor:
            assert executor.events(0.0) == []

    def test_a_job_tells_its_observation(self) -> None:
        """COMPLETE, with the observation and the time it took."""
        outcome = self.run([job(7, quadratic, {"x": 3.0, "cost": 2.0})])[7]
        assert (outcome.state, outcome.reason) == (TrialState.COMPLETE, EndReason.COMPLETED)
        assert outcome.observation is not None
        assert dict(outcome.observation.values) == {"value": 4.0}
        assert outcome.observation.cost == 2.0
        assert outcome.seconds >= 0.0
        assert (outcome.params, outcome.error, outcome.text) == (None, None, "")

    def test_many_more_jobs_than_slots_are_each_told_once(self) -> None:
        """Jobs wait for a slot; none is lost, none is told twice."""
        outcomes = self.run([job(number, quadratic, {"x": float(number)}) for number in range(30)])
        assert [value_of(outcomes[number]) for number in range(30)] == [(number - 1.0) ** 2 for number in range(30)]

    def test_one_slot_keeps_the_order(self) -> None:
        """With one slot, jobs end in the order in which they were submitted."""
        with self.executor(1) as executor:
            for number in (4, 2, 9, 0):
                executor.submit(job(number, quadratic, {"x": 0.0}))
            assert [event.number for event in finish(executor, 4)] == [4, 2, 9, 0]

    def test_number_and_key_reach_the_task(self) -> None:
        """A trial's random numbers depend on its key alone, wherever it runs."""
        jobs = [job(number, random_value) for number in range(5)]
        outcomes = self.run(jobs)
        expected = [each.number + each.key.generator().random() for each in jobs]
        assert [value_of(outcomes[number]) for number in range(5)] == expected

    def test_notes_come_back(self) -> None:
        """Attributes, and what a define-by-run objective asked for with its declarations."""
        outcome = self.run([job(0, noting)])[0]
        assert outcome.params == {"asked": 0.5}
        assert outcome.parameters == {"asked": {"kind": "float", "low": 0, "high": 1}}
        assert outcome.attributes == {"mood": ["fine", {"really": True}]}

    def test_an_exception_fails_its_trial_alone(self) -> None:
        """FAIL with type and text; jobs before and after it are untouched."""
        outcomes = self.run([job(0, quadratic, {"x": 1}), job(1, raising, {"x": 5}), job(2, quadratic, {"x": 1})], 1)
        assert [outcomes[number].state for number in range(3)] == [2, 4, 2]
        outcome = outcomes[1]
        assert (outcome.reason, outcome.observation) == (EndReason.ERROR, None)
        assert isinstance(outcome.error, ValueError)
        assert str(outcome.error) == "no good at x = 5"
        assert "ValueError: no good at x = 5" in outcome.text
        assert "in raising" in outcome.text

    def test_nan_is_divergence_and_is_kept(self) -> None:
        """FAIL with DIVERGED and the observation."""
        outcome = self.run([job(0, diverging)])[0]
        assert (outcome.state, outcome.reason) == (TrialState.FAIL, EndReason.DIVERGED)
        assert math.isnan(value_of(outcome))

    def test_something_that_is_no_observation_is_invalid(self) -> None:
        """FAIL with INVALID and a text that says what came."""
        outcome = self.run([job(0, without_observation)])[0]
        assert (outcome.state, outcome.reason) == (TrialState.FAIL, EndReason.INVALID)
        assert "must return an Observation; got 'nothing'" in outcome.text

    def test_reports_arrive_in_order_in_the_calling_thread(self) -> None:
        """`job.report` is called inside `events`, with the steps as they were reported."""
        seen: list[Report] = []
        places: set[tuple[int, int]] = set()

        def report(point: Report) -> Decision:
            seen.append(point)
            places.add((os.getpid(), threading.get_ident()))
            return go_on(point)

        outcome = self.run([job(0, learning_curve, {"x": 2.0, "steps": 5}, report=report)])[0]
        assert [(point.step, dict(point.metrics)) for point in seen] == [
            (k, {"value": 2.0 + 1 / k}) for k in range(1, 6)
        ]
        assert places == {(os.getpid(), threading.get_ident())}
        assert [point.time for point in seen] == sorted(point.time for point in seen)
        assert outcome.state is TrialState.COMPLETE

    @pytest.mark.parametrize("verdict", [Verdict.STOP, Verdict.PAUSE])
    def test_a_decision_ends_the_trial_at_its_report(self, verdict: Verdict) -> None:
        """PRUNED, without an observation, before the next report."""
        seen: list[float] = []

        def report(point: Report) -> Decision:
            seen.append(point.step)
            return Decision(verdict, "enough") if point.step == 3 else go_on(point)

        outcome = self.run([job(0, learning_curve, {"x": 2.0, "steps": 50}, report=report)])[0]
        assert (outcome.state, outcome.reason) == (TrialState.PRUNED, EndReason.PRUNED)
        assert outcome.observation is None
        assert seen == [1, 2, 3]

    def test_each_trial_has_its_own_decisions(self) -> None:
        """What is decided on one trial does not touch the others."""

        def stop_at(step: int) -> Callable[[Report], Decision]:
            return lambda point: Decision(Verdict.STOP if point.step == step else Verdict.GO_ON, "by plan")

        jobs = [job(n, learning_curve, {"x": 0.0, "steps": 6}, report=stop_at(5 if n % 2 else 99)) for n in range(6)]
        outcomes = self.run(jobs)
        assert [outcomes[n].state.name for n in range(6)] == ["COMPLETE", "PRUNED"] * 3

    def test_a_waiting_job_can_be_cancelled(self) -> None:
        """It is told as CANCELLED and never runs; the others do."""
        with self.executor(1) as executor:
            for number in range(3):
                executor.submit(job(number, quadratic, {"x": 0.0}))
            executor.cancel(2)
            outcomes = {event.number: event.outcome for event in finish(executor, 3)}
        assert [outcomes[number].state.name for number in range(3)] == ["COMPLETE", "COMPLETE", "FAIL"]
        assert outcomes[2].reason is EndReason.CANCELLED

    def test_a_running_job_can_be_cancelled(self) -> None:
        """Its next `should_prune` is true; it is told as CANCELLED, not as pruned."""
        with self.executor(1) as executor:

            def report(point: Report) -> Decision:
                if point.step == 2:
                    executor.cancel(0)
                return go_on(point)

            executor.submit(job(0, learning_curve, {"x": 0.0, "steps": 50}, report=report))
            executor.submit(job(1, quadratic, {"x": 0.0}))
            outcomes = {event.number: event.outcome for event in finish(executor, 2)}
        assert (outcomes[0].state, outcomes[0].reason) == (TrialState.FAIL, EndReason.CANCELLED)
        assert outcomes[1].state is TrialState.COMPLETE

    def test_cancelling_what_is_not_there_does_nothing(self) -> None:
        """Neither an unknown number nor an ended job."""
        with self.executor() as executor:
            executor.cancel(3)
            executor.submit(job(0, quadratic, {"x": 0.0}))
            finish(executor, 1)
            executor.cancel(0)
            assert executor.events(0.0) == []

    def test_an_exception_of_the_loop_passes_through(self) -> None:
        """What `job.report` raises is raised by `events`; every job is still told once."""

        def report(point: Report) -> Decision:
            if point.step == 1:
                raise LookupError("the storage is full")
            return go_on(point)

        with self.executor(1) as executor:
            executor.submit(job(0, learning_curve, {"x": 0.0, "steps": 2}, report=report))
            executor.submit(job(1, quadratic, {"x": 0.0}))
            with pytest.raises(LookupError, match="the storage is full"):
                finish(executor, 2)
            assert sorted(event.number for event in finish(executor, 2)) == [0, 1]

    def test_close_may_come_twice_and_at_any_time(self) -> None:
        """Before the first job, and while jobs wait and run."""
        with self.executor() as executor:
            executor.close()
        with self.executor() as executor:
            for number in range(5):
                executor.submit(job(number, learning_curve, {"x": 0.0, "steps": 5}))
            executor.events(0.0)
            executor.close()
            executor.close()
