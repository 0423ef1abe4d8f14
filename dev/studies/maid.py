"""MAID from nine starts, corrected and as published, beside nine fixed settings, on three problems of real data.

    .venv/bin/python dev/studies/maid.py [ridge] [denoising] [digits]

prints a Markdown table for each; some minutes each on one core. The nine starts are three accuracies and three
steps; a fixed setting solves to its accuracy, takes its step along the hypergradient and does not look back. The three
steps lie around the best power of ten, so the fixed settings are given the scale, which nobody knows beforehand. Every
run gets the same number of inner iterations and iterations of conjugate gradients in all. Losses are the true outer
function, of an inner problem solved by Newton's method, which is not counted.

A run has reached the goal when it is within 0.5 % of the least loss that a fixed setting has at the end of its budget.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_digits, load_sample_image
from torch import Tensor
from torch.nn.functional import cross_entropy

from trimtab.base.errors import InvalidObservation
from trimtab.tuners.gradients.bilevel import (
    MAID,
    BilevelProblem,
    ConjugateGradients,
    Constants,
    Linearisation,
    State,
    descend,
    solve_inner,
)
from trimtab.tuners.gradients.bilevel.flat import Tensors

ACCURACIES = (1e-1, 1e-3, 1e-5)


@dataclass(frozen=True)
class Case:
    """A problem, what is known of it, three steps, and the iterations that a run may take."""

    problem: BilevelProblem
    constants: Constants
    steps: tuple[float, float, float]
    budget: int


@dataclass(frozen=True)
class Point:
    """Where a run stood: inner iterations, iterations of conjugate gradients, other products, true loss."""

    inner: int
    linear: int
    products: int
    loss: float


def tensor(array: object) -> Tensor:
    """The same numbers in torch."""
    return torch.tensor(np.asarray(array), dtype=torch.float64)


def largest(rows: Tensor) -> float:
    """The largest eigenvalue of rows^T rows / m."""
    return float(torch.linalg.eigvalsh(rows.T @ rows / len(rows))[-1])


def ridge() -> Case:
    """Twenty log penalties of a ridge regression on breast cancer: 60 examples to train, 240 to validate."""
    floor, data = 1e-2, load_breast_cancer()
    order = np.random.default_rng(0).permutation(len(data.target))[:300]
    x, y = data.data[order, :20], tensor(2.0 * data.target[order] - 1.0)
    x = tensor(np.column_stack([(x - x.mean(0)) / x.std(0), np.ones(300)]))
    (xt, yt), (xv, yv) = (x[:60], y[:60]), (x[60:], y[60:])

    def inner(w: Tensors, h: Tensors, batch: object) -> Tensor:
        penalties = torch.cat([h["log_penalty"].exp(), torch.zeros(1, dtype=torch.float64)]) + floor
        return ((xt @ w["w"] - yt) ** 2).mean() / 2 + (penalties * w["w"] ** 2).sum() / 2

    def outer(w: Tensors, h: Tensors, batch: object) -> Tensor:
        return ((xv @ w["w"] - yv) ** 2).mean() / 2

    top = largest(xt)
    known = Constants(
        strong_convexity=floor,
        smoothness=lambda h: top + floor + float(h["log_penalty"].exp().max()),
        outer_smoothness=largest(xv),
        inverse_change=0.0,
        cross_change=lambda h: float(h["log_penalty"].exp().max()),
        direct_change=0.0,
    )
    zero = torch.zeros(20, dtype=torch.float64)
    problem = BilevelProblem(inner, outer, {"w": torch.zeros(21, dtype=torch.float64)}, {"log_penalty": zero})
    return Case(problem, known, (3.0, 30.0, 300.0), 4000)


def denoising() -> Case:
    """Weight and smoothing of total variation, on 32 x 32 points of a photograph with noise of 0.1."""
    photo = load_sample_image("china.jpg").mean(2) / 255.0
    clean = tensor(photo[120:248:4, 200:328:4])
    noisy = clean + 0.1 * tensor(np.random.default_rng(0).normal(size=clean.shape))

    def inner(w: Tensors, h: Tensors, batch: object) -> Tensor:
        u, smooth = w["u"], h["h"][1].exp()
        across, down = u[:-1, :-1] - u[1:, :-1], u[:-1, :-1] - u[:-1, 1:]
        variation = (across**2 + down**2 + smooth**2).sqrt() - smooth
        return ((u - noisy) ** 2).sum() / 2 + h["h"][0].exp() * variation.sum()

    def outer(w: Tensors, h: Tensors, batch: object) -> Tensor:
        return ((w["u"] - clean) ** 2).sum() / 2

    known = Constants(
        strong_convexity=1.0,
        smoothness=lambda h: 1.0 + 8.0 * math.exp(float(h["h"][0] - h["h"][1])),
        outer_smoothness=1.0,
        direct_change=0.0,
    )
    return Case(BilevelProblem(inner, outer, {"u": noisy}, {"h": tensor([-5.0, -2.0])}), known, (0.03, 0.3, 3.0), 200)


def digits() -> Case:
    """One log penalty for each of 640 weights of a multinomial logistic regression: 300 to train, 600 to validate."""
    floor, data = 1e-3, load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))[:900]
    x, y = tensor(data.data[order] / 16.0), torch.tensor(data.target[order])

    def inner(w: Tensors, h: Tensors, batch: object) -> Tensor:
        return cross_entropy(x[:300] @ w["w"], y[:300]) + ((h["log_penalty"].exp() + floor) * w["w"] ** 2).sum() / 2

    def outer(w: Tensors, h: Tensors, batch: object) -> Tensor:
        return cross_entropy(x[300:] @ w["w"], y[300:])

    # The Hessian of the log loss in the scores is at most 1 / 2.
    top = largest(x[:300]) / 2
    known = Constants(
        strong_convexity=lambda h: floor + float(h["log_penalty"].exp().min()),
        smoothness=lambda h: top + floor + float(h["log_penalty"].exp().max()),
        outer_smoothness=largest(x[300:]) / 2,
        cross_change=lambda h: float(h["log_penalty"].exp().max()),
        direct_change=0.0,
    )
    zero = torch.zeros(64, 10, dtype=torch.float64)
    return Case(
        BilevelProblem(inner, outer, {"w": zero}, {"log_penalty": zero - 3.0}), known, (10.0, 100.0, 1e3), 60_000
    )


def truth(problem: BilevelProblem) -> Callable[[Tensors], float]:
    """The outer function, by Newton's method from the last solution."""
    vector = problem.layout.flat(problem.parameters)

    def inner(at: Tensor, h: Tensors) -> float:
        return float(problem.inner(problem.layout.named(at), h, None))

    def value(h: Tensors) -> float:
        nonlocal vector
        for _ in range(50):
            here = Linearisation(problem, problem.layout.named(vector), h)
            slope = here.inner_gradient
            if float(slope.norm()) < 1e-8:
                break
            step = ConjugateGradients(1e-4, 300).solve(here.hessian, -slope).x
            before, size = inner(vector, h), 1.0
            while size > 1e-4 and inner(vector + size * step, h) > before + 1e-4 * size * float(slope @ step) + 1e-12:
                size /= 2
            vector = vector + size * step
        return float(problem.outer(problem.layout.named(vector), h, None))

    return value


