"""How a worker process died, in words."""

from __future__ import annotations

import signal

__all__ = ["cause_of_death"]

_NATIVE = ": a crash in native code; the output may show where"
_HINTS = {
    signal.SIGKILL: ": often the system ran out of memory",
    signal.SIGSEGV: _NATIVE,
    signal.SIGBUS: _NATIVE,
    signal.SIGABRT: _NATIVE,
    signal.SIGILL: _NATIVE,
    signal.SIGFPE: _NATIVE,
}


def cause_of_death(code: int | None) -> str:
    """What is known of a worker that is gone.

    Arguments:
        code: its exit code, or minus the signal that ended it; None where it had stopped to answer and
            was killed for that.

    >>> cause_of_death(-9)
    'the worker process died by SIGKILL (signal 9): often the system ran out of memory'
    """
    if code is None:
        return "the worker process closed its connection to the study and was killed"
    if code >= 0:
        return f"the worker process ended with exit code {code}, as os._exit does it"
    try:
        known = signal.Signals(-code)
    except ValueError:  # a real-time signal without a name
        return f"the worker process died by signal {-code}"
    return f"the worker process died by {known.name} (signal {known.value}){_HINTS.get(known, '')}"
