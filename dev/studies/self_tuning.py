"""What self-tuning networks gain over fixed hyperparameters, and which form of them stands which learning rate.

    OMP_NUM_THREADS=1 python dev/studies/self_tuning.py                        all tables, half an hour of one core
    OMP_NUM_THREADS=1 python dev/studies/self_tuning.py search --seeds 0 1     one of them: search, reference,
                                                                               invariance, centre

Prints Markdown. Needs the extras `torch` and `sklearn`. Digits: 300 to train on, 500 to validate on, 997 held out,
which nothing is chosen by. The settings of the methods were chosen on seeds 100 and 101, which no table holds.

Seconds are those of the processor, so that what else runs on the machine does not count. All trainings are judged by
their row of lowest validation loss, of one each 50 steps; a search by its best trial's. A validation loss is flattered
the more, the more it was asked; the held-out loss of the same row is not.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_diabetes, load_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import trimtab as tt
from trimtab.base.seeds import Key
from trimtab.space import Float, Space
from trimtab.tuners.gradients.bilevel import Minibatches
from trimtab.tuners.gradients.self_tuning import (
    Adam,
    Coding,
    Line,
    Momentum,
    Network,
    RmsProp,
    Row,
    Rule,
    Schedule,
    SelfTuning,
    SelfTuningLinear,
    SelfTuningProblem,
    Tuned,
    add_noise,
    cut_out,
    drop,
    follow,
    move,
    tune,
)

SPACE = Space(
    pixels=Float(0.0, 0.8),
    first=Float(0.0, 0.8),
    second=Float(0.0, 0.8),
    noise=Float(0.0, 0.8),
    shift=Float(0.0, 2.0),
    turn=Float(0.0, 45.0),
    hole=Float(0.0, 4.0),
    decay=Float(1e-6, 1e-1, log=True),
)
"""Dropout of pixels and of two hidden layers, noise, shifts in pixels, turns in degrees, holes in pixels, decay."""

START = {
    "pixels": 0.05,
    "first": 0.05,
    "second": 0.05,
    "noise": 0.05,
    "shift": 0.1,
    "turn": 2.0,
    "hole": 0.2,
    "decay": 1e-5,
}
RULE = Momentum(0.05)
ROUNDS, ROUND, EVERY = 200, 5, 10
STEPS = ROUNDS * ROUND
TRIALS = 20
METHOD = SelfTuning(50, ROUND, scale=0.5, weights=RULE, response=RULE, hyper=RmsProp(0.03))
RATES = (1e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
SWEEP = 200
"""Training steps of each training in the tables of learning rates."""


class Mlp(nn.Module):
    """Two hidden layers, dropout after each."""

    def __init__(self, k: int, width: int, centred: bool) -> None:
        super().__init__()
        self.one = SelfTuningLinear(64, width, k, centred=centred)
        self.two = SelfTuningLinear(width, width, k, centred=centred)
        self.three = SelfTuningLinear(width, 10, k, centred=centred)

    def forward(
        self,
        x: Tensor,
        hyper: dict[str, Tensor] | None = None,
        rng: torch.Generator | None = None,
        z: Tensor | None = None,
    ) -> Tensor:
        """Logits; with dropout where `hyper` and `rng` are given."""
        x = self.one(x.flatten(1), z).relu()
        if hyper is not None and rng is not None:
            x = drop(x, hyper["first"], rng)
        x = self.two(x, z).relu()
        if hyper is not None and rng is not None:
            x = drop(x, hyper["second"], rng)
        out: Tensor = self.three(x, z)
        return out


def training(network: Network, batch: Any, hyper: dict[str, Tensor], rng: torch.Generator) -> Tensor:
    """Cross-entropy on augmented digits, with decay."""
    x = cut_out(move(batch[0], hyper["shift"], hyper["turn"], rng), hyper["hole"], rng)
    x = add_noise(drop(x, hyper["pixels"], rng), hyper["noise"], rng)
    decay = (hyper["decay"] * network.square_norm()).mean() / 2.0
    return cross_entropy(network(x, hyper=hyper, rng=rng), batch[1]) + decay


def validation(network: Network, batch: Any) -> Tensor:
    """Cross-entropy."""
    return cross_entropy(network(batch[0]), batch[1])


def digits(seed: int, width: int = 100, centred: bool = True, invariant: bool = False) -> SelfTuningProblem:
    """The problem of one seed, which draws the splits, the network and the batches."""
    pixels, labels = load_digits(return_X_y=True)
    x = torch.tensor(pixels / 16.0, dtype=torch.float32).reshape(-1, 1, 8, 8)
    y = torch.tensor(labels)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    train, valid, held = ((x[rows], y[rows]) for rows in (order[:300], order[300:800], order[800:]))
    coding = Coding.of(SPACE, invariant)
    torch.manual_seed(seed)
    return SelfTuningProblem(
        Mlp(coding.inputs, width, centred),
        coding,
        START,
        training,
        validation,
        Minibatches(train, 50, seed),
        Minibatches(valid, 100, seed),
        valid,
        held,
    )


def fixed(problem: SelfTuningProblem, params: Any, steps: int, seed: int) -> Row:
    """The best row of a training with fixed hyperparameters."""
    return follow(problem, Schedule.constant(params), steps, Key(seed), RULE, every=EVERY * ROUND).schedule.best()


def searched(problem: SelfTuningProblem, tuner: str, trials: int, steps: int, seed: int) -> tuple[Row, float]:
    """The row of the best trial of a study, and the seconds that its trainings took; the tuner's own are free."""
    rows: list[Row] = []
    seconds = 0.0

    def objective(trial: Any) -> float:
        nonlocal seconds
        began = time.process_time()
        rows.append(fixed(problem, trial.params, steps, seed))
        seconds += time.process_time() - began
        return rows[-1].value

    study = tt.create_study(space=SPACE, storage=None, tuner=tuner, seed=seed)
    study.optimize(objective, n_trials=trials)
    return min(rows, key=lambda row: row.value), seconds


