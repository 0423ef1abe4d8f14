"""From the mean loss to the objective: on which scale per-example losses speak of the value.

Losses are lower-is-better, while the objective may be an accuracy to maximise, a root mean squared
error or a perplexity. Losses carry information on the noise of the value only where the value is a
known, strictly monotone function of their mean, rising to minimise and falling to maximise. Then ends of
intervals, and what is median-unbiased, go through the function unchanged. The links tried, in order:

    mean, 1 - mean, -mean, 100 mean, 100 (1 - mean), n mean, sqrt(mean), exp(mean), a + b mean,

the last with a and b taken from the trials (R^2 from squared errors), where three differing ones at
least agree to rounding. The others may miss by a twentieth of a standard error, as the mean of
unequal folds does: that changes what an interval covers by a fraction of a percent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.base.records import Objective
from trimtab.trust.sample import PairedSample

__all__ = ["Link", "find_link"]

Function = Callable[[NDArray[np.float64]], NDArray[np.float64]]

_ROUNDING = 1e-6
_SHARE_OF_ERROR = 0.05


@dataclass(frozen=True, slots=True)
class Link:
    """How the value follows from the mean loss.

    Arguments:
        words: as a formula.
        function: strictly monotone.
        exact: whether it holds to rounding, rather than within a small part of the standard error.
    """

    words: str
    function: Function
    exact: bool = True

    def __call__(self, mean: float) -> float:
        """The value that belongs to a mean loss."""
        with np.errstate(over="ignore"):
            return float(self.function(np.array(mean)))


def find_link(values: NDArray[np.float64], sample: PairedSample, objective: Objective) -> Link | None:
    """The first link that holds for every trial and has the objective's direction; None where there is none.

    Arguments:
        values: as told, in the objective's own sign, shape (k,).
        sample: the losses of the k trials.
        objective: name and direction.
    """
    means, errors = sample.means, sample.errors
    rising, falling = _known(sample.size)
    for words, function in (rising if objective.direction == "minimize" else falling).items():
        with np.errstate(invalid="ignore", over="ignore"):
            expected = function(means)
            reach = np.abs(function(means + errors) - expected)
            gaps = np.abs(values - expected)
            rounding = _ROUNDING * np.maximum(np.abs(values), np.abs(expected))
            close = gaps <= rounding + _SHARE_OF_ERROR * reach
        if close.all():
            return Link(words, function, exact=bool((gaps <= rounding).all()))
    return _fitted(values, means, objective)


def _known(examples: int) -> tuple[dict[str, Function], dict[str, Function]]:
    """The links whose constants are known: those that rise with the mean, and those that fall."""
    rising: dict[str, Function] = {
        "mean loss": lambda mean: mean,
        "100 x mean loss": lambda mean: 100.0 * mean,
        "sum of losses": lambda mean: examples * mean,
        "root of the mean loss": lambda mean: np.sqrt(np.maximum(mean, 0.0)),
        "exponential of the mean loss": np.exp,
    }
    falling: dict[str, Function] = {
        "1 - mean loss": lambda mean: 1.0 - mean,
        "-mean loss": lambda mean: -mean,
        "100 x (1 - mean loss)": lambda mean: 100.0 * (1.0 - mean),
    }
    return rising, falling


def _fitted(values: NDArray[np.float64], means: NDArray[np.float64], objective: Objective) -> Link | None:
    """The line through the trials, where at least three different ones lie on it to rounding."""
    if len(np.unique(means)) < 3:
        return None
    low, high = int(np.argmin(means)), int(np.argmax(means))
    slope = float((values[high] - values[low]) / (means[high] - means[low]))
    start = float(values[low] - slope * means[low])
    spread = float(np.ptp(values))
    on_line = np.abs(values - (start + slope * means)) <= _ROUNDING * spread
    if not on_line.all() or slope * objective.sign <= 0.0:
        return None
    return Link(
        f"{start:.6g} {'-' if slope < 0 else '+'} {abs(slope):.6g} x mean loss", lambda mean: start + slope * mean
    )
