"""Certificates of surrogates that warp their inputs: the same function, bounded in warped coordinates."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trimtab.space import Categorical, Choice, Float, Int, Ordinal, Space
from trimtab.surrogates.certificates import certified_minimum
from trimtab.surrogates.certificates.bounds import analytic_bound, relaxed_bound, smooth_bound
from trimtab.surrogates.certificates.configurations import Configurations
from trimtab.surrogates.certificates.domains import ACTIVE, Boxes, Domain
from trimtab.surrogates.certificates.mean import mean_of
from trimtab.surrogates.gp import Model

MIXED = Space(
    x=Float(0.0, 1.0),
    n=Int(1, 9, log=True),
    c=Categorical(["a", "b", "c"]),
    opt=Choice({"p": Space(z=Float(0.0, 1.0)), "q": Space(m=Int(0, 4)), "r": None}),
)
Narrowed = Callable[..., tuple[Boxes, np.ndarray]]
WARPED = pytest.mark.parametrize("warped", [0.3, 1.0])


@WARPED
def test_the_mean_is_that_of_the_surrogate(fitted: Callable[..., Model], warped: float) -> None:
    model, known = fitted(MIXED, 40, warped=warped), Configurations(MIXED)
    unit = MIXED.to_unit(MIXED.sample_raw(np.random.default_rng(1), 200))
    plain = fitted(MIXED, 40)
    found = mean_of(model).value(known.points(unit))
    np.testing.assert_allclose(found, model.predict(unit)[0], rtol=0, atol=1e-8)
    assert np.abs(found - plain.predict(unit)[0]).max() > 0.1


@WARPED
def test_the_gradient_is_the_derivative_by_unit_coordinates(fitted: Callable[..., Model], warped: float) -> None:
    space = Space(x=Float(0.0, 1.0), y=Float(0.0, 1.0))
    mean = mean_of(fitted(space, 30, warped=warped))
    points = np.random.default_rng(0).uniform(0.05, 0.95, (20, 2))
    _, gradient = mean.value_and_gradient(mean.as_boxes(points))
    for index, step in enumerate(1e-6 * np.eye(2)):
        slope = (mean.value(points + step) - mean.value(points - step)) / 2e-6
        np.testing.assert_allclose(gradient[:, index] / mean.scales[index], slope, rtol=1e-4, atol=1e-4)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), depth=st.integers(0, 14), warped=st.floats(0.1, 1.5))
def test_no_bound_of_a_box_is_violated(
    fitted: Callable[..., Model], narrowed: Narrowed, seed: int, depth: int, warped: float
) -> None:
    rng, domain, known = np.random.default_rng(seed), Domain(MIXED.columns), Configurations(MIXED)
    mean = mean_of(fitted(MIXED, 12, seed, scale=10.0 ** rng.uniform(-1, 0.5), noise=1e-4, warped=warped))
    points = known.points(MIXED.to_unit(MIXED.sample_raw(rng, 150)))
    values = mean.value(points)
    boxes, held = narrowed(mean, domain, points, depth)
    distances = mean.distances(boxes)
    relaxed = relaxed_bound(mean, boxes, distances)
    for bound in (analytic_bound(mean, distances), relaxed.values, smooth_bound(mean, boxes, distances)):
        assert (bound <= values[held] + 1e-9).all()
    # Where to look next lies in the box, in its own coordinates.
    numbers = domain.numbers & (boxes.state[0] == ACTIVE)
    assert (relaxed.points[0, numbers] >= boxes.low[0, numbers] - 1e-6).all()
    assert (relaxed.points[0, numbers] <= boxes.high[0, numbers] + 1e-6).all()


@WARPED
def test_a_mixed_space_is_certified_against_a_search(fitted: Callable[..., Model], warped: float) -> None:
    model = fitted(MIXED, 40, warped=warped)
    found = certified_minimum(model, MIXED)
    unit = MIXED.to_unit(MIXED.sample_raw(np.random.default_rng(0), 20_000))
    assert found.certified
    assert found.params is not None
    at = model.predict(MIXED.to_unit(MIXED.encode(found.params)[None, :]))[0]
    assert found.value == pytest.approx(float(model.warp.inverse(at)[0]), abs=1e-7)
    assert found.bound <= float(model.warp.inverse(model.predict(unit)[0]).min())
    assert found.bound <= found.value


@pytest.mark.parametrize("seed", range(3))
def test_a_finite_space_gives_exactly_what_enumeration_gives(fitted: Callable[..., Model], seed: int) -> None:
    space = Space(n=Int(1, 30, log=True), o=Ordinal([1, 2, 4, 8]), s=Float(0.0, 1.0, step=0.25))
    model = fitted(space, 25, seed, scale=0.4, warped=0.6)
    params = [{"n": n, "o": o, "s": s} for n in range(1, 31) for o in (1, 2, 4, 8) for s in (0.0, 0.25, 0.5, 0.75, 1.0)]
    means, _ = model.predict(space.to_unit(space.encode_many(params)))
    found = certified_minimum(model, space, epsilon=0.0)
    assert found.certified
    assert found.params == params[int(means.argmin())]
