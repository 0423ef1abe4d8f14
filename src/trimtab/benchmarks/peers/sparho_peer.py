"""sparho's outer loop HOAG on the gradients that a problem tells, started again wherever it ends.

`hoag` is `hoag_search` with its defaults: gradient steps in the logarithms of the penalties, whose length follows a
guess of the Lipschitz constant (F. Pedregosa, "Hyperparameter optimization with approximate gradient", ICML 2016, arXiv
1602.02355). The problem's value and gradient stand in for the library's criterion, so its own models and their
derivatives have no part in it. It has no bounds; `descents` tells what a step out of the box is, and of the starts.
Logarithmic parameters only.
"""

from __future__ import annotations

import importlib
import warnings
from typing import Any

__all__ = ["Peer"]


class Peer:
    """One run."""

    takes_gradients = True

    def __init__(self, setup: dict[str, Any], method: str) -> None:
        if method != "hoag" or not all(column["log"] for column in setup["columns"]):
            raise ValueError("only hoag, and only for logarithmic parameters")
        warnings.simplefilter("ignore")
        self._numpy: Any = importlib.import_module("numpy")
        self._sparho: Any = importlib.import_module("sparho")
        self.library = f"sparho {self._sparho.__version__}"
        self._low = self._numpy.log([column["low"] for column in setup["columns"]])
        self._width = self._numpy.log([column["high"] / column["low"] for column in setup["columns"]])
        self._nothing = self._numpy.empty(0)
        self._value: Any = None
        draw = self._numpy.random.default_rng(setup["seed"]).random
        self._descents = importlib.import_module("descents").Descents(setup, self._descend, draw)

    def _descend(self, value: Any, start: tuple[float, ...]) -> None:
        """One descent, to its end."""
        penalties = self._numpy.exp(self._low + self._width * self._numpy.array(start))
        self._value = value
        self._sparho.hoag_search(None, penalties, solver=self._fitted, criterion=self)

    def value_and_hypergrad(self, problem: None, hp: Any, solver: Any, hypergrad: Any, *, tol: float) -> Any:
        """The library's criterion: the value at the penalties `hp` and its derivatives by them."""
        value, gradient = self._value(((self._numpy.log(hp) - self._low) / self._width).tolist())
        slopes = self._numpy.array(gradient) / (self._width * hp)
        return self._sparho.CriterionResult(value, slopes, self._nothing, self._nothing)

    def _fitted(self, problem: None, hp: Any, *, tol: float) -> Any:
        """The model that the library wants fitted at the end of a search: there is none."""
        return self._sparho.SolverResult(self._nothing, self._nothing, 0.0, 0)

    def ask(self, number: int) -> dict[str, float]:
        """Where the search wants to know the value."""
        coordinates: dict[str, float] = self._descents.ask()
        return coordinates

    def tell(self, number: int, value: float | None, gradient: dict[str, float] | None = None) -> None:
        """Its value and gradient, or a failure."""
        self._descents.tell(value, gradient)

    def add(self, coordinates: dict[str, float], value: float) -> None:
        """A result from elsewhere, of which a descent makes nothing."""
