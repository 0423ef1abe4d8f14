"""Markov decision processes small enough for tables, as bilevel problems whose losses are exact.

Needs transition probabilities P, both rewards, a start distribution m and a discount. With a softmax policy pi,

    J(pi; r, gamma) = m' (I - gamma P_pi)^-1 r_pi,     P_pi[s, t] = sum_a pi(a | s) P(t | s, a),  r_pi likewise

by one linear solve, and the bilevel problem of BARFI (see `barfi`) is

    outer loss  -J(pi; r_p, gamma_p)
    inner loss  -J(pi; r_phi, gamma_phi) - lambda_H mean_s entropy(pi(. | s)) + lambda_theta |theta|^2

with the logits theta of the policy. The last term is not in the paper. It keeps the Hessian of the inner loss from
being singular: a constant added to all logits of a state changes no policy, and neither does a large logit that grows.
Every state counts the same in the entropy, also one that is hardly visited. The inner loss is not convex: what is found
is a strict minimum, and there may be another one.

A state that no action leaves is terminal. Its rewards have to be zero, and the blend pays nothing there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from trimtab.base.errors import InvalidArgument, InvalidObservation, message
from trimtab.tuners.gradients.bilevel.flat import Tensors
from trimtab.tuners.gradients.bilevel.problem import BilevelProblem
from trimtab.tuners.gradients.rewards.blend import GAMMA_LOGIT, PHI, blended, logit

__all__ = ["LOGITS", "TabularProblem", "best_response"]

LOGITS = "logits"
"""Name of the policy's parameters."""

ROUNDING = 1e-9
"""Probabilities may miss one by so much."""

STEPS = 500
"""Most steps of the trust region method."""

POLISH = 4
"""Most Newton steps after it."""


