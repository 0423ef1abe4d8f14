"""Exact and certified losses of graphs, neighbours, kernels and networks over tasks, beside a grid of 10,001 points.

OMP_NUM_THREADS=1 python speed/tasks_graphs.py --tasks 40

Tasks are random points of a pair of digits, a pair a task: some labelled, the others judged. For each family of methods
all tasks' duals are computed, averaged and minimised, and so is the mean loss on a grid. The grid is quick for a
grid: many points at a time, one stacked solve for all of them, no model objects. `breakpoints` is their number over all
tasks, `undecided` the share of the interval on which something was not certified, `differ` the number of grid points
where the means are not equal (a breakpoint may be one of them). Needs the extra `sklearn`. All of it with 40 tasks
takes minutes; `--only` chooses rows.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from itertools import combinations

import numpy as np

from trimtab.tuners.tasks.duals import PiecewiseConstant, mean_dual
from trimtab.tuners.tasks.duals.activation import activation_dual
from trimtab.tuners.tasks.duals.bisection import Certified
from trimtab.tuners.tasks.duals.classification import squared_distances
from trimtab.tuners.tasks.duals.gaussian_graph import gaussian_graph_dual
from trimtab.tuners.tasks.duals.graph_network import graph_network_dual
from trimtab.tuners.tasks.duals.harmonic import harmonic_shares
from trimtab.tuners.tasks.duals.kernel_bandwidth import kernel_bandwidth_dual
from trimtab.tuners.tasks.duals.nearest_neighbours import neighbour_exponent_dual, neighbour_scale_dual
from trimtab.tuners.tasks.duals.polynomial_graph import polynomial_graph_dual
from trimtab.tuners.tasks.duals.threshold_graph import threshold_graph_dual

CHUNK = 100
"""Grid points computed at once."""

GROUP = np.arange(64) < 32
WEIGHTS = np.random.default_rng(7).normal(size=(64, 40)) / 8
BIASES = np.random.default_rng(8).normal(size=40)
PENALTY = 0.1
DEGREE, NETWORK_DEGREE = 4, 2


def tasks(count: int, points: int, labelled: int) -> Iterator[tuple]:
    """Pairs of digits in turn; labelled examples (classes 0 and 1), then the others."""
    from sklearn.datasets import load_digits

    features, digits = load_digits(return_X_y=True)
    pairs = list(combinations(range(10), 2))
    for number in range(count):
        rng = np.random.default_rng(number)
        first, second = pairs[number % len(pairs)]
        rows = np.concatenate(
            [rng.permutation(np.flatnonzero(digits == digit))[: points // 2] for digit in (first, second)]
        )
        classes = (digits[rows] == second).astype(int)
        seen = np.zeros(points, dtype=bool)
        for kind in (0, 1):
            seen[rng.permutation(np.flatnonzero(classes == kind))[: labelled // 2]] = True
        yield (features[rows[seen]], classes[seen]), (features[rows[~seen]], classes[~seen])


def by_chunks(grid: np.ndarray, wrong: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Losses on a grid, from a function of some of its points to whether each judged example is wrong."""
    return np.concatenate([wrong(grid[start : start + CHUNK]).mean(axis=1) for start in range(0, len(grid), CHUNK)])


def harmonic_grid(grid: np.ndarray, unlabelled: tuple, labelled: tuple, weights: Callable) -> np.ndarray:
    """Labels of a graph for each grid point, by stacked solves."""
    nodes, signs = len(unlabelled[1]), 2.0 * labelled[1] - 1

    def wrong(at: np.ndarray) -> np.ndarray:
        found = weights(at[:, None, None])
        found[:, np.arange(nodes), np.arange(nodes)] = 0.0
        laplacian = -found[:, :nodes, :nodes]
        laplacian[:, np.arange(nodes), np.arange(nodes)] = found[:, :nodes].sum(axis=2)
        labels = np.linalg.solve(laplacian, found[:, :nodes, nodes:] @ signs[:, None])[:, :, 0]
        return (labels > 0) != unlabelled[1]

    return by_chunks(grid, wrong)


def gaussian_grid(grid: np.ndarray, labelled: tuple, unlabelled: tuple) -> np.ndarray:
    points = np.concatenate([unlabelled[0], labelled[0]])
    squares = squared_distances(points, points)
    return harmonic_grid(grid, unlabelled, labelled, lambda s: np.exp(-squares / s**2))


