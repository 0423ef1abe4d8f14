"""The last part of what a worker process prints, read from a pipe as file descriptors see it."""

from __future__ import annotations

import contextlib
import fcntl
import os
from multiprocessing.connection import Connection

__all__ = ["OutputTail"]

_PIPE_SIZE = 1 << 20
_CHUNK = 1 << 16


class OutputTail:
    """Keeps the last `limit` bytes that come out of a pipe.

    Python's prints, C libraries and subprocesses all write to the same two file descriptors, so
    all of them are kept, in order, also when the process is killed.

    Arguments:
        pipe: the reading end; owned by this object.
        limit: bytes to keep.
    """

    def __init__(self, pipe: Connection, limit: int = 16 * 1024) -> None:
        self._pipe, self._limit = pipe, limit
        self._kept = bytearray()
        self._cut = False
        os.set_blocking(pipe.fileno(), False)
        # A worker that prints while the study is busy waits once the pipe is full; so let it be wide.
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            with contextlib.suppress(OSError):
                fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_SIZE)

    @property
    def pipe(self) -> Connection | None:
        """What to wait for; None once nothing more can come."""
        return None if self._pipe.closed else self._pipe

    def drain(self) -> None:
        """Read what is there, one full pipe at most, without waiting."""
        for _ in range(_PIPE_SIZE // _CHUNK):
            if self._pipe.closed:
                return
            try:
                data = os.read(self._pipe.fileno(), _CHUNK)
            except BlockingIOError:
                return
            if not data:
                self.close()
                return
            self._keep(data)

    def _keep(self, data: bytes) -> None:
        self._kept += data
        excess = len(self._kept) - self._limit
        if excess > 0:
            del self._kept[:excess]
            self._cut = True

    def restart(self) -> None:
        """Forget everything printed so far."""
        self.drain()
        self._kept.clear()
        self._cut = False

    def text(self) -> str:
        """What was printed, read as UTF-8; begins with a line that says so where the beginning was cut off."""
        self.drain()
        text = self._kept.decode("utf-8", errors="replace")
        return f"... (only the last {self._limit} bytes were kept) ...\n{text}" if self._cut else text

    def close(self) -> None:
        """Stop reading; what was kept remains."""
        self._pipe.close()
