"""One penalty for many hospitals: tuned exactly on some, kept on others, beside each hospital's own cross-validation.

    python examples/family_penalties.py

A task is to fit a linear model to a few patients of one hospital and to predict others of it. Hospitals are made from
two data sets: random patients, or patients alike in one measure, so that hospitals differ. For ridge regression and the
lasso the loss of a task is known exactly as a function of the penalty, and so is the least mean loss over the tuning
tasks. A hospital with 20 patients to fit to can also choose its own penalty by cross-validation, which is exact here,
too: the folds are a family of their own. Which of the two is better on hospitals that tuning never saw? Last, the
elastic net's two penalties at once, with a proof of how far from the best they can be.

Losses are mean squared errors, in units of the target's variance for the diabetes data, and for labels -1 and 1 for the
breast cancer data. Draws `family_penalties.png` into the current folder. Needs the extra `sklearn` and Matplotlib
(`pip install matplotlib`).
"""

from __future__ import annotations

import matplotlib
import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.preprocessing import scale

from trimtab.tuners.tasks.duals import mean_dual
from trimtab.tuners.tasks.duals.elastic_net import elastic_net_family, sklearn_arguments
from trimtab.tuners.tasks.duals.lasso import lasso_dual
from trimtab.tuners.tasks.duals.ridge import ridge_dual

matplotlib.use("agg")
import matplotlib.pyplot as plt

PATIENTS, FITTED = 32, 20
METHODS = {"ridge": (ridge_dual, 1e-2, 1e3), "lasso": (lasso_dual, 1e-3, 1.0)}


def hospitals(x: np.ndarray, y: np.ndarray, measure: int | None) -> list[tuple]:
    """Hospitals of 32 patients, in random order: random patients, or patients with about the same measure."""
    rng = np.random.default_rng(0)
    order = rng.permutation(len(x))
    if measure is not None:
        order = order[np.argsort(x[order, measure], kind="stable")]
    groups = [rng.permutation(order[at : at + PATIENTS]) for at in range(0, len(x) - PATIENTS + 1, PATIENTS)]
    tasks = [((x[g[:FITTED]], y[g[:FITTED]]), (x[g[FITTED:]], y[g[FITTED:]])) for g in groups]
    return [tasks[k] for k in rng.permutation(len(tasks))]


def by_cross_validation(method: str, train: tuple, folds: int = 5) -> float:
    """The penalty that a hospital would choose by its own patients alone."""
    make, low, high = METHODS[method]
    x, y = train
    fold = np.arange(len(x)) % folds
    splits = [((x[fold != k], y[fold != k]), (x[fold == k], y[fold == k])) for k in range(folds)]
    return mean_dual([make(*split, low=low, high=high) for split in splits]).minimum().at


def compare(name: str, method: str, tasks: list[tuple]) -> tuple:
    """Tune on every other hospital, and judge by those between."""
    make, low, high = METHODS[method]
    duals = [make(*task, low=low, high=high) for task in tasks]
    tuning, fresh = mean_dual(duals[::2]), mean_dual(duals[1::2])
    chosen, best = tuning.minimum(), fresh.minimum()
    own = [by_cross_validation(method, train) for train, _ in tasks[1::2]]
    alone = np.mean([dual.value(at) for dual, at in zip(duals[1::2], own, strict=True)])
    print(
        f"{name:36} {method:6} penalty {chosen.at:8.3g}: {chosen.value:.3f} on {len(duals[::2])} tuning hospitals, "
        f"{fresh.value(chosen.at):.3f} on {len(duals[1::2])} fresh ones; their own cross-validation {alone:.3f}, "
        f"the best single penalty {best.value:.3f}"
    )
    return duals, tuning, fresh, chosen


def draw(results: dict[str, tuple]) -> None:
    """Every hospital's loss, and the means over the two halves."""
    figure, panels = plt.subplots(2, 2, figsize=(10, 6.4))
    for (name, (duals, tuning, fresh, chosen)), panel in zip(results.items(), panels.ravel(), strict=True):
        points = np.geomspace(tuning.low, tuning.high, 600)
        points[[0, -1]] = tuning.low, tuning.high
        for dual in duals[::2]:
            panel.plot(points, dual.value(points), color="tab:blue", alpha=0.3, linewidth=0.8)
        panel.plot(points, tuning.value(points), color="black", label="mean of tuning hospitals")
        panel.plot(points, fresh.value(points), color="tab:orange", linestyle="--", label="mean of fresh hospitals")
        panel.plot(chosen.at, chosen.value, "o", color="black")
        panel.set(xscale="log", title=name, xlabel="penalty", ylabel="mean squared error")
        panel.set_ylim(0, 2.5 * float(tuning.value(points[-1])))
    panels[0, 0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig("family_penalties.png", dpi=120)
    print("drew family_penalties.png")


if __name__ == "__main__":
    diabetes, cancer = load_diabetes(), load_breast_cancer()
    sets = {
        "diabetes": (scale(diabetes.data), scale(diabetes.target), 2, "body mass index"),
        "breast cancer": (scale(cancer.data), 2.0 * cancer.target - 1.0, 1, "texture"),
    }
    drawn = {}
    for data, (x, y, measure, label) in sets.items():
        for kind, column in (("random", None), (f"by {label}", measure)):
            family = hospitals(x, y, column)
            for method in METHODS:
                result = compare(f"{data}, hospitals {kind}", method, family)
                if column is not None:
                    drawn[f"{data}, hospitals {kind}, {method}"] = result
    x, y, *_ = sets["diabetes"]
    tasks = hospitals(x, y, None)
    net = elastic_net_family(tasks[::2], low=0.0, high=1.0).minimum(1e-2, 10.0, tolerance=2e-3)
    print(
        f"elastic net, diabetes, hospitals random: l1 {net.l1:.3g} and l2 {net.l2:.3g} lose {net.value:.4f} on the "
        f"tuning ones, and no two penalties lose less than {net.lower_bound:.4f}"
    )
    arguments = ", ".join(f"{name}={value:.3g}" for name, value in sklearn_arguments(net.l1, net.l2).items())
    print(f"for scikit-learn: ElasticNet({arguments})")
    draw(drawn)
