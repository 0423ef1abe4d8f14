"""What a worker process prints, reports and is told; interrupts while it speaks."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from types import FrameType
from typing import Any

import pytest

from trimtab.base.errors import TrialPruned
from trimtab.base.outcomes import Decision, EndReason, TrialState, Verdict
from trimtab.base.ports import Context
from trimtab.base.records import Observation, Params, Report
from trimtab.executors.processes import ProcessExecutor
from trimtab.executors.worker_process import WorkerProcess
from trimtab.testing.tasks import finish, go_on, job, outcome_of, quadratic, value_of

# Output


def talk(params: Params, context: Context) -> Observation:
    print("print é", end=" ")
    os.write(1, b"descriptor ")
    sys.stderr.write("stderr ")
    ctypes.CDLL(None).printf(b"printf ")
    ctypes.CDLL(None).fflush(None)
    subprocess.run(["echo", "subprocess"], check=True)
    ctypes.CDLL(None).printf(b"buffered")
    return Observation(0.0)


def test_everything_that_is_written_is_kept_in_order(shared: ProcessExecutor) -> None:
    outcome = outcome_of(shared, job(0, talk))
    assert outcome.output == "print é descriptor stderr printf subprocess\nbuffered"
    assert outcome_of(shared, job(1, quadratic, {"x": 1})).output == ""


def chatter(params: Params, context: Context) -> Observation:
    for line in range(50_000):
        print(line)
    return Observation(0.0)


def test_a_flood_of_output_is_bounded_and_blocks_nobody(shared: ProcessExecutor) -> None:
    outcome = outcome_of(shared, job(0, chatter))
    assert outcome.output.startswith("... (only the last 16384 bytes were kept) ...\n")
    assert outcome.output.endswith("49998\n49999\n")
    assert len(outcome.output) < 17_000


# Reports and cancellation


def report_and_ask(params: Params, context: Context) -> Observation:
    answers = [context.should_prune()]
    for step in range(4):
        context.report(step, {"loss": 1.0})
        answers.append(context.should_prune())
    return Observation(sum(2.0**place for place, answer in enumerate(answers) if answer))


def test_the_answer_is_the_decision_on_the_last_report(shared: ProcessExecutor) -> None:
    def report(point: Report) -> Decision:
        return Decision(Verdict.STOP if point.step in (1, 3) else Verdict.GO_ON, "odd steps are bad")

    assert value_of(outcome_of(shared, job(0, report_and_ask, report=report))) == 2.0**2 + 2.0**4


def test_a_flood_of_reports_is_answered_in_the_end(shared: ProcessExecutor) -> None:
    def flood(params: Params, context: Context) -> Observation:
        for step in range(3000):
            context.report(step, {"loss": 1.0})
        if context.should_prune():
            raise TrialPruned
        return Observation(0.0)

    def report(point: Report) -> Decision:
        return Decision(Verdict.STOP if point.step == 2999 else Verdict.GO_ON, "the last one is bad")

    assert outcome_of(shared, job(0, flood, report=report)).state is TrialState.PRUNED


def deaf(params: Params, context: Context) -> Observation:
    context.report(0, {"loss": 1.0})
    time.sleep(60)
    return Observation(0.0)


def test_a_cancelled_job_that_does_not_stop_is_killed(shared: ProcessExecutor) -> None:
    def report(point: Report) -> Decision:
        shared.cancel(0)
        return go_on(point)

    outcome = outcome_of(shared, job(0, deaf, report=report))
    assert (outcome.reason, outcome.text) == (EndReason.CANCELLED, "the trial was cancelled while it ran")
    assert 0.2 <= outcome.seconds < 30.0


def test_a_result_that_comes_in_the_grace_period_is_kept(
    shared: ProcessExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "_grace", 30.0)

    def finishes(params: Params, context: Context) -> Observation:
        context.report(0, {"loss": 1.0})
        return Observation(float(context.should_prune()))

    def report(point: Report) -> Decision:
        shared.cancel(0)
        return go_on(point)

    assert value_of(outcome_of(shared, job(0, finishes, report=report))) == 1.0


# Interrupts


def test_an_interrupt_passes_out_of_events_and_jobs_can_be_cancelled(shared: ProcessExecutor) -> None:
    def strike(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, strike)
    try:
        shared.submit(job(0, deaf))
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(KeyboardInterrupt):
            finish(shared, 1)
    finally:
        signal.signal(signal.SIGALRM, before)
    shared.cancel(0)
    assert finish(shared, 1)[0].outcome.reason is EndReason.CANCELLED
    assert outcome_of(shared, job(1, quadratic, {"x": 1})).state is TrialState.COMPLETE


def test_an_interrupt_in_the_middle_of_a_message_costs_one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    original = WorkerProcess.receive
    strikes = [True]

    def torn(worker: WorkerProcess) -> Any:
        message = original(worker)
        if worker.run is not None and strikes:
            strikes.pop()
            raise KeyboardInterrupt
        return message

    monkeypatch.setattr(WorkerProcess, "receive", torn)
    with ProcessExecutor(1) as executor:
        executor.submit(job(0, quadratic, {"x": 1}))
        with pytest.raises(KeyboardInterrupt):
            finish(executor, 1)
        (event,) = finish(executor, 1)
        assert event.outcome.reason is EndReason.CANCELLED
        assert event.outcome.text == "an interrupt struck while the worker spoke with the study"
        assert outcome_of(executor, job(1, quadratic, {"x": 1})).state is TrialState.COMPLETE
