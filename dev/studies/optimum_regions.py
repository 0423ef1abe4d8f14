"""How often credible regions of an optimum hold it, as Markdown tables.

    python dev/studies/optimum_regions.py coverage --design random
    python dev/studies/optimum_regions.py coverage --design gp
    python dev/studies/optimum_regions.py survival

Functions of two and four numbers in the unit cube, shifted so that the optimum lies anywhere in its middle 70 %, with
and without noise. `coverage` prints, for each method, how often the joint region, the parameters' intervals (the mean)
and the value's interval hold the truth at a stated level; the last column is the share of the space in the joint region
and the mean width of a parameter's interval, at the last level. A way is a method, an inflation and a number of
settings of the surrogate. How an inflation is estimated, and what is drawn, was chosen on seeds from 1000 on; tables
are of seeds below. `survival` compares two rules that choose a small change from the default, by how often its gain is
still there in refits. Each takes some minutes on one core.
"""

from __future__ import annotations

import argparse
import itertools
import math
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import qmc

import trimtab as tt
from trimtab.base.history import History
from trimtab.surrogates.certificates import certified_minimum
from trimtab.surrogates.gp import Model
from trimtab.testing.histories import make_history
from trimtab.trust.fitted import evidence_of, fitted
from trimtab.trust.optimum_posterior.inflation import Inflation
from trimtab.trust.optimum_posterior.posterior import Method, OptimumPosterior, posterior_of
from trimtab.trust.stability import smallest_stable_change

Array = NDArray[np.float64]
LEVELS = (0.8, 0.95)

Way = tuple[Method, Inflation, int]
"""A method, an inflation, and the number of settings of the surrogate."""

GAIN = 0.5
"""Over the default, in standard deviations of the losses: what `survival` asks for."""


class Problem(NamedTuple):
    """A function of the unit cube, where it is least, and how low it is there."""

    function: Callable[[Array], Array]
    minimisers: Array
    least: float


def shifted(base: Callable[[Array], Array], scale: float, d: int, rng: np.random.Generator) -> Problem:
    """`base`, least at 0, with the optimum moved into the cube; `scale` is the width of the cube in its units."""
    place = rng.uniform(0.15, 0.85, d)
    return Problem(lambda x: base((x - place) * scale), place[None, :], float(base(np.zeros((1, d)))[0]))


def quadratic(d: int, rng: np.random.Generator) -> Problem:
    """A bowl along random axes, ten times as steep along the steepest as along the flattest."""
    axes, _ = np.linalg.qr(rng.standard_normal((d, d)))
    steep = np.geomspace(1.0, 10.0, d)
    return shifted(lambda x: ((x @ axes) ** 2 * steep).sum(axis=1), 1.0, d, rng)


def ackley(d: int, rng: np.random.Generator) -> Problem:
    """Ackley's function over a range of 6."""

    def base(x: Array) -> Array:
        bowl = -20.0 * np.exp(-0.2 * np.sqrt((x**2).mean(axis=1)))
        return np.asarray(bowl - np.exp(np.cos(2.0 * np.pi * x).mean(axis=1)) + 20.0 + math.e)

    return shifted(base, 6.0, d, rng)


def rosenbrock(d: int, rng: np.random.Generator) -> Problem:
    """Rosenbrock's function over a range of 4, on a logarithmic scale as losses are."""

    def base(x: Array) -> Array:
        z = x + 1.0
        terms = 100.0 * (z[:, 1:] - z[:, :-1] ** 2) ** 2 + (1.0 - z[:, :-1]) ** 2
        return np.asarray(np.log1p(terms.sum(axis=1)))

    return shifted(base, 4.0, d, rng)


def rastrigin(d: int, rng: np.random.Generator) -> Problem:
    """Rastrigin's function over a range of 3: some 3^d basins."""
    return shifted(lambda x: (x**2 - 10.0 * np.cos(2.0 * np.pi * x) + 10.0).sum(axis=1), 3.0, d, rng)


def griewank(d: int, rng: np.random.Generator) -> Problem:
    """Griewank's function over a range of 12."""
    roots = np.sqrt(np.arange(1, d + 1))
    return shifted(lambda x: (x**2).sum(axis=1) / 4000.0 - np.cos(x / roots).prod(axis=1) + 1.0, 12.0, d, rng)


