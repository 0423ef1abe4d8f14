"""Losses whose gradients are policy gradients; a misleading reward repaired from samples; and where that cannot be."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from trimtab.base.errors import InvalidArgument, InvalidObservation
from trimtab.base.seeds import Key
from trimtab.tuners.gradients.bilevel import State, check_problem
from trimtab.tuners.gradients.bilevel.derivatives import Linearisation
from trimtab.tuners.gradients.rewards import (
    GAMMA_LOGIT,
    Barfi,
    Episodes,
    SampledProblem,
    Weights,
    align,
    buffer_of,
    neumann,
)

Walk = Callable[..., SampledProblem]

QUICK = Barfi(
    rate=5e-2,
    gamma_penalty=0.0,
    episodes=6,
    warm_up=60,
    first_steps=60,
    batch=4,
    outer_batches=5,
    inner_steps=8,
    buffer=300,
)
"""Shorter and steeper than the defaults, which are those of the authors' program."""


def policy_of(problem: SampledProblem) -> dict[str, Tensor]:
    assert problem.parameters is not None
    return {name: tensor.detach() for name, tensor in problem.parameters.items()}


def every_episode(steps: int = 3) -> Episodes:
    """All courses of two actions in the first steps of the chain with three states, cut off there or at the goal."""
    seen, taken, paid, extra, lengths = [], [], [], [], []
    for actions in itertools.product((0, 1), repeat=steps):
        place, length = 0, 0
        for action in actions:
            seen.append(np.eye(3)[place])
            taken.append(action)
            place = place + 1 if action else max(place - 1, 0)
            paid.append(float(place == 2))
            extra.append(0.3 * (action == 0))
            length += 1
            if place == 2:
                break
        lengths.append(length)
    # Courses that part after the goal are one: keep the first of each.
    whole = Episodes(
        torch.tensor(np.array(seen)),
        torch.tensor(taken),
        torch.tensor(paid, dtype=torch.float64),
        torch.tensor(extra, dtype=torch.float64),
        torch.tensor(lengths),
    )
    parts = [tuple(part.tolist()) for part in torch.split(whole.actions, lengths)]
    return whole.taken(torch.tensor([place for place, part in enumerate(parts) if part not in parts[:place]]))


def test_the_mean_gradients_of_both_losses_are_the_policy_gradients(walk: Walk) -> None:
    """Over all episodes with their probabilities, and undiscounted, where the factor that is left out is one."""
    policy = nn.Linear(3, 2, bias=False, dtype=torch.float64)
    problem = walk(policy=policy, discount=1.0)
    w = {"weight": policy.weight.detach().requires_grad_()}
    h = {**problem.initial, "phi1": torch.tensor([-0.2], dtype=torch.float64), GAMMA_LOGIT: torch.tensor(40.0).double()}
    episodes = every_episode()
    logs = torch.log_softmax(problem.act(w, episodes.observations), 1)  # type: ignore[arg-type]
    chances = torch.stack(
        [part.sum().exp() for part in torch.split(logs.gather(1, episodes.actions[:, None]), episodes.lengths.tolist())]
    )
    assert float(chances.detach().sum()) == pytest.approx(1.0)
    blend = -0.2 + episodes.primary + episodes.auxiliary
    sums = torch.stack([part.sum() for part in torch.split(blend, episodes.lengths.tolist())])
    (blended,) = torch.autograd.grad((chances * sums).sum(), w["weight"], retain_graph=True)
    (primary,) = torch.autograd.grad((chances * episodes.returns(1.0)).sum(), w["weight"])
    inner, outer = torch.zeros(2, 3).double(), torch.zeros(2, 3).double()
    value = 0.0
    for place, chance in enumerate(chances.tolist()):
        one = episodes.taken(torch.tensor([place]))
        inner -= chance * torch.autograd.grad(problem.inner_loss(w, h, one, 0.0, 0.0), w["weight"])[0]
        loss = problem.outer_loss(w, one)
        outer -= chance * torch.autograd.grad(loss, w["weight"])[0]
        value -= chance * float(loss.detach())
    torch.testing.assert_close(inner, blended)
    torch.testing.assert_close(outer, primary)
    assert value == pytest.approx(float((chances.detach() * episodes.returns(1.0)).sum()))


