"""JAXopt's minimisers on the gradients that a problem tells, started again wherever they end.

`l-bfgs-b` is `LBFGSB` with its zoom line search, `projected-gradient` is `ProjectedGradient` with acceleration and
backtracking; see `descents` for coordinates and starts. Both end at a projected gradient of 1e-5, as SciPy's L-BFGS-B
does, rather than at their own 1e-3, and have 1000 steps; everything else is as the library has it, in double precision.
A minimiser is compiled once, before the first ask, and the program calls back for its values.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import Any

__all__ = ["Peer"]

TOLERANCE = 1e-5
STEPS = 1000


class Peer:
    """One run."""

    takes_gradients = True

    def __init__(self, setup: dict[str, Any], method: str) -> None:
        if method not in ("l-bfgs-b", "projected-gradient"):
            raise ValueError("only l-bfgs-b and projected-gradient")
        self._jax: Any = importlib.import_module("jax")
        self._jax.config.update("jax_enable_x64", True)
        self._numpy: Any = importlib.import_module("numpy")
        jaxopt: Any = importlib.import_module("jaxopt")
        self.library = f"jaxopt {importlib.metadata.version('jaxopt')}"
        count = len(setup["columns"])
        number, vector = (self._jax.ShapeDtypeStruct(shape, self._numpy.float64) for shape in ((), (count,)))
        call: Any = importlib.import_module("jax.experimental").io_callback
        self._value: Any = None
        options = {"value_and_grad": True, "tol": TOLERANCE, "maxiter": STEPS}

        def function(unit: Any) -> Any:
            return call(self._called, (number, vector), unit, ordered=True)

        if method == "l-bfgs-b":
            solver = jaxopt.LBFGSB(function, **options)
            self._bounds: Any = (self._numpy.zeros(count), self._numpy.ones(count))
        else:
            solver = jaxopt.ProjectedGradient(function, jaxopt.projection.projection_box, **options)
            self._bounds = (0.0, 1.0)
        middle = self._numpy.full(count, 0.5)
        self._run = self._jax.jit(solver.run).lower(middle, self._bounds).compile()
        draw = self._numpy.random.default_rng(setup["seed"]).random
        self._descents = importlib.import_module("descents").Descents(setup, self._descend, draw)

    def _descend(self, value: Any, start: tuple[float, ...]) -> None:
        """One descent, to its end."""
        self._value = value
        self._jax.block_until_ready(self._run(self._numpy.array(start), self._bounds))

    def _called(self, unit: Any) -> Any:
        """What the compiled program calls."""
        value, gradient = self._value(unit.tolist())
        return self._numpy.float64(value), self._numpy.array(gradient)

    def ask(self, number: int) -> dict[str, float]:
        """Where the minimiser wants to know the value."""
        coordinates: dict[str, float] = self._descents.ask()
        return coordinates

    def tell(self, number: int, value: float | None, gradient: dict[str, float] | None = None) -> None:
        """Its value and gradient, or a failure."""
        self._descents.tell(value, gradient)

    def add(self, coordinates: dict[str, float], value: float) -> None:
        """A result from elsewhere, of which a descent makes nothing."""
