"""A misleading reward, repaired: what the sum of two rewards teaches, and what a learnt blend of them does.

    python examples/misleading_reward.py

What counts is to reach a goal. Somebody adds a reward that is meant to help, and it pays for staying away from it.
BARFI learns how to weigh the two, and how far to look ahead, so that the policy trained on the blend does what counts.
First on a chain of six states whose returns and gradients are exact, then from sampled episodes in a grid world.
Prints what each way reaches, and draws `misleading_reward.png` into the current folder. Needs the extra `torch`, and
matplotlib.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import matplotlib
import numpy as np
import torch

import trimtab as tt
from trimtab.tuners.gradients.rewards import (
    Barfi,
    ExactBarfi,
    SampledProblem,
    TabularProblem,
    align,
    discount_of,
)

matplotlib.use("Agg")
import matplotlib.pyplot as plt

WAYS = {
    "naive sum": {"phi3": 1.0, "potential": False, "learn": False},
    "primary alone": {"phi3": 0.0, "potential": False, "learn": False},
    "as a potential": {"phi3": 1.0, "potential": True, "learn": False},
    "BARFI": {"phi3": 1.0, "potential": False, "learn": True},
}
"""Each trains on phi1 + phi2 r_p + phi3 r_aux from (0, 1, phi3); only the last one learns these."""

COLOURS = dict(zip(WAYS, ["tab:red", "tab:grey", "tab:orange", "tab:blue"], strict=True))
ROUNDS, SEEDS = 40, (0, 1, 2)


def chain(left: float, right: float, potential: bool) -> TabularProblem:
    """Six states in a row, the goal at the right end; auxiliary rewards for moves to either side."""
    transition, primary, auxiliary = torch.zeros(6, 2, 6), torch.zeros(6, 2), torch.zeros(6, 2)
    for state in range(5):
        transition[state, 0, max(state - 1, 0)] = transition[state, 1, state + 1] = 1.0
        auxiliary[state] = torch.tensor([left, right])
    transition[5, :, 5] = primary[4, 1] = 1.0
    return TabularProblem(transition, primary, auxiliary, torch.eye(6)[0], discount=0.95, potential=potential)


class Grid:
    """Four by four fields, from one corner to the opposite one; cut off after 40 steps. Gymnasium's interface."""

    moves = ((0, 1), (1, 0), (0, -1), (-1, 0))

    def reset(self, *, seed: int | None = None, options: Any = None):
        """Back to the first field; nothing here is random, so the seed changes nothing."""
        self.place, self.time = (0, 0), 0
        return self.seen(), {}

    def seen(self):
        """Which field it is, as sixteen zeros and ones."""
        return np.eye(16)[4 * self.place[0] + self.place[1]]

    def step(self, action: int):
        """One field to a side, unless there is a wall."""
        x, y = (min(3, max(0, old + move)) for old, move in zip(self.place, self.moves[action], strict=True))
        self.place, self.time = (x, y), self.time + 1
        there = self.place == (3, 3)
        return self.seen(), float(there), there, self.time >= 40, {}


def near_the_start(observation, action, after) -> float:
    """The misleading reward: 0.3 for each step that ends on one of the three fields around the start."""
    return 0.3 * float(after[0] + after[1] + after[4] > 0.0)


def grid(potential: bool) -> SampledProblem:
    policy = torch.nn.Linear(16, 4, bias=False, dtype=torch.float64)
    torch.nn.init.zeros_(policy.weight)
    return SampledProblem(Grid, policy, near_the_start, discount=0.95, gamma=0.95, potential=potential)


def start(problem: TabularProblem | SampledProblem, phi3: float):
    initial = {name: tensor.detach().clone() for name, tensor in problem.initial.items()}
    initial["phi3"].fill_(phi3)
    return initial


def on_the_chain() -> tuple[dict[str, dict[str, float]], list[dict[str, float]]]:
    """What each way reaches with a misleading and with a helpful reward; and the blend as it is learnt."""
    reached: dict[str, dict[str, float]] = {}
    blends: list[dict[str, float]] = []
    for kind, (left, right) in {"misleading": (0.3, 0.0), "helpful": (0.0, 0.1)}.items():
        reached[kind] = {}
        for way, told in WAYS.items():
            problem = chain(left, right, told["potential"])
            method = ExactBarfi(rate=0.05 if told["learn"] else 0.0)
            seen: list[dict[str, float]] = []
            end = align(
                problem,
                method,
                20 if told["learn"] else 1,
                start(problem, told["phi3"]),
                lambda state, seen=seen: seen.append({n: float(t) for n, t in state.hyperparameters.items()}),
            )
            reached[kind][way] = -end.value
            if told["learn"]:
                phi = ", ".join(f"{float(end.hyperparameters[name]):.2f}" for name in ("phi1", "phi2", "phi3"))
                print(f"  {kind}: BARFI's blend is ({phi}) with a discount of {discount_of(end.hyperparameters):.3f}")
                blends = blends or seen
        told_all = ", ".join(f"{way} {value:.3f}" for way, value in reached[kind].items())
        print(f"  {kind}: {told_all}; the best policy {problem.best_return():.3f}")
    return reached, blends


