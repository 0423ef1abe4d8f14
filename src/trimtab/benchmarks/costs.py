"""What a peer costs: how long its asks take, and how much memory it holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from trimtab.benchmarks.protocol import RunRecord

__all__ = ["Latency", "Memory", "latencies", "memories"]

WINDOW = 0.1
"""Asks count for a number of trials when they are within this share of it."""


@final
@dataclass(frozen=True, slots=True)
class Latency:
    """How long a peer takes, seconds, in runs of one kind.

    Arguments:
        peer: its name.
        trials: how many results it holds, about.
        asks: how many asks were timed.
        median, p95: of the wall time of an ask.
        cpu: median CPU time of an ask; above the wall time where several threads work.
        tell: median wall time of a tell.
    """

    peer: str
    trials: int
    asks: int
    median: float
    p95: float
    cpu: float
    tell: float


@final
@dataclass(frozen=True, slots=True)
class Memory:
    """The largest resident size of a peer's process over a run, MB: median and maximum over runs."""

    peer: str
    median: float
    largest: float


def latencies(records: Sequence[RunRecord], counts: Sequence[int]) -> list[Latency]:
    """Times of the asks at about each number of results, for every peer that has come that far.

    Each ask counts with the results that were told before it, preloaded ones included.
    """
    found = []
    for peer in sorted({record.run.peer for record in records}):
        own = [record for record in records if record.run.peer == peer]
        for count in counts:
            lines = [
                line
                for record in own
                for line in record.trials
                if abs(line.trial + record.run.preload - count) <= WINDOW * count
            ]
            if lines:
                ask = np.array([line.ask for line in lines])
                cpu, tell = (float(np.median([getattr(line, part) for line in lines])) for part in ("ask_cpu", "tell"))
                median, p95 = np.quantile(ask, [0.5, 0.95])
                found.append(Latency(peer, count, len(lines), float(median), float(p95), cpu, tell))
    return found


def memories(records: Sequence[RunRecord]) -> list[Memory]:
    """The memory of every peer."""
    held: defaultdict[str, list[float]] = defaultdict(list)
    for record in records:
        held[record.run.peer].append(record.end["peak"])
    return [Memory(peer, float(np.median(peaks)), max(peaks)) for peer, peaks in sorted(held.items())]
