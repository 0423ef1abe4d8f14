"""The log probability of feasibility against 60-digit arithmetic, also where it is astronomically small."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from numpy.typing import NDArray

from trimtab.space import Choice, Float, Space
from trimtab.surrogates.acquisition import LogFeasibility, LogImprovement, Total, log_ei
from trimtab.surrogates.gp import Data, Embedding, Hyperparameters, Surface, condition

Array = NDArray[np.float64]

SCORES = [8.0, 2.0, 0.0, -1.0, -5.0, -20.0, -37.0, -39.0, -100.0, -1e3, -1e4]


class Ramp:
    """A posterior whose mean is the first coordinate and whose standard deviation the second."""

    def predict(self, unit: Array) -> tuple[Array, Array]:
        return unit[:, 0], unit[:, 1] ** 2

    def predict_with_gradient(self, unit: Array) -> tuple[Array, Array, Array, Array]:
        by_mean, by_variance = np.zeros_like(unit), np.zeros_like(unit)
        by_mean[:, 0], by_variance[:, 1] = 1.0, 2.0 * unit[:, 1]
        return *self.predict(unit), by_mean, by_variance


def exact(mean: float, deviation: float) -> tuple[mp.mpf, mp.mpf, mp.mpf]:
    """log Phi(-m / s) and its derivatives by m and s."""
    with mp.workdps(60):
        m, s = mp.mpf(mean), mp.mpf(deviation)
        z = -m / s
        mass = mp.erfc(-z / mp.sqrt(2)) / 2
        ratio = mp.npdf(z) / mass
        return mp.log(mass), -ratio / s, -ratio * z / s


@pytest.mark.parametrize("deviation", [1e-3, 0.7, 5.0])
@pytest.mark.parametrize("score", SCORES)
def test_value_and_gradient_are_the_closed_form(score: float, deviation: float) -> None:
    mean = -score * deviation
    value, gradient = LogFeasibility(Ramp()).value_and_gradient(np.array([[mean, deviation]]))
    wanted, by_mean, by_deviation = (float(part) for part in exact(mean, deviation))
    assert value[0] == pytest.approx(wanted, rel=1e-12)
    assert LogFeasibility(Ramp()).value(np.array([[mean, deviation]]))[0] == value[0]
    np.testing.assert_allclose(gradient[0], [by_mean, by_deviation], rtol=1e-6)


def test_far_out_it_still_tells_which_way_is_better() -> None:
    means = np.array([-1e6, -10.0, 0.0, 10.0, 1e3, 1e6, 1e7])
    value, gradient = LogFeasibility(Ramp()).value_and_gradient(np.stack([means, np.ones(7)], axis=1))
    assert np.isfinite(value).all()
    assert (value <= 0.0).all()
    assert (np.diff(value) <= 0.0).all()
    assert np.isfinite(gradient).all()
    assert (gradient[3:, 0] < 0.0).all()


def test_it_is_the_share_of_draws_that_keep_the_constraint() -> None:
    draws = np.random.default_rng(0).normal(0.4, 0.5, 400_000)
    share, error = (draws <= 0.0).mean(), 0.5 / np.sqrt(draws.size)
    found = np.exp(LogFeasibility(Ramp()).value(np.array([[0.4, 0.5]]))[0])
    # Four standard errors at most.
    assert abs(found - share) < 4 * error


def test_on_a_surface_the_gradient_matches_differences() -> None:
    space = Space(x=Float(0.0, 1.0), opt=Choice({"p": Space(z=Float(0.0, 1.0)), "q": None}))
    embedding, rng = Embedding(space.columns), np.random.default_rng(0)
    told = space.to_unit(space.sample_raw(rng, 15))
    data = Data(embedding.features(told), rng.normal(size=15), np.zeros(15), embedding.groups, len(space))
    criterion = LogFeasibility(Surface(embedding, condition(data, Hyperparameters(np.full(3, 0.5), 1e-2))))
    unit, step = space.to_unit(space.sample_raw(rng, 10)), 1e-6
    value, gradient = criterion.value_and_gradient(unit)
    np.testing.assert_allclose(value, criterion.value(unit), rtol=1e-9)
    assert np.isnan(unit).any()
    assert (gradient[np.isnan(unit)] == 0.0).all()
    for index in (0, 2):
        move, active = step * np.eye(3)[index], ~np.isnan(unit[:, index])
        slope = (criterion.value(unit + move) - criterion.value(unit - move)) / (2 * step)
        np.testing.assert_allclose(gradient[active, index], slope[active], rtol=1e-4, atol=1e-6)


def test_with_the_improvement_it_is_their_product() -> None:
    unit = np.array([[0.3, 0.2], [-0.5, 1.0], [2.0, 0.4]])
    total = Total([LogImprovement(Ramp(), 0.1), LogFeasibility(Ramp())])
    mean, variance = Ramp().predict(unit)
    wanted = np.exp(log_ei(mean, np.sqrt(variance), 0.1)) * [float(mp.exp(exact(m, s)[0])) for m, s in unit]
    np.testing.assert_allclose(np.exp(total.value(unit)), wanted, rtol=1e-12)
