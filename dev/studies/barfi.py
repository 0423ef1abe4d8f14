"""What BARFI reaches where a second reward misleads, beside plain ways to train, as Markdown tables.

    python dev/studies/barfi.py chain
    python dev/studies/barfi.py grid
    python dev/studies/barfi.py corridor

The chain is exact and needs no seeds: 200 outer iterations, as in the check that it repeats, and the implicit gradient
against differences of the inner problem solved anew. The grid world is that of `examples/misleading_reward.py`, with
settings chosen on the seeds 100 to 104 of it and of a shorter chain. The corridor is the chain step by step, cut off
after 30 steps, with the settings of the paper's program. Each part takes some minutes on one core.
"""

from __future__ import annotations

import argparse
import runpy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trimtab.tuners.gradients.bilevel import NeumannSeries, implicit_hypergradient
from trimtab.tuners.gradients.rewards import (
    Barfi,
    ExactBarfi,
    Method,
    Problem,
    SampledProblem,
    align,
    best_response,
    discount_of,
)

SHOWN = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "misleading_reward.py"))
SEEDS = range(10, 15)


class Corridor:
    """The chain of six states, step by step."""

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        """Back to the left end."""
        self.place = self.time = 0
        return np.eye(6)[0], {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """To the left by action 0, to the right by action 1."""
        self.place = min(5, self.place + 1) if action == 1 else max(0, self.place - 1)
        self.time += 1
        there = self.place == 5
        return np.eye(6)[self.place], float(there), there, self.time >= 30, {}


def pays_left(observation: Any, action: int, after: Any) -> float:
    """The misleading reward of the corridor."""
    return 0.3 * (action == 0)


def corridor(potential: bool) -> SampledProblem:
    """The corridor, with a table of logits for a policy."""
    policy = torch.nn.Linear(6, 2, bias=False, dtype=torch.float64)
    torch.nn.init.zeros_(policy.weight)
    return SampledProblem(Corridor, policy, pays_left, discount=0.95, gamma=0.95, potential=potential)


def row(*cells: object) -> None:
    """One line of a table."""
    print("|", " | ".join(f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in cells), "|", flush=True)


def heading(*cells: str) -> None:
    """The first two lines of a table."""
    row(*cells)
    row(*["---"] * len(cells))


def run(problem: Problem, method: Method, iterations: int, phi3: float) -> list[object]:
    """The primary return, phi1 to phi3, and the discount, at the end."""
    end = align(problem, method, iterations, SHOWN["start"](problem, phi3))
    phi = [float(end.hyperparameters[name]) for name in ("phi1", "phi2", "phi3")]
    return [-end.value, ", ".join(f"{each:.2f}" for each in phi), discount_of(end.hyperparameters)]


def chain() -> None:
    """Exact returns."""
    fixed, low = ExactBarfi(rate=0.0), {"entropy": 0.02, "policy_penalty": 1e-3}
    ways: dict[str, tuple[ExactBarfi, int, float, bool]] = {
        "naive sum": (fixed, 1, 1.0, False),
        "primary alone": (fixed, 1, 0.0, False),
        "primary alone, low entropy": (replace(fixed, **low), 1, 0.0, False),
        "as a potential": (fixed, 1, 1.0, True),
        "BARFI, linear system solved": (ExactBarfi(), 200, 1.0, False),
        "BARFI, Neumann, 50 terms of 0.05": (ExactBarfi(solver=NeumannSeries(1e-12, 50, 0.05)), 200, 1.0, False),
        "BARFI, low entropy": (ExactBarfi(**low), 150, 1.0, False),
        "naive sum, low entropy": (replace(fixed, **low), 1, 1.0, False),
    }
    heading("auxiliary reward", "way", "primary return", "phi1, phi2, phi3", "discount")
    for kind, (left, right) in {"misleading": (0.3, 0.0), "helpful": (0.0, 0.1)}.items():
        for way, (method, iterations, phi3, potential) in ways.items():
            row(kind, way, *run(SHOWN["chain"](left, right, potential), method, iterations, phi3))
    print()
    heading("auxiliary reward", "hyperparameter", "implicit gradient of -J_p", "central difference")
    for kind, (left, right) in {"misleading": (0.3, 0.0), "helpful": (0.0, 0.1)}.items():
        problem = SHOWN["chain"](left, right, False)
        bilevel = problem.bilevel(0.1, 1e-2)
        w, _ = best_response(bilevel, problem.initial, bilevel.layout.flat(bilevel.parameters), 1e-11)
        found = implicit_hypergradient(bilevel, bilevel.layout.named(w), problem.initial)
        for name, gradient in found.gradient.items():
            ends = []
            for shift in (1e-4, -1e-4):
                moved = problem.initial | {name: problem.initial[name] + shift}
                there, _ = best_response(bilevel, moved, w, 1e-11)
                ends.append(-float(problem.primary_return(bilevel.layout.named(there))))
            row(kind, name, f"{float(gradient):.6g}", f"{(ends[0] - ends[1]) / 2e-4:.6g}")


def sampled(make: Callable[[bool], SampledProblem], method: Barfi, rounds: int, ways: dict[str, Any]) -> None:
    """A table of one row a way, over the seeds."""
    heading("way", "primary return, mean", *(f"seed {seed}" for seed in SEEDS), "blend of the first seed")
    for way, told in ways.items():
        problem, settings = make(told.get("potential", False)), told.get("settings", {})
        ends = [run(problem, replace(method, seed=seed, **settings), rounds, told.get("phi3", 1.0)) for seed in SEEDS]
        row(way, float(np.mean([end[0] for end in ends])), *(end[0] for end in ends), ends[0][1])


def grid() -> None:
    """The grid world, 60 rounds of 6 episodes."""
    method = Barfi(
        rate=5e-2,
        gamma_penalty=0.0,
        episodes=6,
        warm_up=60,
        first_steps=60,
        batch=4,
        outer_batches=5,
        inner_steps=8,
    )
    still = {"rate": 0.0}
    sampled(
        SHOWN["grid"],
        method,
        60,
        {
            "naive sum": {"settings": still},
            "primary alone": {"settings": still, "phi3": 0.0},
            "primary alone, entropy 0.05": {"settings": {**still, "entropy": 0.05}, "phi3": 0.0},
            "as a potential": {"settings": still, "potential": True},
            "as a potential, entropy 0.05": {"settings": {**still, "entropy": 0.05}, "potential": True},
            "BARFI": {},
            "BARFI, entropy 0.05": {"settings": {"entropy": 0.05}},
            "BARFI, policy rate 0.02": {"settings": {"policy_rate": 2e-2}},
            "as a potential, entropy 0.05, policy rate 0.02": {
                "settings": {**still, "entropy": 0.05, "policy_rate": 2e-2},
                "potential": True,
            },
        },
    )


def in_corridor() -> None:
    """The corridor, 100 rounds of 3 episodes, with the defaults."""
    still = {"rate": 0.0}
    sampled(
        corridor,
        Barfi(),
        100,
        {
            "naive sum": {"settings": still},
            "primary alone": {"settings": still, "phi3": 0.0},
            "BARFI": {},
        },
    )


if __name__ == "__main__":
    parts = {"chain": chain, "grid": grid, "corridor": in_corridor}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=parts)
    torch.set_num_threads(1)
    parts[parser.parse_args().part]()
