"""Bilevel problems whose hypergradient is known otherwise: by formula, or by dense linear algebra."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus

from trimtab.tuners.gradients.bilevel import BilevelProblem


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@dataclass(frozen=True)
class Known:
    """A problem with parameters "w" (n,) and log penalties "l" (n,) or (1,), and its exact answers."""

    problem: BilevelProblem
    solution: Tensor
    hypergradient: Tensor
    hessian: Tensor  # of the inner loss at its minimum
    value: float

    def error(self, gradient: Tensor) -> float:
        return float((gradient - self.hypergradient).norm())


def data(rng: np.random.Generator, n: int, rows: int, spread: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    scales = 10.0 ** rng.uniform(-spread, spread, n)
    parts = [
        rng.normal(size=(rows, n)) * scales,
        rng.normal(size=rows),
        rng.normal(size=(rows, n)),
        rng.normal(size=rows),
    ]
    x, y, xv, yv = (torch.tensor(part) for part in parts)
    return x, y, xv, yv


def made_ridge(seed: int, n: int = 6, rows: int = 20, spread: float = 0.5) -> Known:
    """Least squares with one log penalty per feature. By formula, with A = X^T X / m + diag(e^l):

    w* = A^-1 X^T y / m,   dF/dl_j = -e^{l_j} w*_j (A^-1 f_w)_j.
    """
    rng = np.random.default_rng(seed)
    x, y, xv, yv = data(rng, n, rows, spread)
    logs = torch.tensor(rng.uniform(-4.0, 1.0, n))

    def inner(w: dict, h: dict, batch: object) -> Tensor:
        return ((x @ w["w"] - y) ** 2).mean() / 2 + (h["l"].exp() * w["w"] ** 2).sum() / 2

    def outer(w: dict, h: dict, batch: object) -> Tensor:
        return ((xv @ w["w"] - yv) ** 2).mean() / 2

    problem = BilevelProblem(inner, outer, {"w": torch.zeros(n, dtype=torch.float64)}, {"l": logs})
    hessian = x.T @ x / rows + torch.diag(logs.exp())
    solution = torch.linalg.solve(hessian, x.T @ y / rows)
    slope = xv.T @ (xv @ solution - yv) / rows
    exact = -logs.exp() * solution * torch.linalg.solve(hessian, slope)
    return Known(problem, solution, exact, hessian, float(((xv @ solution - yv) ** 2).mean() / 2))


def made_logistic(seed: int, n: int = 5, rows: int = 30, spread: float = 0.5) -> Known:
    """Logistic regression with log penalties, solved by Newton's method and differentiated with dense matrices."""
    rng = np.random.default_rng(seed)
    x, y, xv, yv = data(rng, n, rows, spread)
    y, yv = y.sign(), yv.sign()
    logs = torch.tensor(rng.uniform(-4.0, 0.0, n if rng.random() < 0.5 else 1))

    def inner(w: dict, h: dict, batch: object) -> Tensor:
        return softplus(-y * (x @ w["w"])).mean() + (h["l"].exp() * w["w"] ** 2).sum() / 2

    def outer(w: dict, h: dict, batch: object) -> Tensor:
        return softplus(-yv * (xv @ w["w"])).mean()

    def slope(w: Tensor) -> Tensor:
        return -(x.T @ (y * torch.sigmoid(-y * (x @ w)))) / rows + logs.exp() * w

    def dense(w: Tensor) -> Tensor:
        chance = torch.sigmoid(x @ w)
        return (x.T * (chance * (1 - chance))) @ x / rows + torch.diag(logs.exp().expand(n))

    solution = torch.zeros(n, dtype=torch.float64)
    for _ in range(100):
        step, size = torch.linalg.solve(dense(solution), -slope(solution)), 1.0
        while size > 1e-6 and slope(solution + size * step).norm() > slope(solution).norm():
            size /= 2
        solution = solution + size * step
        if slope(solution).norm() < 1e-14:
            break
    hessian = dense(solution)
    outer_slope = -(xv.T @ (yv * torch.sigmoid(-yv * (xv @ solution)))) / rows
    each = -logs.exp() * solution * torch.linalg.solve(hessian, outer_slope)
    exact = each if len(logs) == n else each.sum().reshape(1)
    problem = BilevelProblem(inner, outer, {"w": torch.zeros(n, dtype=torch.float64)}, {"l": logs})
    return Known(problem, solution, exact, hessian, float(softplus(-yv * (xv @ solution)).mean()))


@pytest.fixture
def ridge() -> Callable[..., Known]:
    return made_ridge


@pytest.fixture
def logistic() -> Callable[..., Known]:
    return made_logistic
