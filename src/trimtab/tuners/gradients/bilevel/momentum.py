"""Bilevel descent by momentum: a little training and a step of the hyperparameters, by turns.

Needs an inner loss that is strongly convex in w (an l2 term makes it so) and can be differentiated twice. With the
hyperparameters h_k, the parameters w_k and the adjoint z_k, which follows the solution of g_ww z = f_w,

    w_{k+1} = N steps of gradient descent on g(., h_k) from w_k, each of length a
    z_{k+1} = z_k - nu (g_ww z_k - f_w)                            at (w_{k+1}, h_k); or the answer of a linear solver
    m_{k+1} = b m_k + (1 - b) (f_h - g_hw z_{k+1})                 at (w_{k+1}, h_k);   m_0 = z_0 = 0
    h_{k+1} = h_k - e m_{k+1}

It is the scheme that BO-REP (Hao, Gong and Liu 2024, arXiv 2401.09587; `BoRep`) is held against: without its
normalisation, its periods and its first solve. Of the published methods it is nearest to stocBiO (Ji, Yang and Liang
2021, arXiv 2010.07962), which has no momentum on h and finds z anew in each iteration by a Neumann series; that is
`momentum=0.0, adjoint=NeumannSeries(...)`.

A step e has to be shorter than about 2 / L for the curvature L of F. Where that grows with the gradient no e is short
enough from everywhere, and the descent diverges. The step that meets nan or inf raises, and names the iteration and
the tensor; `descend` hands every state before that to `on_step`.

In the one-step form z costs one product with second derivatives an iteration, and lags behind what it follows by
about 1 / (nu mu) iterations, with mu the smallest eigenvalue of g_ww. nu must be below 2 over the largest.

Batches are numbered by how many were drawn before, which a state knows, so a descent that goes on from a state draws
what it would have drawn. Those for z and for the product with it are drawn apart, since the mean of a product is that
of the means only where the noise of the two is independent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from trimtab.base.errors import InvalidArgument, InvalidObservation, check_count, message
from trimtab.base.refs import Reference
from trimtab.tuners.gradients.bilevel.derivatives import Linearisation, finite, flattest
from trimtab.tuners.gradients.bilevel.descent import State
from trimtab.tuners.gradients.bilevel.flat import Tensors
from trimtab.tuners.gradients.bilevel.linear_systems import LinearSolver
from trimtab.tuners.gradients.bilevel.problem import BilevelProblem, IllPosed
from trimtab.tuners.gradients.bilevel.unrolled import inner_slope

__all__ = [
    "MOMENTUM_REFS",
    "Adjoint",
    "MomentumDescent",
    "StepLength",
    "averaged",
    "batches_drawn",
    "check_scheme",
    "first_state",
    "hypergradient_step",
    "length_at",
    "lower_steps",
    "outer_step",
    "told_of",
]

Adjoint: TypeAlias = float | LinearSolver
"""nu, the length of the one step that the adjoint z takes in an iteration; or a solver to find it with."""

StepLength: TypeAlias = float | Callable[[int], float]
"""The length of a step of the hyperparameters, or a function of the iteration, counted from 0."""

BATCHES = 2
"""Batches that an iteration's derivatives take, one for the adjoint and one for the hypergradient."""

MOMENTUM_REFS = (
    Reference(
        authors="Ji, Kaiyi and Yang, Junjie and Liang, Yingbin",
        title="Bilevel Optimization: Convergence Analysis and Enhanced Design",
        year=2021,
        venue="International Conference on Machine Learning, PMLR 139",
        arxiv="2010.07962",
    ),
)


