"""The implicit hypergradient: closed forms, finite differences, and an error that is below its estimate."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from trimtab.base.errors import InvalidArgument
from trimtab.tuners.gradients.bilevel import (
    BilevelProblem,
    ConjugateGradients,
    FixedPoint,
    LinearSolver,
    Minibatches,
    NeumannSeries,
    implicit_hypergradient,
)

Make = Callable[..., Any]
EXACT = ConjugateGradients(1e-13, 200)


@pytest.mark.parametrize(
    "solver",
    [EXACT, NeumannSeries(1e-12, 20_000), FixedPoint(1e-12, 20_000, momentum=0.5)],
    ids=["cg", "neumann", "fixed point"],
)
def test_ridge_by_formula(ridge: Make, solver: LinearSolver) -> None:
    known = ridge(0)
    found = implicit_hypergradient(known.problem, {"w": known.solution}, solver=solver)
    assert torch.allclose(found.gradient["l"], known.hypergradient, rtol=1e-8, atol=1e-10)
    assert found.value == pytest.approx(known.value)
    assert found.converged
    assert known.error(found.gradient["l"]) <= found.error <= 1e-6


def test_finite_differences_of_the_solved_problem(logistic: Make) -> None:
    known = logistic(1)
    problem = known.problem
    logs = problem.hyperparameters["l"]

    def value(h: Tensor) -> float:
        w = known.solution.clone()
        for _ in range(30):
            leaf = w.clone().requires_grad_()
            (slope,) = torch.autograd.grad(problem.inner({"w": leaf}, {"l": h}, None), leaf)
            hessian = torch.autograd.functional.hessian(lambda v: problem.inner({"w": v}, {"l": h}, None), w)
            w = w - torch.linalg.solve(hessian, slope)
        return float(problem.outer({"w": w}, {"l": h}, None))

    found = implicit_hypergradient(problem, {"w": known.solution}, solver=EXACT).gradient["l"]
    for place in range(len(logs)):
        shift = torch.zeros_like(logs)
        shift[place] = 1e-4
        assert (value(logs + shift) - value(logs - shift)) / 2e-4 == pytest.approx(float(found[place]), abs=1e-7)


def test_a_direct_dependence_of_the_outer_loss_is_added(ridge: Make) -> None:
    known = ridge(2)
    base = known.problem

    def outer(w: Any, h: Any, batch: Any) -> Tensor:
        return base.outer(w, h, batch) + (h["l"] ** 2).sum()

    problem = BilevelProblem(base.inner, outer, base.parameters, base.hyperparameters)
    found = implicit_hypergradient(problem, {"w": known.solution}, solver=EXACT).gradient["l"]
    assert torch.allclose(found, known.hypergradient + 2 * base.hyperparameters["l"])


def stopped_early(known: Any, rng: np.random.Generator) -> Tensor:
    """Parameters after a random number of steps of gradient descent, with momentum or without."""
    inner, hyper, w = known.problem.inner, known.problem.hyperparameters, torch.zeros_like(known.solution)
    momentum = float(rng.choice([0.0, 0.9]))
    rate, velocity = (1.0 - momentum) / float(torch.linalg.eigvalsh(known.hessian)[-1]) / 4.0, torch.zeros_like(w)
    for _ in range(int(10 ** rng.uniform(0.0, 2.3))):
        leaf = w.clone().requires_grad_()
        (slope,) = torch.autograd.grad(inner({"w": leaf}, hyper, None), leaf)
        velocity = momentum * velocity + slope
        w = w - rate * velocity
    return w


def drawn_solver(rng: np.random.Generator) -> LinearSolver:
    tolerance, limit = 10.0 ** rng.uniform(-10, -1), int(rng.integers(1, 25))
    kinds = (ConjugateGradients, NeumannSeries, FixedPoint)
    return kinds[int(rng.integers(3))](tolerance, limit)


@pytest.mark.parametrize("family", ["ridge", "logistic"])
def test_the_error_is_below_its_estimate_in_95_of_100_problems(family: str, request: pytest.FixtureRequest) -> None:
    make, ratios = request.getfixturevalue(family), []
    for seed in range(50):
        rng = np.random.default_rng((seed, 77))
        known = make(seed, n=int(rng.integers(2, 14)), rows=int(rng.integers(3, 40)), spread=float(rng.uniform(0, 1)))
        found = implicit_hypergradient(
            known.problem,
            {"w": stopped_early(known, rng)},
            solver=drawn_solver(rng),
            estimate=int(rng.integers(5, 50)),
        )
        ratios.append(found.error / max(known.error(found.gradient["l"]), 1e-300))
    assert np.mean(np.array(ratios) >= 1.0) >= 0.95
    # An estimate that is always infinite would pass the line above.
    assert np.median(ratios) <= 3.0


def test_the_estimate_falls_with_the_residual_and_with_the_inner_gradient(ridge: Make) -> None:
    known = ridge(3, n=12)
    errors = [
        implicit_hypergradient(known.problem, {"w": known.solution}, solver=ConjugateGradients(1e-14, k)).error
        for k in (1, 4, 8, 12)
    ]
    assert errors == sorted(errors, reverse=True)
    away = [
        implicit_hypergradient(known.problem, {"w": known.solution + shift}, solver=EXACT).error
        for shift in (1e-1, 1e-3, 1e-5)
    ]
    # To first order the error is linear in the distance.
    assert away[0] / away[1] == pytest.approx(100, rel=0.2)
    assert away[1] / away[2] == pytest.approx(100, rel=0.2)


def test_a_known_strong_convexity_only_widens_the_estimate(ridge: Make) -> None:
    known = ridge(4, n=12)
    args = {"solver": ConjugateGradients(1e-2, 3), "estimate": 4}
    low = float(torch.linalg.eigvalsh(known.hessian)[0])
    told = implicit_hypergradient(known.problem, {"w": known.solution}, strong_convexity=low, **args)
    guessed = implicit_hypergradient(known.problem, {"w": known.solution}, **args)
    assert torch.equal(told.gradient["l"], guessed.gradient["l"])
    assert known.error(told.gradient["l"]) <= told.error


def test_no_estimate_is_nan_and_cheaper(ridge: Make) -> None:
    known = ridge(5)
    with_it = implicit_hypergradient(known.problem, {"w": known.solution})
    without = implicit_hypergradient(known.problem, {"w": known.solution}, estimate=0)
    assert math.isnan(without.error)
    assert without.hvps < with_it.hvps
    assert torch.equal(without.gradient["l"], with_it.gradient["l"])


def test_the_adjoint_starts_the_next_solve(ridge: Make) -> None:
    known = ridge(6)
    cold = implicit_hypergradient(known.problem, {"w": known.solution}, solver=EXACT)
    warm = implicit_hypergradient(
        known.problem, {"w": known.solution}, solver=ConjugateGradients(1e-9, 50), start=cold.adjoint
    )
    assert warm.iterations == 0
    assert warm.converged


def test_a_saddle_of_the_inner_loss_has_no_estimate() -> None:
    problem = BilevelProblem(
        lambda w, h, b: h["a"] * (w["x"] ** 2).sum() - (w["y"] ** 2).sum(),
        lambda w, h, b: (3.0 * w["x"].sum() + w["y"].sum() - 1.0) ** 2,
        {"x": torch.ones(2, dtype=torch.float64), "y": torch.ones(2, dtype=torch.float64)},
        {"a": torch.tensor(1.0, dtype=torch.float64)},
    )
    found = implicit_hypergradient(problem)
    assert math.isinf(found.error)
    assert not found.converged
    assert "negative curvature" in found.diagnosis
    assert "no error estimate" in found.diagnosis


def test_an_inner_loss_that_is_linear_is_singular() -> None:
    problem = BilevelProblem(
        lambda w, h, b: (w["x"] * 2.0).sum(),
        lambda w, h, b: (w["x"] ** 2).sum() * h["a"],
        {"x": torch.ones(2, dtype=torch.float64)},
        {"a": torch.tensor(1.0, dtype=torch.float64)},
    )
    found = implicit_hypergradient(problem)
    assert math.isinf(found.error)
    assert "no strict minimum" in found.diagnosis


def test_a_module_with_wide_hyperparameters_in_float32() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    x, y = torch.randn(30, 3), torch.randn(30, 1)
    logs = {name: torch.full_like(part.detach(), -1.0) for name, part in module.named_parameters()}

    def inner(model: Any, w: Any, h: Any, batch: Any) -> Tensor:
        xs, ys = batch
        return ((model(xs) - ys) ** 2).mean() + sum((h[name].exp() * w[name] ** 2).sum() for name in w)

    def outer(model: Any, w: Any, h: Any, batch: Any) -> Tensor:
        return ((model(x) - y) ** 2).mean()

    problem = BilevelProblem.from_module(module, inner, outer, logs, inner_batch=Minibatches((x, y), 10, seed=4))
    weights = {name: 0.01 * part for name, part in problem.parameters.items()}
    found = implicit_hypergradient(problem, weights, step=5)
    again = implicit_hypergradient(problem, weights, step=5)
    other = implicit_hypergradient(problem, weights, step=6)
    assert {name: part.shape for name, part in found.gradient.items()} == {n: p.shape for n, p in logs.items()}
    assert all(torch.equal(found.gradient[name], again.gradient[name]) for name in logs)
    assert not torch.equal(found.gradient["0.bias"], other.gradient["0.bias"])
    assert "sampling noise is not in it" in found.diagnosis
    assert found.converged, found.diagnosis
    assert all(part.grad is None for part in module.parameters())


def test_arguments_are_checked(ridge: Make) -> None:
    problem = ridge(0).problem
    with pytest.raises(InvalidArgument, match="strong_convexity"):
        implicit_hypergradient(problem, strong_convexity=0.0)
    with pytest.raises(InvalidArgument, match="error estimate"):
        implicit_hypergradient(problem, estimate=-1)


def test_a_hypergradient_as_a_loss_for_torch_to_go_on_from(ridge: Make) -> None:
    known = ridge(7)
    found = implicit_hypergradient(known.problem, {"w": known.solution}, solver=EXACT)
    scale = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    loss = found.as_loss({"l": known.problem.hyperparameters["l"] * scale / 2.0})
    loss.backward()
    assert float(loss.detach()) == pytest.approx(found.value)
    assert float(scale.grad) == pytest.approx(float(found.gradient["l"] @ known.problem.hyperparameters["l"]) / 2.0)
    assert found.norm == pytest.approx(float(found.gradient["l"].norm()))
