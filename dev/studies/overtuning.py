"""How often tuning on little data ends worse than the default, and what the default-or-tuned guard changes.

    python dev/studies/overtuning.py --save auto.jsonl                           # 100 studies of each kind, 15 minutes
    python dev/studies/overtuning.py --tuner tpe --seeds 2025 2050 --save more.jsonl
    python dev/studies/overtuning.py --read auto.jsonl more.jsonl                # tables
    python dev/studies/overtuning.py --simulate         # the errors of the guard and of the stopping rules

Four data sets of scikit-learn, four models (`SPACES`), whose defaults are scikit-learn's or close to them. A seed
chooses the model (its remainder by four) and draws the examples to tune on (60 to 100); up to a thousand others are the
test set, which nothing of the tuning sees (118 for wine). 60 trials follow the default, scored on a third of the
examples or by 5-fold cross-validation.
"Test" is the loss of a configuration refitted to all examples that were tuned on: the share of wrong classes, or the
squared error in units of the variance. A study is overtuned where its choice is worse on the test set than the
default. "Clean-up" takes a matched budget: the finalists of the first 45 trials, four and the default, are validated on
three more random splits each.

Prints tables in Markdown. `--save` appends whole studies, one a line, and leaves out those that the file has; `--read`
judges them. Rules and levels (smoothed 0.9, clean-up 0.8) were fixed on seeds 1000 to 1015; those from 2000 on are for
reports.
"""

from __future__ import annotations

import argparse
import json
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import trimtab as tt
from trimtab.base.history import History
from trimtab.base.seeds import Key
from trimtab.testing.histories import make_history
from trimtab.trust.candidates import Candidates
from trimtab.trust.clean_up import cleaned_up, finalists
from trimtab.trust.default_guard import default_or_tuned, paired_gain, smoothed_or_default
from trimtab.trust.losses import PairedLosses, read_losses
from trimtab.trust.overtuning import Overtuning, overtuning
from trimtab.trust.sample import PairedSample
from trimtab.trust.standard_errors import StandardErrors, read_standard_errors
from trimtab.trust.stopping import outlook

Floats = NDArray[np.float64]
Places = NDArray[np.intp]
Params = dict[str, Any]
Splits = list[tuple[Places, Places]]

TRIALS, BEFORE, TESTED = 60, 45, 1_000
"""Trials besides the default, of them before a clean-up of fifteen evaluations, and examples to test on at most."""
KINDS = ("a third held out", "5-fold")
LOADERS: dict[str, tuple[Callable[..., Any], int]] = {
    "digits": (load_digits, 100),
    "breast cancer": (load_breast_cancer, 80),
    "wine": (load_wine, 60),
    "diabetes": (load_diabetes, 80),
}
KERNEL = tt.Space(penalty=tt.Float(1e-4, 1e2, log=True), width=tt.Float(1e-2, 1e1, log=True))
"""Widths are in units of one over the number of features."""
SPACES: dict[str, tuple[tt.Space, Params]] = {
    "kernel ridge": (KERNEL, {"penalty": 1.0, "width": 1.0}),
    "support vectors": (KERNEL, {"penalty": 1.0, "width": 1.0}),
    "tree": (
        tt.Space(depth=tt.Int(1, 12), leaf=tt.Int(1, 20, log=True), pruning=tt.Float(1e-4, 1e-1, log=True)),
        {"depth": 12, "leaf": 1, "pruning": 1e-4},
    ),
    "neighbours": (
        tt.Space(
            neighbours=tt.Int(1, 30, log=True),
            power=tt.Float(1.0, 4.0),
            weights=tt.Categorical(["uniform", "distance"]),
        ),
        {"neighbours": 5, "power": 2.0, "weights": "uniform"},
    ),
}
"""Of each model: its settings and its default."""


