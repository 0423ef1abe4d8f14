"""What is proven, and what is not, of how many tasks make a setting tuned on them generalise.

For each kind of dual function: a bound on the pseudo-dimension of the losses as functions of the task, its source, and
how far it can be relied upon. None of it is advice on how many tasks to get: the bounds hold for the worst
distribution, their constants are large or not known, and where they say nothing at your number of tasks,
`DimensionBound.verdict` says so. The number to act on comes from held-out tasks: `trimtab.tuners.tasks.certificate`.

**Counting.** Where the statement says so the bound is proven here. Let the indicator of l_x(a) >= r, for every task x
and level r, change at most B times as a runs over its interval. N tasks with levels then have at most N B + 1 patterns
of indicators, and need 2^N to be shattered, so the pseudo-dimension is at most the largest N with 2^N <= N B + 1, which
is O(log B). (M.-F. Balcan, D. DeBlasio, T. Dick, C. Kingsford, T. Sandholm and E. Vitercik, "How much data is
sufficient to learn high-performing algorithms?", STOC 2021, use it as the oscillation lemma; recalled.) A piecewise
constant loss that is continuous from the right changes at its breakpoints only; a rational one with a numerator of
degree D at most D times.

**Sample complexity.** For losses in a range of width H, with a pseudo-dimension P,

    N = O((H / eps)^2 (P + ln(1 / delta)))

tasks make every setting's mean loss on them differ from that on tasks to come by eps at most, with probability 1 -
delta (D. Pollard, "Convergence of stochastic processes", 1984). The constant is left out there, and is not made up
here.

**Status.** "proven": by counting here, or published, with its statement read in the abstract or a summary. "recalled,
unverified": the source was not read again where the statement is made. "disputed": of two audits of arXiv 2602.02406,
the predecessor of the bound for several hyperparameters, one calls two of its claims false as stated and one reproduces
all. Every bound takes the inner fit to be a global minimum, which training by gradient descent does not give.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, final

from trimtab.base.errors import InvalidArgument, UnknownName, check_count, message
from trimtab.base.refs import Reference

__all__ = ["BOUNDS", "DimensionBound", "Status", "Verdict", "bound_for", "counted_dimension"]

Status: TypeAlias = Literal["proven", "recalled, unverified", "disputed"]
"""How far a statement can be relied upon."""


@final
@dataclass(frozen=True, slots=True)
class Verdict:
    """What a bound says at a number of tasks.

    Arguments:
        dimension: the pseudo-dimension at most, where counting gives a number; else the bound's order, constant one.
        counted: whether it is the former.
        vacuous: whether the bound says nothing: it does not even exclude that the tasks can be fitted at will.
        sentence: the same in words.
    """

    dimension: float
    counted: bool
    vacuous: bool
    sentence: str


@final
@dataclass(frozen=True, slots=True)
class DimensionBound:
    """One bound.

    Arguments:
        kind: of dual function, the key in `BOUNDS`.
        statement: the pseudo-dimension P, in words and symbols.
        status: how far it can be relied upon.
        sizes: names of the numbers that it depends on.
        order: its order from these, without a constant.
        refs: sources.
        changes: B of the counting argument from the sizes, where it is proven here.
        note: what else should be known.
    """

    kind: str
    statement: str
    status: Status
    sizes: tuple[str, ...]
    order: Callable[[Mapping[str, int]], float]
    refs: tuple[Reference, ...]
    changes: Callable[[Mapping[str, int]], int] | None = None
    note: str = ""

    @property
    def sample_complexity(self) -> str:
        """How many tasks suffice, up to a constant."""
        return (
            f"O((H / eps)^2 (P + ln(1 / delta))) tasks, P = {self.statement}; losses in a range of width H. "
            "The constant is not known here."
        )

    def verdict(self, tasks: int, **sizes: int) -> Verdict:
        """What the bound says at a number of tasks.

        Arguments:
            tasks: how many the setting was tuned on.
            sizes: one whole number >= 1 for each of `sizes`.

        Raises:
            InvalidArgument: other sizes than these, or numbers that cannot be.
        """
        check_count(tasks, "tasks")
        if set(sizes) != set(self.sizes):
            raise InvalidArgument(
                message(f"the bound for {self.kind!r} depends on {list(self.sizes)}", got=sorted(sizes))
            )
        for name, value in sizes.items():
            check_count(value, name)
        counted = self.changes is not None
        dimension = float(counted_dimension(self.changes(sizes))) if self.changes is not None else self.order(sizes)
        vacuous = dimension >= tasks
        return Verdict(dimension, counted, vacuous, self._words(tasks, dimension, counted, vacuous))

    def _words(self, tasks: int, dimension: float, counted: bool, vacuous: bool) -> str:
        what = f"at most {dimension:.0f}" if counted else f"of the order of {dimension:.3g}, constant unknown"
        head = f"{self.kind}, {tasks} tasks: the pseudo-dimension is {what} ({self.status})"
        if vacuous and counted:
            return f"{head}. So many tasks may still be fitted at will: the bound says nothing. Use held-out tasks."
        if vacuous:
            return f"{head}. Were its constant one, it would say nothing here. Use held-out tasks."
        return (
            f"{head}. The gap to tasks to come is of the order of {math.sqrt(dimension / tasks):.2g} times the losses' "
            "range, with a constant that is not known: no number to act on. Use held-out tasks."
        )


def bound_for(kind: str) -> DimensionBound:
    """The bound of a kind of dual function.

    Raises:
        UnknownName: there is none.
    """
    if kind not in BOUNDS:
        raise UnknownName(message("no bound for this kind of dual function", got=kind, allowed=", ".join(BOUNDS)))
    return BOUNDS[kind]


def counted_dimension(changes: int) -> int:
    """The largest N with 2^N <= N B + 1: the pseudo-dimension at most, where indicators change B times at most.

    Arguments:
        changes: B >= 0.

    >>> counted_dimension(1), counted_dimension(4950)
    (1, 16)
    """
    check_count(changes, "changes", 0)
    size = 0
    while 2 ** (size + 1) <= (size + 1) * changes + 1:
        size += 1
    return size


_ELASTIC_NET = Reference(
    authors="Balcan, Maria-Florina and Khodak, Mikhail and Sharma, Dravyansh and Talwalkar, Ameet",
    title="Provably tuning the ElasticNet across instances",
    year=2022,
    venue="NeurIPS",
    arxiv="2207.10199",
)
_NEW_BOUNDS = Reference(
    authors="Balcan, Maria-Florina and Nguyen, Anh Tuan and Sharma, Dravyansh",
    title="New bounds for hyperparameter tuning of regression problems across instances",
    year=2023,
    venue="NeurIPS",
)
_MAIRAL = Reference(
    authors="Mairal, Julien and Yu, Bin",
    title="Complexity analysis of the lasso regularization path",
    year=2012,
    venue="ICML",
    arxiv="1205.0079",
)
_GRAPHS = Reference(
    authors="Balcan, Maria-Florina and Sharma, Dravyansh",
    title="Data driven semi-supervised learning",
    year=2021,
    venue="NeurIPS",
    arxiv="2103.10547",
)
_PROPAGATION = Reference(
    authors="Du, Ally Yalei and Huang, Eric and Sharma, Dravyansh",
    title="Tuning algorithmic and architectural hyperparameters in graph-based semi-supervised learning with provable "
    "guarantees",
    year=2025,
    venue="UAI, PMLR 286",
    arxiv="2502.12937",
)
_LINKAGE = Reference(
    authors="Balcan, Maria-Florina and Nagarajan, Vaishnavh and Vitercik, Ellen and White, Colin",
    title="Learning-theoretic foundations of algorithm configuration for combinatorial partitioning problems",
    year=2017,
    venue="COLT",
    arxiv="1611.04535",
)
_TREES = Reference(
    authors="Balcan, Maria-Florina and Sharma, Dravyansh",
    title="Learning accurate and interpretable decision trees",
    year=2024,
    venue="UAI, PMLR 244",
    arxiv="2405.15911",
)
_NETWORKS = Reference(
    authors="Balcan, Maria-Florina and Nguyen, Anh Tuan and Sharma, Dravyansh",
    title="Sample complexity of data-driven tuning of model hyperparameters in neural networks with structured "
    "parameter-dependent dual function",
    year=2025,
    venue="NeurIPS",
    arxiv="2501.13734",
)
_SEVERAL = Reference(
    authors="Le, Tung Quoc and Nguyen, Anh Tuan and Nguyen, Viet Anh",
    title="Provably data-driven multiple hyper-parameter tuning with structured loss function",
    year=2026,
    venue="ICML",
    arxiv="2602.02406",
)


def _log(value: int) -> float:
    """A logarithm that does not vanish: of 2 at least."""
    return math.log(max(value, 2))


def _pairs(points: int) -> int:
    """Pairs of different points, one at least."""
    return max(points * (points - 1) // 2, 1)


_ALL = (
    DimensionBound(
        kind="ridge",
        statement="O(log p) for p features, by counting: over the common denominator the validation loss is a rational "
        "function of the penalty whose numerator has degree 2 p",
        status="proven",
        sizes=("features",),
        order=lambda s: _log(s["features"]),
        refs=(_ELASTIC_NET,),
        changes=lambda s: 2 * s["features"],
        note="The paper bounds ridge regression among others; its own statement for it was not read.",
    ),
    DimensionBound(
        kind="lasso",
        statement="O(p) for p features at a fixed l2 penalty, by counting: a path has at most (3^p + 1) / 2 linear "
        "segments, and the validation loss is quadratic on each",
        status="proven",
        sizes=("features",),
        order=lambda s: float(s["features"]),
        refs=(_MAIRAL, _ELASTIC_NET),
        changes=lambda s: 3 ** s["features"] + 1,
        note="The number of segments is Mairal and Yu's (recalled). Paths of real data have some p segments.",
    ),
    DimensionBound(
        kind="elastic net",
        statement="O(p^2) for p features and both penalties",
        status="proven",
        sizes=("features",),
        order=lambda s: float(s["features"] ** 2),
        refs=(_ELASTIC_NET, _NEW_BOUNDS),
        note="Published; the statement was read in a summary, the theorem was not. The paper of 2023 claims Theta(p), "
        "which is recalled, unverified.",
    ),
    DimensionBound(
        kind="threshold graph",
        statement="O(log n) for n points, by counting: labels change at pairwise distances only",
        status="proven",
        sizes=("points",),
        order=lambda s: _log(s["points"]),
        refs=(_GRAPHS,),
        changes=lambda s: _pairs(s["points"]),
        note="The paper's own statement was not read.",
    ),
    DimensionBound(
        kind="Gaussian graph",
        statement="O(n) for n points and the bandwidth of a Gaussian kernel",
        status="recalled, unverified",
        sizes=("points",),
        order=lambda s: float(s["points"]),
        refs=(_GRAPHS,),
    ),
    DimensionBound(
        kind="label propagation",
        statement="Theta(log n) for n nodes, for each of three families of label propagation",
        status="proven",
        sizes=("points",),
        order=lambda s: _log(s["points"]),
        refs=(_PROPAGATION,),
        note="Published; the statement was read in the abstract, the theorems were not.",
    ),
    DimensionBound(
        kind="linkage mix",
        statement="O(log n) for n points and a linear mix of single and complete linkage, by counting: which of two "
        "merges comes first changes where two straight lines meet, and each is made of two pairs of points",
        status="proven",
        sizes=("points",),
        order=lambda s: _log(s["points"]),
        refs=(_LINKAGE,),
        changes=lambda s: _pairs(s["points"]) ** 4,
        note="A mix with average linkage involves sets of points, not pairs: the argument does not cover it. The paper "
        "has bounds for several families, which were not read.",
    ),
    DimensionBound(
        kind="tree pruning",
        statement="O(log t) for trees of t inner nodes, by counting: minimal cost-complexity pruning passes through at "
        "most t + 1 nested trees",
        status="proven",
        sizes=("nodes",),
        order=lambda s: _log(s["nodes"]),
        refs=(_TREES,),
        changes=lambda s: s["nodes"],
        note="The paper's own statement was not read.",
    ),
    DimensionBound(
        kind="tree splitting",
        statement="O(t (log f + log t)) for t inner nodes and f candidate splits, for an interpolated impurity",
        status="recalled, unverified",
        sizes=("nodes", "splits"),
        order=lambda s: s["nodes"] * (_log(s["splits"]) + _log(s["nodes"])),
        refs=(_TREES,),
    ),
    DimensionBound(
        kind="activation interpolation",
        statement="O(L^2 W log D + L W log(T p k)) for L layers, W weights, k units, T examples a task, activations of "
        "p pieces and degree D",
        status="recalled, unverified",
        sizes=("layers", "weights", "units", "examples", "breakpoints", "degree"),
        order=lambda s: (
            s["layers"] ** 2 * s["weights"] * math.log(s["degree"])
            + s["layers"] * s["weights"] * _log(s["examples"] * s["breakpoints"] * s["units"])
        ),
        refs=(_NETWORKS,),
        note="For one hyperparameter, and the same loss for fitting and judging.",
    ),
    DimensionBound(
        kind="graph kernel",
        statement="O(h (d + F) (log(n F) + log(D + d + h))) for n nodes, F classes, d inputs, h hidden units and a "
        "polynomial kernel of degree D",
        status="recalled, unverified",
        sizes=("nodes", "classes", "inputs", "hidden", "degree"),
        order=lambda s: (
            s["hidden"]
            * (s["inputs"] + s["classes"])
            * (_log(s["nodes"] * s["classes"]) + _log(s["degree"] + s["inputs"] + s["hidden"]))
        ),
        refs=(_NETWORKS,),
        note="For one hyperparameter, and the same loss for fitting and judging.",
    ),
    DimensionBound(
        kind="several hyperparameters",
        statement="O(p log T + p d log(M + d) + p d log D) for p hyperparameters, d weights, T pieces, M boundaries "
        "and degree D",
        status="disputed",
        sizes=("hyperparameters", "weights", "pieces", "boundaries", "degree"),
        order=lambda s: (
            s["hyperparameters"]
            * (
                math.log(s["pieces"])
                + s["weights"] * _log(s["boundaries"] + s["weights"])
                + s["weights"] * math.log(s["degree"])
            )
        ),
        refs=(_SEVERAL,),
        note="Two audits of this paper disagree; the form given is its successor's.",
    ),
)

BOUNDS: Mapping[str, DimensionBound] = {bound.kind: bound for bound in _ALL}
"""By kind of dual function."""
