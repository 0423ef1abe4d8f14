"""BARFI: rewards that are learnt so that the policy which they train is good in what counts.

Needs episodes of a policy in an environment, a primary reward r_p, which counts, and an auxiliary one r_aux, a
heuristic that may be wrong. D. Gupta, Y. Chandak, S. M. Jordan, P. S. Thomas and B. Castro da Silva, "Behavior
Alignment via Reward Function Optimization", NeurIPS 2023 (arXiv 2310.19007):

    maximise over (phi, c)   J_p(theta*) - lambda_phi |phi|^2 - lambda_gamma gamma_phi
    theta*(phi, c)           makes  D = grad_theta [ J_phi(theta) + lambda_H entropy(pi_theta) ]  zero

    J_p     discounted return of r_p
    J_phi   that of r_phi = phi1(s) + phi2(s) r_p + phi3(s) r_aux with the discount gamma_phi = sigmoid(c)

Each round, after a first training on the naive sum of both rewards:

    1. delta episodes; v = grad_theta J_p on them
    2. D on a batch of older episodes, with its graph; b = s = v, and K times  b <- b + a (dD / dtheta)' b,  s <- s + b
    3. grad J_p = (dD / d(phi, c))' a s, less the gradients of the penalties; one RMSprop step up
    4. policy gradient steps on r_phi and gamma_phi, on episodes of the buffer

a s is the Neumann series of (-dD / dtheta)^-1 v. With the K = 5 and a = 5e-4 of the authors' program it is nearly
6 a v, the first term alone.

What it cannot do. An episode without primary reward says nothing of where to find it: where the naive policy never
meets any, v is zero and phi stays where it is. Entropy is what keeps it away from there, and so does a short and slow
first training. Where the inner problem is not concave at theta, the direction may point downhill. A blend may grow as a
whole, which makes entropy count for less: part of what it gains over fixed rewards is to be had by less entropy, too.

This file follows the authors' program where the paper is silent; see `sampled` for the losses. It differs in these. The
schedule of the first training is: `warm_up` episodes, after one step on a first few, then `first_steps` steps.
lambda_theta is not in the paper and 0 by default. The policy gradient has no baseline. The batch of step 2 is drawn
from all older episodes of the buffer, without replacement, or is all of them where there are fewer. Each random number
is a function of the seed and the round, so a run that was cut off goes on from its state as if nothing had happened.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from trimtab.base.errors import InvalidArgument, InvalidObservation, check_count, message
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.tuners.gradients.bilevel.derivatives import Linearisation, finite, leaves
from trimtab.tuners.gradients.bilevel.descent import State
from trimtab.tuners.gradients.bilevel.flat import Layout, Tensors
from trimtab.tuners.gradients.bilevel.linear_systems import Product
from trimtab.tuners.gradients.rewards.blend import ascended, check_weights
from trimtab.tuners.gradients.rewards.episodes import Episodes
from trimtab.tuners.gradients.rewards.sampled import SampledProblem
from trimtab.tuners.gradients.self_tuning.rules import RmsProp

__all__ = ["BARFI_REFS", "Barfi", "buffer_of", "neumann"]

BARFI_REFS = (
    Reference(
        authors="Gupta, Dhawal and Chandak, Yash and Jordan, Scott M. and Thomas, Philip S. and Castro da Silva, Bruno",
        title="Behavior Alignment via Reward Function Optimization",
        year=2023,
        venue="Advances in Neural Information Processing Systems 36",
        arxiv="2310.19007",
    ),
)

BUFFER = "buffer."
"""What the names of the buffer's tensors begin with in a state."""

POLICY = "policy."
"""What the names of the memory of the policy's RMSprop begin with in a state."""

SHOWN = 30
"""The value of a state is the mean primary return of so many newest episodes, with its sign turned."""


