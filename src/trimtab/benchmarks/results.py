"""The runs of a folder as arrays: what every score is computed from.

Peers are compared on cells: one instance of a problem with one seed, on which every one of them has a complete run
that is long enough. A cell that lacks a peer is left out for all, and counted. Only BBOB functions have several
instances; anything else is the one instance of itself. Instances have scales of their own, and are one problem.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import UnknownName, message
from trimtab.benchmarks.protocol import RunRecord, read_run
from trimtab.benchmarks.registry import SETS, set_of, without_instance

__all__ = ["SOLVED", "Results", "curve", "group_of", "read_runs", "results_of", "undelayed"]

Array = NDArray[np.float64]

SOLVED = 1e-8
"""A BBOB function counts as solved at this distance from its optimum, as in the COCO platform: less is a tie."""


@final
@dataclass(frozen=True, slots=True)
class Results:
    """Runs side by side: c cells, p peers, n trials, m problems.

    Arguments:
        peers: names, sorted.
        problems: names without instances, sorted.
        problem: of each cell, its place in `problems`, shape (c,).
        instances: names of what was played, sorted.
        instance: of each cell, its place in `instances`, shape (c,).
        seeds: of each cell, shape (c,).
        best: value of the best trial so far, shape (c, p, n), lower is better; infinite before the first success.
        left_out: how many cells lack a peer.
    """

    peers: tuple[str, ...]
    problems: tuple[str, ...]
    problem: NDArray[np.intp]
    instances: tuple[str, ...]
    instance: NDArray[np.intp]
    seeds: NDArray[np.intp]
    best: Array
    left_out: int


def read_runs(folder: Path) -> list[RunRecord]:
    """Every complete run below a folder, in order of the files' names.

    Raises:
        UnknownName: there is none.
    """
    found = [record for path in sorted(folder.glob("*/*.jsonl")) if (record := read_run(path)) and record.end]
    if not found:
        raise UnknownName(
            message("there are no complete runs", got=str(folder), do=f"make some with: trimtab bench run {folder}")
        )
    return found


def group_of(problem: str) -> str:
    """What is reported together: a set, with the wrappers of its problems but for their delays.

    >>> group_of("bbob-f5-d3"), group_of("bbob-f5-d3+noisy:0.1+delayed:0.5")
    ('bbob', 'bbob+noisy:0.1')
    """
    _, *wrappers = undelayed(problem).split("+")
    return "+".join([set_of(problem), *wrappers])


def undelayed(problem: str) -> str:
    """A problem's name without delays, which change when values come and not what they are."""
    return "+".join(part for part in problem.split("+") if not part.startswith("delayed:"))


def group_order(group: str) -> tuple[int, str]:
    """Sorts groups: the plain sets first, in their order."""
    kind = group.partition("+")[0]
    return (SETS.index(kind) if kind in SETS else len(SETS), group)


def results_of(records: Sequence[RunRecord], trials: int) -> Results:
    """The first `trials` trials of runs that are sequential, or all of one number of workers."""
    runs = {
        (record.run.problem, record.run.seed, record.run.peer): record
        for record in sorted(records, key=lambda record: record.run.budget)
        if record.run.budget >= trials
    }
    peers = tuple(sorted({peer for _, _, peer in runs}))
    held: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
    for instance, seed, peer in runs:
        held[instance, seed].add(peer)
    cells = sorted(cell for cell, there in held.items() if len(there) == len(peers))
    instances = tuple(sorted({instance for instance, _ in cells}))
    problems = tuple(sorted({without_instance(instance) for instance in instances}))
    best = np.array([[curve(runs[*cell, peer], trials) for peer in peers] for cell in cells])
    return Results(
        peers,
        problems,
        np.array([problems.index(without_instance(instance)) for instance, _ in cells], dtype=np.intp),
        instances,
        np.array([instances.index(instance) for instance, _ in cells], dtype=np.intp),
        np.array([seed for _, seed in cells], dtype=np.intp),
        best.reshape(len(cells), len(peers), trials),
        len(held) - len(cells),
    )


def curve(record: RunRecord, trials: int) -> Array:
    """Best so far after each trial, shape (trials,); a run that ended early keeps its last value.

    It is infinite before the first success, and never below `SOLVED` on a BBOB function.
    """
    values = [math.inf if line.best is None else line.best for line in record.trials[:trials]]
    values += [values[-1] if values else math.inf] * (trials - len(values))
    floor = SOLVED if set_of(record.run.problem) == "bbob" else -math.inf
    return np.maximum(values, floor)