def search(seeds: Sequence[int]) -> None:
    """Self-tuning against searches of equal time."""
    print(f"Validation loss (held-out loss), seconds. Self-tuned: {STEPS} training steps.\n")
    head(
        "seed",
        "self-tuned",
        "fixed at its start",
        f"random, {TRIALS} trials",
        f"gp, {TRIALS} trials",
        "random, full length",
    )
    for seed in seeds:
        problem = digits(seed)
        follow(problem, Schedule.constant(START), 20, Key(seed), RULE)  # what the first calls load is nobody's time
        began = time.process_time()
        found = tune(problem, METHOD, ROUNDS, Key(seed), EVERY).schedule.best()
        budget = time.process_time() - began
        began = time.process_time()
        kept = fixed(problem, START, STEPS, seed)
        whole = time.process_time() - began
        short = max(int(budget / TRIALS / (whole / STEPS)), 1)
        row(
            seed,
            told(found, budget),
            told(kept, whole),
            *(
                told(*searched(problem, tuner, TRIALS, short, seed)) + f", {short} steps each"
                for tuner in ("random", "gp")
            ),
            told(*searched(problem, "random", max(round(budget / whole), 1), STEPS, seed)),
        )


def reference(seeds: Sequence[int]) -> None:
    """Searches that train each trial to its end, and so take many times as long."""
    print(f"Validation loss (held-out loss), seconds: {TRIALS} random trials of {STEPS} steps each.\n")
    head("seed", "random, full length")
    for seed in seeds:
        row(seed, told(*searched(digits(seed), "random", TRIALS, STEPS, seed)))


def invariance(seeds: Sequence[int]) -> None:
    """Final validation loss by learning rate, of the uncentred form with both codes of what the response reads."""
    columns = [f"rate {rate:g}" for rate in RATES]
    for text, rules in (
        ("One rate for all, momentum SGD", [(Momentum(rate), Momentum(rate)) for rate in RATES]),
        ("One rate for all, Adam", [(Adam(rate), Adam(rate)) for rate in RATES]),
        (
            "The response's rate alone, momentum SGD, the weights' is 0.01",
            [(Momentum(0.01), Momentum(r)) for r in RATES],
        ),
    ):
        print(f"\n{text}: validation loss after {SWEEP} steps, seeds {list(seeds)}.\n")
        head("response", *columns)
        for form in ("none", "reads l (default)", "reads cosines and sines"):
            cells = []
            for weights, response in rules:
                ends = [swept(seed, form, weights, response) for seed in seeds]
                cells.append(", ".join("diverged" if math.isnan(end) else f"{end:.3f}" for end in ends))
            row(form, *cells)