def fixed(case: Case, accuracy: float, step: float) -> list[Point]:
    """The run of a fixed setting."""
    problem, layout, value = case.problem, case.problem.hyper_layout, truth(case.problem)
    hyper: Tensors = dict(problem.hyperparameters)
    vector = problem.layout.flat(problem.parameters)
    adjoint, smooth = torch.zeros_like(vector), None
    inner = linear = products = 0
    path: list[Point] = []
    while inner + linear < case.budget:
        try:
            solved = solve_inner(problem, hyper, vector, accuracy, constants=case.constants, smoothness=smooth)
            vector, smooth, inner = solved.vector, solved.smoothness, inner + solved.iterations
            here = Linearisation(problem, problem.layout.named(vector), hyper)
            right = here.outer_gradient
            tolerance = max(accuracy / float(right.norm()), 1e-14)
            found = ConjugateGradients(tolerance, 2000).solve(here.hessian, right, adjoint)
            adjoint, linear = found.x, linear + found.iterations
            slope = here.outer_direct - here.mixed(adjoint)
            products += here.products
            path.append(Point(inner, linear, products, value(hyper)))
        except InvalidObservation:
            path.append(Point(inner, linear, products, math.inf))
            break
        hyper = layout.named(layout.flat(hyper) - step * slope)
    return path