def polynomial_grid(grid: np.ndarray, labelled: tuple, unlabelled: tuple) -> np.ndarray:
    points = np.concatenate([unlabelled[0], labelled[0]])
    products = points @ points.T
    return harmonic_grid(grid, unlabelled, labelled, lambda c: ((products + c) / 1e4) ** DEGREE)


def threshold_grid(grid: np.ndarray, labelled: tuple, unlabelled: tuple) -> np.ndarray:
    """One solve for each graph that is new on the grid."""
    points = np.concatenate([unlabelled[0], labelled[0]])
    distances = np.sqrt(squared_distances(points, points))
    counts = np.searchsorted(np.sort(distances, axis=None), grid, side="right")
    _, first, place = np.unique(counts, return_index=True, return_inverse=True)
    losses = []
    for radius in grid[first]:
        shares = harmonic_shares((distances <= radius).astype(float), np.eye(2)[labelled[1]])
        losses.append(np.mean((shares[:, 1] - shares[:, 0] > 1e-9) != unlabelled[1]))
    return np.array(losses)[place]


def kernel_grid(grid: np.ndarray, labelled: tuple, unlabelled: tuple) -> np.ndarray:
    squares = squared_distances(unlabelled[0], labelled[0])
    squares = squares - squares.min(axis=1, keepdims=True)
    signs = 2.0 * labelled[1] - 1
    return by_chunks(
        grid, lambda h: (np.exp(-squares / (2 * h[:, None, None] ** 2)) @ signs > 0) != unlabelled[1].astype(bool)
    )


def exponent_grid(grid: np.ndarray, labelled: tuple, unlabelled: tuple) -> np.ndarray:
    squares = squared_distances(unlabelled[0], labelled[0])
    nearest = np.argsort(squares, axis=1)[:, :5]
    logs, signs = np.log(np.take_along_axis(squares, nearest, axis=1)) / 2, 2.0 * labelled[1][nearest] - 1
    logs = logs - logs.min(axis=1, keepdims=True)
    return by_chunks(
        grid, lambda p: ((np.exp(-p[:, None, None] * logs) * signs).sum(axis=2) > 0) != unlabelled[1].astype(bool)
    )


def scale_grid(grid: np.ndarray, labelled: tuple, unlabelled: tuple) -> np.ndarray:
    start, slope = (squared_distances(unlabelled[0][:, g], labelled[0][:, g]) for g in (~GROUP, GROUP))

    def wrong(s: np.ndarray) -> np.ndarray:
        nearest = np.argpartition(start + s[:, None, None] * slope, 4, axis=2)[:, :, :5]
        return (labelled[1][nearest].sum(axis=2) > 2) != unlabelled[1].astype(bool)

    return by_chunks(grid, wrong)


def features_grid(grid: np.ndarray, parts: list, held: list, labelled: tuple, unlabelled: tuple) -> np.ndarray:
    """Ridge regression of features that are polynomials in the parameter, by stacked solves."""
    one_hot = np.eye(2)[labelled[1]]

    def wrong(a: np.ndarray) -> np.ndarray:
        powers = a[:, None] ** np.arange(len(parts))
        rows, judged = np.tensordot(powers, np.stack(parts), 1), np.tensordot(powers, np.stack(held), 1)
        across = np.swapaxes(rows, 1, 2)
        trained = np.linalg.solve(across @ rows + PENALTY * np.eye(rows.shape[2]), across @ one_hot)
        return (judged @ trained).argmax(axis=2) != unlabelled[1]

    return by_chunks(grid, wrong)


def relu(z: np.ndarray) -> np.ndarray:
    return np.maximum(z, 0.0)


def activation_grid(grid: np.ndarray, labelled: tuple, unlabelled: tuple) -> np.ndarray:
    both = []
    for x, _ in (labelled, unlabelled):
        z, one = x / 16 @ WEIGHTS + BIASES, np.ones((len(x), 1))
        both.append([np.hstack([relu(z), one]), np.hstack([np.tanh(z) - relu(z), 0 * one])])
    return features_grid(grid, both[0], both[1], labelled, unlabelled)


