"""Races of a study: whether their intervals cover, what a race of finalists saves of the luck, what it costs.

    .venv/bin/python dev/studies/study_races.py coverage    # 500 races for each row
    .venv/bin/python dev/studies/study_races.py finalists   # 70 trials and 30 race evaluations against 100 trials
    .venv/bin/python dev/studies/study_races.py overtuned   # the same on real data
    .venv/bin/python dev/studies/study_races.py real        # `Study.race` on grids, against all evaluations

Each takes some minutes on one core. Two numbers after the name are the seeds to run; for `coverage` and `real`,
further ones are the rows or sets.

`coverage`: k contenders, B blocks, a block's value is the contender's true mean, plus what all share on that block,
plus noise of standard deviation 1. The interval is that of `select()` after the race; naive is Student's t on the
winner's blocks. Estimates are compared with the winner's true mean.

`finalists`: random search on a bowl in three dimensions whose error of .08 at best is seen through a number of 0/1
losses. Overtuned: the choice is truly worse than an earlier incumbent, or than the first trial (severe; L. Schneider,
B. Bischl and M. Feurer, "Overtuning in hyperparameter optimization", AutoML 2025, arXiv 2506.19540, definitions as
discussed in public). Regret is over the best of 100 trials. A block of the race is as many fresh examples; six are
planned, and the race ends after 30 evaluations wherever it stands. On seeds 1000 to 1039 of `overtuned`, six planned
blocks gained .0203 on average, ten .0192 and twenty .0182: what is begun and not ended for all is lost.

`overtuned`: kernel ridge regressions on 60 to 100 examples of four data sets, judged on all others; a trial is scored
on one third of the examples, a block of the race on another, and both cost a fit. Overtuned: the choice is worse on
the test set than the default (penalty 1, width one over the number of features), which is the first trial.

`real`: grids of models on four data sets, ten folds. A study is told each configuration by a fold of another split, and
all race over the ten folds with `Study.race`. `agree`: the choice is the one of all evaluations, or has the same mean.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.base.records import Objective, Observation
from trimtab.base.seeds import Key
from trimtab.trust.quantiles import student_quantile
from trimtab.trust.race_records import BlockRecord, RacePlan
from trimtab.trust.raced import winner_correction, winner_ends
from trimtab.trust.racing import NormalMixture, Predictive
from trimtab.trust.racing.catalogue import NamedTest
from trimtab.trust.study_race import StudyRace, fold_race

Floats = NDArray[np.float64]
LEVEL = 0.95


def run_race(
    plan: RacePlan, seed: int, evaluate: Callable[[int, int], Observation], budget: int | None = None
) -> StudyRace:
    """A race by itself, as `Study.race` runs it: fold, evaluate what the fold asks for, and again.

    Arguments:
        plan: of the race.
        seed: of the order of the blocks.
        evaluate: (trial number, block) -> what it tells.
        budget: evaluations to end after, whatever is left; a block that was not run for all does not count then.
    """
    records: dict[tuple[int, int], BlockRecord] = {}
    while True:
        found = fold_race(plan, seed, records, Objective())
        if found.block is None or len(records) == budget:
            return found
        for number in found.waiting[: None if budget is None else budget - len(records)]:
            records[number, found.block] = BlockRecord(evaluate(number, found.block))


def losses_of(
    kind: str, seed: int, contenders: int, blocks: int, spread: float, shared: float
) -> tuple[Floats, Floats]:
    """Block values, shape (blocks, contenders), and true means."""
    rng = np.random.default_rng([seed, contenders, blocks])
    if kind == "errors":
        # Rates of error in folds of 50 examples that all contenders see; `shared` is ignored.
        truth = np.clip(0.1 + 0.03 * spread * rng.standard_normal(contenders), 0.01, None)
        hard = rng.beta(0.5, 4.5, size=(blocks, 50, 1)) / 0.1
        wrong = rng.random((blocks, 50, contenders)) < np.clip((0.5 + 0.5 * hard) * truth, 0.0, 1.0)
        # What clipping takes away belongs to the truth.
        many = rng.beta(0.5, 4.5, size=(20_000, 1)) / 0.1
        return wrong.mean(axis=1), np.clip((0.5 + 0.5 * many) * truth, 0.0, 1.0).mean(axis=0)
    noise = (
        rng.standard_normal((blocks, contenders))
        if kind == "normal"
        else rng.exponential(size=(blocks, contenders)) - 1.0
    )
    truth = spread * rng.standard_normal(contenders)
    return truth + shared * rng.standard_normal((blocks, 1)) + noise, truth


def told_by(table: Floats, contender: int, block: int) -> Observation:
    """The value of a contender on a block, from a table (blocks, contenders)."""
    return Observation(float(table[block, contender]))


def validated_again(problem: SmallData, params: Sequence[tuple[float, float]], number: int, block: int) -> Floats:
    """Losses of a configuration on a split that the search did not see."""
    return problem.validated(params[number], block + 1)


def coverage(seeds: range, only: list[int]) -> None:
    """How often the interval after a race holds the winner's true mean, and how far the estimate is off."""
    print("| losses | k x B | test | finish | covered | naive | width | naive | bias, s.e. | naive | evaluations |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    settings: list[tuple[str, int, int, float, float, NamedTest, bool]] = [
        (kind, contenders, blocks, spread, shared, Predictive(), True)
        for kind, contenders, blocks, spread, shared in (
            ("normal", 10, 10, 0.0, 0.0),
            ("normal", 10, 10, 0.0, 1.0),
            ("normal", 10, 10, 1.0, 1.0),
            ("normal", 10, 10, 3.0, 1.0),
            ("normal", 10, 5, 1.0, 1.0),
            ("normal", 30, 10, 1.0, 1.0),
            ("skewed", 10, 10, 1.0, 0.0),
            ("errors", 10, 10, 1.0, 0.0),
        )
    ]
    settings += [
        ("normal", 10, 10, 3.0, 1.0, Predictive(), False),
        ("normal", 10, 30, 1.0, 1.0, NormalMixture(), True),
        ("normal", 10, 30, 1.0, 1.0, NormalMixture(), False),
    ]
    for kind, contenders, blocks, spread, shared, test, finish in [settings[row] for row in only] or settings:
        rows = []
        for seed in seeds:
            values, truth = losses_of(kind, seed, contenders, blocks, spread, shared)
            plan = RacePlan("race", tuple(range(contenders)), blocks, test, 0.05, finish)
            found = run_race(plan, seed, partial(told_by, values))
            told, true = found.values_of(found.chosen), truth[found.chosen]
            ends = winner_ends(told, contenders, blocks, LEVEL)
            error = told.std(ddof=1) / np.sqrt(len(told))
            reach = student_quantile((1.0 - LEVEL) / 2.0, len(told) - 1) * error
            assert ends is not None
            rows.append(
                (
                    ends[0] <= true <= ends[1],
                    abs(told.mean() - true) <= reach,
                    ends[1] - ends[0],
                    2.0 * reach,
                    (told.mean() - true) / error,
                    (told.mean() + winner_correction(found, Key(seed, purpose="study")) - true) / error,
                    found.evaluations / found.full,
                )
            )
        held, naive, wide, short, bias, mended, share = np.array(rows, dtype=float).mean(axis=0)
        print(
            f"| {kind}, spread {spread:g}, shared {shared:g} | {contenders} x {blocks} | {test.name.split()[0]} | "
            f"{'yes' if finish else 'no'} | {held:.3f} | {naive:.3f} | {wide:.2f} | {short:.2f} | {mended:+.2f} | "
            f"{bias:+.2f} | {share:.0%} |",
            flush=True,
        )


