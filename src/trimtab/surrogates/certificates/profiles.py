"""Kernels as functions of the squared scaled distance, with what a bound has to know of them.

    Matern-5/2             k(s) = (1 + a + a^2 / 3) exp(-a),  a = sqrt(5 s);   k'(s) = -(5/6) (1 + a) exp(-a)
    squared exponential    k(s) = exp(-s / 2);                                 k'(s) = -(1/2) exp(-s / 2)

Both fall and are convex in s: the slope k' is negative and rises. So a tangent lies below k everywhere
and a secant above it between its ends, which is all that a relaxation in s uses.

`curvature` bounds second derivatives. With f in the kernel's Hilbert space and u a unit vector,
f_uu(z) = <f, k_uu(z, .)>, hence |f_uu(z)| <= |f| |k_uu(z, .)| = |f| sqrt(K''''(0)), where K(t) = k(t^2) is
the kernel along a line: K''''(0) is 25 for Matern-5/2 and 3 for the squared exponential.

Source: I. Steinwart and A. Christmann, "Support Vector Machines", Springer, 2008, corollary 4.36.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.surrogates.gp.kernels import matern52_and_slope

__all__ = ["MATERN52", "SQUARED_EXPONENTIAL", "Profile"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Profile:
    """A kernel of unit variance that falls and is convex in the squared distance s.

    Arguments:
        name: in words.
        value_and_slope: k(s) and k'(s), for s of any shape.
        curvature: the largest norm of a second directional derivative of k(z, .), by scaled coordinates.
    """

    name: str
    value_and_slope: Callable[[Array], tuple[Array, Array]]
    curvature: float


def _squared_exponential(s: Array) -> tuple[Array, Array]:
    """exp(-s / 2) and its slope."""
    value = np.exp(-0.5 * s)
    return value, -0.5 * value


MATERN52 = Profile("Matern-5/2", matern52_and_slope, 5.0)
SQUARED_EXPONENTIAL = Profile("squared exponential", _squared_exponential, math.sqrt(3.0))
