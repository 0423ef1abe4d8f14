"""One descent over penalties, step by step: it says which penalties to evaluate, and is told their loss and gradient.

Needs a validation loss >= 0 and its exact derivatives by the penalties, such as `PenaltyTask.value_and_gradient` gives.
Each penalty p is a coordinate between its bounds on a logarithmic scale, u = log(p / low) / log(high / low), and what
descends is the logarithm of the loss V,

    d log V / du = p log(high / low) / V  dV/dp,

by a quadratic learnt from these slopes in a trust region (`trimtab.surrogates.secant`). With many penalties the loss
may span decades, and a quadratic of V that is right at its top says nothing of its bottom; one of log V does. A gain
worth mentioning is then a share of the loss, wherever it stands.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from trimtab.surrogates.secant import SecantDescent

__all__ = ["EARLY", "PenaltySteps"]

Array = NDArray[np.float64]

EARLY = 6
"""Steps before a descent can be hopeless. A loss that falls by decades does so in steps that each promise little."""


class PenaltySteps:
    """A descent, as far as it was told. Of k penalties.

    Arguments:
        low, high: the bounds of each, 0 < low < high, shape (k,).
        start: where it begins, shape (k,); moved between the bounds.
        tolerance: the share of the loss that a gain has to be to be worth mentioning.
        rival: the least loss of other descents; one that will not come below it is over.

    Attributes:
        why: why it is over, None while it is not: "bottom", "stuck" or "hopeless" (`SecantDescent.why_over`); "zero"
            where the loss is; "no start" where the first penalties told no loss.
    """

    def __init__(
        self, low: Array, high: Array, start: Array, *, tolerance: float = 1e-5, rival: float = math.inf
    ) -> None:
        self._low, self._high, self._width = low, high, np.log(high / low)
        self._tolerance, self._rival = tolerance, math.log(rival) if rival > 0.0 else -math.inf
        self._go(np.minimum(np.maximum(np.log(start / low) / self._width, 0.0), 1.0))
        self._descent: SecantDescent | None = None
        self.why: str | None = None

    def ask(self) -> Array:
        """The penalties to evaluate next, shape (k,). The same until they are told."""
        return self._asked

    def tell(self, loss: float, gradient: Array) -> None:
        """What those penalties gave.

        Arguments:
            loss: >= 0; nan where they could not be evaluated.
            gradient: its derivatives by the penalties, shape (k,); not read where the loss is nan or zero.
        """
        place = self._next
        if loss == 0.0:
            self.why = "zero"
            return
        if loss > 0.0 and math.isfinite(loss):
            value, slope = math.log(loss), gradient * self._asked * (self._width / loss)
        else:
            value, slope = math.nan, np.full(len(place), math.nan)
        if self._descent is not None:
            self._descent.step_told(place, value, slope)
        elif math.isfinite(value) and np.isfinite(slope).all():
            self._descent = SecantDescent(place, value, slope)
        else:
            self.why = "no start"
            return
        least = min(self._descent.loss, self._rival)
        self.why = self._descent.why_over(least, self._tolerance, EARLY)
        if self.why is None:
            step, gain = self._descent.target()
            # Where all that is downhill lies outside, no step is left.
            self.why = None if gain > 0.0 else "bottom"
            self._go(np.minimum(np.maximum(self._descent.place + step, 0.0), 1.0))

    def _go(self, place: Array) -> None:
        """Ask for a place next, in coordinates (k,)."""
        self._next, self._asked = place, self._penalties(place)

    def _penalties(self, unit: Array) -> Array:
        """Penalties (k,) from coordinates (k,); at a bound exactly the bound."""
        inside = np.minimum(self._low * np.exp(self._width * unit), self._high)
        return np.where(unit >= 1.0, self._high, inside)
