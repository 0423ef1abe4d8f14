"""How a run talks with a peer: JSON lines over the standard streams of a process, each request answered by one line.

| request | answer |
|---|---|
| {"setup": {"columns", "space", "seed", "budget", "workers"}} | {"library": "optuna 5.0.0"} |
| {"add": [[coordinates, value], ...]} | {"wall", "cpu"} |
| {"ask": number} | {"params": coordinates or null, "wall", "cpu"} |
| {"tell": number, "value": value or null, "gradient": derivatives by name, where there are any} | {"wall", "cpu"} |
| {"best": true} | {"params": coordinates, or null for those of the lowest value that was told} |
| {"end": true} | {"peak": MB} |

`columns` are those of `trimtab.benchmarks.columns`, `space` is the JSON of a `trimtab.Space`. Times are
seconds, taken by the peer around the method alone. An answer {"error": text} ends the run. Numerical
libraries are told to use one thread.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import IO, Any, final

from trimtab.base.errors import ExecutorError, message
from trimtab.base.records import Json
from trimtab.benchmarks.peer import Peer

__all__ = ["Conversation", "PeerFailed", "conversation", "one_thread"]

PATIENCE = 900.0
"""Seconds after which a peer that does not answer is given up."""

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class PeerFailed(ExecutorError):
    """A peer raised, died or did not answer in time."""


def one_thread() -> dict[str, str]:
    """The environment of this process, with one thread for numerical libraries."""
    return {**os.environ, **dict.fromkeys(_THREADS, "1"), "PYTHONWARNINGS": "ignore"}


@final
class Conversation:
    """A peer's running process. Made by `conversation`."""

    def __init__(self, peer: Peer, process: subprocess.Popen[str], errors: IO[str], patience: float) -> None:
        self._peer, self._process, self._errors, self._patience = peer, process, errors, patience

    def request(self, said: Mapping[str, Json]) -> dict[str, Any]:
        """Say one thing and wait for the answer.

        Raises:
            PeerFailed: there is none, or it is an error.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        watch = threading.Timer(min(self._patience, threading.TIMEOUT_MAX), self._process.kill)
        watch.daemon = True
        watch.start()
        try:
            self._process.stdin.write(json.dumps(said) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            watch.cancel()
        try:
            answer: dict[str, Any] = json.loads(line)
        except json.JSONDecodeError:
            raise self._failure("gave no answer") from None
        if "error" in answer:
            raise self._failure(answer["error"])
        return answer

    def stop(self) -> None:
        """End the process, from whichever thread; a request that waits for an answer then fails."""
        self._process.terminate()

    def _failure(self, what: str) -> PeerFailed:
        """The error, with the last lines that the peer wrote."""
        self._errors.seek(0)
        last = " | ".join(self._errors.read().strip().splitlines()[-3:])
        return PeerFailed(message(f"{self._peer.name}: {what}", got=last[-500:] or None))


@contextmanager
def conversation(peer: Peer, patience: float = PATIENCE) -> Iterator[Conversation]:
    """Start a peer; its process is gone at the end, whatever happens.

    Raises:
        PeerFailed: it cannot be started.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        try:
            process = subprocess.Popen(
                peer.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=one_thread(),
                start_new_session=True,  # Ctrl-C is for the run, which then ends its peer
            )
        except OSError as error:
            raise PeerFailed(message(f"{peer.name} cannot be started ({error})", got=peer.command[0])) from error
        try:
            yield Conversation(peer, process, errors, patience)
        finally:
            _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """End a process and close its streams."""
    for stream in (process.stdin, process.stdout):
        assert stream is not None
        with suppress(BrokenPipeError):  # it had died with something unread
            stream.close()
    for end in (process.terminate, process.kill):
        try:
            process.wait(timeout=2.0)
        except subprocess.TimeoutExpired:
            end()
    process.wait()
