"""What a self-tuning network is trained on: a module, two losses, and batches.

The training loss gets the hyperparameters of each example, decoded, and does what they say: drops inputs or hidden
units, adds noise, cuts holes, decays weights. It needs no derivative in them. The validation loss has no regulariser.
Both call the network and never ask how its weights answer to the hyperparameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.func import functional_call

from trimtab.base.errors import InvalidArgument, InvalidObservation, message
from trimtab.tuners.gradients.self_tuning.coding import Coding
from trimtab.tuners.gradients.self_tuning.layers import RESPONSE, SelfTuningLayer, square_norm

__all__ = ["Batch", "Network", "Sampler", "SelfTuningProblem", "TrainingLoss", "ValidationLoss", "response_names"]

Batch: TypeAlias = tuple[Tensor, ...]
"""Tensors with one example per row."""

Sampler: TypeAlias = Callable[[int], Batch]
"""Number of a step -> batch; the same number, the same batch (`bilevel.Minibatches` does)."""


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A module with given tensors, and with its response at given hyperparameters; what losses call.

    Arguments:
        module: run with the keyword argument `z`, which it hands to its self-tuning layers.
        tensors: its parameters.
        at: z, shape (n, k); None for zero.
        toward: a change of z, shape (n, k), which is answered linearly, by f(at) + J_f(at) toward; None for none.
    """

    module: nn.Module
    tensors: Mapping[str, Tensor]
    at: Tensor | None = None
    toward: Tensor | None = None

    def __call__(self, *inputs: Any, **options: Any) -> Tensor:
        """The module's output, one tensor, for these arguments."""
        buffers = {name: buffer.clone() for name, buffer in self.module.named_buffers()}

        def output(z: Tensor | None) -> Tensor:
            out: Tensor = functional_call(self.module, {**buffers, **self.tensors}, inputs, {**options, "z": z})
            return out

        if self.at is None or self.toward is None:
            return output(self.at)
        with torch.enable_grad():
            at = self.at.detach().requires_grad_()
            value = output(at)
            total: Tensor = value + _tangent(value, at, self.toward)
        return total

    def square_norm(self) -> Tensor:
        """The sum of squares of the weights of all self-tuning layers, biases left out: shape (n,), or (1,) at zero."""
        total: Tensor | None = None
        for name, _ in _layers(self.module):
            weight, response, gate = (self.tensors[f"{name}{part}"] for part in ("weight", "response_weight", "gate"))
            z = gate.new_zeros(1, gate.shape[1]) if self.at is None else self.at
            each = square_norm(weight, response, gate, z if self.toward is None else z + self.toward)
            total = each if total is None else total + each
        assert total is not None
        return total


TrainingLoss: TypeAlias = Callable[[Network, Batch, dict[str, Tensor], torch.Generator], Tensor]
"""(network, batch, {hyperparameter: shape (n,)}, random numbers) -> scalar loss with its regularisers."""

ValidationLoss: TypeAlias = Callable[[Network, Batch], Tensor]
"""(network, batch) -> scalar loss without regularisers."""