def test_entropy_and_the_size_of_the_policy_enter_the_inner_loss(walk: Walk) -> None:
    problem = walk()
    w, batch = policy_of(problem), problem.collect(policy_of(problem), 5, Key(0))
    w = {"weight": w["weight"] + 0.5}
    plain = problem.inner_loss(w, problem.initial, batch, 0.0, 0.0)
    steps = float(batch.lengths.double().mean())
    # The same logits everywhere: the policy is uniform, and its entropy log 2 in each step.
    with_entropy = problem.inner_loss(w, problem.initial, batch, 0.1, 0.0)
    assert float((plain - with_entropy).detach()) == pytest.approx(0.1 * steps * np.log(2.0))
    with_size = problem.inner_loss(w, problem.initial, batch, 0.0, 0.1)
    assert float((with_size - plain).detach()) == pytest.approx(0.1 * 12 * 0.25)


def test_the_batch_losses_are_a_sound_bilevel_problem(walk: Walk) -> None:
    check_problem(walk().bilevel(0.25, 0.0))


@pytest.mark.parametrize("terms", [0, 1, 5])
def test_the_implicit_gradient_is_that_of_dense_matrices(walk: Walk, terms: int) -> None:
    problem = walk()
    w = {"weight": torch.randn(2, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))}
    batch, newest = (problem.collect(w, 6, Key(seed)) for seed in (0, 1))
    bilevel = problem.bilevel(0.25, 0.0, (batch, newest))
    here = Linearisation(bilevel, w, problem.initial)
    found = here.outer_direct - here.mixed(neumann(here.hessian, here.outer_gradient, 0.01, terms))

    def slope(flat: Tensor, hyper: Tensor) -> Tensor:
        inputs = bilevel.layout.named(flat)
        loss = problem.inner_loss(inputs, bilevel.hyper_layout.named(hyper), batch, 0.25, 0.0)
        return torch.autograd.grad(loss, flat, create_graph=True)[0]

    flat, hyper = bilevel.layout.flat(w).requires_grad_(), bilevel.hyper_layout.flat(problem.initial).requires_grad_()
    down = slope(flat, hyper)
    jacobians = [
        torch.stack([torch.autograd.grad(one, to, retain_graph=True)[0] for one in down]) for to in (flat, hyper)
    ]
    # D is the gradient of what is maximised, -down; v that of J_p.
    inner, cross = -jacobians[0], -jacobians[1]
    (v,) = torch.autograd.grad(-problem.outer_loss(bilevel.layout.named(flat), newest), flat)
    b, s = v, v
    for _ in range(terms):
        b = b + 0.01 * inner.T @ b
        s = s + b
    torch.testing.assert_close(-found, 0.01 * s @ cross)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_misleading_reward_is_repaired_from_samples(short_walk: SampledProblem, seed: int) -> None:
    """Four states: the best is 0.95^2 = 0.90, and the naive policy sees the goal now and then."""
    end = align(short_walk, replace(QUICK, seed=seed), 30)
    misled = align(short_walk, replace(QUICK, seed=seed, rate=0.0), 30)
    assert -end.value >= 0.75
    assert -end.value > -misled.value + 0.2
    assert float(end.hyperparameters["phi3"]) < 0.5
    assert torch.equal(misled.hyperparameters["phi3"], short_walk.initial["phi3"])
    assert len(buffer_of(end)) == 6 + 60 + 6 * 30


def test_a_policy_that_never_meets_the_primary_reward_learns_nothing(walk: Walk) -> None:
    """Without entropy the naive policy turns back for good: the gradient is zero, and the blend stays."""
    policy = nn.Linear(6, 2, bias=False, dtype=torch.float64)
    with torch.no_grad():
        policy.weight.copy_(torch.tensor([[30.0], [-30.0]]).expand(2, 6))
    problem = walk(policy=policy)
    end = align(problem, replace(QUICK, entropy=0.0, gamma_penalty=0.0), 3)
    assert end.value == 0.0
    for name, start in problem.initial.items():
        assert torch.equal(end.hyperparameters[name], start.detach()), name


