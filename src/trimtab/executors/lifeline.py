"""A worker process ends when the process that started it ends, however that happens.

The parent holds the writing end of a pipe, the lifeline, into which nobody ever writes. The kernel closes
it with the parent, SIGKILL included, and that is noticed twice:

* a thread waits for the end of the pipe, and on Linux also for the parent itself (a pidfd), because a
  process that the parent forked may hold a copy of the writing end;
* on Linux the kernel is asked to send SIGKILL to the worker's process group at the same moment (signal-driven
  input, fcntl(2)), because a thread of Python cannot run while native code holds the interpreter lock.

The whole group goes, so that subprocesses of an objective do not stay behind either.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
import threading
from multiprocessing.connection import wait

__all__ = ["die_with_parent"]


def die_with_parent(lifeline: int, parent: int) -> None:
    """Tie this process group to its parent. Call once, in the leader of the group.

    Arguments:
        lifeline: file descriptor of the pipe's reading end.
        parent: process id of the parent.
    """
    ends = [lifeline]
    if sys.platform == "linux":
        _ask_kernel(lifeline)
        ends.extend(_parent_handle(parent))
    if os.getppid() != parent:
        _die()
    threading.Thread(target=_watch, args=(ends,), name="trimtab-lifeline", daemon=True).start()


def _ask_kernel(lifeline: int) -> None:
    """Have SIGKILL sent to this process group when the pipe is closed."""
    if sys.platform == "linux":
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)


def _parent_handle(parent: int) -> list[int]:
    """A file descriptor that becomes readable when the parent ends; none on kernels before 5.3."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            return [os.pidfd_open(parent)]
    return []


def _watch(ends: list[int]) -> None:
    wait(ends)
    _die()


def _die() -> None:
    os.killpg(os.getpgrp(), signal.SIGKILL)
