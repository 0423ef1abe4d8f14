"""A run that is ended by a signal: what is kept, what is said, and how it goes on."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from trimtab.api import load_study
from trimtab.base.outcomes import EndReason, TrialState
from trimtab.cli.signals import interruptible

URL = "sqlite:///trimtab.db"
SLOW = """\
import os, time
def objective(trial):
    x = trial.suggest_float("x", 0, 1)
    for step in range({steps}):
        time.sleep(0.05)
        trial.report(x, step=step)
    return x
"""
Start = Callable[..., "subprocess.Popen[str]"]


def wait_for(running: subprocess.Popen[str], text: str) -> str:
    """Read lines up to one that holds the text; gives all of them."""
    assert running.stdout is not None
    lines = []
    for line in running.stdout:
        lines.append(line)
        if text in line:
            return "".join(lines)
    raise AssertionError("".join(lines))


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_a_run_cleanly(
    program: Start, file: Callable[..., Path], number: signal.Signals, status: int
) -> None:
    file(SLOW.format(steps=4))
    words = ("run", "mine.py", "--n-trials", "40", "--tuner", "random")
    running = program(*words)
    wait_for(running, "2 of 40")
    running.send_signal(number)
    out, err = running.communicate()
    assert (running.returncode, err) == (status, "")
    done = re.search(
        r"^interrupted; stored in study 'mine': (\d+) finished trials; nothing told is lost$", out, re.MULTILINE
    )
    assert done is not None
    assert out.endswith(f"\ngo on: {Path(sys.executable).name} -m trimtab {' '.join(words)}\n")
    study = load_study("mine", URL)
    ended = [trial for trial in study.trials if trial.state is TrialState.COMPLETE]
    assert len(ended) == int(done[1])
    assert not [trial for trial in study.trials if trial.state is TrialState.RUNNING]


def test_an_interrupted_run_goes_on_where_it_was(program: Start, file: Callable[..., Path]) -> None:
    file(SLOW.format(steps="4 if trial.number < 2 or os.path.exists('quick') else 2000"))
    words = ("run", "mine.py", "--n-trials", "4", "--n-jobs", "2", "--tuner", "random")
    running = program(*words)
    wait_for(running, "2 of 4")
    running.send_signal(signal.SIGINT)
    running.communicate()
    assert running.returncode == 130
    cut_off = [trial.number for trial in load_study("mine", URL).trials if trial.reason is EndReason.CANCELLED]
    assert cut_off
    file("", "quick")
    again = program(*words)
    out, err = again.communicate()
    assert (again.returncode, err) == (0, "")
    assert "4 of 4" in out
    assert "1 of 4" not in out
    trials = load_study("mine", URL).trials
    assert sum(trial.state is TrialState.COMPLETE for trial in trials) == 4
    assert {trial.retry_of for trial in trials} - {None} == set(cut_off), "what was cut off was run again"


def test_a_reader_that_has_had_enough_is_no_error(program: Start, file: Callable[..., Path]) -> None:
    file(SLOW.format(steps=1))
    running = program("run", "mine.py", "--n-trials", "500", "--tuner", "random")
    wait_for(running, "1 of 500")
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdout.close()
    assert running.stderr.read() == ""
    running.stderr.close()
    running.wait()
    assert running.returncode != 0
    assert not [trial for trial in load_study("mine", URL).trials if trial.state is TrialState.RUNNING]


@pytest.fixture
def own_handlers() -> Iterator[None]:
    """Python's own handlers, whatever the tests run under; the others are put back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("own_handlers")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_every_signal_is_an_interrupt_that_is_remembered(number: signal.Signals, status: int) -> None:
    with interruptible() as ending:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        assert ending.status == status
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("own_handlers")
def test_where_the_loop_has_taken_ctrl_c_over_the_others_go_the_same_way() -> None:
    deferred = []
    with interruptible() as ending:
        signal.signal(signal.SIGINT, lambda number, frame: deferred.append(number))
        signal.raise_signal(signal.SIGTERM)
        assert deferred == [signal.SIGINT]
        assert ending.status == 143


@pytest.mark.usefixtures("own_handlers")
def test_an_ignored_ctrl_c_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interruptible() as ending:
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        assert ending.status == 143