TRIALS, FIRST, FINALISTS, RACE_BLOCKS = 100, 70, 10, 6


def choices(values: Floats, evaluate: Callable[[int, int], Floats], seed: int) -> dict[str, int]:
    """What is chosen, by the best observed and by re-evaluations of finalists for the same money.

    Arguments:
        values: observed, in the order of the trials, shape (100,), lower is better.
        evaluate: (trial, block) -> losses of the examples of that block.
        seed: of the order of the blocks.
    """
    finalists = np.argsort(values[:FIRST], kind="stable")[:FINALISTS].tolist()
    rest = TRIALS - FIRST
    each = [np.mean([evaluate(number, block).mean() for block in range(rest // FINALISTS)]) for number in finalists]

    def race(contenders: list[int]) -> int:
        plan = RacePlan("race", tuple(contenders), RACE_BLOCKS, Predictive(), 0.05, finish=False)

        def tell(number: int, block: int) -> Observation:
            losses = evaluate(number, block)
            return Observation(float(losses.mean()), losses=losses)

        return run_race(plan, seed, tell, rest).chosen

    return {
        "best of 100 trials": int(np.argmin(values)),
        "best of 70 trials": finalists[0],
        "70, the ten best three times more": finalists[int(np.argmin(each))],
        "70, a race of the ten best": race(finalists),
        "70, a race of the nine best and the first": race([*finalists[:-1], *({0} - set(finalists[:-1]))]),
    }


def finalists(seeds: range) -> None:
    """Random search on a bowl, seen through a few examples."""
    print("| examples | choice | overtuned | severe | true error | regret |\n| --- | --- | --- | --- | --- | --- |")
    for examples in (50, 200):
        rows: dict[str, list[tuple[float, ...]]] = {}
        for seed in seeds:
            rng = np.random.default_rng([seed, examples])
            best = rng.uniform(0.2, 0.8, size=3)
            truth = 0.08 + 0.3 * ((rng.random((TRIALS, 3)) - best) ** 2).sum(axis=1)
            values = rng.binomial(examples, truth) / examples

            def evaluate(number: int, block: int, truth: Floats = truth, seed: int = seed, n: int = examples) -> Floats:
                fresh = np.random.default_rng([seed, n, number, block, 1])
                return np.asarray(fresh.random(n) < truth[number], dtype=np.float64)

            for name, chosen in choices(values, evaluate, seed).items():
                told = values if "100" in name else values[:FIRST]
                incumbents = np.flatnonzero(told <= np.minimum.accumulate(told))
                lowest = min(truth[incumbents].min(), truth[chosen])
                gained = truth[0] - lowest
                back = truth[chosen] - lowest
                severe = back >= gained if gained >= 0.001 else np.nan
                rows.setdefault(name, []).append((back > 0.0, severe, truth[chosen], truth[chosen] - truth.min()))
        for name, found in rows.items():
            over, severe, error, regret = np.nanmean(np.array(found, dtype=float), axis=0)
            print(f"| {examples} | {name} | {over:.1%} | {severe:.1%} | {error:.4f} | {regret:.4f} |", flush=True)


class SmallData:
    """Kernel ridge regressions on a few examples; all others are the test set. Classes are the largest of outputs."""

    def __init__(self, load: Callable[..., Any], examples: int, seed: int) -> None:
        x, y = load(return_X_y=True)
        order = np.random.default_rng(seed).permutation(len(y))
        x, y = x[order], y[order]
        spread = x[:examples].std(axis=0)
        x = (x - x[:examples].mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)
        self.examples, self.seed, self.squared = examples, seed, len(np.unique(y)) > 10
        self.outputs = y[:, None] / y.std() if self.squared else 1.0 * (y[:, None] == np.unique(y))
        square = (x**2).sum(axis=1)
        apart = np.maximum(square[:, None] + square[:examples] - 2.0 * x @ x[:examples].T, 0.0)
        self.distances = apart / x.shape[1]

    def losses(self, params: Sequence[float], fit: NDArray[np.intp], new: NDArray[np.intp]) -> Floats:
        """Of (penalty, width), fitted to some examples, on others."""
        penalty, width = params
        middle = self.outputs[fit].mean(axis=0)
        inside = np.exp(-width * self.distances[np.ix_(fit, fit)]) + penalty * np.eye(len(fit))
        weights = np.linalg.solve(inside, self.outputs[fit] - middle)
        found, wanted = np.exp(-width * self.distances[np.ix_(new, fit)]) @ weights + middle, self.outputs[new]
        if self.squared:
            return np.asarray(((found - wanted) ** 2)[:, 0])
        return np.asarray(found.argmax(axis=1) != wanted.argmax(axis=1), dtype=np.float64)

    def validated(self, params: Sequence[float], split: int) -> Floats:
        """Losses on a third of the examples, another third for each split."""
        order = np.random.default_rng([self.seed, split]).permutation(self.examples)
        cut = self.examples // 3
        return self.losses(params, order[cut:], order[:cut])

    def test(self, params: Sequence[float]) -> float:
        """The mean test loss of a model fitted to all examples."""
        return float(
            self.losses(params, np.arange(self.examples), np.arange(self.examples, len(self.distances))).mean()
        )


def overtuned(seeds: range) -> None:
    """Kernel ridge regressions on small data of four sets."""
    from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine

    sets = {
        "digits": (load_digits, 100),
        "breast cancer": (load_breast_cancer, 80),
        "wine": (load_wine, 60),
        "diabetes": (load_diabetes, 80),
    }
    rows: dict[str, list[float]] = {}
    for load, examples in sets.values():
        for seed in seeds:
            problem = SmallData(load, examples, seed)
            drawn = 10.0 ** np.random.default_rng([seed, 5]).uniform([-4.0, -2.0], [2.0, 1.0], size=(TRIALS - 1, 2))
            params = [(1.0, 1.0), *map(tuple, drawn)]
            values = np.array([problem.validated(each, 0).mean() for each in params])
            evaluate = partial(validated_again, problem, params)
            for choice, chosen in choices(values, evaluate, seed).items():
                rows.setdefault(choice, []).append(problem.test(params[0]) - problem.test(params[chosen]))
    print(f"| choice | overtuned | mean gain | {' | '.join(sets)} |\n| --- | --- | --- |" + " --- |" * len(sets))
    for choice, found in rows.items():
        gains = np.array(found).reshape(len(sets), -1)
        cells = " | ".join(f"{(row < 0).mean():.0%}, {row.mean():+.4f}" for row in gains)
        over = f"{(gains < 0).sum()} of {gains.size} ({(gains < 0).mean():.1%})"
        print(f"| {choice} | {over} | {gains.mean():+.4f} | {cells} |")


def diabetes_losses(folds: int) -> list[Floats]:
    """Squared losses of 36 support vector regressions by fold, shape (examples, 36); the target's variance is 1."""
    from sklearn.datasets import load_diabetes
    from sklearn.model_selection import KFold
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVR

    x, y = load_diabetes(return_X_y=True)
    y = (y - y.mean()) / y.std()
    grid = [(c, g) for c in 10.0 ** np.arange(-2, 4) for g in 10.0 ** np.arange(-5, 1)]
    blocks = []
    for train, test in KFold(folds, shuffle=True, random_state=0).split(x):
        scaler = StandardScaler().fit(x[train])
        seen, unseen = scaler.transform(x[train]), scaler.transform(x[test])
        blocks.append(
            np.column_stack([(SVR(C=c, gamma=g).fit(seen, y[train]).predict(unseen) - y[test]) ** 2 for c, g in grid])
        )
    return blocks


def real(seeds: range, only: list[int]) -> None:
    """`Study.race` over ten folds of grids of 36, all of which race."""
    from racing import fold_errors

    import trimtab as tt

    print("| data | told | agree | evaluations | regret |\n| --- | --- | --- | --- | --- |")
    names = ("cancer", "wine", "digits", "diabetes")
    for name in [names[row] for row in only] or names:
        blocks = diabetes_losses(10) if name == "diabetes" else fold_errors(name, 1, 10)
        full = np.mean([block.mean(axis=0) for block in blocks], axis=0)
        for how in ("example by example", "fold by fold"):
            agree, share, regret = [], [], []

            def objective(trial: tt.Trial, table: list[Floats] = blocks, by_example: bool = how[0] == "e") -> object:
                losses = table[trial.block or 0][:, trial.suggest_int("model", 0, 35)]
                return tt.Observation(losses.mean(), losses=losses) if by_example else float(losses.mean())

            for seed in seeds:
                study = tt.create_study(space=tt.Space(model=tt.Int(0, 35)), seed=seed)
                for model in range(36):
                    study.add_trial({"model": model}, 0.0)
                done = study.race(objective, blocks=10, trials=range(36))
                agree.append(full[done.chosen] <= full.min() + 1e-12)
                share.append(done.evaluations / done.full)
                regret.append(full[done.chosen] - full.min())
            print(
                f"| {name} | {how} | {np.mean(agree):.3f} | {np.mean(share):.0%} | {np.mean(regret):.5f} |", flush=True
            )


def main() -> None:
    """Read the command line."""
    name, *numbers = sys.argv[1:]
    given = [int(number) for number in numbers]
    if name == "coverage":
        coverage(range(*given[:2]) if given else range(500), given[2:])
    elif name == "finalists":
        finalists(range(*given) if given else range(300))
    elif name == "overtuned":
        overtuned(range(*given) if given else range(50))
    elif name == "real":
        real(range(*given[:2]) if given else range(7000, 7060), given[2:])


if __name__ == "__main__":
    main()
