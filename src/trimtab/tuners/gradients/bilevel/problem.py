"""A bilevel problem in PyTorch, told by its two losses.

    min_h F(h) = f(w*(h), h),      w*(h) = argmin_w g(w, h)

g is the inner loss (training), f the outer one (validation), w the parameters and h the hyperparameters; both are
dicts of names to tensors, of any shapes, so that one penalty per weight is as good as a single one.
A loss is a function of (parameters, hyperparameters, batch) that returns a scalar and changes nothing. Where there is
a sampler, the batch is its answer to the number of the step; a step is run again wherever memory is saved, so it must
get the same batch twice (`Minibatches` does). Where there is none, the batch is None.

Everything is checked where it is given, and every complaint names the tensor. The form of the problem is that of
Franceschi, Donini, Frasconi and Pontil 2017 (arXiv 1703.01785) and of Pedregosa 2016 (arXiv 1602.02355).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.func import functional_call

from trimtab.base.errors import InvalidArgument, InvalidObservation, TrimtabError, check_count, message, shorten
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.tuners.gradients.bilevel.flat import Layout, Tensors

__all__ = [
    "BILEVEL_REFS",
    "FRANCESCHI",
    "PEDREGOSA",
    "BilevelProblem",
    "IllPosed",
    "Loss",
    "Minibatches",
    "ModuleLoss",
    "Role",
    "Sampler",
]

Loss: TypeAlias = Callable[[Tensors, Tensors, Any], Tensor]
"""(parameters, hyperparameters, batch) -> scalar loss."""

ModuleLoss: TypeAlias = Callable[[Callable[..., Any], Tensors, Tensors, Any], Tensor]
"""(model, parameters, hyperparameters, batch) -> scalar loss; `model(x)` runs the module with the parameters."""

Sampler: TypeAlias = Callable[[int], Any]
"""Number of a step -> batch; the same number, the same batch."""

Role: TypeAlias = Literal["inner", "outer"]

FRANCESCHI = Reference(
    authors="Franceschi, Luca and Donini, Michele and Frasconi, Paolo and Pontil, Massimiliano",
    title="Forward and Reverse Gradient-Based Hyperparameter Optimization",
    year=2017,
    venue="International Conference on Machine Learning, PMLR 70",
    arxiv="1703.01785",
)

PEDREGOSA = Reference(
    authors="Pedregosa, Fabian",
    title="Hyperparameter optimization with approximate gradient",
    year=2016,
    venue="International Conference on Machine Learning, PMLR 48",
    arxiv="1602.02355",
)

BILEVEL_REFS = (FRANCESCHI, PEDREGOSA)


class IllPosed(InvalidObservation):
    """The numbers at some hyperparameters give no derivative to trust: nan or inf, no minimum, no end of training.

    It tells something of a configuration and not of the code, so a study need not end with it.

    Arguments:
        text: what, got, allowed, next step.
        value: the outer loss, where it is known; else nan.
    """

    def __init__(self, text: str, value: float = math.nan) -> None:
        super().__init__(text)
        self.value = value


@dataclass(frozen=True, slots=True, eq=False)
class BilevelProblem:
    """The losses, and where they start.

    Arguments:
        inner: g(parameters, hyperparameters, batch), a scalar that can be differentiated twice.
        outer: f(parameters, hyperparameters, batch), a scalar that can be differentiated once.
        parameters: w, where the inner problem starts; floating point, one dtype and device for all tensors.
        hyperparameters: h, where the outer problem starts; likewise.
        inner_batch: number of a step -> batch of the inner loss; None for a deterministic inner problem.
        outer_batch: likewise for the outer loss.

    Raises:
        InvalidArgument: no tensors, or some that are not finite floating point, or of several dtypes or devices.
    """

    inner: Loss
    outer: Loss
    parameters: Tensors
    hyperparameters: Tensors
    inner_batch: Sampler | None = None
    outer_batch: Sampler | None = None
    layout: Layout = field(init=False, repr=False)
    hyper_layout: Layout = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the tensors and keep them apart from the caller's."""
        parameters = _own(self.parameters, "parameter")
        hyperparameters = _own(self.hyperparameters, "hyperparameter")
        first, *others = [("parameter", *item) for item in parameters.items()] + [
            ("hyperparameter", *item) for item in hyperparameters.items()
        ]
        for kind, name, tensor in others:
            if (tensor.dtype, tensor.device) != (first[2].dtype, first[2].device):
                raise InvalidArgument(
                    message(
                        f"{kind} {name!r} and {first[0]} {first[1]!r} are of different dtypes or devices",
                        got=f"{tensor.dtype} on {tensor.device}",
                        allowed=f"{first[2].dtype} on {first[2].device}, as the first",
                        do="turn all of them to one dtype and device with .to(...)",
                    )
                )
        object.__setattr__(self, "parameters", MappingProxyType(parameters))
        object.__setattr__(self, "hyperparameters", MappingProxyType(hyperparameters))
        object.__setattr__(self, "layout", Layout.of(parameters))
        object.__setattr__(self, "hyper_layout", Layout.of(hyperparameters))

    @classmethod
    def from_module(
        cls,
        module: nn.Module,
        inner: ModuleLoss,
        outer: ModuleLoss,
        hyperparameters: Tensors,
        inner_batch: Sampler | None = None,
        outer_batch: Sampler | None = None,
    ) -> BilevelProblem:
        """A problem whose parameters are those of a module that require gradients.

        The module stays as it is: each call runs it, by `torch.func.functional_call`, with the parameters given and
        with fresh copies of its buffers, so running statistics do not move. Parameters that are frozen
        (`requires_grad=False`) are constants.

        Arguments:
            module: in the mode that it is to be run in.
            inner, outer: losses of (model, parameters, hyperparameters, batch); `model(x)` runs the module.
            hyperparameters, inner_batch, outer_batch: as for the class.

        Raises:
            InvalidArgument: as for the class, or the module draws random numbers (dropout in training mode).
        """
        random = [
            name or type(part).__name__
            for name, part in module.named_modules()
            if isinstance(part, nn.modules.dropout._DropoutNd) and part.training and part.p > 0.0
        ]
        if random:
            raise InvalidArgument(
                message(
                    f"module {random[0]!r} draws a new dropout mask each time, but a step run twice must do the same",
                    do="call module.eval() first, or set its p to 0, or write the mask as a function of the batch",
                )
            )
        frozen = {name: part.detach().clone() for name, part in module.named_parameters() if not part.requires_grad}

        def run(loss: ModuleLoss) -> Loss:
            def of(parameters: Tensors, hyperparameters: Tensors, batch: Any) -> Tensor:
                def model(*inputs: Any, **options: Any) -> Any:
                    buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}
                    return functional_call(module, {**frozen, **buffers, **parameters}, inputs, options)

                return loss(model, parameters, hyperparameters, batch)

            return of

        trained = {name: part for name, part in module.named_parameters() if part.requires_grad}
        return cls(run(inner), run(outer), trained, hyperparameters, inner_batch, outer_batch)

    def batch(self, role: Role, step: int) -> Any:
        """The batch of a loss at a step; None where there is no sampler."""
        sampler = self.inner_batch if role == "inner" else self.outer_batch
        return None if sampler is None else sampler(step)

    @property
    def stochastic(self) -> bool:
        """Whether a loss is seen through batches."""
        return self.inner_batch is not None or self.outer_batch is not None

    def loss(self, role: Role, parameters: Tensors, hyperparameters: Tensors, step: int) -> Tensor:
        """The inner or the outer loss, checked; shape ().

        Raises:
            InvalidArgument: it cannot be computed, for instance since shapes do not fit.
            InvalidObservation: not a tensor, not a scalar, or not floating point.
            IllPosed: not finite.
        """
        function, batch = self.inner if role == "inner" else self.outer, self.batch(role, step)
        try:
            value = function(parameters, hyperparameters, batch)
        except (RuntimeError, ValueError, IndexError, KeyError) as error:
            # An operation that is not implemented is told by who asked for its derivative.
            if isinstance(error, TrimtabError | torch.OutOfMemoryError | NotImplementedError):
                raise
            raise InvalidArgument(
                message(
                    f"the {role} loss cannot be computed ({type(error).__name__}: {error}) with parameters "
                    f"{_shapes(parameters)} and hyperparameters {_shapes(hyperparameters)}",
                    do="compare these names and shapes with what the loss does with them",
                )
            ) from error
        if not isinstance(value, Tensor):
            raise InvalidObservation(
                message(
                    f"the {role} loss must be a tensor",
                    got=value,
                    allowed="a scalar torch.Tensor",
                    do="return the loss itself, without .item() or float()",
                )
            )
        if value.dim() != 0 or not value.is_floating_point():
            raise InvalidObservation(
                message(
                    f"the {role} loss must be a floating-point scalar",
                    got=f"a tensor of shape {tuple(value.shape)} and {value.dtype}",
                    allowed="shape ()",
                    do="reduce it, for instance with .mean()",
                )
            )
        if not bool(torch.isfinite(value)):
            raise IllPosed(
                message(
                    f"the {role} loss is not finite at step {step}",
                    got=float(value.detach()),
                    do=_look_at(parameters, hyperparameters),
                )
            )
        return value

    def checked_parameters(self, given: Tensors | None) -> dict[str, Tensor]:
        """The parameters given, or the start; detached.

        Raises:
            InvalidArgument: other names, shapes or dtypes than the problem's, or not finite.
        """
        return _matched(given, self.parameters, "parameter")

    def checked_hyperparameters(self, given: Tensors | None) -> dict[str, Tensor]:
        """The hyperparameters given, or the start; detached; errors as for the parameters."""
        return _matched(given, self.hyperparameters, "hyperparameter")


