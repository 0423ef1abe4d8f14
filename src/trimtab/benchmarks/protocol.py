"""One run: a peer works on a problem for a number of trials, and everything that happens is a JSON line.

The problem is evaluated here, the peer asks and is told in its own process. Parallel runs are simulated:
each of k workers is free again when its evaluation's time is over on a simulated clock, results are told
in the order of those times, and a free worker asks at once. So a run with k workers takes no longer than
one with one, and anybody's run of it is the same. The time that asking takes does not move the clock.

A run is a file:

    {"run": {"problem": "bbob-f5-d3", "peer": "optuna:tpe", "seed": 0, "budget": 100, ...}, "library": "optuna 5.0.0"}
    {"trial": 0, "value": 17.5, "best": 17.5, "at": 1.0, "ask": 0.0021, "ask_cpu": 0.0021, "tell": ..., "tell_cpu": ...,
     "evaluation": 0.8}
    ...
    {"end": {"trials": 100, "failures": 0, "peak": 181.2, "seconds": 12.9, "setup": 1.1}}

`value` is null for a failed trial. `best` is how good a choice the tuner would have made by then: the lowest value so
far; where the problem has noise, the value without it of the configuration that the peer names its best, which is that
of the lowest value unless its library says otherwise. `at` is when the trial was told
on the simulated clock, `evaluation` how long its evaluation took by the real one. `setup` is how long the
peer took until it was ready for the first ask: the start of its process, imports, compilation. A file
without its last line is a run that was cut off, and is done again.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any, TextIO, final

if sys.platform != "win32":
    import fcntl

from trimtab.base.errors import StorageError, check_count, message
from trimtab.base.records import Json, Params
from trimtab.base.seeds import Key
from trimtab.benchmarks.columns import columns_of, from_peer, to_peer
from trimtab.benchmarks.conversation import Conversation, conversation
from trimtab.benchmarks.peer import Peer
from trimtab.benchmarks.problem import Problem
from trimtab.benchmarks.simulation import simulate

__all__ = ["Run", "RunRecord", "TrialLine", "is_done", "read_run", "run_path", "run_peer"]


@final
@dataclass(frozen=True, slots=True)
class Run:
    """What is done: every run of one description is the same.

    Arguments:
        problem: name of the problem, wrappers included.
        peer: name of the peer.
        seed: of the peer and of the evaluations.
        budget: how many trials.
        workers: how many at once, on the simulated clock.
        preload: how many uniform random configurations are told before the first ask; for measuring how
            long an ask takes with a long history. They are no trials of the run.
    """

    problem: str
    peer: str
    seed: int
    budget: int
    workers: int = 1
    preload: int = 0

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_count(self.seed, "seed", least=0)
        check_count(self.budget, "budget")
        check_count(self.workers, "workers")
        check_count(self.preload, "preload", least=0)


@final
@dataclass(frozen=True, slots=True)
class TrialLine:
    """One trial of a run; see the module for what its parts mean. Times are seconds, nan where a file has none."""

    trial: int
    value: float | None
    best: float | None
    at: float
    ask: float
    ask_cpu: float
    tell: float
    tell_cpu: float
    evaluation: float = math.nan


@final
@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as it was read back.

    Arguments:
        run: its description.
        library: name and version of what was run.
        trials: in the order in which they were told.
        end: {"trials", "failures", "peak" (MB), "seconds", "setup" (seconds)}; empty for a run that was cut off.
    """

    run: Run
    library: str
    trials: tuple[TrialLine, ...]
    end: dict[str, Json] = field(default_factory=dict)


def run_path(folder: Path, run: Run) -> Path:
    """Where a run is kept: `<folder>/<problem>/<peer>-s<seed>-n<budget>-w<workers>.jsonl`."""
    more = f"-p{run.preload}" if run.preload else ""
    name = f"{run.peer.replace(':', '-')}-s{run.seed}-n{run.budget}-w{run.workers}{more}.jsonl"
    return folder / run.problem.replace(":", "-") / name


def is_done(folder: Path, run: Run) -> bool:
    """Whether a run is there with its end, and was a run of the same description."""
    try:
        lines = run_path(folder, run).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return False
    # Only the two lines that matter are decoded: a sweep looks at thousands of files.
    first, last = (_decoded(lines[place]) if lines else {} for place in (0, -1))
    return first.get("run") == asdict(run) and "end" in last


def read_run(path: Path) -> RunRecord | None:
    """A run's file; a last line that was cut off is left out. None where not even its first line is whole."""
    decoded = map(_decoded, path.read_text(encoding="utf-8", errors="replace").splitlines())
    lines = list(takewhile(bool, decoded))
    if not lines or "run" not in lines[0]:
        return None
    end = lines[-1].get("end", {})
    trials = tuple(TrialLine(**line) for line in lines[1:] if "trial" in line)
    return RunRecord(Run(**lines[0]["run"]), lines[0]["library"], trials, end)


