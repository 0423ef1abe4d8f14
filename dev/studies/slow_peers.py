"""Peers that are too slow for many runs: the few of theirs beside all runs of the others.

    .venv/bin/python dev/studies/slow_peers.py RUNS SLOW --peer botorch:logei --budget 50

RUNS is the folder of the page of benchmarks, SLOW one of `trimtab bench run` with the slow peer alone, of `--budget`
trials a run. The page ranks within cells, which each need a run of every peer, and would so have to leave out most runs
of the others. Here every run of one is held against every run of another on the same instance: p_ab is the share of
pairs in which b ended lower than a, ties half. The mean rank of a is 1 + sum_b p_ab, averaged over the instances that
the slow peer has played and then over problems; for one run of each it is the rank. Intervals are the page's, by
bootstrap over problems.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trimtab.benchmarks.protocol import RunRecord
from trimtab.benchmarks.registry import without_instance
from trimtab.benchmarks.results import curve, group_of, read_runs
from trimtab.benchmarks.scores import bootstrap_means, interval, lower_share

Array = NDArray[np.float64]

OURS, BUDGETS = "trimtab:auto", (20, 50, 100)


def mean_ranks(values: Sequence[Array]) -> Array:
    """The mean rank of each peer among all k, from the values of its runs (n_k,), by pairs of runs: (k,)."""
    places = range(len(values))
    return np.array([1.0 + sum(lower_share(values[b], values[a]) for b in places if b != a) for a in places])


def by_instance(records: Sequence[RunRecord], trials: int) -> dict[str, dict[str, list[float]]]:
    """The best values after so many trials of sequential runs, by instance and peer."""
    found: defaultdict[str, defaultdict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        if record.run.budget >= trials and record.run.workers == 1 and not record.run.preload:
            found[record.run.problem][record.run.peer].append(float(curve(record, trials)[-1]))
    return {instance: dict(held) for instance, held in found.items()}


def report(values: Mapping[str, Mapping[str, list[float]]], slow: str) -> str:
    """A row of the table: the runs of the slow peer, both mean ranks, how far it is behind, and the best other.

    Arguments:
        values: of the runs, by instance and peer.
        slow: the name of the slow peer.
    """
    peers = sorted({peer for held in values.values() for peer in held})
    shown = {instance: held for instance, held in values.items() if len(held) == len(peers)}
    means: defaultdict[str, list[Array]] = defaultdict(list)
    for instance, held in shown.items():
        means[without_instance(instance)].append(mean_ranks([np.array(held[p]) for p in peers]))
    ranks = np.array([np.mean(rows, axis=0) for rows in means.values()])
    drawn = bootstrap_means(ranks)
    place = {peer: column for column, peer in enumerate(peers)}
    behind = interval(drawn[:, place[slow]] - drawn[:, place[OURS]])
    overall = ranks.mean(axis=0)
    rival = min((p for p in peers if p not in (slow, OURS)), key=lambda p: overall[place[p]])
    runs = sum(len(held[slow]) for held in shown.values())
    return (
        f"{runs} | {overall[place[OURS]]:.2f} | {overall[place[slow]]:.2f} | "
        f"{behind.low:.2f} to {behind.high:.2f} | {overall[place[rival]]:.2f} ({rival})"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path)
    parser.add_argument("slow", type=Path)
    parser.add_argument("--peer", required=True)
    parser.add_argument("--budget", type=int, required=True)
    given = parser.parse_args()
    slow = [r for r in read_runs(given.slow) if r.run.peer == given.peer and r.run.budget == given.budget]
    records = [r for r in read_runs(given.runs) if r.run.peer != given.peer] + slow
    played = {record.run.problem for record in slow}
    print(f"| set | after | runs | {OURS} | {given.peer} | behind, 95 % | best of the others |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for group in sorted({group_of(problem) for problem in played}):
        here = [r for r in records if r.run.problem in played and group_of(r.run.problem) == group]
        for trials in (n for n in BUDGETS if n <= given.budget):
            print(f"| {group} | {trials} | {report(by_instance(here, trials), given.peer)} |", flush=True)


if __name__ == "__main__":
    main()
