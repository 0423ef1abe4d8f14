"""Input warping: a learned monotone map of each number, so that one length-scale fits all of its range.

    w(u) = 1 - (1 - v^a)^b,   v = e + (1 - 2 e) u,   e = 1e-7,   log a, log b ~ N(0, 0.1)

is the distribution function of P. Kumaraswamy (1980). a < 1 stretches the low end of a range, b < 1 the high
end; a = b = 1 is the identity. An objective that changes fast at one end and hardly at the other is stationary
in w. Needs the unit coordinates of the data; says nothing about categoricals, and an inactive number stays where
the embedding has it.

The parameters are fitted together with the length-scales and the noise, by maximum a posteriori and with the
analytic gradient: by the features it is that of `trimtab.surrogates.gp.regression`, and

    d w / d log a = a b (1 - t)^(b - 1) t log v,   d w / d log b = -b (1 - t)^b log(1 - t),   t = v^a

The fit starts from the identity and what was fitted without a warp. A warp is used only where it gains `GAIN` nats of
log posterior density over none: smaller gains were not followed by better predictions.

Sources: J. Snoek, K. Swersky, R. S. Zemel and R. P. Adams, "Input Warping for Bayesian Optimization of
Non-Stationary Functions", ICML 2014, arXiv 1402.0929, who warp by the beta distribution and integrate over its
parameters. The map of Kumaraswamy, which has a closed form, its priors and the shrunken ends are those of
M. Balandat et al., "BoTorch: A Framework for Efficient Monte-Carlo Bayesian Optimization", NeurIPS 2020,
arXiv 1910.06403. Here the density is per logarithm, so that its mode is the identity.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from trimtab.surrogates.gp.regression import Data, Hyperparameters, budget, log_bounds, objective_and_slopes

__all__ = ["InputWarp", "fit_input_warp", "objective_with_warp"]

Array = NDArray[np.float64]

EDGE = 1e-7
"""How far the ends of the unit interval are kept from 0 and 1, where a power may have no slope."""

VARIANCE = 0.1
"""Of log a and log b under their prior."""

MOST = math.log(5.0)
"""Bound of |log a| and |log b|: five standard deviations of the prior."""

LEAST = 16
"""Values from which a warp is tried."""

GAIN, PROMISE = 2.5, 1.0
"""Nats of log posterior density that a warp must gain to be used, and must promise to be fitted."""

ITERATIONS = 10
"""Of L-BFGS-B: enough for 99 % of the gain, at about half the cost of the fit before."""


@dataclass(frozen=True, slots=True)
class InputWarp:
    """One map for each of k columns, on unit coordinates (n, k), nan where inactive.

    Arguments:
        logs: (log a, log b), shape (2, k); 0 for the identity.
    """

    logs: Array

    def forward(self, unit: Array) -> Array:
        """w, strictly increasing in each coordinate, within (0, 1)."""
        _, rest, _, b = self._parts(unit)
        return np.asarray(-np.expm1(b * rest))

    def slope(self, unit: Array) -> Array:
        """The derivative of w by u, > 0."""
        log_t, rest, a, b = self._parts(unit)
        return np.asarray((1.0 - 2.0 * EDGE) * a * b * np.exp((b - 1.0) * rest + (1.0 - 1.0 / a) * log_t))

    def inverse(self, warped: Array) -> Array:
        """The unit coordinates in [0, 1] whose warped ones are nearest to these."""
        a, b = np.exp(self.logs)
        with np.errstate(divide="ignore"):
            v = np.exp(np.log(-np.expm1(np.log1p(-np.clip(warped, 0.0, 1.0)) / b)) / a)
        return np.asarray(np.clip((v - EDGE) / (1.0 - 2.0 * EDGE), 0.0, 1.0))

    def __getitem__(self, columns: NDArray[np.intp]) -> InputWarp:
        """The maps of some columns."""
        return InputWarp(self.logs[:, columns])

    def by_logs(self, unit: Array) -> tuple[Array, Array]:
        """The derivatives of w by log a and by log b."""
        log_t, rest, _, b = self._parts(unit)
        return b * np.exp((b - 1.0) * rest + log_t) * log_t, -b * rest * np.exp(b * rest)

    def _parts(self, unit: Array) -> tuple[Array, Array, Array, Array]:
        """The logarithms of t and 1 - t, shape (n, k), without cancellation; a and b, shape (k,)."""
        a, b = np.exp(self.logs)
        log_t = a * np.log(EDGE + (1.0 - 2.0 * EDGE) * unit)
        return log_t, np.log(-np.expm1(log_t)), a, b


def fit_input_warp(
    data: Data, unit: Array, places: NDArray[np.intp], start: Hyperparameters
) -> tuple[InputWarp, Hyperparameters] | None:
    """The warp of highest posterior density near the identity, and the hyperparameters that go with it.

    None where too few values, or too few nats, speak for it.

    Arguments:
        data: with features that are not warped.
        unit: unit coordinates of the same points, shape (n, d), nan where inactive.
        places: the feature of each column that is its unit coordinate, -1 where there is none, shape (d,).
        start: what was fitted to the data as they are.

    Returns:
        The warps of all d columns, and the hyperparameters.
    """
    size, columns = len(start.logs), np.flatnonzero(places >= 0)
    if len(data.values) < LEAST or not len(columns):
        return None
    origin = np.concatenate([start.logs, np.zeros(2 * len(columns))])
    args = (data, unit[:, columns], places[columns])
    value, gradient = objective_with_warp(origin, *args)
    # What a step would gain if the likelihood were linear: one evaluation that spares most fits theirs.
    if 0.5 * VARIANCE * float(gradient[size:] @ gradient[size:]) < PROMISE:
        return None
    found = minimize(
        objective_with_warp,
        origin,
        args=args,
        jac=True,
        method="L-BFGS-B",
        bounds=log_bounds(data.columns) + [(-MOST, MOST)] * (2 * len(columns)),
        options={"maxiter": min(ITERATIONS, budget(len(data.values))), "ftol": 1e-6, "gtol": 1e-3},
    )
    if not (np.isfinite(found.x).all() and value - float(found.fun) > GAIN):
        return None
    logs = np.zeros((2, len(places)))
    logs[:, columns] = found.x[size:].reshape(2, -1)
    return InputWarp(logs), Hyperparameters.from_logs(found.x[:size], size - 1)


def objective_with_warp(logs: Array, data: Data, unit: Array, places: NDArray[np.intp]) -> tuple[float, Array]:
    """Negative log posterior density of hyperparameters and warp, and its gradient.

    Arguments:
        logs: `Hyperparameters.logs`, then log a and log b of k columns.
        data: with features that are not warped.
        unit: coordinates of these columns, shape (n, k), nan where inactive.
        places: their features, shape (k,).
    """
    size = len(logs) - 2 * len(places)
    warp, active = InputWarp(logs[size:].reshape(2, -1)), ~np.isnan(unit)
    features = data.features.copy()
    features[:, places] = np.where(active, warp.forward(unit), features[:, places])
    value, gradient, by_features = objective_and_slopes(logs[:size], replace(data, features=features))
    by_warp = [np.where(active, by_features[:, places] * part, 0.0).sum(axis=0) for part in warp.by_logs(unit)]
    prior = logs[size:] / VARIANCE
    return value + 0.5 * float(prior @ logs[size:]), np.concatenate([gradient, np.concatenate(by_warp) + prior])
