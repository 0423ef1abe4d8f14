"""Cholesky factors that do not give up: a jitter ladder, and appending points in O(n^2 k).

    K = L L^T;   appending k points:   L21 = (L11^-1 K12)^T,   L22 = chol(K22 - L21 L21^T)

Source: C. E. Rasmussen and C. K. I. Williams, "Gaussian Processes for Machine Learning", MIT Press,
2006, appendix A.4; the ladder is common practice in GPyTorch, BoTorch and Vizier.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

__all__ = ["NotPositiveDefinite", "append", "factor", "inverse_of", "solve", "solve_lower", "solve_upper"]

Array = NDArray[np.float64]

LADDER = (0.0, 1e-10, 1e-8, 1e-6, 1e-4)
"""Jitters tried in turn, in units of the mean of the diagonal."""


class NotPositiveDefinite(ArithmeticError):
    """A matrix has no Cholesky factor even with the largest jitter, or holds nan."""


def factor(matrix: Array) -> tuple[Array, float]:
    """The lower Cholesky factor, shape (n, n), and the jitter that was added to the diagonal.

    Raises:
        NotPositiveDefinite: the whole ladder failed.
    """
    size = float(np.mean(np.diagonal(matrix))) if matrix.size else 1.0
    for step in LADDER:
        shifted = matrix.copy()
        shifted.flat[:: matrix.shape[0] + 1] += step * size
        # The transpose of a symmetric C-ordered matrix is the Fortran-ordered one that LAPACK wants.
        lower, info = lapack.dpotrf(shifted.T, lower=1, clean=1, overwrite_a=1)
        if info == 0 and np.isfinite(lower[-1:, -1:]).all():
            return lower, step * size
    raise NotPositiveDefinite(f"no Cholesky factor of a {matrix.shape[0]} x {matrix.shape[0]} matrix was found")


def append(lower: Array, cross: Array, corner: Array) -> Array:
    """The factor after k more points.

    Arguments:
        lower: factor of the first n points, shape (n, n).
        cross: covariances of the first with the new, shape (n, k).
        corner: covariances of the new, noise included, shape (k, k).

    Raises:
        NotPositiveDefinite: the new block has no factor.
    """
    n, k = cross.shape
    below = solve_lower(lower, cross).T
    out = np.zeros((n + k, n + k), order="F")
    out[:n, :n] = lower
    out[n:, :n] = below
    out[n:, n:] = factor(corner - below @ below.T)[0]
    return out


def solve_lower(lower: Array, right: Array) -> Array:
    """L^-1 b for b of shape (n,) or (n, m)."""
    out: Array = lapack.dtrtrs(lower, right, lower=1)[0]
    return out


def solve_upper(lower: Array, right: Array) -> Array:
    """L^-T b for b of shape (n,) or (n, m)."""
    out: Array = lapack.dtrtrs(lower, right, lower=1, trans=1)[0]
    return out


def solve(lower: Array, right: Array) -> Array:
    """(L L^T)^-1 b for b of shape (n,) or (n, m)."""
    out: Array = lapack.dpotrs(lower, right, lower=1)[0]
    return out


def inverse_of(lower: Array) -> Array:
    """(L L^T)^-1, shape (n, n), symmetric."""
    out: Array = lapack.dpotri(lower, lower=1)[0]
    # LAPACK fills the lower triangle only; the factor's upper one is zero, and stays so.
    out += np.tril(out, -1).T
    return out
