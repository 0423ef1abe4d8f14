"""The elastic net: exact in the l1 penalty, and certified in both, beside grids and fits at single penalties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.base.errors import InvalidArgument
from trimtab.tuners.tasks.duals.elastic_net import (
    ElasticNetFamily,
    elastic_net_dual,
    elastic_net_family,
    penalties_from_sklearn,
    sklearn_arguments,
)
from trimtab.tuners.tasks.duals.lasso import lasso_dual

Pair = tuple[np.ndarray, np.ndarray]


def made(seed: int, n: int = 8, d: int = 4, m: int = 6, *, whole: bool = False) -> tuple[Pair, Pair]:
    """A task with few coefficients that are not zero."""
    rng = np.random.default_rng(seed)
    if whole:
        x, held = rng.integers(-2, 3, (n, d)).astype(float), rng.integers(-2, 3, (m, d)).astype(float)
    else:
        x, held = rng.normal(size=(n, d)), rng.normal(size=(m, d))
    truth = np.where(np.arange(d) < 2, 1.0, 0.0)
    return (x, x @ truth + rng.normal(size=n)), (held, held @ truth + rng.normal(size=m))


def family(seeds: range, *, whole: bool = False) -> ElasticNetFamily:
    return elastic_net_family([made(s, whole=whole) for s in seeds], low=1e-3, high=3.0)


def test_values_are_scikit_learns() -> None:
    from sklearn.linear_model import ElasticNet

    train, validation = made(0, 30, 10, 20)
    for alpha, ratio in ((0.02, 0.5), (0.3, 0.9), (1.0, 0.1)):
        l1, l2 = penalties_from_sklearn(alpha, ratio)
        arguments = sklearn_arguments(l1, l2)
        assert arguments == pytest.approx({"alpha": alpha, "l1_ratio": ratio})
        dual = elastic_net_dual(train, validation, l2=l2, low=1e-4, high=3.0)
        model = ElasticNet(**arguments, tol=1e-13, max_iter=100_000).fit(*train)
        expected = np.mean((validation[1] - model.predict(validation[0])) ** 2)
        assert float(dual.value(l1)) == pytest.approx(expected, rel=1e-9)


@given(st.integers(0, 10**6), st.floats(0.01, 5.0), st.booleans())
@settings(max_examples=25, deadline=None)
def test_it_is_the_lasso_of_augmented_training_examples(seed: int, l2: float, whole: bool) -> None:
    """Rows sqrt(n r) I are appended to X; the lasso divides by n + d rows, so its penalty is smaller by n / (n + d)."""
    (x, y), validation = made(seed, whole=whole)
    n, d = x.shape
    longer = np.vstack([x, np.sqrt(n * l2) * np.eye(d)]), np.append(y, np.zeros(d))
    share = n / (n + d)
    net = elastic_net_dual((x, y), validation, l2=l2, low=1e-3, high=3.0, intercept=False)
    lasso = lasso_dual(longer, validation, low=1e-3 * share, high=3.0 * share, intercept=False)
    points = np.geomspace(1.001e-3, 2.999, 60)
    np.testing.assert_allclose(net.value(points), lasso.value(points * share), rtol=1e-8)


@pytest.mark.parametrize("whole", [False, True])
@given(st.integers(0, 10**4), st.floats(-2.5, 1.0), st.floats(0.001, 0.3))
@settings(max_examples=12, deadline=None)
def test_no_value_in_a_strip_is_below_its_bound(whole: bool, seed: int, log_l2: float, width: float) -> None:
    net = family(range(seed, seed + 3), whole=whole)
    a = 10.0**log_l2
    b = a * (1 + width)
    found, bound = net._strip(a, b)
    values = [net.dual(r).minimum().value for r in np.linspace(a, b, 5)]
    assert bound <= min(values) + 1e-12
    assert found.value >= min(values) - 1e-12


def test_the_bound_of_a_strip_closes_faster_than_its_width() -> None:
    net = family(range(12))
    gaps = []
    for width in (0.1, 0.001):
        found, bound = net._strip(0.2, 0.2 * (1 + width))
        own = min(net.dual(r).minimum().value for r in (0.2, 0.2 * (1 + width)))
        gaps.append(min(found.value, own) - bound)
    assert gaps[1] < gaps[0] / 200


@pytest.mark.parametrize("start", [0, 100])
def test_the_minimum_over_both_penalties_is_not_above_a_grid_and_its_bound_not_above_it(start: int) -> None:
    net = family(range(start, start + 5))
    best = net.minimum(1e-2, 10.0, tolerance=1e-3)
    grid = net.profile(np.geomspace(1e-2, 10.0, 30))
    least = min(found.value for found in grid)
    assert best.lower_bound <= least
    assert best.value - best.lower_bound <= 1e-3 * best.value * (1 + 1e-9)
    assert best.value <= least * (1 + 1e-6)
    assert float(net.dual(best.l2).value(best.l1)) == pytest.approx(best.value, rel=1e-12)


def test_a_search_that_is_cut_short_says_how_far_it_got() -> None:
    net = family(range(5))
    short, long = (net.minimum(1e-2, 10.0, tolerance=2e-3, strips=strips) for strips in (12, 500))
    assert short.strips == 12
    assert short.lower_bound <= long.lower_bound <= long.value <= short.value
    assert short.value - short.lower_bound > 2e-3 * short.value


def test_weights_are_shares_of_tasks() -> None:
    tasks = [made(0), made(1)]
    twice = elastic_net_family([*tasks, tasks[1]], low=1e-3, high=1.0)
    weighted = elastic_net_family(tasks, low=1e-3, high=1.0, weights=[1.0, 2.0])
    points = np.linspace(1e-3, 1.0, 50)
    np.testing.assert_allclose(weighted.dual(0.1).value(points), twice.dual(0.1).value(points), rtol=1e-12)


def test_what_cannot_be_is_refused() -> None:
    train, validation = made(0)
    with pytest.raises(InvalidArgument, match="l2 penalty must not be negative"):
        elastic_net_dual(train, validation, l2=-1.0, low=0.1, high=1.0)
    net = family(range(2))
    with pytest.raises(InvalidArgument, match=r"interval of the l2 penalty.*0 < low < high"):
        net.minimum(0.0, 1.0)
    with pytest.raises(InvalidArgument, match="tolerance must be positive"):
        net.minimum(0.1, 1.0, tolerance=0.0)
    with pytest.raises(InvalidArgument, match="at least one dual"):
        elastic_net_family([], low=0.1, high=1.0)
