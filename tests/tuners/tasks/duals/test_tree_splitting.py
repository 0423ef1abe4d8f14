"""Trees grown by a mix of impurities, one by one and all at once, beside a slow obvious twin."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from trimtab.base.errors import InvalidArgument
from trimtab.tuners.tasks.duals import mean_dual
from trimtab.tuners.tasks.duals.tree_splitting import IMPURITIES, grow, splitting_dual, tsallis

MIXES = [("gini", "entropy"), ("error", "gini"), ("kearns_mansour", "error"), ("entropy", tsallis(3.0, 2.0))]


def noisy(seed: int, n: int, features: int = 4, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, features))
    return x, np.digitize(x[:, 0] * x[:, 1] + 0.7 * rng.normal(size=n), [-0.4, 0.4])[:n] % classes


# --- impurities ---


@given(st.floats(0, 1))
def test_impurities_of_two_classes(p: float) -> None:
    shares = np.array([p, 1 - p])
    assert IMPURITIES["gini"](shares) == pytest.approx(2 * p * (1 - p))
    assert IMPURITIES["error"](shares) == pytest.approx(min(p, 1 - p))
    assert IMPURITIES["kearns_mansour"](shares) == pytest.approx(2 * math.sqrt(p * (1 - p)), abs=1e-12)
    bits = -sum(q * math.log2(q) for q in (p, 1 - p) if q > 0)
    assert IMPURITIES["entropy"](shares) == pytest.approx(bits, abs=1e-12)


@given(st.lists(st.floats(0.01, 1), min_size=2, max_size=5))
def test_members_of_the_tsallis_family(weights: list[float]) -> None:
    shares = np.array(weights) / sum(weights)
    assert tsallis(2.0)(shares) == pytest.approx(IMPURITIES["gini"](shares))
    assert tsallis(0.5, 2.0)(shares) == pytest.approx(2 * IMPURITIES["kearns_mansour"](shares))
    assert tsallis(1 + 1e-6)(shares) == pytest.approx(math.log(2) * IMPURITIES["entropy"](shares), rel=1e-4)


# --- one tree ---


def gini(counts: list[int]) -> Fraction:
    total = sum(counts)
    return total - sum(Fraction(count * count, total) for count in counts)


def errors(counts: list[int]) -> Fraction:
    return Fraction(sum(counts) - max(counts))


def naive_answers(x: list[Any], y: list[int], at: Fraction, depth: int, least: int, rows: list[Any]) -> list[int]:
    """Predictions for rows, by the definition, with exact costs of a mix of Gini's impurity and the errors."""

    def counted(labels: list[int]) -> list[int]:
        return [labels.count(kind) for kind in range(3)]

    def cost(labels: list[int]) -> Fraction:
        return (1 - at) * gini(counted(labels)) + at * errors(counted(labels))

    best = None
    if depth and len(set(y)) > 1:
        for feature in range(len(x[0])):
            values = sorted({row[feature] for row in x})
            for low, high in itertools.pairwise(values):
                middle = Fraction(low + high) / 2
                sides = [
                    [label for row, label in zip(x, y, strict=True) if (row[feature] <= middle) == s] for s in (1, 0)
                ]
                if min(map(len, sides)) >= least and (best is None or cost(sides[0]) + cost(sides[1]) < best[0]):
                    best = (cost(sides[0]) + cost(sides[1]), feature, middle)
    if best is None:
        return [counted(y).index(max(counted(y)))] * len(rows)
    _, feature, middle = best
    out = [-1] * len(rows)
    for side in (True, False):
        kept = [number for number, row in enumerate(x) if (row[feature] <= middle) == side]
        asked = [number for number, row in enumerate(rows) if (row[feature] <= middle) == side]
        answers = naive_answers(
            [x[k] for k in kept], [y[k] for k in kept], at, depth - 1, least, [rows[k] for k in asked]
        )
        for number, answer in zip(asked, answers, strict=True):
            out[number] = answer
    return out


tasks = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 2)), min_size=3, max_size=12)


@settings(max_examples=60, deadline=None)
@given(tasks, tasks, st.integers(1, 3), st.integers(1, 2), st.floats(0, 1))
def test_trees_are_those_of_the_definition(train: Any, unseen: Any, depth: int, least: int, at: float) -> None:
    x, y = [row[:2] for row in train], [row[2] for row in train]
    rows, truth = [row[:2] for row in unseen], np.array([row[2] for row in unseen])
    limits = {"mix": ("gini", "error"), "max_depth": depth, "min_leaf": least}
    labels = sorted(set(y))
    dual = splitting_dual((x, y), (rows, truth), **limits)
    places = [float(p) for p in (dual.edges[1:] + dual.edges[:-1]) / 2]
    assume(np.abs(dual.edges[1:-1] - at).min(initial=1.0) > 1e-9)
    coded = [labels.index(label) for label in y]
    for place in [*places, at]:
        answers = naive_answers(x, coded, Fraction(place), depth, least, rows)
        named = np.array([labels[answer] for answer in answers])
        assert dual.value(place) == pytest.approx((named != truth).mean())
        if place != at:
            np.testing.assert_array_equal(grow(x, y, place, **limits).predict(rows), named)


