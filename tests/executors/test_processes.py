"""Worker processes: the kit, starting, the way of tasks and exceptions, the end."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from trimtab.base.errors import ExecutorError, InvalidArgument, TrialError
from trimtab.base.outcomes import Decision, EndReason, TrialState
from trimtab.base.ports import Context, Executor, Job
from trimtab.base.records import Observation, Params, Report
from trimtab.executors import processes, worker_process
from trimtab.executors.processes import ProcessExecutor
from trimtab.executors.worker_process import worker_environment
from trimtab.testing.executor_kit import ExecutorKit
from trimtab.testing.tasks import finish, go_on, job, learning_curve, outcome_of, quadratic


class TestProcessExecutor(ExecutorKit):
    def make_executor(self, slots: int) -> Executor:
        return ProcessExecutor(slots)


# Starting


def test_no_process_before_the_first_job() -> None:
    before = psutil.Process().children()
    with ProcessExecutor(4):
        assert psutil.Process().children() == before


def test_no_more_workers_than_jobs() -> None:
    before = len(psutil.Process().children())
    with ProcessExecutor(4) as executor:
        executor.submit(job(0, quadratic, {"x": 0}))
        assert len(psutil.Process().children()) == before + 1
        finish(executor, 1)


@pytest.mark.parametrize(
    ("program", "text"),
    [
        ("raise ImportError('no trimtab here')", r"exit code 1, as os._exit does it. It printed:\n.*no trimtab here"),
        ("import os; os.kill(os.getpid(), 9)", r"died by SIGKILL \(signal 9\)"),
    ],
)
def test_workers_that_cannot_start_are_an_error(monkeypatch: pytest.MonkeyPatch, program: str, text: str) -> None:
    monkeypatch.setattr(worker_process, "_interpreter", lambda: [sys.executable, "-c", program])
    with ProcessExecutor(1) as executor:
        executor.submit(job(0, quadratic, {"x": 0}))
        with pytest.raises(
            ExecutorError, match=f"(?s)worker processes cannot be started: .*{text}.* Next: see whether"
        ):
            finish(executor, 1)


@pytest.mark.parametrize("slots", [0, -3])
def test_impossible_arguments_are_refused(slots: int) -> None:
    with pytest.raises(InvalidArgument, match=f"needs slots >= 1 and grace >= 0; got 'slots={slots}, grace=2.0'"):
        ProcessExecutor(slots)


def test_threads_get_a_fair_share_of_the_cores() -> None:
    made = worker_environment({"MKL_NUM_THREADS": "5", "HOME": "/h"}, slots=3, cores=8)
    assert (made["OMP_NUM_THREADS"], made["OPENBLAS_NUM_THREADS"]) == ("2", "2")
    assert (made["MKL_NUM_THREADS"], made["HOME"]) == ("5", "/h")
    assert worker_environment({}, slots=9, cores=2)["OMP_NUM_THREADS"] == "1"
    assert worker_environment({"OMP_NUM_THREADS": "4"}, slots=9, cores=2)["OPENBLAS_NUM_THREADS"] == "4"


def surroundings(params: Params, context: Context) -> Observation:
    context.attribute("path", sys.path)
    context.attribute("argv", sys.argv)
    context.attribute("cwd", os.getcwd())
    context.attribute("environment", {name: os.environ.get(name) for name in ("PYTHONPATH", "MINE", "OMP_NUM_THREADS")})
    return Observation(0.0)


def test_path_arguments_directory_and_environment_are_passed_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MINE", "yes")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with ProcessExecutor(1) as executor:
        seen = outcome_of(executor, job(0, surroundings)).attributes
    assert seen["path"] == sys.path
    assert seen["argv"] == sys.argv
    assert seen["cwd"] == os.getcwd()
    assert seen["environment"] == {"PYTHONPATH": "/nowhere", "MINE": "yes", "OMP_NUM_THREADS": "3"}


# The task's way


def test_a_big_task_and_a_big_result_travel_once_and_whole(shared: ProcessExecutor) -> None:
    big = np.random.default_rng(0).random(6_500_000)
    calls: list[int] = []

    def objective(params: Params, context: Context) -> Observation:
        calls.append(1)
        return Observation(float(big.sum()), losses=big[:5000], cost=len(calls))

    first = job(0, objective)
    outcomes = [outcome_of(shared, Job(n, 1, first.task, {}, first.key, None, go_on)).observation for n in range(3)]
    assert [seen.cost for seen in outcomes if seen is not None] == [1.0, 2.0, 3.0]
    assert outcomes[0] == Observation(float(big.sum()), losses=big[:5000], cost=1)


def test_a_task_that_cannot_be_pickled_is_refused_by_submit(shared: ProcessExecutor) -> None:
    handle = sys._getframe()
    with pytest.raises(InvalidArgument, match=r"variable 'handle' of .* cannot be pickled .*n_jobs=1"):
        shared.submit(job(0, lambda params, context: Observation(handle is None)))
    assert outcome_of(shared, job(1, quadratic, {"x": 1})).state is TrialState.COMPLETE


class Stubborn:
    """Pickles, and cannot be read back."""

    def __reduce__(self) -> Any:
        return int, ("not a number",)


def test_a_task_that_cannot_be_loaded_fails_its_trial(shared: ProcessExecutor) -> None:
    stubborn = Stubborn()
    outcome = outcome_of(shared, job(0, lambda params, context: Observation(stubborn is None)))
    assert outcome.reason is EndReason.ERROR
    assert "invalid literal for int()" in outcome.text
    assert "The task could not be loaded in the worker process." in outcome.text


class Slow:
    """Takes a minute to be read back."""

    def __reduce__(self) -> Any:
        return time.sleep, (60,)


def test_loading_has_a_time_limit_of_its_own(shared: ProcessExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_LOADING_LIMIT", 0.3)
    slow = Slow()
    outcome = outcome_of(shared, job(0, lambda params, context: Observation(slow is None), timeout=0.1))
    assert outcome.reason is EndReason.TIMEOUT
    assert outcome.text == "the worker process did not come to the end of loading the objective"


class MineError(Exception):
    """Made with more than its message, so that plain pickling fails to make it again."""

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(f"code {code}: {detail}")
        self.code = code


def fail_oddly(params: Params, context: Context) -> Observation:
    raise MineError(3, "odd")


def fail_with_a_frame(params: Params, context: Context) -> Observation:
    raise ValueError("has a frame", sys._getframe())


@pytest.mark.parametrize(("function", "text"), [(fail_oddly, "code 3: odd"), (fail_with_a_frame, "has a frame")])
def test_an_exception_that_cannot_travel_becomes_its_text(shared: ProcessExecutor, function: Any, text: str) -> None:
    outcome = outcome_of(shared, job(0, function))
    assert outcome.reason is EndReason.ERROR
    assert type(outcome.error) is TrialError
    assert text in str(outcome.error)
    assert str(outcome.error) == outcome.text


class PlainError(Exception):
    pass


def fail_plainly(params: Params, context: Context) -> Observation:
    raise PlainError("as such")


def test_an_exception_comes_back_as_its_own_class_with_the_workers_traceback(shared: ProcessExecutor) -> None:
    outcome = outcome_of(shared, job(0, fail_plainly))
    assert type(outcome.error) is PlainError
    (note,) = outcome.error.__notes__
    assert note.startswith("In the worker process:\nTraceback")
    assert "in fail_plainly" in note


# Two at once, and the end


def leave(params: Params, context: Context) -> Observation:
    os._exit(3)


def sleep(params: Params, context: Context) -> Observation:
    time.sleep(60)
    return Observation(0.0)


def test_nothing_is_left_behind() -> None:
    this = psutil.Process()
    files, children = this.num_fds(), this.children(recursive=True)
    with ProcessExecutor(2) as executor:
        for number in range(2):
            executor.submit(job(number, quadratic, {"x": 0}))
        executor.submit(job(2, leave))
        executor.submit(job(3, sleep, timeout=0.2))
        finish(executor, 4)
        executor.submit(job(4, sleep))
        executor.submit(job(5, quadratic, {"x": 0}))
        assert [event.number for event in finish(executor, 1)] == [5]
    executor.close()
    assert (this.num_fds(), this.children(recursive=True)) == (files, children)


def test_a_closed_executor_takes_no_jobs() -> None:
    executor = ProcessExecutor(1)
    executor.close()
    with pytest.raises(InvalidArgument, match=r"this executor is closed\. Next: make a new one"):
        executor.submit(job(0, quadratic, {"x": 0}))
    assert executor.events(0.0) == []


def test_an_idle_worker_may_say_goodbye(tmp_path: Path) -> None:
    mark = tmp_path / "goodbye"

    def register(params: Params, context: Context) -> Observation:
        import atexit

        atexit.register(mark.touch)
        return Observation(0.0)

    with ProcessExecutor(1) as executor:
        outcome_of(executor, job(0, register))
    assert mark.exists()


def test_two_workers_work_at_the_same_time(pair: ProcessExecutor, tmp_path: Path) -> None:
    def meet(params: Params, context: Context) -> Observation:
        """Ends only when the other trial has begun, too."""
        (tmp_path / str(context.number)).touch()
        while len(list(tmp_path.iterdir())) < 2:
            time.sleep(0.01)
        return Observation(0.0)

    for number in range(2):
        pair.submit(job(number, meet, timeout=30.0))
    assert all(event.outcome.state is TrialState.COMPLETE for event in finish(pair, 2))


def test_learning_curves_of_two_workers_do_not_mix(pair: ProcessExecutor) -> None:
    seen: dict[int, list[float]] = {0: [], 1: []}

    def listen(number: int) -> Any:
        def report(point: Report) -> Decision:
            seen[number].append(point.metrics["value"])
            return go_on(point)

        return report

    for number in seen:
        pair.submit(job(number, learning_curve, {"x": 100 * number, "steps": 40}, report=listen(number)))
    finish(pair, 2)
    assert seen == {number: [100 * number + 1.0 / step for step in range(1, 41)] for number in seen}
