"""Returns against sums over time, best policies against all of them, and implicit gradients against differences."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from trimtab.base.errors import InvalidArgument, InvalidObservation
from trimtab.tuners.gradients.bilevel import (
    ConjugateGradients,
    NeumannSeries,
    check_problem,
    implicit_hypergradient,
)
from trimtab.tuners.gradients.rewards import GAMMA_LOGIT, LOGITS, TabularProblem, best_response

Chain = Callable[..., TabularProblem]


def made(seed: int, states: int = 4, actions: int = 3, **options: Any) -> TabularProblem:
    """Random tables, without a terminal state."""
    rng = np.random.default_rng(seed)
    return TabularProblem(
        torch.tensor(rng.dirichlet(np.ones(states), (states, actions))),
        torch.tensor(rng.normal(size=(states, actions))),
        torch.tensor(rng.normal(size=(states, actions))),
        torch.tensor(rng.dirichlet(np.ones(states))),
        0.8,
        **options,
    )


def rolled(problem: TabularProblem, policy: Tensor, reward: Tensor, discount: float, steps: int = 400) -> float:
    """The return, as a sum over time of discounted rewards of the states' distribution."""
    here, total = problem.start, 0.0
    for step in range(steps):
        pairs = here[:, None] * policy
        total += discount**step * float((pairs * reward).sum())
        here = torch.einsum("sa,sat->t", pairs, problem.transition)
    return total


@pytest.mark.parametrize("seed", range(4))
def test_a_return_is_the_sum_of_its_discounted_rewards(seed: int) -> None:
    problem = made(seed)
    logits = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    policy = problem.policy({LOGITS: logits})
    assert float(problem.primary_return({LOGITS: logits})) == pytest.approx(
        rolled(problem, policy, problem.primary, 0.8)
    )
    h = problem.initial | {"phi1": torch.tensor([0.3], dtype=torch.float64)}
    reward = problem.reward(policy, h)
    assert torch.allclose(reward, 0.3 + problem.primary + problem.auxiliary)
    assert float(problem.value_of(policy, reward, 0.6)) == pytest.approx(rolled(problem, policy, reward, 0.6))


@pytest.mark.parametrize("seed", range(4))
def test_the_best_return_is_that_of_the_best_of_all_policies(seed: int) -> None:
    problem = made(seed)
    each = [
        float(problem.value_of(torch.eye(3, dtype=torch.float64)[list(choice)], problem.primary, 0.8))
        for choice in itertools.product(range(3), repeat=4)
    ]
    assert problem.best_return() == pytest.approx(max(each))


def test_the_best_return_of_the_chain_is_its_discounted_goal(chain: Chain) -> None:
    assert chain(0.3, 0.0).best_return() == pytest.approx(0.95**4)
    assert chain(0.3, 0.0).terminal.tolist() == [False] * 5 + [True]


@pytest.mark.parametrize(
    ("left", "right", "phi3", "expected"), [(0.3, 0.0, 1.0, 0.002), (0.3, 0.0, 0.0, 0.729), (0.0, 0.1, 1.0, 0.646)]
)
def test_what_policies_of_fixed_blends_reach(
    chain: Chain, left: float, right: float, phi3: float, expected: float
) -> None:
    """The same figures as an independent program with plain gradient ascent: misled, unaided, and slowed down."""
    problem = chain(left, right)
    bilevel = problem.bilevel(0.1, 1e-2)
    h = problem.initial | {"phi3": torch.tensor([phi3], dtype=torch.float64)}
    w, _ = best_response(bilevel, h, bilevel.layout.flat(bilevel.parameters), 1e-9)
    assert float(problem.primary_return(bilevel.layout.named(w))) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize("seed", range(3))
def test_a_best_response_is_a_strict_minimum(seed: int) -> None:
    problem = made(seed)
    bilevel = problem.bilevel(0.05, 1e-3)
    w, taken = best_response(bilevel, problem.initial, torch.randn(12, dtype=torch.float64), 1e-9)
    w.requires_grad_()
    loss = bilevel.loss("inner", bilevel.layout.named(w), problem.initial, 0)
    (slope,) = torch.autograd.grad(loss, w, create_graph=True)
    rows = torch.stack([torch.autograd.grad(slope, w, unit, retain_graph=True)[0] for unit in torch.eye(12).double()])
    assert float(slope.detach().norm()) <= 1e-9
    assert float(torch.linalg.eigvalsh(rows)[0]) > 0.0
    assert taken > 1


def differences(problem: TabularProblem, w: Tensor, name: str, place: int, entropy: float, penalty: float) -> float:
    """d(-J_p) / d hyperparameter with the inner problem solved anew on either side."""
    bilevel, ends = problem.bilevel(entropy, penalty), []
    for shift in (1e-4, -1e-4):
        h = {key: tensor.clone() for key, tensor in problem.initial.items()}
        h[name].view(-1)[place] += shift
        there, _ = best_response(bilevel, h, w, 1e-11)
        ends.append(-float(problem.primary_return(bilevel.layout.named(there))))
    return (ends[0] - ends[1]) / 2e-4


