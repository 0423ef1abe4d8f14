"""Ends a run on SIGTERM and SIGHUP exactly as Ctrl-C does, and remembers which of them it was.

The study loop defers Ctrl-C to moments at which nothing is half written. It takes SIGTERM over only
where nobody else has; here the handler of SIGINT that is in force is called for the others, too, so
that the exit status can tell a termination from an interrupt.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

__all__ = ["Ending", "interruptible"]


@dataclass(slots=True)
class Ending:
    """Which signal ended a run, if one did."""

    number: signal.Signals

    @property
    def status(self) -> int:
        """The exit status of a program that this signal ended, as shells give it."""
        return 128 + int(self.number)


@contextmanager
def interruptible() -> Iterator[Ending]:
    """While inside, SIGTERM and SIGHUP raise KeyboardInterrupt where Ctrl-C would.

    Where Ctrl-C is ignored, as in a background job of a script, or has a handler of its own, nothing
    is changed: then only SIGTERM can end a run.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield Ending(signal.SIGTERM)
        return
    ending = Ending(signal.SIGINT)

    def handle(number: int, frame: FrameType | None) -> None:
        ending.number = signal.Signals(number)
        as_interrupt = signal.getsignal(signal.SIGINT)
        if callable(as_interrupt):
            as_interrupt(signal.SIGINT, frame)

    ours = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, handle)
    try:
        yield ending
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)
