from __future__ import annotations

import heapq
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.base.clock import SimulatedClock
from trimtab.base.errors import InvalidArgument
from trimtab.base.outcomes import Decision, EndReason, TrialState, Verdict
from trimtab.base.ports import Executor
from trimtab.base.records import Outcome, Params, Report
from trimtab.executors import SimulatedExecutor
from trimtab.testing.executor_kit import ExecutorKit
from trimtab.testing.tasks import finish, go_on, job, learning_curve, quadratic, raising

DAY = 86_400.0


class TestSimulatedExecutor(ExecutorKit):
    def make_executor(self, slots: int) -> Executor:
        return SimulatedExecutor(slots, SimulatedClock())


def schedule(costs: list[float], slots: int) -> list[tuple[float, int]]:
    """(end, number) of jobs taken in order by whichever of `slots` machines is free first: the slow twin."""
    free = [0.0] * slots
    ends = []
    for number, cost in enumerate(costs):
        start = heapq.heappop(free)
        heapq.heappush(free, start + cost)
        ends.append((start + cost, number))
    return sorted(ends)


@given(st.lists(st.integers(0, 20).map(float), max_size=12), st.integers(1, 4))
def test_jobs_end_when_a_list_schedule_says(costs: list[float], slots: int) -> None:
    clock = SimulatedClock()
    told = []
    with SimulatedExecutor(slots, clock) as executor:
        for number, cost in enumerate(costs):
            executor.submit(job(number, quadratic, {"x": 0, "cost": cost}))
        while len(told) < len(costs):
            told.extend((clock.now(), event.number) for event in executor.events(1e9))
    expected = schedule(costs, slots)
    assert [moment for moment, _ in told] == [moment for moment, _ in expected]
    assert sorted(told) == expected


def test_days_pass_at_once() -> None:
    clock = SimulatedClock(1000.0)
    with SimulatedExecutor(1, clock, lambda params, outcome: 2 * DAY) as executor:
        executor.submit(job(0, quadratic, {"x": 0}))
        (event,) = executor.events(3 * DAY)
    assert clock.now() == 1000.0 + 2 * DAY
    assert event.outcome.seconds == 2 * DAY


def test_events_wait_in_simulated_time() -> None:
    clock = SimulatedClock()
    with SimulatedExecutor(1, clock) as executor:
        executor.submit(job(0, quadratic, {"x": 0, "cost": 10.0}))
        assert (executor.events(4.0), clock.now()) == ([], 4.0)
        assert (executor.events(4.0), clock.now()) == ([], 8.0)
        assert [event.number for event in executor.events(4.0)] == [0]
        assert clock.now() == 10.0


def test_a_later_job_starts_at_the_present_moment() -> None:
    clock = SimulatedClock()
    with SimulatedExecutor(2, clock) as executor:
        executor.submit(job(0, quadratic, {"x": 0, "cost": 10.0}))
        executor.events(7.0)
        executor.submit(job(1, quadratic, {"x": 0, "cost": 2.0}))
        told = [(event.number, clock.now()) for _ in range(2) for event in executor.events(99.0)]
    assert told == [(1, 9.0), (0, 10.0)]


def test_reports_of_concurrent_trials_arrive_in_the_order_of_their_times() -> None:
    clock = SimulatedClock()
    seen: list[tuple[int, float, float, float]] = []

    def listen(number: int) -> Any:
        def report(point: Report) -> Decision:
            seen.append((number, point.step, point.time, clock.now()))
            return go_on(point)

        return report

    def slow_first(params: Params, outcome: Outcome) -> float:
        return 30.0 if params["x"] == 0 else 12.0

    with SimulatedExecutor(2, clock, slow_first) as executor:
        for number in range(2):
            executor.submit(job(number, learning_curve, {"x": number, "steps": 3}, report=listen(number)))
        finish(executor, 2)
    assert [row[:3] for row in seen] == [
        (1, 1, 4.0),
        (1, 2, 8.0),
        (0, 1, 10.0),
        (1, 3, 12.0),
        (0, 2, 20.0),
        (0, 3, 30.0),
    ]
    assert all(stamped == now for _, _, stamped, now in seen)


def test_a_pruned_trial_frees_its_slot_at_the_report() -> None:
    clock = SimulatedClock()

    def report(point: Report) -> Decision:
        return Decision(Verdict.STOP if point.step == 2 else Verdict.GO_ON, "worse than the median")

    with SimulatedExecutor(1, clock) as executor:
        executor.submit(job(0, learning_curve, {"x": 0, "steps": 10}, report=report))
        executor.submit(job(1, quadratic, {"x": 0, "cost": 5.0}))
        first = executor.events(99.0)[0].outcome
        assert (first.state, first.seconds, first.text) == (TrialState.PRUNED, 2.0, "worse than the median")
        assert clock.now() == 2.0
        executor.events(99.0)
        assert clock.now() == 7.0


def test_a_time_limit_cuts_the_record_off() -> None:
    clock = SimulatedClock()
    steps: list[float] = []

    def report(point: Report) -> Decision:
        steps.append(point.step)
        return go_on(point)

    with SimulatedExecutor(1, clock) as executor:
        executor.submit(job(0, learning_curve, {"x": 0, "steps": 10}, report=report, timeout=3.5))
        outcome = finish(executor, 1)[0].outcome
    assert (outcome.reason, outcome.seconds, outcome.observation) == (EndReason.TIMEOUT, 3.5, None)
    assert outcome.text == "the trial took longer than its time limit of 3.5 s"
    assert (steps, clock.now()) == ([1, 2, 3], 3.5)


def test_a_failure_without_a_cost_takes_one_second() -> None:
    clock = SimulatedClock()
    with SimulatedExecutor(1, clock) as executor:
        executor.submit(job(0, raising, {"x": 0}))
        finish(executor, 1)
    assert clock.now() == 1.0


@pytest.mark.parametrize("length", [-1.0, float("inf"), float("nan")])
def test_an_impossible_duration_is_refused(length: float) -> None:
    with SimulatedExecutor(1, SimulatedClock(), lambda params, outcome: length) as executor:
        executor.submit(job(3, quadratic, {"x": 0}))
        with pytest.raises(InvalidArgument, match=f"duration of trial 3 must be finite and >= 0; got {length}"):
            executor.events(1.0)


def test_an_executor_without_slots_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="at least one slot; got 0"):
        SimulatedExecutor(0, SimulatedClock())


def test_two_runs_tell_the_same_story() -> None:
    def story() -> list[tuple[float, int, str]]:
        clock = SimulatedClock()
        lines: list[tuple[float, int, str]] = []
        with SimulatedExecutor(3, clock) as executor:
            for number in range(12):
                executor.submit(job(number, learning_curve, {"x": number, "steps": 1 + number * 7 % 5}))
            while len(lines) < 12:
                lines.extend((clock.now(), event.number, event.outcome.state.name) for event in executor.events(1.0))
        return lines

    assert story() == story()
