"""Where the best settings can be, and how far one may go from them: regions of an optimum, and stability of a choice.

    python examples/optimum_region.py

A support vector machine on scikit-learn's breast cancer data, with 60 spread trials. Then two questions about the
surrogate of these trials. Where else could the optimum be? And how far may the chosen settings be changed, for rounder
numbers or a cheaper model, before they lose half of their gain over scikit-learn's defaults? Draws both in
`optimum_region.png` in the current folder. Needs the extra `sklearn` and Matplotlib (`pip install matplotlib`).
"""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import log_loss
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import trimtab as tt
from trimtab.base.errors import InvalidArgument
from trimtab.trust.optimum_posterior import optimum_posterior
from trimtab.trust.stability import stability

X, Y = load_breast_cancer(return_X_y=True)
SPACE = tt.Space(C=tt.Float(1e-2, 1e3, log=True), gamma=tt.Float(1e-5, 1.0, log=True))
DEFAULTS = {"C": 1.0, "gamma": 1.0 / X.shape[1]}


def validation_loss(trial: tt.Trial) -> float:
    """Cross-validated log loss of the decision values, as probabilities of a fixed steepness."""
    model = make_pipeline(StandardScaler(), SVC(C=trial.params["C"], gamma=trial.params["gamma"]))
    decisions = cross_val_predict(model, X, Y, cv=5, method="decision_function")
    return float(log_loss(Y, 1.0 / (1.0 + np.exp(-2.0 * decisions))))


def drawn(study: tt.Study, posterior, found) -> None:
    """The predicted loss, the joint region, the trials, and the box in which the choice keeps half of its gain."""
    logs = np.stack(np.meshgrid(np.linspace(-2, 3, 90), np.linspace(-5, 0, 90)), axis=-1)
    rows = [{"C": float(10.0**c), "gamma": float(10.0**g)} for c, g in logs.reshape(-1, 2)]
    rows = [{"C": min(max(row["C"], 1e-2), 1e3), "gamma": min(max(row["gamma"], 1e-5), 1.0)} for row in rows]
    mean, _ = posterior.model.predict(SPACE.to_unit(SPACE.encode_many(rows)))
    figure, axes = plt.subplots(figsize=(7, 5), constrained_layout=True)
    shown = axes.contourf(*np.moveaxis(logs, -1, 0), mean.reshape(90, 90), levels=20, cmap="viridis_r")
    figure.colorbar(shown, label="predicted loss, in standard deviations")
    for level, width in ((0.95, 1.0), (0.5, 2.5)):
        inside = posterior.contains(rows, level).astype(float).reshape(90, 90)
        axes.contour(*np.moveaxis(logs, -1, 0), inside, levels=[0.5], colors="white", linewidths=width)
    tried = np.log10([[trial.params["C"], trial.params["gamma"]] for trial in study.trials])
    axes.scatter(*tried.T, s=12, color="black", label="trials")
    axes.scatter(*np.log10([*DEFAULTS.values()]), marker="s", color="orange", label="scikit-learn's defaults")
    axes.scatter(*np.log10([*study.best_params.values()]), marker="*", s=120, color="red", label="best trial")
    if found is not None:
        corner = np.log10([*study.best_params.values()]) - 5.0 * found.kept_within
        side = 10.0 * found.kept_within
        axes.add_patch(plt.Rectangle(corner, side, side, fill=False, edgecolor="red", label="half of the gain is kept"))
    axes.set(xlabel="log10 C", ylabel="log10 gamma", xlim=(-2, 3), ylim=(-5, 0))
    axes.set_title("where the optimum is: 50 % (thick) and 95 % (thin) regions")
    axes.legend(loc="lower left", fontsize=8)
    figure.savefig("optimum_region.png", dpi=110)


if __name__ == "__main__":
    study = tt.create_study(space=SPACE, tuner="sobol", seed=0)
    study.optimize(validation_loss, n_trials=60)
    posterior = optimum_posterior(study.history)
    print(posterior.region())
    try:
        found = stability(study.history, study.best_params, DEFAULTS, keep=0.5)
        print(f"\nthe best trial, beside scikit-learn's defaults\n{found}")
    except InvalidArgument as error:
        found = None
        print(f"\n{error}")
    drawn(study, posterior, found)