class Enough(Exception):
    """A run has taken what it may take."""


def maid(case: Case, accuracy: float, step: float, corrected: bool) -> list[Point]:
    """The run of MAID."""
    method = MAID(accuracy, step, convex=True, constants=case.constants, tolerance=1e-4, corrected=corrected)
    value, path = truth(case.problem), []

    def told(state: State) -> None:
        linear = int(state.numbers["linear_iterations"])
        products = int(state.numbers["products"])
        path.append(Point(state.inner_iterations, linear, products, value(state.hyperparameters)))
        if state.inner_iterations + linear >= case.budget:
            raise Enough

    with contextlib.suppress(Enough):
        descend(case.problem, method, None, 400, told)
    return path


def row(name: str, path: list[Point], goal: float) -> str:
    """A line of the table."""
    losses = [point.loss for point in path]
    falls = "yes" if all(after <= before + 1e-9 for before, after in itertools.pairwise(losses)) else "no"
    reached = next((point for point in path if point.loss <= goal), None)
    cost = "not reached" if reached is None else f"{reached.inner} + {reached.linear} ({reached.products})"
    return f"| {name} | {losses[-1]:.5f} | {falls} | {cost} |"


def table(name: str, case: Case) -> None:
    """Run all of a problem, and print it."""
    starts = list(itertools.product(ACCURACIES, case.steps))
    settings = {start: fixed(case, *start) for start in starts}
    goal = 1.005 * min(path[-1].loss for path in settings.values())
    costs = [next((p.inner for p in path if p.loss <= goal), None) for path in settings.values()]
    luckiest = min(cost for cost in costs if cost is not None)
    print(f"\n{name}, {case.budget} iterations in all, goal {goal:.5f}\n")
    print("| accuracy, step | last loss | falls always | inner + linear iterations (all products) to the goal |")
    print("|---|---|---|---|")
    for start, path in settings.items():
        print(row(f"fixed {start[0]:g}, {start[1]:g}", path, goal))
    for corrected in (True, False):
        form = "MAID" if corrected else "published"
        runs = {start: maid(case, *start, corrected) for start in starts}
        for start, path in runs.items():
            print(row(f"{form} {start[0]:g}, {start[1]:g}", path, goal), flush=True)
        ends = [path[-1].loss for path in runs.values()]
        took = sorted(next((p.inner for p in path if p.loss <= goal), math.inf) for path in runs.values())
        least, median, most = ("not reached" if cost == math.inf else f"{cost / luckiest:.2f}" for cost in took[::4])
        print(
            f"| {form}, all nine | within {100 * (max(ends) / min(ends) - 1):.2f} % | | inner iterations in units of "
            f"the luckiest fixed setting's: least {least}, median {median}, most {most} |",
            flush=True,
        )


if __name__ == "__main__":
    torch.set_num_threads(1)
    cases = {"ridge": ridge, "denoising": denoising, "digits": digits}
    for chosen in sys.argv[1:] or cases:
        table(chosen, cases[chosen]())
