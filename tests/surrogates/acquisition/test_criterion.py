"""Criteria over a space: log expected improvement, the user's belief, and their sum."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from trimtab.space import Categorical, Choice, Float, Int, Normal, Space
from trimtab.surrogates.acquisition import Belief, Criterion, LogImprovement, Total, log_ei

Array = NDArray[np.float64]

SPACE = Space(
    x=Float(0.0, 2.0, prior=Normal(0.5, 0.2)),
    y=Float(1e-3, 1.0, log=True, prior=Normal(0.1, 0.3)),
    n=Int(1, 9, prior=Normal(3, 0.2)),
    kind=Categorical(["a", "b"], prior=[3.0, 1.0]),
    opt=Choice({"p": Space(z=Float(0.0, 1.0, prior=Normal(0.9, 0.5))), "q": None}),
)


class Bowl:
    """A posterior whose mean is a bowl and whose variance grows to one side."""

    def predict(self, unit: Array) -> tuple[Array, Array]:
        filled = np.nan_to_num(unit)
        return (filled**2).sum(axis=1), 0.1 + 0.2 * filled[:, 0]

    def predict_with_gradient(self, unit: Array) -> tuple[Array, Array, Array, Array]:
        filled = np.nan_to_num(unit)
        slope = np.zeros_like(unit)
        slope[:, 0] = 0.2
        return *self.predict(unit), 2 * filled, slope


@pytest.fixture(name="unit")
def _unit() -> Array:
    return SPACE.to_unit(SPACE.sample_raw(np.random.default_rng(0), 12))


def differences(criterion: Criterion, unit: Array, index: int, step: float = 1e-6) -> Array:
    """Central differences of a criterion by one coordinate, shape (m,)."""
    move = step * np.eye(unit.shape[1])[index]
    return (criterion.value(unit + move) - criterion.value(unit - move)) / (2 * step)


def test_the_improvement_is_log_ei_of_the_posterior(unit: Array) -> None:
    mean, variance = Bowl().predict(unit)
    np.testing.assert_array_equal(LogImprovement(Bowl(), 0.3).value(unit), log_ei(mean, np.sqrt(variance), 0.3))


def test_a_belief_weighs_by_the_power_of_the_prior(unit: Array) -> None:
    # Equation 6 of the piBO paper: EI pi^(beta / n).
    plain = LogImprovement(Bowl(), 0.3)
    weighted = Total([plain, Belief(SPACE, 10.0 / 40)])
    prior = np.exp(SPACE.log_prior(SPACE.from_unit(unit)))
    np.testing.assert_allclose(np.exp(weighted.value(unit)), np.exp(plain.value(unit)) * prior**0.25, rtol=1e-10)


@pytest.mark.parametrize(
    "criterion",
    [
        LogImprovement(Bowl(), 0.3),
        Belief(SPACE, 0.7),
        Total([LogImprovement(Bowl(), 0.3)]),
        Total([LogImprovement(Bowl(), 0.3), Belief(SPACE, 0.7), Belief(SPACE, 0.2)]),
    ],
    ids=["improvement", "belief", "one", "three"],
)
def test_gradient_by_continuous_coordinates_matches_differences(unit: Array, criterion: Criterion) -> None:
    value, gradient = criterion.value_and_gradient(unit)
    assert value.shape == (len(unit),)
    assert gradient.shape == unit.shape
    np.testing.assert_allclose(value, criterion.value(unit), rtol=1e-12)
    assert np.isfinite(gradient).all()
    for index, column in enumerate(SPACE.columns):
        active = ~np.isnan(unit[:, index])
        if column.size is None:
            slope = differences(criterion, unit, index)
            np.testing.assert_allclose(gradient[active, index], slope[active], rtol=1e-5, atol=1e-6)
            assert (gradient[~active, index] == 0).all()


def test_a_belief_has_no_slope_by_what_is_discrete_or_inactive(unit: Array) -> None:
    _, gradient = Belief(SPACE, 0.7).value_and_gradient(unit)
    discrete = [index for index, column in enumerate(SPACE.columns) if column.size is not None]
    assert (gradient[:, discrete] == 0).all()
    assert np.isnan(unit).any()
    assert (gradient[np.isnan(unit)] == 0).all()


def test_without_priors_a_belief_is_nought(unit: Array) -> None:
    space = Space(x=Float(0.0, 2.0), y=Float(1e-3, 1.0, log=True))
    value, gradient = Belief(space, 3.0).value_and_gradient(unit[:, :2])
    assert (value == 0).all()
    assert (gradient == 0).all()


def test_a_category_without_weight_is_never_better() -> None:
    space = Space(kind=Categorical(["a", "b"], prior=[1.0, 0.0]))
    value = Total([LogImprovement(Bowl(), 0.3), Belief(space, 0.1)]).value(space.to_unit(np.array([[0.0], [1.0]])))
    assert np.isfinite(value[0])
    assert np.isneginf(value[1])
