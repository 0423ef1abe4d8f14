"""Whole programs that use worker processes: scripts without a guard, notebooks, and programs that are killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

HEAD = """
import ctypes, importlib.util, linecache, os, subprocess, sys, time
from pathlib import Path
from trimtab.base.records import Observation
from trimtab.executors.processes import ProcessExecutor
from trimtab.testing.tasks import finish, job
"""


def write(folder: Path, code: str, name: str = "script.py") -> Path:
    script = folder / name
    script.write_text(HEAD + textwrap.dedent(code))
    return script


def output_of(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run([sys.executable, *command], cwd=cwd, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_script_without_a_main_guard(tmp_path: Path) -> None:
    script = write(
        tmp_path,
        """
        print("this line runs once")
        FACTOR = 2.0

        class Bad(Exception):
            pass

        def helper(x):
            return FACTOR * x

        def objective(params, context):
            if params["x"] == 3:
                raise Bad("three")
            return Observation(helper(params["x"]))

        with ProcessExecutor(2) as executor:
            for number in range(4):
                executor.submit(job(number, objective, {"x": number}))
            ended = sorted(finish(executor, 4), key=lambda event: event.number)
        print([event.outcome.observation.values["value"] for event in ended[:3]])
        print(type(ended[3].outcome.error) is Bad, 'raise Bad("three")' in ended[3].outcome.text)
        """,
    )
    assert output_of(script, cwd=tmp_path) == "this line runs once\n[0.0, 2.0, 4.0]\nTrue True\n"


def test_cells_of_a_notebook(tmp_path: Path) -> None:
    script = write(
        tmp_path,
        """
        import __main__
        cells = [
            "scale = 5.0",
            "def objective(params, context):\\n    return Observation(scale * params['x'])",
            "executor = ProcessExecutor(1)",
            "def value(): return finish(executor, 1)[0].outcome.observation.values['value']",
            "executor.submit(job(0, objective, {'x': 2})); print(value())",
            "scale = 7.0",
            "executor.submit(job(1, objective, {'x': 2})); print(value())",
            "executor.submit(job(2, lambda params, context: Observation(scale), {}))",
            "print(value())",
            "def failing(params, context):\\n    return 1 / 0  # in a cell",
            "executor.submit(job(3, failing)); print(finish(executor, 1)[0].outcome.text.splitlines()[-4:])",
            "executor.close()",
        ]
        for number, cell in enumerate(cells):
            linecache.cache[f"<cell {number}>"] = (len(cell), None, cell.splitlines(True), f"<cell {number}>")
            exec(compile(cell, f"<cell {number}>", "exec"), __main__.__dict__)
        """,
    )
    numbers, _, failure = output_of(script, cwd=tmp_path).partition("[")
    assert numbers == "10.0\n14.0\n7.0\n"
    assert 'File "<cell 9>", line 2, in failing' in failure
    assert "return 1 / 0  # in a cell" in failure
    assert "ZeroDivisionError" in failure


def test_a_program_given_by_its_text(tmp_path: Path) -> None:
    code = (
        "with ProcessExecutor(1) as e: e.submit(job(0, lambda p, c: Observation(4.0))); print(finish(e, 1)[0].number)"
    )
    assert output_of("-c", HEAD + code, cwd=tmp_path) == "0\n"


def test_modules_beside_the_script_and_modules_from_a_path(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("VALUE = 1.0\n")
    (tmp_path / "elsewhere").mkdir()
    write(
        tmp_path / "elsewhere",
        """
        import beside
        LIMIT = 10.0
        def helper(): return beside.VALUE + LIMIT
        def objective(params, context): return Observation(helper())
        """,
        "mine.py",
    )
    script = write(
        tmp_path,
        """
        spec = importlib.util.spec_from_file_location("mine", "elsewhere/mine.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules["mine"] = module
        spec.loader.exec_module(module)
        with ProcessExecutor(1) as executor:
            executor.submit(job(0, module.objective))
            print(finish(executor, 1)[0].outcome.observation.values["value"])
        """,
    )
    assert output_of(script, cwd=tmp_path) == "11.0\n"


def test_a_program_that_forgets_to_close_ends_without_a_trace(tmp_path: Path) -> None:
    script = write(
        tmp_path,
        """
        executor = ProcessExecutor(2)
        for number in range(2):
            executor.submit(job(number, lambda params, context: Observation(os.getpid())))
        print(*(int(event.outcome.observation.values["value"]) for event in finish(executor, 2)))
        """,
    )
    for worker in map(int, output_of(script, cwd=tmp_path).split()):
        assert_gone(worker)


def assert_gone(pid: int, patience: float = 5.0) -> None:
    until = time.monotonic() + patience
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < until, f"process {pid} outlived its program"
        time.sleep(0.02)


@pytest.fixture
def programs() -> Iterator[list[subprocess.Popen[str]]]:
    """Programs started by a test; killed at its end."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for program in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)
        program.communicate()


def start(programs: list[subprocess.Popen[str]], script: Path) -> subprocess.Popen[str]:
    program = subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    programs.append(program)
    return program


def read_pids(folder: Path, count: int) -> list[int]:
    """Process ids that the script's trials left as file names."""
    until = time.monotonic() + 30.0
    while len(found := [int(file.name) for file in folder.iterdir()]) < count:
        assert time.monotonic() < until, "the trials did not begin"
        time.sleep(0.02)
    return found


@pytest.mark.parametrize(
    ("before", "waiting"),
    [
        ("", "time.sleep(60)"),
        ("", "ctypes.PyDLL(None).sleep(60)"),
        ("", "subprocess.run(['sleep', '60'])"),
        ("executor.submit(job(9, lambda p, c: Observation(0.0))); finish(executor, 1)\n"
         "pid = os.fork()\nif not pid:\n    time.sleep(30); os._exit(0)\n", "time.sleep(60)"),
    ],
    ids=["python", "native code that holds the interpreter lock", "a subprocess", "a fork of the parent"],
)  # fmt: skip
def test_workers_do_not_outlive_a_parent_that_is_killed(
    tmp_path: Path, programs: list[subprocess.Popen[str]], before: str, waiting: str
) -> None:
    pids = tmp_path / "pids"
    pids.mkdir()
    script = write(
        tmp_path,
        f"""
def objective(params, context):
    Path({str(pids)!r}, str(os.getpid())).touch()
    {waiting}
    return Observation(0.0)

executor = ProcessExecutor(2)
{before}
for number in range(2):
    executor.submit(job(number, objective))
finish(executor, 2)
""",
    )
    program = start(programs, script)
    workers = read_pids(pids, 2)
    below = [child.pid for worker in workers for child in psutil.Process(worker).children(recursive=True)]
    os.kill(program.pid, signal.SIGKILL)
    for pid in (*workers, *below):
        assert_gone(pid)


def test_ctrl_c_reaches_the_program_alone(tmp_path: Path, programs: list[subprocess.Popen[str]]) -> None:
    pids = tmp_path / "pids"
    pids.mkdir()
    script = write(
        tmp_path,
        f"""
        def objective(params, context):
            Path({str(pids)!r}, str(os.getpid())).touch()
            context.report(0, {{"loss": 1.0}})
            while not context.should_prune():
                time.sleep(0.01)
            return Observation(1.0)

        with ProcessExecutor(1) as executor:
            executor.submit(job(0, objective))
            try:
                finish(executor, 1)
            except KeyboardInterrupt:
                executor.cancel(0)
                print(finish(executor, 1)[0].outcome.reason.name)
        """,
    )
    program = start(programs, script)
    (worker,) = read_pids(pids, 1)
    time.sleep(0.1)
    os.killpg(program.pid, signal.SIGINT)
    out, err = program.communicate(timeout=30)
    assert (out, err) == ("COMPLETED\n", "")
    assert_gone(worker)
