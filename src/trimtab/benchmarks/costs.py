"""What a peer costs: how long its asks take, how much memory it holds, and what running in parallel costs it.

**Parallel runs** are compared with sequential ones of the same peer, on the same instance, by as many runs of each: the
seeds that both have. The targets are values that both sides set alike: after a quarter, a half and three quarters of
the budget, the two middle ones of all best values so far, sequential and parallel together (both are medians of an
even number of values); infinite ones are left out. With T the number of trials until a run's best value is at the
target or below, the budget where it never is, and means over runs and targets,

    log ratio = mean(log T of parallel runs - log T of sequential runs).

Exchanging the two sides turns the sign. So where running in parallel changes nothing, the logarithm has a distribution
that is symmetric around zero; it would not if one side alone set the targets, which are then reached by that side in
time by definition. Logarithms are averaged over a problem's instances, then over problems; the interval is a percentile
bootstrap interval over problems.

**Delay alone.** With W workers the first results are told when W trials have been asked for, so a trial is chosen
knowing W - 1 fewer results than in turn. `delay` is the same ratio where the parallel runs are the sequential ones
with every trial counted W - 1 places later, and nothing before: what a method pays that loses nothing else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from trimtab.base.records import Interval
from trimtab.benchmarks.protocol import RunRecord
from trimtab.benchmarks.registry import without_instance
from trimtab.benchmarks.results import curve, undelayed
from trimtab.benchmarks.scores import bootstrap_means, interval

__all__ = ["Latency", "Memory", "ParallelCost", "latencies", "memories", "parallel_costs"]

WINDOW = 0.1
"""Asks count for a number of trials when they are within this share of it."""

SHARES = (0.25, 0.5, 0.75)
"""After which shares of the budget the runs set targets."""

Array = NDArray[np.float64]


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
    """How many more trials parallel runs need; see the module for how it is computed.

    Arguments:
        peer: its name.
        workers: trials at once.
        ratio, interval: trials to reach the common targets, parallel over sequential; 1.1 is 10 % more.
        delay: the ratio if delay were all that is lost.
        problems: how many.
    """

    peer: str
    workers: int
    ratio: float
    interval: Interval
    delay: float
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
    """What k workers cost every peer that has sequential and parallel runs of one budget and seed on one instance."""
    curves: defaultdict[tuple[str, int, int, str], dict[int, Array]] = defaultdict(dict)
    for record in records:
        run = record.run
        if not run.preload:
            name = run.problem if run.workers > 1 else undelayed(run.problem)
            curves[run.peer, run.workers, run.budget, name][run.seed] = curve(record, run.budget)
    found: defaultdict[tuple[str, int], defaultdict[str, list[tuple[float, float]]]]
    found = defaultdict(lambda: defaultdict(list))
    for (peer, workers, budget, name), parallel in curves.items():
        sequential = curves.get((peer, 1, budget, undelayed(name)), {})
        seeds = sorted(parallel.keys() & sequential.keys())
        if workers > 1 and seeds:
            in_turn = np.array([sequential[seed] for seed in seeds])
            at_once = np.array([parallel[seed] for seed in seeds])
            pair = _log_ratio(in_turn, at_once), _log_ratio(in_turn, _delayed(in_turn, workers - 1))
            found[peer, workers][without_instance(undelayed(name))].append(pair)
    return [_parallel_cost(peer, workers, found[peer, workers]) for peer, workers in sorted(found)]


def _parallel_cost(peer: str, workers: int, logs: Mapping[str, Sequence[tuple[float, float]]]) -> ParallelCost:
    """The row of a peer from the logarithms of its ratio and of its delay, by problem and instance."""
    means = np.array([np.mean(pairs, axis=0) for pairs in logs.values()])
    ratio, delay = np.exp(means.mean(axis=0)).tolist()
    spread = interval(np.exp(bootstrap_means(means)[:, 0]))
    return ParallelCost(peer, workers, ratio, spread, delay, len(means))


def _delayed(curves: Array, places: int) -> Array:
    """Curves (r, n) with every trial so many places later, and infinite before the first, shape (r, n)."""
    nothing = np.full((len(curves), min(places, curves.shape[1])), np.inf)
    return np.hstack([nothing, curves])[:, : curves.shape[1]]


def _log_ratio(one: Array, other: Array) -> float:
    """Mean logarithm of the ratio of trials that the other runs and these need, both (r, n); 0 without any success."""
    pooled = np.sort(np.concatenate([one, other]), axis=0)
    at = [max(0, round(share * one.shape[1]) - 1) for share in SHARES]
    middle = pooled[len(one) - 1 : len(one) + 1, at].ravel()
    targets = middle[np.isfinite(middle)]
    if not len(targets):
        return 0.0
    return float(np.mean([_log_trials(other, target) - _log_trials(one, target) for target in targets]))


def _log_trials(curves: Array, target: float) -> float:
    """Mean logarithm of the trials until each curve is at the target or below, the budget where it never is."""
    reached = curves <= target
    return float(np.mean(np.log(np.where(reached.any(axis=1), reached.argmax(axis=1) + 1, curves.shape[1]))))
