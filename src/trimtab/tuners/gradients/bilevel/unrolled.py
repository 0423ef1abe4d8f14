"""Reverse-mode differentiation through the steps of training, whole or truncated, with checkpoints.

Needs the inner optimiser as a function of its state. With s_t the state after t steps and s_{t+1} = Phi_t(s_t, h),

    F_T(h) = f(w_T, h),   a_T = f_w,   a_t = (dPhi_t/ds)^T a_{t+1},   dF_T/dh = f_h + sum_t (dPhi_t/dh)^T a_{t+1}

(Franceschi, Donini, Frasconi and Pontil 2017, arXiv 1703.01785). It is the exact derivative of what T steps give,
which comes near to the hypergradient of the bilevel problem as T grows, and it knows of the optimiser's own settings:
a learning rate or a momentum can be a hyperparameter.

Truncated (Shaban, Cheng, Hatch and Boots 2019, arXiv 1810.10667): only the last K steps are differentiated. Where the
steps contract by a factor r, the terms left out fall by r a step, so the bias is O(r^K). `error` continues the terms
seen, at the rate at which they fell over the second half of the K steps, to all that were left out.

Checkpoints (Chen, Xu, Zhang and Guestrin 2016, arXiv 1604.06174): states are kept at the starts of segments only, and
each segment runs again when its turn comes. With segments of sqrt(T) steps the memory is that of 2 sqrt(T) steps in
place of T, for one more pass of training. The sum is taken step by step in one order, so the result does not depend
on the segments in any digit.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from trimtab.base.errors import InvalidArgument, check_count, message
from trimtab.base.refs import Reference
from trimtab.tuners.gradients.bilevel.derivatives import DETACHED, derivative, finite, leaves, no_such_hyperparameter
from trimtab.tuners.gradients.bilevel.flat import Tensors
from trimtab.tuners.gradients.bilevel.hypergradient import Hypergradient, notes_on_zeros
from trimtab.tuners.gradients.bilevel.problem import FRANCESCHI, BilevelProblem

__all__ = [
    "UNROLLED_REFS",
    "GradientDescent",
    "Rate",
    "State",
    "inner_slope",
    "outer_derivatives",
    "unrolled_hypergradient",
]

Rate: TypeAlias = float | Callable[[Tensors, int], Tensor | float]
"""A number, or a function of (hyperparameters, step) that gives one, differentiable in the hyperparameters."""

State: TypeAlias = tuple[Tensor, Tensor]
"""Parameters and velocity, flat, shapes (n,)."""

UNROLLED_REFS = (
    FRANCESCHI,
    Reference(
        authors="Shaban, Amirreza and Cheng, Ching-An and Hatch, Nathan and Boots, Byron",
        title="Truncated Back-propagation for Bilevel Optimization",
        year=2019,
        venue="International Conference on Artificial Intelligence and Statistics, PMLR 89",
        arxiv="1810.10667",
    ),
    Reference(
        authors="Chen, Tianqi and Xu, Bing and Zhang, Chiyuan and Guestrin, Carlos",
        title="Training Deep Nets with Sublinear Memory Cost",
        year=2016,
        arxiv="1604.06174",
    ),
)


@dataclass(frozen=True, slots=True)
class GradientDescent:
    """Gradient descent, with momentum where it is not zero (the heavy ball of B. T. Polyak 1964).

        v_{t+1} = m v_t + g_w(w_t, h),      w_{t+1} = w_t - a v_{t+1},      v_0 = 0

    Arguments:
        rate: a, the length of a step.
        momentum: m, in [0, 1).
    """

    rate: Rate
    momentum: Rate = 0.0

    def start(self, problem: BilevelProblem, parameters: Tensors) -> State:
        """The state before the first step."""
        vector = problem.layout.flat(parameters)
        return vector, torch.zeros_like(vector)

    def advanced(
        self, problem: BilevelProblem, state: State, hyperparameters: Tensors, step: int, *, create_graph: bool = False
    ) -> State:
        """The state after one step: differentiable in the state and the hyperparameters if `create_graph`.

        Raises:
            InvalidArgument, InvalidObservation: as for `inner_slope`, or a rate that is not one number.
        """
        vector = state[0] if create_graph else state[0].detach().requires_grad_()
        slope = inner_slope(problem, vector, hyperparameters, step, create_graph=create_graph)
        return self.updated(state, slope, hyperparameters, step)

    def updated(self, state: State, slope: Tensor, hyperparameters: Tensors, step: int) -> State:
        """The state after a step along the inner gradient, shape (n,)."""
        velocity = _number(self.momentum, hyperparameters, step) * state[1] + slope
        return state[0] - _number(self.rate, hyperparameters, step) * velocity, velocity


def inner_slope(
    problem: BilevelProblem, vector: Tensor, hyperparameters: Tensors, step: int, *, create_graph: bool
) -> Tensor:
    """g_w at flat parameters that require gradients, shape (n,).

    Raises:
        InvalidArgument: the inner loss does not depend on the parameters, or has no derivative.
        InvalidObservation: training diverged; the text names the step and the tensor.
    """
    loss = problem.loss("inner", problem.layout.named(vector), hyperparameters, step)
    slope: Tensor | None = None
    if loss.requires_grad:
        (slope,) = derivative(loss, [vector], "the inner loss", create_graph=create_graph)
    if slope is None:
        raise InvalidArgument(
            message(
                f"the inner loss depends on none of the parameters {list(problem.layout.names)} through operations "
                "that have derivatives",
                do=DETACHED,
            )
        )
    finite(slope.detach(), problem.layout, f"the gradient of the inner loss at step {step}")
    return slope


def unrolled_hypergradient(
    problem: BilevelProblem,
    optimiser: GradientDescent,
    steps: int,
    *,
    parameters: Tensors | None = None,
    hyperparameters: Tensors | None = None,
    last: int | None = None,
    segment: int | Literal["sqrt"] | None = None,
    first: int = 0,
) -> Hypergradient:
    """The derivative of the outer loss after `steps` steps of training. Its `parameters` are the trained ones.

    Arguments:
        problem: the problem.
        optimiser: of the inner loss.
        steps: T, how many steps to train.
        parameters: where training starts, by default where the problem does.
        hyperparameters: h, by default where the problem starts.
        last: K, how many of the last steps are differentiated through; all by default. `error` is the estimate of
            what this leaves out, and 0.0 for all steps (rounding aside).
        segment: steps between two checkpoints; "sqrt" for sqrt(K); None keeps everything.
        first: number of the first step, for the batches and the rates. The outer batch is that of `first + steps`.

    Raises:
        InvalidArgument, InvalidObservation: tensors, losses or counts that cannot be used; the text names them.
    """
    kept, length = _counts(steps, last, segment, first)
    hyper = problem.checked_hyperparameters(hyperparameters)
    end = first + steps
    # Segments are counted from the end, so the one that is left over, which may be shorter, is the first.
    bounds = sorted({max(end - kept, end - length * part) for part in range(math.ceil(kept / length) + 1)})
    segments = list(itertools.pairwise(bounds))
    state = optimiser.start(problem, problem.checked_parameters(parameters))
    for step in range(first, end - kept):
        state = optimiser.advanced(problem, state, hyper, step)
    checkpoints = [state]
    for start, stop in segments[:-1]:
        for step in range(start, stop):
            state = optimiser.advanced(problem, state, hyper, step)
        checkpoints.append(state)
    tape = _Tape(problem, optimiser, hyper)
    trained, _ = tape.record(checkpoints.pop(), *segments.pop())
    value, slope, direct, used = outer_derivatives(problem, trained, hyper, end)
    tape.adjoint = (slope, torch.zeros_like(slope))
    tape.rewind()
    last_length = bounds[-1] - bounds[-2]
    while checkpoints:
        tape.record(checkpoints.pop(), *segments.pop())
        tape.rewind()
    for name in problem.hyper_layout.names:
        if name not in used | tape.used:
            raise no_such_hyperparameter(name)
    gradient = finite(direct + tape.total, problem.hyper_layout, f"the derivative through {kept} steps")
    error, notes = 0.0, [f"differentiated through {kept} of {steps} steps"]
    if kept < steps:
        error = _tail(tape.sizes, steps - kept)
        notes.append(f"the {steps - kept} steps left out may change it by {error:.3g}")
    return Hypergradient(
        gradient=problem.hyper_layout.named(gradient),
        error=error,
        value=value,
        parameters=problem.layout.named(trained),
        residual=0.0,
        iterations=kept,
        gradients=steps + kept - last_length + 1,
        hvps=kept,
        converged=kept == steps,
        diagnosis="; ".join(notes + notes_on_zeros(gradient, problem.hyper_layout)),
        adjoint={},
    )


class _Tape:
    """One segment of steps with their graphs, and what came back through the steps after it.

    Attributes:
        adjoint: a_t, for the parameters and the velocity.
        total: the sum over steps so far, shape (p,).
        sizes: Euclidean norm of each term of the sum, last step first.
        used: names of hyperparameters that entered a step.
    """

    def __init__(self, problem: BilevelProblem, optimiser: GradientDescent, hyperparameters: Tensors) -> None:
        self._problem, self._optimiser = problem, optimiser
        self._hyper = leaves(hyperparameters)
        self._steps: list[tuple[State, State]] = []
        self.adjoint: State = (torch.empty(0), torch.empty(0))
        self.total = torch.zeros_like(problem.hyper_layout.flat(hyperparameters))
        self.sizes: list[float] = []
        self.used: set[str] = set()

    def record(self, state: State, start: int, stop: int) -> State:
        """Run the steps from start to stop, and keep a graph of each; the state after them."""
        for step in range(start, stop):
            # Each step has leaves of its own, so the graphs hang together by the adjoint only, in whatever segments.
            before = (state[0].detach().requires_grad_(), state[1].detach().requires_grad_())
            after = self._optimiser.advanced(self._problem, before, self._hyper, step, create_graph=True)
            self._steps.append((before, after))
            state = (after[0].detach(), after[1].detach())
        return state

    def rewind(self) -> None:
        """Take the adjoint back through the steps recorded, and free them."""
        names, layout = self._problem.hyper_layout.names, self._problem.hyper_layout
        while self._steps:
            before, after = self._steps.pop()
            found = derivative(after, [*before, *self._hyper.values()], "a training step", self.adjoint)
            parts = dict(zip(names, found[2:], strict=True))
            self.used.update(name for name, part in parts.items() if part is not None)
            term = layout.joined(
                [torch.zeros_like(self._hyper[name]) if part is None else part for name, part in parts.items()]
            )
            self.total += term
            self.sizes.append(float(torch.linalg.vector_norm(term)))
            back = [torch.zeros_like(self.adjoint[0]) if part is None else part for part in found[:2]]
            self.adjoint = (back[0], back[1])


def outer_derivatives(
    problem: BilevelProblem, vector: Tensor, hyperparameters: Tensors, step: int
) -> tuple[float, Tensor, Tensor, set[str]]:
    """f, f_w (n,), f_h (p,) at flat parameters (n,), and the names of the hyperparameters that f depends on.

    Raises:
        InvalidArgument, InvalidObservation: the outer loss has no derivatives, or some that are not finite.
    """
    parameters, hyper = leaves(problem.layout.named(vector)), leaves(hyperparameters)
    loss = problem.loss("outer", parameters, hyper, step)
    every = [*parameters.items(), *hyper.items()]
    if not loss.requires_grad:
        raise InvalidArgument(
            message(
                f"the outer loss depends on none of the tensors {[name for name, _ in every]} through operations that "
                "have derivatives",
                do=DETACHED,
            )
        )
    found = derivative(loss, [tensor for _, tensor in every], "the outer loss")
    filled = [
        torch.zeros_like(tensor) if part is None else part for (_, tensor), part in zip(every, found, strict=True)
    ]
    count = len(parameters)
    slope, direct = problem.layout.joined(filled[:count]), problem.hyper_layout.joined(filled[count:])
    what = "the gradient of the outer loss"
    finite(slope, problem.layout, what)
    finite(direct, problem.hyper_layout, what)
    used = {name for (name, _), part in zip(every[count:], found[count:], strict=True) if part is not None}
    return float(loss.detach()), slope, direct, used


def _number(rate: Rate, hyperparameters: Tensors, step: int) -> Tensor | float:
    """A rate or momentum at a step.

    Raises:
        InvalidArgument: the function gives something else than one number.
    """
    value = rate(hyperparameters, step) if callable(rate) else rate
    if isinstance(value, Tensor) and value.dim() != 0:
        raise InvalidArgument(
            message(
                f"a rate or momentum must be one number at step {step}",
                got=f"a tensor of shape {tuple(value.shape)}",
                allowed="a float or a tensor of shape ()",
            )
        )
    return value


def _counts(steps: int, last: int | None, segment: int | Literal["sqrt"] | None, first: int) -> tuple[int, int]:
    """Steps to differentiate through, and the length of a segment."""
    check_count(steps, "the number of training steps")
    check_count(first, "the number of the first step", least=0)
    kept = steps if last is None else check_count(last, "the number of last steps to differentiate through")
    if kept > steps:
        raise InvalidArgument(
            message("more steps to differentiate through than to train", got=last, allowed=f"1 to {steps}")
        )
    if segment is None:
        return kept, kept
    if segment == "sqrt":
        return kept, max(math.isqrt(kept), 1)
    return kept, min(check_count(segment, "the length of a segment", do="or give 'sqrt'"), kept)


def _tail(sizes: Sequence[float], left: int) -> float:
    """What `left` more terms may add, at the rate at which the terms fell over the second half of those seen."""
    quarter = len(sizes) // 4
    if quarter == 0:
        return left * max(sizes)
    # The largest of each quarter, since momentum makes the terms swing.
    before, behind = max(sizes[-2 * quarter : -quarter]), max(sizes[-quarter:])
    ratio = (behind / before) ** (1.0 / quarter) if before > 0.0 else 1.0
    if ratio == 1.0:
        return left * behind
    try:
        return behind * ratio * (ratio**left - 1.0) / (ratio - 1.0)
    except OverflowError:
        return math.inf
