"""Private summaries: how wrong their sums are, what an audit finds, and how much a warm start from one saves.

    .venv/bin/python dev/studies/private_sharing.py errors
    .venv/bin/python dev/studies/private_sharing.py audit
    .venv/bin/python dev/studies/private_sharing.py warm FOLDER

`errors` and `audit` take about a minute each, on one core. FOLDER holds the surrogate of LCBench (see
`trimtab.benchmarks.problems.lcbench`); of its tasks for developing on one at a time is left out, the others' random
trials are the private corpus, and the one left out is tuned. What counts as a success is public: for each task, a loss
no higher than the third of ten trials whose losses its owner shows openly, and which are not in the corpus. Regret is
the best value so far less the least of 20,000 draws, over the median of these less the least.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np

import trimtab as tt
from trimtab.benchmarks.problems.lcbench import Lcbench, lcbench_tasks
from trimtab.space import Float, Space
from trimtab.tuners import make_tuner
from trimtab.tuners.tasks.private import (
    Accountant,
    DistanceDesign,
    KernelDesign,
    Noise,
    PrivateWarmStart,
    TooFewTrials,
    audit,
    distance_sums,
    kernel_sums,
    likelihood_ratio,
    publish,
    threshold_attacks,
)
from trimtab.tuners.tasks.transfer.corpus import Corpus, CorpusTask

STOPS = (8, 16, 30)


def errors() -> None:
    """Mean relative error of released sums, for configurations and queries spread evenly."""
    print("| columns | trials | epsilon | l1 distances | similarities, Laplace | similarities, Gaussian (delta 1e-5) |")
    print("| --- | --- | --- | --- | --- | --- |")
    rng = np.random.default_rng(0)
    for columns in (2, 6):
        space = Space({f"x{place}": Float(0.0, 1.0) for place in range(columns)})
        for trials in (100, 1000, 10_000):
            raw, queries = space.sample_raw(rng, trials), space.sample_raw(rng, 200)
            unit, asked = space.to_unit(raw), space.to_unit(queries)
            far = np.abs(unit[:, None] - asked[None]).sum(axis=(0, 2))
            for epsilon in (0.5, 1.0, 5.0):
                cells = []
                design = DistanceDesign(space)
                found = [
                    design.estimate(distance_sums(design, raw, Noise("laplace", epsilon)), queries) for _ in range(5)
                ]
                cells.append(np.mean([np.abs(one - far).mean() / far.mean() for one in found]))
                for noise in (Noise("laplace", epsilon), Noise("gaussian", epsilon, 1e-5)):
                    waves = 64 if noise.delta else int(np.clip(round(trials * epsilon / 50), 4, 64))
                    wrong = []
                    for seed in range(5):
                        kernel = KernelDesign(space, 0.35 * columns**0.5, waves, seed)
                        near = kernel.similarity(raw, queries).sum(axis=0)
                        one = kernel.estimate(kernel_sums(kernel, raw, noise), queries)
                        wrong.append(np.abs(one - near).mean() / near.mean())
                    cells.append(np.mean(wrong))
                told = " | ".join(f"{cell:.3f}" for cell in cells)
                print(f"| {columns} | {trials} | {epsilon:g} | {told} |", flush=True)


def audits() -> None:
    """Lower limits of epsilon at 99%, for neighbours that differ by one trial, with all of the noise and with half."""
    space = Space(x=Float(0.0, 1.0), y=Float(0.0, 1.0))
    raw = space.sample_raw(np.random.default_rng(0), 50)
    more = np.concatenate([raw, [[0.9, 0.1]]])
    print("| release | noise | stated epsilon | found | attack |")
    print("| --- | --- | --- | --- | --- |")
    for epsilon in (0.5, 1.0, 2.0):
        for told, factor in (("as stated", 1.0), ("half", 2.0)):
            noise = Noise("laplace", factor * epsilon)
            kernel, distance = KernelDesign(space, 0.5, 1), DistanceDesign(space, depth=2)
            sides = {
                "similarities": (
                    lambda rows, k=kernel, n=noise: kernel_sums(k, rows, n),
                    [kernel.contributions(rows).sum(axis=0) for rows in (more, raw)],
                    float(noise.width(kernel.l1, kernel.l2_squared)),
                ),
                "distances": (
                    lambda rows, d=distance, n=noise: distance_sums(d, rows, n),
                    [distance.counts(rows) for rows in (more, raw)],
                    float(noise.width(distance.sensitivity, distance.sensitivity)),
                ),
            }
            for name, (release, exact, width) in sides.items():
                attacks = {**threshold_attacks(range(2)), "ratio": likelihood_ratio(*exact, width)}
                found = audit(lambda r=release: r(more), lambda r=release: r(raw), attacks, releases=8000)
                print(f"| {name} | {told} | {epsilon:g} | {found.epsilon:.2f} | {found.attack} |", flush=True)


def private_corpus(tasks: list[Lcbench], left_out: int, trials: int, seed: int) -> tuple[Corpus, dict[str, float]]:
    """Random trials of all tasks but one, and the public thresholds."""
    rng = np.random.default_rng([seed, left_out, trials])
    made, thresholds = [], {}
    others = [task for place, task in enumerate(tasks) if place != left_out]
    for task in others:
        raw = task.space().sample_raw(rng, trials // len(others))
        made.append(CorpusTask(task.name, task.space(), task.space().decode_many(raw), task.values(raw)))
        thresholds[task.name] = float(np.sort(task.values(task.space().sample_raw(rng, 10)))[2])
    return Corpus(made), thresholds


def warm(folder: Path) -> None:
    """Mean regret over tasks of a study that begins with a summary, of one that does not, and of random search."""
    tasks = [Lcbench(folder, name) for name in lcbench_tasks(folder)]
    space = tasks[0].space()
    drawn = space.sample_raw(np.random.default_rng(11), 20_000)
    scale = [(float(values.min()), float(np.median(values))) for values in (task.values(drawn) for task in tasks)]
    sides: dict[str, tuple[int, float] | str] = {
        "random": "random",
        "auto": "auto",
        "1,000 trials, epsilon 1": (1000, 1.0),
        "300 trials, epsilon 1": (300, 1.0),
        "1,000 trials, epsilon 1,000": (1000, 1000.0),
    }
    print(f"| side | seed | {' | '.join(f'after {stop}' for stop in STOPS)} | refused |")
    print("| --- | --- | " + "--- | " * (len(STOPS) + 1))
    for seed in (0, 1):
        for name, side in sides.items():
            regrets, refused = [], 0
            for place, task in enumerate(tasks):
                tuner = make_tuner(side if isinstance(side, str) else "auto")
                if not isinstance(side, str):
                    trials, epsilon = side
                    corpus, thresholds = private_corpus(tasks, place, trials, seed)
                    try:
                        summary = publish(
                            corpus,
                            space,
                            thresholds,
                            epsilon=epsilon,
                            accountant=Accountant(epsilon),
                            expected_trials=trials,
                            seed=seed,
                            source=random.Random(1000 * seed + place).randrange,
                        )
                        tuner = PrivateWarmStart(tuner, summary)
                    except TooFewTrials:
                        refused += 1
                study = tt.create_study(space=space, tuner=tuner, seed=seed)
                study.optimize(lambda trial, t=task: float(t.values(space.encode(trial.params)[None])[0]), STOPS[-1])
                least, median = scale[place]
                best = np.minimum.accumulate([trial.value for trial in study.trials])
                regrets.append([(best[stop - 1] - least) / (median - least) for stop in STOPS])
            cells = " | ".join(f"{value:.3f}" for value in np.mean(regrets, axis=0))
            print(f"| {name} | {seed} | {cells} | {refused} of {len(tasks)} |", flush=True)
    counts = []
    for place in range(len(tasks)):
        corpus, thresholds = private_corpus(tasks, place, 100, 0)
        try:
            publish(corpus, space, thresholds, epsilon=1.0, accountant=Accountant(1.0), expected_trials=100)
        except TooFewTrials as error:
            counts.append(str(error))
    print(f"\n100 trials, epsilon 1: refused {len(counts)} of {len(tasks)} times; the first one said:\n{counts[:1]}")


if __name__ == "__main__":
    if sys.argv[1] == "warm":
        warm(Path(sys.argv[2]))
    else:
        {"errors": errors, "audit": audits}[sys.argv[1]]()