@pytest.mark.parametrize(("criterion", "at"), [("gini", 0.0), ("entropy", 1.0)])
def test_the_first_split_costs_what_that_of_scikit_learn_costs(criterion: str, at: float) -> None:
    tree = pytest.importorskip("sklearn.tree")
    for seed in range(10):
        x, y = noisy(seed, 60)
        theirs = tree.DecisionTreeClassifier(criterion=criterion, max_depth=1, random_state=0).fit(x, y).tree_
        ours = grow(x, y, at, max_depth=1)
        weights = ours.weights[1:].sum(axis=1) / len(x)
        assert weights @ ours.impurity[1:] == pytest.approx(
            (theirs.weighted_n_node_samples[1:] / len(x)) @ theirs.impurity[1:]
        )


def test_limits_of_a_tree_hold() -> None:
    x, y = noisy(0, 150)
    for least in (1, 4, 20):
        tree = grow(x, y, 0.3, max_depth=3, min_leaf=least)
        assert tree.leaves <= 8
        leaf = tree.left < 0
        assert tree.weights[leaf].sum(axis=1).min() >= least
        assert tree.weights[leaf].sum() == 150
        np.testing.assert_array_equal(np.bincount(tree.apply(x), minlength=tree.nodes)[leaf], tree.weights[leaf].sum(1))
    free = grow(x, y, 0.3, max_depth=100)
    assert (free.predict(x) == y).all()


# --- all trees ---


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("depth", [2, 20])
def test_the_dual_is_the_error_of_every_tree(mix: Any, depth: int) -> None:
    x, y = noisy(1, 120)
    unseen, truth = noisy(2, 200)
    dual = splitting_dual((x, y), (unseen, truth), mix=mix, max_depth=depth)
    middles = (dual.edges[1:] + dual.edges[:-1])[np.diff(dual.edges) > 1e-9] / 2
    assert dual.pieces > 1
    for at in np.concatenate([middles[:10], np.random.default_rng(0).random(10)]):
        tree = grow(x, y, float(at), mix=mix, max_depth=depth)
        assert dual.value(at) == pytest.approx((tree.predict(unseen) != truth).mean())


def test_neighbouring_pieces_meet_where_two_splits_cost_the_same() -> None:
    """One node, so that every breakpoint is a corner: both trees beside it cost the same there."""
    x, y = noisy(3, 80, classes=2)
    unseen, truth = noisy(4, 400, classes=2)
    dual = splitting_dual((x, y), (unseen, truth), mix=("kearns_mansour", "error"), max_depth=1)
    assert dual.pieces > 1
    for corner in dual.breakpoints:
        costs = []
        for at in (corner - 1e-7, corner + 1e-7):
            tree = grow(x, y, float(at), mix=("kearns_mansour", "error"), max_depth=1)
            costs.append(tree.weights[1:].sum(axis=1) @ tree.impurity[1:])
        assert costs[0] == pytest.approx(costs[1], abs=1e-4)


def test_the_least_mean_error_over_tasks_is_never_above_a_grid() -> None:
    """101 places, since each of them costs a tree for every task."""
    grid, duals, total = np.linspace(0.001, 0.999, 101), [], np.zeros(101)
    for seed in range(4):
        train, unseen = noisy(10 + seed, 50), noisy(20 + seed, 150)
        duals.append(splitting_dual(train, unseen, max_depth=3))
        for number, at in enumerate(grid):
            total[number] += (grow(*train, float(at), max_depth=3).predict(unseen[0]) != unseen[1]).mean() / 4
    least = mean_dual(duals).minimum()
    assert least.value <= total.min() + 1e-12
    assert mean_dual(duals).value(least.at) == pytest.approx(least.value)
    np.testing.assert_allclose(mean_dual(duals).value(grid), total, atol=1e-12)


def test_words_as_labels_and_classes_that_training_did_not_see() -> None:
    x, y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array(["a", "a", "b", "b"])
    assert grow(x, y, 0.5).predict([[-1.0], [1.6]]).tolist() == ["a", "b"]
    dual = splitting_dual((x, y), ([[0.0], [9.0]], ["a", "c"]))
    assert dual.levels.tolist() == [0.5]


X, Y = np.arange(8.0).reshape(4, 2), [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("make", "texts"),
    [
        (lambda: tsallis(1.0), ["Tsallis", "got (1.0, 1.0)", "'entropy' is a -> 1"]),
        (lambda: tsallis(0.0), ["a > 0"]),
        (lambda: grow(X, Y[:3], 0.5), ["training: X and labels do not fit", "((4, 2), (3,))"]),
        (lambda: grow(X * np.nan, Y, 0.5), ["training: X must be finite", "nan"]),
        (lambda: grow(X, Y, -0.1), ["outside the interval", "got -0.1"]),
        (lambda: grow(X, Y, 0.5, mix=("gini", "twoing")), ["two impurities", "kearns_mansour"]),
        (lambda: grow(X, Y, 0.5, max_depth=0), ["max_depth must be a whole number"]),
        (lambda: grow(X, Y, 0.5, min_leaf=0), ["min_leaf must be a whole number"]),
        (lambda: splitting_dual((X, Y), (X[:, :1], Y)), ["validation: X has other columns", "got 1", "allowed: 2"]),
        (lambda: splitting_dual((X, Y), (X[:0], [])), ["validation: X and labels do not fit", "n > 0"]),
    ],
)
def test_what_is_refused(make: Any, texts: list[str]) -> None:
    with pytest.raises(InvalidArgument) as caught:
        make()
    assert all(text in str(caught.value) for text in texts), str(caught.value)


def test_too_many_nodes_are_refused() -> None:
    x, y = noisy(5, 60)
    with pytest.raises(InvalidArgument, match=r"more than 10 by a = .*allowed: max_nodes = 10.*smaller max_depth"):
        splitting_dual((x, y), noisy(6, 60), max_nodes=10)
