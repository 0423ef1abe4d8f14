"""What all bilevel descents share: a state, a step that leads from one to the next, and the loop over steps.

A descent moves the hyperparameters h down the outer loss of a `BilevelProblem` while it keeps the parameters w near
the inner minimum. A method is two pure functions, `start` and `step`; all that it carries from step to step is in the
`State`, so that a run which was cut off anywhere goes on from its last state as if nothing had happened, bit for bit.
States turn into NumPy arrays and back without pickle.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import torch
from numpy.typing import NDArray
from torch import Tensor

from trimtab.base.arrays import float_from_json, float_to_json
from trimtab.base.errors import InvalidArgument, InvalidObservation, check_count, message
from trimtab.tuners.gradients.bilevel.flat import Tensors
from trimtab.tuners.gradients.bilevel.problem import BilevelProblem
from trimtab.tuners.gradients.checkpoints import (
    Arrays,
    from_json_array,
    tensors_from_arrays,
    tensors_to_arrays,
    to_json_array,
)

__all__ = ["Descent", "OnStep", "State", "descend", "go_on"]

LAYOUT = 1
"""Version of the arrays of a state; raised when they change."""

HEAD = "state"
"""Name of the array that holds everything but the tensors, as UTF-8 JSON."""

_KINDS = ("parameters", "hyperparameters", "extra")


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """Where a descent stands.

    Arguments:
        parameters: w by name, near the inner minimum at the hyperparameters.
        hyperparameters: h by name.
        value: the outer loss at these two.
        iteration: outer iterations made.
        inner_iterations: gradients of the inner loss taken to solve the inner problem, over all iterations.
        finished: whether more steps would change nothing.
        why: what the last step did, in words; where finished, why it ended.
        extra: tensors that the method carries along, such as momentum.
        numbers: numbers that it carries along, such as the length of a step and accuracies.
    """

    parameters: dict[str, Tensor]
    hyperparameters: dict[str, Tensor]
    value: float
    iteration: int = 0
    inner_iterations: int = 0
    finished: bool = False
    why: str = ""
    extra: dict[str, Tensor] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)

    def to_arrays(self) -> Arrays:
        """The state as arrays: one for each tensor, and one of JSON for the rest. Exact in every bit."""
        arrays, tensors = tensors_to_arrays({kind: getattr(self, kind) for kind in _KINDS})
        head = {
            "layout": LAYOUT,
            "tensors": tensors,
            "value": float_to_json(self.value),
            "iteration": self.iteration,
            "inner_iterations": self.inner_iterations,
            "finished": self.finished,
            "why": self.why,
            "numbers": {name: float_to_json(number) for name, number in self.numbers.items()},
        }
        arrays[HEAD] = to_json_array(head)
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], device: torch.device | str = "cpu") -> State:
        """Inverse of `to_arrays`; other arrays than its own are passed over.

        Raises:
            InvalidArgument: not the arrays of a state, or of another version.
        """
        try:
            head = from_json_array(arrays[HEAD])
            if head["layout"] != LAYOUT:
                raise ValueError(f"layout {head['layout']}, not {LAYOUT}")
            kinds = tensors_from_arrays(arrays, {kind: head["tensors"][kind] for kind in _KINDS}, device)
            return cls(
                **kinds,
                value=float_from_json(head["value"]),
                iteration=int(head["iteration"]),
                inner_iterations=int(head["inner_iterations"]),
                finished=bool(head["finished"]),
                why=str(head["why"]),
                numbers={str(name): float_from_json(number) for name, number in head["numbers"].items()},
            )
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise InvalidArgument(
                message(
                    f"these arrays are no state of a descent ({type(error).__name__}: {error})",
                    got=sorted(arrays),
                    allowed="what State.to_arrays gives",
                )
            ) from error


class Descent(Protocol):
    """A method of bilevel descent. Both functions are pure: the same arguments, the same state."""

    def start(self, problem: BilevelProblem, hyperparameters: Tensors) -> State:
        """The state before the first step, from these hyperparameters and the problem's parameters."""
        ...

    def step(self, problem: BilevelProblem, state: State) -> State:
        """The state after one outer iteration; its `iteration` is one more."""
        ...


OnStep: TypeAlias = Callable[[State], None]
"""Called with the state after each outer iteration; what it raises ends the descent."""


def descend(
    problem: BilevelProblem,
    method: Descent,
    hyperparameters: Tensors | None,
    iterations: int,
    on_step: OnStep | None = None,
) -> State:
    """Run a method from a start until it is finished, or for so many outer iterations.

    Arguments:
        problem: the problem.
        method: the descent.
        hyperparameters: where it starts; None for where the problem does.
        iterations: most outer iterations.
        on_step: called after each of them.

    Raises:
        InvalidArgument, InvalidObservation: what `go_on` and the method raise.
    """
    check_count(iterations, "the number of outer iterations")
    first = _sound(method.start(problem, problem.checked_hyperparameters(hyperparameters)))
    return go_on(problem, method, first, iterations, on_step)


def go_on(
    problem: BilevelProblem, method: Descent, state: State, iterations: int, on_step: OnStep | None = None
) -> State:
    """Run a method from a state until it is finished, or `iterations` outer iterations are made in all.

    Raises:
        InvalidObservation: a step gave nan or inf; the text names the tensor and the iteration.
    """
    while not state.finished and state.iteration < iterations:
        state = _sound(method.step(problem, state))
        if on_step is not None:
            on_step(state)
    return state


def _sound(state: State) -> State:
    """The same state, where all of it is finite.

    Raises:
        InvalidObservation: it is not.
    """
    for kind, tensors in (
        ("parameter", state.parameters),
        ("hyperparameter", state.hyperparameters),
        ("carried tensor", state.extra),
    ):
        for name, tensor in tensors.items():
            if not bool(torch.isfinite(tensor).all()):
                raise InvalidObservation(
                    message(
                        f"{kind} {name!r} holds nan or inf after outer iteration {state.iteration}",
                        do="start nearer, take smaller steps, or keep the losses away from log, sqrt and / of zero",
                    )
                )
    if not math.isfinite(state.value):
        raise InvalidObservation(
            message(f"the outer loss is not finite after outer iteration {state.iteration}", got=state.value)
        )
    return state