def sample(d: int, rng: np.random.Generator) -> Problem:
    """A draw of a Gaussian process with a Matern-5/2 kernel of length-scale 0.4, by 1,000 random features."""
    waves = rng.standard_normal((1000, d)) / np.sqrt(rng.chisquare(5.0, (1000, 1)) / 5.0) / 0.4
    phases, weights = rng.uniform(0.0, 2.0 * np.pi, 1000), rng.standard_normal(1000) * math.sqrt(2.0 / 1000)

    def function(x: Array) -> Array:
        return np.asarray(np.cos(x @ waves.T + phases) @ weights)

    def slope(x: Array) -> Array:
        return np.asarray(-(np.sin(waves @ x + phases) * weights) @ waves)

    starts = qmc.Sobol(d, seed=0).random(4096)
    starts = starts[np.argsort(function(starts))[:10]]
    ends = [minimize(lambda x: float(function(x[None])[0]), x, jac=slope, bounds=[(0, 1)] * d) for x in starts]
    best = min(ends, key=lambda end: float(end.fun))
    return Problem(function, best.x[None, :], float(best.fun))


PROBLEMS = {
    "process": sample,
    "quadratic": quadratic,
    "ackley": ackley,
    "rosenbrock": rosenbrock,
    "griewank": griewank,
    "rastrigin": rastrigin,
}


def history_of(problem: Problem, d: int, n: int, noise: float, seed: int, design: str) -> History[tt.Space]:
    """Some trials of a problem, at random places or where the tuner `gp` puts them."""
    space = tt.Space({f"x{j}": tt.Float(0.0, 1.0) for j in range(d)})
    rng = np.random.default_rng([seed, 1])
    size = noise * float(np.std(problem.function(np.random.default_rng(0).random((1000, d)))))

    def told(params: dict[str, float]) -> float:
        return float(problem.function(np.array([[*params.values()]]))[0]) + size * float(rng.standard_normal())

    if design == "random":
        return make_history(space, [(row, told(row)) for row in space.sample(rng, n)], seed=seed)
    study = tt.create_study(space=space, tuner=design, seed=seed)
    study.optimize(lambda trial: told(trial.params), n_trials=n)
    return study.history


def covered(problem: Problem, history: History[tt.Space], posterior: OptimumPosterior) -> list[list[float]]:
    """For each level: whether joint, parameters and value are covered, the share, and the interval's mean width."""
    rows = []
    for level in LEVELS:
        region = posterior.region(level)
        truths = [dict(zip(history.space.names, each.tolist(), strict=True)) for each in problem.minimisers]
        joint = bool(posterior.contains(truths, level).any())
        ends = np.array([[each.low, each.high] for each in region.parameters])
        inside = [(ends[:, 0] <= each) & (each <= ends[:, 1]) for each in problem.minimisers]
        rows.append(
            [
                joint,
                float(np.max(np.mean(inside, axis=1))),
                region.value.low <= problem.least <= region.value.high,
                region.share,
                float(np.mean(ends[:, 1] - ends[:, 0])),
            ]
        )
    return rows


def coverage(options: argparse.Namespace) -> None:
    """The tables."""
    ways = [*itertools.product(options.methods, options.inflations, options.settings)]
    totals: dict[Way, list[Array]] = {way: [] for way in ways}
    rates = " | ".join(f"joint, parameters, value at {each:.0%}" for each in LEVELS)
    print(f"| problem | d | noise | way | {rates} | share, width |")
    print("|---" * (5 + len(LEVELS)) + "|", flush=True)
    began = time.monotonic()
    for name in options.problems:
        for d in options.dimensions:
            for noise in options.noises:
                found: dict[Way, list[list[list[float]]]] = {way: [] for way in ways}
                for seed in range(options.first, options.first + options.seeds):
                    problem = PROBLEMS[name](d, np.random.default_rng([seed, 0]))
                    history = history_of(problem, d, 15 * d, noise, seed, options.design)
                    model = fitted(evidence_of(history), history.space, "study")
                    certificate = certified_minimum(model, history.space, seconds=0.2)
                    for way in ways:
                        rng = np.random.default_rng([seed, 3])
                        posterior = posterior_of(
                            model, history.space, history.objectives[0], certificate, rng, way[0], 500, *way[1:]
                        )
                        found[way].append(covered(problem, history, posterior))
                for way in ways:
                    mean = np.mean(found[way], axis=0)
                    totals[way].append(mean)
                    print(f"| {name} | {d} | {noise:g} {cells(way, mean)}", flush=True)
    for way in ways:
        print(f"| all | | {cells(way, np.mean(totals[way], axis=0))}")
    print(f"\n{options.seeds} seeds from {options.first}, {options.design} design, {time.monotonic() - began:.0f} s")