def _decoded(line: str) -> dict[str, Any]:
    """A line of a run's file; empty for one that was torn off."""
    try:
        found = json.loads(line)
    except json.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def run_peer(
    run: Run, problem: Problem, peer: Peer, folder: Path, quiet: Problem | None = None, patience: float = 900.0
) -> RunRecord:
    """Do a run and write it down line by line; a run that is there with its end is only read.

    A run that another process is doing is waited for, so that two sweeps may share a folder.

    Arguments:
        run: what to do.
        problem: the problem of that name.
        peer: the peer of that name.
        folder: of all runs.
        quiet: the problem without noise, where it has some.
        patience: seconds that the peer may take for one answer.

    Raises:
        PeerFailed: the peer raised, died or took too long; what it did until then stays in the file.
        StorageError: the file cannot be written.
    """
    path = run_path(folder, run)
    if not is_done(folder, run):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                _lock(file)
                # Another sweep may have done it meanwhile.
                if not is_done(folder, run):
                    file.truncate(0)
                    with conversation(peer, patience) as talk:
                        _Course(run, problem, quiet, talk, file).go()
        except OSError as error:
            raise StorageError(message(f"the run cannot be written ({error.strerror})", got=str(path))) from error
    done = read_run(path)
    assert done is not None
    return done


def _lock(file: TextIO) -> None:
    """Wait until no other process holds the file, and hold it until it is closed; on Windows nobody holds anything."""
    if sys.platform != "win32":
        fcntl.flock(file, fcntl.LOCK_EX)


class _Course:
    """The course of one run."""

    def __init__(self, run: Run, problem: Problem, quiet: Problem | None, talk: Conversation, file: TextIO) -> None:
        self._run, self._problem, self._quiet, self._talk, self._file = run, problem, quiet, talk, file
        self._space = problem.space()
        self._least, self._lowest = math.inf, math.inf
        self._failures = 0

    def go(self) -> None:
        """From the setup to the end."""
        began = time.monotonic()
        run = self._run
        setup: dict[str, Json] = {"columns": columns_of(self._space), "space": self._space.to_json()}
        setup |= {"seed": run.seed, "budget": run.budget + run.preload, "workers": run.workers}
        self._write({"run": asdict(run), "library": self._talk.request({"setup": setup})["library"]})
        ready = time.monotonic() - began
        if run.preload:
            self._talk.request({"add": self._preloaded()})
        told = simulate(run.budget, run.workers, self._ask, lambda asked: asked.seconds, self._tell)
        end = {"trials": told, "failures": self._failures, "peak": self._talk.request({"end": True})["peak"]}
        self._write({"end": {**end, "seconds": time.monotonic() - began, "setup": ready}})

    def _ask(self, number: int) -> _Asked | None:
        """Ask for a trial and evaluate it; None where the peer has nothing left."""
        answer = self._talk.request({"ask": number})
        if answer["params"] is None:
            return None
        params = from_peer(self._space, answer["params"])
        key = Key(self._run.seed, number, "evaluation")
        began = time.perf_counter()
        observation = self._problem.evaluate(params, key)
        took = time.perf_counter() - began
        (value,) = observation.values.values()
        quiet = value
        if self._quiet is not None:
            (quiet,) = self._quiet.evaluate(params, key).values.values()
        seconds = 1.0 if observation.cost is None else observation.cost
        return _Asked(number, value, quiet, seconds, answer["wall"], answer["cpu"], took, observation.gradient)

    def _tell(self, asked: _Asked, at: float) -> None:
        """Tell a trial's value and write its line."""
        value = asked.value if math.isfinite(asked.value) else None
        said: dict[str, Json] = {"tell": asked.number, "value": value}
        if asked.gradient is not None and all(map(math.isfinite, asked.gradient.values())):
            said["gradient"] = dict(asked.gradient)
        answer = self._talk.request(said)
        if value is None:
            self._failures += 1
        elif value < self._least:
            self._least, self._lowest = value, asked.quiet
        best = self._named() if math.isfinite(self._lowest) else None
        times = asked.wall, asked.cpu, answer["wall"], answer["cpu"], asked.evaluation
        self._write(asdict(TrialLine(asked.number, value, best, at, *times)))

    def _named(self) -> float:
        """How good the configuration is that the peer names its best."""
        if self._quiet is None:
            return self._lowest
        params = self._talk.request({"best": True})["params"]
        if params is None:
            return self._lowest
        (value,) = self._quiet.evaluate(from_peer(self._space, params), Key(self._run.seed)).values.values()
        return value

    def _preloaded(self) -> list[Json]:
        """Uniform random configurations with their values."""
        key = Key(self._run.seed, purpose="preload")
        drawn = self._space.sample(key.generator(), self._run.preload)
        values = [self._value(params, key.for_trial(place)) for place, params in enumerate(drawn)]
        rows = zip(drawn, values, strict=True)
        return [[to_peer(self._space, params), value] for params, value in rows if math.isfinite(value)]

    def _value(self, params: Params, key: Key) -> float:
        (value,) = self._problem.evaluate(params, key).values.values()
        return value

    def _write(self, line: Json) -> None:
        self._file.write(json.dumps(line, allow_nan=False) + "\n")
        self._file.flush()


@dataclass(frozen=True, slots=True)
class _Asked:
    """A trial that runs: value, value without noise, how long it takes, what ask and evaluation took, gradient."""

    number: int
    value: float
    quiet: float
    seconds: float
    wall: float
    cpu: float
    evaluation: float
    gradient: Mapping[str, float] | None
