"""BO-REP beside plain momentum descent: which step lengths hold, on a recurrent network and on wrong labels.

    python dev/studies/bo_rep.py lstm --scale 3
    python dev/studies/bo_rep.py lstm --scale 2 --lengths 0.1 0.3 1 3
    python dev/studies/bo_rep.py cleaning

The problems are those of `examples/lstm_text.py` and `examples/hyper_cleaning.py`, on other seeds than theirs: settings
were chosen on seed 0, tables are of seeds 1 to 3. Prints a table in Markdown. Each takes some minutes of one core;
`--scale` is that of the recurrent weights at the start, 1 the usual one.
"""

from __future__ import annotations

import argparse
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from trimtab.base.errors import InvalidObservation
from trimtab.tuners.gradients.bilevel import BoRep, Descent, MomentumDescent, descend

EXAMPLES = Path(__file__).parents[2] / "examples"
SEEDS = (1, 2, 3)
NAMES = ("BO-REP", "plain momentum")
LSTM_LENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
CLEANING_LENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)


def print_table(lengths: tuple[float, ...], cell: Callable[[str, float], str], what: str) -> None:
    """One row for each length and one column for each method."""
    print(f"| step length | {' | '.join(f'{name}, {what}' for name in NAMES)} |")
    print(f"| --- | {' | '.join('---' for _ in NAMES)} |")
    for length in lengths:
        print(f"| {length:g} | {' | '.join(cell(name, length) for name in NAMES)} |", flush=True)


def lstm(lengths: tuple[float, ...], scale: float, iterations: int) -> None:
    """The validation loss at the end, and the worst on the way, for each seed."""
    example: dict[str, Any] = runpy.run_path(str(EXAMPLES / "lstm_text.py"))
    problems = [example["reading"](example["docstrings"](seed), seed, scale) for seed in SEEDS]

    def cell(name: str, length: float) -> str:
        curves = [example["losses"](problem, example["method"](name, length), iterations) for problem in problems]
        ends = " ".join(f"{curve[-1]:.2f}" if len(curve) == iterations else "not finite" for curve in curves)
        return f"{ends} (worst {max(curve.max() for curve in curves):.2f})"

    print(f"Recurrent weights at {scale:g} times the usual scale, {iterations} iterations, seeds {SEEDS}.\n")
    print_table(lengths, cell, "validation loss at the end")


def cleaning(lengths: tuple[float, ...], iterations: int) -> None:
    """Accuracy after a training with the weights found, and the area under the curve of the weights."""
    example: dict[str, Any] = runpy.run_path(str(EXAMPLES / "hyper_cleaning.py"))
    every = [example["spoilt_digits"](seed) for seed in SEEDS]
    accuracy = example["accuracy"]
    untreated = " ".join(f"{accuracy(data, np.ones(len(data['wrong']))):.3f}" for data in every)
    oracle = " ".join(f"{accuracy(data, 1.0 * ~data['wrong']):.3f}" for data in every)
    print(
        f"Seeds {SEEDS}, {iterations} iterations: accuracy untreated {untreated}, without the wrong labels {oracle}.\n"
    )

    def method(name: str, length: float) -> Descent:
        kind = BoRep if name == "BO-REP" else MomentumDescent
        return kind(length, inner_rate=0.5, inner_steps=3, adjoint=0.5)

    def cell(name: str, length: float) -> str:
        rights, areas = [], []
        for data in every:
            try:
                end = descend(example["cleaning"](data), method(name, length), None, iterations)
            except InvalidObservation:
                return "not finite"
            weights = torch.sigmoid(end.hyperparameters["x"]).numpy()
            rights.append(accuracy(data, weights))
            areas.append(roc_auc_score(~data["wrong"], weights))
        return " ".join(f"{right:.3f}" for right in rights) + ", " + " ".join(f"{area:.3f}" for area in areas)

    print_table(lengths, cell, "accuracy, area under the curve")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=("lstm", "cleaning"))
    parser.add_argument("--scale", type=float, default=3.0)
    parser.add_argument("--iterations", type=int)
    parser.add_argument("--lengths", type=float, nargs="+")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.study == "lstm":
        lstm(tuple(asked.lengths or LSTM_LENGTHS), asked.scale, asked.iterations or 120)
    else:
        cleaning(tuple(asked.lengths or CLEANING_LENGTHS), asked.iterations or 400)
