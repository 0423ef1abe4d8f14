"""Everything that a page or a program may want to know of a folder of runs, computed once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument, message
from trimtab.base.records import Json
from trimtab.benchmarks.costs import Latency, Memory, latencies, memories
from trimtab.benchmarks.parallel import AmongSequential, ParallelCost, among_sequential, parallel_costs
from trimtab.benchmarks.protocol import RunRecord
from trimtab.benchmarks.registry import without_instance
from trimtab.benchmarks.results import Results, group_of, group_order, results_of
from trimtab.benchmarks.scores import (
    Against,
    Standing,
    against_random,
    by_problem,
    normalised_regrets,
    standings,
)

__all__ = ["BUDGETS", "Group", "Summary", "summary_of"]

BUDGETS = (20, 50, 100)
COUNTS = (20, 50, 100, 200)
"""Numbers of results at which the time of an ask is told."""


@final
@dataclass(frozen=True, slots=True)
class Group:
    """One set of problems, with the wrappers on them, and one number of workers.

    Arguments:
        name: such as "bbob", "bbob+noisy:0.1" or "bbob, 8 workers".
        results: the runs.
        standings: budget -> the peers, best mean rank first.
        against: every peer against random search after the largest budget.
        curves: mean normalised regret of each peer after each trial, shape (p, n).
    """

    name: str
    results: Results
    standings: dict[int, list[Standing]]
    against: list[Against]
    curves: NDArray[np.float64]


@final
@dataclass(frozen=True, slots=True)
class Summary:
    """Everything.

    Arguments:
        libraries: peer -> name and version of what was run, several where they differ.
        groups: the plain sets first, parallel runs last.
        incomparable: groups in which no cell holds all peers, so that nothing can be said.
        latencies: of sequential runs; `preloaded` by the problem they were measured on.
        memories: of all sequential runs without preloaded results.
        parallel: what parallel runs cost.
        among_sequential: where they stand among the other peers' sequential ones.
    """

    libraries: dict[str, str]
    groups: tuple[Group, ...]
    incomparable: tuple[str, ...]
    latencies: tuple[Latency, ...]
    preloaded: dict[str, tuple[list[Latency], list[Memory]]]
    memories: tuple[Memory, ...]
    parallel: tuple[ParallelCost, ...]
    among_sequential: tuple[AmongSequential, ...]

    def to_json(self) -> dict[str, Json]:
        """Strict JSON: all tables, without the curves of single runs."""
        return {
            "libraries": self.libraries,
            "groups": [_group_json(group) for group in self.groups],
            "incomparable": list(self.incomparable),
            "latencies": [asdict(row) for row in self.latencies],
            "preloaded": {
                name: {"latencies": [asdict(row) for row in times], "memories": [asdict(row) for row in held]}
                for name, (times, held) in self.preloaded.items()
            },
            "memories": [asdict(row) for row in self.memories],
            "parallel": [asdict(row) for row in self.parallel],
            "among_sequential": [asdict(row) for row in self.among_sequential],
        }


def summary_of(records: Sequence[RunRecord], budgets: Sequence[int] = BUDGETS, peers: Sequence[str] = ()) -> Summary:
    """Compute everything.

    Arguments:
        records: complete runs.
        budgets: after how many trials the peers are ranked; runs shorter than the largest are not ranked.
        peers: only these; by default every one that has runs.

    Raises:
        InvalidArgument: no budgets.
    """
    if not budgets:
        raise InvalidArgument(message("a summary needs at least one budget", got=list(budgets)))
    kept = [record for record in records if not peers or record.run.peer in peers]
    fresh = [record for record in kept if not record.run.preload]
    plain = [record for record in fresh if record.run.workers == 1]
    grouped: defaultdict[tuple[int, str], list[RunRecord]] = defaultdict(list)
    for record in fresh:
        grouped[record.run.workers, group_of(record.run.problem)].append(record)
    made = {}
    for workers, of in sorted(grouped, key=lambda key: (key[0], group_order(key[1]))):
        runs = grouped[workers, of]
        # Parallel runs of one peer alone are there to be compared with its own in turn.
        if workers == 1 or len({record.run.peer for record in runs}) > 1:
            name = of if workers == 1 else f"{of}, {workers} workers"
            made[name] = _group(name, runs, sorted(budgets))
    return Summary(
        libraries=_libraries(kept),
        groups=tuple(group for group in made.values() if group is not None),
        incomparable=tuple(name for name, group in made.items() if group is None),
        latencies=tuple(latencies(plain, COUNTS)),
        preloaded=_preloaded(kept),
        memories=tuple(memories(plain)),
        parallel=tuple(parallel_costs(kept)),
        among_sequential=tuple(among_sequential(fresh, sorted(budgets))),
    )


def _group(name: str, records: Sequence[RunRecord], budgets: Sequence[int]) -> Group | None:
    """One group; None where no cell holds all peers."""
    results = results_of(records, budgets[-1])
    if not len(results.problem):
        return None
    regrets = normalised_regrets(results)
    count, peers = len(results.problems), range(len(results.peers))
    curves = np.array([by_problem(regrets[:, peer], results.problem, count).mean(axis=0) for peer in peers])
    ranked = {budget: standings(results, budget, regrets) for budget in budgets}
    return Group(name, results, ranked, against_random(results, budgets[-1]), curves)


def _libraries(records: Sequence[RunRecord]) -> dict[str, str]:
    """What each peer was run with."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for record in records:
        found[record.run.peer].add(record.library)
    return {peer: ", ".join(sorted(libraries)) for peer, libraries in sorted(found.items())}


def _preloaded(records: Sequence[RunRecord]) -> dict[str, tuple[list[Latency], list[Memory]]]:
    """Problem and number of preloaded results -> times and memory of the runs that began with them."""
    found: defaultdict[tuple[str, int], list[RunRecord]] = defaultdict(list)
    for record in records:
        if record.run.preload and record.run.workers == 1:
            found[without_instance(record.run.problem), record.run.preload].append(record)
    return {
        f"{problem}, {count:,} results": (latencies(group, [count]), memories(group))
        for (problem, count), group in sorted(found.items())
    }


def _group_json(group: Group) -> dict[str, Json]:
    """One group's tables."""
    return {
        "name": group.name,
        "problems": list(group.results.problems),
        "instances": list(group.results.instances),
        "cells": len(group.results.problem),
        "left_out": group.results.left_out,
        "standings": {str(budget): [asdict(row) for row in rows] for budget, rows in group.standings.items()},
        "against_random": [asdict(row) for row in group.against],
        "curves": dict(zip(group.results.peers, group.curves.tolist(), strict=True)),
    }
