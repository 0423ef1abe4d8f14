"""Cost-complexity pruning beside all subtrees of small trees, and beside scikit-learn's."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from trimtab.base.errors import InvalidArgument
from trimtab.tuners.tasks.duals import mean_dual
from trimtab.tuners.tasks.duals.decision_tree import NO_NODE, DecisionTree
from trimtab.tuners.tasks.duals.tree_pruning import forest_pruning_dual, prune, pruning_dual, pruning_prices

datasets = pytest.importorskip("sklearn.datasets")
ensemble = pytest.importorskip("sklearn.ensemble")
trees = pytest.importorskip("sklearn.tree")


def random_tree(shape: list[bool], counts: list[tuple[int, int]]) -> DecisionTree:
    """A tree by a list of which nodes have children, with counts of two classes in the leaves, judged by errors."""
    left, right, waiting, number = [], [], [0], 1
    for node in waiting:
        if shape[node % len(shape)] and number + 2 <= 15:
            left.append(number)
            right.append(number + 1)
            waiting += [number, number + 1]
            number += 2
        else:
            left.append(NO_NODE)
            right.append(NO_NODE)
    weights = np.zeros((number, 2))
    for node in reversed(range(number)):
        weights[node] = counts[node] if left[node] == NO_NODE else weights[left[node]] + weights[right[node]]
    impurity = weights.min(axis=1) / weights.sum(axis=1)
    # Node t sends examples by feature t, so that each leaf has an example of its own.
    arrays = np.array(left), np.array(right), np.arange(number), np.zeros(number), weights, impurity
    return DecisionTree(*arrays, np.array([0, 1]))


def example_of(tree: DecisionTree, leaf: int) -> np.ndarray:
    """An example that ends in a leaf."""
    out, node, parent = np.zeros(tree.nodes), leaf, tree.parent
    while node:
        out[parent[node]] = -1.0 if tree.left[parent[node]] == node else 1.0
        node = int(parent[node])
    return out


def subtrees(tree: DecisionTree, node: int = 0) -> list[frozenset[int]]:
    """The sets of leaves of all prunings of the branch at a node."""
    out = [frozenset([node])]
    if tree.left[node] != NO_NODE:
        sides = subtrees(tree, int(tree.left[node])), subtrees(tree, int(tree.right[node]))
        out += [a | b for a, b in itertools.product(*sides)]
    return out


def best_subtree(tree: DecisionTree, price: float) -> frozenset[int]:
    """By the definition, in exact arithmetic: the least cost, and of equals the fewest leaves."""
    total = Fraction(int(tree.weights[0].sum()))

    def cost(leaves: frozenset[int]) -> Fraction:
        errors = sum(Fraction(int(tree.weights[leaf].min())) for leaf in leaves)
        return errors / total + Fraction(price) * len(leaves)

    return min(subtrees(tree), key=lambda leaves: (cost(leaves), len(leaves)))


shapes = st.lists(st.booleans(), min_size=7, max_size=7).map(lambda rest: [True, *rest])
leaf_counts = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 5)), min_size=15, max_size=15)


@settings(max_examples=60, deadline=None)
@given(shapes, leaf_counts, st.floats(0, 0.6))
def test_the_pruned_tree_is_the_least_of_all_minimisers(
    shape: list[bool], counts: list[tuple[int, int]], price: float
) -> None:
    tree = random_tree(shape, counts)
    prices = pruning_prices(tree)
    inner = tree.left != NO_NODE
    assert (prices[~inner] == np.inf).all()
    assert all(prices[node] <= prices[tree.parent[node]] for node in np.flatnonzero(inner) if node)
    for place in [price, *prices[inner].tolist()]:
        assume(place in prices or np.abs(prices - place).min() > 1e-9)
        # At a price that is rounded up or down the tree is that of the price, taken a little later.
        wanted = best_subtree(tree, place + 1e-9)
        pruned = prune(tree, place)
        rows = np.array([example_of(tree, leaf) for leaf in np.flatnonzero(~inner)])
        assert pruned.leaves == len(wanted)
        assert pruned.nodes == 2 * len(wanted) - 1
        for leaf, node in zip(np.flatnonzero(~inner), pruned.apply(rows), strict=True):
            above = {int(leaf)}
            while min(above):
                above.add(int(tree.parent[min(above)]))
            (kept,) = above & wanted
            assert (pruned.weights[node] == tree.weights[kept]).all()


@settings(max_examples=40, deadline=None)
@given(shapes, leaf_counts, st.lists(st.integers(0, 1), min_size=15, max_size=15))
def test_the_dual_is_the_error_of_the_pruned_trees(
    shape: list[bool], counts: list[tuple[int, int]], labels: list[int]
) -> None:
    tree = random_tree(shape, counts)
    rows = np.array([example_of(tree, leaf) for leaf in np.flatnonzero(tree.left == NO_NODE)])
    y = np.array(labels[: len(rows)])
    dual, alone = pruning_dual(tree, rows, y), forest_pruning_dual([tree], rows, y)
    assert dual.pieces <= tree.leaves
    places = np.concatenate([dual.edges[:-1], (dual.edges[1:] + dual.edges[:-1]) / 2])
    for at in places:
        assert dual.value(at) == pytest.approx((prune(tree, float(at)).predict(rows) != y).mean())
    np.testing.assert_array_equal(dual.edges, alone.edges)
    np.testing.assert_allclose(dual.levels, alone.levels)


def halves(data: Any, seed: int, n: int = 250) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    order = np.random.default_rng(seed).permutation(len(data.data))
    seen, unseen = order[:n], order[n:]
    return data.data[seen], data.target[seen], data.data[unseen], data.target[unseen]


def places_of(edges: np.ndarray) -> np.ndarray:
    wide = np.diff(edges) > 1e-9
    return (edges[:-1] + np.diff(edges) / 2)[wide]


@pytest.mark.parametrize("load", ["load_breast_cancer", "load_wine", "load_digits"])
@pytest.mark.parametrize("criterion", ["gini", "entropy"])
def test_pruned_trees_are_those_of_scikit_learn(load: str, criterion: str) -> None:
    x, y, unseen, truth = halves(getattr(datasets, load)(), 0, 100)
    full = trees.DecisionTreeClassifier(criterion=criterion, random_state=0).fit(x, y)
    tree = DecisionTree.from_sklearn(full)
    np.testing.assert_array_equal(tree.predict(unseen), full.predict(unseen))
    path = full.cost_complexity_pruning_path(x, y).ccp_alphas
    prices = pruning_prices(tree)
    np.testing.assert_allclose(np.unique(prices[np.isfinite(prices)].round(9)), np.unique(path[1:].round(9)), atol=2e-9)
    dual = pruning_dual(tree, unseen, truth, high=4.0)
    for at in np.append(places_of(dual.edges), np.random.default_rng(0).random(10) ** 3):
        theirs = trees.DecisionTreeClassifier(criterion=criterion, random_state=0, ccp_alpha=at).fit(x, y)
        assert dual.value(at) == pytest.approx((theirs.predict(unseen) != truth).mean())
        assert prune(tree, at).leaves == theirs.get_n_leaves()


def test_a_pruned_forest_is_that_of_scikit_learn() -> None:
    x, y, unseen, truth = halves(datasets.load_breast_cancer(), 1)
    settings = {"n_estimators": 7, "random_state": 0}
    full = ensemble.RandomForestClassifier(**settings).fit(x, y)
    grown = [DecisionTree.from_sklearn(tree) for tree in full.estimators_]
    dual = forest_pruning_dual(grown, unseen, truth)
    assert dual.pieces > 5
    for at in places_of(dual.edges)[::3]:
        theirs = ensemble.RandomForestClassifier(**settings, ccp_alpha=at).fit(x, y)
        answers = theirs.predict_proba(unseen).round(10).argmax(axis=1)
        assert dual.value(at) == pytest.approx((answers != truth).mean())


def test_the_least_mean_error_over_tasks_is_never_above_a_grid() -> None:
    duals = []
    for seed in range(8):
        x, y, unseen, truth = halves(datasets.load_breast_cancer(), seed, 120)
        tree = trees.DecisionTreeClassifier(random_state=0).fit(x, y)
        duals.append(pruning_dual(DecisionTree.from_sklearn(tree), unseen, truth, high=0.5))
    mean = mean_dual(duals)
    grid = np.linspace(0, 0.5, 10_001)
    total = np.mean([dual.value(grid) for dual in duals], axis=0)
    assert mean.minimum().value <= total.min() + 1e-12
    np.testing.assert_allclose(mean.value(grid), total, atol=1e-12)


def test_labels_may_be_words_and_a_stump_has_two_pieces() -> None:
    """R(root) = 1/2 and R(leaves) = 0 by errors: g = 1/2."""
    tree = DecisionTree(
        [1, -1, -1], [2, -1, -1], [0, 0, 0], [0.5, 0, 0], [[2, 2], [2, 0], [0, 2]], [0.5, 0, 0], ["no", "yes"]
    )
    dual = pruning_dual(tree, [[0.0], [1.0]], ["no", "yes"])
    assert dual.edges.tolist() == [0.0, 0.5, 1.0]
    assert dual.levels.tolist() == [0.0, 0.5]
    assert prune(tree, 0.5).nodes == 1
    assert pruning_dual(tree, [[0.0], [1.0]], ["no", "yes"], high=0.25).levels.tolist() == [0.0]


STUMP = ([1, -1, -1], [2, -1, -1], [0, 0, 0], [0.5, 0, 0], np.eye(3, 2), np.zeros(3), [0, 1])


@pytest.mark.parametrize(
    ("make", "texts"),
    [
        (lambda: DecisionTree(*STUMP[:6], [0, 1, 2]), ["arrays of a tree do not fit", "weights (nodes, classes)"]),
        (lambda: DecisionTree([1, -1, 0], *STUMP[1:]), ["a child, once, of an earlier one"]),
        (lambda: DecisionTree([2, -1, -1], *STUMP[1:]), ["a child, once, of an earlier one"]),
        (lambda: DecisionTree.from_sklearn(trees.DecisionTreeClassifier()), ["fit it first"]),
        (lambda: DecisionTree(*STUMP).apply([[np.nan]]), ["matrix of numbers"]),
        (lambda: DecisionTree(*STUMP).apply(np.zeros((2, 0))), ["columns that the tree asks for", "(2, 0)"]),
        (lambda: prune(DecisionTree(*STUMP), -1.0), ["price of a leaf", "got -1.0", "0 or more"]),
        (lambda: pruning_dual(DecisionTree(*STUMP), [[0.0]], [0], high=0.0), ["must end above 0"]),
        (lambda: pruning_dual(DecisionTree(*STUMP), [[0.0]], [0, 1]), ["validation: X and labels do not fit"]),
        (lambda: forest_pruning_dual([], [[0.0]], [0]), ["trees of the same classes", "one or more"]),
    ],
)
def test_what_is_refused(make: Any, texts: list[str]) -> None:
    with pytest.raises(InvalidArgument) as caught:
        make()
    assert all(text in str(caught.value) for text in texts), str(caught.value)
