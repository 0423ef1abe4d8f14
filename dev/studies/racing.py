"""Racing: how often a race chooses what running everything would choose, and for how many evaluations.

    .venv/bin/python dev/studies/racing.py simulated
    .venv/bin/python dev/studies/racing.py cancer
    .venv/bin/python dev/studies/racing.py digits
    .venv/bin/python dev/studies/racing.py wine
    .venv/bin/python dev/studies/racing.py null

Each takes a few minutes on one core. `agree` is the share of races with the choice of full evaluation, or one with the
same mean; `best kept` that in which the truly best one was not dropped; `evaluations` the share that was run; `regret`
what the choice of the race loses by full evaluation, in the losses' own units. `null` lets two equal configurations
race for long, where every drop is an error. Slow tests run on the first 20 orders only.
Two numbers after the name are the seeds to run. `cancer`, `digits` and `wine` need the extra `sklearn`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from trimtab.base.seeds import Key
from trimtab.trust.racing import (
    Betting,
    EmpiricalBernstein,
    Friedman,
    Hoeffding,
    NormalMixture,
    Predictive,
    RacingTest,
    race,
)

ALPHA = 0.05
HEAD = "| setting | test | agree | best kept | evaluations | regret |\n| --- | --- | --- | --- | --- | --- |"


def tests(bounded: bool) -> list[RacingTest]:
    """Those that apply."""
    free: list[RacingTest] = [Predictive(), NormalMixture(), Friedman()]
    return [*free, Betting(), EmpiricalBernstein(), Hoeffding()] if bounded else free


def table(seed: int, kind: str, candidates: int, blocks: int, spread: float) -> tuple[NDArray, NDArray]:
    """Losses, shape (blocks, examples, candidates), and true means; the noise has standard deviation 1, or is 0/1."""
    rng = np.random.default_rng([seed, candidates, blocks])
    if kind == "normal":
        truth = spread * rng.standard_normal(candidates)
        return truth + rng.standard_normal((blocks, 1, 1)) + rng.standard_normal((blocks, 1, candidates)), truth
    if kind == "skewed":
        truth = spread * rng.standard_normal(candidates)
        return truth + rng.exponential(size=(blocks, 1, candidates)), truth
    # Errors in folds of 50 examples; half of an example's difficulty is shared.
    truth = np.clip(0.1 + 0.03 * spread * rng.standard_normal(candidates), 0.01, None)
    hard = rng.beta(0.5, 4.5, size=(blocks, 50, 1))
    chance = np.clip(0.5 * truth + 0.5 * hard * truth / 0.1, 0.0, 1.0)
    return (rng.random((blocks, 50, candidates)) < chance).astype(np.float64), truth


def by_example(losses: list[NDArray] | NDArray) -> Callable[[int, int], NDArray]:
    """What a race evaluates, told example by example."""
    return lambda configuration, block: losses[block][:, configuration]


def by_block(losses: list[NDArray] | NDArray) -> Callable[[int, int], NDArray]:
    """The same, told as one mean for each block."""
    return lambda configuration, block: losses[block][:, configuration].mean()


def simulated(seeds: range) -> None:
    """Configurations from a normal population, of three kinds of losses."""
    print(HEAD)
    for kind in ("normal", "skewed", "errors"):
        for candidates, blocks, spread in ((30, 10, 2.0), (30, 10, 0.0), (30, 50, 1.0), (30, 50, 0.0)):
            for test in tests(False):
                agree, kept, share, regret = [], [], [], []
                for seed in seeds:
                    losses, truth = table(seed, kind, candidates, blocks, spread)
                    evaluate = by_example(losses) if isinstance(test, Predictive) else by_block(losses)
                    done = race(evaluate, candidates, blocks, test=test, alpha=ALPHA, key=Key(seed))
                    means = losses.mean(axis=(0, 1))
                    agree.append(means[done.chosen] <= means.min() + 1e-12)
                    kept.append(int(np.argmin(truth)) in done.alive)
                    share.append(done.evaluations / done.full)
                    regret.append(means[done.chosen] - means.min())
                print(
                    f"| {kind}, {candidates} x {blocks}, spread {spread:g} | {test.name} | {np.mean(agree):.3f} | "
                    f"{np.mean(kept):.3f} | {np.mean(share):.0%} | {np.mean(regret):.4f} |",
                    flush=True,
                )


def fold_errors(name: str, repeats: int, folds: int) -> list[NDArray]:
    """0/1 losses of 36 support vector machines: for each block, shape (examples, 36)."""
    from sklearn.datasets import load_breast_cancer, load_digits, load_wine
    from sklearn.model_selection import RepeatedStratifiedKFold
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    data = {"cancer": load_breast_cancer, "digits": load_digits, "wine": load_wine}[name]()
    # 500 examples keep the table of all evaluations, which a race does not need, within minutes.
    chosen = np.random.default_rng(0).permutation(len(data.target))[:500]
    x, y = data.data[chosen], data.target[chosen]
    grid = [(c, g) for c in 10.0 ** np.arange(-2, 4) for g in 10.0 ** np.arange(-5, 1)]
    blocks = []
    for train, test in RepeatedStratifiedKFold(n_splits=folds, n_repeats=repeats, random_state=0).split(x, y):
        scaler = StandardScaler().fit(x[train])
        seen, unseen = scaler.transform(x[train]), scaler.transform(x[test])
        wrong = [SVC(C=c, gamma=g).fit(seen, y[train]).predict(unseen) != y[test] for c, g in grid]
        blocks.append(np.column_stack(wrong).astype(np.float64))
    return blocks


def real(name: str, seeds: range) -> None:
    """Support vector machines on real data, in many orders of the folds."""
    print(HEAD)
    # Ten classes make a fit slow.
    repeats = 2 if name == "digits" else 5
    many = fold_errors(name, repeats, 10)
    for label, blocks in (("10 folds", many[:10]), (f"{repeats} x 10 folds", many)):
        full = np.mean([block.mean(axis=0) for block in blocks], axis=0)
        sides = [(test, "by fold", by_block(blocks), seeds) for test in tests(True)[:3]]
        sides += [(test, "one by one", by_example(blocks), seeds[:20]) for test in tests(True)[3:]]
        for test, how, evaluate, orders in [(Predictive(), "one by one", by_example(blocks), seeds), *sides]:
            agree, share, regret = [], [], []
            for seed in orders:
                done = race(evaluate, len(full), len(blocks), test=test, alpha=ALPHA, key=Key(seed))
                agree.append(full[done.chosen] <= full.min() + 1e-12)
                share.append(done.evaluations / done.full)
                regret.append(full[done.chosen] - full.min())
            print(
                f"| {name}, 36 x {label} | {test.name}, {how} | {np.mean(agree):.3f} | | {np.mean(share):.0%} | "
                f"{np.mean(regret):.5f} |",
                flush=True,
            )


def null(seeds: range) -> None:
    """Two equal configurations: the share of races of 200 blocks in which one of them was dropped."""
    print("| losses | test | dropped (either) |\n| --- | --- | --- |")
    for kind in ("normal", "errors"):
        for test in tests(kind == "errors")[1:]:
            dropped = []
            for seed in seeds:
                losses = table(seed, kind, 2, 200, 0.0)[0]
                done = race(by_block(losses), 2, 200, test=test, alpha=ALPHA, key=Key(seed))
                dropped.append(len(done.alive) == 1)
            print(f"| {kind}, 2 x 200, equal | {test.name} | {np.mean(dropped):.3f} |", flush=True)


if __name__ == "__main__":
    seeds = range(int(sys.argv[2]), int(sys.argv[3])) if len(sys.argv) > 3 else range(7000, 7200)
    if sys.argv[1] in ("cancer", "digits", "wine"):
        real(sys.argv[1], seeds)
    else:
        {"simulated": simulated, "null": null}[sys.argv[1]](seeds)
