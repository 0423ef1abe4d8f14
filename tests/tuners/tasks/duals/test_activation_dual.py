"""Mixes of activations: training to the optimum at every mix, the series' rest, and the ends."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.base.errors import InvalidArgument
from trimtab.tuners.tasks.duals.activation import activation_dual
from trimtab.tuners.tasks.duals.classification import classification
from trimtab.tuners.tasks.duals.ridge_features import _Scores


def relu(z: np.ndarray) -> np.ndarray:
    return np.maximum(z, 0.0)


def task(seed: int, classes: int, n: int = 20, m: int = 10):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, n + m - classes)])
    points = rng.normal(size=(n + m, 2)) + 0.7 * labels[:, None]
    return (points[:n], labels[:n]), (points[n:], labels[n:]), rng.normal(size=(2, 6)), rng.normal(size=6)


def least_margins(train, validation, weights, biases, mix: float, penalty: float) -> np.ndarray:
    """Trained anew by least squares on stacked equations."""
    rows = []
    for x, _ in (train, validation):
        z = x @ weights + biases
        rows.append(np.hstack([mix * np.tanh(z) + (1 - mix) * relu(z), np.ones((len(x), 1))]))
    one_hot = np.eye(train[1].max() + 1)[train[1]]
    units = rows[0].shape[1]
    stacked = np.concatenate([rows[0], np.sqrt(penalty) * np.eye(units)])
    trained = np.linalg.lstsq(stacked, np.concatenate([one_hot, np.zeros((units, one_hot.shape[1]))]), rcond=None)[0]
    scores = rows[1] @ trained
    own = np.take_along_axis(scores, validation[1][:, None], axis=1)[:, 0]
    np.put_along_axis(scores, validation[1][:, None], -np.inf, axis=1)
    return own - scores.max(axis=1)


@given(st.integers(0, 10**6), st.integers(2, 3), st.sampled_from([1e-3, 0.1, 10.0]))
@settings(deadline=None, max_examples=10)
def test_identical_to_training_at_every_mix(seed: int, classes: int, penalty: float) -> None:
    train, validation, weights, biases = task(seed, classes)
    found = activation_dual(
        train, validation, weights=weights, biases=biases, first=np.tanh, second=relu, penalty=penalty
    )
    assert found.undecided_width < 1e-3
    for mix in np.linspace(0.001, 0.999, 40):
        each = least_margins(train, validation, weights, biases, float(mix), penalty)
        if np.abs(each).min() > 1e-7:
            assert float(found.dual.value(mix)) == np.mean(each < 0)


def test_every_breakpoint_is_one() -> None:
    train, validation, weights, biases = task(1, 3, 40, 60)
    found = activation_dual(
        train, validation, weights=weights, biases=biases, first=np.tanh, second=relu, penalty=1e-3, low=-1.0, high=2.0
    )
    assert found.complete
    assert found.dual.pieces > 3
    for (left, right), before, after in zip(found.brackets, found.dual.levels, found.dual.levels[1:], strict=False):
        for at, level in ((left - 1e-7, before), (right + 1e-7, after)):
            assert np.mean(least_margins(train, validation, weights, biases, at, 1e-3) < 0) == level


@given(st.integers(0, 10**6), st.integers(1, 3), st.floats(0.01, 3.0))
@settings(deadline=None, max_examples=25)
def test_what_the_series_leaves_over_is_within_its_bound(seed: int, degree: int, half: float) -> None:
    """Differences of scores on an interval, and their slopes, against the polynomial that stands for them."""
    rng = np.random.default_rng(seed)
    labels = np.array([0, 1, 2, 0, 1, 2, 0, 1])
    points = rng.normal(size=(8, 1))
    scores = _Scores(
        classification((points, labels), (points[:3], labels[:3])),
        rng.normal(size=(degree + 1, 8, 4)),
        rng.normal(size=(degree + 1, 3, 4)),
    )
    middle = rng.normal()
    series = scores._series(middle, half)
    for e in np.linspace(-half, half, 9):
        polynomial = np.tensordot(e ** np.arange(len(series.coefficients)), series.coefficients, 1)
        off = scores._at(middle + e) - polynomial
        between = np.abs(off[:, :, None] - off[:, None, :])
        assert (between <= series.row[:, None, None] * series.rest * (1 + 1e-9) + 1e-9).all()
        orders = np.arange(1, len(series.coefficients))
        slope = np.tensordot(orders * e ** (orders - 1), series.coefficients[1:], 1)
        step = 1e-5
        true = (scores._at(middle + e + step) - scores._at(middle + e - step)) / (2 * step)
        between = np.abs((true - slope)[:, :, None] - (true - slope)[:, None, :])
        most = series.row[:, None, None] * series.rest_slope + series.row_slope[:, None, None] * series.rest
        assert (between <= most * (1 + 1e-3) + 1e-5).all()


def test_the_ends_are_the_networks_of_one_activation() -> None:
    train, validation, weights, biases = task(4, 2)

    def at(first, second, mix: float) -> float:
        found = activation_dual(
            train, validation, weights=weights, biases=biases, first=first, second=second, penalty=0.1
        )
        return float(found.dual.value(mix))

    assert at(np.tanh, relu, 1.0) == at(np.tanh, np.sin, 1.0)
    assert at(np.tanh, relu, 0.0) == at(np.sin, relu, 0.0)


def test_what_cannot_be_is_named() -> None:
    train, validation, weights, biases = task(0, 2)
    with pytest.raises(InvalidArgument, match="a number above zero"):
        activation_dual(train, validation, weights=weights, biases=biases, first=np.tanh, second=relu, penalty=0.0)
    with pytest.raises(InvalidArgument, match="a bias for each unit"):
        activation_dual(train, validation, weights=weights, biases=biases[1:], first=np.tanh, second=relu, penalty=1.0)
