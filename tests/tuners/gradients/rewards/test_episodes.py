"""Sums of rewards against loops over time, a buffer against lists, and environments that misbehave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Independent, Normal

from trimtab.base.errors import InvalidArgument, InvalidObservation
from trimtab.base.seeds import Key
from trimtab.tuners.gradients.rewards import Episodes, SampledProblem, Weights, collect, fourier_features

LIKE = torch.zeros((), dtype=torch.float64)
LENGTHS = (3, 1, 5)


def made() -> Episodes:
    rng = np.random.default_rng(0)
    count = sum(LENGTHS)
    numbers = [torch.tensor(rng.normal(size=shape)) for shape in ((count, 2), (count,), (count,))]
    return Episodes(numbers[0], torch.arange(count), numbers[1], numbers[2], torch.tensor(LENGTHS))


def split(numbers: Tensor) -> list[list[float]]:
    return [part.tolist() for part in torch.split(numbers, list(LENGTHS))]


def test_sums_to_go_are_those_of_a_loop_and_have_its_derivatives() -> None:
    episodes = made()
    expected = []
    for rewards in split(episodes.primary):
        sums = [0.0]
        for reward in reversed(rewards):
            sums.append(reward + 0.7 * sums[-1])
        expected += sums[:0:-1]
    assert torch.allclose(episodes.to_go(episodes.primary, 0.7), torch.tensor(expected, dtype=torch.float64))
    assert episodes.returns(0.7).tolist() == pytest.approx([expected[0], expected[3], expected[4]])
    reward = episodes.primary.clone().requires_grad_()
    gamma = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(episodes.to_go, (reward, gamma))
    assert torch.autograd.gradgradcheck(episodes.to_go, (reward, gamma))


def test_a_selection_is_that_of_lists() -> None:
    episodes = made()
    chosen = episodes.taken(torch.tensor([2, 0, 2]))
    parts = split(episodes.auxiliary)
    assert chosen.auxiliary.tolist() == parts[2] + parts[0] + parts[2]
    assert chosen.lengths.tolist() == [5, 3, 5]
    assert episodes.newest(2).actions.tolist() == list(range(3, 9))
    assert len(episodes.newest(9)) == 3
    both = episodes.newest(1).joined(chosen)
    assert both.primary.tolist() == [*split(episodes.primary)[2], *chosen.primary.tolist()]
    assert Episodes(**both.tensors()).observations.shape == (18, 2)


def test_a_potential_telescopes_over_an_episode() -> None:
    episodes = made()
    shaped = episodes.shaped(0.7)
    sums = shaped.to_go(shaped.auxiliary, 0.7)
    assert torch.allclose(sums, -episodes.auxiliary)


def test_episodes_are_a_function_of_the_key(walk: Callable[..., SampledProblem]) -> None:
    problem = walk()
    assert problem.parameters is not None
    before = torch.random.get_rng_state()
    first, again, other = (problem.collect(problem.parameters, 40, Key(seed)) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(part, again.tensors()[name]) for name, part in first.tensors().items())
    assert first.actions.tolist() != other.actions.tolist()
    assert len(first) == 40
    assert int(first.lengths.max()) <= 30
    # What came of the actions is what the chain makes of them.
    for observations, actions, primary in zip(
        *(torch.split(part, first.lengths.tolist()) for part in (first.observations, first.actions, first.primary)),
        strict=True,
    ):
        place = 0
        for seen, action, reward in zip(observations, actions.tolist(), primary.tolist(), strict=True):
            assert seen.tolist() == np.eye(6)[place].tolist()
            place = place + 1 if action else max(place - 1, 0)
            assert reward == float(place == 5)
    assert torch.equal(first.auxiliary, 0.3 * (first.actions == 0).double())


class Stub:
    """An environment of one number that ends after two steps, unless it is told to do otherwise."""

    def __init__(self, reward: Any = 1.0, observation: Any = (0.5,), ends: bool = True) -> None:
        self.reward, self.observation, self.ends, self.time, self.actions = reward, observation, ends, 0, []

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self.time, self.seed = 0, seed
        return np.zeros(1), {}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        self.time += 1
        self.actions.append(action)
        seen = self.observation if isinstance(self.observation, dict) else np.array(self.observation)
        return seen, self.reward, self.ends and self.time == 2, False, {}


def run(stub: Stub, auxiliary: Any = None, policy: Any = None, longest: int = 9) -> Episodes:
    return collect(
        lambda: stub,
        policy or (lambda seen: torch.zeros(len(seen), 2)),
        auxiliary or (lambda observation, action, after: 0.0),
        LIKE,
        1,
        longest,
        Key(0),
    )


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"stub": Stub(ends=False)}, r"did not end in 9 steps.*time limit.*`longest`"),
        ({"stub": Stub(reward=float("nan"))}, "primary reward of a step is not finite; got nan"),
        ({"stub": Stub(reward=np.ones(2))}, r"primary reward of a step has a wrong shape; got \(2,\)"),
        ({"stub": Stub(), "auxiliary": lambda o, a, n: np.ones(3)}, r"auxiliary reward .* wrong shape; got \(3,\)"),
        ({"stub": Stub(), "auxiliary": lambda o, a, n: float("inf")}, "auxiliary reward of a step is not finite"),
        ({"stub": Stub(observation=(float("nan"),))}, "observation of the environment holds nan"),
        ({"stub": Stub(observation={"a": 1})}, "must be one array.*FlattenObservation"),
        ({"stub": Stub(), "policy": lambda seen: torch.zeros(3)}, r"a policy must give logits.*got .*\(3,\)"),
        ({"stub": Stub(), "policy": lambda seen: 0}, "a policy must give logits"),
        ({"stub": Stub(), "policy": lambda seen: torch.full((1, 2), float("nan"))}, "logits hold nan"),
        ({"stub": Stub(), "policy": lambda seen: Normal(torch.zeros(1, 2), 1.0)}, r"batch shape \(1, 2\).*Independent"),
    ],
)
def test_what_cannot_be_used_is_told(options: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidObservation, match=f"(?s){text}"):
        run(**options)


def test_actions_may_be_several_numbers() -> None:
    stub = Stub()
    told = run(stub, policy=lambda seen: Independent(Normal(torch.zeros(len(seen), 3), 1.0), 1))
    assert told.actions.shape == (2, 3)
    assert [action.shape for action in stub.actions] == [(3,), (3,)]
    assert isinstance(stub.seed, int)


def test_weights_are_linear_in_features() -> None:
    features, width = fourier_features(3, [0.0, -1.0], [1.0, 1.0])
    network = Weights(features, width, dtype=torch.float64)
    assert width == 16
    seen = torch.rand(5, 2, dtype=torch.float64)
    assert torch.equal(network(seen), torch.tensor([[0.0, 1.0, 1.0]]).double().expand(5, 3))
    with torch.no_grad():
        network.phi3[6] = 2.0  # frequencies 1 and 2
    expected = 1.0 + 2.0 * torch.cos(torch.pi * (seen[:, 0] + 2.0 * (seen[:, 1] + 1.0) / 2.0))
    assert torch.allclose(network(seen)[:, 2], expected)
    with pytest.raises(InvalidArgument, match=r"another shape than was said; got \(5, 16\); allowed: \(5, 3\)"):
        Weights(features, 3)(seen)
    with pytest.raises(InvalidArgument, match="ranges"):
        fourier_features(1, [0.0], [0.0])
