"""The constant of a graph network's kernel: against training anew, and what does not matter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.base.errors import InvalidArgument
from trimtab.tuners.tasks.duals.graph_network import graph_network_dual


def task(seed: int, classes: int, n: int = 12, m: int = 10):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, n + m - classes)])
    points = rng.normal(size=(n + m, 3)) + labels[:, None]
    return (points[:n], labels[:n]), (points[n:], labels[n:])


def least_margins(labelled, unlabelled, a: float, degree: int, penalty: float) -> np.ndarray:
    """The kernel as it is written, propagated, and trained by least squares on stacked equations."""
    points = np.concatenate([labelled[0], unlabelled[0]])
    distances = np.sqrt(((points[:, None] - points[None]) ** 2).sum(axis=2))
    features = (distances + a) ** degree @ points / (len(points) * distances.max() ** degree)
    features = np.hstack([features, np.ones((len(points), 1))])
    one_hot = np.eye(labelled[1].max() + 1)[labelled[1]]
    stacked = np.concatenate([features[: len(one_hot)], np.sqrt(penalty) * np.eye(4)])
    trained = np.linalg.lstsq(stacked, np.concatenate([one_hot, np.zeros((4, one_hot.shape[1]))]), rcond=None)[0]
    scores = features[len(one_hot) :] @ trained
    own = np.take_along_axis(scores, unlabelled[1][:, None], axis=1)[:, 0]
    np.put_along_axis(scores, unlabelled[1][:, None], -np.inf, axis=1)
    return own - scores.max(axis=1)


@given(st.integers(0, 10**6), st.integers(2, 3), st.integers(1, 3), st.sampled_from([1e-4, 1e-2]))
@settings(deadline=None, max_examples=10)
def test_identical_to_training_at_every_constant(seed: int, classes: int, degree: int, penalty: float) -> None:
    labelled, unlabelled = task(seed, classes)
    found = graph_network_dual(labelled, unlabelled, degree=degree, penalty=penalty, low=-3.0, high=3.0)
    assert found.undecided_width < 1e-2
    for a in np.linspace(-2.99, 2.99, 40):
        each = least_margins(labelled, unlabelled, float(a), degree, penalty)
        if np.abs(each).min() > 1e-7:
            assert float(found.dual.value(a)) == np.mean(each < 0)


def test_every_breakpoint_is_one() -> None:
    labelled, unlabelled = task(0, 3, 20, 60)
    found = graph_network_dual(labelled, unlabelled, degree=2, penalty=1e-3, low=-4.0, high=4.0)
    assert found.complete
    assert found.dual.pieces > 3
    for (left, right), before, after in zip(found.brackets, found.dual.levels, found.dual.levels[1:], strict=False):
        assert np.mean(least_margins(labelled, unlabelled, left - 1e-7, 2, 1e-3) < 0) == before
        assert np.mean(least_margins(labelled, unlabelled, right + 1e-7, 2, 1e-3) < 0) == after


def test_what_cannot_be_is_named() -> None:
    labelled, unlabelled = task(0, 2)
    with pytest.raises(InvalidArgument, match="the degree of the kernel must be a whole number"):
        graph_network_dual(labelled, unlabelled, degree=0, penalty=1.0, low=0.0, high=1.0)
    same = (np.ones((2, 1)), np.array([0, 1]))
    with pytest.raises(InvalidArgument, match="must differ"):
        graph_network_dual(same, (np.ones((1, 1)), np.array([0])), degree=1, penalty=1.0, low=0.0, high=1.0)
