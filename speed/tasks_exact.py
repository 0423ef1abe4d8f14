"""One penalty for many tasks: the exact minimum of their mean loss beside grids of 10,001 penalties.

    OMP_NUM_THREADS=1 python speed/tasks_exact.py               # all tables, some minutes
    OMP_NUM_THREADS=1 python speed/tasks_exact.py --every 1     # fits at every point of the grids, a quarter of an hour

Tasks are random splits of scikit-learn's diabetes data, standardised: 30 examples to train on, 60 to judge by. Seconds
are of the processor. Four tables:

1. The exact minimum beside three ways to search a grid of 10,001 penalties, logarithmic and linear: scikit-learn's
   estimator fitted at every point (timed at one point in `--every` and multiplied), one decomposition or `lars_path`
   a task with predictions for all points at once, and trimtab's own dual functions evaluated at every point.
2. How far the mean loss of fits is from a quadratic between merged knots.
3. The excess of the tuned penalty's loss on fresh tasks over the best for these, against the number of tuning tasks.
4. The elastic net with both penalties: exact in the l1 penalty on a grid of l2 penalties, and certified in both.

Needs the extra `sklearn`.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Sequence

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Lasso, Ridge, lars_path
from sklearn.preprocessing import scale

from trimtab.tuners.tasks.duals.dual import Dual
from trimtab.tuners.tasks.duals.elastic_net import elastic_net_family
from trimtab.tuners.tasks.duals.lasso import lasso_dual
from trimtab.tuners.tasks.duals.mean import mean_dual
from trimtab.tuners.tasks.duals.ridge import ridge_dual

Array = np.ndarray
Task = tuple[tuple[Array, Array], tuple[Array, Array]]

POINTS = 10_001
RANGES = {"ridge": (1e-3, 1e3), "lasso": (1e-3, 1.0)}
L2 = (1e-3, 10.0)


def family(seed: int, count: int) -> list[Task]:
    """Random splits of the diabetes data."""
    x, y = load_diabetes(return_X_y=True)
    x, y = scale(x), scale(y)
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(x)) for _ in range(count)]
    return [((x[o[:30]], y[o[:30]]), (x[o[30:90]], y[o[30:90]])) for o in orders]


def dual_of(method: str, task: Task) -> Dual:
    low, high = RANGES[method]
    return (ridge_dual if method == "ridge" else lasso_dual)(*task, low=low, high=high)


def grids(method: str) -> dict[str, Array]:
    low, high = RANGES[method]
    log = np.geomspace(low, high, POINTS)
    log[[0, -1]] = low, high
    return {"log": log, "linear": np.linspace(low, high, POINTS)}


def seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """The least of a few runs, in seconds of the processor."""
    spent = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return min(spent)


def fitted(method: str, task: Task, penalties: Sequence[float]) -> Array:
    """The loss at each penalty by a fit of its own."""
    (x, y), (held, target) = task
    out = []
    for alpha in penalties:
        model = Ridge(alpha=alpha) if method == "ridge" else Lasso(alpha=alpha)
        out.append(np.mean((target - model.fit(x, y).predict(held)) ** 2))
    return np.array(out)


def vectorised(method: str, task: Task, penalties: Array) -> Array:
    """The loss at all penalties from one decomposition or path."""
    (x, y), (held, target) = task
    mean, level = x.mean(0), y.mean()
    if method == "ridge":
        u, s, vt = np.linalg.svd(x - mean, full_matrices=False)
        shrunk = (s * (u.T @ (y - level)))[:, None] / (s[:, None] ** 2 + penalties)
        residuals = (target - level)[:, None] - ((held - mean) @ vt.T) @ shrunk
    else:
        alphas, _, path = lars_path(x - mean, y - level, method="lasso")
        knots, known = alphas[::-1], (target - level)[:, None] - (held - mean) @ path[:, ::-1]
        piece = np.clip(np.searchsorted(knots, penalties) - 1, 0, len(knots) - 2)
        share = np.clip((penalties - knots[piece]) / (knots[piece + 1] - knots[piece]), 0.0, 1.0)
        residuals = known[:, piece] * (1 - share) + known[:, piece + 1] * share
    return (residuals * residuals).mean(axis=0)


def against_grids(tasks: list[Task], every: int) -> None:
    print(f"1. {len(tasks)} tasks, grids of {POINTS:,} penalties")
    print("| method | grid | exact, s | least mean loss | the grid's is above it by | fits | vectorised | own duals |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for method in ("ridge", "lasso"):

        def minimised(method: str = method) -> object:
            return mean_dual([dual_of(method, task) for task in tasks]).minimum()

        exact, mean = seconds(minimised), mean_dual([dual_of(method, task) for task in tasks])
        least = mean.minimum()
        for name, grid in grids(method).items():
            values = np.mean([vectorised(method, task, grid) for task in tasks], axis=0)
            start = time.process_time()
            for task in tasks:
                fitted(method, task, grid[::every])
            fits = (time.process_time() - start) * POINTS / len(grid[::every])
            fast = seconds(lambda m=method, g=grid: [vectorised(m, task, g) for task in tasks])
            own = seconds(lambda m=method, g=grid: [dual_of(m, task).value(g) for task in tasks])
            print(
                f"| {method} | {name} | {exact:.3f} | {least.value:.6f} | {values.min() - least.value:.1e} "
                f"| {fits:.0f} s, {fits / exact:.0f}x | {fast:.2f} s, {fast / exact:.1f}x "
                f"| {own:.2f} s, {own / exact:.1f}x |"
            )


def quadratic_between_knots(tasks: list[Task]) -> None:
    """Third differences of the tasks' own losses at four places of each merged piece."""
    duals = [dual_of("lasso", task) for task in tasks]
    edges = mean_dual(duals).edges
    left, width = edges[:-1], np.diff(edges)
    wide = width > 1e-6
    places = left[wide, None] + width[wide, None] * np.array([0.2, 0.4, 0.6, 0.8])
    values = np.mean([vectorised("lasso", task, places.ravel()) for task in tasks], axis=0).reshape(places.shape)
    third = np.abs(values @ np.array([-1.0, 3.0, -3.0, 1.0]))
    print(f"\n2. lasso: {len(left)} merged pieces; third differences of losses from lars_path in each piece")
    print(f"   at most {third.max() / values.min():.1e} of the loss")


