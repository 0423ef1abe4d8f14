"""Polynomial graphs: brute force, the convexity that the certificate needs, limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.base.errors import InvalidArgument
from trimtab.tuners.tasks.duals.harmonic import harmonic_shares
from trimtab.tuners.tasks.duals.polynomial_graph import polynomial_graph_dual


def task(seed: int, n: int, labels: int, classes: int = 2):
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, classes, n)
    kinds[:classes] = np.arange(classes)
    points = rng.normal(size=(n, 3)) + kinds[:, None]
    return (points[:labels], kinds[:labels]), (points[labels:], kinds[labels:])


def products(labelled, unlabelled) -> np.ndarray:
    points = np.concatenate([unlabelled[0], labelled[0]])
    return points @ points.T


def least_constant(labelled, unlabelled) -> float:
    found = products(labelled, unlabelled)
    return -float(found[~np.eye(len(found), dtype=bool)].min())


def margins(labelled, unlabelled, degree: float, constant: float) -> np.ndarray:
    shares = harmonic_shares(
        np.maximum(products(labelled, unlabelled) + constant, 0.0) ** degree, np.eye(labelled[1].max() + 1)[labelled[1]]
    )
    own = np.take_along_axis(shares, unlabelled[1][:, None], axis=1)[:, 0]
    np.put_along_axis(shares, unlabelled[1][:, None], -1.0, axis=1)
    return own - shares.max(axis=1)


@given(st.integers(0, 10**6), st.integers(6, 10), st.integers(2, 3), st.sampled_from([0.5, 1.0, 2.0, 7.0]))
@settings(deadline=None, max_examples=12)
def test_identical_to_brute_force(seed: int, n: int, classes: int, degree: float) -> None:
    labelled, unlabelled = task(seed, n, classes + 1, classes)
    least = least_constant(labelled, unlabelled)
    found = polynomial_graph_dual(labelled, unlabelled, degree=degree, low=least + 0.01, high=least + 30.0)
    assert found.undecided_width < 0.1
    for at in least + np.geomspace(0.0101, 29.9, 60):
        each = margins(labelled, unlabelled, degree, float(at))
        if np.abs(each).min() > 1e-8:
            assert float(found.dual.value(at)) == np.mean(each < 0)


@given(st.floats(0, 1), st.floats(0.1, 10), st.floats(0.01, 5), st.floats(0.01, 3))
def test_logarithms_of_weights_are_convex_in_the_variable_of_the_certificate(share, degree, t, step) -> None:
    def log_weight(at: float) -> float:
        return degree * np.log(1 - share + share * np.exp(at))

    assert log_weight(t - step) + log_weight(t + step) >= 2 * log_weight(t) - 1e-9 * (1 + abs(log_weight(t)))


def test_every_breakpoint_is_one() -> None:
    labelled, unlabelled = task(0, 40, 6, 2)
    least = least_constant(labelled, unlabelled)
    found = polynomial_graph_dual(labelled, unlabelled, degree=6, low=least + 0.01, high=least + 50)
    assert found.complete
    assert found.dual.pieces > 3
    for (left, right), before, after in zip(found.brackets, found.dual.levels, found.dual.levels[1:], strict=False):
        assert np.mean(margins(labelled, unlabelled, 6, left - 1e-6) < 0) == before
        assert np.mean(margins(labelled, unlabelled, 6, right + 1e-6) < 0) == after


def test_towards_infinity_the_most_frequent_label_wins() -> None:
    labelled, unlabelled = task(6, 25, 7, 2)
    counts = np.bincount(labelled[1])
    found = polynomial_graph_dual(labelled, unlabelled, degree=2, low=1e5, high=1e7)
    assert found.dual.levels.tolist() == [np.mean(unlabelled[1] != counts.argmax())]


def test_what_cannot_be_is_named() -> None:
    labelled, unlabelled = task(8, 10, 3)
    least = least_constant(labelled, unlabelled)
    with pytest.raises(InvalidArgument, match="raise low"):
        polynomial_graph_dual(labelled, unlabelled, degree=2, low=least - 0.1, high=least + 1)
    with pytest.raises(InvalidArgument, match="positive degree"):
        polynomial_graph_dual(labelled, unlabelled, degree=0, low=least + 0.1, high=least + 1)
