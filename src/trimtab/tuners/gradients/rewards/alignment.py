"""Running BARFI: a method and a problem together are a `Descent`, which the loop and the trials of `bilevel` know."""

from __future__ import annotations

from typing import TypeAlias, final

import torch

from trimtab.base.errors import InvalidArgument, message
from trimtab.tuners.gradients.bilevel.descent import OnStep, State, descend
from trimtab.tuners.gradients.bilevel.flat import Tensors
from trimtab.tuners.gradients.bilevel.problem import BilevelProblem
from trimtab.tuners.gradients.rewards.barfi import Barfi
from trimtab.tuners.gradients.rewards.blend import GAMMA_LOGIT
from trimtab.tuners.gradients.rewards.exact_barfi import ExactBarfi
from trimtab.tuners.gradients.rewards.sampled import SampledProblem
from trimtab.tuners.gradients.rewards.tabular import TabularProblem

__all__ = ["Bound", "Method", "Problem", "align", "discount_of"]

Problem: TypeAlias = TabularProblem | SampledProblem
Method: TypeAlias = ExactBarfi | Barfi


@final
class Bound:
    """A method bound to its problem, as a `Descent` over `problem.bilevel(...)`.

    Arguments:
        problem: tables for `ExactBarfi`, an environment for `Barfi`.
        method: how.

    Raises:
        InvalidArgument: the two do not fit.
    """

    def __init__(self, problem: Problem, method: Method) -> None:
        if isinstance(problem, TabularProblem) is not isinstance(method, ExactBarfi):
            raise InvalidArgument(
                message(
                    f"{type(method).__name__} cannot work on a {type(problem).__name__}",
                    allowed="ExactBarfi on a TabularProblem, Barfi on a SampledProblem",
                )
            )
        self.problem, self.method = problem, method

    def __repr__(self) -> str:
        """All numbers that a run depends on, without addresses: checkpoints are named by it."""
        problem = self.problem
        if isinstance(problem, TabularProblem):
            tables = [problem.transition, problem.primary, problem.auxiliary, problem.start]
            told: list[object] = [
                *(table.tolist() for table in tables),
                None if problem.features is None else problem.features.tolist(),
                problem.discount,
                problem.potential,
            ]
        else:
            # Functions by their names: their addresses change from run to run.
            made = (problem.environment, problem.policy, problem.auxiliary, problem.weights)
            names = [getattr(each, "__qualname__", type(each).__qualname__) for each in made]
            told = [*names, problem.discount, problem.longest, problem.potential]
        return f"{self.method!r} on {told!r}"

    def bilevel(self) -> BilevelProblem:
        """The bilevel problem, with the weights of the method."""
        return self.problem.bilevel(self.method.entropy, self.method.policy_penalty)

    def start(self, problem: BilevelProblem, hyperparameters: Tensors) -> State:
        """The state before the first step; `problem` is `bilevel()`."""
        if isinstance(self.method, ExactBarfi):
            assert isinstance(self.problem, TabularProblem)
            return self.method.start(self.problem, hyperparameters)
        assert isinstance(self.problem, SampledProblem)
        return self.method.start(self.problem, hyperparameters)

    def step(self, problem: BilevelProblem, state: State) -> State:
        """The state after one step; `problem` is `bilevel()`."""
        if isinstance(self.method, ExactBarfi):
            assert isinstance(self.problem, TabularProblem)
            return self.method.step(self.problem, state)
        assert isinstance(self.problem, SampledProblem)
        return self.method.step(self.problem, state)


def align(
    problem: Problem,
    method: Method,
    iterations: int,
    hyperparameters: Tensors | None = None,
    on_step: OnStep | None = None,
) -> State:
    """Run BARFI from a start.

    Arguments:
        problem: tables for `ExactBarfi`, an environment for `Barfi`.
        method: how.
        iterations: outer iterations, or rounds.
        hyperparameters: the initial blend; None for the problem's, which is the naive sum unless it was told otherwise.
        on_step: called with the state after each.

    Returns:
        The last state: its value is -J_p, its hyperparameters are phi and the logit of gamma_phi, its parameters those
        of the policy.

    Raises:
        InvalidArgument: the problem and the method do not fit.
        InvalidObservation: something is not finite, or an episode does not end.
    """
    bound = Bound(problem, method)
    return descend(bound.bilevel(), bound, hyperparameters, iterations, on_step)


def discount_of(hyperparameters: Tensors) -> float:
    """The learnt discount gamma_phi of these hyperparameters."""
    return float(torch.sigmoid(hyperparameters[GAMMA_LOGIT]))
