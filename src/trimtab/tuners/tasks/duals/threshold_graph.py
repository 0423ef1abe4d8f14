"""The error of graph-based semi-supervised learning as a function of the radius of a threshold graph, exactly.

Needs points with labels, and points without whose labels are known to judge by. Two points are joined, with weight
one, if their Euclidean distance is at most r; labels are harmonic (see `harmonic`, also for points that no label
reaches); the loss is the share of the unlabelled points that get a wrong one. It can change only where r is a
distance of two points: M.-F. Balcan and D. Sharma, "Data driven semi-supervised learning", NeurIPS 2021, arXiv
2103.10547 (of which the abstract alone could be read again). So edges are added in the order of their lengths, each
as a change of rank one,

    L + v v^T:   L^-1 - g g^T / (1 + v^T g),   F - g (v^T F - y) / (1 + v^T g),   g = L^-1 v,

v = e_i - e_j and y = 0 between unlabelled points i and j, v = e_i and y the label's class between point i and a label:
O(n^2) an edge. The inverse is made anew where points are reached for the first time, and every so many edges.

Ties are common, since weights are: shares that differ by less than `TIE` are equal, and the first class wins.
"""

from __future__ import annotations

from typing import final

import numpy as np
from numpy.typing import NDArray

from trimtab.tuners.tasks.duals.bisection import check_interval
from trimtab.tuners.tasks.duals.classification import Classification, Examples, classification, squared_distances
from trimtab.tuners.tasks.duals.harmonic import reached
from trimtab.tuners.tasks.duals.piecewise_constant import PiecewiseConstant

__all__ = ["threshold_graph_dual"]

Array = NDArray[np.float64]

TIE = 1e-9
"""Shares that differ by less are equal."""

REFRESH = 100
"""Edges after which the inverse is made anew, so that rounding does not add up."""


def threshold_graph_dual(
    labelled: Examples, unlabelled: Examples, *, low: float = 0.0, high: float | None = None
) -> PiecewiseConstant:
    """The share of unlabelled points with a wrong label, on radii from low to high.

    Arguments:
        labelled: points and labels, shapes (n, d) and (n,).
        unlabelled: points, and the labels that only judge, shapes (m, d) and (m,).
        low, high: radii; by default from zero to one tenth above the largest distance (one, if that is zero). An
            edge as long as `high` is not in the graph of the last piece.

    Raises:
        InvalidArgument: no interval; wrong shapes, or a class without a labelled point.
    """
    task = classification(labelled, unlabelled)
    points = np.concatenate([task.held_features, task.features])
    distances = np.sqrt(squared_distances(points, points))
    top = 1.1 * float(distances.max()) or 1.0 if high is None else high
    check_interval(low, top)
    first, second = np.triu_indices(len(points), 1)
    lengths = distances[first, second]
    order = np.argsort(lengths, kind="stable")
    order = order[(lengths[order] < top) & (first[order] < len(task.held_classes))]
    begun = int(np.searchsorted(lengths[order], low, side="right"))
    graph = _Growing(task, first[order[:begun]], second[order[:begun]])
    edges, levels = [low], [graph.error_rate()]
    for place in range(begun, len(order)):
        graph.join(int(first[order[place]]), int(second[order[place]]))
        length = lengths[order[place]]
        if place + 1 < len(order) and lengths[order[place + 1]] == length:
            continue
        level = graph.error_rate()
        if level != levels[-1]:
            edges.append(float(length))
            levels.append(level)
    return PiecewiseConstant(np.array([*edges, top]), np.array(levels))


@final
class _Growing:
    """A graph to which edges are added, with its harmonic labels.

    Arguments:
        task: its held examples are nodes 0 to m - 1, its others the nodes after them.
        first, second: edges to begin with, the first node of each unlabelled.
    """

    def __init__(self, task: Classification, first: NDArray[np.intp], second: NDArray[np.intp]) -> None:
        self._one_hot, self._classes = task.one_hot, task.held_classes
        self._unlabelled = len(task.held_classes)
        self._weights = np.zeros((self._unlabelled + len(task.classes),) * 2)
        self._weights[first, second] = self._weights[second, first] = 1.0
        self._renew()

    def join(self, first: int, second: int) -> None:
        """Add an edge from an unlabelled node to any other."""
        self._weights[first, second] = self._weights[second, first] = 1.0
        within = second < self._unlabelled
        other = bool(self._reached[second]) if within else True
        if self._reached[first] != other or self._since >= REFRESH:
            self._renew()
        elif other:
            moved = self._inverse[first] - self._inverse[second] if within else self._inverse[first]
            scale = 1.0 + moved[first] - (moved[second] if within else 0.0)
            target = self._shares[second] if within else self._one_hot[second - self._unlabelled]
            step = moved / scale
            self._shares -= step[:, None] * (self._shares[first] - target)
            self._inverse -= step[:, None] * moved
            self._since += 1

    def error_rate(self) -> float:
        """The share of unlabelled nodes whose first largest share is not that of their class."""
        largest = self._shares >= self._shares.max(axis=1, keepdims=True) - TIE
        return int(np.count_nonzero(largest.argmax(axis=1) != self._classes)) / self._unlabelled

    def _renew(self) -> None:
        """The inverse, zero for nodes that no label reaches, and F, from the weights."""
        self._since = 0
        self._reached = reached(self._weights, self._unlabelled)
        inner = np.flatnonzero(self._reached)
        self._inverse = np.zeros((self._unlabelled,) * 2)
        self._shares = np.tile(self._one_hot.mean(axis=0), (self._unlabelled, 1))
        if len(inner):
            laplacian = np.diag(self._weights[inner].sum(axis=1)) - self._weights[np.ix_(inner, inner)]
            self._inverse[np.ix_(inner, inner)] = np.linalg.inv(laplacian)
            towards = self._weights[: self._unlabelled, self._unlabelled :] @ self._one_hot
            self._shares[inner] = self._inverse[np.ix_(inner, inner)] @ towards[inner]
