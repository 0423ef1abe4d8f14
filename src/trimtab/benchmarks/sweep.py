"""Many runs at once: a few processes, each doing one run after the other until none is left.

Runs that are there are skipped, so a sweep that was interrupted goes on where it was. The order is seed by
seed, then problem by problem, so that whatever is there at any moment compares all peers alike.
"""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import final

from trimtab.base.errors import check_count
from trimtab.benchmarks.conversation import Conversation, PeerFailed, conversation
from trimtab.benchmarks.peer import Peer, make_peer
from trimtab.benchmarks.protocol import Run, is_done
from trimtab.benchmarks.registry import make_problem, played
from trimtab.tuners import make_tuner

__all__ = ["Places", "RunEnd", "planned", "sweep"]


@final
@dataclass(frozen=True, slots=True)
class Places:
    """Where things are.

    Arguments:
        runs: the folder of all runs.
        environments: the folder of the libraries' environments; needed for peers from elsewhere.
        olympus: the folder of Olympus tables; needed for problems from there.
        lcbench: the folder of LCBench's surrogate; likewise.
    """

    runs: Path
    environments: Path | None = None
    olympus: Path | None = None
    lcbench: Path | None = None


@final
@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended.

    Arguments:
        run: which one.
        failed: why it failed; empty for one that is complete.
    """

    run: Run
    failed: str = ""


def planned(
    problems: Sequence[str], peers: Sequence[str], seeds: Sequence[int], budget: int, workers: int = 1, preload: int = 0
) -> list[Run]:
    """Every combination, in the order in which they are to be done; each seed plays its own instance of BBOB."""
    return [
        Run(played(problem, seed), peer, seed, budget, workers, preload)
        for seed in seeds
        for problem in problems
        for peer in peers
    ]


def sweep(runs: Sequence[Run], places: Places, jobs: int, on_end: Callable[[RunEnd], object]) -> int:
    """Do every run that is not there yet.

    Arguments:
        runs: what is to be done.
        places: where things are.
        jobs: how many runs at once.
        on_end: called in this thread as each run ends, complete or failed.

    Returns:
        How many runs failed. They have no end in their files, so that the next sweep does them again.

    Raises:
        UnknownName: a problem, peer or tuner that there is not; before anything is run.
        InvalidArgument: something is missing to make it.
    """
    check_count(jobs, "jobs")
    peers = {name: _checked_peer(name, places) for name in dict.fromkeys(run.peer for run in runs)}
    for name in dict.fromkeys(run.problem for run in runs):
        make_problem(name, places.olympus, places.lcbench)
    left = [run for run in runs if not is_done(places.runs, run)]
    hands = _Hands(left, peers, places, min(jobs, max(len(left), 1)))
    failures = 0
    try:
        for _ in left:
            end = hands.ends.get()
            failures += bool(end.failed)
            on_end(end)
    finally:
        hands.stop()
    return failures


def _checked_peer(name: str, places: Places) -> Peer:
    """A peer that can be started; a tuner of trimtab's is looked up first."""
    library, _, method = name.partition(":")
    if library == "trimtab":
        make_tuner(method.removesuffix("+values"))
    return make_peer(name, places.environments)


class _Hands:
    """The worker processes, each spoken with by a thread."""

    def __init__(self, left: Sequence[Run], peers: dict[str, Peer], places: Places, jobs: int) -> None:
        self.ends: queue.SimpleQueue[RunEnd] = queue.SimpleQueue()
        self._left: queue.SimpleQueue[Run] = queue.SimpleQueue()
        for run in left:
            self._left.put(run)
        self._peers, self._places = peers, places
        self._stopped = threading.Event()
        self._talks: list[Conversation] = []
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(jobs)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End everything that runs."""
        self._stopped.set()
        for talk in self._talks:
            talk.stop()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        """What one thread does: start a worker, and hand it runs; a worker that died is replaced."""
        with suppress(queue.Empty):
            while not self._stopped.is_set():
                run = self._left.get_nowait()
                try:
                    with conversation(_WORKER, patience=threading.TIMEOUT_MAX) as talk:
                        self._talks.append(talk)
                        while not self._stopped.is_set():
                            self.ends.put(RunEnd(run, self._handed(talk, run)))
                            run = self._left.get_nowait()
                except PeerFailed as error:
                    self.ends.put(RunEnd(run, str(error)))

    def _handed(self, talk: Conversation, run: Run) -> str:
        """Hand over a run and wait for its end: why it failed, empty where it did not.

        Raises:
            PeerFailed: the worker is gone.
        """
        places = self._places
        where = {"folder": str(places.runs), "olympus": _text(places.olympus), "lcbench": _text(places.lcbench)}
        request = {"run": asdict(run), "command": list(self._peers[run.peer].command), **where}
        return str(talk.request(request).get("failed", ""))


def _text(folder: Path | None) -> str | None:
    """A folder as JSON has it."""
    return None if folder is None else str(folder)


_WORKER = Peer("worker", (sys.executable, "-m", "trimtab.benchmarks.worker"))
