"""BO-REP: bilevel descent by normalised momentum, with a first solve and training at intervals.

Needs an inner loss that is strongly convex in w (an l2 term makes it so) and can be differentiated twice; the outer
loss may curve the more the steeper it is, as it does for recurrent networks. Hao, Gong and Liu, "Bilevel
Optimization under Unbounded Smoothness: A New Algorithm and Convergence Analysis", ICLR 2024 (arXiv 2401.09587):

    w_0     = epochs s = 0, 1, ... of 2^s T steps of length a / 2^s on g(., h_0) within R / 2^(s/2) of where the epoch
              starts; each gives the mean of its iterates to the next
    w_{k+1} = the mean of N steps of length a on g(., h_k) within R of w_k,    where k > 0 and k mod I = 0; else w_k
    z_{k+1} = z_k - nu (g_ww z_k - f_w)                                        at (w_{k+1}, h_k)
    m_{k+1} = b m_k + (1 - b) (f_h - g_hw z_{k+1})                             at (w_{k+1}, h_k);   m_0 = z_0 = 0
    h_{k+1} = h_k - e m_{k+1} / (|m_{k+1}| + 1e-10)

A step has length e whatever the gradient, so a steep outer loss throws nothing off. It also means that steps never grow
short: h circles its optimum at a distance from e to e / (1 - b), in which the momentum turns, and from far away or with
a small e it is slow. Let e fall at the end; a function of the iteration does. With a single hyperparameter only the
sign of the momentum is left. Where the curvature is bounded normalisation gains nothing: a plain momentum descent of
the right length does as well or better (`MomentumDescent`).

The promise, of order 1 / eps^4 gradients and products (up to logarithms) to a point with gradient eps, is for 1 - b,
nu and a of order eps^2, e of order eps^3, and N and I that grow as eps falls. The defaults are instead those of the
authors' experiments on data cleaning. z follows slowly with theirs, in about 100 / mu iterations, where mu is the
smallest eigenvalue of g_ww; a longer nu, close to 1 over the largest, or a solver is better where that is known.

It differs in these: z starts at zero, where the authors' code starts at random, so that it holds the first terms of
the Neumann series of g_ww^-1 f_w from the start; a linear solver may find z in place of the one step. The authors'
code has neither a first solve nor balls; `epochs=0` and the radius inf, its default, give that. How R, T and the number
of epochs are best chosen is left open there; the defaults are this file's own. The norm is taken in a way that neither
overflows nor underflows. Batches are as in `MomentumDescent`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from trimtab.base.errors import InvalidArgument, check_count, message
from trimtab.base.refs import Reference
from trimtab.tuners.gradients.bilevel.descent import State
from trimtab.tuners.gradients.bilevel.flat import Tensors
from trimtab.tuners.gradients.bilevel.momentum import (
    Adjoint,
    StepLength,
    batches_drawn,
    check_scheme,
    first_state,
    length_at,
    lower_steps,
    outer_step,
    told_of,
)
from trimtab.tuners.gradients.bilevel.problem import BilevelProblem

__all__ = ["BO_REP_REFS", "BoRep", "normalised"]

FLOOR = 1e-10
"""Added to the norm of the momentum: a momentum much smaller than this is noise, and moves nothing by much."""

BO_REP_REFS = (
    Reference(
        authors="Hao, Jie and Gong, Xiaochuan and Liu, Mingrui",
        title="Bilevel Optimization under Unbounded Smoothness: A New Algorithm and Convergence Analysis",
        year=2024,
        venue="International Conference on Learning Representations",
        arxiv="2401.09587",
    ),
)


@dataclass(frozen=True, slots=True)
class BoRep:
    """BO-REP, a `Descent`.

    Arguments:
        length: e, of every step, Euclidean over all hyperparameters; a number, or a function of the iteration,
            counted from 0.
        inner_rate: a, the length of a training step; below 2 over the largest eigenvalue of g_ww.
        inner_steps: N, training steps where there is training.
        period: I, iterations from one training to the next.
        momentum: b, in [0, 1); 0 for none.
        adjoint: nu, below 2 over the largest eigenvalue of g_ww; or a linear solver.
        radius: R, of the ball that training stays in; inf for none.
        epochs: of the first solve; 0 for none.
        epoch_steps: T, training steps in the first of them.

    Raises:
        InvalidArgument: a number out of its range.
    """

    length: StepLength = 5e-2
    inner_rate: float = 5e-2
    inner_steps: int = 10
    period: int = 2
    momentum: float = 0.9
    adjoint: Adjoint = 1e-2
    radius: float = math.inf
    epochs: int = 4
    epoch_steps: int = 50

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_scheme(self.length, self.inner_rate, self.inner_steps, self.momentum, self.adjoint)
        check_count(self.period, "the period of BO-REP's training")
        check_count(self.epochs, "the epochs of BO-REP's first solve", least=0, do="give 0 for none")
        check_count(self.epoch_steps, "the training steps in the first epoch of BO-REP's first solve")
        if not self.radius > 0.0:
            raise InvalidArgument(
                message("the radius of BO-REP's training is out of range", got=self.radius, allowed="> 0, or inf")
            )

    def start(self, problem: BilevelProblem, hyperparameters: Tensors) -> State:
        """The state before the first step: the parameters of the first solve.

        Raises:
            InvalidArgument: a loss has no derivative.
            InvalidObservation: something is not finite; the text names the tensor.
        """
        hyperparameters = problem.checked_hyperparameters(hyperparameters)
        vector, trained = problem.layout.flat(problem.parameters), 0
        with told_of("in the first solve"):
            for epoch in range(self.epochs):
                steps = self.epoch_steps * 2**epoch
                _, vector = lower_steps(
                    problem,
                    hyperparameters,
                    vector,
                    rate=self.inner_rate / 2**epoch,
                    steps=steps,
                    drawn=trained,
                    radius=self.radius / 2.0 ** (epoch / 2),
                )
                trained += steps
            return first_state(problem, hyperparameters, vector, trained)

    def step(self, problem: BilevelProblem, state: State) -> State:
        """The state after training, where it is due, and one step of the hyperparameters.

        Raises:
            InvalidArgument: a loss has no derivative.
            InvalidObservation: something is not finite; the text names the iteration and the tensor.
        """
        vector, trained = problem.layout.flat(state.parameters), 0
        with told_of(f"in outer iteration {state.iteration + 1}"):
            if state.iteration > 0 and state.iteration % self.period == 0:
                trained = self.inner_steps
                _, vector = lower_steps(
                    problem,
                    state.hyperparameters,
                    vector,
                    rate=self.inner_rate,
                    steps=trained,
                    drawn=batches_drawn(state),
                    radius=self.radius,
                )
            length = length_at(self.length, state.iteration)
            return outer_step(
                problem, state, vector, trained, self.adjoint, self.momentum, lambda m: length * normalised(m)
            )


def normalised(vector: Tensor) -> Tensor:
    """A vector over its norm, v / (|v| + 1e-10), shape (p,); zero for the zero vector."""
    # Squares of large numbers overflow, in single precision from 1e19 on, and steep losses are the case in point.
    scale = float(vector.abs().max())
    if scale == 0.0:
        return torch.zeros_like(vector)
    scaled = vector / scale
    return scaled / (float(torch.linalg.vector_norm(scaled)) + FLOOR / scale)
