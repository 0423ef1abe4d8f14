"""Threshold graphs: the fast sweep against the definition at every knot, and a hand-made case."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.base.errors import InvalidArgument
from trimtab.tuners.tasks.duals import threshold_graph
from trimtab.tuners.tasks.duals.harmonic import harmonic_shares, reached
from trimtab.tuners.tasks.duals.threshold_graph import TIE, threshold_graph_dual


def brute(labelled, unlabelled, radius: float) -> float:
    """The loss from its definition: build the graph, solve, compare."""
    points = np.concatenate([unlabelled[0], labelled[0]])
    distances = np.sqrt(((points[:, None] - points[None]) ** 2).sum(axis=2))
    names, classes = np.unique(labelled[1], return_inverse=True)
    shares = harmonic_shares((distances <= radius).astype(float), np.eye(len(names))[classes])
    largest = shares >= shares.max(axis=1, keepdims=True) - TIE
    return float(np.mean(names[largest.argmax(axis=1)] != unlabelled[1]))


def made(points: list, classes: int, seed: int):
    """A task of points, of which the first are labelled, with one of each class among them."""
    labels = np.random.default_rng(seed).integers(0, classes, len(points))
    labels[:classes] = np.arange(classes)
    points = np.array(points, dtype=float)
    split = max(classes, len(points) // 3)
    return (points[:split], labels[:split]), (points[split:], labels[split:])


POINTS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=5, max_size=10)


@given(POINTS, st.integers(2, 3), st.integers(0, 100))
@settings(deadline=None, max_examples=40)
def test_identical_to_brute_force_at_and_between_all_distances(points: list, classes: int, seed: int) -> None:
    """On a lattice distances are tied, points coincide, and shares tie exactly."""
    labelled, unlabelled = made(points, classes, seed)
    dual = threshold_graph_dual(labelled, unlabelled)
    array = np.array(points, dtype=float)
    knots = np.unique(np.sqrt(((array[:, None] - array[None]) ** 2).sum(axis=2)))
    middles = (knots[:-1] + knots[1:]) / 2
    for radius in [*knots[:-1], *middles]:
        if dual.low <= radius < dual.high:
            assert float(dual.value(radius)) == brute(labelled, unlabelled, float(radius))


def test_rounding_does_not_add_up_over_thousands_of_edges(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    points, labels = rng.normal(size=(50, 3)), rng.integers(0, 3, 50)
    labels[:3] = [0, 1, 2]
    labelled, unlabelled = (points[:9], labels[:9]), (points[9:], labels[9:])
    dual = threshold_graph_dual(labelled, unlabelled)
    monkeypatch.setattr(threshold_graph, "REFRESH", 1)
    slow = threshold_graph_dual(labelled, unlabelled)
    assert dual.edges.tolist() == slow.edges.tolist()
    assert dual.levels.tolist() == slow.levels.tolist()
    for radius in np.linspace(0, dual.high, 100):
        assert float(dual.value(radius)) == brute(labelled, unlabelled, float(radius))


def test_part_of_the_interval_is_a_part_of_the_function() -> None:
    labelled, unlabelled = made(np.random.default_rng(1).normal(size=(20, 2)).tolist(), 2, 1)
    whole, part = (
        threshold_graph_dual(labelled, unlabelled),
        threshold_graph_dual(labelled, unlabelled, low=0.7, high=1.6),
    )
    at = np.linspace(0.7, 1.599, 200)
    assert part.value(at).tolist() == whole.value(at).tolist()


def test_a_line_of_points_by_hand() -> None:
    """0 and 10 are labelled; 1 and 4 belong to the left, and 4 is reached through 1 at radius 3, from the right at 6.

    Before radius 1 nothing is reached: of two classes with equal shares the first, "left", wins. From 1 to 3 point 4
    is not reached, either. Between 6 and 10 point 4 has neighbours 0, 1 and 10: it stays left.
    """
    labelled = (np.array([[0.0], [10.0]]), np.array(["left", "right"]))
    dual = threshold_graph_dual(labelled, (np.array([[1.0], [4.0]]), np.array(["left", "left"])))
    assert dual.levels.tolist() == [0.0]
    other = threshold_graph_dual(labelled, (np.array([[1.0], [4.0]]), np.array(["left", "right"])))
    assert other.levels.tolist() == [0.5]
    far = threshold_graph_dual(labelled, (np.array([[7.0]]), np.array(["right"])))
    assert far.edges[:2].tolist() == [0.0, 3.0]
    assert far.levels.tolist()[:2] == [1.0, 0.0]
    assert far.levels.tolist()[2] == 1.0  # from radius 7 on both labels are neighbours, and the first wins a tie


def test_points_that_no_label_reaches_get_the_shares_of_the_labels() -> None:
    weights = np.zeros((4, 4))
    weights[0, 1] = weights[1, 0] = 1.0  # two unlabelled nodes, joined to each other only
    one_hot = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert not reached(weights, 2).any()
    assert harmonic_shares(weights, one_hot).tolist() == [[0.5, 0.5], [0.5, 0.5]]
    faint = weights + 1e-9
    assert harmonic_shares(faint, one_hot) == pytest.approx(np.full((2, 2), 0.5), abs=1e-6)


def test_wrong_tasks_are_named() -> None:
    one = (np.zeros((2, 1)), np.array([0, 1]))
    with pytest.raises(InvalidArgument, match="put an example of each class into train"):
        threshold_graph_dual(one, (np.ones((1, 1)), np.array([2])))
    with pytest.raises(InvalidArgument, match="same columns"):
        threshold_graph_dual(one, (np.ones((1, 2)), np.array([1])))
    with pytest.raises(InvalidArgument, match=r"shapes \(n, d\) and \(n,\)"):
        threshold_graph_dual(one, (np.ones((1, 1)), np.array([1, 0])))