@pytest.mark.parametrize("kind", ["misleading", "helpful", "features", "potential"])
def test_the_implicit_gradient_is_that_of_the_solved_inner_problem(chain: Chain, kind: str) -> None:
    problem = {
        "misleading": lambda: chain(0.3, 0.0),
        "helpful": lambda: chain(0.0, 0.1),
        "features": lambda: chain(0.1, 0.0, features=torch.stack([torch.ones(6), torch.linspace(0, 1, 6)], 1)),
        "potential": lambda: made(1, potential=True),
    }[kind]()
    bilevel = problem.bilevel(0.1, 1e-2)
    check_problem(bilevel)
    w, _ = best_response(bilevel, problem.initial, bilevel.layout.flat(bilevel.parameters), 1e-11)
    for solver in (ConjugateGradients(1e-10, 1000), NeumannSeries(1e-8, 20000)):
        found = implicit_hypergradient(bilevel, bilevel.layout.named(w), problem.initial, solver=solver, estimate=0)
        assert found.converged, found.diagnosis
        for name, gradient in found.gradient.items():
            for place, slope in enumerate(gradient.view(-1).tolist()):
                expected = differences(problem, w, name, place, 0.1, 1e-2)
                assert slope == pytest.approx(expected, rel=1e-2, abs=1e-6), (name, place)


def test_the_error_estimate_covers_an_inner_problem_that_is_not_solved(chain: Chain) -> None:
    problem = chain(0.0, 0.1)
    bilevel = problem.bilevel(0.1, 1e-2)
    w, _ = best_response(bilevel, problem.initial, bilevel.layout.flat(bilevel.parameters), 1e-11)
    exact = implicit_hypergradient(bilevel, bilevel.layout.named(w), problem.initial).gradient
    near = implicit_hypergradient(bilevel, bilevel.layout.named(w + 1e-3 * w.sin()), problem.initial)
    off = sum(float((near.gradient[name] - exact[name]).square().sum()) for name in exact) ** 0.5
    assert 0.0 < off <= near.error


def test_a_potential_changes_returns_by_what_it_is_at_the_first_step() -> None:
    """The sum telescopes: J of the shaped reward is J_p less the mean potential at the start."""
    problem = made(2, potential=True)
    logits = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    policy = problem.policy({LOGITS: logits})
    shaped = problem.value_of(policy, problem.reward(policy, problem.initial), problem.discount)
    first = problem.start @ (policy * problem.auxiliary).sum(1)
    assert float(shaped) == pytest.approx(float(problem.primary_return({LOGITS: logits}) - first))


def test_a_blend_starts_as_the_naive_sum_with_the_primary_discount() -> None:
    problem = made(0, features=torch.ones(4, 2))
    assert {name: tensor.tolist() for name, tensor in problem.initial.items() if name != GAMMA_LOGIT} == {
        "phi1": [0.0, 0.0],
        "phi2": [1.0, 0.0],
        "phi3": [1.0, 0.0],
    }
    assert float(torch.sigmoid(problem.initial[GAMMA_LOGIT])) == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"auxiliary": torch.zeros(4)}, r"'auxiliary' .* wrong shape; got \(4,\); allowed: \(4, 3\)"),
        ({"primary": torch.zeros(3, 4)}, r"'primary' .* allowed: \(4, 3\)"),
        ({"start": torch.ones(4, 3)}, r"'start' .* allowed: \(4,\)"),
        ({"features": torch.ones(3, 1)}, r"'features' .* allowed: \(4, d\)"),
        ({"transition": torch.ones(4, 4)}, r"'transition' .* allowed: \(S, A, S\)"),
        ({"transition": torch.ones(4, 3, 4)}, "'transition' holds no probabilities"),
        ({"start": torch.tensor([2.0, -1.0, 0.0, 0.0])}, "'start' holds no probabilities"),
        ({"auxiliary": torch.full((4, 3), float("nan"))}, "'auxiliary' holds nan"),
        ({"discount": 1.0}, r"discount is out of range; got 1.0; allowed: \(0, 1\)"),
        ({"transition": torch.eye(4).unsqueeze(1).repeat(1, 3, 1)}, "primary reward of a terminal state"),
    ],
)
def test_tables_that_cannot_be_are_refused(change: dict[str, Any], text: str) -> None:
    problem = made(0)
    given = {name: getattr(problem, name) for name in ("transition", "primary", "auxiliary", "start", "discount")}
    with pytest.raises(InvalidArgument, match=text):
        TabularProblem(**{**given, **change})


def test_an_inner_problem_that_cannot_be_solved_is_told(chain: Chain) -> None:
    problem = chain(0.3, 0.0)
    bilevel = problem.bilevel(0.0, 1e-12)
    with pytest.raises(InvalidObservation, match=r"was not solved.*raise the penalty"):
        best_response(bilevel, problem.initial, bilevel.layout.flat(bilevel.parameters), 1e-300)
