"""Best-first branch and bound for the least value of a posterior mean, with a certificate at any time.

Boxes wait in a heap by their lower bounds. Each round takes the boxes of least bound, splits each along the column
in which it reaches farthest in scaled distance, bounds all parts in one batch, and drops those that cannot
hold anything better than the incumbent by more than epsilon. Incumbents are the minimisers of the
relaxations, snapped to the grids, and what L-BFGS-B makes of them. At any time

    incumbent - epsilon <= ... <= least bound among the open and the dropped boxes <= global minimum <= incumbent,

so a search that is cut short still says how far from the optimum its answer may be at most.

Source: A. H. Land and A. G. Doig, "An Automatic Method of Solving Discrete Programming Problems", Econometrica 28,
1960; over boxes J. E. Falk and R. M. Soland, "An Algorithm for Separable Nonconvex Programming Problems",
Management Science 15, 1969.
"""

from __future__ import annotations

import heapq
import itertools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from trimtab.surrogates.certificates.bounds import best_bound
from trimtab.surrogates.certificates.domains import ACTIVE, Boxes, Domain
from trimtab.surrogates.certificates.mean import PosteriorMean, Stationary

__all__ = ["Budget", "Minimum", "Problem", "branch_and_bound"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

ELEMENTS = 60_000
"""Boxes times observations of one batch: what stays in a processor's cache."""

LOOKS = 8
"""Relaxed minimisers that are tried as incumbents in each round."""


@dataclass(frozen=True, slots=True)
class Budget:
    """When to stop early.

    Arguments:
        nodes: boxes to be bounded.
        seconds: of wall time; looked at between batches.
    """

    nodes: int = 200_000
    seconds: float = math.inf


@dataclass(frozen=True, slots=True)
class Problem:
    """What is minimised, and where.

    Arguments:
        mean: the function.
        domain: its boxes.
        snap: points (b, d) of the domain to the nearest configurations (b, d), and which of them may be
            proposed, shape (b,).
        bound: lower bounds of boxes, and points worth a look.
    """

    mean: PosteriorMean
    domain: Domain
    snap: Callable[[Array], tuple[Array, Mask]]
    bound: Callable[[PosteriorMean, Boxes], Stationary] = best_bound


@dataclass(frozen=True, slots=True)
class Minimum:
    """What a search found.

    Arguments:
        point: of the incumbent, shape (d,); None where no configuration may be proposed, or none was found.
        value: at the point; inf without one.
        lower_bound: no configuration has a smaller value.
        nodes: boxes that were bounded.
        seconds: wall time.
        stopped: why it ended, in plain words.
    """

    point: Array | None
    value: float
    lower_bound: float
    nodes: int
    seconds: float
    stopped: str

    @property
    def gap(self) -> float:
        """How far the value may lie above the minimum at most, >= 0."""
        return self.value - self.lower_bound


@dataclass(slots=True)
class _Search:
    """The state of one search.

    Attributes:
        floor: least bound among the boxes that were dropped.
        heap: (bound, serial number, low, high) of the open boxes.
    """

    problem: Problem
    epsilon: float
    point: Array | None = None
    value: float = math.inf
    floor: float = math.inf
    nodes: int = 0
    heap: list[tuple[float, int, Array, Array]] = field(default_factory=list)
    serial: itertools.count[int] = field(default_factory=itertools.count)

    @property
    def lower_bound(self) -> float:
        """No configuration is better."""
        return min(self.floor, self.heap[0][0] if self.heap else math.inf, self.value)

    def try_points(self, points: Array, polish: bool = True) -> None:
        """Make the best of some points the incumbent if it is better, and descend from it."""
        points, allowed = self.problem.snap(points)
        if not allowed.any():
            return
        points = points[allowed]
        values = self.problem.mean.value(points)
        best = int(values.argmin())
        if values[best] < self.value:
            self.point, self.value = points[best], float(values[best])
            if polish:
                self.try_points(self._descended(points[best])[None, :], polish=False)

    def _descended(self, point: Array) -> Array:
        """A local minimum in the continuous, active numbers."""
        problem, mean = self.problem, self.problem.mean
        free = problem.domain.continuous & ~np.isnan(point)
        if not free.any():
            return point
        wanted, moved = free[mean.places], point.copy()

        def along(free_part: Array) -> tuple[float, Array]:
            moved[free] = free_part
            value, gradient = mean.value_and_gradient(mean.as_boxes(moved[None, :]))
            return float(value[0]), gradient[0, wanted] / mean.scales[mean.places[wanted]]

        found = minimize(
            along,
            point[free],
            jac=True,
            method="L-BFGS-B",
            bounds=[(0.0, 1.0)] * int(free.sum()),
            options={"ftol": 1e-12},
        )
        moved[free] = found.x
        return moved

    def open(self, boxes: Boxes, parents: Array) -> None:
        """Bound boxes whose parents had given bounds, and keep those that may hold something better."""
        self.nodes += len(boxes)
        found = self.problem.bound(self.problem.mean, boxes)
        bounds = np.maximum(found.values, parents)
        single = self.problem.domain.single(boxes)
        if single.any():
            bounds[single] = self._settle(boxes, single)
        order = np.argsort(bounds)[:LOOKS]
        self.try_points(found.points[order])
        kept = ~single
        kept[kept] = self.value - bounds[kept] > self.epsilon
        self.floor = min(self.floor, float(bounds[~kept].min(initial=math.inf)))
        for row in np.flatnonzero(kept).tolist():
            entry = (float(bounds[row]), next(self.serial), boxes.low[row], boxes.high[row])
            heapq.heappush(self.heap, entry)

    def _settle(self, boxes: Boxes, single: Mask) -> Array:
        """Exact values of the boxes of one configuration; inf where it may not be proposed."""
        numbers = self.problem.domain.numbers
        points = np.where(numbers & (boxes.state != ACTIVE), np.nan, boxes.low)[single]
        _, allowed = self.problem.snap(points)
        values = np.where(allowed, self.problem.mean.value(points), math.inf)
        best = int(values.argmin())
        if values[best] < self.value:
            self.point, self.value = points[best], float(values[best])
        return values

    def take(self, count: int) -> tuple[Boxes, Array]:
        """The open boxes of least bound, at most `count` of those that matter, and their bounds."""
        taken: list[tuple[float, int, Array, Array]] = []
        while self.heap and len(taken) < count and self.value - self.heap[0][0] > self.epsilon:
            taken.append(heapq.heappop(self.heap))
        boxes = self.problem.domain.boxes(np.stack([each[2] for each in taken]), np.stack([each[3] for each in taken]))
        return boxes, np.array([each[0] for each in taken])

    def branch(self, count: int) -> None:
        """Split the most promising boxes and bound their parts; what cannot be split is settled as it is."""
        boxes, bounds = self.take(count)
        widths = self.problem.domain.widths(boxes, self.problem.mean.scales)
        stuck = widths.max(axis=1) <= 0.0
        self.floor = min(self.floor, float(bounds[stuck].min(initial=math.inf)))
        kept = Boxes(boxes.low[~stuck], boxes.high[~stuck], boxes.state[~stuck])
        if len(kept):
            parts, rows = self.problem.domain.split(kept, widths[~stuck].argmax(axis=1))
            self.open(parts, bounds[~stuck][rows])


def branch_and_bound(problem: Problem, starts: Array, epsilon: float, budget: Budget) -> Minimum:
    """The global minimum of a problem to within epsilon, or as near as the budget allows.

    Arguments:
        problem: what to minimise.
        starts: points (s, d) to try as incumbents first.
        epsilon: gap at which to stop, >= 0.
        budget: when to stop anyway.
    """
    began = time.monotonic()
    search = _Search(problem, epsilon)
    for start in starts[np.argsort(problem.mean.value(problem.snap(starts)[0]))[:LOOKS]] if len(starts) else ():
        search.try_points(start[None, :])
    search.open(problem.domain.root(), np.array([-math.inf]))
    count = max(16, ELEMENTS // max(len(problem.mean.weights), 1))
    stopped = ""
    while search.heap and search.value - search.heap[0][0] > epsilon:
        if search.nodes >= budget.nodes:
            stopped = f"the budget of {budget.nodes} boxes is spent"
        elif time.monotonic() - began >= budget.seconds:
            stopped = f"the budget of {budget.seconds:g} seconds is spent"
        if stopped:
            break
        search.branch(count)
    if not stopped:
        reached = search.point is not None and search.value - search.lower_bound <= epsilon
        stopped = "the gap is closed" if reached else "no box can be split further"
    seconds = time.monotonic() - began
    return Minimum(search.point, search.value, search.lower_bound, search.nodes, seconds, stopped)
