"""What is maximised over a space: criteria that add up, and the posteriors they ask.

Each criterion is the logarithm of a factor (an improvement, a probability, a prior, a cost), so that their sum
is the logarithm of the product, and none underflows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Criterion", "Predictor", "Total"]

Array = NDArray[np.float64]


class Criterion(Protocol):
    """A function over unit coordinates (m, d), nan where inactive; higher is better."""

    def value(self, unit: Array) -> Array:
        """Its values, shape (m,)."""
        ...

    def value_and_gradient(self, unit: Array) -> tuple[Array, Array]:
        """Its values (m,) and derivatives by the unit coordinates (m, d), 0 where it has none."""
        ...


class Predictor(Protocol):
    """A posterior over unit coordinates (m, d); lower is better."""

    def predict(self, unit: Array) -> tuple[Array, Array]:
        """Mean and variance, (m,) and (m,)."""
        ...

    def predict_with_gradient(self, unit: Array) -> tuple[Array, Array, Array, Array]:
        """Mean, variance, and their derivatives by the unit coordinates, 0 where these are no numbers."""
        ...


@dataclass(frozen=True, slots=True)
class Total:
    """The sum of criteria, one at least."""

    parts: Sequence[Criterion]

    def value(self, unit: Array) -> Array:
        """Shape (m,)."""
        return np.asarray(np.sum([part.value(unit) for part in self.parts], axis=0))

    def value_and_gradient(self, unit: Array) -> tuple[Array, Array]:
        """Shapes (m,) and (m, d)."""
        told = [part.value_and_gradient(unit) for part in self.parts]
        return np.sum([value for value, _ in told], axis=0), np.sum([gradient for _, gradient in told], axis=0)
