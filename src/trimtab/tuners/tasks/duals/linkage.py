"""Hierarchical clustering by a mix of two linkages: the loss as a function of the mix, exactly.

Agglomerative clustering begins with every point alone and merges the two nearest clusters until one is left. With

    D_single(A, B) = min d(p, q),   D_average(A, B) = mean d(p, q),   D_complete(A, B) = max d(p, q),   p in A, q in B,

a mix of two of them measures D(A, B) = (1 - a) D_first(A, B) + a D_second(A, B), a in 0 to 1. At every step the D of
all pairs are lines in a, so that the next merge changes only at the corners of their lower envelope. Following every
piece of it gives the execution tree, whose leaves are the finitely many runs that the method can make, each on an
interval:

M.-F. Balcan, V. Nagarajan, E. Vitercik and C. White, "Learning-Theoretic Foundations of Algorithm Configuration for
Combinatorial Partitioning Problems", COLT 2017, arXiv 1611.04535, count the breakpoints of such families: O(n^8) for n
points and single and complete linkage, and a pseudo-dimension of order log n. M.-F. Balcan, T. Dick and M. Lang,
"Learning to Link", ICLR 2020, arXiv 1907.00533, walk the tree depth first, which needs memory for one path only. Both
bounds are quoted from memory of the papers, whose abstracts alone could be read again. Measured counts are far
lower: hundreds of runs at 60 points.

The loss compares k clusters with known labels. They are either what is left when k clusters are left (`"cut"`, which
needs no labels when it is applied), or the pruning of the whole tree into k clusters that fits the labels best
(`"pruning"`, the papers' choice, which tells how good a tree is for one who finishes by hand). It counts, as a share of
the points,

    "hamming":   points outside the label that their cluster is given, clusters and labels one to one (the best match);
    "majority":  points outside the majority label of their cluster.

The best pruning is found by dynamic programming over the tree: for "majority" over the number of clusters, for
"hamming" over the set of labels given out, f(v, L) = min over L = L' + L'' of f(left, L') + f(right, L''), in 3^k steps
a merge.

Differs from the papers: an interval ends where the run changes, and runs that build the same tree in another order
share one loss, computed once. Distances are rounded to 30 binary digits below the largest one (fewer for more than
5,000 points), so that sums of them are exact and equal averages equal; of pairs equally near, that of the earliest
points is merged.

Needs: a matrix of distances, n x n in memory; labels of the tuning tasks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from trimtab.base.errors import InvalidArgument, check_count, message
from trimtab.tuners.tasks.duals.dual import inside
from trimtab.tuners.tasks.duals.envelope import lower_envelope, lowest
from trimtab.tuners.tasks.duals.piecewise_constant import PiecewiseConstant

__all__ = ["LINKAGES", "Run", "linkage_clusters", "linkage_dual", "linkage_merges", "linkage_runs"]

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Linkage = Literal["single", "average", "complete"]
Loss = Literal["hamming", "majority"]
Choice = Literal["pruning", "cut"]

LINKAGES = ("single", "average", "complete")
LOSSES = ("hamming", "majority")
CHOICES = ("pruning", "cut")
MOST_LABELS = 10
"""A best pruning with a best match takes 3^labels steps a merge."""

FAR = 2.0**60
"""The distance to what is no cluster any more; distances are scaled to less than 2^31."""


@final
@dataclass(frozen=True, slots=True)
class Run:
    """The merges that the method makes for every mix on an interval.

    Arguments:
        low: where the interval begins.
        high: where it ends.
        merges: pairs of clusters in the order in which they were merged, a cluster named by its earliest point. The
            merged cluster keeps the lesser name, which comes first.
    """

    low: float
    high: float
    merges: tuple[tuple[int, int], ...]


def linkage_merges(
    distances: ArrayLike, at: float, *, mix: tuple[Linkage, Linkage] = ("single", "complete"), clusters: int = 1
) -> tuple[tuple[int, int], ...]:
    """The merges that the method makes for one mix, each named by the earliest points of both clusters.

    Arguments:
        distances: symmetric, not negative, zeros on the diagonal, shape (n, n).
        at: the share a of the second linkage, in 0 to 1.
        mix: two linkages.
        clusters: how many are left at the end.

    Raises:
        InvalidArgument: no such matrix, linkage, share, or number of clusters.
    """
    state = _begin(_checked(distances), _checked_mix(mix))
    stop, share = _checked_clusters(clusters, len(state.alive)), float(inside(at, 0.0, 1.0))
    for _ in range(len(state.alive) - stop):
        state.merge(lowest(state.lines[0].ravel(), state.lines[1].ravel(), share))
    return tuple(state.merges)


def linkage_clusters(
    distances: ArrayLike, clusters: int, at: float, *, mix: tuple[Linkage, Linkage] = ("single", "complete")
) -> Ints:
    """The cluster of each point, 0 to clusters - 1 in the order of their earliest points, shape (n,).

    Arguments:
        distances: symmetric, not negative, zeros on the diagonal, shape (n, n).
        clusters: how many.
        at: the share a of the second linkage, in 0 to 1.
        mix: two linkages.

    Raises:
        InvalidArgument: no such matrix, linkage, share, or number of clusters.

    >>> points = np.array([0.0, 1.0, 2.1, 3.3, 9.0])
    >>> far = abs(points[:, None] - points)
    >>> linkage_clusters(far, 2, 0.0).tolist(), linkage_clusters(far, 3, 1.0).tolist()
    ([0, 0, 0, 0, 1], [0, 0, 1, 1, 2])
    """
    merges = linkage_merges(distances, at, mix=mix, clusters=clusters)
    return _clusters(merges, len(np.asarray(distances)))


def linkage_runs(
    distances: ArrayLike,
    *,
    mix: tuple[Linkage, Linkage] = ("single", "complete"),
    clusters: int = 1,
    max_runs: int = 100_000,
) -> Iterator[Run]:
    """All runs that the method makes for mixes in 0 to 1, from left to right, by walking the execution tree.

    Memory is that of one path: at most n copies of three n x n matrices.

    Arguments:
        distances: symmetric, not negative, zeros on the diagonal, shape (n, n).
        mix: two linkages.
        clusters: how many are left at the end of a run.
        max_runs: how many runs there may be.

    Raises:
        InvalidArgument: no such matrix, linkage, or number of clusters; or too many runs.
    """
    start = _begin(_checked(distances), _checked_mix(mix))
    stop, limit = _checked_clusters(clusters, len(start.alive)), check_count(max_runs, "max_runs")
    return _walk(start, len(start.alive) - stop, limit)


def linkage_dual(
    distances: ArrayLike,
    labels: ArrayLike,
    *,
    mix: tuple[Linkage, Linkage] = ("single", "complete"),
    clusters: int | None = None,
    choice: Choice = "cut",
    loss: Loss = "hamming",
    max_runs: int = 100_000,
) -> PiecewiseConstant:
    """The clustering loss of one task as a function of the mix, on 0 to 1.

    Arguments:
        distances: symmetric, not negative, zeros on the diagonal, shape (n, n).
        labels: what the clusters should be, shape (n,).
        mix: two linkages; a is the share of the second.
        clusters: how many; by default as many as labels.
        choice: "cut" or "pruning", how the clusters are taken from the tree.
        loss: "hamming" or "majority", a share of the points.
        max_runs: how many runs there may be.

    Raises:
        InvalidArgument: no such matrix, labels, linkage, number, choice or loss; or too many runs.
    """
    matrix = _checked(distances)
    codes, kinds = _checked_labels(labels, len(matrix))
    count = _checked_clusters(kinds if clusters is None else clusters, len(matrix))
    if choice not in CHOICES:
        raise InvalidArgument(message("no such choice of clusters", got=choice, allowed=" or ".join(CHOICES)))
    if loss not in LOSSES:
        raise InvalidArgument(message("no such clustering loss", got=loss, allowed=" or ".join(LOSSES)))
    evaluate: Callable[[Run], float]
    if choice == "cut":
        last, evaluate = count, _CutLoss(codes, kinds, loss)
    elif loss == "majority":
        last, evaluate = 1, _PruningLoss(_ByNumber(codes, kinds, count))
    else:
        if count != kinds or kinds > MOST_LABELS:
            raise InvalidArgument(
                message(
                    "a best pruning with a best match needs as many clusters as labels, and not many",
                    got=(count, kinds),
                    allowed=f"clusters = labels, at most {MOST_LABELS}",
                    do="take loss='majority' or choice='cut'",
                )
            )
        last, evaluate = 1, _PruningLoss(_ByLabels(codes, kinds))
    edges, levels = [0.0], []
    for run in linkage_runs(matrix, mix=mix, clusters=last, max_runs=max_runs):
        edges.append(run.high)
        levels.append(evaluate(run) / len(matrix))
    return PiecewiseConstant(np.array(edges), np.array(levels)).simplified()


# --- the method, one merge at a time ---


@dataclass(slots=True)
class _State:
    """Clusters, and the lines of all pairs of them. There are m rows, some of clusters that have been merged.

    Arguments:
        kinds: the two linkages.
        names: the earliest point of the cluster of each row, ascending, shape (m,).
        alive: which rows are clusters still, shape (m,).
        lines: D_first and D_second of all pairs, `FAR` where there is none, shape (2, m, m).
        sums: sums of distances between clusters, shape (m, m).
        sizes: points in each cluster, shape (m,).
        merges: those made so far.
    """

    kinds: tuple[Linkage, Linkage]
    names: Ints
    alive: NDArray[np.bool_]
    lines: Array
    sums: Array
    sizes: Array
    merges: list[tuple[int, int]]

    def copy(self) -> _State:
        """A state that can go another way."""
        arrays = self.names, self.alive.copy(), self.lines.copy(), self.sums.copy(), self.sizes.copy()
        return _State(self.kinds, *arrays, self.merges.copy())

    def merge(self, pair: int) -> None:
        """Merge two clusters, given by the place of the pair in a raveled matrix."""
        i, j = sorted(divmod(pair, len(self.alive)))
        self.alive[j] = False
        self.sizes[i] += self.sizes[j]
        self.sums[i] += self.sums[j]
        self.sums[:, i] = self.sums[i]
        for kind, line in zip(self.kinds, self.lines, strict=True):
            if kind == "single":
                row = np.minimum(line[i], line[j])
            elif kind == "complete":
                row = np.maximum(line[i], line[j])
            else:
                row = self.sums[i] / (self.sizes[i] * self.sizes)
            row[~self.alive] = FAR
            row[i] = FAR
            line[i] = line[:, i] = row
            line[j] = line[:, j] = FAR
        self.merges.append((int(self.names[i]), int(self.names[j])))

    def compact(self) -> None:
        """Leave out the rows of clusters that have been merged, once a quarter of all are such."""
        if 4 * int(self.alive.sum()) <= 3 * len(self.alive):
            kept = np.flatnonzero(self.alive)
            square = np.ix_(kept, kept)
            self.lines = np.stack([line[square] for line in self.lines])
            self.sums, self.sizes = self.sums[square], self.sizes[kept]
            self.names, self.alive = self.names[kept], self.alive[kept]


def _begin(distances: Array, mix: tuple[Linkage, Linkage]) -> _State:
    """Every point alone, distances scaled by a power of two and rounded to whole numbers."""
    n, largest = len(distances), float(distances.max(initial=0.0))
    # Sums of n^2/4 whole numbers below 2^bits stay below 2^53.
    bits = min(30, 53 - math.ceil(2 * math.log2(max(n, 2)) - 2))
    whole: Array = np.round(distances * math.ldexp(1.0, bits - math.frexp(largest)[1]))
    lines = np.stack([whole, whole])
    lines[:, np.arange(n), np.arange(n)] = FAR
    return _State(mix, np.arange(n), np.ones(n, dtype=bool), lines, whole, np.ones(n), [])


def _walk(start: _State, merges: int, limit: int) -> Iterator[Run]:
    """The leaves of the execution tree, depth first, each the leftmost of those left."""
    pending, found = [(0.0, 1.0, -1, start)], 0
    while pending:
        low, high, pair, state = pending.pop()
        if pair >= 0:
            state = state.copy()
            state.merge(pair)
        while len(state.merges) < merges:
            first, *others = lower_envelope(state.lines[0].ravel(), state.lines[1].ravel(), low, high)
            if others:
                # One copy for all of the other ways; each copies it again when its turn comes.
                before = state.copy()
                pending.extend((piece.low, piece.high, piece.line, before) for piece in reversed(others))
            state.merge(first.line)
            high = first.high
            state.compact()
        found += 1
        if found > limit:
            raise InvalidArgument(
                message(
                    "the method makes too many different runs on this task",
                    got=f"more than {limit} by a = {low:.6g}",
                    allowed=f"max_runs = {limit}",
                    do="take fewer points, or a larger max_runs",
                )
            )
        yield Run(low, high, tuple(state.merges))


def _clusters(merges: Sequence[tuple[int, int]], n: int) -> Ints:
    """The cluster of each point after some merges, numbered by their earliest points, shape (n,)."""
    names = np.arange(n)
    for i, j in merges:
        names[j] = i
    for point in range(n):  # the name on the right is an earlier point's, and final
        names[point] = names[names[point]]
    out: Ints = np.unique(names, return_inverse=True)[1].astype(np.int64)
    return out


# --- losses ---


@final
class _CutLoss:
    """Points that are wrong in the clusters that are left at the end of a run; each partition is judged once."""

    def __init__(self, codes: Ints, kinds: int, loss: Loss) -> None:
        self.codes, self.kinds, self.loss = codes, kinds, loss
        self.known: dict[bytes, float] = {}

    def __call__(self, run: Run) -> float:
        clusters = _clusters(run.merges, len(self.codes))
        key = clusters.tobytes()
        if key not in self.known:
            table = np.zeros((int(clusters.max()) + 1, self.kinds))
            np.add.at(table, (clusters, self.codes), 1)
            right = table[linear_sum_assignment(table, maximize=True)] if self.loss == "hamming" else table.max(axis=1)
            self.known[key] = len(self.codes) - float(right.sum())
        return self.known[key]


@final
class _PruningLoss:
    """Points that are wrong in the best pruning of the tree of a run; each subtree is judged once.

    A subtree has a number of its own, found by the numbers of its two parts, in whichever run it is built.
    """

    def __init__(self, tables: _ByNumber | _ByLabels) -> None:
        self.tables = tables
        self.known: dict[tuple[int, int], int] = {}
        self.judged = [tables.point(code) for code in tables.codes.tolist()]

    def __call__(self, run: Run) -> float:
        numbers = list(range(len(self.tables.codes)))
        for i, j in run.merges:
            parts = numbers[i], numbers[j]
            if parts not in self.known:
                self.known[parts] = len(self.judged)
                self.judged.append(self.tables.join(self.judged[parts[0]], self.judged[parts[1]]))
            numbers[i] = self.known[parts]
        return self.tables.least(self.judged[numbers[0]])


@final
class _ByNumber:
    """Tables for "majority": counts of labels, then the loss of the best pruning into 1, 2, ... clusters."""

    def __init__(self, codes: Ints, kinds: int, clusters: int) -> None:
        self.codes, self.kinds, self.clusters = codes, kinds, clusters

    def point(self, code: int) -> tuple[Array, Array]:
        losses = np.full(self.clusters, np.inf)
        losses[0] = 0.0
        return np.eye(self.kinds)[code], losses

    def join(self, left: tuple[Array, Array], right: tuple[Array, Array]) -> tuple[Array, Array]:
        counts = left[0] + right[0]
        losses = np.full(self.clusters, np.inf)
        losses[0] = counts.sum() - counts.max()
        for more in range(1, self.clusters):
            losses[more] = (left[1][:more] + right[1][more - 1 :: -1]).min()
        return counts, losses

    def least(self, table: tuple[Array, Array]) -> float:
        return float(table[1][-1])


@final
class _ByLabels:
    """Tables for "hamming": counts of labels, then the loss of the best pruning for each set of labels given out."""

    def __init__(self, codes: Ints, kinds: int) -> None:
        self.codes, self.kinds = codes, kinds
        splits = [(whole, part) for whole in range(2**kinds) for part in _proper_parts(whole)]
        self.wholes = np.array([whole for whole, _ in splits], dtype=np.int64)
        self.parts = np.array([part for _, part in splits], dtype=np.int64)
        self.singles = 2 ** np.arange(kinds)

    def point(self, code: int) -> tuple[Array, Array]:
        return self._alone(np.eye(self.kinds)[code])

    def join(self, left: tuple[Array, Array], right: tuple[Array, Array]) -> tuple[Array, Array]:
        counts, losses = self._alone(left[0] + right[0])
        np.minimum.at(losses, self.wholes, left[1][self.parts] + right[1][self.wholes - self.parts])
        return counts, losses

    def least(self, table: tuple[Array, Array]) -> float:
        return float(table[1][-1])

    def _alone(self, counts: Array) -> tuple[Array, Array]:
        losses = np.full(2**self.kinds, np.inf)
        losses[self.singles] = counts.sum() - counts
        return counts, losses


def _proper_parts(whole: int) -> Iterator[int]:
    """The sets of bits that are neither empty nor all of `whole`."""
    part = (whole - 1) & whole
    while part:
        yield part
        part = (part - 1) & whole


# --- arguments ---


def _checked(distances: ArrayLike) -> Array:
    """A matrix of distances as floats, shape (n, n)."""
    out = np.asarray(distances, dtype=float)
    if out.ndim != 2 or out.shape[0] != out.shape[1] or not len(out):
        raise InvalidArgument(
            message(
                "distances must be a square matrix", got=out.shape, allowed="shape (n, n)", do="squareform(pdist(x))"
            )
        )
    if not np.isfinite(out).all() or (out < 0).any() or (out != out.T).any() or np.diagonal(out).any():
        raise InvalidArgument(
            message(
                "distances must be symmetric, finite and not negative, with zeros on the diagonal",
                do="squareform(pdist(x)) makes such a matrix",
            )
        )
    return out


def _checked_mix(mix: tuple[Linkage, Linkage]) -> tuple[Linkage, Linkage]:
    if len(mix) != 2 or any(kind not in LINKAGES for kind in mix):
        raise InvalidArgument(message("a mix is of two linkages", got=mix, allowed=", ".join(LINKAGES)))
    return mix


def _checked_clusters(clusters: int, n: int) -> int:
    if check_count(clusters, "clusters") > n:
        raise InvalidArgument(message("more clusters than points", got=clusters, allowed=f"1 to {n}"))
    return clusters


def _checked_labels(labels: ArrayLike, n: int) -> tuple[Ints, int]:
    """Labels as numbers from 0, and how many there are."""
    given = np.asarray(labels)
    if given.shape != (n,):
        raise InvalidArgument(message("labels must be one for each point", got=given.shape, allowed=f"shape ({n},)"))
    kinds, codes = np.unique(given, return_inverse=True)
    return codes.astype(np.int64), len(kinds)
