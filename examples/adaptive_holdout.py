"""A study whose validation set is asked thousands of times, on a budget; and a test split that is opened once.

    python examples/adaptive_holdout.py

Is the digit on the image even? Each trial is one random wave over the images, a tiny classifier, and its loss is told
to the study; then all trials that looked good vote, and the vote is the model to be shipped. On true labels that
works. On shuffled labels there is nothing to be found, yet the plain study believes in what its validation set says of
the vote, since it was chosen by the same examples. The study with a reusable holdout is told losses on two validation
sets; it answers with the first, unless that misleads. What it says is within the error that it states, which is wide
for 600 examples. The sealed split has seen none of the choices and tells the truth, once. On true labels the plain
study's vote is the better model, since it learnt from both sets; but it is not nearly as good as that study believes.
Takes about 20 seconds. Needs the extra `sklearn`.
"""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

import trimtab as tt

FIRST, SECOND, SEALED = np.arange(600), np.arange(600, 1200), np.arange(1200, 1797)
BOTH = slice(0, 1200)
SPACE = tt.Space(length=tt.Float(0.03, 2.0, log=True), wave=tt.Int(0, 2**31))


def wrong(trial: tt.Trial | tt.FrozenTrial, images: np.ndarray, even: np.ndarray) -> np.ndarray:
    """The errors of a trial's wave on all images, 0 or 1."""
    rng = np.random.default_rng(trial.params["wave"])
    wave = rng.standard_normal(images.shape[1]) / trial.params["length"]
    said = np.cos(images @ wave / 16.0 + rng.uniform(0.0, 2.0 * np.pi)) > 0.0
    return (said != even).astype(float)


def search(study: tt.Study, images: np.ndarray, even: np.ndarray, tell) -> tuple[tt.FrozenTrial, np.ndarray]:
    """Run the trials, let those vote that looked good to both sets, and record the vote as one more trial."""
    study.optimize(lambda trial: tell(wrong(trial, images, even)), n_trials=1000)
    told = [trial for trial in study.trials if trial.value is not None]
    errors = np.array([wrong(trial, images, even) for trial in told])
    first, second = errors[:, FIRST].mean(axis=1), np.array([trial.value for trial in told])
    # A wave that errs in more than half of the images is as good as one that errs in less, turned around.
    kept = (first - 0.5) * (second - 0.5) > 0.0
    losses = (np.sign(0.5 - first[kept]) @ (1.0 - 2.0 * errors[kept]) <= 0.0).astype(float)
    return study.add_trial({"length": 1.0, "wave": 0}, tell(losses), user_attrs={"vote of": int(kept.sum())}), losses


if __name__ == "__main__":
    digits = load_digits()
    rng = np.random.default_rng(0)
    order = rng.permutation(len(digits.data))
    images, true = digits.data[order], digits.target[order] % 2 == 0

    for name, even in {"true": true, "shuffled": rng.permutation(true)}.items():
        plain = tt.create_study(space=SPACE, tuner="random", seed=0)
        vote, losses = search(plain, images, even, lambda losses: tt.Observation(losses[SECOND].mean()))
        print(f"{name} labels, plain study: the vote errs in {vote.value:.1%}, in truth in {losses[SEALED].mean():.1%}")

        holdout = tt.ReusableHoldout.of(order[FIRST], order[SECOND], budget=50)
        study = tt.create_study(space=SPACE, tuner="random", seed=0, holdout=holdout)
        study.seal(order[SEALED])
        vote, losses = search(
            study, images, even, lambda losses: tt.Observation(losses[BOTH].mean(), losses=losses[BOTH])
        )
        print(f"{name} labels, reusable holdout: the vote errs in {vote.value:.1%}")
        print(f"  {study.holdout}")
        print(f"  {study.open_sealed(vote, losses[SEALED], examples=order[SEALED])}")
