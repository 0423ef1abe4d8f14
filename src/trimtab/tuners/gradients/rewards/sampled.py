"""Sampled episodes as bilevel problems: losses of a batch whose gradients are the policy gradient and its derivatives.

Needs an environment with Gymnasium's interface, a policy with derivatives, and an auxiliary reward. On a batch of E
episodes, with the sums of blended rewards from step t on, G_t = sum_{k >= t} gamma_phi^(k - t) r_phi(s_k, a_k),

    inner loss  -1/E sum_e sum_t [ log pi(a_t | s_t) G_t + lambda_H entropy(pi(. | s_t)) ] + lambda_theta |theta|^2
    outer loss  -1/E sum_e [ G^p_0 + (S_e - detached S_e) ],     S_e = sum_t log pi(a_t | s_t) G^p_t

with G^p of r_p and gamma_p. The first has the gradient of REINFORCE (R. J. Williams, "Simple statistical
gradient-following algorithms for connectionist reinforcement learning", Machine Learning 8, 1992) on r_phi, without the
factor gamma^t in front and without importance weights for episodes of older policies, as in the authors' program; its
value means nothing. The second has the mean return for a value, and the policy gradient of J_p for a gradient. Second
derivatives are those of the inner loss at a fixed batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.func import functional_call

from trimtab.base.errors import InvalidArgument, check_count, message
from trimtab.base.seeds import Key
from trimtab.tuners.gradients.bilevel.flat import Tensors
from trimtab.tuners.gradients.bilevel.problem import BilevelProblem
from trimtab.tuners.gradients.rewards.blend import GAMMA_LOGIT, Weights, blended, logit
from trimtab.tuners.gradients.rewards.episodes import (
    Auxiliary,
    Environment,
    Episodes,
    PolicyOutput,
    as_distribution,
    collect,
)

__all__ = ["PolicyFunction", "SampledProblem"]

PolicyFunction: TypeAlias = Callable[[Tensors, Tensor], PolicyOutput]
"""(parameters, observations of shape (n, ...)) -> logits, shape (n, A), or a distribution over n actions."""


@dataclass(frozen=True, slots=True, eq=False)
class SampledProblem:
    """An environment, a policy, and the two rewards.

    Arguments:
        environment: makes a new environment; it may be asked for dozens of them.
        policy: a module, in the mode that it is to be run in, or a function of parameters and observations. Buffers,
            such as running means, are no part of a run's state: use layers without them.
        auxiliary: (observation, action, next observation) -> the auxiliary reward of a step.
        parameters: of a policy that is a function; None for a module, whose own are used.
        weights: the reward network, observations to phi1, phi2 and phi3, shape (n, 3); `Weights()` by default, three
            numbers that are the same everywhere.
        discount: gamma_p of the primary objective, in (0, 1].
        gamma: where the learnt discount starts, in (0, 1).
        longest: steps after which an episode that did not end is an error.
        potential: whether the auxiliary reward is a potential, and gamma_p r_aux' - r_aux is paid in its place.

    Attributes:
        initial: the hyperparameters to start from.

    Raises:
        InvalidArgument: a policy without parameters, or one that shares some with the reward network.
    """

    environment: Callable[[], Environment]
    policy: nn.Module | PolicyFunction
    auxiliary: Auxiliary
    parameters: Tensors | None = None
    weights: nn.Module | None = None
    discount: float = 0.99
    gamma: float = 0.99
    longest: int = 1000
    potential: bool = False
    initial: Mapping[str, Tensor] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the tensors and numbers."""
        if not 0.0 < self.discount <= 1.0:
            raise InvalidArgument(
                message("the discount of episodes is out of range", got=self.discount, allowed="(0, 1]")
            )
        check_count(self.longest, "the length of the longest episode")
        if isinstance(self.policy, nn.Module):
            if self.parameters is not None:
                raise InvalidArgument(
                    message("a policy that is a module brings its own parameters", do="leave `parameters` out")
                )
            trained: Mapping[str, Tensor] = {n: p for n, p in self.policy.named_parameters() if p.requires_grad}
            object.__setattr__(self, "parameters", trained)
        if not isinstance(self.parameters, Mapping) or not self.parameters:
            raise InvalidArgument(
                message("the policy has no parameters to train", got=self.parameters, do="give `parameters`, by name")
            )
        like = next(iter(self.parameters.values()))
        weights = Weights(dtype=like.dtype) if self.weights is None else self.weights
        object.__setattr__(self, "weights", weights)
        learnt = {name: part for name, part in weights.named_parameters() if part.requires_grad}
        held = [*weights.parameters(), *weights.buffers()]
        shared = [
            name
            for name, part in self.parameters.items()
            if any(part.untyped_storage().data_ptr() == other.untyped_storage().data_ptr() for other in held)
        ]
        if shared:
            raise InvalidArgument(
                message(
                    f"the policy shares parameter {shared[0]!r} with the reward network: a step of the one would move "
                    "the other, and the implicit gradient would be wrong",
                    do="give each a network of its own, for instance with copy.deepcopy",
                )
            )
        gamma = torch.tensor(logit(self.gamma), dtype=like.dtype, device=like.device)
        object.__setattr__(self, "initial", {**learnt, GAMMA_LOGIT: gamma})

    def act(self, parameters: Tensors, observations: Tensor) -> PolicyOutput:
        """What the policy says with these parameters."""
        if isinstance(self.policy, nn.Module):
            return functional_call(self.policy, dict(parameters), (observations,))  # type: ignore[no-any-return]
        return self.policy(parameters, observations)

    def collect(self, parameters: Tensors, count: int, key: Key) -> Episodes:
        """Run episodes with these parameters; errors as for `episodes.collect`."""
        like = next(iter(parameters.values()))
        made = collect(
            self.environment,
            lambda observations: self.act(parameters, observations),
            self.auxiliary,
            like.detach(),
            count,
            self.longest,
            key,
        )
        return made.shaped(self.discount) if self.potential else made

    def inner_loss(
        self, parameters: Tensors, hyperparameters: Tensors, batch: Episodes, entropy: float, policy_penalty: float
    ) -> Tensor:
        """The inner loss of the module's head on a batch, shape ()."""
        assert self.weights is not None  # filled in at the start
        learnt = {name: tensor for name, tensor in hyperparameters.items() if name != GAMMA_LOGIT}
        weights = functional_call(self.weights, learnt, (batch.observations,))
        reward = blended(weights, batch.primary, batch.auxiliary)
        to_go = batch.to_go(reward, torch.sigmoid(hyperparameters[GAMMA_LOGIT]))
        chosen = as_distribution(self.act(parameters, batch.observations), len(batch.observations))
        gained = chosen.log_prob(batch.actions) * to_go + entropy * chosen.entropy()
        size = torch.stack([tensor.square().sum() for tensor in parameters.values()]).sum()
        return policy_penalty * size - gained.sum() / len(batch)

    def outer_loss(self, parameters: Tensors, batch: Episodes) -> Tensor:
        """The outer loss of the module's head on a batch, shape ()."""
        to_go = batch.to_go(batch.primary, self.discount)
        chosen = as_distribution(self.act(parameters, batch.observations), len(batch.observations))
        score = (chosen.log_prob(batch.actions) * to_go).sum() / len(batch)
        return -(batch.returns(self.discount).mean() + score - score.detach())

    def bilevel(
        self, entropy: float, policy_penalty: float, batches: tuple[Episodes, Episodes] | None = None
    ) -> BilevelProblem:
        """The bilevel problem of two batches, of the inner and of the outer loss.

        Arguments:
            entropy, policy_penalty: lambda_H and lambda_theta.
            batches: fixed ones; None for episodes of the initial policy, others in each step.
        """
        assert self.parameters is not None  # filled in at the start
        start = self.parameters

        def drawn(step: int) -> Episodes:
            return self.collect(start, 1, Key(0, step, "barfi/initial"))

        return BilevelProblem(
            lambda w, h, batch: self.inner_loss(w, h, batch, entropy, policy_penalty),
            lambda w, h, batch: self.outer_loss(w, batch),
            start,
            self.initial,
            drawn if batches is None else _Always(batches[0]),
            drawn if batches is None else _Always(batches[1]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Always:
    """A sampler with one answer."""

    batch: Episodes

    def __call__(self, step: int) -> Any:
        return self.batch