@dataclass(frozen=True, slots=True)
class MomentumDescent:
    """Bilevel descent by momentum, a `Descent`.

    Arguments:
        length: e, of a step for a momentum of 1; a number, or a function of the iteration, counted from 0.
        inner_rate: a, the length of a training step; below 2 over the largest eigenvalue of g_ww.
        inner_steps: N, training steps in each iteration.
        momentum: b, in [0, 1); 0 for none.
        adjoint: nu, below 2 over the largest eigenvalue of g_ww; or a linear solver.

    Raises:
        InvalidArgument: a number out of its range.
    """

    length: StepLength = 5e-2
    inner_rate: float = 5e-2
    inner_steps: int = 10
    momentum: float = 0.9
    adjoint: Adjoint = 1e-2

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_scheme(self.length, self.inner_rate, self.inner_steps, self.momentum, self.adjoint)

    def start(self, problem: BilevelProblem, hyperparameters: Tensors) -> State:
        """The state before the first step: the problem's own parameters, untrained."""
        with told_of("at the start"):
            return first_state(problem, hyperparameters, problem.layout.flat(problem.parameters), 0)

    def step(self, problem: BilevelProblem, state: State) -> State:
        """The state after N training steps and one step of the hyperparameters.

        Raises:
            InvalidArgument: a loss has no derivative.
            InvalidObservation: something is not finite; the text names the iteration and the tensor.
        """
        with told_of(f"in outer iteration {state.iteration + 1}"):
            vector, _ = lower_steps(
                problem,
                state.hyperparameters,
                problem.layout.flat(state.parameters),
                rate=self.inner_rate,
                steps=self.inner_steps,
                drawn=batches_drawn(state),
            )
            length = length_at(self.length, state.iteration)
            return outer_step(
                problem, state, vector, self.inner_steps, self.adjoint, self.momentum, lambda m: length * m
            )


def check_scheme(length: StepLength, inner_rate: float, inner_steps: int, momentum: float, adjoint: Adjoint) -> None:
    """Refuse numbers that no descent of this form can work with.

    Raises:
        InvalidArgument: one is out of its range.
    """
    check_count(inner_steps, "a descent's training steps")
    if not callable(length):
        _check_positive(length, "the length of a descent's step")
    _check_positive(inner_rate, "the length of a descent's training step")
    if isinstance(adjoint, float | int):
        _check_positive(adjoint, "the length of a descent's adjoint step")
    if not 0.0 <= momentum < 1.0:
        raise InvalidArgument(message("a descent's momentum is out of range", got=momentum, allowed="[0, 1)"))


def length_at(length: StepLength, iteration: int) -> float:
    """The length of the step of an iteration, counted from 0.

    Raises:
        InvalidArgument: a function gave no number > 0.
    """
    if not callable(length):
        return length
    return _check_positive(length(iteration), f"the length of step {iteration}")


def first_state(problem: BilevelProblem, hyperparameters: Tensors, vector: Tensor, trained: int) -> State:
    """The state before the first step, without momentum and adjoint.

    Arguments:
        problem, hyperparameters: where it starts.
        vector: flat parameters, shape (n,).
        trained: training steps that led to them.
    """
    parameters, hyperparameters = problem.layout.named(vector), problem.checked_hyperparameters(hyperparameters)
    hyper = problem.hyper_layout.flat(hyperparameters)
    return State(
        parameters=parameters,
        hyperparameters=problem.hyper_layout.named(hyper),
        value=float(problem.loss("outer", parameters, hyperparameters, trained).detach()),
        inner_iterations=trained,
        why=f"trained {trained} steps before the first iteration",
        extra={"momentum": torch.zeros_like(hyper), "adjoint": torch.zeros_like(vector)},
    )


def outer_step(
    problem: BilevelProblem,
    state: State,
    vector: Tensor,
    trained: int,
    rule: Adjoint,
    decay: float,
    shift: Callable[[Tensor], Tensor],
) -> State:
    """The state after the step of the hyperparameters that ends an iteration.

    Arguments:
        problem, state: the state before the iteration.
        vector: flat parameters after the iteration's training, shape (n,).
        trained: training steps that the iteration took.
        rule: how the adjoint follows.
        decay: b of the momentum.
        shift: the momentum, shape (p,), to what is taken from the hyperparameters, of the same shape.
    """
    parameters, drawn = problem.layout.named(vector), batches_drawn(state) + trained
    adjoint, gradient = hypergradient_step(
        problem, parameters, state.hyperparameters, state.extra["adjoint"], rule, drawn
    )
    momentum = averaged(state.extra["momentum"], gradient, decay)
    change = shift(momentum)
    hyper = problem.hyper_layout.flat(state.hyperparameters) - change
    finite(hyper, problem.hyper_layout, "the step of the descent")
    hyperparameters = problem.hyper_layout.named(hyper)
    return State(
        parameters=parameters,
        hyperparameters=hyperparameters,
        # The value is told and steers nothing, so it may share the hypergradient's batch.
        value=float(problem.loss("outer", parameters, hyperparameters, drawn + 1).detach()),
        iteration=state.iteration + 1,
        inner_iterations=state.inner_iterations + trained,
        why=(
            f"trained {trained} steps; moved the hyperparameters by {_norm(change):.3g} "
            f"(hypergradient {_norm(gradient):.3g}, momentum {_norm(momentum):.3g})"
        ),
        extra={"momentum": momentum, "adjoint": adjoint},
    )


