"""How often tuning on little data ends worse than the default, and what the default-or-tuned guard changes.

    python dev/studies/overtuning.py                    # seeds 0 to 49: 200 studies for each kind of validation
    python dev/studies/overtuning.py --seeds 0 10 --tuner tpe  # a tuner that learns
    python dev/studies/overtuning.py --simulate         # the errors of the guard and of the stopping rules

Four data sets of scikit-learn, each with a kernel ridge regression (classes by the largest of one output each) of two
settings, penalty and width; the default is scikit-learn's, a penalty of 1 and a width of one over the number of
features. A seed draws the examples to tune on (60 to 100); all others are the test set, which nothing of the tuning
sees (118 to 1,697). 60 random trials follow the default, scored on a third of the examples or by 5-fold
cross-validation.
"Test" is the loss of a configuration refitted to all examples that were tuned on: the share of wrong classes, or the
squared error in units of the variance. A study is overtuned where its choice is worse on the test set than the
default. Prints tables in Markdown; some minutes of one core. `--save` keeps the outcomes of a part, `--read` tables
them. Length, noise and level of the smoothed guard were chosen on seeds 1000 to 1029.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine

import trimtab as tt
from trimtab.base.seeds import Key
from trimtab.testing.histories import make_history
from trimtab.trust.candidates import Candidates
from trimtab.trust.default_guard import default_or_tuned, paired_gain, smoothed_or_default
from trimtab.trust.losses import PairedLosses, read_losses
from trimtab.trust.sample import PairedSample
from trimtab.trust.standard_errors import StandardErrors, read_standard_errors
from trimtab.trust.stopping import outlook

TRIALS = 60
LEVELS = (0.5, 0.8, 0.95)
SMOOTHED = (0.5, 0.7, 0.8, 0.9)
KINDS = ("a third held out", "5-fold")
SPACE = tt.Space(penalty=tt.Float(1e-4, 1e2, log=True), width=tt.Float(1e-2, 1e1, log=True))
DEFAULT = {"penalty": 1.0, "width": 1.0}
"""Widths are in units of one over the number of features."""

LOADERS: dict[str, tuple[Callable[..., Any], int]] = {
    "digits": (load_digits, 100),
    "breast cancer": (load_breast_cancer, 80),
    "wine": (load_wine, 60),
    "diabetes": (load_diabetes, 80),
}
Floats = NDArray[np.float64]
Places = NDArray[np.intp]


class Problem:
    """Data of one seed: examples to tune on, the rest to test on, and all distances between them."""

    def __init__(self, name: str, seed: int) -> None:
        load, self.examples = LOADERS[name]
        x, y = load(return_X_y=True)
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(y))
        self.squared = name == "diabetes"
        here = order[: self.examples]
        spread = x[here].std(axis=0)
        self.x = (x[order] - x[here].mean(axis=0)) / np.where(spread > 0, spread, 1.0)
        self.y = y[order]
        # A vector to regress on: the output itself, or one column for each class.
        self.outputs = self.y[:, None] / y.std() if self.squared else 1.0 * (self.y[:, None] == np.unique(y))
        self.tests: dict[str, float] = {}

    @cached_property
    def distances(self) -> Floats:
        """Mean squared difference of features, of all examples from those that are tuned on."""
        square = (self.x**2).sum(axis=1)
        apart = square[:, None] + square[: self.examples] - 2.0 * self.x @ self.x[: self.examples].T
        return np.asarray(np.maximum(apart, 0.0) / self.x.shape[1])

    def losses(self, params: dict[str, Any], fits: list[tuple[Places, Places]]) -> Floats:
        """Losses of models fitted to some examples, on others, for each pair of places."""
        rows = []
        for fit, new in fits:
            inside = np.exp(-params["width"] * self.distances[np.ix_(fit, fit)])
            middle = self.outputs[fit].mean(axis=0)
            weights = np.linalg.solve(inside + params["penalty"] * np.eye(len(fit)), self.outputs[fit] - middle)
            found = np.exp(-params["width"] * self.distances[np.ix_(new, fit)]) @ weights + middle
            wanted = self.outputs[new]
            rows.append(
                (found - wanted)[:, 0] ** 2 if self.squared else 1.0 * (found.argmax(axis=1) != wanted.argmax(axis=1))
            )
        return np.concatenate(rows)

    def test(self, params: dict[str, Any]) -> float:
        """The mean test loss after a refit to all examples that are tuned on."""
        known = json.dumps(params, sort_keys=True)
        if known not in self.tests:
            fits = [(np.arange(self.examples), np.arange(self.examples, len(self.y)))]
            self.tests[known] = float(self.losses(params, fits).mean())
        return self.tests[known]


def folds_of(kind: str, n: int, seed: int) -> list[tuple[Places, Places]]:
    """Places to fit and to validate on."""
    order = np.random.default_rng(seed + 77).permutation(n)
    parts = np.array_split(order, 5) if kind == "5-fold" else [order[: n // 3]]
    return [(np.setdiff1d(order, part), part) for part in parts]


@dataclass
class Outcome:
    """Test losses of the default and of all trials, and what was chosen: the best observed, and by the guard."""

    problem: str
    kind: str
    tested: list[float]
    naive: int
    estimate: float
    judged: dict[str, int]


def run_study(problem: Problem, name: str, kind: str, seed: int, tuner: str) -> Outcome:
    """One study, its choices and their test losses."""
    folds = folds_of(kind, problem.examples, seed)
    study = tt.create_study(space=SPACE, tuner=tuner, seed=seed)
    study.enqueue_trial(DEFAULT)
    for _ in range(TRIALS + 1):
        trial = study.ask()
        losses = problem.losses(trial.params, folds)
        study.tell(trial, tt.Observation(float(losses.mean()), losses=losses))
    evidence = read_losses(Candidates.of(study.history, 0), True)
    assert isinstance(evidence, PairedLosses)
    naive, key = evidence.sample.best, Key(seed, purpose="guard")
    found = {level: default_or_tuned(evidence, naive, 0, level, key) for level in LEVELS}
    estimate = next((each.gain.estimate for each in found.values() if each.gain), 0.0)
    judged = {f"`default_or_tuned`, level {level:g}": each.recommended for level, each in found.items()}
    for level in SMOOTHED:
        judged[f"`smoothed_or_default`, level {level:g}"] = smoothed_or_default(evidence, 0, level).recommended
    judged["smoothed values, no guard"] = smoothed_or_default(evidence, 0, 0.5).tuned
    tested = [problem.test(trial.params) for trial in study.trials]
    return Outcome(name, kind, tested, naive, estimate, judged)


def table(outcomes: list[Outcome]) -> None:
    """Shares of overtuned studies and gains, one row for each rule."""
    rules: list[tuple[str, Callable[[Outcome], int]]] = [("naive: the best observed", lambda o: o.naive)]
    rules.append(("the corrected gain is above 0", lambda o: o.naive if o.estimate > 0.0 else 0))
    for rule in outcomes[0].judged:
        rules += [(rule, lambda o, at=rule: o.judged[at])]  # type: ignore[misc]
    rules.append(("the best of all trials on the test set", lambda o: int(np.argmin(o.tested))))
    print(f"| choice | overtuned | mean gain | gain kept | {' | '.join(LOADERS)} |")
    print(f"| --- | --- | --- | --- | {' | '.join('---' for _ in LOADERS)} |")
    base = 0.0
    for label, rule in rules:
        gains = np.array([o.tested[0] - o.tested[rule(o)] for o in outcomes])
        base = base or float(gains.mean())
        cells = []
        for name in LOADERS:
            here = gains[[o.problem == name for o in outcomes]]
            cells.append(f"{(here < 0).mean():.0%}, {here.mean():+.4f}")
        row = f"{(gains < 0).sum()} of {len(gains)} ({(gains < 0).mean():.1%}) | {gains.mean():+.4f}"
        print(f"| {label} | {row} | {gains.mean() / base:.0%} | {' | '.join(cells)} |", flush=True)


def guard_errors(repeats: int = 400, trials: int = 50, examples: int = 100) -> None:
    """How often a default that no trial beats is replaced, against one comparison without correction."""
    levels = (0.5, 0.8, 0.9, 0.95)
    print(f"\n{trials} equal trials, {examples} examples with 0/1 losses, {repeats} studies: replaced defaults\n")
    print("| shared noise | rule | " + " | ".join(f"level {level:g}" for level in levels) + " |")
    print("| --- | --- |" + " --- |" * len(levels))
    for shared in (0.0, 0.6):
        rng, guarded, naive = np.random.default_rng(10), np.zeros(len(levels)), np.zeros(len(levels))
        for seed in range(repeats):
            noise = math.sqrt(shared) * rng.standard_normal(examples)
            noise = noise + math.sqrt(1.0 - shared) * rng.standard_normal((trials, examples))
            sample = PairedSample.of(list((ndtr(noise) < 0.2).astype(float)))
            if sample.best == 0:
                continue
            gains = sample.losses[0] - sample.losses[sample.best]
            score = gains.mean() / (gains.std(ddof=1) / math.sqrt(examples))
            naive += score > ndtri(np.array(levels))
            for place, level in enumerate(levels):
                rand = Key(seed, purpose="simulate").generator()
                guarded[place] += paired_gain(sample, 0, sample.best, level, rand).low > 0.0
        for name, counts in (("guard", guarded), ("one comparison", naive)):
            print(f"| {shared:g} | {name} | " + " | ".join(f"{c / repeats:.1%}" for c in counts) + " |", flush=True)


def stopping(repeats: int = 100, looks: tuple[int, ...] = (25, 50, 100, 200), tolerance: float = 0.1) -> None:
    """Where `outlook` stops a random search with normal noise of 1, and what as many trials as it meant would gain."""
    print(f"\n`outlook` after {looks} trials, tolerance {tolerance:g}, noise of 1, {repeats} searches\n")
    print(
        "| spread of truths | stopped by 200 | trials, mean | gain of the trials meant, true mean | above twice 0.1 |"
    )
    print("| --- | --- | --- | --- | --- |")
    for spread in (0.0, 0.25, 0.5, 1.0, 2.0):
        rng, rows = np.random.default_rng(1), []
        for seed in range(repeats):
            truths = spread * rng.standard_normal(looks[-1])
            values = truths + rng.standard_normal(looks[-1])
            told = [({"penalty": 1.0, "width": 1.0}, tt.Observation(float(v), stderr=1.0)) for v in values]
            end = next((t for t in looks if _stops(told[:t], seed, tolerance)), 0)
            best = int(values[: end or looks[-1]].argmin())
            further = spread * rng.standard_normal((1_000, (end or looks[-1]) // 2))
            seen = further + rng.standard_normal(further.shape)
            first, row = seen.argmin(axis=1), np.arange(1_000)
            moved = np.where(seen[row, first] < values[best], truths[best] - further[row, first], 0.0)
            rows.append((end > 0, end or looks[-1], moved.mean()))
        stopped, ends, gains = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
        missed = gains[stopped > 0]
        cells = f"{missed.mean():+.2f} | {(missed > 2 * tolerance).mean():.0%}" if missed.size else "none | none"
        print(f"| {spread:g} | {stopped.mean():.0%} | {ends.mean():.0f} | {cells} |", flush=True)


def _stops(told: list[tuple[dict[str, Any], tt.Observation]], seed: int, tolerance: float) -> bool:
    """Whether the outlook says stop."""
    evidence = read_standard_errors(Candidates.of(make_history(SPACE, told), 0), True)
    assert isinstance(evidence, StandardErrors)
    found = outlook(evidence, Key(seed, purpose="simulate"), tolerance)
    return found is not None and found.stop


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 50), metavar=("FIRST", "END"))
    parser.add_argument("--tuner", default="random")
    parser.add_argument("--simulate", action="store_true")
    parser.add_argument("--save", type=Path)
    parser.add_argument("--read", type=Path, nargs="+", default=[])
    asked = parser.parse_args()
    if asked.simulate:
        guard_errors()
        stopping()
        return
    outcomes = [Outcome(**each) for path in asked.read for each in json.loads(path.read_text())]
    if not asked.read:
        for seed in range(*asked.seeds):
            for name in LOADERS:
                problem = Problem(name, seed)
                outcomes += [run_study(problem, name, kind, seed, asked.tuner) for kind in KINDS]
    if asked.save:
        asked.save.write_text(json.dumps([asdict(each) for each in outcomes]))
    for kind in KINDS:
        found = [each for each in outcomes if each.kind == kind]
        print(f"\n{kind}, {len(found)} studies\n")
        table(found)


if __name__ == "__main__":
    main()
