"""How much the values speak for noise: a likelihood ratio.

    g = max over l, v of log p(y | l, v) p(l)  -  max over l of log p(y | l, v0) p(l)

in nats, with the length-scales l under their prior (`trimtab.surrogates.gp.priors`), the variance v of the noise
without one, and v0 all but none. Fitted noise is a point estimate: half a dozen values on a line of noise and on a
line of none may give the same one, since its prior has its mode where noise would matter. The ratio says which of them
it is. For regular models 2 g is about chi-squared with one degree of freedom where there is no noise (S. S. Wilks,
"The large-sample distribution of the likelihood ratio for testing composite hypotheses", Annals of Mathematical
Statistics 9, 1938), and as v0 lies at the end of its range, half of its mass is at 0 (S. G. Self and K.-Y. Liang, JASA
82, 1987): 1.35 nats are exceeded once in twenty times, 2 once in forty-five.

The first maximum is taken where the fit ended, which saw a prior of v too, so g is rather too small, and 0 where it
comes out below; the second is found by L-BFGS-B from there. A function that is rough on a scale finer than the trials'
distances looks like noise.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from trimtab.surrogates.gp.priors import noise_prior
from trimtab.surrogates.gp.regression import Data, Hyperparameters, budget, log_bounds, objective

__all__ = ["ALMOST_NONE", "LITTLE", "gain_of_noise"]

Array = NDArray[np.float64]

ALMOST_NONE = 1e-4
"""v0, in units of the values' variance: no more than rounding and the model's smallest faults."""

LITTLE = 0.01
"""Fitted noise up to this matters to nobody, and nothing is computed."""

ITERATIONS = 30
"""Of L-BFGS-B, and never more than a fit has."""


def gain_of_noise(data: Data, fitted: Hyperparameters) -> float:
    """By how many nats the values are likelier under the fitted noise than under almost none; 0 where it is `LITTLE`.

    Arguments:
        data: values, without derivatives.
        fitted: what was fitted to them.
    """
    if fitted.noise <= LITTLE:
        return 0.0
    none = np.array([math.log(ALMOST_NONE)])

    def without(lengths: Array) -> tuple[float, Array]:
        value, gradient = _without_noise_prior(np.append(lengths, none), data)
        return value, gradient[:-1]

    bounds = log_bounds(data.columns)[:-1]
    lengths = np.clip(fitted.logs[:-1], *np.reshape(bounds, (-1, 2)).T)
    options = {"maxiter": min(ITERATIONS, budget(len(data.values))), "ftol": 1e-6, "gtol": 1e-3}
    if data.columns:
        lengths = minimize(without, lengths, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    return max(without(lengths)[0] - _without_noise_prior(fitted.logs, data)[0], 0.0)


def _without_noise_prior(logs: Array, data: Data) -> tuple[float, Array]:
    """Negative log p(y | l, v) p(l) up to a constant, and its gradient by (log l, log v), shape (columns + 1,)."""
    value, gradient = objective(logs, data)
    density, slope = noise_prior().log_density(logs[-1:])
    return value + density, gradient + np.append(np.zeros(data.columns), slope)