@dataclass(frozen=True, slots=True, eq=False)
class Minibatches:
    """A sampler: for each step some of the examples, without replacement, a function of (seed, step) alone.

    Arguments:
        data: tensors with one example per row, the same number in each.
        size: of a batch, at most the number of examples.
        seed: of the draws.

    Raises:
        InvalidArgument: no data, different numbers of rows, or an impossible size.

    >>> batches = Minibatches((torch.arange(6), torch.arange(6)), size=2, seed=0)
    >>> bool((batches(3)[0] == batches(3)[1]).all()), len(batches(4)[0])
    (True, 2)
    """

    data: tuple[Tensor, ...]
    size: int
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the data and the size."""
        rows = {len(tensor) if tensor.dim() else 0 for tensor in self.data}
        if len(rows) != 1 or rows == {0}:
            raise InvalidArgument(
                message("minibatches need tensors with one example per row", got=[tuple(t.shape) for t in self.data])
            )
        count = rows.pop()
        if check_count(self.size, "the size of a batch") > count:
            raise InvalidArgument(message("a batch is larger than the data", got=self.size, allowed=f"1 to {count}"))

    def __call__(self, step: int) -> tuple[Tensor, ...]:
        """The batch of one step."""
        rng = Key(self.seed, step, "bilevel/minibatch").generator()
        rows = torch.from_numpy(rng.choice(len(self.data[0]), self.size, replace=False))
        return tuple(tensor[rows.to(tensor.device)] for tensor in self.data)


def _own(given: Tensors, kind: str) -> dict[str, Tensor]:
    """Detached copies of the tensors, checked one by one."""
    if not isinstance(given, Mapping) or not given:
        raise InvalidArgument(
            message(f"a bilevel problem needs {kind}s", got=given, allowed="a dict of names to tensors, not empty")
        )
    return {name: _sound(name, tensor, kind).detach().clone() for name, tensor in given.items()}


def _sound(name: object, tensor: object, kind: str) -> Tensor:
    """A finite floating-point tensor under a name.

    Raises:
        InvalidArgument: it is none.
    """
    if not isinstance(name, str) or not isinstance(tensor, Tensor):
        raise InvalidArgument(
            message(f"{kind} {name!r} must be a tensor under a name", got=tensor, allowed="{text: torch.Tensor}")
        )
    if not tensor.is_floating_point():
        raise InvalidArgument(
            message(
                f"{kind} {name!r} has no derivatives, since it is not floating point",
                got=str(tensor.dtype),
                allowed="float32 or float64",
                do="turn it to floating point with .to(torch.float64), or leave it out and close over it",
            )
        )
    if not bool(torch.isfinite(tensor).all()):
        raise InvalidArgument(message(f"{kind} {name!r} holds nan or inf", do="start from finite numbers"))
    return tensor


def _matched(given: Tensors | None, known: Tensors, kind: str) -> dict[str, Tensor]:
    """Tensors that fit the declared ones, detached, in the declared order."""
    if given is None:
        return {name: tensor.detach() for name, tensor in known.items()}
    if set(given) != set(known):
        odd = sorted(set(given) ^ set(known), key=str)
        raise InvalidArgument(
            message(
                f"{kind} {odd[0]!r} is {'not declared' if odd[0] in given else 'missing'}",
                got=list(given),
                allowed=f"exactly {list(known)}",
            )
        )
    for name, tensor in known.items():
        got = _sound(name, given[name], kind)
        if got.shape != tensor.shape or got.dtype != tensor.dtype or got.device != tensor.device:
            raise InvalidArgument(
                message(
                    f"{kind} {name!r} does not have the declared shape, dtype and device",
                    got=f"{tuple(got.shape)}, {got.dtype}, {got.device}",
                    allowed=f"{tuple(tensor.shape)}, {tensor.dtype}, {tensor.device}",
                )
            )
    return {name: given[name].detach() for name in known}


def _shapes(tensors: Tensors) -> str:
    """Names and shapes, cut where there are many."""
    return shorten({name: tuple(tensor.shape) for name, tensor in tensors.items()}, 200)


def _look_at(parameters: Tensors, hyperparameters: Tensors) -> str:
    """Where to look when a loss is not finite: the tensor that is bad already, else the largest of each kind."""
    for kind, tensors in (("parameter", parameters), ("hyperparameter", hyperparameters)):
        for name, tensor in tensors.items():
            if not bool(torch.isfinite(tensor).all()):
                return f"{kind} {name!r} holds nan or inf by then: take smaller steps"
    sizes = {
        f"{kind} {name!r}": float(tensor.detach().abs().max())
        for kind, tensors in (("parameter", parameters), ("hyperparameter", hyperparameters))
        for name, tensor in tensors.items()
        if tensor.numel()
    }
    largest = max(sizes, key=lambda name: sizes[name])
    return (
        f"all tensors are finite, the largest entry is {sizes[largest]:.3g} in {largest}: look at log, sqrt, exp and /"
    )
