"""Sums of l1 distances to private configurations, released once and asked for ever.

    S(y) = sum_x sum_j |x_j - y_j|

over configurations x in unit coordinates. A categorical column counts 1 where the two differ; a nested one that is
inactive in one of them counts 1, and 0 where it is inactive in both. One column at a time, a number's range is cut into
2^depth cells, and the counts of a dyadic tree over the cells are released with noise: every node of every level but the
root. A categorical column releases how often each category occurs. A configuration stands in `depth` nodes of a
number's tree and in one count of a category, so all counts together have an l1 sensitivity of depth * numbers +
categories, and as many squares: noise of that scale over epsilon makes them private (basic composition over columns and
levels). For whole counts nothing is rounded.

From the noisy tree the counts of the cells are inferred by least squares under the constraint that a node is the sum
of its children (M. Hay, V. Rastogi, G. Miklau and D. Suciu, "Boosting the accuracy of differentially private
histograms through consistency", VLDB 2010, arXiv 0904.0942): two passes. By the theorem of Gauss and Markov no unbiased
linear use of the nodes has less variance; adding up the fewest nodes of a prefix, and integrating prefixes, is one. The
distances are then sums over cells, each configuration at the middle of its cell, which is wrong by at most
2^-(depth + 1) of a range in each column.

Source: A. Backurs, Z. Lin, S. Mahabadi, S. Silwal and J. Tarnawski, "Efficiently Computing Similarities to Private
Datasets", ICLR 2024, arXiv 2403.08917. There a query counts bands whose distances to y grow by a factor, with a
relative error for fewer noisy terms; that is not done here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument, check_count, message
from trimtab.space import Space
from trimtab.tuners.tasks.private.discrete_noise import OPERATING_SYSTEM, Source
from trimtab.tuners.tasks.private.kernel_sums import Noise

__all__ = ["DistanceDesign", "consistent", "distance_sums", "relative_error"]

Array = NDArray[np.float64]
Whole = NDArray[np.int64]

DEEPEST = 16


@dataclass(frozen=True)
class DistanceDesign:
    """The public constants of distance sums.

    Arguments:
        space: the declared space, whose bounds and scales make the unit coordinates.
        depth: of the trees; a number's range is cut into 2^depth cells.

    Raises:
        InvalidArgument: a space without parameters or traced from runs, or a depth outside 1 to 16.
    """

    space: Space
    depth: int = 8

    def __post_init__(self) -> None:
        """Refuse what is not public, and what cannot be."""
        check_count(self.depth, "depth")
        if self.depth > DEEPEST:
            raise InvalidArgument(message("the trees would be too deep", got=self.depth, allowed=f"1 to {DEEPEST}"))
        if self.space.is_traced or not len(self.space):
            raise InvalidArgument(
                message(
                    "a private summary needs a declared space with parameters: bounds that were traced from runs are "
                    "no public constants",
                    do="declare a Space",
                )
            )

    @property
    def sensitivity(self) -> int:
        """How many counts one configuration can stand in: the l1 sensitivity, and the squared l2 one."""
        return sum(1 if column.kind == "categorical" else self.depth for column in self.space.columns)

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many counts each column releases; the last one of a nested column is of inactive ones."""
        return tuple(
            (column.parent is not None)
            + ((column.size or 1) if column.kind == "categorical" else 2 ** (self.depth + 1) - 2)
            for column in self.space.columns
        )

    def counts(self, raw: Array) -> Whole:
        """The exact counts of raw rows (n, d), column after column, each level of a tree after the one above it."""
        unit = self.space.to_unit(raw)
        return np.concatenate([self._column(place, unit[:, place]) for place in range(len(self.space))])

    def _column(self, place: int, unit: Array) -> Whole:
        """The counts of one column's unit coordinates (n,)."""
        column = self.space.columns[place]
        active = unit[~np.isnan(unit)]
        if column.kind == "categorical":
            levels = [_histogram(active, column.size or 1)]
        else:
            levels = [_histogram(active, 2**level) for level in range(1, self.depth + 1)]
        absent = [np.array([len(unit) - len(active)])] if column.parent is not None else []
        return np.concatenate([*levels, *absent])

    def estimate(self, counts: Array, raw: Array) -> Array:
        """S at raw rows (q, d) from counts with noise, shape (q,)."""
        unit = self.space.to_unit(raw)
        total = np.zeros(len(raw))
        parts = np.split(np.asarray(counts, dtype=float), np.cumsum(self.sizes)[:-1])
        for place, (column, part) in enumerate(zip(self.space.columns, parts, strict=True)):
            y = unit[:, place]
            absent = float(part[-1]) if column.parent is not None else 0.0
            here = part[:-1] if column.parent is not None else part
            cells = here if column.kind == "categorical" else consistent(here, self.depth)
            middles = (np.arange(len(cells)) + 0.5) / len(cells)
            gaps = np.abs(middles - y[:, None])
            if column.kind == "categorical":
                gaps = (gaps > 0.5 / len(cells)).astype(float)
            total += np.where(np.isnan(y), cells.sum(), np.nan_to_num(gaps) @ cells + absent)
        return total


def _histogram(unit: Array, cells: int) -> Whole:
    """How many unit coordinates lie in each of `cells` equal cells."""
    found: Whole = np.bincount(np.minimum(unit * cells, cells - 1).astype(np.int64), minlength=cells)
    return found


def consistent(nodes: Array, depth: int) -> Array:
    """The least-squares counts of the cells, shape (2^depth,), from noisy nodes of all levels below the root.

    Arguments:
        nodes: level after level, 2 of the first and 2^depth of the last, each with noise of the same variance.
        depth: how many levels.
    """
    levels = np.split(nodes, np.cumsum([2**level for level in range(1, depth)]))
    best = levels[-1]
    upward = [best]
    for height, level in enumerate(reversed(levels[:-1]), start=2):
        children = best.reshape(-1, 2).sum(axis=1)
        best = (2 ** (height - 1) * level + (2 ** (height - 1) - 1) * children) / (2**height - 1)
        upward.append(best)
    settled = upward.pop()
    while upward:
        below = upward.pop()
        missing = settled - below.reshape(-1, 2).sum(axis=1)
        settled = below + np.repeat(missing, 2) / 2.0
    return settled


def distance_sums(design: DistanceDesign, raw: Array, noise: Noise, source: Source = OPERATING_SYSTEM) -> Whole:
    """The counts of raw rows (n, d) with noise: private for those rows."""
    exact = design.counts(raw)
    return exact + noise.draw(len(exact), design.sensitivity, design.sensitivity, source)


def relative_error(design: DistanceDesign, noise: Noise, trials: float, rng: np.random.Generator) -> float:
    """The expected absolute error of S over its size, for configurations and queries that are spread evenly.

    Arguments:
        design: the public constants.
        noise: in the counts.
        trials: how many configurations there are.
        rng: of public randomness; nothing private is looked at.
    """
    queries, spread = design.space.sample_raw(rng, 64), design.space.sample_raw(rng, 256)
    size = float(design.estimate(design.counts(spread).astype(float), queries).mean()) / len(spread)
    deviation = noise.deviation(design.sensitivity, design.sensitivity)
    errors = [
        np.abs(design.estimate(rng.normal(size=sum(design.sizes)) * deviation, queries)).mean() for _ in range(32)
    ]
    return float(np.mean(errors)) / (trials * size) if trials > 0.0 else math.inf