def fresh_tasks(seeds: int) -> None:
    counts = (1, 5, 10, 20, 40)
    print("\n3. mean excess loss on 200 fresh tasks, 20 draws of tuning tasks out of 400")
    print("| method | seed | " + " | ".join(map(str, counts)) + " | 40 over 1 |")
    print("| --- " * (len(counts) + 3) + "|")
    for method in ("ridge", "lasso"):
        for seed in range(seeds):
            fresh = mean_dual([dual_of(method, task) for task in family(1000 + seed, 200)])
            duals = [dual_of(method, task) for task in family(2000 + seed, 400)]
            best, rng = fresh.minimum().value, np.random.default_rng(seed)
            excess = []
            for count in counts:
                draws = [rng.choice(len(duals), count, replace=False) for _ in range(20)]
                tuned = [mean_dual([duals[i] for i in draw]).minimum().at for draw in draws]
                excess.append(float(np.mean(fresh.value(tuned) - best)))
            row = " | ".join(f"{value:.4f}" for value in excess)
            print(f"| {method} | {seed} | {row} | {excess[-1] / excess[0]:.2f} |")


def both_penalties(tasks: list[Task]) -> None:
    net = elastic_net_family(tasks, low=RANGES["lasso"][0], high=RANGES["lasso"][1])
    print(f"\n4. elastic net, {len(tasks)} tasks, l1 in {RANGES['lasso']}, l2 in {L2}")
    start = time.process_time()
    grid = np.geomspace(*L2, 31)
    profile = net.profile(grid)
    best = min(range(len(grid)), key=lambda k: profile[k].value)
    spent = time.process_time() - start
    print(
        f"   31 l2 penalties, exact in l1: {profile[best].value:.6f} at l1 {profile[best].at:.4g}, l2 {grid[best]:.4g}"
    )
    print(f"   in {spent:.1f} s")
    print("| tolerance | l1 | l2 | value | lower bound | strips | s |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for tolerance in (1e-2, 1e-3, 1e-4):
        start = time.process_time()
        found = net.minimum(*L2, tolerance=tolerance)
        print(
            f"| {tolerance:g} | {found.l1:.4g} | {found.l2:.4g} | {found.value:.6f} | {found.lower_bound:.6f} "
            f"| {found.strips} | {time.process_time() - start:.1f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=40)
    parser.add_argument("--every", type=int, default=100, help="one point in so many is fitted and timed")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    # Coordinate descent gives up on some of the smallest penalties; their fits are timed as they are.
    warnings.simplefilter("ignore", ConvergenceWarning)
    tasks = family(0, options.tasks)
    against_grids(tasks, options.every)
    quadratic_between_knots(tasks)
    fresh_tasks(options.seeds)
    both_penalties(tasks)


if __name__ == "__main__":
    main()
