"""A race of finalists: the best of many trials on little data is partly luck, so the best ten are scored again.

    python examples/race_finalists.py

Eighty handwritten digits to tune on, one split of them for all trials. Then the best ten race over twenty other splits;
each leaves once it cannot win, so most evaluations go to those that are close. All other digits, which nothing of the
tuning sees, judge both choices. Writes race_finalists.png into the current folder: whom the race evaluated, and on
what. Needs the extra `sklearn` and Matplotlib.
"""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

import trimtab as tt
from trimtab.trust.study_race import StudyRace

X, Y = load_digits(return_X_y=True)
SEEN, UNSEEN, Y_SEEN, Y_UNSEEN = train_test_split(X / 16.0, Y, train_size=80, random_state=3, stratify=Y)
space = tt.Space(C=tt.Float(1e-2, 1e4, log=True), gamma=tt.Float(1e-5, 1e1, log=True))
SPLITS = 20


def losses(params, split: int) -> np.ndarray:
    """Errors on a third of the eighty digits, of a model fitted to the others."""
    fit, new, y_fit, y_new = train_test_split(SEEN, Y_SEEN, test_size=1 / 3, random_state=split)
    return 1.0 * (SVC(**params).fit(fit, y_fit).predict(new) != y_new)


def objective(trial):
    """A trial is scored on split 0; in the race on one of the others."""
    split = 0 if trial.block is None else 1 + trial.block
    found = losses(trial.params, split)
    return tt.Observation(found.mean(), losses=found)


def unseen_error(params) -> float:
    """What a model fitted to all eighty makes of all other digits."""
    return float((SVC(**params).fit(SEEN, Y_SEEN).predict(UNSEEN) != Y_UNSEEN).mean())


def draw(race: StudyRace, path: str) -> None:
    """Errors by contender and block; white where the race did not look."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    order = sorted(
        race.plan.contenders, key=lambda number: (-len(race.values_of(number)), race.values_of(number).mean())
    )
    told = np.full((len(order), race.plan.blocks), np.nan)
    for row, number in enumerate(order):
        values = race.values_of(number)
        told[row, : len(values)] = values
    figure, axes = plt.subplots(figsize=(8, 4), constrained_layout=True)
    image = axes.imshow(told, cmap="viridis_r", aspect="auto", vmin=0.0)
    axes.set(
        xlabel="split, in the order of the race", ylabel="trial", title=f"{race.evaluations} of {race.full} evaluations"
    )
    axes.set_yticks(range(len(order)), [f"{number}{' (won)' if number == race.chosen else ''}" for number in order])
    axes.set_xticks(range(0, race.plan.blocks, 2), range(1, race.plan.blocks + 1, 2))
    figure.colorbar(image, label="share of errors")
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    study = tt.create_study(space=space, tuner="random", seed=0)
    study.optimize(objective, n_trials=80)
    best = study.best_trial
    print(f"best observed: trial {best.number}, {best.value:.3f} of errors on its split")
    race = study.race(objective, blocks=SPLITS, contenders=10)
    print(race)
    found = study.select()
    print(f"\n{found}\n")
    for name, trial in (("best observed", best), ("winner of the race", study.trials[found.trial])):
        error = unseen_error(trial.params)
        print(f"{name}: trial {trial.number}, fitted to all eighty, {error:.3f} on {len(Y_UNSEEN)} unseen digits")
    draw(race, "race_finalists.png")
