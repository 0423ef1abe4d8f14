"""Forward-mode differentiation through the steps of training: tangents travel along, nothing is kept.

Needs the inner optimiser as a function of its state, and few hyperparameters. With s_t the state after t steps and
s_{t+1} = Phi_t(s_t, h), the tangents Z_t = ds_t / dh, one per entry of h, go with the training:

    Z_0 = 0,   Z_{t+1} = (dPhi_t/ds) Z_t + dPhi_t/dh,        dF_T/dh = f_h + f_w Z_T

(Franceschi, Donini, Frasconi and Pontil 2017, arXiv 1703.01785, algorithm 2). The result is that of reverse mode. The
memory does not grow with T, the time is that of p trainings: one forward-over-reverse product a step and entry of h.
The losses must be made of operations that have forward-mode derivatives; those that have none are named, and
`unrolled_hypergradient` does without.
"""

from __future__ import annotations

import functools
import warnings

import torch
from torch import Tensor
from torch.autograd import forward_ad

from trimtab.base.errors import InvalidArgument, check_count, message
from trimtab.tuners.gradients.bilevel.derivatives import finite
from trimtab.tuners.gradients.bilevel.flat import Tensors
from trimtab.tuners.gradients.bilevel.hypergradient import Hypergradient, notes_on_zeros
from trimtab.tuners.gradients.bilevel.problem import BilevelProblem
from trimtab.tuners.gradients.bilevel.unrolled import GradientDescent, State, inner_slope, outer_derivatives

__all__ = ["forward_hypergradient"]


def forward_hypergradient(
    problem: BilevelProblem,
    optimiser: GradientDescent,
    steps: int,
    *,
    parameters: Tensors | None = None,
    hyperparameters: Tensors | None = None,
    first: int = 0,
) -> Hypergradient:
    """The derivative of the outer loss after `steps` steps of training. Its `parameters` are the trained ones.

    Arguments:
        problem: the problem; the work grows with the number of entries of its hyperparameters.
        optimiser, steps, parameters, hyperparameters, first: as for `unrolled_hypergradient`.

    Raises:
        InvalidArgument, InvalidObservation: tensors, losses or counts that cannot be used; the text names them.
    """
    check_count(steps, "the number of training steps")
    check_count(first, "the number of the first step", least=0)
    hyper = problem.checked_hyperparameters(hyperparameters)
    state = optimiser.start(problem, problem.checked_parameters(parameters))
    _load_rules()
    units = torch.eye(problem.hyper_layout.size).to(state[0])
    tangents: list[State] = [(torch.zeros_like(state[0]), torch.zeros_like(state[1])) for _ in units]
    after = state
    for step in range(first, first + steps):
        for place, unit in enumerate(units):
            after, tangents[place] = _advanced(problem, optimiser, state, tangents[place], hyper, unit, step)
        state = after
    value, slope, direct, _ = outer_derivatives(problem, state[0], hyper, first + steps)
    through = torch.stack([slope @ tangent for tangent, _ in tangents])
    gradient = finite(direct + through, problem.hyper_layout, f"the derivative through {steps} steps")
    notes = [f"tangents through {steps} steps", *notes_on_zeros(gradient, problem.hyper_layout)]
    return Hypergradient(
        gradient=problem.hyper_layout.named(gradient),
        error=0.0,
        value=value,
        parameters=problem.layout.named(state[0]),
        residual=0.0,
        iterations=steps,
        gradients=1,
        hvps=steps * len(tangents),
        converged=True,
        diagnosis="; ".join(notes),
        adjoint={},
    )


def _advanced(
    problem: BilevelProblem,
    optimiser: GradientDescent,
    state: State,
    tangent: State,
    hyper: Tensors,
    unit: Tensor,
    step: int,
) -> tuple[State, State]:
    """The state after one step, and its tangent along one entry of h."""
    with forward_ad.dual_level():
        along = problem.hyper_layout.named(_dual(problem.hyper_layout.flat(hyper), unit))
        # Reverse mode is for the inner gradient only: the step itself needs no graph.
        recorded = _dual(state[0].detach().requires_grad_(), tangent[0])
        try:
            slope = inner_slope(problem, recorded, along, step, create_graph=False)
        except NotImplementedError as error:
            raise InvalidArgument(
                message(
                    f"the inner loss has an operation without forward-mode derivatives ({error})",
                    do="use unrolled_hypergradient, or replace the operation",
                )
            ) from error
        before = (_dual(state[0].detach(), tangent[0]), _dual(state[1].detach(), tangent[1]))
        after = optimiser.updated(before, slope, along, step)
        return (_primal(after[0]), _primal(after[1])), (_tangent(after[0]), _tangent(after[1]))


def _dual(primal: Tensor, tangent: Tensor) -> Tensor:
    """A tensor that carries a tangent."""
    made: Tensor = forward_ad.make_dual(primal, tangent)  # type: ignore[no-untyped-call]
    return made


def _primal(dual: Tensor) -> Tensor:
    """The tensor without its tangent."""
    primal: Tensor = forward_ad.unpack_dual(dual).primal  # type: ignore[no-untyped-call]
    return primal.detach()


def _tangent(dual: Tensor) -> Tensor:
    """The tangent, zero where there is none."""
    tangent: Tensor | None = forward_ad.unpack_dual(dual).tangent  # type: ignore[no-untyped-call]
    return torch.zeros_like(dual.detach()) if tangent is None else tangent.detach()


@functools.cache
def _load_rules() -> None:
    """Let torch load its rules for forward mode: on first use it scripts some, and warns of its own scripting."""
    with warnings.catch_warnings(), forward_ad.dual_level():
        warnings.simplefilter("ignore", DeprecationWarning)
        _dual(torch.zeros(1), torch.zeros(1))
