"""What ends a worker process: real processes, real signals."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from multiprocessing.connection import wait

import numpy as np
import psutil
import pytest

from trimtab.base.errors import TrialError
from trimtab.base.outcomes import EndReason, TrialState
from trimtab.base.ports import Context, Executor
from trimtab.base.records import Observation, Params
from trimtab.executors import processes
from trimtab.executors.processes import ProcessExecutor
from trimtab.testing.tasks import job, outcome_of, quadratic, value_of


def pid(params: Params, context: Context) -> Observation:
    return Observation(os.getpid())


def worker_pid(executor: Executor) -> int:
    seen = outcome_of(executor, job(99, pid)).observation
    assert seen is not None
    return int(seen.values["value"])


def killed(params: Params, context: Context) -> Observation:
    context.attribute("reached", "here")
    context.suggested("lr", 0.1, {"kind": "float"})
    print("about to", end="")
    os.kill(os.getpid(), int(params["signal"]))  # type: ignore[arg-type]
    return Observation(0.0)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (signal.SIGKILL, "the worker process died by SIGKILL (signal 9): often the system ran out of memory"),
        (signal.SIGTERM, "the worker process died by SIGTERM (signal 15)"),
        (signal.SIGRTMIN + 1, f"the worker process died by signal {signal.SIGRTMIN + 1}"),
    ],
)
def test_a_worker_that_is_killed_fails_its_trial_and_is_replaced(
    shared: ProcessExecutor, number: int, text: str
) -> None:
    outcome = outcome_of(shared, job(0, killed, {"signal": int(number)}))
    assert (outcome.state, outcome.reason, outcome.error) == (TrialState.FAIL, EndReason.KILLED, None)
    assert outcome.text == text
    assert outcome.output == "about to"
    assert (outcome.attributes, outcome.params) == ({"reached": "here"}, {"lr": 0.1})
    assert outcome.parameters == {"lr": {"kind": "float"}}
    assert outcome.seconds > 0.0
    assert outcome_of(shared, job(1, quadratic, {"x": 1})).state is TrialState.COMPLETE


def crash(params: Params, context: Context) -> Observation:
    ctypes.string_at(0)
    return Observation(0.0)


def test_a_crash_in_native_code_shows_where(shared: ProcessExecutor) -> None:
    outcome = outcome_of(shared, job(0, crash))
    assert outcome.text == (
        "the worker process died by SIGSEGV (signal 11): a crash in native code; the output may show where"
    )
    assert "in crash" in outcome.output


def leave(params: Params, context: Context) -> Observation:
    os._exit(int(params["code"]))  # type: ignore[arg-type]


@pytest.mark.parametrize("code", [0, 7])
def test_os_exit(shared: ProcessExecutor, code: int) -> None:
    outcome = outcome_of(shared, job(0, leave, {"code": code}))
    assert outcome.reason is EndReason.KILLED
    assert outcome.text == f"the worker process ended with exit code {code}, as os._exit does it"


def say_goodbye(params: Params, context: Context) -> Observation:
    sys.exit("goodbye")


def test_sys_exit_is_an_error_of_the_trial_and_spares_the_worker(shared: ProcessExecutor) -> None:
    before = worker_pid(shared)
    outcome = outcome_of(shared, job(0, say_goodbye))
    assert outcome.reason is EndReason.ERROR
    assert isinstance(outcome.error, TrialError)
    assert "the objective called sys.exit('goodbye')" in str(outcome.error)
    assert worker_pid(shared) == before


def close_every_file(params: Params, context: Context) -> Observation:
    os.closerange(3, 100)
    return Observation(0.0)


def test_a_worker_that_lost_its_files_dies_and_says_so(shared: ProcessExecutor) -> None:
    outcome = outcome_of(shared, job(0, close_every_file))
    assert (outcome.reason, "exit code 1" in outcome.text) == (EndReason.KILLED, True)
    assert "OSError: [Errno 9] Bad file descriptor" in outcome.output


def shut_every_socket(params: Params, context: Context) -> Observation:
    for number in range(3, 20):
        with contextlib.suppress(OSError):
            socket.socket(fileno=os.dup(number)).shutdown(socket.SHUT_RDWR)
    time.sleep(60)
    return Observation(0.0)


def test_a_worker_that_cannot_be_heard_any_more_is_killed(
    shared: ProcessExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_LAST_MOMENT", 0.1)
    outcome = outcome_of(shared, job(0, shut_every_socket))
    assert outcome.reason is EndReason.KILLED
    assert outcome.text == "the worker process closed its connection to the study and was killed"


def allocate(params: Params, context: Context) -> Observation:
    used = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (used + 100_000_000, resource.RLIM_INFINITY))
    return Observation(float(np.ones(100_000_000).sum()))


def test_memory_running_out_is_told_and_the_worker_is_replaced(shared: ProcessExecutor) -> None:
    before = worker_pid(shared)
    outcome = outcome_of(shared, job(0, allocate))
    assert (outcome.state, outcome.reason) == (TrialState.FAIL, EndReason.OUT_OF_MEMORY)
    assert isinstance(outcome.error, MemoryError)
    assert worker_pid(shared) != before


def sleep(params: Params, context: Context) -> Observation:
    """Sleeps with a child in another process; prints the child's id."""
    child = subprocess.Popen(["sleep", "60"])
    print(child.pid, flush=True)
    time.sleep(60)
    return Observation(0.0)


