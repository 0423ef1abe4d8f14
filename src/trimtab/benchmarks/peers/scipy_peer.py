"""SciPy's L-BFGS-B on the gradients that a problem tells, started again wherever it ends.

What a hypergradient is commonly used for: descent from a point, in coordinates scaled to the unit interval (logarithmic
where the parameter is). The first start is the middle, the others are uniform draws. Numbers only, one trial at a time.
"""

from __future__ import annotations

import importlib.metadata
import queue
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

__all__ = ["Peer"]

Array = NDArray[np.float64]

PENALTY = 1e10
"""What a failed trial counts as."""


class Peer:
    """A minimiser in a thread, which waits for each value that it asks for."""

    takes_gradients = True

    def __init__(self, setup: dict[str, Any], method: str) -> None:
        if method != "l-bfgs-b" or any(column["kind"] != "float" for column in setup["columns"]):
            raise ValueError("only l-bfgs-b, and only for real numbers")
        self.library = f"scipy {importlib.metadata.version('scipy')}"
        self._names = [column["name"] for column in setup["columns"]]
        ends = np.array([[column["low"], column["high"]] for column in setup["columns"]])
        self._log = np.array([column["log"] for column in setup["columns"]])
        self._low, self._high = np.where(self._log[:, None], np.log(np.where(self._log[:, None], ends, 1.0)), ends).T
        self._rng = np.random.default_rng(setup["seed"])
        self._asked: queue.Queue[Array] = queue.Queue()
        self._told: queue.Queue[tuple[float, Array]] = queue.Queue()
        self._at: Array = np.empty(0)
        threading.Thread(target=self._descend, daemon=True).start()

    def _descend(self) -> None:
        """Minimise for ever."""
        start = np.full(len(self._names), 0.5)
        while True:
            minimize(self._value, start, jac=True, method="L-BFGS-B", bounds=[(0.0, 1.0)] * len(start))
            start = self._rng.random(len(start))

    def _value(self, unit: Array) -> tuple[float, Array]:
        self._asked.put(unit.copy())
        return self._told.get()

    def ask(self, number: int) -> dict[str, float]:
        """Where the minimiser wants to know the value."""
        natural = self._low + self._asked.get() * (self._high - self._low)
        self._at = np.where(self._log, np.exp(np.where(self._log, natural, 0.0)), natural)
        return dict(zip(self._names, self._at.tolist(), strict=True))

    def tell(self, number: int, value: float | None, gradient: dict[str, float] | None = None) -> None:
        """Its value and gradient; a failure is a high and flat place."""
        if value is None or gradient is None:
            self._told.put((PENALTY, np.zeros(len(self._names))))
            return
        by_natural = np.array([gradient[name] for name in self._names])
        stretch = (self._high - self._low) * np.where(self._log, self._at, 1.0)
        self._told.put((value, by_natural * stretch))

    def add(self, coordinates: dict[str, float], value: float) -> None:
        """A result from elsewhere, of which a descent makes nothing."""
