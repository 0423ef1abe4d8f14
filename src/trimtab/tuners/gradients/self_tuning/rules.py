"""Update rules as pure functions: momentum SGD, RMSprop and Adam, in the forms of `torch.optim`.

A rule takes tensors, their gradients and its memory, and gives new tensors and a new memory; it changes nothing. So
that all that a training carries is in its state, and a step can be taken twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

from trimtab.base.errors import InvalidArgument, message

__all__ = ["Adam", "Memory", "Momentum", "RmsProp", "Rule"]

Memory: TypeAlias = Mapping[str, Tensor]
"""What a rule remembers, by "<what>.<name of the tensor>"; empty before the first update."""

Updated: TypeAlias = tuple[dict[str, Tensor], dict[str, Tensor]]
"""New tensors and a new memory."""


class Rule(Protocol):
    """A way from gradients to new tensors."""

    def update(self, tensors: Mapping[str, Tensor], gradients: Mapping[str, Tensor], memory: Memory) -> Updated:
        """The tensors and the memory after one update; the names of both mappings are the same."""
        ...


@dataclass(frozen=True, slots=True)
class Momentum:
    """b <- momentum b + g,  x <- x - rate b.

    Arguments:
        rate: the learning rate, > 0.
        momentum: in [0, 1).
    """

    rate: float
    momentum: float = 0.9

    def __post_init__(self) -> None:
        """Check the numbers."""
        _check(self.rate, self.momentum)

    def update(self, tensors: Mapping[str, Tensor], gradients: Mapping[str, Tensor], memory: Memory) -> Updated:
        """One update."""
        kept = {
            f"momentum.{name}": self.momentum * memory[f"momentum.{name}"] + gradient
            if f"momentum.{name}" in memory
            else gradient
            for name, gradient in gradients.items()
        }
        return {name: tensor - self.rate * kept[f"momentum.{name}"] for name, tensor in tensors.items()}, kept


@dataclass(frozen=True, slots=True)
class RmsProp:
    """v <- decay v + (1 - decay) g^2,  x <- x - rate g / (sqrt(v) + epsilon).

    Arguments:
        rate: the learning rate, > 0.
        decay: in [0, 1).
        epsilon: > 0.
    """

    rate: float
    decay: float = 0.99
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        """Check the numbers."""
        _check(self.rate, self.decay)

    def update(self, tensors: Mapping[str, Tensor], gradients: Mapping[str, Tensor], memory: Memory) -> Updated:
        """One update."""
        kept = _averages("square", self.decay, {n: g.square() for n, g in gradients.items()}, memory)
        return {
            name: tensor - self.rate * gradients[name] / (kept[f"square.{name}"].sqrt() + self.epsilon)
            for name, tensor in tensors.items()
        }, kept


@dataclass(frozen=True, slots=True)
class Adam:
    """m, v <- averages of g and g^2, corrected for their start at zero;  x <- x - rate m / (sqrt(v) + epsilon).

    Arguments:
        rate: the learning rate, > 0.
        beta1, beta2: decays of the averages, in [0, 1).
        epsilon: > 0.
    """

    rate: float
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        """Check the numbers."""
        _check(self.rate, self.beta1)
        _check(self.rate, self.beta2)

    def update(self, tensors: Mapping[str, Tensor], gradients: Mapping[str, Tensor], memory: Memory) -> Updated:
        """One update."""
        means = _averages("mean", self.beta1, gradients, memory)
        squares = _averages("square", self.beta2, {n: g.square() for n, g in gradients.items()}, memory)
        count = memory["count."] + 1.0 if "count." in memory else torch.ones(())
        first, second = 1.0 - self.beta1 ** float(count), 1.0 - self.beta2 ** float(count)
        return {
            name: tensor
            - self.rate * (means[f"mean.{name}"] / first) / ((squares[f"square.{name}"] / second).sqrt() + self.epsilon)
            for name, tensor in tensors.items()
        }, {**means, **squares, "count.": count}


def _averages(what: str, decay: float, new: Mapping[str, Tensor], memory: Memory) -> dict[str, Tensor]:
    """Exponential averages, from zero."""
    return {
        f"{what}.{name}": decay * memory.get(f"{what}.{name}", torch.zeros_like(value)) + (1.0 - decay) * value
        for name, value in new.items()
    }


def _check(rate: float, decay: float) -> None:
    """Refuse numbers that no rule works with."""
    if not (0.0 < rate < float("inf") and 0.0 <= decay < 1.0):
        raise InvalidArgument(
            message("no such update rule", got=(rate, decay), allowed="a finite rate > 0, a decay in [0, 1)")
        )
