"""t-SNE: places in the plane, so that vectors which are near each other lie near each other.

Needs vectors. Paper: van der Maaten and Hinton, "Visualizing Data using t-SNE", Journal of Machine Learning Research 9,
2008. With p(i, j) the chance that i and j are neighbours (Gaussian, each as wide as gives it the wanted number of
neighbours, its perplexity), and q(i, j) proportional to 1 / (1 + |y_i - y_j|^2), the places y minimise KL(p, q) by
descent with momentum and gains:

    dKL / dy_i = 4 sum_j (p(i, j) - q(i, j)) (y_i - y_j) / (1 + |y_i - y_j|^2)

In the first steps p is exaggerated twelve times. Begins at the principal components, as Kobak and Berens recommend
("The art of using t-SNE for single-cell transcriptomics", Nature Communications 10, 2019), so nothing is drawn by
chance and the large distances mean something. Costs n^2 in time and memory, so it is for a thousand vectors or
fewer; the descent is in float32.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from trimtab.base.refs import Reference

__all__ = ["neighbour_chances", "principal_components", "refs", "tsne"]

refs = (
    Reference(
        authors="van der Maaten, Laurens and Hinton, Geoffrey",
        title="Visualizing Data using t-SNE",
        year=2008,
        venue="Journal of Machine Learning Research 9",
    ),
)

_STEPS, _EXAGGERATED, _EXAGGERATION = 400, 100, 12.0
_HALVINGS = 50

Places: TypeAlias = NDArray[np.float64]
_Any: TypeAlias = NDArray[np.floating]


def tsne(vectors: NDArray[np.floating], perplexity: float = 30.0) -> Places:
    """Places of vectors (n, d) in the plane: (n, 2), about their mean.

    Arguments:
        vectors: any.
        perplexity: how many neighbours each one has, about; lowered to a fifth of n where it is more.
    """
    count = len(vectors)
    x = np.asarray(vectors, np.float64)
    places = principal_components(x)
    if count < 4:
        return places
    chances = neighbour_chances(x, min(perplexity, max((count - 1) / 5.0, 1.5))).astype(np.float32)
    exaggerated = chances * np.float32(_EXAGGERATION)
    spread = places[:, 0].std()
    places = (places * (1e-4 / spread) if spread > 0 else places).astype(np.float32)
    rate = max(count / (4.0 * _EXAGGERATION), 50.0)
    moved, gains = np.zeros_like(places), np.ones_like(places)
    for step in range(_STEPS):
        early = step < _EXAGGERATED
        slope = _slope(places, exaggerated if early else chances)
        gains = np.maximum(np.where(np.sign(slope) == np.sign(moved), gains * 0.8, gains + 0.2), 0.01)
        moved = ((0.5 if early else 0.8) * moved - rate * gains * slope).astype(np.float32)
        places = places + moved
        places -= places.mean(axis=0)
    return places.astype(np.float64)


def principal_components(x: NDArray[np.floating]) -> Places:
    """The first two principal components, (n, 2); each has the sign that makes its largest entry positive."""
    centred = np.asarray(x, np.float64) - np.mean(x, axis=0)
    left, scale, _ = np.linalg.svd(centred, full_matrices=False)
    places = np.zeros((len(x), 2))
    for i in range(min(2, len(scale))):
        part = left[:, i] * scale[i]
        places[:, i] = part * (np.sign(part[np.abs(part).argmax()]) or 1.0)
    return places


def neighbour_chances(x: NDArray[np.float64], perplexity: float) -> NDArray[np.float64]:
    """The chances p(i, j), symmetric, of sum 1: (n, n). Before, each row had the perplexity."""
    squares = (x * x).sum(axis=1)
    apart = np.maximum(squares[:, None] + squares[None, :] - 2.0 * (x @ x.T), 0.0)
    np.fill_diagonal(apart, np.inf)
    apart -= apart.min(axis=1, keepdims=True)  # changes no chance, and keeps the largest from vanishing
    low, high = np.zeros(len(x)), np.full(len(x), np.inf)
    narrow = np.ones(len(x))
    for _ in range(_HALVINGS):
        weights = np.exp(-apart * narrow[:, None])
        rows = weights / weights.sum(axis=1, keepdims=True)
        entropy = -(rows * np.log(np.maximum(rows, 1e-300))).sum(axis=1)
        wide = entropy > np.log(perplexity)
        low, high = np.where(wide, narrow, low), np.where(wide, high, narrow)
        narrow = np.where(np.isinf(high), narrow * 2.0, (low + np.where(np.isinf(high), 0.0, high)) / 2.0)
    both: NDArray[np.float64] = (rows + rows.T) / (2.0 * len(x))
    return both


def _slope(places: _Any, chances: _Any) -> _Any:
    squares = (places * places).sum(axis=1)
    near = 1.0 / (1.0 + np.maximum(squares[:, None] + squares[None, :] - 2.0 * (places @ places.T), 0.0))
    np.fill_diagonal(near, 0.0)
    pull = (chances - near / near.sum()) * near
    slope: _Any = 4.0 * (pull.sum(axis=1)[:, None] * places - pull @ places)
    return slope