def in_the_grid() -> dict[str, list[list[float]]]:
    """Learning curves of the primary return, one for each trial of a study over ways and seeds."""
    curves: dict[str, list[list[float]]] = defaultdict(list)

    def train(trial: tt.Trial) -> float:
        way, seed = trial.params["way"], trial.params["seed"]
        told, problem = WAYS[way], grid(WAYS[way]["potential"])
        # Shorter and steeper than the defaults, which are those of the paper's program.
        method = Barfi(
            rate=0.05 if told["learn"] else 0.0,
            gamma_penalty=0.0,
            episodes=6,
            warm_up=60,
            first_steps=60,
            batch=4,
            outer_batches=5,
            inner_steps=8,
            seed=seed,
        )
        curve: list[float] = []
        end = align(problem, method, ROUNDS, start(problem, told["phi3"]), lambda state: curve.append(-state.value))
        curves[way].append(curve)
        phi = ", ".join(f"{float(end.hyperparameters[name]):.2f}" for name in ("phi1", "phi2", "phi3"))
        print(f"  seed {seed}, {way:14}: primary return {curve[-1]:.3f}, blend ({phi})", flush=True)
        return curve[-1]

    space = tt.Space(way=tt.Categorical(list(WAYS)), seed=tt.Int(0, max(SEEDS)))
    study = tt.create_study(space=space, direction="maximize", tuner="random", seed=0)
    for seed in SEEDS:
        for way in WAYS:
            study.enqueue_trial({"way": way, "seed": seed})
    study.optimize(train, n_trials=len(SEEDS) * len(WAYS))
    return curves


def draw(reached: dict[str, dict[str, float]], blends: list[dict[str, float]], curves: dict[str, list[list[float]]]):
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
    for place, (way, colour) in enumerate(COLOURS.items()):
        heights = [reached[kind][way] for kind in reached]
        bars = left.bar(np.arange(len(reached)) + 0.2 * (place - 1.5), heights, 0.2, color=colour, label=way)
        left.bar_label(bars, fmt="%.2f", fontsize=8)
    left.axhline(0.95**4, color="black", linestyle=":", linewidth=1)
    left.text(0.5, 0.95**4 + 0.04, "best policy", ha="center", fontsize=8)
    left.set_xticks(range(len(reached)), [f"{kind} reward" for kind in reached])
    left.set(title="Chain, exact: primary return", ylim=(0, 1.05))
    left.legend(fontsize=8, ncols=2, loc="upper center")
    for name in ("phi1", "phi2", "phi3"):
        middle.plot(range(1, len(blends) + 1), [blend[name] for blend in blends], label=name)
    middle.axhline(0, color="black", linewidth=0.5)
    middle.set(title="Chain, misleading reward: the blend", xlabel="outer iteration")
    middle.legend(fontsize=8)
    for way, runs in curves.items():
        for run in runs:
            right.plot(range(1, len(run) + 1), run, color=COLOURS[way], linewidth=0.6, alpha=0.5)
        right.plot(range(1, ROUNDS + 1), np.mean(runs, axis=0), color=COLOURS[way], linewidth=2, label=way)
    right.axhline(0.95**5, color="black", linestyle=":", linewidth=1)
    right.set(title="Grid world, sampled: primary return", xlabel="round of 6 episodes", ylim=(0, 1.0))
    right.legend(fontsize=8, ncols=2, loc="upper center")
    figure.savefig("misleading_reward.png", dpi=120)


if __name__ == "__main__":
    torch.set_num_threads(1)  # of matrices as small as these, threads make more work than they save
    print("a chain of six states, exactly: the primary return of the policy that each way trains")
    exact = on_the_chain()
    print(f"a grid world, {60 + 6 * ROUNDS} episodes each; the best policy {0.95**5:.3f}")
    draw(*exact, in_the_grid())
    print("drawn into misleading_reward.png")
