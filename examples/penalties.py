"""Many penalties, tuned by exact gradients, on real data; and why to judge them by examples that tuning never saw.

    python examples/penalties.py

One penalty for each of thirty features is too much for a grid, and many trials for a tuner that sees losses alone. The
gradient of the cross-validated loss by all of them costs one more linear system than the loss itself, and a descent
along it a second or less. Here each trial is a whole descent, and the study chooses where it starts. What it finds has
a much lower cross-validated loss. Whether it is a better model is another question: thirty penalties can be fitted to
the validation examples, too. Needs the extra `sklearn`.
"""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import trimtab as tt
from trimtab.tuners.gradients.penalties import LogisticPenalties, PenaltyDescent, RidgePenalties


def tuned(task: LogisticPenalties | RidgePenalties) -> tt.Study:
    """A study of descents from three starts, the first of them the middle of the space."""
    study = tt.create_study(space=task.space, seed=0)
    study.optimize(PenaltyDescent(task), n_trials=3)
    return study


def compare(name: str, model: type[LogisticPenalties | RidgePenalties], x, y, groupings: dict) -> None:
    """The loss on unseen examples, with few penalties and with many."""
    seen, unseen, y_seen, y_unseen = train_test_split(x, y, test_size=0.3, random_state=0)
    scaler = StandardScaler().fit(seen)
    seen, unseen = scaler.transform(seen), scaler.transform(unseen)
    print(f"{name}: {len(seen)} examples to tune on, {len(unseen)} to judge by")
    for penalties, groups in groupings.items():
        study = tuned(model.from_data(seen, y_seen, folds=5, seed=0, groups=groups))
        task = model(train=(seen, y_seen), validation=(unseen, y_unseen), groups=groups)
        held_out = task.value(study.best_trial.attributes["penalties"])
        print(f"  {penalties:20} cross-validated {study.best_value:.4f}, on unseen examples {held_out:.4f}")


if __name__ == "__main__":
    diabetes, cancer = load_diabetes(), load_breast_cancer()
    target = (diabetes.target - diabetes.target.mean()) / diabetes.target.std()
    compare(
        "diabetes, ridge regression, squared error",
        RidgePenalties,
        diabetes.data,
        target,
        {"one penalty": None, "one a feature, 10": "each"},
    )
    # Ten measures of cell nuclei: the mean, the standard error and the worst of each.
    kinds = np.repeat([0, 1, 2], 10)
    compare(
        "breast cancer, logistic regression, log loss",
        LogisticPenalties,
        cancer.data,
        cancer.target,
        {"one penalty": None, "one a kind, 3": kinds, "one a feature, 30": "each"},
    )
