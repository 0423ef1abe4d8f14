"""What a peer costs: how long its asks take, how much memory it holds, and what running in parallel costs it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from trimtab.benchmarks.protocol import RunRecord
from trimtab.benchmarks.results import undelayed

__all__ = ["Latency", "Memory", "ParallelCost", "latencies", "memories", "parallel_costs"]

WINDOW = 0.1
"""Asks count for a number of trials when they are within this share of it."""

SHARES = (0.25, 0.5, 0.75)
"""After which shares of the budget the sequential runs set the targets of the parallel ones."""


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


@final
@dataclass(frozen=True, slots=True)
class ParallelCost:
    """How many more trials parallel runs need.

    Arguments:
        peer: its name.
        workers: trials at once.
        ratio: trials to reach the sequential runs' targets, parallel over sequential: the geometric mean
            over problems and targets.
        problems: how many.
    """

    peer: str
    workers: int
    ratio: float
    problems: int


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


def parallel_costs(records: Sequence[RunRecord]) -> list[ParallelCost]:
    """What k workers cost every peer that has sequential and parallel runs of one budget on one problem.

    On a problem, the targets are the median values of the sequential runs after a quarter, a half and
    three quarters of the budget. A run that does not reach a target counts with its whole budget; the
    number of trials is a mean over seeds.
    """
    curves: defaultdict[tuple[str, int, str, int], list[NDArray[np.float64]]] = defaultdict(list)
    for record in records:
        run = record.run
        values = np.array([np.inf if line.best is None else line.best for line in record.trials])
        if len(values) == run.budget and not run.preload:
            curves[run.peer, run.budget, undelayed(run.problem), run.workers].append(values)
    ratios: defaultdict[tuple[str, int], list[float]] = defaultdict(list)
    for (peer, budget, problem, workers), parallel in curves.items():
        sequential = curves.get((peer, budget, problem, 1), [])
        if workers > 1 and sequential:
            ratios[peer, workers].append(_log_ratio(np.array(sequential), np.array(parallel)))
    return [
        ParallelCost(peer, workers, float(np.exp(np.mean(logs))), len(logs))
        for (peer, workers), logs in sorted(ratios.items())
    ]


def _log_ratio(sequential: NDArray[np.float64], parallel: NDArray[np.float64]) -> float:
    """Mean logarithm of the ratio of trials over the targets; curves are (seeds, budget)."""
    budget = sequential.shape[1]
    targets = [float(np.median(sequential[:, max(0, round(share * budget) - 1)])) for share in SHARES]
    return float(np.mean([np.log(_trials_to(parallel, t) / _trials_to(sequential, t)) for t in targets]))


def _trials_to(curves: NDArray[np.float64], target: float) -> float:
    """Mean number of trials until a curve is at the target or below, the budget where it never is."""
    reached = curves <= target
    first = np.where(reached.any(axis=1), reached.argmax(axis=1) + 1, curves.shape[1])
    return float(first.mean())
