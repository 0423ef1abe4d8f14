"""sparse-ho's outer optimisers on the gradients that a problem tells, started again wherever they end.

`linesearch` is `LineSearch`: gradient steps in the logarithms of the penalties, whose length follows a guess of the
Lipschitz constant, as in HOAG (F. Pedregosa, "Hyperparameter optimization with approximate gradient", ICML 2016, arXiv
1602.02355), projected to the box. `gradient-descent` is `GradientDescent`: its first 20 steps have length one, and it
steps a tenth as far after every rise; it is not projected, and `descents` tells what a step out of the box is, and of
the starts. Both have the library's defaults, 100 steps among them. The problem's value and gradient stand in for the
library's criterion, so its own models and their derivatives have no part in it. Logarithmic parameters only.
"""

from __future__ import annotations

import importlib
import warnings
from types import SimpleNamespace
from typing import Any

__all__ = ["Peer"]

OPTIMIZERS = {"linesearch": "LineSearch", "gradient-descent": "GradientDescent"}


class Peer:
    """One run."""

    takes_gradients = True

    def __init__(self, setup: dict[str, Any], method: str) -> None:
        if method not in OPTIMIZERS or not all(column["log"] for column in setup["columns"]):
            raise ValueError(f"only {' and '.join(OPTIMIZERS)}, and only for logarithmic parameters")
        warnings.simplefilter("ignore")
        self._numpy: Any = importlib.import_module("numpy")
        self._library: Any = importlib.import_module("sparse_ho")
        self._optimizer: Any = getattr(importlib.import_module("sparse_ho.optimizers"), OPTIMIZERS[method])
        self._monitor: Any = importlib.import_module("sparse_ho.utils").Monitor
        self.library = f"sparse_ho {self._library.__version__}"
        self._low, self._high = (
            self._numpy.log([column[end] for column in setup["columns"]]) for end in ("low", "high")
        )
        self._value: Any = None
        draw = self._numpy.random.default_rng(setup["seed"]).random
        self._descents = importlib.import_module("descents").Descents(setup, self._descend, draw)

    def _descend(self, value: Any, start: tuple[float, ...]) -> None:
        """One descent, to its end."""
        self._value = value
        penalties = self._numpy.exp(self._low + (self._high - self._low) * self._numpy.array(start))
        nothing = SimpleNamespace(compute_beta_grad=None)
        optimizer, monitor = self._optimizer(), self._monitor()
        self._library.grad_search(nothing, self, None, optimizer, None, None, penalties, monitor)

    def get_val_grad(
        self, model: None, x: None, y: None, log_alpha: Any, compute: None, *, tol: float, monitor: Any
    ) -> Any:
        """The library's criterion: the value, and its derivatives by the logarithms of the penalties."""
        width = self._high - self._low
        value, gradient = self._value(((log_alpha - self._low) / width).tolist())
        slopes = self._numpy.array(gradient) / width
        monitor(value, slopes)
        return value, slopes

    def proj_hyperparam(self, model: None, x: None, y: None, log_alpha: Any) -> Any:
        """The nearest logarithms in the box."""
        return self._numpy.clip(log_alpha, self._low, self._high)

    def ask(self, number: int) -> dict[str, float]:
        """Where the optimiser wants to know the value."""
        coordinates: dict[str, float] = self._descents.ask()
        return coordinates

    def tell(self, number: int, value: float | None, gradient: dict[str, float] | None = None) -> None:
        """Its value and gradient, or a failure."""
        self._descents.tell(value, gradient)

    def add(self, coordinates: dict[str, float], value: float) -> None:
        """A result from elsewhere, of which a descent makes nothing."""
