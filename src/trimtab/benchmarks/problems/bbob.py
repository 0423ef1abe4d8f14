"""The noiseless functions of the BBOB suite, as the `ioh` package has them.

24 functions of a real vector, each moved and rotated at random by its instance number, on the box
[-5, 5]^d. The value is f(x) - f(x*), which is zero at the optimum and positive elsewhere.

Sources: N. Hansen, S. Finck, R. Ros and A. Auger, "Real-Parameter Black-Box Optimization Benchmarking
2009: Noiseless Functions Definitions", INRIA RR-6829, 2009. J. de Nobel, F. Ye, D. Vermetten, H. Wang,
C. Doerr and T. Bäck, "IOHexperimenter: Benchmarking Platform for Iterative Optimization Heuristics",
Evolutionary Computation 32 (3), 2024 (arXiv:2111.04077).
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, final

import numpy as np

from trimtab.base.errors import InvalidArgument, message
from trimtab.base.lazy import need
from trimtab.base.records import Observation, Params
from trimtab.base.seeds import Key
from trimtab.space import Float, Space

__all__ = ["Bbob"]

BOUND = 5.0


@final
class Bbob:
    """One function in one dimension and one instance.

    Arguments:
        function: number in the suite, 1 to 24.
        dimension: number of coordinates, 2 or more.
        instance: which shift and rotation, 1 or more.

    Raises:
        InvalidArgument: there is no such function, dimension or instance.
    """

    def __init__(self, function: int, dimension: int, instance: int = 1) -> None:
        if not (1 <= function <= 24 and dimension >= 2 and instance >= 1):
            raise InvalidArgument(
                message(
                    "there is no such BBOB function",
                    got=f"function {function}, dimension {dimension}, instance {instance}",
                    allowed="function 1 to 24, dimension 2 or more, instance 1 or more",
                )
            )
        self.function, self.dimension, self.instance = function, dimension, instance
        self.name = f"bbob-f{function}-d{dimension}" + (f"-i{instance}" if instance != 1 else "")
        self._names = tuple(f"x{place}" for place in range(dimension))

    def space(self) -> Space:
        """The box [-5, 5]^d; coordinates are called x0, x1 ..."""
        return Space({name: Float(-BOUND, BOUND) for name in self._names})

    def evaluate(self, params: Params, key: Key) -> Observation:
        """f(x) - f(x*), free of noise."""
        point = np.array([params[name] for name in self._names], dtype=np.float64)
        # The two are computed alike, so that rounding can only leave the difference a hair below zero.
        return Observation(max(0.0, float(self._made(point)) - float(self._made.optimum.y)))

    @property
    def optimum(self) -> dict[str, float]:
        """The configuration at which the value is zero."""
        return dict(zip(self._names, map(float, self._made.optimum.x), strict=True))

    @cached_property
    def _made(self) -> Any:
        """The function itself. Made anew by every process, as it cannot travel between them."""
        ioh = need("ioh", "bench", "the BBOB functions")
        return ioh.get_problem(self.function, self.instance, self.dimension, ioh.ProblemClass.BBOB)
