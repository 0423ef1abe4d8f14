"""Where a self-tuned training stands, as plain tensors; what of it is no longer finite, and whom to blame.

All that a training carries from step to step is here, so that one that was cut off goes on from its last state as if
nothing had happened, bit for bit. States turn into NumPy arrays and back without pickle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import softplus

from trimtab.base.errors import InvalidArgument, InvalidObservation, message
from trimtab.tuners.gradients.checkpoints import (
    Arrays,
    from_json_array,
    tensors_from_arrays,
    tensors_to_arrays,
    to_json_array,
)
from trimtab.tuners.gradients.self_tuning.problem import SelfTuningProblem
from trimtab.tuners.gradients.self_tuning.rules import Memory

__all__ = ["HYPERPARAMETERS", "SCALES", "NotFinite", "State", "check_loss", "check_tensors"]

HYPERPARAMETERS, SCALES = "hyperparameters", "scales"
"""Names of l and s where they are moved and where a diagnosis names them."""

GROUPS = ("weights", "response", "hyper")
"""What has an update rule, and so a memory."""

LAYOUT = 1
"""Version of the arrays of a state; raised when they change."""

HEAD = "state"
"""Name of the array that holds everything but the tensors, as UTF-8 JSON."""


class NotFinite(InvalidObservation):
    """A loss or a tensor became nan or infinite; the text names it and the step."""


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """Where a training stands: all that it carries from step to step.

    Arguments:
        parameters: of the module, by name.
        raw: l, shape (h,).
        raw_scale: s, shape (h,).
        memories: of the three update rules.
        training_steps, validation_steps: made so far.
    """

    parameters: Mapping[str, Tensor]
    raw: Tensor
    raw_scale: Tensor
    memories: Mapping[str, Memory] = field(default_factory=lambda: {group: {} for group in GROUPS})
    training_steps: int = 0
    validation_steps: int = 0

    @property
    def scale(self) -> Tensor:
        """sigma, shape (h,)."""
        return softplus(self.raw_scale)

    def to_arrays(self) -> Arrays:
        """The state as arrays: one for each tensor, and one of JSON for the rest. Exact in every bit."""
        tuned = {HYPERPARAMETERS: self.raw, SCALES: self.raw_scale}
        arrays, table = tensors_to_arrays({"parameters": self.parameters, "tuned": tuned, **self.memories})
        steps = {"training_steps": self.training_steps, "validation_steps": self.validation_steps}
        arrays[HEAD] = to_json_array({"layout": LAYOUT, "tensors": table, **steps})
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
            kinds = tensors_from_arrays(arrays, head["tensors"], device)
            return cls(
                kinds["parameters"],
                kinds["tuned"][HYPERPARAMETERS],
                kinds["tuned"][SCALES],
                {group: kinds[group] for group in GROUPS},
                int(head["training_steps"]),
                int(head["validation_steps"]),
            )
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise InvalidArgument(
                message(
                    f"these arrays are no state of a self-tuned training ({type(error).__name__}: {error})",
                    got=sorted(arrays),
                    allowed="what State.to_arrays gives",
                )
            ) from error


def _named(state: State) -> list[tuple[str, Tensor]]:
    """All tensors that move, with the names of a diagnosis."""
    return [
        *((f"parameter {name!r}", tensor) for name, tensor in state.parameters.items()),
        (f"the unconstrained {HYPERPARAMETERS}", state.raw),
        (f"the unconstrained {SCALES}", state.raw_scale),
    ]


def check_tensors(state: State) -> None:
    """Refuse a state with nan or infinities.

    Raises:
        NotFinite: it has some; the text names the tensor.
    """
    for name, tensor in _named(state):
        if not bool(torch.isfinite(tensor).all()):
            raise NotFinite(message(f"{name} holds nan or inf after training step {state.training_steps}", do=_REMEDY))


def check_loss(loss: Tensor, role: str, number: int, problem: SelfTuningProblem, state: State) -> None:
    """Refuse a loss that is not finite, and name the tensor to look at.

    Raises:
        NotFinite: it is not.
    """
    if bool(torch.isfinite(loss)):
        return
    named = _named(state)
    broken = [name for name, tensor in named if not bool(torch.isfinite(tensor).all())]
    if broken:
        where = f"{broken[0]} holds nan or inf"
    else:
        name, size = max(((name, float(tensor.abs().max())) for name, tensor in named), key=lambda pair: pair[1])
        params = problem.coding.plain(state.raw)
        where = f"all tensors are finite, the largest entry is {size:.3g}, in {name}, at {params}"
    raise NotFinite(
        message(f"the {role} loss is not finite at step {number}: {where}", got=float(loss.detach()), do=_REMEDY)
    )


_REMEDY = (
    "lower the learning rates, start with a smaller scale, use the centred form, or keep the losses away from log, "
    "sqrt and / of zero"
)
