"""A misleading reward is repaired, a helpful one made use of, and without the outer loop neither is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from trimtab.base.errors import InvalidArgument
from trimtab.tuners.gradients.bilevel import NeumannSeries, State
from trimtab.tuners.gradients.rewards import (
    GAMMA_LOGIT,
    Barfi,
    ExactBarfi,
    SampledProblem,
    TabularProblem,
    align,
    discount_of,
)
from trimtab.tuners.gradients.rewards.blend import ascended

Chain = Callable[..., TabularProblem]

PAPER = NeumannSeries(tolerance=1e-12, limit=50, step=0.05)


@pytest.mark.parametrize("method", [ExactBarfi(), ExactBarfi(solver=PAPER)], ids=["solved", "Neumann"])
def test_a_misleading_reward_is_repaired(chain: Chain, method: ExactBarfi) -> None:
    problem = chain(0.3, 0.0)
    end = align(problem, method, 12)
    assert -end.value >= 0.75
    assert float(end.hyperparameters["phi3"]) < 0.0
    assert -end.value == pytest.approx(float(problem.primary_return(end.parameters)))


def test_a_helpful_reward_is_used_and_its_harm_taken_away(chain: Chain) -> None:
    """The bonus for moves to the right makes the naive policy linger; a price for time undoes it."""
    end = align(chain(0.0, 0.1), ExactBarfi(), 12)
    assert -end.value >= 0.75
    assert float(end.hyperparameters["phi1"]) < 0.0 < float(end.hyperparameters["phi3"])


def test_without_the_outer_loop_the_naive_policy_stays_misled(chain: Chain) -> None:
    end = align(chain(0.3, 0.0), ExactBarfi(rate=0.0), 2)
    assert -end.value < 0.005
    assert float(end.hyperparameters["phi3"]) == 1.0


def test_the_less_entropy_the_less_the_gradient_says(chain: Chain) -> None:
    """Near a policy that is deterministic and wrong nothing that the reward does can be seen."""
    sizes = []
    for entropy, penalty in ((0.1, 1e-2), (0.02, 1e-3), (0.0, 1e-5)):
        method, problem = ExactBarfi(entropy=entropy, policy_penalty=penalty), chain(0.3, 0.0)
        after = method.step(problem, method.start(problem, problem.initial))
        memory = [after.extra[f"blend.square.{name}"].sum() for name in problem.initial]
        sizes.append(float(torch.stack(memory).sum()) ** 0.5)
    assert sizes[0] > 5.0 * sizes[1] > 500.0 * sizes[2] > 0.0


def test_a_run_goes_on_from_its_arrays_bit_for_bit(chain: Chain) -> None:
    problem, method = chain(0.0, 0.1), ExactBarfi()
    states: list[State] = []
    end = align(problem, method, 4, on_step=states.append)
    state = State.from_arrays(states[1].to_arrays())
    for _ in range(2):
        state = method.step(problem, state)
    here, there = end.to_arrays(), state.to_arrays()
    assert all(np.array_equal(here[name], there[name]) for name in here)


def test_penalties_are_climbed_down(chain: Chain) -> None:
    """With no return to gain, the step is down phi_penalty |phi|^2 + gamma_penalty gamma, by RMSprop's first step."""
    h = {"phi1": torch.tensor([2.0, -1.0]), GAMMA_LOGIT: torch.tensor(1.0)}
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in h.items()}
    loss = 0.3 * leaves["phi1"].square().sum() + 0.2 * torch.sigmoid(leaves[GAMMA_LOGIT])
    slopes = dict(zip(h, torch.autograd.grad(loss, list(leaves.values())), strict=True))
    zeros = {name: torch.zeros_like(tensor) for name, tensor in h.items()}
    moved, memory = ascended(h, zeros, {"buffer.x": torch.ones(1)}, 0.01, 0.3, 0.2)
    for name in h:
        torch.testing.assert_close(moved[name], h[name] - 0.1 * slopes[name].sign(), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(memory[f"blend.square.{name}"], 0.01 * slopes[name].square())
    assert "buffer.x" not in memory


def test_a_penalty_on_the_discount_lowers_it(chain: Chain) -> None:
    ends = [align(chain(0.3, 0.0), ExactBarfi(gamma_penalty=weight), 6) for weight in (0.0, 1.0)]
    assert discount_of(ends[1].hyperparameters) < discount_of(ends[0].hyperparameters)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"entropy": -1.0}, "ExactBarfi: entropy is out of range; got -1.0; allowed: finite, >= 0"),
        ({"policy_penalty": 0.0}, "ExactBarfi: policy_penalty is out of range"),
        ({"rate": float("inf")}, "ExactBarfi: rate is out of range"),
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, float], text: str) -> None:
    with pytest.raises(InvalidArgument, match=text):
        replace(ExactBarfi(), **change)


def test_a_method_on_the_wrong_kind_of_problem_is_refused(chain: Chain, walk: Callable[..., SampledProblem]) -> None:
    with pytest.raises(InvalidArgument, match="Barfi cannot work on a TabularProblem"):
        align(chain(0.3, 0.0), Barfi(), 1)
    with pytest.raises(InvalidArgument, match="ExactBarfi cannot work on a SampledProblem"):
        align(walk(), ExactBarfi(), 1)
