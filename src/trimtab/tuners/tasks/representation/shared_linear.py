"""A linear representation that several tasks share: every task is a head of few weights on the same few directions.

Task i answers f_i(x) = x' B w_i, with B (d x k) common to all and w_i (k) its own. Fitted to what was observed by least
squares with a ridge, alternating between the heads and B, each of which is linear in the observations given the other:

    (B' G_i B + r I) w_i = B' c_i                              for every task,
    sum_i (w_i w_i' kron G_i) vec(B) + r vec(B) = vec(sum_i c_i w_i'),

with G_i = sum x x' and c_i = sum x y over the observations of task i. After each round B is made orthonormal (QR),
which keeps the ridge on the heads meaningful, and the heads are fitted anew. Only G_i and c_i are needed, so a fit
costs the same for ten observations as for ten thousand. The problem is not convex; it begins where the last fit ended.

Needs observations of several tasks in the same d features. k is given, not found.

Source: the joint least squares of R. Lu, A. Zhao, S. S. Du and G. Huang, "Provable General Function Class
Representation Learning in Multitask Bandits and MDPs", NeurIPS 2022, arXiv 2205.15701, whose representations are of
any class. Linear ones, and the way to fit them, are chosen here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Moments", "Shared", "fit_heads", "fit_shared", "orthonormal"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Moments:
    """All that a least-squares fit needs of what was observed.

    Arguments:
        gram: sum of x x' of each task, shape (tasks, d, d).
        cross: sum of x y of each task, shape (tasks, d).
    """

    gram: Array
    cross: Array

    @classmethod
    def empty(cls, tasks: int, features: int) -> Moments:
        """Nothing observed."""
        return cls(np.zeros((tasks, features, features)), np.zeros((tasks, features)))

    def add(self, task: int, x: Array, y: float) -> None:
        """Count one more observation of a task at features (d,), in place."""
        self.gram[task] += x[:, None] * x
        self.cross[task] += x * y


@dataclass(frozen=True, slots=True)
class Shared:
    """A fitted representation.

    Arguments:
        basis: B, orthonormal columns, shape (d, k).
        heads: w_i of each task, shape (tasks, k).
    """

    basis: Array
    heads: Array

    def predict(self, task: int, x: Array) -> Array:
        """f_task at features (..., d)."""
        answer: Array = x @ (self.basis @ self.heads[task])
        return answer


def orthonormal(basis: Array) -> Array:
    """An orthonormal basis (d, k) of the columns' span, or of one that contains it where they are dependent."""
    return np.asarray(np.linalg.qr(basis)[0])


def fit_heads(moments: Moments, basis: Array, ridge: float) -> Array:
    """The best heads (tasks, k) for a basis (d, k)."""
    reduced = basis.T @ moments.gram @ basis + ridge * np.eye(basis.shape[1])
    return np.asarray(np.linalg.solve(reduced, (moments.cross @ basis)[:, :, None])[:, :, 0])


def _fit_basis(moments: Moments, heads: Array, ridge: float) -> Array:
    """The best basis (d, k) for heads (tasks, k)."""
    tasks, k = heads.shape
    d = moments.cross.shape[1]
    outer = (heads[:, :, None] * heads[:, None, :]).reshape(tasks, k * k)
    system = (outer.T @ moments.gram.reshape(tasks, d * d)).reshape(k, k, d, d)
    matrix = system.transpose(0, 2, 1, 3).reshape(k * d, k * d) + ridge * np.eye(k * d)
    return np.asarray(np.linalg.solve(matrix, (heads.T @ moments.cross).ravel()).reshape(k, d).T)


def fit_shared(moments: Moments, basis: Array, ridge: float, sweeps: int) -> Shared:
    """Alternate `sweeps` times from a basis (d, k) with orthonormal columns."""
    heads = fit_heads(moments, basis, ridge)
    for _ in range(sweeps):
        basis = orthonormal(_fit_basis(moments, heads, ridge))
        heads = fit_heads(moments, basis, ridge)
    return Shared(basis, heads)