class Problem:
    """Data and model of one seed: examples to tune on, others to test on."""

    def __init__(self, name: str, seed: int) -> None:
        load, self.examples = LOADERS[name]
        self.name, self.seed, self.model = name, seed, list(SPACES)[seed % len(SPACES)]
        x, y = load(return_X_y=True)
        order = np.random.default_rng(seed).permutation(len(y))
        self.squared = name == "diabetes"
        here = order[: self.examples]
        spread = x[here].std(axis=0)
        self.x = (x[order] - x[here].mean(axis=0)) / np.where(spread > 0, spread, 1.0)
        self.y = y[order] / y.std() if self.squared else y[order]
        # A vector to regress on: the output itself, or one column for each class.
        self.outputs = self.y[:, None] if self.squared else 1.0 * (self.y[:, None] == np.unique(y))

    @cached_property
    def distances(self) -> Floats:
        """Mean squared difference of features, of all examples from those that are tuned on."""
        square = (self.x**2).sum(axis=1)
        apart = square[:, None] + square[: self.examples] - 2.0 * self.x @ self.x[: self.examples].T
        return np.asarray(np.maximum(apart, 0.0) / self.x.shape[1])

    def losses(self, params: Params, splits: Splits) -> Floats:
        """Losses of models fitted to some examples, on others, for each pair of places."""
        rows = []
        for fit, new in splits:
            found = self.predict(params, fit, new)
            rows.append((found - self.y[new]) ** 2 if self.squared else 1.0 * (found != self.y[new]))
        return np.concatenate(rows)

    def predict(self, params: Params, fit: Places, new: Places) -> Floats:
        """Outputs or classes of some examples, by a model fitted to others."""
        machine: Any
        if self.model in ("kernel ridge", "support vectors"):
            inside = np.exp(-params["width"] * self.distances[np.ix_(fit, fit)])
            across = np.exp(-params["width"] * self.distances[np.ix_(new, fit)])
            if self.model == "support vectors":
                # A bound on the iterations: some settings of the search would run for minutes.
                machine = (SVR if self.squared else SVC)(C=1 / params["penalty"], kernel="precomputed", max_iter=20_000)
                return np.asarray(machine.fit(inside, self.y[fit]).predict(across))
            middle = self.outputs[fit].mean(axis=0)
            weights = np.linalg.solve(inside + params["penalty"] * np.eye(len(fit)), self.outputs[fit] - middle)
            found = across @ weights + middle
            return np.asarray(found[:, 0] if self.squared else np.unique(self.y)[found.argmax(axis=1)])
        if self.model == "tree":
            machine = (DecisionTreeRegressor if self.squared else DecisionTreeClassifier)(
                max_depth=params["depth"],
                min_samples_leaf=params["leaf"],
                ccp_alpha=params["pruning"],
                random_state=self.seed,
            )
        else:
            machine = (KNeighborsRegressor if self.squared else KNeighborsClassifier)(
                min(params["neighbours"], len(fit)), p=params["power"], weights=params["weights"], algorithm="brute"
            )
        return np.asarray(machine.fit(self.x[fit], self.y[fit]).predict(self.x[new]))

    def test(self, params: Params) -> float:
        """The mean test loss after a refit to all examples that are tuned on."""
        n = self.examples
        return float(self.losses(params, [(np.arange(n), np.arange(n, min(len(self.y), n + TESTED)))]).mean())


