"""Who runs a trial: a name that tells, on the same machine, whether its process is still alive.

A lease runs out by itself; but after a crash nobody wants to wait for that. A worker's name holds
its machine, boot, process namespace, process number and start time, so another process of the same
machine sees at once that it is gone, even when the process number was given to another since.
"""

from __future__ import annotations

import functools
import os

__all__ = ["is_dead", "worker_name"]


@functools.cache
def _machine() -> str:
    """The machine, its boot and the process namespace: within one of these, process numbers can be compared."""
    parts = [os.uname().nodename.replace("/", "-")]
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            parts.append(file.read(8))
        parts.append(os.readlink("/proc/self/ns/pid").removeprefix("pid:").strip("[]"))
    except OSError:
        pass  # no /proc on this system: the host name has to do
    return ".".join(parts)


def _started(pid: int) -> str | None:
    """When a process started, in ticks since boot; "" where the system does not tell, None where it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            stat = file.read()
    except OSError:
        return _started_elsewhere(pid)
    # The second field is the program's name in parentheses and may hold anything, so split after it.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in ("Z", "X") else fields[19]


def _started_elsewhere(pid: int) -> str | None:
    """`_started` without a readable /proc entry."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:
        return ""
    return ""


def worker_name() -> str:
    """The name of this process as a worker.

    >>> is_dead(worker_name())
    False
    """
    pid = os.getpid()
    return f"{_machine()}/{pid}/{_started(pid) or ''}"


def is_dead(worker: str) -> bool:
    """Whether the worker's process is known to have ended; False where this machine cannot know."""
    machine, _, rest = worker.partition("/")
    pid, _, start = rest.partition("/")
    if machine != _machine() or not pid.isdigit():
        return False
    now = _started(int(pid))
    return now is None or (start != "" and now != "" and now != start)
