"""Six thousand questions to one validation set, on labels that mean nothing: what it then says, and how to ask instead.

    python examples/reusable_holdout.py

Is the digit on the image even? A trial is one random wave over the images, of a random length, and its sign the answer:
a tiny classifier. The vote of those that looked good on two validation sets is the final model, as large as one likes.
With the labels shuffled nothing can be found, yet the second validation set, asked for every trial, believes that much
was. The reusable holdout answers with the first set's mean unless that misleads; only then the second one speaks, with
noise, on a budget. A third set, which no choice has seen, tells the truth. Note the error that the reusable holdout
states: with 600 examples it is wide, and it is used. Draws `reusable_holdout.png` into the current folder. Needs the
extra `sklearn`, and Matplotlib (`pip install matplotlib`).
"""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from trimtab.base.seeds import Key
from trimtab.trust.holdout import HoldoutState, ReusableHoldout

SIZES = (1, 11, 51, 101, 201, 501, 1001, 2501)
TRIALS = 6000
FIRST, SECOND, FRESH = slice(0, 600), slice(600, 1200), slice(1200, None)


def plain(losses: np.ndarray) -> float:
    """The mean loss on the second set, as everybody reports it."""
    return losses[SECOND].mean()


class Reusable:
    """The same question to a reusable holdout."""

    def __init__(self) -> None:
        self.holdout = ReusableHoldout.of(range(600), range(600, 1200), budget=50)
        self.state, self.key = HoldoutState(), Key(0, purpose="holdout")

    def ask(self, losses: np.ndarray) -> float:
        """All that the holdout tells of one model."""
        answer, self.state = self.holdout.query(self.state, losses[:1200], self.key)
        return answer.value


def search(wrong: np.ndarray, ask) -> list[tuple[float, float]]:
    """For votes of each size: the loss as told, and the loss on the fresh set."""
    told = np.array([ask(losses) for losses in wrong])
    first = wrong[:, FIRST].mean(axis=1)
    same = np.flatnonzero((first - 0.5) * (told - 0.5) > 0)
    ranked = same[np.argsort(-np.abs(first[same] - 0.5))]
    found = []
    for size in SIZES:
        side = np.sign(0.5 - first[ranked[:size]])
        losses = (side @ (1.0 - 2.0 * wrong[ranked[:size]]) < 0.0).astype(float)
        found.append((ask(losses), losses[FRESH].mean()))
    return found


if __name__ == "__main__":
    digits = load_digits()
    rng = np.random.default_rng(0)
    order = rng.permutation(len(digits.data))
    images, even = digits.data[order], digits.target[order] % 2 == 0
    lengths = 10.0 ** rng.uniform(-1.5, 0.3, (TRIALS, 1))
    waves, phases = rng.standard_normal((TRIALS, 64)) / lengths, rng.uniform(0.0, 2.0 * np.pi, (TRIALS, 1))
    answers = np.cos(waves @ images.T / 16.0 + phases) > 0.0

    figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
    for axis, (name, labels) in zip(axes, {"true": even, "shuffled": rng.permutation(even)}.items(), strict=True):
        wrong = (answers != labels).astype(float)
        reusable = Reusable()
        for way, ask, color in (("plain", plain, "tab:red"), ("reusable", reusable.ask, "tab:blue")):
            told, truth = zip(*search(wrong, ask), strict=True)
            axis.plot(SIZES, told, "o-", color=color, label=f"{way} holdout says")
            axis.plot(SIZES, truth, "s--", color=color, alpha=0.5, label=f"truth of that model ({way})")
            said = f"the vote of {SIZES[-1]} errs in {told[-1]:.1%}, in truth in {truth[-1]:.1%}"
            print(f"{name} labels, {way} holdout: {said}")
        print(f"  {reusable.holdout.words(reusable.state)}")
        axis.set(title=f"{name} labels", xlabel="trials in the vote", xscale="log")
    axes[0].set_ylabel("error")
    axes[0].legend(fontsize=8)
    figure.savefig("reusable_holdout.png", dpi=120)
    print("drawn: reusable_holdout.png")