def splits_of(kind: str, n: int, seed: int) -> Splits:
    """Places to fit and to validate on."""
    order = np.random.default_rng(seed + 77).permutation(n)
    parts = np.array_split(order, 5) if kind == "5-fold" else [order[: n // 3]]
    return [(np.setdiff1d(order, part), part) for part in parts]


@lru_cache(maxsize=4)
def problem_of(name: str, seed: int) -> Problem:
    """The problem of a seed; a study's kinds of validation share it."""
    return Problem(name, seed)


@dataclass
class Study:
    """One study as it was run: configurations and losses of each, the default first; and what rules choose of it."""

    problem: str
    model: str
    kind: str
    seed: int
    tuner: str
    params: list[Params]
    losses: list[list[float]]
    choices: dict[str, int] = field(default_factory=dict)
    tested: dict[int, float] = field(default_factory=dict)

    def test(self, place: int) -> float:
        """The test loss of one trial."""
        if place not in self.tested:
            self.tested[place] = problem_of(self.problem, self.seed).test(self.params[place])
        return self.tested[place]

    def gain(self, rule: str) -> float:
        """By how much a choice is better than the default on the test set."""
        return self.test(0) - self.test(self.choices[rule])

    def diagnosis(self) -> Overtuning:
        """Overtuning of the incumbents, which are all that it needs test losses of."""
        seen = np.array([float(np.mean(row)) for row in self.losses])
        best = np.concatenate([[np.inf], np.minimum.accumulate(seen)[:-1]])
        return overtuning(seen, [self.test(at) if seen[at] < best[at] else math.nan for at in range(len(seen))])


def run_study(problem: Problem, kind: str, tuner: str) -> Study:
    """One study."""
    splits = splits_of(kind, problem.examples, problem.seed)
    space, default = SPACES[problem.model]
    study = tt.create_study(space=space, tuner=tuner, seed=problem.seed)
    study.enqueue_trial(default)
    told = []
    for _ in range(TRIALS + 1):
        trial = study.ask()
        losses = problem.losses(dict(trial.params), splits)
        told.append([round(float(loss), 5) for loss in losses])
        study.tell(trial, tt.Observation(float(losses.mean()), losses=losses))
    params = [dict(trial.params or {}) for trial in study.trials]
    return Study(problem.name, problem.model, kind, problem.seed, tuner, params, told)


def choose(study: Study) -> None:
    """What each rule chooses of a study."""
    rows = np.array(study.losses)
    told = [
        (params, tt.Observation(float(row.mean()), losses=row)) for params, row in zip(study.params, rows, strict=True)
    ]
    evidence = read_losses(Candidates.of(make_history(SPACES[study.model][0], told), 0), True)
    assert isinstance(evidence, PairedLosses)
    naive, key = evidence.sample.best, Key(study.seed, purpose="guard")
    study.choices["best observed"] = naive
    for level in (0.8, 0.9, 0.95):
        study.choices[f"smoothed, level {level:g}"] = smoothed_or_default(evidence, 0, level).recommended
    study.choices["smoothed, no guard"] = smoothed_or_default(evidence, 0).tuned
    for level in (0.5, 0.7, 0.8, 0.95):
        found = default_or_tuned(evidence, naive, 0, level, key)
        study.choices[f"test, level {level:g}"] = found.recommended
    fewer = make_history(SPACES[study.model][0], told[: BEFORE + 1])
    for level in (0.6, 0.8, 0.9):
        study.choices[f"clean-up, level {level:g}"] = run_again(study, fewer, level)


def run_again(study: Study, history: History[tt.Space], level: float, repeats: int = 3) -> int:
    """The choice after more splits for the finalists of fewer trials."""
    problem = problem_of(study.problem, study.seed)
    losses = {}
    for place in finalists(history):
        seen = np.full((repeats, problem.examples), np.nan)
        for repeat in range(repeats):
            splits = splits_of(study.kind, problem.examples, study.seed + 10_000 + 100 * repeat)
            seen[repeat, np.concatenate([new for _, new in splits])] = problem.losses(study.params[place], splits)
        losses[place] = seen
    return cleaned_up(losses, level=level).recommended


def table(studies: list[Study], groups: list[str], of: Callable[[Study], str]) -> None:
    """Shares of overtuned studies and gains, one row for each rule, and how many were overtuned in each group."""
    print(f"| choice | overtuned | mean gain | gain kept | {' | '.join(groups)} |")
    print("| --- | --- | --- | --- |" + " --- |" * len(groups))
    base = float(np.mean([study.gain("best observed") for study in studies]))
    for rule in studies[0].choices:
        gains = np.array([study.gain(rule) for study in studies])
        cells = []
        for group in groups:
            here = gains[[of(study) == group for study in studies]]
            cells.append(f"{(here < 0).sum()} of {len(here)}, {here.mean():+.4f}" if here.size else "none")
        row = f"{(gains < 0).sum()} of {len(gains)} ({(gains < 0).mean():.1%}) | {gains.mean():+.4f}"
        print(f"| {rule} | {row} | {gains.mean() / base:.0%} | {' | '.join(cells)} |", flush=True)


def diagnosis(studies: list[Study]) -> None:
    """Overtuning of the incumbents, as the paper defines it."""
    found = [study.diagnosis() for study in studies]
    progress = [each.relative for each in found if each.relative is not None]
    severe, some = sum(each.severe for each in found), sum(share > 0.0 for share in progress)
    print(
        f"\nincumbents: no progress in {len(found) - len(progress)} of {len(found)}; of the others {some} gave some "
        f"of it back, {severe} all of it or more; mean optimism {np.mean([each.optimism for each in found]):+.4f}"
    )


def guard_errors(repeats: int = 400, trials: int = 50, examples: int = 100) -> None:
    """How often a default that no trial beats is replaced, against one comparison without correction."""
    levels = (0.5, 0.8, 0.9, 0.95)
    print(f"\n{trials} equal trials, {examples} examples with 0/1 losses, {repeats} studies: replaced defaults\n")
    print("| shared noise | rule | " + " | ".join(f"level {level:g}" for level in levels) + " |")
    print("| --- | --- |" + " --- |" * len(levels))
    for shared in (0.0, 0.6):
        rng, guarded, naive = np.random.default_rng(10), np.zeros(len(levels)), np.zeros(len(levels))
        smooth = np.zeros(len(levels))
        for seed in range(repeats):
            noise = math.sqrt(shared) * rng.standard_normal(examples)
            noise = noise + math.sqrt(1.0 - shared) * rng.standard_normal((trials, examples))
            sample = PairedSample.of(list((ndtr(noise) < 0.2).astype(float)))
            told = [
                (
                    {"penalty": float(10.0 ** rng.uniform(-4, 2)), "width": 1.0},
                    tt.Observation(float(row.mean()), losses=row),
                )
                for row in sample.losses
            ]
            evidence = read_losses(Candidates.of(make_history(KERNEL, told), 0), True)
            assert isinstance(evidence, PairedLosses)
            smooth += [smoothed_or_default(evidence, 0, level).helped for level in levels]
            if sample.best == 0:
                continue
            gains = sample.losses[0] - sample.losses[sample.best]
            score = gains.mean() / (gains.std(ddof=1) / math.sqrt(examples))
            naive += score > ndtri(np.array(levels))
            for place, level in enumerate(levels):
                rand = Key(seed, purpose="simulate").generator()
                guarded[place] += paired_gain(sample, 0, sample.best, level, rand).low > 0.0
        for name, counts in (("test", guarded), ("smoothed", smooth), ("one comparison", naive)):
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
    evidence = read_standard_errors(Candidates.of(make_history(KERNEL, told), 0), True)
    assert isinstance(evidence, StandardErrors)
    found = outlook(evidence, Key(seed, purpose="simulate"), tolerance)
    return found is not None and found.stop


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs=2, default=(2000, 2025), metavar=("FIRST", "END"))
    parser.add_argument("--tuner", default="auto")
    parser.add_argument("--simulate", action="store_true")
    parser.add_argument("--save", type=Path, default=Path("overtuning.jsonl"))
    parser.add_argument("--read", type=Path, nargs="+", default=[])
    asked = parser.parse_args()
    if asked.simulate:
        guard_errors()
        stopping()
        return
    warnings.simplefilter("ignore")  # support vectors that the bound on iterations stops
    if not asked.read:
        run(asked.tuner, range(*asked.seeds), asked.save)
    studies = [Study(**json.loads(line)) for path in asked.read or [asked.save] for line in path.open()]
    for study in studies:
        choose(study)
    for tuner in dict.fromkeys(study.tuner for study in studies):
        for kind in KINDS:
            found = [study for study in studies if (study.tuner, study.kind) == (tuner, kind)]
            print(f"\n{tuner}, {kind}, {len(found)} studies\n")
            table(found, list(SPACES), lambda study: study.model)
            diagnosis(found)
        print(f"\n{tuner}, by data\n")
        table([study for study in studies if study.tuner == tuner], list(LOADERS), lambda study: study.problem)


def run(tuner: str, seeds: range, path: Path) -> None:
    """Run the studies that a file does not have, and append them."""
    have = set()
    if path.exists():
        have = {(each["problem"], each["kind"], each["seed"], each["tuner"]) for each in map(json.loads, path.open())}
    with path.open("a") as out:
        for seed in seeds:
            for name in LOADERS:
                for kind in KINDS:
                    if (name, kind, seed, tuner) not in have:
                        told = vars(run_study(problem_of(name, seed), kind, tuner))
                        saved = {key: told[key] for key in told if key not in ("choices", "tested")}
                        print(json.dumps(saved), file=out, flush=True)


if __name__ == "__main__":
    main()
