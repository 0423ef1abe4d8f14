"""A support vector machine on real images, judged image by image.

    trimtab run examples/sklearn_svm.py --n-trials 15 --n-jobs 2
    python examples/sklearn_svm.py

The loss of every validation image is told, not only their mean, so `study.select()` can compare trials
on the same images and say which of them the data cannot tell apart. Needs the extra `sklearn`.
"""

import time

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

import trimtab as tt

space = tt.Space(
    C=tt.Float(1e-2, 1e3, log=True, default=1.0),
    gamma=tt.Float(1e-5, 1e-1, log=True),
    kernel=tt.Categorical(["rbf", "poly"]),
)
default = space.default_params()  # `trimtab run` tries it first


def objective(trial: tt.Trial) -> tt.Observation:
    images, digits = load_digits(return_X_y=True)
    train, valid, train_digits, valid_digits = train_test_split(
        images, digits, test_size=600, stratify=digits, random_state=0
    )
    start = time.perf_counter()
    model = SVC(**trial.params).fit(train, train_digits)
    wrong = model.predict(valid) != valid_digits
    return tt.Observation(wrong.mean(), losses=wrong, cost=time.perf_counter() - start)


if __name__ == "__main__":
    study = tt.create_study(space=space, seed=0)
    study.enqueue_trial(default)
    study.optimize(objective, n_trials=15)
    print(study.select())