def batches_drawn(state: State) -> int:
    """How many batches led to a state: its own number for the next one."""
    return state.inner_iterations + BATCHES * state.iteration


def lower_steps(
    problem: BilevelProblem,
    hyperparameters: Tensors,
    start: Tensor,
    *,
    rate: float,
    steps: int,
    drawn: int,
    radius: float = math.inf,
) -> tuple[Tensor, Tensor]:
    """Gradient descent on the inner loss within a ball around its start: the last iterate and the mean of all.

    Arguments:
        problem, hyperparameters: of the inner loss.
        start: flat parameters, shape (n,); not part of the mean.
        rate: a, the length of a step.
        steps: how many, at least one.
        drawn: number of the first batch; each step has one of its own.
        radius: of the ball.

    Raises:
        InvalidObservation: a loss, a gradient or an iterate is not finite; the text names the tensor.
    """
    here, total = start, torch.zeros_like(start)
    for number in range(drawn, drawn + steps):
        slope = inner_slope(problem, here.detach().requires_grad_(), hyperparameters, number, create_graph=False)
        here = _projected(here - rate * slope, start, radius)
        total += here
    finite(total, problem.layout, "training diverged: the sum of its iterates")
    return here, total / steps


def hypergradient_step(
    problem: BilevelProblem,
    parameters: Tensors,
    hyperparameters: Tensors,
    adjoint: Tensor,
    rule: Adjoint,
    drawn: int,
) -> tuple[Tensor, Tensor]:
    """The next adjoint z, shape (n,), and f_h - g_hw z, shape (p,), at (w, h).

    Arguments:
        problem, parameters, hyperparameters: where.
        adjoint: the last z, shape (n,).
        rule: how to come to the next.
        drawn: number of the first of the two batches.

    Raises:
        InvalidArgument, InvalidObservation: as for `Linearisation`, or the result is not finite.
        IllPosed: a solver met curvature that is not positive, where there are no batches whose noise may be the cause.
    """
    here = Linearisation(problem, parameters, hyperparameters, drawn)
    if isinstance(rule, float | int):
        adjoint = adjoint - rule * (here.hessian(adjoint) - here.outer_gradient)
    else:
        solved = rule.solve(here.hessian, here.outer_gradient, adjoint)
        if solved.indefinite and not problem.stochastic:
            along = flattest(here, problem.layout, solved.curvature[1])
            raise IllPosed(
                message(
                    "the inner loss has no strict minimum here: a curvature of "
                    f"{solved.curvature[0]:.3g} was met, mostly along {along}",
                    allowed="curvatures > 0",
                    do=f"add an l2 term of {along} to the inner loss",
                )
            )
        adjoint = solved.x
    finite(adjoint, problem.layout, "the adjoint diverged: what follows the gradient of the outer loss")
    if problem.stochastic:
        here = Linearisation(problem, parameters, hyperparameters, drawn + 1)
    gradient = here.outer_direct - here.mixed(adjoint)
    return adjoint, finite(gradient, problem.hyper_layout, "the hypergradient")


def averaged(momentum: Tensor, gradient: Tensor, decay: float) -> Tensor:
    """The next momentum b m + (1 - b) g, shapes (p,); after t steps (1 - b) sum_i b^(t - i) g_i from m = 0."""
    return decay * momentum + (1.0 - decay) * gradient


@contextmanager
def told_of(where: str) -> Iterator[None]:
    """Complaints about numbers that are not finite say where in the descent they came up.

    Raises:
        InvalidObservation: the complaint.
    """
    try:
        yield
    except InvalidObservation as error:
        raise type(error)(f"{where} of the descent, {error}") from error


def _check_positive(value: float, what: str) -> float:
    if not 0.0 < value < math.inf:
        raise InvalidArgument(message(f"{what} is out of range", got=value, allowed="> 0"))
    return value


def _norm(vector: Tensor) -> float:
    return float(torch.linalg.vector_norm(vector))


def _projected(vector: Tensor, centre: Tensor, radius: float) -> Tensor:
    """The nearest point of a ball, shape (n,)."""
    if math.isinf(radius):
        return vector
    away = vector - centre
    size = float(torch.linalg.vector_norm(away))
    return vector if size <= radius else centre + (radius / size) * away
