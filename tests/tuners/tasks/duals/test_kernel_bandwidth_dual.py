"""The kernel classifier's bandwidth: brute force, both limits, and bandwidths that underflow everywhere else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.base.errors import InvalidArgument
from trimtab.tuners.tasks.duals.kernel_bandwidth import kernel_bandwidth_dual
from trimtab.tuners.tasks.duals.nearest_neighbours import neighbours_dual


def task(seed: int, classes: int, n: int = 15, m: int = 8):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, n + m - classes)])
    points = rng.normal(size=(n + m, 2)) + labels[:, None]
    return (points[:n], labels[:n]), (points[n:], labels[n:])


def error(train, validation, h: float) -> float:
    squares = ((validation[0][:, None] - train[0][None]) ** 2).sum(axis=2)
    kernel = np.exp(-(squares - squares.min(axis=1, keepdims=True)) / (2 * h * h))
    sums = kernel @ np.eye(train[1].max() + 1)[train[1]]
    return float(np.mean(sums.argmax(axis=1) != validation[1]))


@given(st.integers(0, 10**6), st.integers(2, 4))
@settings(deadline=None, max_examples=20)
def test_identical_to_brute_force(seed: int, classes: int) -> None:
    train, validation = task(seed, classes)
    found = kernel_bandwidth_dual(train, validation, low=0.05, high=20.0)
    assert found.undecided_width < 1e-2
    for h in np.geomspace(0.0501, 19.9, 80):
        assert float(found.dual.value(h)) == error(train, validation, float(h))


def test_every_breakpoint_is_one() -> None:
    train, validation = task(1, 3, 60, 40)
    found = kernel_bandwidth_dual(train, validation, low=0.05, high=20.0)
    assert found.complete
    assert found.dual.pieces > 5
    for (left, right), before, after in zip(found.brackets, found.dual.levels, found.dual.levels[1:], strict=False):
        assert error(train, validation, left * (1 - 1e-8)) == before
        assert error(train, validation, right * (1 + 1e-8)) == after


def test_the_limits_are_the_nearest_neighbour_and_the_most_frequent_class() -> None:
    train, validation = task(2, 3, 40, 30)
    found = kernel_bandwidth_dual(train, validation, low=1e-6, high=1e6)
    counts = np.sort(np.bincount(train[1]))
    assert counts[-1] > counts[-2]
    assert found.dual.levels[0] == float(neighbours_dual(train, validation, most=1).value(1))
    assert found.dual.levels[-1] == np.mean(validation[1] != np.bincount(train[1]).argmax())


def test_the_optimum_is_not_above_a_dense_grid() -> None:
    train, validation = task(3, 2, 40, 40)
    found = kernel_bandwidth_dual(train, validation, low=0.05, high=20.0)
    assert found.dual.minimum().value <= min(error(train, validation, h) for h in np.geomspace(0.05, 20.0, 101))


def test_no_more_breakpoints_than_descartes_allows() -> None:
    """One validation example, training labels in blocks along the distance: as many changes as blocks, less one."""
    distances = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    for labels, most in (([0, 0, 0, 1, 1, 1], 1), ([0, 1, 1, 0, 0, 0], 2), ([0, 1, 0, 1, 0, 1], 5)):
        validation = (np.zeros((1, 1)), np.array([0]))
        found = kernel_bandwidth_dual((distances[:, None], np.array(labels)), validation, low=0.01, high=100.0)
        assert found.dual.pieces - 1 <= most


def test_what_cannot_be_is_named() -> None:
    train, validation = task(0, 2)
    with pytest.raises(InvalidArgument, match="a bandwidth is positive"):
        kernel_bandwidth_dual(train, validation, low=-1.0, high=1.0)
