"""SciPy's L-BFGS-B on the gradients that a problem tells, started again wherever it ends; see `descents`."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from trimtab.benchmarks.peers.descents import Descents, Point, Value

__all__ = ["Peer"]


class Peer:
    """One run."""

    takes_gradients = True

    def __init__(self, setup: dict[str, Any], method: str) -> None:
        if method != "l-bfgs-b":
            raise ValueError("only l-bfgs-b")
        self.library = f"scipy {importlib.metadata.version('scipy')}"
        rng = np.random.default_rng(setup["seed"])
        self._descents = Descents(setup, _descend, lambda count: rng.random(count).tolist())

    def ask(self, number: int) -> dict[str, float]:
        """Where the minimiser wants to know the value."""
        return self._descents.ask()

    def tell(self, number: int, value: float | None, gradient: dict[str, float] | None = None) -> None:
        """Its value and gradient, or a failure."""
        self._descents.tell(value, gradient)

    def add(self, coordinates: dict[str, float], value: float) -> None:
        """A result from elsewhere, of which a descent makes nothing."""


def _descend(value: Value, start: Point) -> None:
    """One descent, to its end."""

    def told(unit: Sequence[float]) -> tuple[float, NDArray[np.float64]]:
        found, gradient = value(unit)
        return found, np.array(gradient)

    minimize(told, np.array(start), jac=True, method="L-BFGS-B", bounds=[(0.0, 1.0)] * len(start))