def network_grid(grid: np.ndarray, labelled: tuple, unlabelled: tuple) -> np.ndarray:
    points = np.concatenate([labelled[0], unlabelled[0]])
    distances, one = np.sqrt(squared_distances(points, points)), np.ones((len(points), 1))
    scale = len(points) * distances.max() ** NETWORK_DEGREE
    parts = [
        np.hstack([kernel @ points / scale, one * (k == 0)])
        for k, kernel in enumerate((distances**2, 2 * distances, np.ones_like(distances)))
    ]
    cut = len(labelled[1])
    return features_grid(grid, [p[:cut] for p in parts], [p[cut:] for p in parts], labelled, unlabelled)


def activation(labelled: tuple, unlabelled: tuple, low: float, high: float) -> Certified:
    near, far = ((x / 16, classes) for x, classes in (labelled, unlabelled))
    return activation_dual(
        near, far, weights=WEIGHTS, biases=BIASES, first=np.tanh, second=relu, penalty=PENALTY, low=low, high=high
    )


FAMILIES: dict[str, tuple[Callable, Callable, float, float, bool]] = {
    "threshold graph, radius": (threshold_graph_dual, threshold_grid, 0.0, 80.0, False),
    "Gaussian graph, bandwidth": (gaussian_graph_dual, gaussian_grid, 12.0, 60.0, True),
    "polynomial graph, constant": (
        lambda lab, un, **ends: polynomial_graph_dual(lab, un, degree=DEGREE, **ends),
        polynomial_grid,
        1.0,
        1e4,
        True,
    ),
    "kernel classifier, bandwidth": (kernel_bandwidth_dual, kernel_grid, 1.0, 60.0, True),
    "5 neighbours, exponent": (
        lambda lab, un, **ends: neighbour_exponent_dual(lab, un, neighbours=5, **ends),
        exponent_grid,
        0.0,
        20.0,
        False,
    ),
    "5 neighbours, scale of a group": (
        lambda lab, un, **ends: neighbour_scale_dual(lab, un, group=GROUP, neighbours=5, **ends),
        scale_grid,
        0.0,
        10.0,
        False,
    ),
    "network, mix of activations": (activation, activation_grid, 0.0, 1.0, False),
    "graph network, constant": (
        lambda lab, un, **ends: graph_network_dual(lab, un, degree=NETWORK_DEGREE, penalty=PENALTY, **ends),
        network_grid,
        -40.0,
        40.0,
        False,
    ),
}
"""The dual, the grid, the interval, and whether the grid is logarithmic."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=40)
    parser.add_argument("--points", type=int, default=60)
    parser.add_argument("--labelled", type=int, default=10)
    parser.add_argument("--grid", type=int, default=10_001)
    parser.add_argument(
        "--only", nargs="+", default=[""], metavar="WORD", help="rows whose name has one of these words"
    )
    given = parser.parse_args()
    made = list(tasks(given.tasks, given.points, given.labelled))
    print(f"{given.tasks} tasks of {given.points} points, {given.labelled} labelled; seconds of the processor")
    print("| family | breakpoints | exact | grid | ratio | least mean, exact | on the grid | undecided | differ |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, (dual, on_grid, low, high, logarithmic) in FAMILIES.items():
        if not any(word in name for word in given.only):
            continue
        grid = (np.geomspace if logarithmic else np.linspace)(low, high, given.grid)
        grid[0], grid[-1] = low, high
        start = time.process_time()
        found = [dual(labelled, unlabelled, low=low, high=high) for labelled, unlabelled in made]
        steps: list[PiecewiseConstant] = [one.dual if isinstance(one, Certified) else one for one in found]
        mean = mean_dual(steps)
        least = mean.minimum().value
        exact = time.process_time() - start
        start = time.process_time()
        losses = np.mean([on_grid(grid, labelled, unlabelled) for labelled, unlabelled in made], axis=0)
        gridded = time.process_time() - start
        undecided = sum(one.undecided_width for one in found if isinstance(one, Certified)) / len(made) / (high - low)
        # The last point of an interval belongs to the piece before it.
        differ = int((np.abs(mean.value(grid) - losses) > 1e-9)[:-1].sum())
        print(
            f"| {name} | {sum(one.pieces - 1 for one in steps)} | {exact:.2f} s | {gridded:.1f} s | "
            f"{gridded / exact:.0f} | {least:.5f} | {losses.min():.5f} | {undecided:.1%} | {differ} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
