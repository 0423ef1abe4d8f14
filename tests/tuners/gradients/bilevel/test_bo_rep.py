"""BO-REP and plain momentum: what a step does, where steep losses lead, and that a state is all that a step needs."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from trimtab.base.errors import InvalidArgument, InvalidObservation
from trimtab.tuners.gradients.bilevel import (
    BilevelProblem,
    BoRep,
    ConjugateGradients,
    Minibatches,
    MomentumDescent,
    NeumannSeries,
    implicit_hypergradient,
)
from trimtab.tuners.gradients.bilevel.bo_rep import normalised
from trimtab.tuners.gradients.bilevel.descent import Descent, State, descend, go_on
from trimtab.tuners.gradients.bilevel.momentum import averaged

Make = Callable[..., Any]
EXACT = ConjugateGradients(1e-13, 200)


def rows(problem: BilevelProblem, method: Descent, iterations: int) -> list[State]:
    """The start and the state after each iteration."""
    states = [method.start(problem, problem.hyperparameters)]
    for _ in range(iterations):
        states.append(method.step(problem, states[-1]))
    return states


def flat(tensors: dict[str, Tensor]) -> Tensor:
    return torch.cat([tensor.reshape(-1) for tensor in tensors.values()])


def mirror(seed: int = 0, start: float = 3.0) -> tuple[BilevelProblem, Tensor]:
    """w* = Q h for an orthogonal Q and f = |w - t|^2 / 2, so F = |h - Q^T t|^2 / 2; the inner problem is solved by one
    step of length 1. Two hyperparameters of two entries each. With it, the best h.
    """
    rng = np.random.default_rng(seed)
    turn = torch.linalg.qr(torch.tensor(rng.normal(size=(4, 4)))).Q
    target = torch.tensor(rng.normal(size=4))

    def inner(w: Any, h: Any, batch: object) -> Tensor:
        return ((w["w"] - turn @ torch.cat([h["a"], h["b"]])) ** 2).sum() / 2

    def outer(w: Any, h: Any, batch: object) -> Tensor:
        return ((w["w"] - target) ** 2).sum() / 2

    hyper = {name: torch.tensor(start + rng.normal(size=2)) for name in "ab"}
    return BilevelProblem(inner, outer, {"w": torch.zeros(4, dtype=torch.float64)}, hyper), turn.T @ target


def steep(growth: Callable[[Tensor], Tensor], start: float, size: int = 1) -> BilevelProblem:
    """f = growth(x) + |y|^2 / 2 with y* = x."""
    zeros = torch.zeros(size, dtype=torch.float64)
    return BilevelProblem(
        lambda w, h, _: ((w["y"] - h["x"]) ** 2).sum() / 2,
        lambda w, h, _: growth(h["x"]).sum() + (w["y"] ** 2).sum() / 2,
        {"y": zeros},
        {"x": zeros + start},
    )


def noisy_ridge(seed: int = 0) -> BilevelProblem:
    """Ridge regression with a log penalty per feature, seen through batches."""
    rng = np.random.default_rng(seed)
    x, xv = torch.tensor(rng.normal(size=(40, 3))), torch.tensor(rng.normal(size=(40, 3)))
    truth = torch.tensor([1.0, -1.0, 0.0], dtype=torch.float64)
    y, yv = x @ truth + torch.tensor(rng.normal(size=40)), xv @ truth

    def inner(w: Any, h: Any, batch: Any) -> Tensor:
        return ((batch[0] @ w["w"] - batch[1]) ** 2).mean() / 2 + (h["l"].exp() * w["w"] ** 2).sum() / 2

    def outer(w: Any, h: Any, batch: Any) -> Tensor:
        return ((batch[0] @ w["w"] - batch[1]) ** 2).mean() / 2

    zeros = torch.zeros(3, dtype=torch.float64)
    batches = Minibatches((x, y), 8, seed), Minibatches((xv, yv), 8, seed + 1)
    return BilevelProblem(inner, outer, {"w": zeros}, {"l": zeros - 1.0}, *batches)


@pytest.mark.parametrize("make", [lambda: mirror()[0], noisy_ridge], ids=["exact", "batches"])
def test_every_step_has_the_length_it_was_given(make: Callable[[], BilevelProblem]) -> None:
    states = rows(make(), BoRep(length=0.3, adjoint=0.2), 12)
    moved = [float((flat(b.hyperparameters) - flat(a.hyperparameters)).norm()) for a, b in pairwise(states)]
    assert moved == pytest.approx([0.3] * 12, rel=1e-6)


def test_without_momentum_nothing_moves() -> None:
    problem, _ = mirror()
    level = BilevelProblem(
        problem.inner, lambda w, h, _: 0.0 * w["w"].sum(), problem.parameters, problem.hyperparameters
    )
    last = descend(level, BoRep(), None, 3)
    assert torch.equal(flat(last.hyperparameters), flat(dict(level.hyperparameters)))


def test_the_length_may_fall_by_a_function_of_the_iteration() -> None:
    problem, best = mirror()
    method = BoRep(length=lambda k: 0.5 / (1 + k), inner_rate=1.0, inner_steps=1, period=1, momentum=0.0, adjoint=1.0)
    states = rows(problem, method, 5)
    moved = [float((flat(b.hyperparameters) - flat(a.hyperparameters)).norm()) for a, b in pairwise(states)]
    assert moved == pytest.approx([0.5 / (1 + k) for k in range(5)])
    ended = descend(problem, method, {"a": best[:2] + 0.5, "b": best[2:]}, 60)
    assert float((flat(ended.hyperparameters) - best).norm()) <= 0.01
    with pytest.raises(InvalidArgument, match="length of step 1 is out of range; got 0"):
        descend(problem, BoRep(length=lambda k: 1.0 - k), None, 2)


@pytest.mark.parametrize("period", [1, 2, 5])
def test_parameters_move_at_multiples_of_the_period_only(period: int) -> None:
    states = rows(noisy_ridge(), BoRep(period=period, inner_steps=3, epochs=2, epoch_steps=4), 11)
    assert states[0].inner_iterations == 4 + 8
    for k, (before, after) in enumerate(pairwise(states)):
        trained = k > 0 and k % period == 0
        assert torch.equal(before.parameters["w"], after.parameters["w"]) == (not trained)
        assert after.inner_iterations - before.inner_iterations == (3 if trained else 0)
        assert f"trained {3 if trained else 0} steps" in after.why


def test_plain_momentum_trains_in_every_iteration() -> None:
    states = rows(noisy_ridge(), MomentumDescent(inner_steps=3), 4)
    assert [state.inner_iterations for state in states] == [0, 3, 6, 9, 12]
    assert not any(torch.equal(a.parameters["w"], b.parameters["w"]) for a, b in pairwise(states))


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.9])
def test_momentum_is_an_exponential_average(decay: float) -> None:
    gradients = torch.tensor(np.random.default_rng(0).normal(size=(20, 3)))
    momentum = torch.zeros(3, dtype=torch.float64)
    for gradient in gradients:
        momentum = averaged(momentum, gradient, decay)
    weights = (1.0 - decay) * torch.tensor([decay ** (19 - i) for i in range(20)], dtype=torch.float64)
    assert torch.allclose(momentum, weights @ gradients, rtol=1e-12)


@pytest.mark.parametrize("method", [BoRep(), MomentumDescent(length=0.2)], ids=["BO-REP", "plain"])
def test_a_constant_gradient_gives_the_closed_form(method: BoRep | MomentumDescent) -> None:
    slope = torch.tensor([3.0, -4.0], dtype=torch.float64)
    zeros = torch.zeros(2, dtype=torch.float64)
    problem = BilevelProblem(
        lambda w, h, _: ((w["w"] - h["x"]) ** 2).sum(), lambda w, h, _: slope @ h["x"], {"w": zeros}, {"x": zeros}
    )
    states = rows(problem, method, 8)
    for t, state in enumerate(states):
        assert torch.allclose(state.extra["momentum"], (1.0 - 0.9**t) * slope, rtol=1e-12)
    size = 0.05 * 8 / 5.0 if isinstance(method, BoRep) else 0.2 * sum(1.0 - 0.9**t for t in range(9))
    assert torch.allclose(states[-1].hyperparameters["x"], -size * slope, rtol=1e-8)


@pytest.mark.parametrize("seed", range(3))
def test_with_exact_solves_it_is_normalised_gradient_descent(seed: int) -> None:
    problem, best = mirror(seed)
    length = 0.11
    method = BoRep(length, inner_rate=1.0, inner_steps=1, period=1, momentum=0.0, adjoint=EXACT, epochs=1)
    states = rows(problem, method, 120)
    by_hand = flat(dict(problem.hyperparameters))
    for state in states:
        # Next to the optimum the direction magnifies rounding errors, so the two are compared before.
        if float((by_hand - best).norm()) < 2 * length:
            break
        assert torch.allclose(flat(state.hyperparameters), by_hand, rtol=1e-8)
        by_hand = by_hand - length * (by_hand - best) / (by_hand - best).norm()
    assert all(float((flat(state.hyperparameters) - best).norm()) <= length for state in states[-30:])


@pytest.mark.parametrize("adjoint", [EXACT, NeumannSeries(1e-13, 5000), None], ids=["cg", "neumann", "steps"])
def test_the_momentum_comes_to_the_hypergradient(ridge: Make, adjoint: Any) -> None:
    known = ridge(0, n=3, spread=0.0)
    eigenvalues = torch.linalg.eigvalsh(known.hessian)
    rate = 2.0 / float(eigenvalues[0] + eigenvalues[-1])
    method = MomentumDescent(1e-12, inner_rate=rate, inner_steps=2, momentum=0.0, adjoint=adjoint or rate)
    last = descend(known.problem, method, None, 80)
    exact = implicit_hypergradient(known.problem, {"w": known.solution}, solver=EXACT, estimate=0)
    assert torch.allclose(last.extra["momentum"], known.hypergradient, rtol=1e-6, atol=1e-8)
    assert torch.allclose(last.extra["adjoint"], exact.adjoint["w"], rtol=1e-6, atol=1e-8)
    assert last.value == pytest.approx(known.value)


def test_batches_of_a_hypergradient_are_independent() -> None:
    """f_w = s w and g_wh = s with one random sign s each: z = nu s, and h = -s' z has mean zero unless s' = s."""
    signs = torch.tensor(np.random.default_rng(0).choice([-1.0, 1.0], 2000))
    zeros = torch.zeros(1, dtype=torch.float64)

    def sign(step: int) -> Tensor:
        return signs[step]

    problem = BilevelProblem(
        lambda w, h, s: (w["w"] ** 2 / 2 + s * w["w"] * h["x"]).sum(),
        lambda w, h, s: (s * w["w"]).sum(),
        {"w": zeros},
        {"x": zeros},
        sign,
        sign,
    )
    method = MomentumDescent(1e-12, inner_rate=1.0, inner_steps=1, momentum=0.0, adjoint=EXACT)
    found = [float(state.extra["momentum"]) for state in rows(problem, method, 200)[1:]]
    assert {round(value) for value in found} == {-1, 1}
    assert abs(np.mean(found)) <= 4.0 / math.sqrt(200)


def test_the_first_solve_averages_noise_out() -> None:
    """g = |w - b|^2 / 2 for noisy b: the error of the last iterate stays, that of the mean falls with the epochs."""
    noise = torch.tensor(np.random.default_rng(1).normal(size=(4000, 50)))
    zeros = torch.zeros(50, dtype=torch.float64)
    problem = BilevelProblem(
        lambda w, h, b: ((w["w"] - h["x"] - b) ** 2).sum() / 2,
        lambda w, h, b: (w["w"] ** 2).sum(),
        {"w": zeros},
        {"x": zeros + 2.0},
        lambda step: noise[step],
    )

    def error(epochs: int) -> float:
        method = BoRep(inner_rate=0.5, epochs=epochs, epoch_steps=20)
        return float((method.start(problem, problem.hyperparameters).parameters["w"] - 2.0).norm())

    errors = [error(epochs) for epochs in (0, 1, 3, 6)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] <= 0.25 * errors[1]


def test_training_stays_within_its_ball() -> None:
    problem, _ = mirror(start=100.0)
    method = BoRep(inner_rate=0.5, radius=0.1, epochs=3, period=1, inner_steps=20)
    states = rows(problem, method, 5)
    reach = sum(0.1 / 2 ** (epoch / 2) for epoch in range(3))
    moved = [0.0, *[float((b.parameters["w"] - a.parameters["w"]).norm()) for a, b in pairwise(states)][1:]]
    assert 0.5 * reach <= float(states[0].parameters["w"].norm()) <= reach * (1 + 1e-9)
    assert all(0.05 <= length <= 0.1 * (1 + 1e-9) for length in moved[1:])


def test_a_quartic_loss_is_descended_where_plain_momentum_cycles() -> None:
    """F = x^4 / 4 + x^2 / 2 from x = 10: its curvature makes the same e = 0.1 too long for a plain step."""
    problem = steep(lambda x: x**4 / 4, 10.0)
    normal, plain = (
        [
            float(state.hyperparameters["x"].abs())
            for state in rows(problem, kind(0.1, 0.5, 3, adjoint=0.5, **more), 180)
        ]
        for kind, more in ((BoRep, {"epoch_steps": 5}), (MomentumDescent, {}))
    )
    assert max(normal) <= 10.0
    assert max(normal[-50:]) <= 0.1 / (1.0 - 0.9)  # the momentum turns within 1 / (1 - b) steps
    assert max(plain[-50:]) >= 10.0


@pytest.mark.parametrize(
    ("growth", "start", "size"),
    [(lambda x: x**4 / 4, 100.0, 1), (torch.cosh, 20.0, 1), (torch.cosh, 20.0, 5)],
    ids=["quartic", "exponential", "exponential, several"],
)
def test_a_steep_loss_is_descended_where_plain_momentum_diverges(growth: Any, start: float, size: int) -> None:
    problem = steep(growth, start, size)
    states = rows(problem, BoRep(0.1, 0.5, 3, adjoint=0.5, epoch_steps=5), 100)
    assert all(after.value < before.value for before, after in pairwise(states))
    assert float((states[-1].hyperparameters["x"] - start).norm()) == pytest.approx(10.0)
    told: list[State] = []
    with pytest.raises(InvalidObservation, match=r"in outer iteration \d+ of the descent, .*'x'"):
        descend(problem, MomentumDescent(0.1, 0.5, adjoint=0.5), None, 100, told.append)
    assert all(math.isfinite(state.value) for state in told)
    assert len(told) < 10


def test_where_curvature_is_bounded_plain_momentum_comes_nearer() -> None:
    problem, best = mirror()
    plain, normal = (
        float((flat(descend(problem, kind(0.2, 1.0, 1, adjoint=1.0), None, 150).hyperparameters) - best).norm())
        for kind in (MomentumDescent, BoRep)
    )
    assert plain <= 1e-2
    assert 10.0 * plain <= normal <= 0.2 / (1.0 - 0.9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_direction_neither_overflows_nor_underflows(dtype: torch.dtype) -> None:
    edge = torch.finfo(dtype)
    vector = torch.tensor([3.0, -4.0], dtype=dtype)
    assert torch.allclose(normalised(vector * (edge.max / 10)), vector / 5)
    assert torch.allclose(normalised(vector * 1e-10), vector * 1e-10 / 6e-10)
    assert bool((normalised(vector * edge.tiny).abs() <= 1e-20).all())
    assert torch.equal(normalised(0 * vector), 0 * vector)


METHODS = [
    BoRep(adjoint=0.2, radius=2.0, epochs=2, epoch_steps=5),
    BoRep(adjoint=NeumannSeries(limit=5), period=3),
    MomentumDescent(adjoint=0.2, length=0.5),
    MomentumDescent(adjoint=ConjugateGradients(limit=5), momentum=0.0),
]


@pytest.mark.parametrize("method", METHODS, ids=["BO-REP", "BO-REP, Neumann", "plain", "plain, cg"])
def test_a_state_is_all_that_a_step_needs(method: Descent) -> None:
    problem = noisy_ridge()
    through = descend(problem, method, None, 12)
    middle = descend(problem, method, None, 5)
    kept = middle.to_arrays()
    once, twice = method.step(problem, middle).to_arrays(), method.step(problem, middle).to_arrays()
    resumed = go_on(noisy_ridge(), method, State.from_arrays(kept), 12).to_arrays()
    for one, other in ((once, twice), (through.to_arrays(), resumed), (kept, middle.to_arrays())):
        assert one.keys() == other.keys()
        assert all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    ("method", "told"),
    [
        (BoRep(inner_rate=1e4), r"in the first solve of the descent, .*'w'"),
        (BoRep(inner_rate=1e4, epochs=0, inner_steps=100), r"in outer iteration 3 of the descent, .*'w'"),
        (BoRep(adjoint=100.0), r"in outer iteration \d+ of the descent, the adjoint diverged.*'w'"),
        (MomentumDescent(inner_rate=1e4), r"in outer iteration \d+ of the descent, .*'w'"),
    ],
    ids=["first solve", "training", "adjoint", "plain"],
)
def test_what_diverges_is_named(method: Descent, told: str) -> None:
    with pytest.raises(InvalidObservation, match=told):
        descend(mirror()[0], method, None, 2000)


@pytest.mark.parametrize(
    ("kind", "wrong", "told"),
    [
        (BoRep, {"length": 0.0}, "length of a descent's step is out of range; got 0.0"),
        (BoRep, {"inner_rate": math.nan}, "training step is out of range; got nan"),
        (BoRep, {"inner_steps": 0}, "training steps must be a whole number; got 0"),
        (BoRep, {"period": 0}, "period"),
        (BoRep, {"epochs": -1}, "give 0 for none"),
        (BoRep, {"epoch_steps": 0}, "first epoch"),
        (BoRep, {"radius": 0.0}, "radius"),
        (BoRep, {"radius": math.nan}, "radius"),
        (MomentumDescent, {"momentum": 1.0}, r"momentum is out of range; got 1.0; allowed: \[0, 1\)"),
        (MomentumDescent, {"adjoint": math.inf}, "adjoint step is out of range"),
    ],
)
def test_numbers_out_of_range_are_refused(kind: Callable[..., object], wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidArgument, match=told):
        kind(**wrong)
