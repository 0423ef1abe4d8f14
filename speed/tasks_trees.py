"""Exact duals of trees and clusters beside a grid: seconds for a family of tasks, and the least mean loss of both.

    python speed/tasks_trees.py --tasks 40

Each row is one method on tasks cut from scikit-learn's digits and breast cancer data (needs the extra `sklearn`).
`exact` makes the duals of all tasks and minimises their mean. A grid runs the method at each of its places for each
task; since that takes hours, it is timed at a few random places of each task, and multiplied. Its least mean loss is
read from the duals, which is allowed because every one of these runs is compared with its dual: `differ` counts those
that disagree. Seconds are the processor's.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from scipy.spatial.distance import pdist, squareform
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.tree import DecisionTreeClassifier

from trimtab.tuners.tasks.duals import PiecewiseConstant, mean_dual
from trimtab.tuners.tasks.duals.decision_tree import DecisionTree
from trimtab.tuners.tasks.duals.linkage import linkage_clusters, linkage_dual
from trimtab.tuners.tasks.duals.tree_pruning import prune, pruning_dual
from trimtab.tuners.tasks.duals.tree_splitting import grow, splitting_dual

Pair = tuple[Callable[[], PiecewiseConstant], Callable[[float], float]]
"""What makes the dual of a task, and what runs its method at one place."""


def digits_clusters(seed: int, n: int, mix: tuple[str, str]) -> Pair:
    """Images of four digits, n in all, to be clustered; those outside the majority of their cluster are wrong."""
    data, rng = load_digits(), np.random.default_rng(seed)
    kinds = rng.choice(10, 4, replace=False)
    rows = np.concatenate([rng.choice(np.flatnonzero(data.target == kind), n // 4, replace=False) for kind in kinds])
    distances, labels = squareform(pdist(data.data[rows])), data.target[rows]

    def run(at: float) -> float:
        clusters = linkage_clusters(distances, 4, at, mix=mix)
        table = (clusters[:, None] == np.arange(4)).T.astype(int) @ (labels[:, None] == kinds).astype(int)
        return 1 - table.max(axis=1).sum() / n

    return lambda: linkage_dual(distances, labels, mix=mix, loss="majority"), run


def halves(data, seed: int, n: int):
    order = np.random.default_rng(seed).permutation(len(data.data))
    seen, unseen = order[:n], order[n:]
    return (data.data[seen], data.target[seen]), (data.data[unseen], data.target[unseen])


def split_digits(seed: int, mix: tuple[str, str]) -> Pair:
    train, (x, y) = halves(load_digits(), seed, 200)
    return (
        lambda: splitting_dual(train, (x, y), mix=mix, max_depth=8),
        lambda at: float((grow(*train, at, mix=mix, max_depth=8).predict(x) != y).mean()),
    )


def pruned(data, seed: int) -> Pair:
    train, (x, y) = halves(data, seed, 300)
    tree = DecisionTree.from_sklearn(DecisionTreeClassifier(random_state=0).fit(*train))
    return lambda: pruning_dual(tree, x, y, high=0.1), lambda at: float((prune(tree, at).predict(x) != y).mean())


FAMILIES: dict[str, tuple[Callable[[int], Pair], float]] = {
    "pruning, breast cancer, 300 examples": (lambda seed: pruned(load_breast_cancer(), seed), 0.1),
    "pruning, digits, 300 examples": (lambda seed: pruned(load_digits(), seed), 0.1),
    "gini to entropy, digits, 200 examples": (lambda seed: split_digits(seed, ("gini", "entropy")), 1.0),
    "gini to Kearns-Mansour, the same": (lambda seed: split_digits(seed, ("gini", "kearns_mansour")), 1.0),
    "single to complete, 40 digits": (lambda seed: digits_clusters(seed, 40, ("single", "complete")), 1.0),
    "average to complete, 40 digits": (lambda seed: digits_clusters(seed, 40, ("average", "complete")), 1.0),
    "single to complete, 60 digits": (lambda seed: digits_clusters(seed, 60, ("single", "complete")), 1.0),
    "single to average, 60 digits": (lambda seed: digits_clusters(seed, 60, ("single", "average")), 1.0),
    "average to complete, 60 digits": (lambda seed: digits_clusters(seed, 60, ("average", "complete")), 1.0),
}


def measure(make: Callable[[int], Pair], high: float, tasks: int, grid: int, places: int) -> list[str]:
    pairs, rng = [make(seed) for seed in range(tasks)], np.random.default_rng(0)
    start = time.process_time()
    duals = [dual() for dual, _ in pairs]
    mean = mean_dual(duals)
    least = mean.minimum()
    exact = time.process_time() - start
    at = np.linspace(0, high, grid)[rng.integers(1, grid - 1, (tasks, places))]
    start = time.process_time()
    runs = [[run(place) for place in row] for (_, run), row in zip(pairs, at.tolist(), strict=True)]
    by_grid = (time.process_time() - start) * grid / places
    differ = sum(
        int((np.abs(dual.value(row) - run) > 1e-9).sum()) for dual, row, run in zip(duals, at, runs, strict=True)
    )
    pieces = np.mean([dual.pieces for dual in duals])
    on_grid = float(mean.value(np.linspace(0, high, grid)).min())
    return [
        f"{exact:.2g} s",
        f"{by_grid:,.0f} s",
        f"{by_grid / exact:,.0f}",
        f"{pieces:.1f}",
        f"{least.value:.5f}",
        f"{on_grid:.5f}",
        f"{differ} of {at.size}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=40)
    parser.add_argument("--grid", type=int, default=10_001, help="places of the grid")
    parser.add_argument("--places", type=int, default=10, help="places of each task at which the method is run")
    parser.add_argument("--only", default="", help="rows whose names contain this")
    given = parser.parse_args()
    head = ["method", "exact", "grid", "ratio", "pieces a task", "least, exact", "least, grid", "differ"]
    print(f"| {' | '.join(head)} |\n| {' | '.join(['---'] * len(head))} |", flush=True)
    for name, (make, high) in FAMILIES.items():
        if given.only in name:
            row = measure(make, high, given.tasks, given.grid, given.places)
            print(f"| {name} | {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
