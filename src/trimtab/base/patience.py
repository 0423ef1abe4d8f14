"""Trying again while others are in the way, with a bounded patience."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from trimtab.base.seeds import Key

__all__ = ["patiently"]

T = TypeVar("T")

_FIRST_PAUSE = 0.001
_LONGEST_PAUSE = 0.02


def patiently(attempt: Callable[[], T], busy: Callable[[Exception], bool], patience: float) -> T:
    """The result of `attempt`, called again after a pause for as long as it fails because of others.

    Pauses are drawn uniformly below a ceiling that doubles ("full jitter"), so that processes which
    collided once do not collide again in step. The ceiling stays low: whoever holds the database
    holds it for about a millisecond.

    Arguments:
        attempt: what to do; it has no effect where it raises.
        busy: whether an error means that somebody else was in the way.
        patience: seconds after which the last such error is raised.
    """
    deadline = time.monotonic() + patience
    for count in itertools.count():
        try:
            return attempt()
        except Exception as error:
            if not busy(error) or time.monotonic() >= deadline:
                raise
        time.sleep(_pause(count))
    raise AssertionError("unreachable: the loop above has no end")


def _pause(count: int) -> float:
    """Seconds to wait after the `count`-th collision; differs between processes and threads."""
    ceiling = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(count, 10))
    who = (os.getpid() << 64) + threading.get_ident()
    return float(Key(who, count, "base/pause").generator().uniform(0.0, ceiling))
