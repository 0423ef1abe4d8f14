"""Intervals for models on a test split that no choice has seen: one rate, or two models on the same examples.

No correction for a choice is needed there, and none is made: on validation data that the tuning saw, use
`trimtab.trust.select`. Nothing here covers training: another seed or training set gives another model.

- One rate: Clopper and Pearson (1934), Biometrika 26:404, is exact, covering at least its level; Wilson (1927),
  JASA 22:209, covers its level on average and is shorter.
- Two models with 0/1 losses: Tango's score interval (1998), Statistics in Medicine 17:891, from the examples on
  which they disagree. Enumerated over all outcomes of 20, 50 and 100 examples, it covers at least
  .938 and in the median .95 for a nominal .95.
- Two models with real losses: Student's t on the differences, example by example. Differences of losses
  are far less skewed than losses; in simulations of 4,000 samples its coverage was .95 for Gaussian and heavy
  symmetric differences of 20 examples or more, and .89 to .95 for strongly skewed ones of 50 to 1,000.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from trimtab.base.errors import InvalidArgument, message
from trimtab.base.records import Interval
from trimtab.trust.quantiles import beta_quantile, normal_quantile, student_quantile
from trimtab.trust.sample import is_binary

__all__ = ["binomial_interval", "paired_difference"]


def binomial_interval(
    successes: int, total: int, level: float = 0.95, method: Literal["clopper-pearson", "wilson"] = "clopper-pearson"
) -> Interval:
    """The interval of a rate, such as the accuracy on a fresh test split.

    Arguments:
        successes: how many of the examples, 0 <= successes <= total.
        total: number of independent examples, at least 1.
        level: such as 0.95.
        method: "clopper-pearson" (covers at least its level) or "wilson" (shorter, covers it on average).

    Raises:
        InvalidArgument: a count, level or method that cannot be.

    >>> accuracy = binomial_interval(96, 100)
    >>> round(accuracy.low, 4), round(accuracy.high, 4)
    (0.9007, 0.989)
    """
    _check_level(level)
    if total < 1 or not 0 <= successes <= total:
        raise InvalidArgument(
            message("a rate needs counts", got=(successes, total), allowed="0 <= successes <= total, total >= 1")
        )
    tail = (1.0 - level) / 2.0
    if method == "clopper-pearson":
        low = 0.0 if successes == 0 else beta_quantile(tail, successes, total - successes + 1)
        high = 1.0 if successes == total else beta_quantile(1.0 - tail, successes + 1, total - successes)
        return Interval(low, high, level)
    if method == "wilson":
        return _wilson(successes / total, total, level)
    raise InvalidArgument(message("unknown interval", got=method, allowed="'clopper-pearson' or 'wilson'"))


def paired_difference(losses_a: ArrayLike, losses_b: ArrayLike, level: float = 0.95) -> Interval:
    """The interval of (mean loss of a) - (mean loss of b), for two models on the same test examples.

    It lies below 0 where a is surely better. The models must have been fixed before either saw the examples.

    Arguments:
        losses_a: one loss per example, shape (n,), n >= 2, lower is better.
        losses_b: those of the other model, for the same examples in the same order.
        level: such as 0.95.

    Raises:
        InvalidArgument: vectors of different or too small length, a loss that is not finite, or an impossible level.

    >>> a, b = [0] * 90 + [1] * 10, [0] * 80 + [1] * 20
    >>> interval = paired_difference(a, b)
    >>> round(interval.low, 3), round(interval.high, 3)
    (-0.174, -0.055)
    """
    _check_level(level)
    a, b = np.asarray(losses_a, dtype=np.float64), np.asarray(losses_b, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape or a.size < 2 or not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise InvalidArgument(
            message(
                "a paired difference needs two vectors of finite losses of the same examples",
                got=(a.shape, b.shape),
                allowed="shape (n,) each, n >= 2",
            )
        )
    if is_binary(a) and is_binary(b):
        low, high = _tango(int((a > b).sum()), int((b > a).sum()), a.size, level)
        return Interval(low, high, level)
    difference = a - b
    mean = float(difference.mean())
    reach = student_quantile((1.0 - level) / 2.0, a.size - 1) * float(difference.std(ddof=1)) / math.sqrt(a.size)
    return Interval(mean - reach, mean + reach, level)


def _wilson(rate: float, total: int, level: float) -> Interval:
    """The rates p with |rate - p| <= z sqrt(p (1 - p) / total)."""
    z2 = normal_quantile((1.0 - level) / 2.0) ** 2
    centre = (rate + z2 / (2 * total)) / (1.0 + z2 / total)
    reach = math.sqrt(z2 * (rate * (1.0 - rate) / total + z2 / (4 * total**2))) / (1.0 + z2 / total)
    return Interval(max(centre - reach, 0.0), min(centre + reach, 1.0), level)


def _tango(only_a: int, only_b: int, total: int, level: float) -> tuple[float, float]:
    """The differences d = P(only a errs) - P(only b errs) that a score test does not reject.

    The score (only_a - only_b - n d) / sqrt(n (2 p + d (1 - d))) falls in d, where p is the maximum-likelihood
    P(only b errs) under the difference d; each end is found by bisection.
    """
    z = normal_quantile((1.0 - level) / 2.0)

    def score(d: float) -> float:
        b = (2 * total - only_a + only_b) * d - only_a - only_b
        p = (math.sqrt(max(b * b + 8 * total * only_b * d * (1.0 - d), 0.0)) - b) / (4 * total)
        variance = total * (2.0 * p + d * (1.0 - d))
        gap = only_a - only_b - total * d
        return gap / math.sqrt(variance) if variance > 0.0 else math.copysign(math.inf, gap) if gap else 0.0

    def crossing(wanted: float) -> float:
        low, high = -1.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2.0
            low, high = (middle, high) if score(middle) > wanted else (low, middle)
        return (low + high) / 2.0

    return crossing(z), crossing(-z)


def _check_level(level: float) -> None:
    """Refuse a level outside (0, 1)."""
    if not 0.0 < level < 1.0:
        raise InvalidArgument(
            message("level must lie between 0 and 1", got=level, allowed="0 < level < 1", do="use 0.95 for 95%")
        )