def inflation_of(text: str) -> Inflation:
    """An inflation as it is written on the command line."""
    return "auto" if text == "auto" else float(text)


def cells(way: Way, mean: Array) -> str:
    """The end of one line."""
    rates = [", ".join(f"{each:.3f}" for each in level[:3]) for level in mean]
    return f"| {way[0]} {way[1]} {way[2]} | {' | '.join(rates)} | {mean[-1][3]:.3f}, {mean[-1][4]:.2f} |"


def survival(options: argparse.Namespace) -> None:
    """How often the gain of what each rule chooses is kept, and at which distance from the default."""
    ways = [(rule, threshold) for rule in ("confidence", "stability") for threshold in options.thresholds]
    found: dict[tuple[str, float], dict[tuple[str, int], list[float]]] = {way: {} for way in ways}
    for name in options.problems:
        for seed in range(options.first, options.first + options.seeds):
            problem = PROBLEMS[name](2, np.random.default_rng([seed, 0]))
            history = history_of(problem, 2, 30, 0.1, seed, "random")
            others = refitted(problem, history, seed, options.refits)
            default = history.space.default_params()
            for rule, threshold in ways:
                chosen = smallest_stable_change(history, rule=rule, threshold=threshold, gain=GAIN)
                if chosen.params is None:
                    continue
                unit = np.array([[*chosen.params.values()], [*default.values()]])
                kept = [kept_by(model, unit) for model in others]
                half = len(kept) // 2
                ours, theirs = problem.function(unit)
                rates = [float(np.mean(kept[:half])), float(np.mean(kept[half:]))]
                found[rule, threshold][name, seed] = [chosen.distance, *rates, float(ours < theirs)]
    for text, runs in {
        "All runs": None,
        "Runs in which stability at the first threshold chose": set(found["stability", options.thresholds[0]]),
    }.items():
        print(f"\n{text}:\n\n| rule | threshold | runs | distance | kept, 80% of trials | kept, new trials | better |")
        print("|---|---|---|---|---|---|---|")
        for rule, threshold in ways:
            rows = [row for run, row in found[rule, threshold].items() if runs is None or run in runs]
            cells = " | ".join(f"{each:.3f}" for each in np.mean(rows, axis=0)) if rows else "| | |"
            print(f"| {rule} | {threshold:g} | {len(rows)} | {cells} |")


def refitted(problem: Problem, history: History[tt.Space], seed: int, count: int) -> list[Model]:
    """Surrogates of random parts of the trials, and then as many of new trials."""
    evidence, rng = evidence_of(history), np.random.default_rng([seed, 2])
    size = len(evidence.losses)
    parts = [evidence[np.sort(rng.choice(size, round(0.8 * size), replace=False))] for _ in range(count)]
    seeds = range(10_000 + 100 * seed, 10_000 + 100 * seed + count)
    again = [evidence_of(history_of(problem, 2, 30, 0.1, each, "random")) for each in seeds]
    return [fitted(each, history.space, "study") for each in [*parts, *again]]


def kept_by(model: Model, unit: Array) -> bool:
    """Whether a surrogate predicts the gain that was asked for, of the first point over the second."""
    ours, theirs = model.predict(unit)[0]
    return bool(theirs - ours >= GAIN)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(required=True)
    part = parts.add_parser("coverage")
    part.set_defaults(run=coverage)
    part.add_argument("--design", default="random")
    part.add_argument("--methods", nargs="+", default=["draws", "annealed"])
    part.add_argument("--inflations", nargs="+", type=inflation_of, default=["auto", 1.0, 2.0])
    part.add_argument("--settings", nargs="+", type=int, default=[12, 1])
    part.add_argument("--problems", nargs="+", default=list(PROBLEMS))
    part.add_argument("--dimensions", nargs="+", type=int, default=[2, 4])
    part.add_argument("--noises", nargs="+", type=float, default=[0.0, 0.1])
    part.add_argument("--first", type=int, default=0)
    part.add_argument("--seeds", type=int, default=40)
    part = parts.add_parser("survival")
    part.set_defaults(run=survival)
    part.add_argument("--thresholds", nargs="+", type=float, default=[0.5, 0.6, 0.75, 0.9, 0.95, 0.99])
    part.add_argument("--problems", nargs="+", default=list(PROBLEMS))
    part.add_argument("--refits", type=int, default=5)
    part.add_argument("--first", type=int, default=0)
    part.add_argument("--seeds", type=int, default=6)
    told = parser.parse_args()
    told.run(told)
