"""Named tensors as one flat vector, and back: what linear algebra wants, and what losses want.

`torch.nn.utils.parameters_to_vector` does the same for an unnamed list; here names matter, since every diagnosis
of this room names the tensor that it is about.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

__all__ = ["Layout", "Tensors"]

Tensors: TypeAlias = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each named tensor lies in the flat vector: in the order of the names, row-major.

    Arguments:
        names: of the tensors.
        shapes: of the tensors, in the same order.

    >>> layout = Layout.of({"a": torch.zeros(2, 2), "b": torch.ones(())})
    >>> layout.size, layout.named(layout.flat({"a": torch.zeros(2, 2), "b": torch.ones(())}))["b"]
    (5, tensor(1.))
    """

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, tensors: Tensors) -> Layout:
        """The layout of these tensors."""
        return cls(tuple(tensors), tuple(tuple(tensor.shape) for tensor in tensors.values()))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of entries of each tensor."""
        return tuple(math.prod(shape) for shape in self.shapes)

    @property
    def size(self) -> int:
        """Number of entries of the flat vector."""
        return sum(self.sizes)

    def flat(self, tensors: Tensors) -> Tensor:
        """The vector, shape (size,), of tensors of these names and shapes."""
        return self.joined([tensors[name] for name in self.names])

    def joined(self, tensors: Sequence[Tensor]) -> Tensor:
        """The vector, shape (size,), of tensors in the order of the names."""
        return torch.cat([tensor.reshape(-1) for tensor in tensors])

    def named(self, vector: Tensor) -> dict[str, Tensor]:
        """The tensors, as views of a vector of shape (size,); differentiable."""
        parts = torch.split(vector, list(self.sizes))
        return {name: part.reshape(shape) for name, part, shape in zip(self.names, parts, self.shapes, strict=True)}
