"""Spherical k-means: groups of vectors that point in about the same direction.

Needs vectors of length 1. Paper: Dhillon and Modha, "Concept Decompositions for Large Sparse Text Data Using
Clustering", Machine Learning 42, 2001, doi 10.1023/A:1007612920971: of k directions c of length 1, maximise

    sum_i max_j x_i . c_j

by turns: each vector to the direction with the largest product, each direction to the sum of its vectors, made length
1 again. No turn lowers the sum. Starts are drawn as Arthur and Vassilvitskii do it ("k-means++: The Advantages of
Careful Seeding", SODA 2007): each next direction is a vector, drawn with a probability proportional to its squared
distance from the nearest before it. The best of several starts is kept. A direction that lost all its vectors gets the
vector that is worst off.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trimtab.base.seeds import Key
from trimtab.papers.search.embeddings import Matrix

__all__ = ["nearest_directions", "spherical_k_means"]

_TURNS = 50


def spherical_k_means(vectors: Matrix, groups: int, *, starts: int, key: Key) -> Matrix:
    """The directions of the groups, (groups, d).

    Arguments:
        vectors: of length 1, (n, d).
        groups: how many, at most n.
        starts: how often to begin anew.
        key: what the starts are drawn by.
    """
    found = [_climb(vectors, _start(vectors, groups, key.child(f"start {i}"))) for i in range(starts)]
    return max(found, key=lambda pair: pair[0])[1]


def nearest_directions(vectors: Matrix, directions: Matrix) -> tuple[NDArray[np.int64], Matrix]:
    """Of each vector the direction with the largest product (the first of like ones), and the product; (n,) both."""
    products = vectors @ directions.T
    nearest = products.argmax(axis=1)
    return nearest.astype(np.int64), products[np.arange(len(vectors)), nearest]


def _start(vectors: Matrix, groups: int, key: Key) -> Matrix:
    rng = key.generator()
    chosen = [int(rng.integers(len(vectors)))]
    # Of vectors of length 1 the squared distance is twice one minus their product.
    far = 1.0 - vectors @ vectors[chosen[0]]
    while len(chosen) < groups:
        chances = np.maximum(far, 0.0).astype(np.float64)
        chances[chosen] = 0.0
        total = chances.sum()
        if total > 0:
            chosen.append(int(rng.choice(len(vectors), p=chances / total)))
        else:  # every vector left is one that was chosen
            chosen.append(int(np.setdiff1d(np.arange(len(vectors)), chosen)[0]))
        far = np.minimum(far, 1.0 - vectors @ vectors[chosen[-1]])
    return vectors[chosen]


def _climb(vectors: Matrix, directions: Matrix) -> tuple[float, Matrix]:
    before = None
    for _ in range(_TURNS):
        group, product = nearest_directions(vectors, directions)
        _fill(group, product, len(directions))
        if before is not None and np.array_equal(group, before):
            break
        before = group
        sums = (group == np.arange(len(directions))[:, None]).astype(np.float32) @ vectors
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        directions = np.where(lengths > 0, sums / np.where(lengths > 0, lengths, 1), directions)
    return float(nearest_directions(vectors, directions)[1].sum()), directions


def _fill(group: NDArray[np.int64], product: Matrix, groups: int) -> None:
    """Give each empty group the vector that is worst off in a group of several."""
    sizes = np.bincount(group, minlength=groups)
    for empty in np.flatnonzero(sizes == 0):
        worst = min(np.flatnonzero(sizes[group] > 1), key=lambda i: product[i])
        sizes[group[worst]] -= 1
        sizes[empty] += 1
        group[worst], product[worst] = empty, 1.0
