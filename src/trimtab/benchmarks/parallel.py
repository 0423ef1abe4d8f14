"""What running in parallel costs a peer, and where it then stands among the others in turn.

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

**Among the others in turn.** Parallel runs of one peer are ranked with the sequential runs of all others, after as many
results: what is left of a lead when time is what counts. Ranks and intervals are those of `trimtab.benchmarks.scores`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from trimtab.base.records import Interval
from trimtab.benchmarks.protocol import RunRecord
from trimtab.benchmarks.registry import without_instance
from trimtab.benchmarks.results import Results, curve, group_of, group_order, results_of, undelayed
from trimtab.benchmarks.scores import bootstrap_means, interval, mean_ranks

__all__ = ["AmongSequential", "ParallelCost", "among_sequential", "parallel_costs"]

SHARES = (0.25, 0.5, 0.75)
"""After which shares of the budget the runs set targets."""

Array = NDArray[np.float64]


@final
@dataclass(frozen=True, slots=True)
class ParallelCost:
    """How many more trials parallel runs need; see the module for how it is computed.

    Arguments:
        peer: its name.
        workers: trials at once.
        budget: trials of each run.
        ratio, interval: trials to reach the common targets, parallel over sequential; 1.1 is 10 % more.
        delay: the ratio if delay were all that is lost.
        problems: how many.
    """

    peer: str
    workers: int
    budget: int
    ratio: float
    interval: Interval
    delay: float
    problems: int


@final
@dataclass(frozen=True, slots=True)
class AmongSequential:
    """Where one peer's parallel runs stand among the other peers' sequential ones.

    Arguments:
        peer: its name.
        workers: trials at once.
        group: the set of problems, with wrappers but for their delays.
        budget: results after which all are ranked.
        rank: its mean rank.
        other, other_rank: the other of the best mean rank, and that.
        ahead, interval: the other's mean rank minus its own, on the same problems.
        cells: how many; see `Results`.
    """

    peer: str
    workers: int
    group: str
    budget: int
    rank: float
    other: str
    other_rank: float
    ahead: float
    interval: Interval
    cells: int


def parallel_costs(records: Sequence[RunRecord]) -> list[ParallelCost]:
    """What k workers cost every peer that has sequential and parallel runs of one budget and seed on one instance."""
    curves: defaultdict[tuple[str, int, int, str], dict[int, Array]] = defaultdict(dict)
    for record in records:
        run = record.run
        if not run.preload:
            name = run.problem if run.workers > 1 else undelayed(run.problem)
            curves[run.peer, run.workers, run.budget, name][run.seed] = curve(record, run.budget)
    found: defaultdict[tuple[str, int, int], defaultdict[str, list[tuple[float, float]]]]
    found = defaultdict(lambda: defaultdict(list))
    for (peer, workers, budget, name), parallel in curves.items():
        sequential = curves.get((peer, 1, budget, undelayed(name)), {})
        seeds = sorted(parallel.keys() & sequential.keys())
        if workers > 1 and seeds:
            in_turn = np.array([sequential[seed] for seed in seeds])
            at_once = np.array([parallel[seed] for seed in seeds])
            pair = _log_ratio(in_turn, at_once), _log_ratio(in_turn, _delayed(in_turn, workers - 1))
            found[peer, workers, budget][without_instance(undelayed(name))].append(pair)
    return [_parallel_cost(*key, found[key]) for key in sorted(found)]


def _parallel_cost(
    peer: str, workers: int, budget: int, logs: Mapping[str, Sequence[tuple[float, float]]]
) -> ParallelCost:
    """The row of a peer from the logarithms of its ratio and of its delay, by problem and instance."""
    means = np.array([np.mean(pairs, axis=0) for pairs in logs.values()])
    ratio, delay = np.exp(means.mean(axis=0)).tolist()
    spread = interval(np.exp(bootstrap_means(means)[:, 0]))
    return ParallelCost(peer, workers, budget, ratio, spread, delay, len(means))


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


def among_sequential(records: Sequence[RunRecord], budgets: Sequence[int]) -> list[AmongSequential]:
    """Every peer's parallel runs among the others' sequential ones; nothing where no cell holds them all.

    Arguments:
        records: runs without preloaded results; those shorter than the largest budget are left out.
        budgets: ascending.
    """
    sequential: defaultdict[str, list[RunRecord]] = defaultdict(list)
    parallel: defaultdict[tuple[str, int, str], list[RunRecord]] = defaultdict(list)
    for record in records:
        run = record.run
        if run.workers == 1:
            sequential[group_of(run.problem)].append(record)
        else:
            as_sequential = replace(record, run=replace(run, problem=undelayed(run.problem), workers=1))
            parallel[run.peer, run.workers, group_of(run.problem)].append(as_sequential)
    found = []
    for peer, workers, group in sorted(parallel, key=lambda key: (key[0], key[1], group_order(key[2]))):
        own = parallel[peer, workers, group]
        cells = {(record.run.problem, record.run.seed) for record in own}
        others = [r for r in sequential[group] if r.run.peer != peer and (r.run.problem, r.run.seed) in cells]
        results = results_of([*own, *others], budgets[-1])
        if len(results.problem) and len(results.peers) > 1:
            found += [_among(results, peer, workers, group, budget) for budget in budgets]
    return found


def _among(results: Results, peer: str, workers: int, group: str, budget: int) -> AmongSequential:
    """One row."""
    means = mean_ranks(results, budget)
    place = results.peers.index(peer)
    mean = means.mean(axis=0)
    other = min((k for k in range(len(mean)) if k != place), key=lambda k: float(mean[k]))
    ahead = means[:, other] - means[:, place]
    return AmongSequential(
        peer,
        workers,
        group,
        budget,
        float(mean[place]),
        results.peers[other],
        float(mean[other]),
        float(ahead.mean()),
        interval(bootstrap_means(ahead[:, None])[:, 0]),
        len(results.problem),
    )
