"""Processes of the tests that send digests. Each line read is one order: kill, race or wild, a port, catalogues.

Everything is imported once; each sender is forked from here before it opens its catalogue.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import trimtab.papers.digest.queue
import trimtab.papers.digest.run as run
from trimtab.base.clock import SimulatedClock, SystemClock
from trimtab.papers.catalogue import Catalogue
from trimtab.papers.digest import Backoff, MailServer, run_digests

# Where a sender may die: a function of the run, and whether it does its work before.
STAGES: dict[str, tuple[Any, str, bool]] = {
    "in the transaction that makes it": (trimtab.papers.digest.queue, "_make_one", True),
    "made": (run, "recover", False),
    "claimed": (run, "connect", False),
    "connected": (run, "connect", True),
    "sent up to the dot": (run, "mark", False),
    "marked": (run, "mark", True),
    "answered": (run, "settle", False),
    "settled": (run, "settle", True),
}


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60.0)


def die_at(stage: str, now: Callable[[], bool] = lambda: True) -> None:
    """Replace a function by one that ends this process, where `now` says so."""
    module, name, works = STAGES[stage]
    real = getattr(module, name)

    def dying(*arguments: Any, **named: Any) -> Any:
        here = now()
        if here and not works:
            die()
        result = real(*arguments, **named)
        if here:
            die()
        return result

    setattr(module, name, dying)


def send(path: str, port: int, clock: Any) -> None:
    server = MailServer("127.0.0.1", port, "none", sender="papers@example.org", timeout=5.0)
    with Catalogue(path) as catalogue:
        run_digests(catalogue, server, clock=clock, backoff=Backoff(first=0.001, longest=0.001, tries=1000))


def fork(work: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return pid


def ended(pid: int) -> int:
    """How a process ended: 0 where it went well, -9 where it was killed."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def kill(port: int, paths: list[str]) -> None:
    """One sender for each stage and catalogue, which dies there."""
    for stage, path in zip(STAGES, paths, strict=True):

        def work(stage: str = stage, path: str = path) -> None:
            die_at(stage)
            send(path, port, SimulatedClock(1_800_000_000.0))

        assert ended(fork(work)) == -signal.SIGKILL, stage


def race(port: int, paths: list[str]) -> None:
    """Three senders at once."""
    senders = [fork(lambda: send(paths[0], port, SystemClock())) for _ in range(3)]
    assert [ended(pid) for pid in senders] == [0, 0, 0]


def wild(port: int, paths: list[str]) -> None:
    """Senders that die anywhere, each a day after the one before."""
    for day in range(7):

        def work(day: int = day) -> None:
            rng = random.Random(day + 20)
            for stage in STAGES:
                die_at(stage, lambda: rng.random() < 0.1)
            send(paths[0], port, SimulatedClock(1_800_000_000.0 + 86_400.0 * day))

        ended(fork(work))


if __name__ == "__main__":
    for line in sys.stdin:
        what, port, *paths = json.loads(line)
        {"kill": kill, "race": race, "wild": wild}[what](port, paths)
        print("done", flush=True)
