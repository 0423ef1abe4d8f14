"""Priors: the mode is where the gradient vanishes, and it scales with the dimension as published."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import lognorm

from trimtab.surrogates.gp.priors import LogNormal, length_scale_prior, noise_prior


@pytest.mark.parametrize("dimension", [1, 4, 100])
def test_the_mode_of_the_length_scales_is_the_published_one(dimension: int) -> None:
    assert math.exp(length_scale_prior(dimension).log_mode) == pytest.approx(
        math.sqrt(dimension) * math.exp(math.sqrt(2) - 3)
    )


def test_the_gradient_vanishes_at_the_mode() -> None:
    for prior in (length_scale_prior(7), noise_prior()):
        assert prior.log_density(np.array([prior.log_mode]))[1] == pytest.approx(0.0, abs=1e-12)


def test_density_and_gradient_match_scipy() -> None:
    prior, step = LogNormal(0.7, 1.3), 1e-6
    logs = np.array([-2.0, 0.1, 3.0])
    reference = lognorm(s=1.3, scale=math.exp(0.7))
    ratio = prior.log_density(logs)[0] - prior.log_density(np.zeros(3))[0]
    assert ratio == pytest.approx(float(np.sum(reference.logpdf(np.exp(logs)) - reference.logpdf(np.ones(3)))))
    up, down = (reference.logpdf(np.exp(logs + move)) for move in (step, -step))
    np.testing.assert_allclose(prior.log_density(logs)[1], (up - down) / (2 * step), rtol=1e-6)
