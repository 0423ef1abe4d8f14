"""Decision trees whose split criterion is a mix of two impurities: the validation error by the mix, exactly.

A tree is grown from the top: a node with class shares p is split where a threshold of a feature leaves the least
impurity in the children, each weighted by its number of examples. With a mix of two impurities,

    g(p) = (1 - a) g_first(p) + a g_second(p),              a in 0 to 1,

the cost of every split of a node is a line in a, so that the best split changes only at the corners of their lower
envelope. On each piece of it the children are new nodes with an interval of their own, and do not depend on each other.
Following all pieces gives the error of every tree that the method can grow, each on its interval; the errors of leaves
are added up where they begin to count and taken off where they end.

Impurities, for shares p_1 .. p_k of k classes:

    "gini"              1 - sum p_i^2                           L. Breiman and others, 1984
    "entropy"           - sum p_i log2 p_i                      J. R. Quinlan, 1986
    "error"             1 - max p_i
    "kearns_mansour"    (sum sqrt(p_i))^2 - 1                   M. Kearns and Y. Mansour, 1996
    tsallis(a, b)       (1 - (sum p_i^a)^b) / (a - 1)           a > 0, a != 1, b >= 1

For two classes that of Kearns and Mansour is 2 sqrt(p (1 - p)). The last one, and learning which impurity is good for
tasks of one kind, are of M.-F. Balcan and D. Sharma, "Learning Accurate and Interpretable Decision Trees", UAI 2024,
arXiv 2405.15911: a = 2, b = 1 is Gini's, a -> 1, b = 1 the entropy in natural units, and a = 1/2, b = 2 twice that of
Kearns and Mansour. Its own a enters as an exponent, so that costs are no lines in it; a mix of two members is linear,
and is what is solved here. The paper's abstract alone could be read (the family is recalled); it promises bounds on the
number of tasks that it takes to learn the criterion. What follows from the above: a node with N candidate splits has at
most N - 1 corners on its interval, but each piece has children with corners of their own, so that trees of depth h may
have of the order of (2N)^h. Measured numbers are far lower; `max_nodes` bounds them.

Differs from the paper: every node is split until it is pure, too small or too deep, not the t best ones, which makes
nodes independent. Thresholds lie midway between neighbouring values. Costs of equal splits are equal in the machine
(they are rounded to 36 binary digits below one example), and of equal splits that of the first feature and least
threshold is taken, where scikit-learn draws one.

Needs: training and validation examples with numbers as features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimtab.base.errors import InvalidArgument, check_count, message
from trimtab.tuners.tasks.duals.decision_tree import NO_NODE, DecisionTree, checked_examples
from trimtab.tuners.tasks.duals.dual import inside
from trimtab.tuners.tasks.duals.envelope import lower_envelope, lowest
from trimtab.tuners.tasks.duals.piecewise_constant import PiecewiseConstant

__all__ = ["Impurity", "grow", "splitting_dual", "tsallis"]

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Function = Callable[[Array], Array]
Impurity = Literal["gini", "entropy", "error", "kearns_mansour"] | Function

GRAIN = 2.0**36
"""Costs, in examples, are rounded to multiples of its inverse."""


def tsallis(power: float, outer: float = 1.0) -> Function:
    """The (a, b)-Tsallis impurity: shares of classes along the last axis, shape (..., k), give shape (...).

    Arguments:
        power: a.
        outer: b.

    Raises:
        InvalidArgument: a is not positive or is 1, or b is below 1.
    """
    if not power > 0 or power == 1 or not outer >= 1:
        raise InvalidArgument(
            message(
                "no such Tsallis impurity",
                got=(power, outer),
                allowed="a > 0, a != 1, b >= 1",
                do="'entropy' is a -> 1",
            )
        )

    def impurity(shares: Array) -> Array:
        out: Array = (1 - (shares**power).sum(axis=-1) ** outer) / (power - 1)
        return out

    return impurity


def _gini(shares: Array) -> Array:
    out: Array = 1 - (shares**2).sum(axis=-1)
    return out


def _entropy(shares: Array) -> Array:
    out: Array = -(shares * np.log2(np.where(shares > 0, shares, 1.0))).sum(axis=-1)
    return out


def _error(shares: Array) -> Array:
    out: Array = 1 - shares.max(axis=-1)
    return out


def _kearns_mansour(shares: Array) -> Array:
    out: Array = np.sqrt(shares).sum(axis=-1) ** 2 - 1
    return out


IMPURITIES: dict[str, Function] = {
    "gini": _gini,
    "entropy": _entropy,
    "error": _error,
    "kearns_mansour": _kearns_mansour,
}


def grow(
    x: ArrayLike,
    y: ArrayLike,
    at: float,
    *,
    mix: tuple[Impurity, Impurity] = ("gini", "entropy"),
    max_depth: int = 6,
    min_leaf: int = 1,
) -> DecisionTree:
    """The tree that is grown with one mix; its impurity, for pruning, is the mix, too.

    Arguments:
        x: training examples, shape (n, d).
        y: their labels, shape (n,).
        at: the share a of the second impurity, in 0 to 1.
        mix: two impurities, by name or as functions of shares of classes, shape (..., k), not negative.
        max_depth: how many questions an example is asked at most.
        min_leaf: how many examples there are at least in a leaf.

    Raises:
        InvalidArgument: examples that do not fit, no such share, mix or number.
    """
    rows, labels = checked_examples((x, y), "training")
    growth, share = _Growth.begin(rows, labels, mix, max_depth, min_leaf), float(inside(at, 0.0, 1.0))
    left, right, feature, threshold = [NO_NODE], [NO_NODE], [0], [0.0]
    nodes = [np.arange(len(rows))]
    depths = [0]
    for number, members in enumerate(nodes):  # grows while it is read
        splits = growth.splits(members, depths[number])
        if splits is None:
            continue
        best = lowest(splits.zero, splits.one, share)
        feature[number], threshold[number] = int(splits.feature[best]), float(splits.threshold[best])
        goes_left = rows[members, feature[number]] <= threshold[number]
        left[number], right[number] = len(nodes), len(nodes) + 1
        nodes += [members[goes_left], members[~goes_left]]
        depths += [depths[number] + 1] * 2
        left, right = left + [NO_NODE] * 2, right + [NO_NODE] * 2
        feature, threshold = feature + [0] * 2, threshold + [0.0] * 2
    counts = np.array([growth.codes[members].sum(axis=0) for members in nodes])
    shares = counts / counts.sum(axis=1, keepdims=True)
    impurity = (1 - share) * growth.first(shares) + share * growth.second(shares)
    arrays = np.array(left), np.array(right), np.array(feature), np.array(threshold), counts, impurity
    return DecisionTree(*arrays, growth.classes)


def splitting_dual(
    train: tuple[ArrayLike, ArrayLike],
    validation: tuple[ArrayLike, ArrayLike],
    *,
    mix: tuple[Impurity, Impurity] = ("gini", "entropy"),
    max_depth: int = 6,
    min_leaf: int = 1,
    max_nodes: int = 100_000,
) -> PiecewiseConstant:
    """The share of validation examples that the grown tree gets wrong, as a function of the mix, on 0 to 1.

    Arguments:
        train: examples and labels, shapes (n, d) and (n,).
        validation: examples and labels, shapes (m, d) and (m,).
        mix: two impurities, by name or as functions of shares of classes, shape (..., k), not negative.
        max_depth: how many questions an example is asked at most.
        min_leaf: how many examples there are at least in a leaf.
        max_nodes: how many nodes all trees together may have, those of neighbouring trees that are one counted once.

    Raises:
        InvalidArgument: examples that do not fit, no such mix or number; or too many nodes.
    """
    rows, labels = checked_examples(train, "training")
    unseen, truth = checked_examples(validation, "validation")
    if unseen.shape[1] != rows.shape[1]:
        raise InvalidArgument(
            message("validation: X has other columns than in training", got=unseen.shape[1], allowed=str(rows.shape[1]))
        )
    growth, limit = _Growth.begin(rows, labels, mix, max_depth, min_leaf), check_count(max_nodes, "max_nodes")
    pending = [(0.0, 1.0, 0, np.arange(len(rows)), np.arange(len(unseen)))]
    places, jumps, explored = [0.0], [0], 0
    while pending:
        low, high, depth, members, guests = pending.pop()
        explored += 1
        if explored > limit:
            raise InvalidArgument(
                message(
                    "the method grows too many different nodes on this task",
                    got=f"more than {limit} by a = {low:.6g}",
                    allowed=f"max_nodes = {limit}",
                    do="take a smaller max_depth, a larger min_leaf, or a larger max_nodes",
                )
            )
        # A node that no validation example reaches changes no error, however it is split.
        splits = growth.splits(members, depth) if len(guests) else None
        if splits is None:
            errors = int((truth[guests] != growth.answer(members)).sum())
            places += [low, high]
            jumps += [errors, -errors]
            continue
        for piece in reversed(lower_envelope(splits.zero, splits.one, low, high)):
            feature, threshold = splits.feature[piece.line], splits.threshold[piece.line]
            ours, theirs = rows[members, feature] <= threshold, unseen[guests, feature] <= threshold
            pending.append((piece.low, piece.high, depth + 1, members[~ours], guests[~theirs]))
            pending.append((piece.low, piece.high, depth + 1, members[ours], guests[theirs]))
    edges, which = np.unique(places, return_inverse=True)
    levels = np.cumsum(np.bincount(which, weights=jumps))[:-1] / len(unseen)
    return PiecewiseConstant(edges, levels).simplified()


@final
@dataclass(frozen=True, slots=True, eq=False)
class _Splits:
    """Candidate splits of a node.

    Arguments:
        feature: what each asks for, shape (s,).
        threshold: and what it compares it with, shape (s,).
        zero: its cost by the first impurity, in examples, shape (s,).
        one: by the second, shape (s,).
    """

    feature: Ints
    threshold: Array
    zero: Array
    one: Array


@final
@dataclass(frozen=True, slots=True, eq=False)
class _Growth:
    """What all nodes of all trees of a task share.

    Arguments:
        rows: training examples, shape (n, d).
        codes: one-hot labels, shape (n, k).
        classes: the labels, shape (k,).
        first: an impurity.
        second: another.
        max_depth: of a leaf.
        min_leaf: examples in a leaf.
    """

    rows: Array
    codes: Array
    classes: NDArray[Any]
    first: Function
    second: Function
    max_depth: int
    min_leaf: int

    @classmethod
    def begin(
        cls, rows: Array, labels: NDArray[Any], mix: tuple[Impurity, Impurity], max_depth: int, min_leaf: int
    ) -> _Growth:
        """Check the settings."""
        if len(mix) != 2 or not all(callable(kind) or kind in IMPURITIES for kind in mix):
            raise InvalidArgument(
                message(
                    "a mix is of two impurities", got=mix, allowed=f"{', '.join(IMPURITIES)}, or functions of shares"
                )
            )
        first, second = (kind if callable(kind) else IMPURITIES[kind] for kind in mix)
        classes, codes = np.unique(labels, return_inverse=True)
        limits = check_count(max_depth, "max_depth"), check_count(min_leaf, "min_leaf")
        return cls(rows, np.eye(len(classes))[codes], classes, first, second, *limits)

    def answer(self, members: Ints) -> Any:
        """The majority class of a node, the first of equals."""
        return self.classes[self.codes[members].sum(axis=0).argmax()]

    def splits(self, members: Ints, depth: int) -> _Splits | None:
        """The candidate splits of a node, by feature and threshold; None where it is a leaf."""
        n, least = len(members), self.min_leaf
        counts = self.codes[members].sum(axis=0)
        if depth >= self.max_depth or n < 2 * least or counts.max() == n:
            return None
        rows = self.rows[members]
        order = rows.argsort(axis=0, kind="stable")
        ascending = np.take_along_axis(rows, order, axis=0)
        # Splits after place least - 1, ..., n - least - 1 of the order of each feature, wherever the value changes.
        places = slice(least - 1, n - least)
        before, after = ascending[places], ascending[least : n - least + 1]
        feature, place = np.nonzero((before < after).T)
        if not len(feature):
            return None
        left = self.codes[members][order].cumsum(axis=0)[place + least - 1, feature]
        low, high = before[place, feature], after[place, feature]
        middle = low + (high - low) / 2
        threshold = np.where(middle < high, middle, low)
        return _Splits(feature, threshold, *self._costs(left, counts - left))

    def _costs(self, left: Array, right: Array) -> tuple[Array, Array]:
        """Impurities of children with given counts of classes, shape (s, k) each, in examples, shape (s,) each."""
        out = []
        sides = [np.sort(counts, axis=1) for counts in (left, right)]  # so that classes may change places
        sizes = [counts.sum(axis=1) for counts in sides]
        for impurity in (self.first, self.second):
            costs = [size * impurity(counts / size[:, None]) for counts, size in zip(sides, sizes, strict=True)]
            out.append(np.maximum(np.round((costs[0] + costs[1]) * GRAIN) / GRAIN, 0.0))
        return out[0], out[1]
