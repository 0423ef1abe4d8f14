"""Wrong labels found by bilevel descent: a weight for each training example, judged by a few that are clean.

    python examples/hyper_cleaning.py

Of 600 labelled digits 40 % have a wrong label, and nobody knows which. Each gets a weight sigmoid(x_i), training
minimises the weighted loss, and the 600 numbers x are moved so that the trained model is good on 200 clean examples.
BO-REP and a plain momentum descent both do this, with a few steps of training between their moves. The lengths of their
steps were chosen on these data. Draws `hyper_cleaning.png` into the current folder. Needs the extras `torch` and
`sklearn`, and matplotlib.
"""

from __future__ import annotations

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from trimtab.tuners.gradients.bilevel import BilevelProblem, BoRep, Descent, MomentumDescent, descend

L2 = 1e-3
"""Weight of the l2 term, which makes training strongly convex."""

STEPS = 400

METHODS: dict[str, Descent] = {
    "BO-REP": BoRep(0.1, inner_rate=0.5, inner_steps=3, adjoint=0.5),
    "plain momentum": MomentumDescent(8.0, inner_rate=0.5, inner_steps=3, adjoint=0.5),
}


def spoilt_digits(seed: int) -> dict[str, np.ndarray]:
    """600 examples to train on, with the labels given and the true ones, 200 to validate on, and the rest."""
    rng = np.random.default_rng(seed)
    digits = load_digits()
    images, labels = np.c_[digits.data / 16.0, np.ones(len(digits.data))], digits.target
    train, validation, test = np.split(rng.permutation(len(labels)), [600, 800])
    given = labels[train].copy()
    wrong = rng.permutation(600) < 240
    given[wrong] = (given[wrong] + rng.integers(1, 10, 240)) % 10
    return {
        "x": images[train],
        "given": given,
        "true": labels[train],
        "wrong": wrong,
        "x_validation": images[validation],
        "y_validation": labels[validation],
        "x_test": images[test],
        "y_test": labels[test],
    }


def cleaning(data: dict[str, np.ndarray]) -> BilevelProblem:
    """Softmax regression with a weight for each example; all weights start at sigmoid(0)."""
    x, given, x_validation, y_validation = (
        torch.tensor(data[name]) for name in ("x", "given", "x_validation", "y_validation")
    )
    cross_entropy = torch.nn.functional.cross_entropy

    def inner(w, h, batch):
        losses = cross_entropy(x @ w["w"], given, reduction="none")
        return (torch.sigmoid(h["x"]) * losses).mean() + L2 / 2 * (w["w"] ** 2).sum()

    def outer(w, h, batch):
        return cross_entropy(x_validation @ w["w"], y_validation)

    zeros = torch.zeros(x.shape[1], 10, dtype=torch.float64)
    return BilevelProblem(inner, outer, {"w": zeros}, {"x": torch.zeros(len(x), dtype=torch.float64)})


def accuracy(data: dict[str, np.ndarray], weights: np.ndarray) -> float:
    """Share of the test examples that are right after a training to its end with these weights."""
    model = LogisticRegression(C=1.0 / (L2 * len(weights)), fit_intercept=False, max_iter=2000)
    model.fit(data["x"], data["given"], sample_weight=weights)
    return model.score(data["x_test"], data["y_test"])


def draw(data: dict[str, np.ndarray], weights: np.ndarray, file: str) -> None:
    """The least and the most trusted digits with the labels that they came with, and all weights."""
    order = np.argsort(weights)
    figure = plt.figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[1.3, 1])
    left.suptitle("least trusted (top), most trusted (bottom); label given, red if wrong")
    panels = left.subplots(4, 8)
    for panel, which in zip(panels.flat, [*order[:16], *order[-16:]], strict=True):
        panel.imshow(data["x"][which, :64].reshape(8, 8), cmap="gray_r")
        panel.set_title(data["given"][which], color="crimson" if data["wrong"][which] else "black", fontsize=10)
        panel.set_axis_off()
    panel = right.subplots()
    panel.hist(
        [weights[~data["wrong"]], weights[data["wrong"]]],
        bins=24,
        color=["#4c72b0", "crimson"],
        label=["clean label", "wrong label"],
    )
    panel.set(xlabel="weight of the example", ylabel="examples")
    panel.legend()
    figure.savefig(file, dpi=110)


if __name__ == "__main__":
    torch.set_num_threads(1)
    data = spoilt_digits(seed=0)
    print(f"untreated, all labels trusted alike: accuracy {accuracy(data, np.ones(600)):.3f} on unseen digits")
    print(f"oracle, the wrong labels left out:   accuracy {accuracy(data, 1.0 * ~data['wrong']):.3f}")
    problem = cleaning(data)
    for name, method in METHODS.items():
        end = descend(problem, method, None, STEPS)
        weights = torch.sigmoid(end.hyperparameters["x"]).numpy()
        area = roc_auc_score(~data["wrong"], weights)
        print(f"{name + ':':36} accuracy {accuracy(data, weights):.3f}, area under the curve {area:.3f}")
        if name == "BO-REP":
            draw(data, weights, "hyper_cleaning.png")
    print("the weights that BO-REP found are drawn in hyper_cleaning.png")
