"""A process that does one run after the other, as JSON lines on its standard input say; each is answered by one line.

    {"run": {...}, "command": ["python", "peer_loop.py", ...], "folder": "runs", "olympus": null, "lcbench": null}
    {"done": true}  or  {"failed": "optuna:gp: ValueError: ..."}

It stays between runs, so that tables and libraries are loaded once.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Any

from trimtab.base.errors import TrimtabError
from trimtab.benchmarks.peer import Peer
from trimtab.benchmarks.problem import Problem
from trimtab.benchmarks.protocol import Run, run_peer
from trimtab.benchmarks.registry import make_problem, quiet_name

__all__ = ["main"]


def main() -> None:
    """Do runs until the input ends, or SIGTERM comes."""
    signal.signal(signal.SIGTERM, _leave)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints must not be taken for an answer
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        try:
            _do(request)
            reply: dict[str, Any] = {"done": True}
        except TrimtabError as error:
            reply = {"failed": str(error)}
        answers.write(json.dumps(reply) + "\n")
        answers.flush()


def _leave(number: int, frame: FrameType | None) -> None:
    """End with what is open closed, the peer included."""
    sys.exit(128 + number)


def _do(request: dict[str, Any]) -> None:
    """One run."""
    run = Run(**request["run"])
    quiet = quiet_name(run.problem)
    run_peer(
        run,
        _problem(run.problem, request["olympus"], request["lcbench"]),
        Peer(run.peer, tuple(request["command"])),
        Path(request["folder"]),
        None if quiet == run.problem else _problem(quiet, request["olympus"], request["lcbench"]),
    )


@lru_cache(maxsize=4)
def _problem(name: str, olympus: str | None, lcbench: str | None) -> Problem:
    """A problem, kept while its runs follow one another."""
    return make_problem(name, *(None if folder is None else Path(folder) for folder in (olympus, lcbench)))


if __name__ == "__main__":
    main()
