"""BARFI on tables: returns, gradients and inner problems are exact in place of sampled.

Needs a `TabularProblem`. With the inner loss g and the outer loss f of `tabular`, one outer iteration is

    1. q with g_ww q = f_w, at the policy that is optimal for (phi, gamma_phi)
    2. d J_p / d(phi, c) = g_hw q, less the gradients of the penalties; one RMSprop step up
    3. the policy that is optimal for the new (phi, gamma_phi), from the old one, by a trust region method

`barfi` tells of the paper, which has some gradient steps in 3 and the first terms of the Neumann series in 1;
`solver=NeumannSeries(tolerance, terms, step)` gives the latter. The implicit function theorem holds where the inner
problem is solved to its end, and for a table that is cheaper than many steps.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from trimtab.tuners.gradients.bilevel.descent import State
from trimtab.tuners.gradients.bilevel.flat import Tensors
from trimtab.tuners.gradients.bilevel.implicit import implicit_hypergradient
from trimtab.tuners.gradients.bilevel.linear_systems import ConjugateGradients, LinearSolver
from trimtab.tuners.gradients.rewards.blend import ascended, check_weights
from trimtab.tuners.gradients.rewards.tabular import TabularProblem, best_response

__all__ = ["ExactBarfi"]


@dataclass(frozen=True, slots=True)
class ExactBarfi:
    """BARFI on tables.

    Arguments:
        entropy: lambda_H, weight of the policy's entropy in the inner problem.
        policy_penalty: lambda_theta, weight of the squared logits there, > 0.
        rate: of the outer RMSprop; 0 for none, so that the policy of the initial blend is all that is found.
        phi_penalty: lambda_phi, weight of |phi|^2.
        gamma_penalty: lambda_gamma, weight of gamma_phi.
        tolerance: on the norm of the inner gradient.
        solver: of the linear system.

    Raises:
        InvalidArgument: a number out of its range.
    """

    entropy: float = 0.1
    policy_penalty: float = 1e-2
    rate: float = 5e-2
    phi_penalty: float = 0.0
    gamma_penalty: float = 0.0
    tolerance: float = 1e-9
    solver: LinearSolver = field(default_factory=lambda: ConjugateGradients(1e-10, 1000))

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_weights(self, ("entropy", "rate", "phi_penalty", "gamma_penalty"), ("policy_penalty", "tolerance"))

    def start(self, problem: TabularProblem, hyperparameters: Tensors) -> State:
        """The state before the first step: the policy that is optimal for the initial blend.

        Raises:
            InvalidObservation: something is not finite, or the inner problem was not solved.
        """
        bilevel = problem.bilevel(self.entropy, self.policy_penalty)
        before = State(dict(bilevel.parameters), dict(hyperparameters), value=0.0, iteration=-1)
        return self._answered(problem, before, hyperparameters, {}, "the policy of the initial blend")

    def step(self, problem: TabularProblem, state: State) -> State:
        """The state after one outer iteration.

        Raises:
            InvalidObservation: something is not finite, or the inner problem was not solved.
        """
        bilevel = problem.bilevel(self.entropy, self.policy_penalty)
        found = implicit_hypergradient(bilevel, state.parameters, state.hyperparameters, solver=self.solver, estimate=0)
        hyperparameters, memory = ascended(
            state.hyperparameters, found.gradient, state.extra, self.rate, self.phi_penalty, self.gamma_penalty
        )
        why = f"gradient of the primary return {found.norm:.3g}; {found.diagnosis}"
        return self._answered(problem, state, hyperparameters, memory, why)

    def _answered(
        self, problem: TabularProblem, before: State, hyperparameters: Tensors, memory: Tensors, why: str
    ) -> State:
        """The state after another, at hyperparameters, with the policy that answers to them."""
        bilevel = problem.bilevel(self.entropy, self.policy_penalty)
        start = bilevel.layout.flat(before.parameters)
        vector, taken = best_response(bilevel, hyperparameters, start, self.tolerance)
        parameters = bilevel.layout.named(vector)
        return State(
            parameters=parameters,
            hyperparameters=dict(hyperparameters),
            value=float(bilevel.loss("outer", parameters, hyperparameters, 0)),
            iteration=before.iteration + 1,
            inner_iterations=before.inner_iterations + taken,
            why=why,
            extra=dict(memory),
        )
