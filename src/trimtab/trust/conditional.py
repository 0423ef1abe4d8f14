"""Conditional intervals: what the estimate of a chosen trial says, given that this trial was chosen.

Needs the estimates of all trials with the size of their noise, and a rule of choice that is a comparison of
linear functions of them. Lee, Sun, Sun and Taylor (2016), Exact Post-Selection Inference, with Application to the
Lasso, Annals of Statistics 44:907, arXiv 1311.6238, show that then, given the part of the data that does not depend
on the chosen estimate y_j, the choice only says that y_j lies between two known limits:

    y_j | choice, rest  ~  N(theta_j, s_j^2), truncated to [L, U].

- Independent estimates, trial of lowest m_k + c s_k (`ties.surest`): L = -inf, U = min_k (m_k + c s_k) - c s_j over
  the other trials k.
- Means over the same examples, trial of lowest mean: with c_k = cov(m_k, m_j) / var(m_j), the rest is z_k = m_k -
  c_k m_j, and m_j <= m_k says m_j (1 - c_k) <= z_k, an upper limit z_k / (1 - c_k) where c_k < 1 and a lower one
  where c_k > 1.

The interval is all theta with F(y_j; theta) in [a/2, 1 - a/2], F the truncated distribution function, which falls in
theta. It covers at exactly 1 - a given the choice, whatever the true values, for normal noise of known size. Its
price: where another trial nearly won, y_j lies at its limit, and the interval may be a hundred standard errors long.
Its expected length is infinite (Kivaranovic and Leeb 2021, JASA 116:845). So `select` uses it inside a simultaneous
one only (`trimtab.trust.hybrid`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.trust.sample import PairedSample
from trimtab.trust.ties import comparison_bound

__all__ = ["Limits", "conditional_interval", "paired_limits", "surest_limits", "truncated_normal"]

Floats = NDArray[np.float64]

_ALIKE = 1e-9
_FARTHEST = 1e6


@dataclass(frozen=True, slots=True)
class Limits:
    """Between what the chosen estimate lies, given the choice and the rest of the data.

    Arguments:
        low: at most the estimate, -inf for none.
        high: at least the estimate, inf for none.
    """

    low: float = -math.inf
    high: float = math.inf


def surest_limits(means: Floats, errors: Floats, place: int, level: float) -> Limits:
    """The limits of the trial that `ties.surest` chose, for independent estimates.

    Arguments:
        means: shape (k,), lower is better.
        errors: their standard errors, shape (k,).
        place: of the chosen trial.
        level: that it was chosen at.
    """
    bound = comparison_bound(len(means), level)
    others = np.delete(means + bound * errors, place)
    high = float(others.min()) - bound * float(errors[place]) if others.size else math.inf
    return Limits(high=max(high, float(means[place])))


def paired_limits(sample: PairedSample) -> Limits:
    """The limits of the lowest of several mean losses over the same examples.

    For 0/1 losses they are numbers of errors rather than means, and a trial that comes before the chosen one
    has at least one error more.

    Arguments:
        sample: the losses of k trials. Where those of the best are all equal, they move with no other's.
    """
    best, mean = sample.best, float(sample.means[sample.best])
    counted = sample.binary
    unit = sample.size if counted else 1
    deviations = sample.losses[best] - mean
    variance = float(deviations @ deviations)
    low, high = -math.inf, math.inf
    for place, losses in enumerate(sample.losses):
        slope = 1.0 - (float(losses @ deviations) / variance if sample.scales[best] > 0.0 else 0.0)
        # A trial whose losses move as those of the best one do says nothing of where it lies.
        if place == best or abs(slope) <= _ALIKE:
            continue
        gap = unit * float(sample.means[place] - mean)
        gap = max(round(gap) - float(place < best), 0.0) if counted else gap
        limit = unit * mean + gap / slope
        low, high = (low, min(high, limit)) if slope > 0.0 else (max(low, limit), high)
    return Limits(low, high)


def _log_mass(low: Floats, high: Floats) -> Floats:
    """The logarithm of the probability of low < Z < high, Z standard normal; accurate in both tails, elementwise."""
    from scipy.special import log_ndtr

    # Above the middle, both ends are mirrored to where small probabilities are kept.
    mirror = low > 0.0
    below, above = log_ndtr(np.where(mirror, -high, low)), log_ndtr(np.where(mirror, -low, high))
    with np.errstate(divide="ignore", invalid="ignore"):
        mass: Floats = np.where(low < high, above + np.log(-np.expm1(np.minimum(below - above, 0.0))), -np.inf)
    return mass


def truncated_normal(estimate: float, error: float, limits: Limits, theta: Floats, reach: float = math.inf) -> Floats:
    """F(estimate; theta): the distribution function of the truncated normal at the estimate, for each theta.

    Arguments:
        estimate: y_j, within the limits.
        error: its standard error, above 0.
        limits: of the choice.
        theta: true values that are asked about.
        reach: truncate to theta +- reach * error as well.
    """
    low = np.maximum((limits.low - theta) / error, -reach)
    high = np.minimum((limits.high - theta) / error, reach)
    here = np.clip((estimate - theta) / error, low, high)
    whole = _log_mass(low, high)
    with np.errstate(invalid="ignore"):
        share: Floats = np.where(np.isfinite(whole), np.exp(_log_mass(low, here) - whole), 0.5)
    return share


def conditional_interval(estimate: float, error: float, limits: Limits, level: float) -> tuple[float, float]:
    """The interval of a chosen trial's true value, at its level given the choice; often very long.

    Arguments:
        estimate: y_j, within the limits.
        error: its standard error, above 0.
        limits: of the choice.
        level: such as 0.95.

    Returns:
        Its ends; an infinite one where it is a million standard errors away or more.
    """
    tail = (1.0 - level) / 2.0

    def above(theta: float, wanted: float) -> bool:
        return bool(truncated_normal(estimate, error, limits, np.array(theta)) > wanted)

    def end(wanted: float) -> float:
        # F falls in theta: double the step until it is passed, then halve.
        side = 1.0 if above(estimate, wanted) else -1.0
        near, step = estimate, error
        while above(far := near + side * step, wanted) == (side > 0.0):
            near, step = far, 2.0 * step
            if step > _FARTHEST * error:
                return side * math.inf
        for _ in range(100):
            middle = (near + far) / 2.0
            near, far = (middle, far) if above(middle, wanted) == (side > 0.0) else (near, middle)
        return (near + far) / 2.0

    return end(1.0 - tail), end(tail)
