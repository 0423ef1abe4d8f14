"""Parallel evaluations on a simulated clock."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import TypeVar

__all__ = ["simulate"]

T = TypeVar("T")


def simulate(
    budget: int,
    workers: int,
    ask: Callable[[int], T | None],
    seconds: Callable[[T], float],
    tell: Callable[[T, float], None],
) -> int:
    """Run trials on some workers: a free one asks at once, results are told in the order of their times.

    Trials that end at the same time are told in the order in which they were asked for.

    Arguments:
        budget: how many trials.
        workers: how many at once.
        ask: a trial by its number, dense from 0; None where there is nothing left to try, which ends the asking.
        seconds: how long a trial takes, 0 or more.
        tell: takes a trial and the time at which it ended.

    Returns:
        How many trials were told.
    """
    running: list[tuple[float, int, T]] = []
    clock, asked, told, is_asking = 0.0, 0, 0, True
    while running or (is_asking and asked < budget):
        while is_asking and asked < budget and len(running) < workers:
            trial = ask(asked)
            if trial is None:
                is_asking = False
            else:
                heapq.heappush(running, (clock + seconds(trial), asked, trial))
                asked += 1
        if running:
            clock, _, trial = heapq.heappop(running)
            tell(trial, clock)
            told += 1
    return told
