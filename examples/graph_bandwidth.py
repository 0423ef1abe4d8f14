"""The bandwidth of a graph, tuned on some tasks by their exact losses, and used on tasks of other classes.

    python examples/graph_bandwidth.py

Semi-supervised learning hands a few labels on along a graph of similar points: here 60 images of two digits, 10 of
them labelled. How quickly similarity falls with distance, the bandwidth, decides whether it works, and ten labels are
too few to tune it on. But of earlier tasks all labels are known. On each its error is a step function of the
bandwidth; all its steps are found with a certificate, the step functions are averaged over 20 pairs of digits, and the
lowest step of the mean is the bandwidth for 25 other pairs. Needs the extra `sklearn` and matplotlib; writes
graph_bandwidth.png into the current folder.
"""

from __future__ import annotations

from itertools import combinations

import matplotlib
import numpy as np
from sklearn.datasets import load_digits

from trimtab.tuners.tasks.duals import mean_dual
from trimtab.tuners.tasks.duals.gaussian_graph import gaussian_graph_dual

matplotlib.use("Agg")
from matplotlib import pyplot

LOW, HIGH = 8.0, 60.0
POINTS, LABELLED = 60, 10


def task(features, digits, pair, rng):
    """Labelled and unlabelled examples of two digits, half of each."""
    rows = np.concatenate([rng.permutation(np.flatnonzero(digits == digit))[: POINTS // 2] for digit in pair])
    seen = np.tile(np.arange(POINTS // 2) < LABELLED // 2, 2)
    x, y = features[rows], digits[rows]
    return (x[seen], y[seen]), (x[~seen], y[~seen])


def nearest_distance(labelled, unlabelled) -> float:
    """A rule of thumb that needs no labels: the median distance of a point to its nearest neighbour."""
    points = np.concatenate([labelled[0], unlabelled[0]])
    distances = np.sqrt(((points[:, None] - points[None]) ** 2).sum(axis=2))
    return float(np.median(np.where(distances > 0, distances, np.inf).min(axis=1)))


def draw(ax, dual, **looks) -> None:
    ax.step(dual.edges, [*dual.levels, dual.levels[-1]], where="post", **looks)


if __name__ == "__main__":
    features, digits = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    pairs = rng.permutation(list(combinations(range(10), 2)))
    tasks = [task(features, digits, pair, rng) for pair in pairs]
    found = [gaussian_graph_dual(*each, low=LOW, high=HIGH) for each in tasks]
    duals = [one.dual for one in found]
    undecided = sum(one.undecided_width for one in found)
    print(f"{len(found)} tasks, {sum(dual.pieces - 1 for dual in duals)} steps, width not certified {undecided:g}")

    mean, fresh = mean_dual(duals[:20]), mean_dual(duals[20:])
    best = mean.minimum()
    print(f"best mean error of 20 tasks {best.value:.4f}, for bandwidths from {best.low:.3f} to {best.high:.3f}")
    thumb = [float(dual.value(nearest_distance(*each))) for dual, each in zip(duals[20:], tasks[20:], strict=True)]
    print(f"mean error on 25 pairs of digits that tuning never saw, {POINTS - LABELLED} unlabelled images each:")
    print(f"  the tuned bandwidth                       {float(fresh.value(best.at)):.4f}")
    print(f"  the median distance to the nearest point  {np.mean(thumb):.4f}")
    print(f"  the best single bandwidth for these       {fresh.minimum().value:.4f} (nobody knows it beforehand)")
    each = np.mean([dual.minimum().value for dual in duals[20:]])
    print(f"  the best bandwidth for each of them       {each:.4f} (nor these)")

    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
    for dual, pair in zip(duals[:5], pairs[:5], strict=True):
        draw(axes[0], dual, label=f"{pair[0]} and {pair[1]}", linewidth=1)
    draw(axes[0], mean, color="black", linewidth=2, label="mean of 20")
    draw(axes[1], mean, color="black", linewidth=2, label="mean of 20 tasks tuned on")
    draw(axes[1], fresh, color="tab:red", linewidth=2, label="mean of 25 fresh tasks")
    axes[1].axvline(best.at, color="black", linestyle=":", label="the tuned bandwidth")
    for ax in axes:
        ax.set_xscale("log")
        ax.set_xlabel("bandwidth")
        ax.legend()
    axes[0].set_ylabel("share of wrong labels")
    figure.savefig("graph_bandwidth.png", dpi=120)
    print("wrote graph_bandwidth.png")