@dataclass(frozen=True, slots=True)
class Barfi:
    """BARFI with the Neumann series, on sampled episodes. A numeric setting may be a param of a `BarfiTask`.

    Arguments:
        entropy: lambda_H.
        policy_penalty: lambda_theta, weight of the policy's squared parameters in the inner problem.
        rate: of the outer RMSprop; 0 for none, which leaves REINFORCE with a buffer, on the initial blend.
        phi_penalty: lambda_phi, weight of |phi|^2.
        gamma_penalty: lambda_gamma, weight of gamma_phi.
        neumann_terms: K, terms after the first.
        neumann_step: a, below 2 over the largest curvature of the inner loss.
        policy_rate: of the policy's RMSprop.
        episodes: delta, new ones in each round.
        inner_steps: policy gradient steps in each round.
        batch: episodes of each of these.
        outer_batches: so many times as many are in the batch of the implicit gradient.
        buffer: most episodes that are kept.
        warm_up: episodes before the first round.
        first_steps: policy gradient steps before it.
        seed: of everything random.

    Raises:
        InvalidArgument: a number out of its range.
    """

    entropy: float = 0.25
    policy_penalty: float = 0.0
    rate: float = 5e-3
    phi_penalty: float = 0.0
    gamma_penalty: float = 0.06
    neumann_terms: int = 5
    neumann_step: float = 5e-4
    policy_rate: float = 5e-3
    episodes: int = 3
    inner_steps: int = 15
    batch: int = 1
    outer_batches: int = 15
    buffer: int = 1000
    warm_up: int = 155
    first_steps: int = 165
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_weights(
            self,
            ("entropy", "policy_penalty", "rate", "phi_penalty", "gamma_penalty"),
            ("neumann_step", "policy_rate"),
        )
        least = {"neumann_terms": 0, "first_steps": 0, "seed": 0}
        for each in fields(self):
            if each.type == "int":
                check_count(getattr(self, each.name), f"Barfi: {each.name}", least.get(each.name, 1))
        if self.buffer < self.episodes + self.batch:
            raise InvalidArgument(
                message(
                    "Barfi: a buffer is too small for new episodes and a batch of older ones",
                    got=self.buffer,
                    allowed=f"{self.episodes + self.batch} or more",
                )
            )

    def start(self, problem: SampledProblem, hyperparameters: Tensors) -> State:
        """The state before the first round: a policy trained on the initial blend, and a buffer.

        Raises:
            InvalidObservation: something is not finite, or an episode does not end.
        """
        assert problem.parameters is not None  # filled in at the start
        key = Key(self.seed, purpose="barfi/start")
        parameters = {name: tensor.detach().clone() for name, tensor in problem.parameters.items()}
        hyperparameters = {name: tensor.detach().clone() for name, tensor in hyperparameters.items()}
        first = problem.collect(parameters, self.episodes, key.child("first"))
        parameters, memory = self._trained(problem, parameters, hyperparameters, {}, first, 1, key.child("one"))
        buffer = first.joined(problem.collect(parameters, self.warm_up, key.child("warm-up"))).newest(self.buffer)
        parameters, memory = self._trained(
            problem, parameters, hyperparameters, memory, buffer, self.first_steps, key.child("training")
        )
        return self._state(problem, parameters, hyperparameters, memory, buffer, None, "trained on the initial blend")

    def step(self, problem: SampledProblem, state: State) -> State:
        """The state after one round.

        Raises:
            InvalidObservation: something is not finite, or an episode does not end; the text names the round.
        """
        key = Key(self.seed, state.iteration, "barfi/round")
        older, why = buffer_of(state), "no outer step"
        try:
            newest = problem.collect(state.parameters, self.episodes, key.child("episodes"))
            hyperparameters, memory = dict(state.hyperparameters), dict(state.extra)
            if self.rate > 0.0:
                batch = _drawn(older, self.batch * self.outer_batches, key.child("outer"), 0)
                slopes, why = self._slopes(problem, state, batch, newest)
                hyperparameters, memory = ascended(
                    hyperparameters, slopes, memory, self.rate, self.phi_penalty, self.gamma_penalty
                )
            kept = {name: tensor for name, tensor in state.extra.items() if name.startswith(POLICY)}
            buffer = older.joined(newest).newest(self.buffer)
            parameters, kept = self._trained(
                problem, state.parameters, hyperparameters, kept, buffer, self.inner_steps, key.child("training")
            )
        except InvalidObservation as error:
            raise InvalidObservation(f"in round {state.iteration + 1} of BARFI, {error}") from error
        return self._state(problem, parameters, hyperparameters, {**memory, **kept}, buffer, state, why)

    def _slopes(
        self, problem: SampledProblem, state: State, batch: Episodes, newest: Episodes
    ) -> tuple[dict[str, Tensor], str]:
        """The implicit gradient of -J_p by hyperparameter, and a remark."""
        bilevel = problem.bilevel(self.entropy, self.policy_penalty, (batch, newest))
        here = Linearisation(bilevel, state.parameters, state.hyperparameters)
        adjoint = neumann(here.hessian, here.outer_gradient, self.neumann_step, self.neumann_terms)
        gradient = here.outer_direct - here.mixed(adjoint)
        finite(gradient, bilevel.hyper_layout, "the implicit gradient of the primary return")
        why = (
            f"policy gradient of the primary return {float(here.outer_gradient.norm()):.3g}, "
            f"implicit gradient {float(gradient.norm()):.3g}"
        )
        return bilevel.hyper_layout.named(gradient), why

    def _trained(
        self,
        problem: SampledProblem,
        parameters: Tensors,
        hyperparameters: Tensors,
        memory: Tensors,
        buffer: Episodes,
        steps: int,
        key: Key,
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Policy gradient steps on the blend: the parameters, and the memory of RMSprop."""
        layout, rule = Layout.of(parameters), RmsProp(self.policy_rate)
        now = dict(parameters)
        kept = {name.removeprefix(POLICY): tensor for name, tensor in memory.items() if name.startswith(POLICY)}
        for number in range(steps):
            batch = _drawn(buffer, self.batch, key, number)
            inputs = leaves(now)
            loss = problem.inner_loss(inputs, hyperparameters, batch, self.entropy, self.policy_penalty)
            slopes = torch.autograd.grad(loss, list(inputs.values()))
            now, kept = rule.update(now, dict(zip(inputs, slopes, strict=True)), kept)
        finite(layout.flat(now), layout, "the policy diverged: what it was trained to")
        return now, {POLICY + name: tensor for name, tensor in kept.items()}

    def _state(
        self,
        problem: SampledProblem,
        parameters: Tensors,
        hyperparameters: Tensors,
        memory: Tensors,
        buffer: Episodes,
        before: State | None,
        why: str,
    ) -> State:
        """The state after a round, or the first."""
        kept = {name: tensor for name, tensor in memory.items() if not name.startswith(BUFFER)}
        return State(
            parameters=dict(parameters),
            hyperparameters=dict(hyperparameters),
            value=-float(buffer.newest(SHOWN).returns(problem.discount).mean()),
            iteration=0 if before is None else before.iteration + 1,
            inner_iterations=self.first_steps + 1 if before is None else before.inner_iterations + self.inner_steps,
            why=why,
            extra=kept | {BUFFER + name: tensor for name, tensor in buffer.tensors().items()},
        )


def buffer_of(state: State) -> Episodes:
    """The episodes that a state of `Barfi` keeps, oldest first."""
    return Episodes(
        **{name.removeprefix(BUFFER): tensor for name, tensor in state.extra.items() if name.startswith(BUFFER)}
    )


def neumann(product: Product, b: Tensor, step: float, terms: int) -> Tensor:
    """The first terms of the Neumann series of H^-1 b, shape (n,): step * sum_{j <= terms} (I - step H)^j b.

    Unlike `NeumannSeries`, it goes on where H has negative curvature, which for policies is the rule rather than the
    exception; so does the authors' program.

    Arguments:
        product: v -> H v.
        b: shape (n,).
        step: a, below 2 over the largest eigenvalue of H.
        terms: after the first.
    """
    term, total = b, b
    for _ in range(terms):
        term = term - step * product(term)
        total = total + term
    return step * total


def _drawn(buffer: Episodes, count: int, key: Key, number: int) -> Episodes:
    """Some episodes of a buffer, without replacement; all of it where there are no more."""
    rng = key.for_trial(number).child(f"{key.trial}").generator()
    places = rng.choice(len(buffer), min(count, len(buffer)), replace=False)
    return buffer.taken(torch.from_numpy(places))
