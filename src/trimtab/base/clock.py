"""Time as a port, so that days of tuning can be simulated in seconds with the same code."""

from __future__ import annotations

import math
import time
from typing import Protocol

__all__ = ["Clock", "SimulatedClock", "SystemClock"]


class Clock(Protocol):
    """Tells the time in seconds since the Unix epoch."""

    @property
    def moment(self) -> float:
        """How long a loop may wait for a trial before it looks around, seconds."""
        ...

    def now(self) -> float:
        """The present time, seconds."""
        ...


class SystemClock:
    """The machine's clock."""

    moment = 1.0

    def now(self) -> float:
        """The present time, seconds since the Unix epoch."""
        return time.time()


class SimulatedClock:
    """A clock that moves only when it is told to.

    >>> clock = SimulatedClock(100.0)
    >>> clock.advance_to(160.0)
    >>> clock.now()
    160.0
    """

    moment = math.inf  # nothing happens between two events of a simulation

    def __init__(self, start: float = 0.0) -> None:
        self._now = start

    def now(self) -> float:
        """The simulated time, seconds."""
        return self._now

    def advance_to(self, moment: float) -> None:
        """Move forward to `moment`, seconds; never backward."""
        self._now = max(self._now, moment)
