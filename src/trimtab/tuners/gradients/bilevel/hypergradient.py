"""What every way to a hypergradient gives back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from trimtab.tuners.gradients.bilevel.flat import Layout, Tensors

__all__ = ["Hypergradient", "notes_on_zeros"]


@dataclass(frozen=True, slots=True, eq=False)
class Hypergradient:
    """A derivative of the outer loss in the hyperparameters, and how far it can be trusted.

    Arguments:
        gradient: by hyperparameter, of its shape.
        error: estimate of |gradient - exact one|, Euclidean over all hyperparameters; inf where nothing can be
            said, nan where no estimate was asked for. Of what the exact one is, see the method.
        value: the outer loss at the parameters used.
        parameters: w that it was taken at, by name.
        residual: |b - H x| of the linear system; 0.0 for the methods without one.
        iterations: of the linear solver, or steps differentiated through.
        gradients: first-order gradients taken.
        hvps: products with second derivatives taken, the error estimate's included.
        converged: whether the method came to its end: the linear system solved, or all steps differentiated.
        diagnosis: how it went, in words.
        adjoint: x of the linear system H x = f_w by parameter, to start the next one from; empty without one.
    """

    gradient: Mapping[str, Tensor]
    error: float
    value: float
    parameters: Mapping[str, Tensor]
    residual: float
    iterations: int
    gradients: int
    hvps: int
    converged: bool
    diagnosis: str
    adjoint: Mapping[str, Tensor]

    @property
    def norm(self) -> float:
        """Euclidean norm over all hyperparameters."""
        return math.sqrt(sum(float((part * part).sum()) for part in self.gradient.values()))

    def as_loss(self, hyperparameters: Tensors) -> Tensor:
        """A tensor of shape () with this value and, in these tensors, this gradient: for torch to go on from.

        Arguments:
            hyperparameters: where the hypergradient was taken, with the graph that leads to them; every name.
        """
        terms = [(self.gradient[name] * (tensor - tensor.detach())).sum() for name, tensor in hyperparameters.items()]
        return torch.stack(terms).sum() + self.value


def notes_on_zeros(gradient: Tensor, layout: Layout) -> list[str]:
    """One remark for the hyperparameters whose gradient is zero to the last digit, in a flat gradient (p,)."""
    zeros = [name for name, part in layout.named(gradient).items() if not bool(part.any())]
    if not zeros:
        return []
    return [
        f"the gradient in {', '.join(map(repr, zeros))} is exactly zero: at an optimum, or behind an operation whose "
        "derivative is zero (round, sign, a comparison, a saturated clamp)"
    ]