def test_a_run_goes_on_from_its_arrays_bit_for_bit(walk: Walk) -> None:
    problem, method = walk(), replace(QUICK, warm_up=10, first_steps=4, buffer=20)
    states: list[State] = []
    end = align(problem, method, 4, on_step=states.append)
    state = State.from_arrays(states[1].to_arrays())
    for _ in range(2):
        state = method.step(problem, state)
    here, there = end.to_arrays(), state.to_arrays()
    assert here.keys() == there.keys()
    assert all(np.array_equal(here[name], there[name]) for name in here)
    assert len(buffer_of(end)) == 20
    again = align(problem, method, 4).to_arrays()
    assert all(np.array_equal(here[name], again[name]) for name in here)
    other = align(problem, replace(method, seed=1), 4).to_arrays()
    assert not np.array_equal(here["parameters.0"], other["parameters.0"])


def test_the_reward_network_may_be_of_the_users_own(walk: Walk) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 3)).double()
    problem = walk(weights=network)
    assert set(problem.initial) == {"0.weight", "0.bias", "2.weight", "2.bias", GAMMA_LOGIT}
    end = align(problem, replace(QUICK, warm_up=5, first_steps=2), 2)
    assert all(not torch.equal(end.hyperparameters[name], start.detach()) for name, start in problem.initial.items())
    wrong = walk(weights=nn.Linear(6, 2).double())
    with pytest.raises(InvalidObservation, match=r"three weights for each observation; got \(\d+, 2\)"):
        align(wrong, replace(QUICK, warm_up=5), 1)


def test_a_policy_may_be_a_function(walk: Walk) -> None:
    module, batch = walk(), None
    function = walk(policy=lambda w, seen: seen @ w["weight"].T, parameters=policy_of(module))
    for problem in (module, function):
        told = problem.collect(policy_of(problem), 3, Key(0))
        assert batch is None or torch.equal(told.actions, batch.actions)
        batch = told


def shared() -> dict[str, Any]:
    policy = nn.Linear(6, 2, bias=False, dtype=torch.float64)
    weights = Weights(dtype=torch.float64)
    weights.tied = policy.weight
    return {"policy": policy, "weights": weights}


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (shared(), r"shares parameter 'weight' with the reward network.*copy\.deepcopy"),
        ({"policy": lambda w, seen: seen}, "policy has no parameters to train"),
        ({"parameters": {"weight": torch.zeros(2, 6)}}, "brings its own parameters"),
        ({"discount": 0.0}, "discount of episodes is out of range"),
        ({"gamma": 1.0}, "learnt discount is out of range"),
        ({"longest": 0}, "longest episode"),
    ],
)
def test_problems_that_cannot_be_are_refused(walk: Walk, options: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidArgument, match=f"(?s){text}"):
        walk(**options)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"entropy": -0.1}, "Barfi: entropy is out of range"),
        ({"neumann_step": 0.0}, "Barfi: neumann_step is out of range; got 0.0; allowed: finite, > 0"),
        ({"episodes": 0}, "Barfi: episodes must be a whole number"),
        ({"batch": 1.5}, "Barfi: batch must be a whole number"),
        ({"buffer": 3}, "buffer is too small"),
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidArgument, match=text):
        Barfi(**change)


def test_an_error_in_a_round_names_it(walk: Walk) -> None:
    extra = [0.0]
    problem = walk(auxiliary=lambda observation, action, after: extra[0])
    method = replace(QUICK, warm_up=1, first_steps=1)
    state = method.start(problem, problem.initial)
    extra[0] = float("nan")
    with pytest.raises(InvalidObservation, match="in round 1 of BARFI, the auxiliary reward of a step is not finite"):
        method.step(problem, state)


def test_a_policy_that_blows_up_is_told(walk: Walk) -> None:
    problem = walk(auxiliary=lambda observation, action, after: 1e308)
    with pytest.raises(InvalidObservation, match="nan or inf"):
        align(problem, replace(QUICK, warm_up=5), 2)