@dataclass(frozen=True, slots=True, eq=False)
class TabularProblem:
    """A Markov decision process with a primary and an auxiliary reward, for S states and A actions.

    Arguments:
        transition: P(t | s, a), shape (S, A, S).
        primary: r_p(s, a), what counts, shape (S, A).
        auxiliary: r_aux(s, a), what somebody hopes helps, shape (S, A).
        start: m, shape (S,).
        discount: gamma_p of the primary objective, in (0, 1); the learnt one starts there.
        features: of the states, shape (S, d), the first of them 1; None for 1 alone, so that phi is three numbers.
        potential: whether the auxiliary reward is a potential, and gamma_p r_aux(s', a') - r_aux(s, a) is paid in its
            place: E. Wiewiora, G. Cottrell and C. Elkan, "Principled methods for advising reinforcement learning
            agents", ICML 2003, after A. Ng, D. Harada and S. Russell, ICML 1999.

    Attributes:
        terminal: which states are, shape (S,).

    Raises:
        InvalidArgument: shapes that do not fit, probabilities that are none, or rewards of terminal states.
    """

    transition: Tensor
    primary: Tensor
    auxiliary: Tensor
    start: Tensor
    discount: float
    features: Tensor | None = None
    potential: bool = False
    terminal: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the shapes, the probabilities and the rewards."""
        logit(self.discount)
        if self.transition.dim() != 3 or self.transition.shape[0] != self.transition.shape[2]:
            raise _shape("transition", self.transition, "(S, A, S)")
        states, actions, _ = self.transition.shape
        if actions < 2:
            raise _shape("transition", self.transition, "(S, A, S) with two or more actions A")
        for name, shape in (("primary", (states, actions)), ("auxiliary", (states, actions)), ("start", (states,))):
            if tuple(getattr(self, name).shape) != shape:
                raise _shape(name, getattr(self, name), str(shape))
        if self.features is not None and (self.features.dim() != 2 or len(self.features) != states):
            raise _shape("features", self.features, f"({states}, d)")
        for name in ("transition", "primary", "auxiliary", "start", "features"):
            tensor = getattr(self, name)
            if tensor is None:
                continue
            if not bool(torch.isfinite(tensor).all()):
                raise InvalidArgument(message(f"the table {name!r} holds nan or inf", do="give finite numbers"))
            object.__setattr__(self, name, tensor.detach().to(torch.float64).clone())
        for name in ("transition", "start"):
            chances = getattr(self, name)
            if bool((chances < 0.0).any()) or bool(((chances.sum(-1) - 1.0).abs() > ROUNDING).any()):
                raise InvalidArgument(
                    message(
                        f"the table {name!r} holds no probabilities", allowed=">= 0, with a sum of 1 in the last axis"
                    )
                )
        stays = torch.diagonal(self.transition, dim1=0, dim2=2)  # (A, S)
        terminal = (stays >= 1.0 - ROUNDING).all(0)
        for name in ("primary", "auxiliary"):
            if bool(getattr(self, name)[terminal].any()):
                raise InvalidArgument(
                    message(
                        f"the {name} reward of a terminal state, one that no action leaves, is not zero",
                        got=getattr(self, name)[terminal].tolist(),
                        do="pay it on the way in, or let some action leave the state",
                    )
                )
        object.__setattr__(self, "terminal", terminal)

    @property
    def initial(self) -> dict[str, Tensor]:
        """The hyperparameters of the naive sum: phi1, phi2, phi3, shape (d,) each, and the logit of gamma_p."""
        width = 1 if self.features is None else self.features.shape[1]
        made = {name: torch.zeros(width, dtype=torch.float64) for name in PHI}
        made["phi2"][0] = made["phi3"][0] = 1.0
        return made | {GAMMA_LOGIT: torch.tensor(logit(self.discount), dtype=torch.float64)}

    def policy(self, parameters: Tensors) -> Tensor:
        """pi(a | s), shape (S, A), of logits of that shape."""
        return torch.softmax(parameters[LOGITS], 1)

    def value_of(self, policy: Tensor, reward: Tensor, discount: Tensor | float) -> Tensor:
        """J of a policy and a reward, shapes (S, A); shape ()."""
        moves = torch.einsum("sa,sat->st", policy, self.transition)
        paid = (policy * reward).sum(1)
        values: Tensor = torch.linalg.solve(torch.eye(len(paid), dtype=paid.dtype) - discount * moves, paid)
        return self.start @ values

    def primary_return(self, parameters: Tensors) -> Tensor:
        """J_p, shape ()."""
        return self.value_of(self.policy(parameters), self.primary, self.discount)

    def reward(self, policy: Tensor, hyperparameters: Tensors) -> Tensor:
        """r_phi, shape (S, A); of the policy only where the auxiliary reward is a potential."""
        auxiliary = self.auxiliary
        if self.potential:
            after = torch.einsum("sat,t->sa", self.transition, (policy * auxiliary).sum(1))
            auxiliary = self.discount * after - auxiliary
        phi = torch.stack([hyperparameters[name] for name in PHI], dim=1)
        states = len(self.start)
        weights = phi.expand(states, -1) if self.features is None else self.features @ phi
        weights = weights[:, None, :].expand(states, self.primary.shape[1], 3)
        return blended(weights, self.primary, auxiliary) * (~self.terminal)[:, None]

    def bilevel(self, entropy: float, policy_penalty: float) -> BilevelProblem:
        """The bilevel problem, with the logits at zero and the hyperparameters of the naive sum to start from.

        Arguments:
            entropy: lambda_H.
            policy_penalty: lambda_theta.
        """

        def inner(parameters: Tensors, hyperparameters: Tensors, batch: Any) -> Tensor:
            policy = self.policy(parameters)
            reward = self.reward(policy, hyperparameters)
            spread = -(policy * torch.log_softmax(parameters[LOGITS], 1)).sum(1).mean()
            gamma = torch.sigmoid(hyperparameters[GAMMA_LOGIT])
            size = parameters[LOGITS].square().sum()
            return policy_penalty * size - self.value_of(policy, reward, gamma) - entropy * spread

        def outer(parameters: Tensors, hyperparameters: Tensors, batch: Any) -> Tensor:
            return -self.primary_return(parameters)

        return BilevelProblem(inner, outer, {LOGITS: torch.zeros_like(self.primary)}, self.initial)

    def best_return(self) -> float:
        """The greatest J_p of any policy, by policy iteration."""
        rows = torch.arange(len(self.start))
        chosen = torch.zeros(len(self.start), dtype=torch.int64)
        while True:
            moves, paid = self.transition[rows, chosen], self.primary[rows, chosen]
            values = torch.linalg.solve(torch.eye(len(paid), dtype=paid.dtype) - self.discount * moves, paid)
            gains = self.primary + self.discount * self.transition @ values
            best = gains.argmax(1)
            # An action that is no better by more than rounding is no reason to go on: ties would go round for ever.
            better = torch.where(gains[rows, best] > gains[rows, chosen] + ROUNDING, best, chosen)
            if bool((better == chosen).all()):
                return float(self.start @ values)
            chosen = better


def best_response(
    problem: BilevelProblem, hyperparameters: Tensors, start: Tensor, tolerance: float
) -> tuple[Tensor, int]:
    """A minimum of the inner loss, flat, shape (n,), and how many gradients and Hessians that took.

    A trust region method with the exact Hessian, for few parameters (SciPy's "trust-exact"; J. Nocedal and S. Wright,
    Numerical Optimization, 2nd edition 2006, section 4.3). It ends in a minimum also where the loss is not convex.

    Arguments:
        problem: one without batches, in float64.
        hyperparameters: h by name.
        start: w to begin at, flat, shape (n,).
        tolerance: on the Euclidean norm of the inner gradient.

    Raises:
        InvalidObservation: the loss is not finite, or the tolerance was not met.
    """
    taken = 0

    def graph(point: NDArray[np.float64]) -> tuple[Tensor, Tensor, Tensor]:
        nonlocal taken
        taken += 1
        w = torch.tensor(point, requires_grad=True)
        loss = problem.loss("inner", problem.layout.named(w), hyperparameters, 0)
        (slope,) = torch.autograd.grad(loss, w, create_graph=True)
        return w, loss, slope

    def value(point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        _, loss, slope = graph(point)
        return float(loss.detach()), slope.detach().numpy()

    def hessian(point: NDArray[np.float64]) -> NDArray[np.float64]:
        w, _, slope = graph(point)
        (rows,) = torch.autograd.grad(slope, w, torch.eye(len(w), dtype=w.dtype), is_grads_batched=True)
        made: NDArray[np.float64] = ((rows + rows.T) / 2.0).numpy()
        return made

    found = minimize(
        value,
        start.detach().numpy(),
        jac=True,
        hess=hessian,
        method="trust-exact",
        options={"gtol": tolerance, "maxiter": STEPS},
    )
    point, (_, slope) = found.x, value(found.x)
    for _ in range(POLISH):
        if np.linalg.norm(slope) <= tolerance:
            return torch.from_numpy(point), taken
        # Here a trust region method stops for want of a loss that falls by more than rounding.
        point = point - np.linalg.solve(hessian(point), slope)
        _, slope = value(point)
    raise InvalidObservation(
        message(
            "the inner problem of a tabular policy was not solved",
            got=f"a gradient of {np.linalg.norm(slope):.3g} after {taken} gradients",
            allowed=f"{tolerance:.3g}",
            do="raise the penalty of the policy's logits, or the tolerance",
        )
    )


def _shape(name: str, tensor: Tensor, allowed: str) -> InvalidArgument:
    return InvalidArgument(
        message(
            f"the table {name!r} of a Markov decision process has a wrong shape",
            got=tuple(tensor.shape),
            allowed=allowed,
        )
    )
