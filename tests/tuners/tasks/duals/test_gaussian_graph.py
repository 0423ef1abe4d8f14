"""Gaussian graphs: the certificate's theorem on trees written out, limits, brute force, and weights that vanish."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.base.errors import InvalidArgument
from trimtab.tuners.tasks.duals import harmonic
from trimtab.tuners.tasks.duals.classification import classification, squared_distances
from trimtab.tuners.tasks.duals.gaussian_graph import gaussian_graph_dual
from trimtab.tuners.tasks.duals.harmonic import HarmonicMargins, harmonic_shares


def task(seed: int, n: int, labels: int, classes: int = 2, spread: float = 1.0):
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, classes, n)
    kinds[:classes] = np.arange(classes)
    points = rng.normal(size=(n, 2)) + spread * kinds[:, None]
    return (points[:labels], kinds[:labels]), (points[labels:], kinds[labels:])


def squares_of(labelled, unlabelled) -> np.ndarray:
    points = np.concatenate([unlabelled[0], labelled[0]])
    return squared_distances(points, points)


def margins(labelled, unlabelled, bandwidth: float) -> np.ndarray:
    """The least margin of each unlabelled point, from the definition."""
    weights = np.exp(-squares_of(labelled, unlabelled) / bandwidth**2)
    shares = harmonic_shares(weights, np.eye(labelled[1].max() + 1)[labelled[1]])
    own = np.take_along_axis(shares, unlabelled[1][:, None], axis=1)[:, 0]
    np.put_along_axis(shares, unlabelled[1][:, None], -1.0, axis=1)
    return own - shares.max(axis=1)


@given(st.integers(0, 10**6), st.integers(5, 11), st.integers(2, 3))
@settings(deadline=None, max_examples=15)
def test_identical_to_brute_force(seed: int, n: int, classes: int) -> None:
    labelled, unlabelled = task(seed, n, classes + 1, classes)
    found = gaussian_graph_dual(labelled, unlabelled, low=0.4, high=4.0)
    assert found.undecided_width < 0.01
    for at in np.geomspace(0.4, 4.0, 60):
        least = margins(labelled, unlabelled, float(at))
        if np.abs(least).min() > 1e-8:
            assert float(found.dual.value(at)) == np.mean(least < 0)


def test_every_breakpoint_is_one() -> None:
    labelled, unlabelled = task(3, 40, 5, 3)
    found = gaussian_graph_dual(labelled, unlabelled, low=0.3, high=5.0)
    assert found.complete
    assert found.dual.pieces > 3
    for (left, right), before, after in zip(found.brackets, found.dual.levels, found.dual.levels[1:], strict=False):
        assert right - left < 1e-8
        assert np.mean(margins(labelled, unlabelled, left - 1e-7) < 0) == before
        assert np.mean(margins(labelled, unlabelled, right + 1e-7) < 0) == after


def forests(weights: np.ndarray, nodes: int, classes: np.ndarray) -> tuple[float, np.ndarray]:
    """Z and Z_uc by listing all forests with one label in each tree; nodes are the unlabelled ones."""
    total, parts = 0.0, np.zeros((nodes, classes.max() + 1))
    edges = [(i, j) for i in range(nodes) for j in range(i + 1, len(weights))]
    for chosen in combinations(edges, nodes):
        root = list(range(len(weights)))

        def find(i: int, root: list[int] = root) -> int:
            while root[i] != i:
                i = root[i]
            return i

        product, good = 1.0, True
        for i, j in chosen:
            a, b = find(i), find(j)
            good = good and a != b and not (a >= nodes and b >= nodes)
            if not good:
                break
            root[min(a, b)] = max(a, b)  # labels have the larger numbers and stay roots
            product *= weights[i, j]
        if good:
            total += product
            for u in range(nodes):
                parts[u, classes[find(u) - nodes]] += product
    return total, parts


def made_margins(labelled, unlabelled) -> tuple[HarmonicMargins, np.ndarray]:
    squares = squares_of(labelled, unlabelled)

    def weights(t: float) -> tuple[np.ndarray, np.ndarray]:
        return np.exp(-squares * t), -squares * np.exp(-squares * t)

    return HarmonicMargins(classification(labelled, unlabelled), weights, lambda x: x, "test"), squares


def test_shares_are_shares_of_spanning_forests() -> None:
    labelled, unlabelled = task(0, 7, 3)
    graph, squares = made_margins(labelled, unlabelled)
    point = graph._point(0.7)
    total, parts = forests(np.exp(-0.7 * squares), 4, labelled[1])
    assert point.log_det == pytest.approx(np.log(total), rel=1e-12)
    assert point.shares == pytest.approx(parts / total, rel=1e-12)


@pytest.mark.parametrize("solving", [True, False])
def test_slopes_are_those_of_differences(solving: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not solving:
        monkeypatch.setattr(harmonic, "_sums_to_one", lambda shares: False)
    graph, _ = made_margins(*task(1, 14, 4, 3))
    step = 1e-5
    before, middle, after = (graph._point(t) for t in (0.8 - step, 0.8, 0.8 + step))
    assert middle.slope == pytest.approx((after.log_det - before.log_det) / (2 * step), rel=1e-8)
    assert middle.shares_slope == pytest.approx((after.shares - before.shares) / (2 * step), rel=1e-5, abs=1e-9)


def test_elimination_is_solving() -> None:
    graph, squares = made_margins(*task(1, 14, 4, 3))
    solved = graph._point(0.8)
    eliminated = graph._eliminated(np.exp(-0.8 * squares), -squares * np.exp(-0.8 * squares), 0.8)
    for name in ("log_det", "slope", "shares", "shares_slope"):
        assert getattr(eliminated, name) == pytest.approx(getattr(solved, name), rel=1e-10)


def test_the_logarithm_of_each_part_is_convex() -> None:
    graph, _ = made_margins(*task(2, 12, 4, 3))
    points = [graph._point(t) for t in np.linspace(0.1, 3.0, 60)]
    logs = np.array([point.log_det + np.log(point.shares) for point in points])
    assert (np.diff(logs, 2, axis=0) > -1e-9).all()


def test_towards_zero_labels_run_along_the_shortest_spanning_forest() -> None:
    """The heaviest forest outweighs all others: Kruskal's algorithm with all labels in one tree from the start.

    Solving linear systems loses all digits long before this bandwidth.
    """
    labelled, unlabelled = task(5, 30, 4, 2)
    squares, nodes = squares_of(labelled, unlabelled), len(unlabelled[1])
    trees = [{i} for i in range(len(squares))]
    for i, j in sorted(combinations(range(len(squares)), 2), key=lambda pair: squares[pair]):
        a, b = (next(tree for tree in trees if k in tree) for k in (i, j))
        if a is not b and not (max(a) >= nodes and max(b) >= nodes):
            trees = [tree for tree in trees if tree is not a and tree is not b] + [a | b]
    given_labels = np.array([labelled[1][max(next(t for t in trees if u in t)) - nodes] for u in range(nodes)])
    longest = max(min(squares[i, j] for j in range(len(squares)) if j != i) for i in range(nodes))
    low = np.sqrt(longest / 600)
    found = gaussian_graph_dual(labelled, unlabelled, low=low, high=1.01 * low)
    assert float(found.dual.value(low)) == np.mean(given_labels != unlabelled[1])


def test_towards_infinity_the_most_frequent_label_wins() -> None:
    labelled, unlabelled = task(6, 30, 7, 2)
    counts = np.bincount(labelled[1])
    assert counts[0] != counts[1]
    found = gaussian_graph_dual(labelled, unlabelled, low=100.0, high=1e4)
    assert found.dual.levels[-1] == np.mean(unlabelled[1] != counts.argmax())


def test_the_optimum_is_not_above_a_dense_grid() -> None:
    labelled, unlabelled = task(7, 40, 4, 2)
    found = gaussian_graph_dual(labelled, unlabelled, low=0.4, high=5.0)
    grid = [np.mean(margins(labelled, unlabelled, s) < 0) for s in np.geomspace(0.4, 5.0, 501)]
    assert found.dual.minimum().value <= min(grid)


def test_what_cannot_be_is_named() -> None:
    labelled, unlabelled = task(8, 10, 3)
    with pytest.raises(InvalidArgument, match="a bandwidth is positive"):
        gaussian_graph_dual(labelled, unlabelled, low=0.0, high=1.0)
    with pytest.raises(InvalidArgument, match="weights of a point vanish in float64"):
        gaussian_graph_dual(labelled, (unlabelled[0] + [[100.0, 0.0]] * 7, unlabelled[1]), low=0.01, high=0.02)
