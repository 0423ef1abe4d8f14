"""Cost-complexity pruning of a decision tree: the validation error as a function of the price of a leaf, exactly.

With R(t) the training cost of a node t, were it a leaf (its impurity times its share of the training weight), and
R(T_t) the sum over the leaves below it, the pruned tree T(a) is the smallest subtree that minimises

    R(T) + a |leaves of T|,                          a >= 0.

L. Breiman, J. Friedman, R. Olshen and C. Stone, "Classification and Regression Trees", 1984, chapter 3: as a grows,
T(a) loses, again and again, the branch at its weakest link, the inner node with the least

    g(t) = (R(t) - R(T_t)) / (|leaves of T_t| - 1),

and becomes a nested sequence of subtrees. So every inner node t has one number a(t) from which on it is a leaf, or gone
with a branch that it lies in, and a(t) does not grow from a parent to its child. An example that ends in the leaf l of
the full tree is predicted, at a price a, by the highest node with a(t) <= a on its path, or else by l. Hence its error
is a step function whose steps are numbers a(t) of its path, and the sum over examples is found in one pass over all
paths.

For a forest, whose trees are pruned at one price each by itself, classes are voted on by mean class shares, as
scikit-learn does; an example's vote can change only at the a(t) of its paths. Mean shares that agree to ten digits are
equal, and the first class is taken.

M.-F. Balcan and D. Sharma, "Learning Accurate and Interpretable Decision Trees", UAI 2024, arXiv 2405.15911, bound how
many tasks it takes to learn a. Their abstract alone could be read, so here is only what follows from the above: trees
of t leaves have at most t pieces, and so m tasks at most m (t - 1) + 1 different vectors of losses, which bounds the
pseudo-dimension by the largest m with 2^m <= m (t - 1) + 1, of order log t.

Differs from scikit-learn's `ccp_alpha`: at a = 0 branches that do not lower the cost are pruned, which scikit-learn
leaves out at exactly 0; prices are rounded to twelve decimals, so that weakest links that are equal by theory go at
once, in one tree and in many.

Needs: a fitted tree with training costs; validation examples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimtab.base.errors import InvalidArgument, message
from trimtab.tuners.tasks.duals.decision_tree import NO_NODE, DecisionTree, checked_examples
from trimtab.tuners.tasks.duals.piecewise_constant import PiecewiseConstant

__all__ = ["forest_pruning_dual", "prune", "pruning_dual", "pruning_prices"]

Array = NDArray[np.float64]
Ints = NDArray[np.int64]


def pruning_prices(tree: DecisionTree) -> Array:
    """The price a(t) from which on each inner node is a leaf or gone, infinite for leaves, shape (nodes,)."""
    parent, inner = tree.parent, tree.left != NO_NODE
    weight = tree.weights.sum(axis=1)
    cost = weight / weight[0] * tree.impurity
    below, leaves = np.where(inner, 0.0, cost), np.where(inner, 0, 1)
    for node in range(tree.nodes - 1, 0, -1):  # children come after their parents
        below[parent[node]] += below[node]
        leaves[parent[node]] += leaves[node]
    prices, price = np.full(tree.nodes, np.inf), 0.0
    while inner[0]:
        open_nodes = np.flatnonzero(inner)
        links = (cost[open_nodes] - below[open_nodes]) / (leaves[open_nodes] - 1)
        weakest = int(open_nodes[links.argmin()])
        price = max(price, float(links.min()))
        gone = [weakest]
        for node in gone:  # grows while it is read
            if inner[node]:
                inner[node], prices[node] = False, price
                gone += [int(tree.left[node]), int(tree.right[node])]
        more, fewer = cost[weakest] - below[weakest], leaves[weakest] - 1
        node = weakest
        while node != NO_NODE:
            below[node] += more
            leaves[node] -= fewer
            node = int(parent[node])
    return np.round(prices, 12)


def prune(tree: DecisionTree, price: float) -> DecisionTree:
    """The tree T(price), its nodes in their old order.

    Raises:
        InvalidArgument: a price that is negative or no number.
    """
    if not price >= 0:
        raise InvalidArgument(message("the price of a leaf must be a number", got=price, allowed="0 or more"))
    inner = (tree.left != NO_NODE) & (pruning_prices(tree) > price)
    parent = tree.parent
    kept = np.array([node == 0 or bool(inner[parent[node]]) for node in range(tree.nodes)])
    number = np.cumsum(kept) - 1

    def children(of: Ints) -> Ints:
        return np.where(inner[kept], number[of[kept]], NO_NODE)

    rows = tree.feature[kept], tree.threshold[kept], tree.weights[kept], tree.impurity[kept]
    return DecisionTree(children(tree.left), children(tree.right), *rows, tree.classes, tree.single)


def pruning_dual(tree: DecisionTree, x: ArrayLike, y: ArrayLike, *, high: float = 1.0) -> PiecewiseConstant:
    """The share of validation examples that the pruned tree gets wrong, as a function of the price on 0 to `high`.

    Arguments:
        tree: as grown.
        x: validation examples, shape (n, d).
        y: their labels, shape (n,).
        high: where the interval ends. Impurities below 1, such as Gini's or a share of errors, have prices below 1.

    Raises:
        InvalidArgument: examples that do not fit, or an end that is not positive.
    """
    rows, labels = checked_examples((x, y), "validation")
    wrong = tree.classes[tree.weights.argmax(axis=1)] != labels[:, None]
    prices, parent = pruning_prices(tree), tree.parent
    places: list[Array] = []
    jumps: list[Array] = []
    node, every = tree.apply(rows), np.arange(len(rows))
    first = wrong[every, node]
    # All examples climb from their leaves at once; at the price of the parent the parent's answer takes over.
    while len(every):
        upper = parent[node]
        climbing = upper != NO_NODE
        every, node, upper = every[climbing], node[climbing], upper[climbing]
        places.append(prices[upper])
        jumps.append(wrong[every, upper].astype(float) - wrong[every, node])
        node = upper
    return _steps(int(first.sum()), places, jumps, len(rows), high)


def forest_pruning_dual(
    trees: Sequence[DecisionTree], x: ArrayLike, y: ArrayLike, *, high: float = 1.0
) -> PiecewiseConstant:
    """The share of validation examples that a forest gets wrong whose trees are all pruned at one price.

    Arguments:
        trees: as grown, of the same classes.
        x: validation examples, shape (n, d).
        y: their labels, shape (n,).
        high: where the interval ends.

    Raises:
        InvalidArgument: no trees, trees of different classes, or as for one tree.
    """
    rows, labels = checked_examples((x, y), "validation")
    if not trees or any(tree.classes.tolist() != trees[0].classes.tolist() for tree in trees):
        raise InvalidArgument(
            message("a forest needs trees of the same classes", got=len(trees), allowed="one or more")
        )
    classes, shares = trees[0].classes, [tree.weights / tree.weights.sum(axis=1, keepdims=True) for tree in trees]
    events = [
        (price, number, node)
        for number, tree in enumerate(trees)
        for node, price in enumerate(pruning_prices(tree).tolist())
        if price <= high
    ]
    # Of nodes that go at one price in one tree the highest comes last, so that its answer stays.
    events.sort(key=lambda event: (event[0], event[1], -event[2]))
    below = [_examples_below(tree, tree.apply(rows)) for tree in trees]
    votes = np.stack([share[tree.apply(rows)] for share, tree in zip(shares, trees, strict=True)])
    wrong = classes[_winners(votes)] != labels
    first, places, jumps = int(wrong.sum()), [], []
    for price, number, node in events:
        touched = below[number][node]
        votes[number, touched] = shares[number][node]
        now = classes[_winners(votes[:, touched])] != labels[touched]
        places.append(np.array([price]))
        jumps.append(np.array([float(now.sum()) - float(wrong[touched].sum())]))
        wrong[touched] = now
    return _steps(first, places, jumps, len(rows), high)


def _winners(votes: Array) -> Ints:
    """The class with the largest mean share, shares of shape (trees, n, classes): (n,)."""
    winners: Ints = np.round(votes.mean(axis=0), 10).argmax(axis=1)
    return winners


def _examples_below(tree: DecisionTree, leaves: Ints) -> list[NDArray[Any]]:
    """The examples that pass through each node."""
    out: list[list[int]] = [[] for _ in range(tree.nodes)]
    parent = tree.parent.tolist()
    for example, leaf in enumerate(leaves.tolist()):
        node = leaf
        while node != NO_NODE:
            out[node].append(example)
            node = parent[node]
    return [np.array(examples, dtype=np.int64) for examples in out]


def _steps(first: int, places: list[Array], jumps: list[Array], n: int, high: float) -> PiecewiseConstant:
    """Errors at 0 before any jump, and jumps at some places, as shares of n on 0 to `high`."""
    if not 0 < high < np.inf:
        raise InvalidArgument(message("the interval of prices must end above 0", got=high, allowed="a positive number"))
    place, jump = np.concatenate([*places, np.zeros(1)]), np.concatenate([*jumps, np.full(1, float(first))])
    inside = place < high
    starts, which = np.unique(place[inside], return_inverse=True)
    levels = np.cumsum(np.bincount(which, weights=jump[inside])) / n
    return PiecewiseConstant(np.append(starts, high), levels).simplified()
