"""Cost as a criterion: its closed form, its gradient, and improvement per cost."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from trimtab.space import Float, Space
from trimtab.surrogates.acquisition import LogCost, LogImprovement, Total
from trimtab.surrogates.evidence import Evidence
from trimtab.surrogates.gp import COST, Embedding, build, fit_settings

Array = NDArray[np.float64]


class Plane:
    """A posterior whose mean is a plane and whose variance is constant."""

    slope = np.array([0.5, -2.0, 3.0])

    def predict(self, unit: Array) -> tuple[Array, Array]:
        return 0.7 + unit @ self.slope, np.full(len(unit), 0.3)

    def predict_with_gradient(self, unit: Array) -> tuple[Array, Array, Array, Array]:
        return *self.predict(unit), np.tile(self.slope, (len(unit), 1)), np.zeros_like(unit)


UNIT = np.random.default_rng(0).random((8, 3))


@pytest.mark.parametrize("exponent", [0.25, 1.0, 2.0])
def test_it_is_minus_the_expected_log_cost_times_the_exponent(exponent: float) -> None:
    value, gradient = LogCost(Plane(), 1.7, exponent).value_and_gradient(UNIT)
    np.testing.assert_allclose(value, -exponent * 1.7 * (0.7 + UNIT @ Plane.slope), rtol=1e-14)
    np.testing.assert_array_equal(value, LogCost(Plane(), 1.7, exponent).value(UNIT))
    np.testing.assert_allclose(gradient, np.tile(-exponent * 1.7 * Plane.slope, (8, 1)), rtol=1e-14)


def test_without_an_exponent_cost_does_not_count() -> None:
    value, gradient = LogCost(Plane(), 1.7, 0.0).value_and_gradient(UNIT)
    assert (value == 0.0).all()
    assert (gradient == 0.0).all()


def test_with_the_improvement_it_is_improvement_per_cost() -> None:
    improvement = LogImprovement(Plane(), 0.2)
    found = np.exp(Total([improvement, LogCost(Plane(), 1.7)]).value(UNIT))
    costs = np.exp(1.7 * Plane().predict(UNIT)[0])
    np.testing.assert_allclose(found, np.exp(improvement.value(UNIT)) / costs, rtol=1e-12)


def costly(raw: Array) -> Array:
    """Hours: a hundred times as many at the one end as at the other."""
    return 0.3 * 100.0 ** raw[:, 0] * (1.0 + raw[:, 1])


def test_of_two_places_it_tells_the_ratio_of_the_costs() -> None:
    space, raw = Space(x=Float(0.0, 1.0), y=Float(0.0, 1.0)), np.random.default_rng(1).random((40, 2))
    evidence = Evidence(raw, raw[:, 1], np.zeros(40), cost=costly(raw))
    embedding = Embedding(space.columns)
    model = build(evidence, raw, embedding, fit_settings(evidence, raw, embedding))
    criterion = LogCost(model.sides[COST], model.cost_scale)
    unseen, step = np.random.default_rng(2).random((10, 2)), 1e-6
    value, gradient = criterion.value_and_gradient(unseen)
    np.testing.assert_allclose(value - value[0], -np.log(costly(unseen) / costly(unseen)[0]), atol=0.05)
    for index in range(2):
        move = step * np.eye(2)[index]
        slope = (criterion.value(unseen + move) - criterion.value(unseen - move)) / (2 * step)
        np.testing.assert_allclose(gradient[:, index], slope, rtol=1e-5, atol=1e-6)
