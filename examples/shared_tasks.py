"""Ten related tasks, tuned side by side in one study, and what they learn from each other.

    python examples/shared_tasks.py

Ten support vector machines tell one handwritten digit each from all others, on few examples. Their settings are not the
same, but related. One study tunes all of them: its space names the task, and the tuner `ConcurrentTasks` learns a
representation of settings that all tasks share, beside a model for each task alone, and acts on the one that predicts
better. Beside it are ten studies that know nothing of each other, with the default tuner, and random search. Sharing
beats random search here and loses to the default tuner, whose model of each task is the better one for so easy a
space. Needs the extra `sklearn` and Matplotlib, with which it draws `shared_tasks.png` into the current folder. About
half a minute.
"""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import average_precision_score
from sklearn.svm import SVC

import trimtab as tt
from trimtab.tuners.tasks.representation import ConcurrentTasks

TRIALS = 12
SETTINGS = {"C": tt.Float(1e-3, 1e3, log=True), "gamma": tt.Float(1e-7, 1e1, log=True), "coef0": tt.Float(-1.0, 1.0)}
KERNEL = tt.Categorical(["rbf", "poly", "sigmoid"])

images, digits = load_digits(return_X_y=True)
order = np.random.default_rng(0).permutation(len(digits))
train, validation = order[:200], order[200:900]


def loss(digit: str, params: dict) -> float:
    """One minus the average precision on validation examples, in percent."""
    model = SVC(**{name: value for name, value in params.items() if name != "task"}, max_iter=5000)
    model.fit(images[train] / 16.0, digits[train] == int(digit))
    scores = model.decision_function(images[validation] / 16.0)
    return 100.0 * (1.0 - average_precision_score(digits[validation] == int(digit), scores))


def side_by_side(names: list[str], seed: int) -> tuple[dict[str, list[float]], list[str]]:
    """One study for all tasks: each task's losses in order, and why its trials were proposed."""
    space = tt.Space(task=tt.Categorical(names), kernel=KERNEL, **SETTINGS)
    study = tt.create_study(space=space, tuner=ConcurrentTasks(), seed=seed)
    study.optimize(lambda trial: loss(trial.params["task"], trial.params), n_trials=TRIALS * len(names))
    told = {name: [trial.value for trial in study.trials if trial.params["task"] == name] for name in names}
    return told, [trial.why for trial in study.trials]


def apart(names: list[str], tuner: str, seed: int) -> dict[str, list[float]]:
    """A study for each task: its losses in order."""
    told = {}
    for name in names:
        study = tt.create_study(space=tt.Space(kernel=KERNEL, **SETTINGS), tuner=tuner, seed=seed)
        study.optimize(lambda trial, digit=name: loss(digit, trial.params), n_trials=TRIALS)
        told[name] = [trial.value for trial in study.trials]
    return told


def curve(told: dict[str, list[float]]) -> np.ndarray:
    """The best loss so far, averaged over the tasks that have so many trials."""
    best = [np.minimum.accumulate(losses) for losses in told.values() if losses]
    length = min(len(one) for one in best)
    return np.mean([one[:length] for one in best], axis=0)


if __name__ == "__main__":
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    names = [str(digit) for digit in range(10)]
    together, reasons = side_by_side(names, seed=0)
    curves = {
        "one study, shared": curve(together),
        "ten studies, auto": curve(apart(names, "auto", seed=0)),
        "ten studies, random": curve(apart(names, "random", seed=0)),
    }
    shared = sum("all tasks share" in why for why in reasons)
    alone = sum("its own trials alone" in why for why in reasons)
    print(f"of {len(reasons)} trials {shared} by what all tasks share, {alone} by a task's own trials, the rest draws")
    for name, best in curves.items():
        told = ", ".join(f"{best[place - 1]:.2f} after {place}" for place in (4, 8, 12) if place <= len(best))
        print(f"{name:20} mean of the tasks' best 100 (1 - average precision): {told}")
        plt.plot(np.arange(1, len(best) + 1), best, label=name)
    plt.yscale("log")
    plt.xlabel("trials of each task")
    plt.ylabel("best 100 (1 - average precision), mean")
    plt.legend()
    plt.savefig("shared_tasks.png", dpi=120)