def swept(seed: int, form: str, weights: Rule, response: Rule) -> float:
    """The last validation loss of one training; nan where it diverged."""
    problem = digits(seed, width=64, centred=False, invariant=form.startswith("reads cos"))
    if form == "none":
        tuned = follow(problem, Schedule.constant(START), SWEEP, Key(seed), weights)
    else:
        method = replace(SelfTuning.plain(0, ROUND, weights=weights), response=response)
        tuned = tune(problem, method, SWEEP // ROUND, Key(seed), every=SWEEP // ROUND)
    return math.nan if tuned.diverged else tuned.schedule.rows[-1].value


class Ridge:
    """Least squares on the diabetes data with 65 quadratic features and one log penalty l."""

    def __init__(self) -> None:
        x, y = load_diabetes(return_X_y=True)
        wide = np.concatenate([x, *(x[:, [i]] * x[:, i:] for i in range(x.shape[1]))], axis=1)
        order = np.random.default_rng(0).permutation(len(x))
        train, valid = order[:100], order[100:300]
        wide = (wide - wide[train].mean(0)) / wide[train].std(0)
        y = (y - y[train].mean()) / y[train].std()
        self.train = torch.tensor(wide[train]), torch.tensor(y[train])
        self.valid = torch.tensor(wide[valid]), torch.tensor(y[valid])

    def least(self) -> float:
        """The lowest validation loss of any penalty, from the closed form on a grid."""
        (x, y), (far, wanted) = self.train, self.valid
        losses = []
        for penalty in np.linspace(-4.0, 2.0, 601):
            lhs = x.T @ x / len(x) + math.exp(penalty) * torch.eye(x.shape[1], dtype=x.dtype)
            losses.append(float((far @ torch.linalg.solve(lhs, x.T @ y / len(x)) - wanted).square().mean() / 2))
        return min(losses)

    def problem(self, at: float) -> SelfTuningProblem:
        """With weights u + z v, which start at zero: the gate is held at 1."""
        module = SelfTuningLinear(65, 1, 1, bias=False).double()
        with torch.no_grad():
            module.weight.zero_()
            module.response_weight.zero_()
            module.gate.fill_(1.0).requires_grad_(False)

        def judged(network: Network, batch: Any) -> Tensor:
            loss: Tensor = (network(batch[0])[:, 0] - batch[1]).square().mean() / 2
            return loss

        def trained(network: Network, batch: Any, hyper: dict[str, Tensor], rng: torch.Generator) -> Tensor:
            return judged(network, batch) + (hyper["l"].exp() * network.square_norm()).mean() / 2

        return SelfTuningProblem(
            module,
            Coding({"l": Line()}),
            {"l": at},
            trained,
            judged,
            lambda number: self.train,
            lambda number: self.valid,
            self.valid,
        )


def centre(seeds: Sequence[int]) -> None:
    """The centred form and the plain one on ridge regression, by rate of the weights."""
    ridge = Ridge()
    least = ridge.least()
    print(
        f"Ridge regression: excess over the least validation loss {least:.4f} after 1500 steps, seeds {list(seeds)}.\n"
    )
    head("form", "rate", "warm-up", "from l = -4", "from l = 2")
    for rate, warm_up in ((0.02, 50), (0.02, 200), (0.005, 200)):
        rule = Momentum(rate, 0.0)
        plain = SelfTuning.plain(warm_up, training_steps=5, weights=rule, hyper=RmsProp(0.03))
        for name, method in (
            ("centred", replace(plain, centred=True, split=True, linearised=True, tune_scales=False)),
            ("plain", plain),
        ):
            cells = []
            for at in (-4.0, 2.0):
                ends = [tune(ridge.problem(at), method, 300, Key(seed), every=300) for seed in seeds]
                cells.append(", ".join(excess(end, least) for end in ends))
            row(name, rate, warm_up, *cells)


def excess(end: Tuned, least: float) -> str:
    """By how much the last loss is above the least one; far above is far enough."""
    share = end.schedule.rows[-1].value / least - 1.0
    return "diverged" if end.diverged or share > 10.0 else f"{share:.2%}"


def told(found: Row, seconds: float) -> str:
    """One training's or search's cell."""
    held = math.nan if found.held_out is None else found.held_out
    return f"{found.value:.4f} ({held:.4f}), {seconds:.1f} s"


def head(*names: str) -> None:
    """A table's head."""
    row(*names)
    row(*["---"] * len(names))


def row(*cells: object) -> None:
    """A table's row, shown at once."""
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


TABLES = {"search": search, "reference": reference, "invariance": invariance, "centre": centre}
SEEDS = {"search": 5, "reference": 5, "invariance": 3, "centre": 3}
"""Each table has the seeds from 0 to below this."""

if __name__ == "__main__":
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description="Tables on self-tuning networks.")
    parser.add_argument("tables", nargs="*", metavar="TABLE", help="all by default")
    parser.add_argument("--seeds", nargs="+", type=int, help="of the tables; 0 to 4 or 0 to 2 by default")
    asked = parser.parse_args()
    for name in asked.tables or TABLES:
        print(f"\n## {name}\n", flush=True)
        TABLES[name](asked.seeds or list(range(SEEDS[name])))
