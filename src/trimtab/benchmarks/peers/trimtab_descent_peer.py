"""trimtab's own descent over penalties, without a study around it: what one trial of a `PenaltyDescent` does.

The first start is the middle, as that of the other descents; wherever one ends, the next one starts at a uniform draw
from the middle half of each range, and gives up where it will not come below the best of those before. Logarithmic
parameters only, losses above zero, one trial at a time.
"""

from __future__ import annotations

import importlib.metadata
import math
from typing import Any

import numpy as np

from trimtab.tuners.gradients.penalties.penalty_steps import PenaltySteps

__all__ = ["Peer"]


class Peer:
    """One run."""

    takes_gradients = True

    def __init__(self, setup: dict[str, Any], method: str) -> None:
        columns = setup["columns"]
        if method != "penalties" or not all(column["kind"] == "float" and column["log"] for column in columns):
            raise ValueError("only penalties, and only for logarithmic real parameters")
        self.library = f"trimtab {importlib.metadata.version('trimtab')}"
        self._names = [column["name"] for column in columns]
        self._low, self._high = (np.array([column[end] for column in columns]) for end in ("low", "high"))
        self._rng, self._best = np.random.default_rng(setup["seed"]), math.inf
        self._steps = PenaltySteps(self._low, self._high, np.sqrt(self._low * self._high))

    def ask(self, number: int) -> dict[str, float]:
        """The penalties whose loss and gradient the descent wants to know."""
        return dict(zip(self._names, self._steps.ask().tolist(), strict=True))

    def tell(self, number: int, value: float | None, gradient: dict[str, float] | None = None) -> None:
        """These, or a failure."""
        slope = np.array([math.nan if gradient is None else gradient[name] for name in self._names])
        self._steps.tell(math.nan if value is None else value, slope)
        self._best = self._best if value is None else min(self._best, value)
        if self._steps.why is not None:
            start = self._low * (self._high / self._low) ** self._rng.uniform(0.25, 0.75, len(self._low))
            self._steps = PenaltySteps(self._low, self._high, start, rival=self._best)

    def add(self, coordinates: dict[str, float], value: float) -> None:
        """A result from elsewhere, of which a descent makes nothing."""
