"""Through the steps: forward mode is reverse mode is one plain graph; truncated, in segments, and in the limit."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from trimtab.base.errors import InvalidArgument, InvalidObservation
from trimtab.tuners.gradients.bilevel import (
    BilevelProblem,
    ConjugateGradients,
    GradientDescent,
    Minibatches,
    SavedBytes,
    forward_hypergradient,
    hypergradient_cost,
    implicit_hypergradient,
    unrolled_hypergradient,
)

Make = Callable[..., Any]
D = torch.float64


def tuned_optimiser(seed: int, batches: bool = True) -> tuple[BilevelProblem, GradientDescent]:
    """A small non-convex training whose penalty, learning rate and momentum are hyperparameters."""
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.randn(20, 3, generator=generator, dtype=D), torch.randn(20, generator=generator, dtype=D)

    def predicted(w: Any, xs: Tensor) -> Tensor:
        return torch.tanh(xs @ w["a"]) @ w["b"]

    def inner(w: Any, h: Any, batch: Any) -> Tensor:
        xs, ys = batch if batches else (x, y)
        return ((predicted(w, xs) - ys) ** 2).mean() + h["penalty"].exp() * (w["a"] ** 2).sum()

    def outer(w: Any, h: Any, batch: Any) -> Tensor:
        return ((predicted(w, x) - y) ** 2).mean()

    start = {"a": torch.randn(3, 2, generator=generator, dtype=D), "b": torch.randn(2, generator=generator, dtype=D)}
    hyper = {"penalty": torch.tensor(-2.0, dtype=D), "optimiser": torch.tensor([-2.0, 0.5], dtype=D)}
    problem = BilevelProblem(inner, outer, start, hyper, Minibatches((x, y), 5, seed) if batches else None)
    optimiser = GradientDescent(
        rate=lambda h, step: h["optimiser"][0].exp() / (1 + 0.1 * step), momentum=lambda h, step: h["optimiser"][1]
    )
    return problem, optimiser


def by_autograd(problem: BilevelProblem, optimiser: GradientDescent, steps: int) -> dict[str, Tensor]:
    """The obvious twin: one graph of everything."""
    hyper = {name: tensor.clone().requires_grad_() for name, tensor in problem.hyperparameters.items()}
    state = optimiser.start(problem, problem.parameters)
    state = (state[0].clone().requires_grad_(), state[1])
    for step in range(steps):
        state = optimiser.advanced(problem, state, hyper, step, create_graph=True)
    loss = problem.outer(problem.layout.named(state[0]), hyper, None)
    return dict(zip(hyper, torch.autograd.grad(loss, list(hyper.values())), strict=True))


@settings(max_examples=15)
@given(seed=st.integers(0, 1000), steps=st.integers(1, 9), segment=st.sampled_from([None, 1, 2, 3, "sqrt"]))
def test_forward_and_reverse_are_the_full_graph(seed: int, steps: int, segment: Any) -> None:
    problem, optimiser = tuned_optimiser(seed)
    exact = by_autograd(problem, optimiser, steps)
    reverse = unrolled_hypergradient(problem, optimiser, steps, segment=segment)
    forward = forward_hypergradient(problem, optimiser, steps)
    for name, part in exact.items():
        assert torch.allclose(reverse.gradient[name], part, rtol=1e-9, atol=1e-12)
        assert torch.allclose(forward.gradient[name], part, rtol=1e-9, atol=1e-12)
    for name in problem.parameters:
        assert torch.allclose(reverse.parameters[name], forward.parameters[name], rtol=1e-12)
    assert reverse.value == pytest.approx(forward.value)
    assert reverse.error == forward.error == 0.0


def test_finite_differences_of_a_training() -> None:
    problem, optimiser = tuned_optimiser(3)

    def value(shift: float) -> float:
        moved = {**problem.hyperparameters, "optimiser": problem.hyperparameters["optimiser"] + shift}
        return unrolled_hypergradient(problem, optimiser, 6, hyperparameters=moved).value

    found = unrolled_hypergradient(problem, optimiser, 6)
    assert (value(1e-5) - value(-1e-5)) / 2e-5 == pytest.approx(float(found.gradient["optimiser"].sum()), rel=1e-6)


@pytest.mark.parametrize("segment", [1, 4, 7, 30, "sqrt"])
def test_segments_change_no_digit(segment: Any) -> None:
    problem, optimiser = tuned_optimiser(1)
    whole = unrolled_hypergradient(problem, optimiser, 30)
    parts = unrolled_hypergradient(problem, optimiser, 30, segment=segment)
    assert all(torch.equal(whole.gradient[name], parts.gradient[name]) for name in whole.gradient)
    assert (whole.value, whole.hvps) == (parts.value, parts.hvps)


def test_memory_is_that_of_all_steps_or_of_a_segment_and_forward_needs_none() -> None:
    problem, optimiser = tuned_optimiser(2)

    def peak(steps: int, segment: Any) -> int:
        with SavedBytes() as counted:
            unrolled_hypergradient(problem, optimiser, steps, segment=segment)
        assert counted.held == 0
        return counted.peak

    assert peak(64, None) / peak(16, None) == pytest.approx(4.0, rel=0.1)
    # In segments of 8 steps: as much as a training of 8 steps takes, whatever the number of segments.
    assert peak(64, "sqrt") == pytest.approx(peak(8, None), rel=0.1)
    assert peak(64, "sqrt") == pytest.approx(peak(24, 8), rel=0.01)
    assert peak(64, None) > 5 * peak(64, "sqrt")
    with SavedBytes() as few:
        forward_hypergradient(problem, optimiser, 2)
    with SavedBytes() as many:
        forward_hypergradient(problem, optimiser, 20)
    assert many.peak == few.peak


@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_unrolled_comes_to_the_implicit_one_as_training_goes_on(ridge: Make, momentum: float) -> None:
    known = ridge(0)
    largest = float(torch.linalg.eigvalsh(known.hessian)[-1])
    optimiser = GradientDescent(1.0 / largest, momentum)
    errors = [
        known.error(unrolled_hypergradient(known.problem, optimiser, steps).gradient["l"]) for steps in (10, 60, 360)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-4 * errors[0]
    implicit = implicit_hypergradient(known.problem, {"w": known.solution}, solver=ConjugateGradients(1e-13, 100))
    assert known.error(implicit.gradient["l"]) < 1e-9


def test_the_bias_of_truncation_falls_geometrically_and_is_estimated(ridge: Make) -> None:
    known = ridge(1, n=4, spread=0.1)
    eigenvalues = torch.linalg.eigvalsh(known.hessian)
    rate = 1.0 / float(eigenvalues[-1])
    contraction = 1.0 - rate * float(eigenvalues[0])
    optimiser, steps = GradientDescent(rate), 250
    start = {"w": known.solution}  # so that every step's term has the same Jacobians, as in the theorem
    whole = unrolled_hypergradient(known.problem, optimiser, steps, parameters=start)
    biases = []
    for last in (10, 20, 30, 40):
        part = unrolled_hypergradient(known.problem, optimiser, steps, parameters=start, last=last)
        biases.append(float((part.gradient["l"] - whole.gradient["l"]).norm()))
        assert 0.1 < part.error / biases[-1] < 10.0
        assert not part.converged
        assert f"the {steps - last} steps left out" in part.diagnosis
    # Proposition 3.1 of Shaban et al.: at most r^K times a constant, with r = 1 - rate mu.
    ratios = [after / before for before, after in itertools.pairwise(biases)]
    assert all(ratio <= contraction**10 * 1.05 for ratio in ratios)


def test_batches_and_rates_go_by_the_number_of_the_step() -> None:
    problem, optimiser = tuned_optimiser(4)
    whole = unrolled_hypergradient(problem, optimiser, 7)
    half = unrolled_hypergradient(problem, GradientDescent(optimiser.rate), 3)
    rest = unrolled_hypergradient(problem, GradientDescent(optimiser.rate), 4, first=3, parameters=half.parameters)
    plain = unrolled_hypergradient(problem, GradientDescent(optimiser.rate), 7)
    assert torch.allclose(rest.parameters["a"], plain.parameters["a"])
    assert not torch.allclose(whole.parameters["a"], plain.parameters["a"])


def test_training_that_diverges_names_step_and_tensor() -> None:
    problem, _ = tuned_optimiser(5, batches=False)
    for compute in (unrolled_hypergradient, forward_hypergradient):
        with pytest.raises(
            InvalidObservation, match=r"not finite at step \d+|at step \d+ with respect to '[ab]'"
        ) as told:
            compute(problem, GradientDescent(1e200), 10)
        assert "'a'" in str(told.value) or "'b'" in str(told.value)


def test_a_hyperparameter_that_does_not_enter_is_named(ridge: Make) -> None:
    base = ridge(0).problem
    hyper = {**base.hyperparameters, "idle": torch.tensor(1.0, dtype=D)}
    problem = BilevelProblem(base.inner, base.outer, base.parameters, hyper)
    with pytest.raises(InvalidArgument, match="hyperparameter 'idle' enters neither"):
        unrolled_hypergradient(problem, GradientDescent(0.1), 3)
    found = forward_hypergradient(problem, GradientDescent(0.1), 3)
    assert "the gradient in 'idle' is exactly zero" in found.diagnosis


def test_counts_and_rates_are_checked(ridge: Make) -> None:
    problem = ridge(0).problem
    for bad in ({"steps": 0}, {"steps": 3, "last": 4}, {"steps": 3, "segment": 0}, {"steps": 3, "first": -1}):
        with pytest.raises(InvalidArgument):
            unrolled_hypergradient(problem, GradientDescent(0.1), **bad)
    with pytest.raises(InvalidArgument, match="rate or momentum must be one number at step 0"):
        unrolled_hypergradient(problem, GradientDescent(lambda h, step: h["l"].exp()), 3)


def test_losses_without_a_graph_are_named(ridge: Make) -> None:
    base = ridge(0).problem
    inner = BilevelProblem(
        lambda w, h, b: base.inner(w, h, b).detach(), base.outer, base.parameters, base.hyperparameters
    )
    with pytest.raises(InvalidArgument, match=r"inner loss depends on none of the parameters \['w'\]"):
        unrolled_hypergradient(inner, GradientDescent(0.1), 3)
    outer = BilevelProblem(
        base.inner, lambda w, h, b: base.outer(w, h, b).detach(), base.parameters, base.hyperparameters
    )
    with pytest.raises(InvalidArgument, match="outer loss depends on none of the tensors"):
        forward_hypergradient(outer, GradientDescent(0.1), 3)


def test_an_operation_without_forward_mode_is_told() -> None:
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx: Any, slope: Tensor) -> Tensor:
            (x,) = ctx.saved_tensors
            return 2 * x * slope

    problem = BilevelProblem(
        lambda w, h, b: h["a"] * Square.apply(w["x"]).sum(),
        lambda w, h, b: (w["x"] - 1).square().sum(),
        {"x": torch.ones(2, dtype=D)},
        {"a": torch.tensor(0.5, dtype=D)},
    )
    assert unrolled_hypergradient(problem, GradientDescent(0.1), 3).converged
    with pytest.raises(InvalidArgument, match="use unrolled_hypergradient"):
        forward_hypergradient(problem, GradientDescent(0.1), 3)


def test_cost_in_units_of_a_training_gradient(ridge: Make) -> None:
    known = ridge(0)
    optimiser = GradientDescent(0.1)
    whole = hypergradient_cost(known.problem, lambda: unrolled_hypergradient(known.problem, optimiser, 16))
    parts = hypergradient_cost(
        known.problem, lambda: unrolled_hypergradient(known.problem, optimiser, 16, segment="sqrt")
    )
    # One gradient and one product a step, and one for the outer loss; a second pass but for the last segment.
    assert whole.gradients == 16 + 2 * 16 + 1
    assert parts.gradients == whole.gradients + 12
    assert parts.bytes < whole.bytes / 2
    assert parts.memory / whole.memory == pytest.approx(parts.bytes / whole.bytes)
    assert whole.memory > 1.0
    assert whole.times > 1.0
