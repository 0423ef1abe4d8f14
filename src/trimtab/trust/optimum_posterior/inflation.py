"""How much too small a surrogate's deviations are where its best trials lie, with what is not known of that.

Needs a fitted surrogate. A process whose settings were chosen by all trials predicts most of them as well as it says,
and the best ones worse: a valley that is narrower or deeper than its length-scales foretell surprises it. So the
factor of the deviations is estimated by the best k trials, predicted together from all others. With K the covariance of
what was told, the constant mean estimated anew, 1 the vector of ones for values (0 for derivatives), and B the best,

    P = K^-1 - K^-1 1 1' K^-1 / (1' K^-1 1),   S = (P y)_B' (P_BB)^-1 (P y)_B,

since (P_BB)^-1 (P y)_B are the residuals of B predicted from the rest, and (P_BB)^-1 is their covariance
(C. E. Rasmussen and C. K. I. Williams, "Gaussian Processes for Machine Learning", MIT Press, 2006, equation 5.12, here
for several trials and with the mean left out too). Under the model S is chi-square with k degrees of freedom; when
deviations are too small by the factor a, a^2 times that. A few residuals say little of a, so that it has a posterior,
under the prior 1 / a:

    a^2 = S / c,   c ~ chi-square with k degrees of freedom,   and never below 1.

Each draw of the process takes an a of its own, so that regions are those of a Student process and not of a Gaussian
one, and grow more with their level. The best trials are predicted together, not one by one, since they lie close to one
another: each then foretells its neighbours, and would hide that the valley is not foretold by the rest. That they were
chosen for being low is not allowed for, which makes regions larger: by a correctly specified process too.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trimtab.surrogates.gp import Model
from trimtab.surrogates.gp.cholesky import inverse_of

__all__ = ["ASKED", "Inflation", "asked", "drawn_inflations", "surprise"]

Array = NDArray[np.float64]

Inflation = float | Literal["auto"]
"""A factor of the surrogate's standard deviations, or "auto" for one that the trials tell."""

ASKED = 3
"""k, how many of the best trials are asked."""


def drawn_inflations(model: Model, draws: int, rng: np.random.Generator) -> Array:
    """Draws from the posterior of the factor, each at least 1, shape (draws,).

    All are 1 where there is a single trial, which nothing predicts.

    Arguments:
        model: a fitted surrogate.
        draws: how many.
        rng: of the draws.
    """
    best = asked(model)
    if not len(best):
        return np.ones(draws)
    return np.maximum(1.0, math.sqrt(surprise(model, best)) / np.sqrt(rng.chisquare(len(best), draws)))


def asked(model: Model) -> NDArray[np.intp]:
    """Rows of the best trials, of `ASKED` at most, so that one trial at least is left to predict them."""
    rows, most = model.told_rows, min(ASKED, len(model.posterior.values) - 1)
    return np.asarray(rows[np.argsort(model.posterior.values[rows], kind="stable")[:most]])


def surprise(model: Model, rows: NDArray[np.intp]) -> float:
    """S: the squared residuals of some values, predicted from all others, over the covariance of that.

    Arguments:
        model: a surrogate.
        rows: of the values, fewer than there are, shape (k,).
    """
    posterior = model.posterior
    n, inverse = len(posterior.values), inverse_of(posterior.lower)
    weights = inverse[:, :n].sum(axis=1)
    precision = inverse[np.ix_(rows, rows)] - np.outer(weights[rows], weights[rows]) / float(weights[:n].sum())
    # The constant is the generalised least squares one, so that alpha = K^-1 (y - m) is P y.
    residual = posterior.alpha[rows]
    return max(float(residual @ np.linalg.solve(precision, residual)), 0.0)
