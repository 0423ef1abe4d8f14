"""A training function in PyTorch as an objective that tells its gradient.

Needs a function that trains and gives a validation loss which is differentiable in the hyperparameters: because
training is unrolled inside it, or because its backward pass was written by the implicit function theorem
(`Hypergradient.as_loss`). A study over the space then has `Observation.gradient` for the tuners that learn from it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor

from trimtab.base.errors import InvalidArgument, InvalidObservation, message, shorten
from trimtab.base.records import Json, Observation, Params, ParamValue
from trimtab.space import Float, Space
from trimtab.tuners.gradients.bilevel.derivatives import DETACHED, derivative
from trimtab.tuners.gradients.bilevel.flat import Layout
from trimtab.tuners.gradients.bilevel.hypergradient import notes_on_zeros
from trimtab.tuners.gradients.bilevel.problem import IllPosed

__all__ = ["DIVERGED", "NO_GRADIENT", "ZERO_GRADIENT", "GradientObjective", "Train"]

Train: TypeAlias = Callable[[dict[str, Any]], Tensor]
"""{name: tensor of shape () for continuous parameters, plain value for the others} -> scalar validation loss."""

NO_GRADIENT = "no_gradient"
"""The user attribute of a trial that says which continuous parameters have no entry in its gradient, and why."""

ZERO_GRADIENT = "zero_gradient"
"""The user attribute that says which entries of the gradient are zero to the last digit, and what that may mean."""

DIVERGED = "diverged"
"""The user attribute of a trial without a finite loss that says where nan or inf came up."""


class HasParams(Protocol):
    """What is wanted of a trial."""

    @property
    def params(self) -> Params:
        """The configuration."""

    def set_user_attr(self, key: str, value: Json) -> None:
        """Keep something with the trial."""


@dataclass(frozen=True, slots=True, eq=False)
class GradientObjective:
    """An objective for `study.optimize` that returns the loss and its gradient.

    The gradient is d loss / d parameter in the parameter's own units, also where it is searched on a logarithmic
    scale, for each active `Float` without a step. One that the loss does not depend on has no entry, rather than a
    zero which might be an oversight, and neither has one whose derivative is not finite; the trial's user attribute
    `NO_GRADIENT` tells which and why; an entry that is exactly zero is told in `ZERO_GRADIENT`. A loss that is not
    finite is an observation without a gradient, which the study counts as diverged; `DIVERGED` tells where. A training
    that raises `IllPosed` is an observation of the value that it carries, likewise.

    Arguments:
        space: of the study.
        train: the training function; continuous parameters come as tensors of shape () to differentiate in, all
            others as they are.
        dtype: of those tensors.
        device: of those tensors.

    Raises (when it is called):
        InvalidParams: the trial's params do not lie in the space.
        InvalidObservation: the loss is no scalar tensor, or is cut off from every continuous parameter.

    >>> from types import SimpleNamespace
    >>> from trimtab.space import Int
    >>> square = GradientObjective(Space(x=Float(0, 4), n=Int(1, 3)), lambda h: h["n"] * h["x"] ** 2)
    >>> dict(square(SimpleNamespace(params={"x": 3.0, "n": 2})).gradient)
    {'x': 12.0}
    """

    space: Space
    train: Train
    dtype: torch.dtype = torch.float64
    device: torch.device | str = "cpu"

    def __post_init__(self) -> None:
        """Refuse a dtype without derivatives."""
        if not self.dtype.is_floating_point:
            raise InvalidArgument(
                message("tensors to differentiate in must be floating point", got=str(self.dtype), allowed="float64")
            )

    def __call__(self, trial: HasParams) -> Observation:
        """Train with the trial's params."""
        params = dict(trial.params)
        self.space.validate(params)
        tensors = {
            name: torch.tensor(float(value), dtype=self.dtype, device=self.device, requires_grad=True)
            for name, value in params.items()
            if value is not None and self._continuous(name)
        }
        try:
            loss = self._checked(self.train({**params, **tensors}), tensors)
        except IllPosed as error:
            return self._without_gradient(trial, tensors, error.value, str(error))
        value = float(loss.detach())
        if not tensors:
            return Observation(value)
        if not math.isfinite(value):
            told = message(
                f"the validation loss is {value} with {shorten(params, 200)}",
                do="look for log, sqrt and / at zero and exp of large numbers in train, or narrow the space",
            )
            return self._without_gradient(trial, tensors, value, told)
        found = derivative(loss, list(tensors.values()), f"the validation loss in {list(tensors)}")
        gradient = {name: float(part) for name, part in zip(tensors, found, strict=True) if part is not None}
        missing: dict[str, ParamValue] = {
            name: f"the loss does not depend on it; if it should, {DETACHED}"
            for name in tensors
            if name not in gradient
        }
        return self._told(trial, value, gradient, missing)

    @staticmethod
    def _without_gradient(trial: HasParams, tensors: Mapping[str, Tensor], value: float, why: str) -> Observation:
        """The observation of a value alone, and a note that says why."""
        if math.isfinite(value):
            trial.set_user_attr(NO_GRADIENT, dict.fromkeys(tensors, why))
        else:
            trial.set_user_attr(DIVERGED, why)
        return Observation(value)

    @staticmethod
    def _told(
        trial: HasParams, value: float, gradient: dict[str, float], missing: dict[str, ParamValue]
    ) -> Observation:
        """The observation, with entries that are not finite taken out and noted."""
        bad = {name: slope for name, slope in gradient.items() if not abs(slope) < float("inf")}
        missing |= {name: f"its derivative is {slope}" for name, slope in bad.items()}
        if missing:
            trial.set_user_attr(NO_GRADIENT, missing)
        kept = {name: slope for name, slope in gradient.items() if name not in bad}
        slopes = {name: torch.tensor(slope, dtype=torch.float64) for name, slope in kept.items() if slope == 0.0}
        if slopes:
            layout = Layout.of(slopes)
            trial.set_user_attr(ZERO_GRADIENT, notes_on_zeros(layout.flat(slopes), layout)[0])
        return Observation(value, gradient=kept or None)

    def _continuous(self, name: str) -> bool:
        """Whether a parameter is a number without steps."""
        parameter = self.space[name]
        return isinstance(parameter, Float) and parameter.step is None

    @staticmethod
    def _checked(loss: object, tensors: Mapping[str, Tensor]) -> Tensor:
        """The loss, a scalar with a graph where there is anything to differentiate in."""
        if not isinstance(loss, Tensor) or loss.numel() != 1 or not loss.is_floating_point():
            shown = f"a tensor of shape {tuple(loss.shape)}, {loss.dtype}" if isinstance(loss, Tensor) else loss
            raise InvalidObservation(
                message(
                    "train must return a scalar tensor",
                    got=shown,
                    allowed="one floating-point number with its graph",
                    do="return the validation loss itself, reduced with .mean(), without .item()",
                )
            )
        if tensors and not loss.requires_grad:
            raise InvalidObservation(
                message(
                    f"the validation loss is cut off from all continuous parameters {list(tensors)}",
                    do=f"{DETACHED}; to tune without gradients return the plain number from an ordinary objective",
                )
            )
        return loss.reshape(())
