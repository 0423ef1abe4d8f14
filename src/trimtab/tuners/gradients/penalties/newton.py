"""Newton's method with backtracking for strictly convex functions, to full accuracy.

    s = -H^-1 g,   x <- x + t s,   t = 1, 1/2, 1/4, ... until F(x + t s) <= F(x) + 1e-4 t g^T s

S. Boyd and L. Vandenberghe, "Convex Optimization", Cambridge University Press, 2004, section 9.5. It stops by the
Newton decrement sqrt(g^T H^-1 g), the distance to the minimum in the norm of H, which does not depend on how the
coordinates are scaled. Where rounding keeps the decrement from falling further, a small one is taken as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from trimtab.base.errors import message
from trimtab.tuners.gradients.penalties.penalty_task import NotConverged

__all__ = ["Minimum", "newton_minimum"]

Array = NDArray[np.float64]

ITERATIONS = 200
"""Steps at most; a fit takes 5 to 20."""

STALLED = 1e-6
"""A decrement, relative to sqrt(F), that will do where rounding lets it fall no further."""

ROUNDING = 1e-13
"""Relative differences between values of F that mean nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Minimum:
    """Where a function is least. Shapes: p coordinates.

    Arguments:
        place: the minimum, shape (p,).
        factor: Cholesky factor of the Hessian there, as SciPy keeps it.
        decrement: sqrt(g^T H^-1 g) there.
        iterations: steps that were taken.
    """

    place: Array
    factor: tuple[Array, bool]
    decrement: float
    iterations: int

    def solve(self, v: Array) -> Array:
        """H^-1 v, shape (p,)."""
        return np.asarray(cho_solve(self.factor, v))


def newton_minimum(
    value: Callable[[Array], float],
    derivatives: Callable[[Array], tuple[Array, Array]],
    start: Array,
    tolerance: float,
    what: str,
) -> Minimum:
    """Minimise from `start`, shape (p,).

    Arguments:
        value: F.
        derivatives: its gradient, shape (p,), and Hessian, shape (p, p).
        tolerance: the decrement to reach, relative to sqrt(F); F must be a sum of terms >= 0.
        what: the model's name, for the message.

    Raises:
        NotConverged: the Hessian has no factor in float64, or the steps did not lead to the tolerance.
    """
    place, here = start, value(start)
    before = math.inf
    for iteration in range(ITERATIONS):
        gradient, hessian = derivatives(place)
        try:
            factor = cho_factor(hessian)
        except (LinAlgError, ValueError) as error:
            raise _failure(what, f"a Hessian without a Cholesky factor ({error})") from None
        step = -cho_solve(factor, gradient)
        square = -float(gradient @ step)
        decrement = math.sqrt(max(square, 0.0))
        scale = math.sqrt(here)
        stalled = decrement <= STALLED * scale and decrement > 0.5 * before
        if decrement <= tolerance * scale or stalled:
            return Minimum(place, factor, decrement, iteration)
        length, there = 1.0, value(place + step)
        while not there <= here - 1e-4 * length * square + ROUNDING * here:
            length *= 0.5
            if length < 1e-12:
                raise _failure(what, f"no descent, with a relative decrement of {decrement / max(scale, 1e-300):.2g}")
            there = value(place + length * step)
        place, here, before = place + length * step, there, decrement
    raise _failure(
        what, f"{ITERATIONS} steps, with a relative decrement of {before / math.sqrt(max(here, 1e-300)):.2g}"
    )


def _failure(what: str, got: str) -> NotConverged:
    return NotConverged(
        message(
            f"{what}: Newton's method did not converge: {got}",
            do="standardise the features, or raise the penalties' lower bound",
        )
    )
