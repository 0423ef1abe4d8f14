"""A linkage between average and complete, tuned exactly on clustering tasks of one kind and applied to fresh ones.

    python examples/linkage_mix.py

A task is to part 40 images of four digits, no matter which four, into four clusters; its labels are known for thirty
tasks to tune on, and needed for the fresh ones only to judge. Hierarchical clustering merges the two nearest clusters
until four are left. How near two clusters are can be a mix of two linkages, (1 - a) average + a complete for instance.
The loss of a task is a step function of a, whose steps are all found by following every run that the method can make.
So the least mean loss over all mixes is known exactly, and what it promises can be compared with what it keeps.

Draws `linkage_mix.png` into the current folder. Needs the extra `sklearn` and Matplotlib (`pip install matplotlib`).
"""

from __future__ import annotations

import matplotlib
import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import pdist, squareform
from sklearn.datasets import load_digits

from trimtab.tuners.tasks.duals import PiecewiseConstant, mean_dual
from trimtab.tuners.tasks.duals.linkage import linkage_clusters, linkage_dual

matplotlib.use("agg")
import matplotlib.pyplot as plt

DIGITS = load_digits()
CLUSTERS, EACH = 4, 10
TUNING, FRESH = range(30), range(1_000, 1_300)
MIXES = [("average", "complete"), ("single", "complete")]


def task(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances between images of four digits, and which digits they are."""
    rng = np.random.default_rng(seed)
    kinds = rng.choice(10, CLUSTERS, replace=False)
    rows = np.concatenate([rng.choice(np.flatnonzero(DIGITS.target == kind), EACH, replace=False) for kind in kinds])
    return squareform(pdist(DIGITS.data[rows])), DIGITS.target[rows]


def loss(distances: np.ndarray, labels: np.ndarray, at: float, mix: tuple[str, str]) -> float:
    """The share of images outside the digit of their cluster, clusters and digits matched as well as can be.

    A task's own dual would tell the same; here the method is applied as it would be where no label is known.
    """
    clusters = linkage_clusters(distances, CLUSTERS, at, mix=mix)
    table = np.zeros((CLUSTERS, 10))
    np.add.at(table, (clusters, labels), 1)
    return 1 - table[linear_sum_assignment(table, maximize=True)].sum() / len(labels)


def draw(duals: dict[tuple[str, str], list[PiecewiseConstant]], chosen: dict[tuple[str, str], float]) -> None:
    """A few tasks and the mean of all of them, for each mix."""
    figure, panels = plt.subplots(1, len(duals), figsize=(10, 3.6), sharey=True)
    for (mix, family), panel in zip(duals.items(), panels, strict=True):
        for dual in family[:4]:
            panel.stairs(dual.levels, dual.edges, baseline=None, color="tab:blue", alpha=0.35)
        mean = mean_dual(family)
        panel.stairs(mean.levels, mean.edges, baseline=None, color="black", linewidth=1.8)
        panel.plot(chosen[mix], mean.value(chosen[mix]), "o", color="tab:red")
        panel.set_xlabel(f"share of {mix[1]}, the rest {mix[0]}")
    panels[0].set_ylabel("images in the wrong cluster")
    figure.suptitle(f"The exact loss of four tasks (blue), the mean of {len(TUNING)} (black) and its least value (red)")
    figure.tight_layout()
    figure.savefig("linkage_mix.png", dpi=120)


if __name__ == "__main__":
    tuning = [task(seed) for seed in TUNING]
    duals = {mix: [linkage_dual(*one, mix=mix) for one in tuning] for mix in MIXES}
    chosen: dict[tuple[str, str], float] = {}
    contenders = {"single": (("single", "complete"), 0.0), "average": (("average", "complete"), 0.0)}
    contenders["complete"] = (("average", "complete"), 1.0)
    for mix, family in duals.items():
        mean = mean_dual(family)
        least = mean.minimum()
        chosen[mix] = least.at
        contenders[f"{least.at:.3f} of {mix[1]}, rest {mix[0]}"] = (mix, least.at)
        print(
            f"{' to '.join(mix)}: {np.mean([dual.pieces for dual in family]):.1f} pieces a task, {mean.pieces} in the "
            f"mean of {len(TUNING)} tasks; least from {least.low:.4f} to {least.high:.4f}"
        )
    fresh = [task(seed) for seed in FRESH]
    results = {name: np.array([loss(*one, at, mix) for one in fresh]) for name, (mix, at) in contenders.items()}
    print(
        f"images in the wrong cluster: {len(TUNING)} tasks tuned on, {len(FRESH)} fresh ones, and there less complete"
    )
    for name, (mix, at) in contenders.items():
        gain = results[name] - results["complete"]
        print(
            f"  {name:32} {mean_dual(duals[mix]).value(at):.3f}  {results[name].mean():.3f}  "
            f"{gain.mean():+.3f} +- {gain.std(ddof=1) / np.sqrt(len(gain)):.3f}"
        )
    draw(duals, chosen)
