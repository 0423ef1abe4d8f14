"""How the regret of the online forecaster grows with the number of tasks, and what a round costs.

OMP_NUM_THREADS=1 python speed/tasks_online.py --rounds 64 256 1024 --seeds 10

One row for each kind of losses and number of rounds: expected regret (exact; mean over seeds, and the largest), its
bound (mean), what the regret is in units of sqrt(T), milliseconds of the processor for a round, and pieces at the end.
The rate is that of the horizon; `anytime` does not know it. Under the rows of each kind: the slope of log regret
against log T, with its standard error over the seeds.

    coins       one jump at a uniform place, 0 and 1 on its sides by a coin: nothing to learn but noise
    windows     1 below a random place, 0.3 above a later one, 0 between
    steps       five uniform jumps between random levels
    bowls       the squared distance to a random place, a quadratic function
    adversary   halves an interval, and loses one half with all beyond it by a coin; stays below 50 rounds, where
                floating-point numbers end
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator

import numpy as np

from trimtab.tuners.tasks.duals import Dual, PiecewiseConstant, PiecewiseQuadratic
from trimtab.tuners.tasks.online import ExponentialForecaster


def coins(rng: np.random.Generator) -> Iterator[Dual]:
    while True:
        yield PiecewiseConstant([0.0, rng.uniform(), 1.0], rng.permutation([0.0, 1.0]))


def windows(rng: np.random.Generator) -> Iterator[Dual]:
    while True:
        first, last = np.sort(rng.beta(2, 2, 2))
        yield PiecewiseConstant([0.0, first, last, 1.0], [1.0, 0.0, 0.3])


def steps(rng: np.random.Generator) -> Iterator[Dual]:
    while True:
        yield PiecewiseConstant([0.0, *np.sort(rng.random(5)), 1.0], rng.random(6))


def bowls(rng: np.random.Generator) -> Iterator[Dual]:
    while True:
        best = rng.beta(2, 3)
        yield PiecewiseQuadratic.through([0.0, 1.0], [best**2], [(0.5 - best) ** 2], [(1.0 - best) ** 2])


def adversary(rng: np.random.Generator) -> Iterator[Dual]:
    low, high = 0.0, 1.0
    while True:
        middle, upper = (low + high) / 2.0, bool(rng.random() < 0.5)
        yield PiecewiseConstant([0.0, middle, 1.0], [1.0, 0.0] if upper else [0.0, 1.0])
        low, high = (middle, high) if upper else (low, middle)


KINDS: dict[str, Callable[[np.random.Generator], Iterator[Dual]]] = {
    "coins": coins,
    "windows": windows,
    "steps": steps,
    "bowls": bowls,
    "adversary": adversary,
}


def play(kind: str, rounds: int, seed: int, anytime: bool, schedule: str) -> tuple[float, float, float, int]:
    """Expected regret, its bound, processor's seconds of a round, and pieces at the end."""
    losses = KINDS[kind](np.random.default_rng([seed, rounds]))
    horizon = None if anytime else rounds
    forecaster = ExponentialForecaster(0.0, 1.0, horizon=horizon, schedule=schedule, seed=seed)
    duals = [next(losses) for _ in range(rounds)]
    start = time.process_time()
    for dual in duals:
        forecaster, _ = forecaster.learn(dual)
    seconds = (time.process_time() - start) / rounds
    found = forecaster.regret()
    return found.expected, found.bound, seconds, len(forecaster.edges) - 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--rounds", nargs="+", type=int, default=[64, 256, 1024])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--anytime", action="store_true", help="rates that do not know the number of rounds")
    parser.add_argument("--schedule", default="bound", choices=["bound", "paper"])
    given = parser.parse_args()
    heads = ("T", "regret", "largest", "bound", "/ sqrt(T)", "ms a round", "pieces")
    print(f"{'losses':11}" + "".join(f"{head:>12}" for head in heads))
    for kind in given.kinds:
        counts = [6, 12, 24, 48] if kind == "adversary" else given.rounds
        logs = []
        for rounds in counts:
            seeds = range(given.first_seed, given.first_seed + given.seeds)
            played = np.array([play(kind, rounds, seed, given.anytime, given.schedule) for seed in seeds])
            regret, bound, seconds, pieces = played.mean(axis=0)
            logs.append(played[:, 0])
            print(
                f"{kind:11}{rounds:12}{regret:12.2f}{played[:, 0].max():12.2f}{bound:12.2f}"
                f"{regret / rounds**0.5:12.2f}{1e3 * seconds:12.2f}{pieces:12.0f}"
            )
        regrets, axis = np.array(logs), np.log(counts)
        slope = np.polyfit(axis, np.log(regrets.mean(axis=1)), 1)[0]
        # Leave one seed out at a time: the jackknife's standard error.
        left = [
            np.polyfit(axis, np.log(np.delete(regrets, each, axis=1).mean(axis=1)), 1)[0] for each in range(given.seeds)
        ]
        error = np.sqrt((given.seeds - 1) / given.seeds * ((left - np.mean(left)) ** 2).sum())
        print(f"{kind:11}{'slope':>12}{slope:12.2f}  +- {error:.2f}")


if __name__ == "__main__":
    main()
