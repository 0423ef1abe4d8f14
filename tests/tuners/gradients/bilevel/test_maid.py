"""MAID: what it certifies holds for the true function, and its end does not depend on how it is started."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from trimtab.base.errors import InvalidArgument, InvalidObservation
from trimtab.tuners.gradients.bilevel import (
    MAID,
    BilevelProblem,
    Constants,
    Minibatches,
    State,
    descend,
    solve_inner,
)

Make = Callable[..., Any]


@dataclass(frozen=True)
class Exact:
    """A problem with hyperparameters "h" (p,), whose inner solution, outer function and constants are known."""

    problem: BilevelProblem
    solution: Callable[[Tensor], Tensor]
    constants: Constants
    best: float  # least value of the outer function; nan where it is not known

    def value(self, h: Tensor) -> float:
        return float(self.problem.outer({"w": self.solution(h)}, {"h": h}, None))

    def gradient(self, h: Tensor) -> Tensor:
        leaf = h.clone().requires_grad_()
        loss = self.problem.outer({"w": self.solution(leaf)}, {"h": leaf}, None)
        return torch.autograd.grad(loss, leaf)[0]


def edges(matrix: Tensor) -> tuple[float, float]:
    if not bool(torch.isfinite(matrix).all()):
        return math.nan, math.nan
    values = torch.linalg.eigvalsh(matrix)
    return float(values[0]), float(values[-1])


def quadratic(seed: int, n: int = 4, rows: int = 24) -> Exact:
    """min_h |A w*(h) - a|^2 / 2m,  w* = argmin |B w + C h - b|^2 / 2m: least squares in h, all mixed terms constant."""
    rng = np.random.default_rng(seed)
    a1, a2, a3 = (torch.tensor(rng.normal(size=(rows, n))) for _ in range(3))
    a3 = a2 + 0.3 * a3  # so that every direction of h matters about as much
    b1, b2 = (torch.tensor(rng.normal(size=rows)) for _ in range(2))

    def inner(w: Any, h: Any, batch: Any) -> Tensor:
        return ((a2 @ w["w"] + a3 @ h["h"] - b2) ** 2).mean() / 2

    def outer(w: Any, h: Any, batch: Any) -> Tensor:
        return ((a1 @ w["w"] - b1) ** 2).mean() / 2

    normal = a2.T @ a2

    def solution(h: Tensor) -> Tensor:
        return torch.linalg.solve(normal, a2.T @ (b2 - a3 @ h))

    zero = torch.zeros(n, dtype=torch.float64)
    slope = -a1 @ torch.linalg.solve(normal, a2.T @ a3)
    optimum = torch.linalg.lstsq(slope, b1 - a1 @ solution(zero)).solution
    low, high = edges(normal / rows)
    constants = Constants(low, high, edges(a1.T @ a1 / rows)[1], 0.0, 0.0, 0.0)
    problem = BilevelProblem(inner, outer, {"w": zero}, {"h": zero + 1.0})
    exact = Exact(problem, solution, constants, math.nan)
    return Exact(problem, solution, constants, exact.value(optimum))


def ridge(seed: int, n: int = 5, rows: int = 12) -> Exact:
    """Ridge with one log penalty per feature, judged with a term in h itself, so that no constant is zero but one."""
    rng = np.random.default_rng(seed)
    x, xv = (torch.tensor(rng.normal(size=(rows, n))) for _ in range(2))
    y, yv = (torch.tensor(rng.normal(size=rows)) for _ in range(2))

    def inner(w: Any, h: Any, batch: Any) -> Tensor:
        return ((x @ w["w"] - y) ** 2).mean() / 2 + (h["h"].exp() * w["w"] ** 2).sum() / 2

    def outer(w: Any, h: Any, batch: Any) -> Tensor:
        return ((xv @ w["w"] - yv) ** 2).mean() / 2 + 0.05 * (h["h"] * w["w"]).sum() + 0.05 * (h["h"] ** 2).sum()

    gram = x.T @ x / rows

    def hessian(h: Tensor) -> Tensor:
        return gram + torch.diag(h.exp())

    def solution(h: Tensor) -> Tensor:
        return torch.linalg.solve(hessian(h), x.T @ y / rows)

    constants = Constants(
        strong_convexity=lambda h: edges(hessian(h["h"]))[0],
        smoothness=lambda h: edges(hessian(h["h"]))[1],
        outer_smoothness=edges(xv.T @ xv / rows)[1],
        inverse_change=0.0,
        cross_change=lambda h: float(h["h"].exp().max()),
        direct_change=0.05,
    )
    start = torch.zeros(n, dtype=torch.float64)
    return Exact(BilevelProblem(inner, outer, {"w": start}, {"h": start - 1.0}), solution, constants, math.nan)


def trajectory(exact: Exact, method: MAID, iterations: int) -> list[State]:
    states = [method.start(exact.problem, exact.problem.hyperparameters)]
    end = descend(exact.problem, method, None, iterations, states.append)
    assert end is states[-1]
    return states


def moved(before: State, after: State) -> bool:
    return not torch.equal(before.hyperparameters["h"], after.hyperparameters["h"])


FORMS = pytest.mark.parametrize("corrected", [True, False], ids=["corrected", "published"])


@FORMS
@pytest.mark.parametrize("known", [True, False], ids=["given constants", "estimated constants"])
def test_every_start_comes_to_the_same_loss(known: bool, corrected: bool) -> None:
    exact = quadratic(1)
    constants = exact.constants if known else Constants()
    ends = []
    for accuracy, size in itertools.product((1e-1, 1e-3, 1e-5) if corrected else (1e-1, 1e-5), (10.0, 1.0, 0.01)):
        method = MAID(accuracy, size, convex=True, tolerance=0.01, constants=constants, corrected=corrected)
        states = trajectory(exact, method, 60)
        values = [exact.value(state.hyperparameters["h"]) for state in states]
        told = [state.value for state in states]
        slack = [state.numbers["value_error"] for state in states]
        for k in range(1, len(states)):
            if moved(states[k - 1], states[k]):
                assert values[k] < values[k - 1]
            assert told[k] <= told[k - 1] + slack[k] + slack[k - 1]
        assert states[-1].inner_iterations > 0
        ends.append(values[-1])
    assert max(ends) <= 1.005 * min(ends)
    assert max(ends) <= 1.005 * exact.best


@FORMS
@pytest.mark.parametrize("make", [quadratic, ridge])
@pytest.mark.parametrize("seed", range(3))
def test_what_is_certified_holds_for_the_true_function(
    make: Callable[[int], Exact], seed: int, corrected: bool
) -> None:
    exact = make(seed)
    method = MAID(0.5, 3.0, constants=exact.constants, corrected=corrected)
    states = trajectory(exact, method, 12)
    steps = 0
    for before, after in itertools.pairwise(states):
        here, there = before.hyperparameters["h"], after.hyperparameters["h"]
        distance = float((after.parameters["w"] - exact.solution(there)).norm())
        assert distance <= after.numbers["inner_error"]
        assert abs(after.value - exact.value(there)) <= after.numbers["value_error"]
        if corrected:
            off = abs(after.numbers["corrected_value"] - exact.value(there))
            assert off <= after.numbers["corrected_error"] <= after.numbers["value_error"]
        assert after.inner_iterations >= before.inner_iterations
        if not moved(before, after):
            continue
        steps += 1
        size = after.numbers["step_size"] / (1.0 if corrected else method.growth)
        z = (here - there) / size
        off = z - exact.gradient(here)
        error = abs(float(off @ z)) / float(z.norm()) if corrected else float(off.norm())
        assert error <= after.numbers["error"] + 1e-9
        assert after.numbers["error"] <= (1.0 - method.descent) * after.numbers["norm"]
        assert exact.value(there) <= exact.value(here) - method.decrease * size * float(z.norm()) ** 2 + 1e-12
    assert steps >= 5


@pytest.mark.parametrize("make", [quadratic, ridge])
def test_the_corrected_form_needs_far_fewer_inner_iterations(make: Callable[[int], Exact]) -> None:
    # Of the method, not of the problem: to where the published form comes in a dozen steps, from the same start.
    for seed in range(3):
        exact = make(seed)
        published = trajectory(exact, MAID(0.1, 0.1, constants=exact.constants, corrected=False), 12)
        goal = exact.value(published[-1].hyperparameters["h"])
        corrected = trajectory(exact, MAID(0.1, 0.1, constants=exact.constants), 12)
        there = next(state for state in corrected if exact.value(state.hyperparameters["h"]) <= goal)
        assert 2 * there.inner_iterations <= published[-1].inner_iterations


def test_with_estimated_constants_it_ends_where_the_hypergradient_is_zero(logistic: Make) -> None:
    known = logistic(1)
    end = descend(known.problem, MAID(step_size=100.0, tolerance=0.05), None, 60)
    assert "stationary" in end.why
    assert end.value < known.value


def test_an_inner_solution_is_as_near_as_it_says() -> None:
    for seed, accuracy in itertools.product(range(5), (1.0, 1e-2, 1e-5, 1e-9)):
        exact = ridge(seed, n=20)
        hyper = exact.problem.hyperparameters
        truth = exact.solution(hyper["h"])
        for constants in (exact.constants, Constants()):
            found = solve_inner(exact.problem, hyper, torch.zeros_like(truth), accuracy, constants=constants)
            assert float((found.vector - truth).norm()) <= found.error <= accuracy * (1.0 + 1e-12)
            assert found.accurate
        # The first gradient tells whether a start is good enough already.
        assert solve_inner(exact.problem, hyper, truth, accuracy, constants=exact.constants).iterations == 1


def test_the_inner_solver_needs_the_root_of_the_condition_number() -> None:
    counts = []
    for condition in (1e2, 1e4):
        scales = torch.logspace(0, -math.log10(condition), 30, dtype=torch.float64)

        def inner(w: Any, h: Any, batch: Any, scales: Tensor = scales) -> Tensor:
            return (scales * (w["w"] - h["h"]) ** 2).sum() / 2

        problem = BilevelProblem(
            inner, lambda w, h, b: (w["w"] ** 2).sum(), {"w": torch.zeros_like(scales)}, {"h": torch.ones_like(scales)}
        )
        constants = Constants(float(scales[-1]), float(scales[0]))
        found = solve_inner(problem, problem.hyperparameters, torch.zeros_like(scales), 1e-6, constants=constants)
        counts.append(found.iterations)
    assert counts[1] <= 15 * counts[0]  # a plain gradient descent takes a hundred times as many


def test_a_smoothness_that_is_too_small_is_raised() -> None:
    exact = ridge(0)
    hyper = exact.problem.hyperparameters
    start = torch.zeros(5, dtype=torch.float64)
    wrong = Constants(exact.constants.strong_convexity, 1e-9)
    found = solve_inner(exact.problem, hyper, start, 1e-6, constants=wrong)
    assert found.accurate
    assert float((found.vector - exact.solution(hyper["h"])).norm()) <= 1e-6


def test_a_limit_is_told_by_the_error_and_the_precision_is_an_end() -> None:
    exact = ridge(3)
    hyper = exact.problem.hyperparameters
    start = torch.zeros(5, dtype=torch.float64)
    short = solve_inner(exact.problem, hyper, start, 1e-9, limit=4, constants=exact.constants)
    assert not short.accurate
    assert short.iterations == 4
    assert float((short.vector - exact.solution(hyper["h"])).norm()) <= short.error
    finest = solve_inner(exact.problem, hyper, start, 1e-30, constants=exact.constants)
    assert finest.exhausted
    assert finest.iterations < 2000


def test_noise_in_the_gradient_is_the_precision() -> None:
    one = torch.ones(3, dtype=torch.float64)

    def inner(w: Any, h: Any, batch: Any) -> Tensor:
        # Large terms that cancel leave a gradient much rougher than the parameters' own rounding.
        return (((w["w"] + 1e8 * h["h"]) ** 2 - 2e8 * h["h"] * w["w"]) + (w["w"] - h["h"]) ** 2).sum()

    problem = BilevelProblem(inner, lambda w, h, b: (w["w"] ** 2).sum() + 1.0, {"w": one}, {"h": one / 3.0})
    found = solve_inner(problem, problem.hyperparameters, one, 1e-14, constants=Constants(4.0, 4.0))
    assert found.exhausted
    assert found.iterations < 100
    assert descend(problem, MAID(constants=Constants(4.0, 4.0), tolerance=0.0), None, 300).finished


@FORMS
def test_accuracies_and_steps_go_up_and_down(corrected: bool) -> None:
    states = trajectory(quadratic(1), MAID(0.5, 50.0, tolerance=1e-8, corrected=corrected), 60)
    for name in ("accuracy", "step_size"):
        changes = np.diff([state.numbers[name] for state in states])
        assert changes.max() > 0.0
        assert changes.min() < 0.0


@FORMS
def test_it_ends_by_itself(corrected: bool) -> None:
    exact = quadratic(2)
    end = descend(exact.problem, MAID(step_size=1.0, tolerance=1e-2, corrected=corrected), None, 500)
    assert end.finished
    assert "stationary" in end.why
    told = float(end.why.rsplit(" ", 1)[1])
    assert float(exact.gradient(end.hyperparameters["h"]).norm()) <= told <= 1e-2 * end.numbers["first"] * 1.01
    again = descend(exact.problem, MAID(step_size=1.0, tolerance=0.0, corrected=corrected), None, 500)
    assert again.finished
    assert again.value <= exact.best * (1.0 + 1e-6)


@FORMS
def test_a_step_into_overflow_is_refused(corrected: bool) -> None:
    exact = ridge(4)
    method = MAID(step_size=1e5, backtracks=40, constants=exact.constants, corrected=corrected)
    end = descend(exact.problem, method, None, 3)
    assert end.iteration == 3
    assert end.value < exact.value(exact.problem.hyperparameters["h"])


@FORMS
def test_a_step_is_a_function_of_its_arguments(corrected: bool) -> None:
    exact, method = ridge(5), MAID(step_size=1.0, corrected=corrected)
    state = descend(exact.problem, method, None, 2)
    first, second = (method.step(exact.problem, State.from_arrays(state.to_arrays())) for _ in range(2))
    for name, array in first.to_arrays().items():
        assert array.tobytes() == second.to_arrays()[name].tobytes()


@FORMS
def test_single_precision_ends_at_its_own_precision(corrected: bool) -> None:
    exact = quadratic(1)
    single = BilevelProblem(
        lambda w, h, b: exact.problem.inner({"w": w["w"].double()}, {"h": h["h"].double()}, b).float(),
        lambda w, h, b: exact.problem.outer({"w": w["w"].double()}, {"h": h["h"].double()}, b).float(),
        {"w": exact.problem.parameters["w"].float()},
        {"h": exact.problem.hyperparameters["h"].float()},
    )
    end = descend(single, MAID(step_size=1.0, tolerance=0.0, constants=exact.constants, corrected=corrected), None, 100)
    assert end.finished
    assert end.value == pytest.approx(exact.best, rel=5e-3)


def test_an_inner_loss_without_a_minimum_is_told() -> None:
    one = torch.ones(2, dtype=torch.float64)
    flat = BilevelProblem(
        lambda w, h, b: (w["w"] * h["h"]).sum() - (w["w"] ** 2).sum(),
        lambda w, h, b: (w["w"] ** 2).sum(),
        {"w": one},
        {"h": one},
    )
    with pytest.raises(InvalidObservation, match=r"not strongly convex.*add an l2 term"):
        descend(flat, MAID(), None, 3)


def test_batches_are_refused() -> None:
    data = torch.ones(8, 2, dtype=torch.float64)
    one = torch.ones(2, dtype=torch.float64)
    problem = BilevelProblem(
        lambda w, h, b: ((b[0] @ w["w"]) ** 2).mean() + (h["h"].exp() * w["w"] ** 2).sum(),
        lambda w, h, b: (w["w"] ** 2).sum(),
        {"w": one},
        {"h": one},
        inner_batch=Minibatches((data,), size=4),
    )
    with pytest.raises(InvalidArgument, match="MAID bounds errors that batches make unbounded"):
        descend(problem, MAID(), None, 3)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"accuracy": 0.0}, "accuracy"),
        ({"step_size": math.inf}, "step_size"),
        ({"descent": 0.05}, "descent is out of range.*above decrease"),
        ({"decrease": 0.0}, "decrease"),
        ({"shrink": 1.0}, "shrink"),
        ({"growth": 1.0}, "growth"),
        ({"tighten": 0.0}, "tighten"),
        ({"loosen": 0.9}, "loosen"),
        ({"tolerance": 1.0}, "tolerance"),
        ({"backtracks": 0}, "backtracks"),
    ],
)
def test_settings_out_of_range(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidArgument, match=text):
        MAID(**settings)


def test_constants_out_of_range() -> None:
    exact = quadratic(0)
    method = MAID(constants=Constants(strong_convexity=lambda h: -1.0))
    with pytest.raises(InvalidObservation, match=r"constant strong_convexity is out of range; got -1\.0"):
        descend(exact.problem, method, None, 1)
    with pytest.raises(InvalidArgument, match="constant smoothness is out of range; got 0"):
        Constants(smoothness=0)