@dataclass(frozen=True, slots=True, eq=False)
class SelfTuningProblem:
    """A training to tune.

    The validation set is used up by tuning on it for many steps: the value of a schedule is flattered. Hold a third
    split out to learn how good the network is.

    Arguments:
        module: with self-tuning layers, in the mode that it is to be run in; its parameters are where training starts.
            Those that do not require gradients are constants. Called with the keyword argument `z`.
        coding: of the hyperparameters.
        start: their values where tuning starts.
        training, validation: the losses.
        train_batch, valid_batch: their batches.
        evaluation: all of the validation data, for the values of a schedule.
        held_out: a third split, told in the schedule and used for nothing; None for none.
        shared: hyperparameters that cannot vary inside a batch, such as weight decay that is computed once for it;
            each batch gets one perturbation of them.

    Raises:
        InvalidArgument: a module without self-tuning layers, or whose layers read another number of inputs than the
            coding gives, that draws its own random numbers, or keeps statistics of perturbed batches.
    """

    module: nn.Module
    coding: Coding
    start: Mapping[str, float]
    training: TrainingLoss
    validation: ValidationLoss
    train_batch: Sampler
    valid_batch: Sampler
    evaluation: Batch
    held_out: Batch | None = None
    shared: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the module and the start."""
        layers = _layers(self.module)
        if not layers:
            raise InvalidArgument(
                message(
                    "the module has no self-tuning layer, so its weights cannot answer to the hyperparameters",
                    got=type(self.module).__name__,
                    do="make layers with SelfTuningLinear or SelfTuningConv2d",
                )
            )
        for name, layer in layers:
            if layer.gate.shape[1] != self.coding.inputs:
                raise InvalidArgument(
                    message(
                        f"layer {name.removesuffix('.') or 'of the module'!r} reads another number of inputs than the "
                        "coding gives",
                        got=layer.gate.shape[1],
                        allowed=str(self.coding.inputs),
                        do="make the layer with inputs=coding.inputs",
                    )
                )
        for name, part in self.module.named_modules():
            if isinstance(part, nn.modules.dropout._DropoutNd) and part.training and part.p > 0.0:
                raise InvalidArgument(
                    message(
                        f"module {name or type(part).__name__!r} drops units at a rate of its own",
                        do="drop in the forward function with self_tuning.drop, at a rate that the loss hands over",
                    )
                )
            if isinstance(part, nn.modules.batchnorm._NormBase) and part.training:
                raise InvalidArgument(
                    message(
                        f"module {name or type(part).__name__!r} would mix statistics of perturbed examples",
                        do="use nn.GroupNorm or nn.LayerNorm, which look at one example at a time",
                    )
                )
        unknown = [name for name in self.shared if name not in self.coding.names]
        if unknown:
            raise InvalidArgument(
                message(f"shared hyperparameter {unknown[0]!r} is not tuned", allowed=f"of {list(self.coding.names)}")
            )
        object.__setattr__(self, "start", dict(self.start))
        self.coding.encode(self.start)

    def parameters(self) -> dict[str, Tensor]:
        """The module's parameters, copied."""
        return {name: tensor.detach().clone() for name, tensor in self.module.named_parameters()}

    def trained(self) -> tuple[list[str], list[str]]:
        """Names of the trained parameters: the weights, and those of the response."""
        names = [name for name, tensor in self.module.named_parameters() if tensor.requires_grad]
        answering = response_names(self.module)
        return [name for name in names if name not in answering], [name for name in names if name in answering]

    def loss(self, role: str, value: object) -> Tensor:
        """What a loss function gave, checked to be a scalar.

        Raises:
            InvalidObservation: it is not.
        """
        if not isinstance(value, Tensor) or value.dim() != 0 or not value.is_floating_point():
            shown = f"shape {tuple(value.shape)}, {value.dtype}" if isinstance(value, Tensor) else value
            raise InvalidObservation(
                message(
                    f"the {role} loss must be a floating-point scalar tensor",
                    got=shown,
                    allowed="shape ()",
                    do="reduce it with .mean(), and return it without .item()",
                )
            )
        return value


def _tangent(value: Tensor, at: Tensor, toward: Tensor) -> Tensor:
    """J toward, for J = d value / d at: the derivative in u of toward . J^T u, which is linear in u.

    Two reverse passes give what one forward pass would. In PyTorch a forward pass spends milliseconds in Python on each
    sum or product of a tensor that has a tangent and one that has none, of which a self-tuning layer has three.
    """
    if not value.requires_grad:
        return torch.zeros_like(value)
    u = torch.zeros_like(value, requires_grad=True)
    (back,) = torch.autograd.grad(value, at, u, create_graph=True, materialize_grads=True)
    (change,) = torch.autograd.grad(back, u, toward, create_graph=True, materialize_grads=True)
    return change


def response_names(module: nn.Module) -> frozenset[str]:
    """Names of a module's parameters that make up its response: W1, b1 and V of each self-tuning layer."""
    return frozenset(f"{name}{part}" for name, _ in _layers(module) for part in RESPONSE)


def _layers(module: nn.Module) -> list[tuple[str, SelfTuningLayer]]:
    """The self-tuning layers with the prefix of their parameters' names."""
    return [
        (f"{name}." if name else "", part) for name, part in module.named_modules() if isinstance(part, SelfTuningLayer)
    ]