def test_a_trial_over_its_time_limit_is_killed_with_its_children(shared: ProcessExecutor) -> None:
    worker = worker_pid(shared)
    outcome = outcome_of(shared, job(0, sleep, timeout=0.5))
    assert (outcome.state, outcome.reason) == (TrialState.FAIL, EndReason.TIMEOUT)
    assert outcome.text == "the trial took longer than its time limit of 0.5 s"
    assert 0.5 <= outcome.seconds < 30.0
    assert_gone(worker, int(outcome.output))


def test_a_trial_within_its_time_limit_is_not_disturbed(shared: ProcessExecutor) -> None:
    assert outcome_of(shared, job(0, quadratic, {"x": 1}, timeout=30.0)).state is TrialState.COMPLETE


def assert_gone(*pids: int, patience: float = 10.0) -> None:
    """Each process has ended (or waits for its parent's parent to collect it)."""
    until = time.monotonic() + patience
    for number in pids:
        while psutil.pid_exists(number) and psutil.Process(number).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < until, f"process {number} is still there"
            time.sleep(0.02)


def kill_idle(executor: Executor) -> None:
    """Kill the worker between two jobs, and wait until its last thread has let go of its files."""
    worker = worker_pid(executor)
    with open(os.pidfd_open(worker), "rb", buffering=0) as death:
        os.kill(worker, signal.SIGKILL)
        assert wait([death], 10.0)


def test_a_worker_that_died_while_it_was_idle_costs_nothing(shared: ProcessExecutor) -> None:
    kill_idle(shared)
    assert outcome_of(shared, job(0, quadratic, {"x": 1})).state is TrialState.COMPLETE


def test_a_worker_whose_output_is_closed_goes_on(shared: ProcessExecutor) -> None:
    def silence(params: Params, context: Context) -> Observation:
        os.close(1)
        os.close(2)
        time.sleep(0.1)
        return Observation(1.0)

    assert value_of(outcome_of(shared, job(0, silence))) == 1.0
    kill_idle(shared)


def ignore_interrupt(params: Params, context: Context) -> Observation:
    os.kill(os.getpid(), signal.SIGINT)
    return Observation(os.getsid(0) == os.getpid() == os.getpgrp())


def test_workers_ignore_ctrl_c_and_have_a_session_of_their_own(shared: ProcessExecutor) -> None:
    assert value_of(outcome_of(shared, job(0, ignore_interrupt))) == 1.0
