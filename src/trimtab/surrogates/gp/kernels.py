"""The Matern-5/2 kernel with one length-scale per column (ARD).

    k(z, z') = s^2 (1 + a + a^2 / 3) exp(-a),   a = sqrt(5) r,   r^2 = sum_f (z_f - z'_f)^2 / l_f^2

Points are rows of Euclidean features (see `trimtab.surrogates.gp.embedding`), so the kernel is
positive semidefinite whatever the columns mean. Everything is written in terms of r^2, whose
derivative exists everywhere, also where two points coincide.

Source: C. E. Rasmussen and C. K. I. Williams, "Gaussian Processes for Machine Learning", MIT Press,
2006, equations 4.17 and 5.2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["matern52", "matern52_and_slope", "squared_distances"]

Array = NDArray[np.float64]


def squared_distances(a: Array, b: Array | None = None) -> Array:
    """Squared Euclidean distances between rows: (n, f) and (m, f) give (n, m).

    Without `b`, between the rows of `a` and with an exactly zero diagonal. One matrix product, so
    entries carry an absolute error of about 1e-16 times the largest squared norm.
    """
    if b is None:
        norms = np.einsum("ij,ij->i", a, a)
        out = a @ a.T
        out *= -2.0
        out += norms[:, None]
        out += norms
        np.fill_diagonal(out, 0.0)
    else:
        out = a @ b.T
        out *= -2.0
        out += np.einsum("ij,ij->i", a, a)[:, None]
        out += np.einsum("ij,ij->i", b, b)
    return np.maximum(out, 0.0, out=out)


def matern52(r2: Array) -> Array:
    """The kernel of unit variance at squared scaled distances r2, any shape."""
    a = _root(r2)
    value = np.asarray(1.0 + a)
    value += (5.0 / 3.0) * r2
    value *= _decay(a)
    return value


def matern52_and_slope(r2: Array) -> tuple[Array, Array]:
    """The kernel and its derivative by r2, which is -(5/6) (1 + a) exp(-a)."""
    a = _root(r2)
    slope = np.asarray(1.0 + a)
    decay = _decay(a)
    slope *= decay
    value = np.asarray((5.0 / 3.0) * r2)
    value *= decay
    value += slope
    slope *= -5.0 / 6.0
    return value, slope


# These are the largest arrays of an ask, and a pass over new memory takes several times as long as one over old.


def _root(r2: Array) -> Array:
    """sqrt(5 r2)."""
    out = np.asarray(5.0 * r2)
    return np.sqrt(out, out=out)


def _decay(a: Array) -> Array:
    """exp(-a), in the place of a."""
    np.negative(a, out=a)
    return np.exp(a, out=a)
