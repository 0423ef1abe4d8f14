"""What a shared representation gains on related tasks, and costs on unrelated ones.

    .venv/bin/python dev/studies/shared_representation.py bandits
    .venv/bin/python dev/studies/shared_representation.py lcbench FOLDER

`bandits` takes about two minutes on one core: linear bandits in 20 features, 15 fresh arms in each of 100 rounds,
noise 0.3; weights of rank 2, or unrelated; cumulative regret for each task, seeds 0 to 9. FOLDER holds the surrogate of
LCBench (see `trimtab.benchmarks.problems.lcbench`): the first ten of its tasks for developing on, tuned side by side.
Regret is the best value so far less the least of 20,000 draws, over the median of these less the least; below 0 is
better than all draws.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import trimtab as tt
from trimtab.benchmarks.problems.lcbench import Lcbench, lcbench_tasks
from trimtab.tuners.tasks.representation import GFUCB, ConcurrentTasks
from trimtab.tuners.tasks.representation.shared_linear import orthonormal

Array = NDArray[np.float64]

STOPS = (5, 10, 15, 20)


def sphere(rng: np.random.Generator, *shape: int) -> Array:
    """Random directions along the last axis."""
    drawn = rng.normal(size=shape)
    return np.asarray(drawn / np.linalg.norm(drawn, axis=-1, keepdims=True))


def play(seed: int, tasks: int, related: bool, bonus: str, fall_back: str) -> tuple[float, float]:
    """Cumulative regret for each task, and the share of rounds in which the shared fit was acted on."""
    rng = np.random.default_rng([seed, tasks, related])
    weights = sphere(rng, tasks, 2) @ orthonormal(rng.normal(size=(20, 2))).T if related else sphere(rng, tasks, 20)
    bandit = GFUCB(tasks, 20, 2, bonus=bonus, fall_back=fall_back)  # type: ignore[arg-type]
    regret, shared = 0.0, 0
    for _ in range(100):
        arms, noise = sphere(rng, tasks, 15, 20), 0.3 * rng.normal(size=tasks)
        shared += bandit.sharing
        for task, chosen in enumerate(bandit.ask(list(arms))):
            rewards = arms[task] @ weights[task]
            regret += float(rewards.max() - rewards[chosen])
            bandit.tell(task, arms[task, chosen], float(rewards[chosen] + noise[task]))
    return regret / tasks, shared / 100


def bandits() -> None:
    """One row for each kind of tasks."""
    sides = {
        "alone": ("head", "always"),
        "shared, head bonus": ("head", "never"),
        "shared, joint bonus": ("joint", "never"),
        "fall-back, head bonus": ("head", "errors"),
    }
    print(f"| tasks | {' | '.join(sides)} | fall-back over alone | rounds shared |")
    print("| --- | " + "--- | " * (len(sides) + 2))
    for name, tasks, related in (("10, related", 10, True), ("3, related", 3, True), ("10, unrelated", 10, False)):
        found = {
            side: np.array([play(seed, tasks, related, *how) for seed in range(10)]) for side, how in sides.items()
        }
        means = {side: float(rows[:, 0].mean()) for side, rows in found.items()}
        ratio = means["fall-back, head bonus"] / means["alone"]
        cells = " | ".join(f"{mean:.1f}" for mean in means.values())
        print(f"| {name} | {cells} | {ratio:.2f} | {found['fall-back, head bonus'][:, 1].mean():.0%} |", flush=True)


def lcbench(folder: Path) -> None:
    """Mean regret over ten tasks after so many trials of each."""
    names = lcbench_tasks(folder)[:10]
    tasks = {name: Lcbench(folder, name) for name in names}
    plain = tasks[names[0]].space()
    space = tt.Space(task=tt.Categorical(names), **dict(plain.parameters))
    drawn = plain.sample_raw(np.random.default_rng(11), 20_000)
    values = {name: task.values(drawn) for name, task in tasks.items()}

    def told(name: str, params: dict[str, object]) -> float:
        own = {key: value for key, value in params.items() if key != "task"}
        return float(tasks[name].values(plain.encode(own)[None])[0])  # type: ignore[arg-type]

    def regret(losses: dict[str, list[float]]) -> str:
        rows = []
        for name, found in losses.items():
            best, least = np.minimum.accumulate(found), values[name].min()
            rows.append([(best[stop - 1] - least) / (np.median(values[name]) - least) for stop in STOPS])
        return " | ".join(f"{mean:.3f}" for mean in np.mean(rows, axis=0))

    print(f"| side | seed | {' | '.join(f'after {stop}' for stop in STOPS)} |")
    print("| --- | --- | " + "--- | " * len(STOPS))
    for seed in (0, 1):
        for side, tuner in {
            "shared, fall-back": ConcurrentTasks(),
            "shared only": ConcurrentTasks(fall_back=False),
        }.items():
            study = tt.create_study(space=space, tuner=tuner, seed=seed)
            study.optimize(lambda trial: told(trial.params["task"], trial.params), n_trials=STOPS[-1] * len(names))
            both = {name: [trial.value for trial in study.trials if trial.params["task"] == name] for name in names}
            print(f"| {side} | {seed} | {regret(both)} |", flush=True)
        for side in ("auto", "random"):
            apart = {}
            for name in names:
                study = tt.create_study(space=plain, tuner=side, seed=seed)
                study.optimize(lambda trial, task=name: told(task, trial.params), n_trials=STOPS[-1])
                apart[name] = [trial.value for trial in study.trials]
            print(f"| {side}, a study for each task | {seed} | {regret(apart)} |", flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "bandits":
        bandits()
    else:
        lcbench(Path(sys.argv[2]))
