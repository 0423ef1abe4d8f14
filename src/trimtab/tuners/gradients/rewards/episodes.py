"""Episodes: what an environment is asked for, what a policy did in it, and the buffer that keeps it.

The interface is that of Gymnasium (M. Towers et al., "Gymnasium: A standard interface for reinforcement learning
environments", 2024, arXiv 2407.17032), as a protocol; the package itself is not needed. Episodes run to their end, and
several run side by side so that the policy is asked once for all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution

from trimtab.base.errors import InvalidArgument, InvalidObservation, message
from trimtab.base.seeds import Key

__all__ = ["Auxiliary", "Environment", "Episodes", "PolicyOutput", "as_distribution", "collect"]

SIDE_BY_SIDE = 32
"""Most environments that are made at a time."""

SEEDS = 2**31
"""Seeds of environments are below this."""


class Environment(Protocol):
    """What is asked of an environment: Gymnasium's `reset` and `step`."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode, a function of the seed alone; the first observation, and whatever else is to be told."""
        ...

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Take an action; the next observation, the primary reward, terminated, truncated, and the rest."""
        ...


Auxiliary: TypeAlias = Callable[[Any, Any, Any], float]
"""(observation, action, next observation) -> auxiliary reward, one number."""

PolicyOutput: TypeAlias = Tensor | Distribution
"""Logits of A actions, shape (n, A), or a distribution over n actions."""


@dataclass(frozen=True, slots=True, eq=False)
class Episodes:
    """Some episodes, one after the other, N steps in all. Immutable.

    Arguments:
        observations: before each step, shape (N, ...).
        actions: shape (N,), or (N, ...) where an action is several numbers.
        primary, auxiliary: rewards, shape (N,).
        lengths: steps of each episode, oldest first, whole numbers, shape (E,).
    """

    observations: Tensor
    actions: Tensor
    primary: Tensor
    auxiliary: Tensor
    lengths: Tensor

    def __len__(self) -> int:
        return len(self.lengths)

    def tensors(self) -> dict[str, Tensor]:
        """All of it by name; `Episodes(**tensors)` gives it back."""
        return {name: getattr(self, name) for name in ("observations", "actions", "primary", "auxiliary", "lengths")}

    def taken(self, places: Tensor) -> Episodes:
        """Those at these places, shape (k,), in that order."""
        ends = self.lengths.cumsum(0)
        lengths = self.lengths[places]
        before = lengths.cumsum(0) - lengths
        rows = torch.arange(int(lengths.sum())) + ((ends - self.lengths)[places] - before).repeat_interleave(lengths)
        return Episodes(self.observations[rows], self.actions[rows], self.primary[rows], self.auxiliary[rows], lengths)

    def newest(self, count: int) -> Episodes:
        """The last `count`, or all where there are no more."""
        return self.taken(torch.arange(max(0, len(self) - count), len(self)))

    def joined(self, later: Episodes) -> Episodes:
        """These, and then those."""
        both = zip(self.tensors().items(), later.tensors().values(), strict=True)
        return Episodes(**{name: torch.cat([first, second]) for (name, first), second in both})

    @property
    def mask(self) -> Tensor:
        """Which entries of a table of episodes by steps are steps, shape (E, T), for T the greatest length."""
        return torch.arange(int(self.lengths.max())) < self.lengths[:, None]

    def to_go(self, rewards: Tensor, discount: Tensor | float) -> Tensor:
        """Discounted sums of rewards from each step to its episode's end, shape (N,); differentiable in both.

        Costs E T^2 products, for T the greatest length.
        """
        mask = self.mask.to(rewards.device)
        steps = torch.arange(mask.shape[1], device=rewards.device)
        lag = (steps[:, None] - steps[None, :]).to(rewards.dtype)  # from step t (column) to step k (row)
        gamma = torch.as_tensor(discount, dtype=rewards.dtype, device=rewards.device)
        powers = torch.where(lag >= 0, gamma ** lag.clamp(min=0), 0.0)
        table = rewards.new_zeros(mask.shape).masked_scatter(mask, rewards)
        sums: Tensor = (table @ powers)[mask]
        return sums

    def returns(self, discount: float) -> Tensor:
        """Discounted primary returns of the episodes, shape (E,)."""
        return self.to_go(self.primary, discount)[self.lengths.cumsum(0) - self.lengths]

    def shaped(self, discount: float) -> Episodes:
        """The same with the auxiliary reward b as a potential: discount b_{t+1} - b_t, with b = 0 after the end."""
        after = torch.cat([self.auxiliary[1:], self.auxiliary.new_zeros(1)])
        last = self.lengths.cumsum(0) - 1
        after = after.index_fill(0, last, 0.0)
        return Episodes(self.observations, self.actions, self.primary, discount * after - self.auxiliary, self.lengths)


def collect(
    environment: Callable[[], Environment],
    policy: Callable[[Tensor], PolicyOutput],
    auxiliary: Auxiliary,
    like: Tensor,
    count: int,
    longest: int,
    key: Key,
) -> Episodes:
    """Run episodes to their end; a function of its arguments, as far as the environment is one of its seeds.

    Arguments:
        environment: makes a new environment.
        policy: observations, shape (n, ...), to what decides on actions.
        auxiliary: the auxiliary reward of a step.
        like: a tensor whose dtype and device observations and rewards get.
        count: how many episodes.
        longest: steps after which an episode that did not end is an error.
        key: of actions and of the environments' seeds.

    Raises:
        InvalidObservation: an episode did not end, or something is not finite or of a wrong shape.
    """
    made: Episodes | None = None
    for first in range(0, count, SIDE_BY_SIDE):
        places = range(first, min(first + SIDE_BY_SIDE, count))
        some = _side_by_side(environment, policy, auxiliary, like, places, longest, key)
        made = some if made is None else made.joined(some)
    if made is None:
        raise InvalidArgument(message("no episodes were asked for", got=count, allowed="1 or more"))
    return made


def as_distribution(output: PolicyOutput, count: int) -> Distribution:
    """What a policy says of `count` observations, as a distribution over as many actions.

    Raises:
        InvalidObservation: it is neither logits nor a distribution of that many, or it is not finite.
    """
    if isinstance(output, Distribution):
        if tuple(output.batch_shape) == (count,):
            return output
        got: object = f"a distribution of batch shape {tuple(output.batch_shape)}"
    elif isinstance(output, Tensor):
        if output.dim() == 2 and len(output) == count and output.shape[1] >= 2:
            if not bool(torch.isfinite(output).all()):
                raise InvalidObservation(
                    message("the policy's logits hold nan or inf", do="lower the rates, or look at the observations")
                )
            return Categorical(logits=output, validate_args=False)
        got = f"a tensor of shape {tuple(output.shape)}"
    else:
        got = output
    raise InvalidObservation(
        message(
            "a policy must give logits or a distribution over actions",
            got=got,
            allowed=f"shape ({count}, A) for A actions, or a distribution of batch shape ({count},)",
            do="wrap several independent components in torch.distributions.Independent",
        )
    )


def _side_by_side(
    environment: Callable[[], Environment],
    policy: Callable[[Tensor], PolicyOutput],
    auxiliary: Auxiliary,
    like: Tensor,
    places: range,
    longest: int,
    key: Key,
) -> Episodes:
    """The episodes at these places; the policy is asked once a step for all that still run."""
    environments = [environment() for _ in places]
    steps: list[list[tuple[Tensor, Tensor, float, float]]] = [[] for _ in places]
    now = [
        made.reset(seed=key.child(f"environment/{place}").integer() % SEEDS)[0]
        for place, made in zip(places, environments, strict=True)
    ]
    running = list(range(len(environments)))
    with torch.random.fork_rng(devices=[] if like.device.type == "cpu" else [like.device]), torch.no_grad():
        torch.manual_seed(key.child(f"actions/{places.start}").integer() % 2**63)
        while running:
            seen = torch.stack([_observed(now[i], like) for i in running])
            actions = as_distribution(policy(seen), len(running)).sample()
            still = []
            for row, i in enumerate(running):
                plain = actions[row].cpu().numpy()
                action = int(plain) if plain.ndim == 0 and not actions.is_floating_point() else plain
                after, reward, terminated, truncated, _ = environments[i].step(action)
                extra = auxiliary(now[i], action, after)
                steps[i].append((seen[row], actions[row], _number(reward, "primary"), _number(extra, "auxiliary")))
                now[i] = after
                if terminated or truncated:
                    continue
                if len(steps[i]) >= longest:
                    raise InvalidObservation(
                        message(
                            f"an episode did not end in {longest} steps",
                            allowed="episodes that are terminated or truncated",
                            do="put a time limit around the environment, or raise `longest`",
                        )
                    )
                still.append(i)
            running = still
    flat = [step for episode in steps for step in episode]
    return Episodes(
        torch.stack([step[0] for step in flat]),
        torch.stack([step[1] for step in flat]),
        torch.tensor([step[2] for step in flat], dtype=like.dtype, device=like.device),
        torch.tensor([step[3] for step in flat], dtype=like.dtype, device=like.device),
        torch.tensor([len(episode) for episode in steps]),
    )


def _observed(observation: Any, like: Tensor) -> Tensor:
    """An observation as a finite tensor.

    Raises:
        InvalidObservation: it is none.
    """
    if isinstance(observation, Mapping | tuple):
        raise InvalidObservation(
            message(
                "an observation must be one array of numbers",
                got=observation,
                do="flatten it, for instance with gymnasium.wrappers.FlattenObservation",
            )
        )
    seen = torch.as_tensor(np.asarray(observation)).to(like)
    if not bool(torch.isfinite(seen).all()):
        raise InvalidObservation(message("an observation of the environment holds nan or inf", got=observation))
    return seen


def _number(reward: Any, which: str) -> float:
    """A reward as a number.

    Raises:
        InvalidObservation: it has another shape, or is not finite.
    """
    if np.ndim(reward) != 0:
        raise InvalidObservation(
            message(
                f"the {which} reward of a step has a wrong shape",
                got=np.shape(reward),
                allowed="one number",
                do="sum it up, or take the entry that counts",
            )
        )
    number = float(reward)
    if not math.isfinite(number):
        raise InvalidObservation(message(f"the {which} reward of a step is not finite", got=number))
    return number
