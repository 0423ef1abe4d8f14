"""How often the interval of `select` holds the true value of the trial that it selects, and how long it is.

    .venv/bin/python dev/studies/selection_coverage.py stderr
    .venv/bin/python dev/studies/selection_coverage.py replicates
    .venv/bin/python dev/studies/selection_coverage.py binary
    .venv/bin/python dev/studies/selection_coverage.py real
    .venv/bin/python dev/studies/selection_coverage.py search
    .venv/bin/python dev/studies/selection_coverage.py few
    .venv/bin/python dev/studies/selection_coverage.py best
    .venv/bin/python dev/studies/selection_coverage.py digits        # and cancer, wine, diabetes

Two numbers after the name are the seeds to run, a third one which of the sizes. Regimes of the true values: all
equal; a normal spread like the standard error of one trial; a clear winner eight standard errors ahead of such a
spread. `binary` and `real` are 0/1 losses at 20% errors and cross-entropies of a logit, with a correlation of 0.5
between trials, told with `losses`. Replicates are five folds for each trial. "Shared" noise is that of a fold or
of examples, common to all trials, told as `stderr` or as replicates, which do not know of it. In `search` every
trial is a step from the best one so far. In `few` twenty equal trials make a handful of errors. `best` bins what
is said of the probability of being the best. On real data a seed draws the examples to train on, those to choose
by, a fifth of whose labels are noise in half of the studies, and those that the truth is taken from: all others.

Prints a table in Markdown: coverage of the interval of `select`, of the simultaneous one, and of the naive one
(value +- 1.96 standard errors); mean length of the first two in naive lengths (the simultaneous one of the first 100
studies); bias of the estimate and of the value, in standard errors, below 0 where too good. Some minutes of one core
each. All choices were made on seeds 10,000 to 11,000, that of the form for 0/1 losses on 10,001 to 14,000.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from trimtab.base.records import Observation, Selection
from trimtab.space import Float, Space
from trimtab.testing.histories import make_history
from trimtab.trust import select

Floats = NDArray[np.float64]
SPACE = Space(x=Float(0.0, 1.0))
COMPARED = 100
"""Studies of each kind for which the simultaneous interval is asked for as well."""
REGIMES = ("equal", "spread", "winner")
HEAD = (
    "| studies | repeats | covered | simultaneous | naive | length | simultaneous | bias | naive |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


@dataclass(frozen=True)
class Study:
    """Trials with their true values; lower is better.

    Arguments:
        told: what each trial told, and which configuration it ran.
        truths: of each configuration.
        naive: value and standard error of each configuration, as one without a choice would be reported.
    """

    told: list[tuple[int, Observation]]
    truths: Floats
    naive: tuple[Floats, Floats]

    def select(self, interval: str) -> Selection:
        """The selection."""
        count = len(self.truths)
        return select(
            make_history(SPACE, [({"x": place / count}, seen) for place, seen in self.told]), interval=interval
        )


def truths(rng: np.random.Generator, trials: int, regime: str) -> Floats:
    """In standard errors of one trial."""
    values = np.zeros(trials) if regime == "equal" else rng.standard_normal(trials)
    if regime == "winner":
        values[rng.integers(trials)] = values.min() - 8.0
    return values


def with_errors(rng: np.random.Generator, trials: int, regime: str, shared: float = 0.0) -> Study:
    """Values with standard errors that differ fourfold."""
    errors = np.exp(rng.uniform(-0.7, 0.7, trials))
    values = truths(rng, trials, regime)
    noise = math.sqrt(shared) * rng.standard_normal() + math.sqrt(1.0 - shared) * rng.standard_normal(trials)
    seen = values + errors * noise
    told = [Observation(v, stderr=s) for v, s in zip(seen, errors, strict=True)]
    return Study(list(enumerate(told)), values, (seen, errors))


def with_folds(rng: np.random.Generator, trials: int, regime: str, shared: float = 0.0, folds: int = 5) -> Study:
    """Five evaluations of each configuration; a fold may do the same to all."""
    values = truths(rng, trials, regime)
    own, common = rng.standard_normal((folds, trials)), rng.standard_normal((folds, 1))
    noise = math.sqrt(shared) * common + math.sqrt(1.0 - shared) * own
    seen = values + math.sqrt(folds) * noise
    told = [(place, Observation(v)) for row in seen for place, v in enumerate(row)]
    return Study(told, values, (seen.mean(axis=0), seen.std(axis=0, ddof=1) / math.sqrt(folds)))


def with_losses(losses: Floats, values: Floats) -> Study:
    """Per-example losses, shape (trials, examples)."""
    told = [Observation(row.mean(), losses=row) for row in losses]
    error = losses.std(axis=1, ddof=1) / math.sqrt(losses.shape[1])
    return Study(list(enumerate(told)), values, (losses.mean(axis=1), error))


def scores(rng: np.random.Generator, trials: int, examples: int) -> Floats:
    """Standard normal, with a correlation of 0.5 between trials."""
    return math.sqrt(0.5) * (rng.standard_normal((1, examples)) + rng.standard_normal((trials, examples)))


def binary(rng: np.random.Generator, trials: int, examples: int, regime: str) -> Study:
    """0/1 losses around 20% errors."""
    from scipy.special import ndtri

    rates = 0.2 + math.sqrt(0.16 / examples) * truths(rng, trials, regime)
    rates = np.clip(rates - min(float(rates.min()) - 0.05, 0.0), 0.05, 0.9)
    return with_losses((scores(rng, trials, examples) < ndtri(rates)[:, None]).astype(float), rates)


def cross_entropies(z: Floats) -> Floats:
    """Of logits that are mostly right and sometimes far off."""
    return np.logaddexp(0.0, 2.0 * z - 1.5)


CROSS_ENTROPY = cross_entropies(np.random.default_rng(0).standard_normal(4_000_000))


def real(rng: np.random.Generator, trials: int, examples: int, regime: str) -> Study:
    """Cross-entropies."""
    values = float(CROSS_ENTROPY.std()) / math.sqrt(examples) * truths(rng, trials, regime)
    losses = cross_entropies(scores(rng, trials, examples)) + values[:, None]
    return with_losses(losses, float(CROSS_ENTROPY.mean()) + values)


def searched(rng: np.random.Generator, trials: int, kind: str, examples: int = 200) -> Study:
    """A search on a parabola: twenty random trials, then steps from the best one so far."""
    from scipy.special import ndtri

    xs: list[float] = []
    seen: list[float] = []
    rows: list[Floats] = []
    common = rng.standard_normal(examples)
    for number in range(trials):
        x = rng.random() if number < 20 else xs[int(np.argmin(seen))] + 0.1 * rng.standard_normal()
        xs.append(min(max(x, 0.0), 1.0))
        truth = 0.2 + 0.3 * (xs[-1] - 0.4) ** 2
        if kind == "stderr":
            seen.append(truth + 0.028 * rng.standard_normal())
        else:
            z = math.sqrt(0.5) * (common + rng.standard_normal(examples))
            rows.append((z < ndtri(truth)).astype(float))
            seen.append(float(rows[-1].mean()))
    values = 0.2 + 0.3 * (np.array(xs) - 0.4) ** 2
    if kind != "stderr":
        return with_losses(np.array(rows), values)
    told = [Observation(v, stderr=0.028) for v in seen]
    return Study(list(enumerate(told)), values, (np.array(seen), np.full(trials, 0.028)))


def row(name: str, studies: Iterator[Study]) -> None:
    """Run studies and print what they did."""
    rows: list[list[float]] = []
    for study in studies:
        found = study.select("auto")
        wide = study.select("simultaneous") if len(rows) < COMPARED else None
        if found.interval is None or (wide is not None and wide.interval is None):
            continue
        place = study.told[found.trial][0]
        truth, value, error = study.truths[place], study.naive[0][place], study.naive[1][place]
        # A trial without a single error has a naive standard error of 0: it counts for coverage only.
        unit = error if error > 0.0 else math.nan
        intervals = [found.interval, None if wide is None else wide.interval]
        lengths = [math.nan if each is None else (each.high - each.low) / (3.92 * unit) for each in intervals]
        covered = [math.nan if each is None else truth in each for each in intervals]
        naive = abs(value - truth) <= 1.96 * error
        rows.append([*covered, naive, *lengths, (found.estimate - truth) / unit, (value - truth) / unit])
    mean = np.nanmean(np.array(rows, dtype=np.float64), axis=0)
    text = " | ".join([*(f"{x:.3f}" for x in mean[:3]), *(f"{x:.2f}" for x in mean[3:])])
    print(f"| {name} | {len(rows)} | {text} |", flush=True)


def simulated(kind: str, seeds: range, only: str = "") -> None:
    """All regimes and sizes of one kind, or one of the sizes."""
    print(HEAD)
    sizes = [(20, 0), (100, 0)] if kind in ("stderr", "replicates") else [(20, 200), (100, 200), (20, 1000)]
    for trials, examples in sizes[int(only) : int(only) + 1] if only else sizes:
        for regime in REGIMES:
            makers: dict[str, Callable[[np.random.Generator], Study]] = {
                "stderr": partial(with_errors, trials=trials, regime=regime),
                "replicates": partial(with_folds, trials=trials, regime=regime),
                "binary": partial(binary, trials=trials, examples=examples, regime=regime),
                "real": partial(real, trials=trials, examples=examples, regime=regime),
            }
            of = f" x {examples}" if examples else ""
            row(f"{kind}, {trials}{of}, {regime}", (makers[kind](np.random.default_rng([s, trials])) for s in seeds))
    if kind in ("stderr", "replicates") and not only:
        for shared in (0.5, 0.9):
            for regime in REGIMES:
                made = with_folds if kind == "replicates" else with_errors
                studies = (made(np.random.default_rng([s, 1]), 20, regime, shared) for s in seeds)
                row(f"{kind}, {shared:.1f} of the noise shared, 20, {regime}", studies)


def searches(seeds: range) -> None:
    """Trials that were proposed by looking."""
    print(HEAD)
    for kind in ("stderr", "binary"):
        row(f"search, {kind}, 60 trials", (searched(np.random.default_rng([s, 2]), 60, kind) for s in seeds))


def few(seeds: range) -> None:
    """0/1 losses at 1%, 2% and 5% errors."""
    from scipy.special import ndtri

    def made(seed: int, rate: float) -> Study:
        wrong = scores(np.random.default_rng([seed, 5]), 20, 200) < ndtri(rate)
        return with_losses(wrong.astype(float), np.full(20, rate))

    print(HEAD)
    for rate in (0.01, 0.02, 0.05):
        row(f"few, 20 x 200, {200 * rate:.0f} errors", (made(seed, rate) for seed in seeds))


def best(seeds: range) -> None:
    """What is said of the probability of being the best, against how often it is."""
    print("| kind | said | mean said | right | studies |\n| --- | --- | --- | --- | --- |")
    for kind in ("stderr", "binary", "hopeless half"):
        said, right = [], []
        for seed in seeds:
            rng = np.random.default_rng([seed, 3])
            spread = float(np.exp(rng.uniform(-1.0, 2.0)))
            values = spread * rng.standard_normal(12)
            if kind == "hopeless half":
                values[:6] += 10.0 * (1.0 + spread)
            if kind == "binary":
                from scipy.special import ndtri

                rates = np.clip(0.3 + 0.02 * values, 0.01, 0.99)
                study = with_losses((scores(rng, 12, 400) < ndtri(rates)[:, None]).astype(float), rates)
            else:
                seen = values + rng.standard_normal(12)
                told = list(enumerate(Observation(v, stderr=1.0) for v in seen))
                study = Study(told, values, (seen, np.ones(12)))
            found = study.select("auto")
            said.append(found.best_probability)
            right.append(found.trial == int(np.argmin(study.truths)))
        told_, hit = np.array(said, dtype=np.float64), np.array(right)
        for low, high in ((0.0, 0.3), (0.3, 0.5), (0.5, 0.7), (0.7, 0.9), (0.9, 1.01)):
            inside = (told_ >= low) & (told_ < high)
            if inside.any():
                print(
                    f"| {kind} | {low:.1f} to {min(high, 1.0):.1f} | {told_[inside].mean():.2f} | "
                    f"{hit[inside].mean():.2f} | {inside.sum()} |",
                    flush=True,
                )


def data(name: str, seeds: range) -> None:
    """Ridge regressions and nearest neighbours on real data, the truth from a large part that nothing saw."""
    from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine

    loaders = {"digits": load_digits, "cancer": load_breast_cancer, "wine": load_wine, "diabetes": load_diabetes}
    x, y = loaders[name](return_X_y=True)
    x = (x - x.mean(axis=0)) / np.where(x.std(axis=0) > 0, x.std(axis=0), 1.0)
    fit, chosen = {"digits": (100, 200), "cancer": (60, 100), "wine": (30, 40), "diabetes": (60, 100)}[name]

    def studies(noisy: bool) -> Iterator[Study]:
        for seed in seeds:
            rng = np.random.default_rng([seed, 4])
            order = rng.permutation(len(y))
            here, there, rest = order[:fit], order[fit : fit + chosen], order[fit + chosen :]
            labels = y.astype(float) if name == "diabetes" else y.copy()
            if noisy:
                wrong = rng.random(len(y)) < 0.2
                labels[wrong] = rng.permutation(labels[wrong])
            kinds = np.unique(y) if name != "diabetes" else np.zeros(0)
            outputs = labels[:, None] / y.std() if name == "diabetes" else 1.0 * (labels[:, None] == kinds)
            distances = ((x[:, None, :] - x[here][None, :, :]) ** 2).mean(axis=2)
            losses, true = [], []
            for _ in range(40):
                width, penalty = np.exp(rng.uniform([-3.0, -6.0], [2.0, 3.0]))
                kernel = np.exp(-distances / width)
                centre = outputs[here].mean(axis=0)
                solved = np.linalg.solve(kernel[here] + penalty * np.eye(fit), outputs[here] - centre)
                guess = kernel @ solved + centre
                loss = (guess[:, 0] - outputs[:, 0]) ** 2 if name == "diabetes" else kinds[guess.argmax(1)] != labels
                losses.append(np.asarray(loss[there], dtype=float))
                true.append(float(np.mean(loss[rest])))
            yield with_losses(np.array(losses), np.array(true))

    print(HEAD)
    for noisy in (False, True):
        row(f"{name}, 40 x {chosen}{', noise labels' if noisy else ''}", studies(noisy))


if __name__ == "__main__":
    which = sys.argv[1]
    seeds = range(int(sys.argv[2]), int(sys.argv[3])) if len(sys.argv) > 3 else range(500)
    if which in ("stderr", "replicates", "binary", "real"):
        simulated(which, seeds, *sys.argv[4:])
    elif which in ("search", "few", "best"):
        {"search": searches, "few": few, "best": best}[which](seeds)
    else:
        data(which, seeds)
