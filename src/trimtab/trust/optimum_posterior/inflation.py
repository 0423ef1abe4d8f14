"""How much too small a surrogate's deviations are where its best trials lie, with what is not known of that.

Needs a fitted surrogate. A process whose settings were chosen by all trials predicts most of them as well as it says,
and the best ones worse: a valley that is narrower or deeper than its length-scales foretell surprises it. So the factor
of the deviations is estimated by the best k trials, each predicted from all others. With K the covariance of what was
told, the constant mean estimated anew each time, and 1 the vector of ones for values (0 for derivatives),

    P = K^-1 - K^-1 1 1' K^-1 / (1' K^-1 1),   z_i = (P y)_i / sqrt(P_ii),

which is the residual of trial i over its deviation (C. E. Rasmussen and C. K. I. Williams, "Gaussian Processes for
Machine Learning", MIT Press, 2006, equation 5.12, here with the mean left out too). Under the model z_i is standard
normal; when deviations are too small by the factor a, normal with variance a^2. A few residuals say little of a, so
that it has a posterior, the one under the prior 1 / a:

    a^2 = sum_i z_i^2 / c,   c ~ chi-square with k degrees of freedom,   and never below 1.

Each draw of the process takes an a of its own, so that regions are those of a Student process and not of a Gaussian
one, and grow more with their level. Residuals are taken to be independent. That the best trials were chosen for being
low is not allowed for, which makes regions larger: by a correctly specified process too.

How often joint regions of 80% and 95% held the optimum of six kinds of functions, with and without noise, after random
trials (`dev/studies/optimum_regions.py`; the rule was chosen on other seeds): with two numbers and 30 trials in 80% and
92% of runs of seeds 0 to 19, 81% and 94% of seeds 100 to 129; twice the plain deviations gave 83% and 92%, 82% and 93%,
and plain ones 63% and 77% of seeds 0 to 19. With four numbers and 60 trials it was 72% and 83% of seeds 0 to 9, 71% and
86% of seeds 100 to 119, so that regions are still too small; twice the deviations gave 69% and 81%, 70% and 80%. What
is missing is mostly in curved valleys (Rosenbrock: regions of 95% held it in 60% to 77% of runs) and in Griewank's
function of four numbers (60%).
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trimtab.surrogates.gp import Model
from trimtab.surrogates.gp.cholesky import inverse_of

__all__ = ["ASKED", "Inflation", "drawn_inflations", "surprises"]

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
    rows, known = model.told_rows, len(model.posterior.values) - 1
    best = rows[np.argsort(model.posterior.values[rows], kind="stable")[: min(ASKED, known)]]
    if not len(best):
        return np.ones(draws)
    size = math.sqrt(float(np.sum(surprises(model)[best] ** 2)))
    return np.maximum(1.0, size / np.sqrt(rng.chisquare(len(best), draws)))


def surprises(model: Model) -> Array:
    """Residuals of the values, each predicted from all others, over the deviations of that, shape (n,).

    Arguments:
        model: a surrogate of two values at least.
    """
    posterior = model.posterior
    n, inverse = len(posterior.values), inverse_of(posterior.lower)
    weights = inverse[:, :n].sum(axis=1)
    precision = np.diagonal(inverse)[:n] - weights[:n] ** 2 / float(weights[:n].sum())
    # The constant is the generalised least squares one, so that alpha = K^-1 (y - m) is P y.
    return np.asarray(posterior.alpha[:n] / np.sqrt(precision))
