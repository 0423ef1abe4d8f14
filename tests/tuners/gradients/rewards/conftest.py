"""A chain whose goal is at its right end: as tables, and as an environment with Gymnasium's interface."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from trimtab.tuners.gradients.rewards import SampledProblem, TabularProblem


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tables(left: float, right: float, states: int = 6, **options: Any) -> TabularProblem:
    """Reward 1 for the step into the last state, which is terminal; auxiliary rewards for moves to either side."""
    transition = torch.zeros(states, 2, states)
    primary, auxiliary = torch.zeros(states, 2), torch.zeros(states, 2)
    for state in range(states - 1):
        transition[state, 0, max(state - 1, 0)] = transition[state, 1, state + 1] = 1.0
        auxiliary[state] = torch.tensor([left, right])
    transition[-1, :, -1] = primary[-2, 1] = 1.0
    start = torch.zeros(states)
    start[0] = 1.0
    return TabularProblem(transition, primary, auxiliary, start, 0.95, **options)


class Corridor:
    """The same chain, step by step; an episode is cut off after `limit` steps."""

    def __init__(self, states: int = 6, limit: int = 30) -> None:
        self.states, self.limit, self.place, self.time = states, limit, 0, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self.place = self.time = 0
        return self.seen(), {}

    def seen(self) -> Any:
        return np.eye(self.states)[self.place]

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.place = min(self.place + 1, self.states - 1) if action == 1 else max(self.place - 1, 0)
        self.time += 1
        there = self.place == self.states - 1
        return self.seen(), float(there), there, self.time >= self.limit, {}


class Short(Corridor):
    """Four states, fifteen steps."""

    def __init__(self) -> None:
        super().__init__(4, 15)


def pays_left(observation: Any, action: int, after: Any) -> float:
    """The misleading auxiliary reward."""
    return 0.3 if action == 0 else 0.0


def table_policy(states: int = 6, actions: int = 2) -> nn.Module:
    policy = nn.Linear(states, actions, bias=False, dtype=torch.float64)
    nn.init.zeros_(policy.weight)
    return policy


def corridor(**options: Any) -> SampledProblem:
    given: dict[str, Any] = {"discount": 0.95, "gamma": 0.95, **options}
    return SampledProblem(
        given.pop("environment", Corridor),
        given.pop("policy", table_policy()),
        given.pop("auxiliary", pays_left),
        **given,
    )


@pytest.fixture
def chain() -> Callable[..., TabularProblem]:
    return tables


@pytest.fixture
def walk() -> Callable[..., SampledProblem]:
    return corridor


@pytest.fixture
def short_walk() -> SampledProblem:
    """Best return 0.95^2."""
    return corridor(environment=Short, policy=table_policy(4))
