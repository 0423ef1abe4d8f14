"""A certificate from held-out tasks: what a setting will lose on tasks to come, with a guarantee for any distribution.

Needs the losses of a setting on m tasks that had no part in choosing it, drawn independently from the distribution that
tasks to come are drawn from, and a range [low, high] that losses cannot leave. This is the number to act on: unlike
bounds by pseudo-dimension (`trimtab.tuners.tasks.bounds`) all of its constants are known.

For losses scaled to [0, 1], with alpha = 1 - level, intervals of the mean:

- "hoeffding": mean +- sqrt(ln(2 / alpha) / (2 m)). W. Hoeffding, "Probability inequalities for sums of bounded random
  variables", JASA 58, 1963.
- "bernstein": mean +- sqrt(2 V ln(4 / alpha) / m) + 7 ln(4 / alpha) / (3 (m - 1)), V the sample variance. A. Maurer and
  M. Pontil, "Empirical Bernstein bounds and sample variance penalization", COLT 2009, arXiv 0907.3740, whose theorem 4
  is one side with ln(2 / delta).
- "betting": all means mu that do not make a gambler rich who bets against them, task after task, with a stake chosen
  before the task is seen. I. Waudby-Smith and A. Ramdas, "Estimating means of bounded random variables by betting",
  JRSS B 86, 2024, arXiv 2010.09686. The capitals

      K_t^+(mu) = prod_i (1 + min(s_i, 3 / (4 mu)) (x_i - mu)),
      K_t^-(mu) = prod_i (1 - min(s_i, 3 / (4 (1 - mu))) (x_i - mu)),   s_i = sqrt(2 ln(2 / alpha) / (m v_{i-1})),

  with v_i the regularised variance of the first i losses, are martingales at the true mean, so that by Ville's
  inequality neither ever reaches 2 / alpha but with probability alpha / 2. They are monotone in mu, so the set is an
  interval, found by bisection. It depends on the order of the tasks, which must not be chosen by the losses.

The papers' formulas are recalled; for each the tests measure how often the interval covers. "betting" is the default:
from 10 tasks on it was the shortest of the three on all five distributions that were tried (at 100 uniform losses .14
wide at level .95, the others .27 and .38). Which one to use must not be decided by the result.

The loss of the next task: the ceil((m + 1) level)-th smallest of the m losses is not exceeded with probability `level`
at least (split conformal prediction; V. Vovk, A. Gammerman and G. Shafer, "Algorithmic learning in a random world",
2005). That probability is over the held-out tasks too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Self, TypeAlias, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimtab.base.errors import InvalidArgument, message
from trimtab.base.records import Interval, Json
from trimtab.trust.intervals import paired_difference

__all__ = ["Certificate", "Comparison", "Method", "certify_setting", "compare_settings"]

Array = NDArray[np.float64]

Method: TypeAlias = Literal["betting", "bernstein", "hoeffding"]
"""How the interval of the mean is made."""

MOST_STAKED = 0.75
"""The share of the capital that a bet can lose at most. One half gave intervals up to 1.5 times as long."""


@final
@dataclass(frozen=True, slots=True)
class Certificate:
    """What is known of a setting's loss on tasks to come. Made by `certify_setting`.

    Arguments:
        tasks: m, how many held-out tasks it comes from.
        mean: their mean loss.
        interval: of the mean loss over tasks to come, at its level.
        next_task: the loss that the next task exceeds with probability 1 - level at most; `high` of the range where
            there are too few tasks to say more.
        low, high: the range that was stated.
        method: of the interval.
    """

    tasks: int
    mean: float
    interval: Interval
    next_task: float
    low: float
    high: float
    method: str

    @property
    def sentence(self) -> str:
        """The same in words."""
        level = f"{100 * self.interval.level:g} %"
        mean = f"mean loss over tasks to come: {self.interval.low:.4g} to {self.interval.high:.4g} at {level}"
        if self.next_task >= self.high:
            return f"{mean}; {self.tasks} held-out tasks say nothing of the worst of single tasks at {level}."
        return f"{mean}; the next task loses at most {self.next_task:.4g} with a probability of {level} or more."

    def to_json(self) -> dict[str, Json]:
        """Strict JSON."""
        return {
            "tasks": self.tasks,
            "mean": self.mean,
            "interval": [self.interval.low, self.interval.high, self.interval.level],
            "next_task": self.next_task,
            "range": [self.low, self.high],
            "method": self.method,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> Self:
        """Inverse of `to_json`."""
        low, high = data["range"]
        interval = Interval(*data["interval"])
        return cls(data["tasks"], data["mean"], interval, data["next_task"], low, high, data["method"])


@final
@dataclass(frozen=True, slots=True)
class Comparison:
    """A setting beside a default one, on the same held-out tasks. Made by `compare_settings`.

    Arguments:
        tasks: how many.
        difference: mean of (loss of the setting - loss of the default).
        interval: of that difference over tasks to come, with a guarantee for any distribution.
        approximate: the shorter interval of `trimtab.trust.paired_difference`, which relies on the central limit
            theorem (for 0/1 losses on the normal approximation of a score).
    """

    tasks: int
    difference: float
    interval: Interval
    approximate: Interval

    @property
    def better(self) -> bool:
        """Whether the setting surely loses less than the default, at the level."""
        return self.interval.high < 0.0

    @property
    def worse(self) -> bool:
        """Whether the setting surely loses more than the default, at the level."""
        return self.interval.low > 0.0

    @property
    def sentence(self) -> str:
        """The same in words."""
        ends = f"{self.interval.low:.4g} to {self.interval.high:.4g} at {100 * self.interval.level:g} %"
        if self.better:
            return f"The setting loses less than the default on tasks to come: by {ends}."
        if self.worse:
            return f"The setting loses MORE than the default on tasks to come: by {ends}."
        return f"{self.tasks} tasks do not decide between the setting and the default: {ends}."


def certify_setting(
    losses: ArrayLike, low: float, high: float, *, level: float = 0.95, method: Method = "betting"
) -> Certificate:
    """What a setting will lose on tasks to come.

    Arguments:
        losses: one for each held-out task, shape (m,), m >= 2, in an order that does not depend on them.
        low, high: the range that losses cannot leave, known beforehand, such as 0 and 1.
        level: such as 0.95.
        method: of the interval, chosen beforehand.

    Raises:
        InvalidArgument: losses outside the range or too few, or a range, level or method that cannot be.

    >>> certify_setting([0.0] * 95 + [1.0] * 5, 0.0, 1.0).next_task
    1.0
    """
    told = _checked(losses, low, high, level)
    mean = float(told.mean())
    interval = _interval(told, low, high, level, method)
    # The level may be a hair above a fraction such as 0.95 * 20 = 19.
    place = math.ceil((len(told) + 1) * level - 1e-9)
    worst = float(np.sort(told)[place - 1]) if place <= len(told) else float(high)
    return Certificate(len(told), mean, interval, worst, float(low), float(high), method)


def compare_settings(
    losses: ArrayLike,
    default: ArrayLike,
    low: float,
    high: float,
    *,
    level: float = 0.95,
    method: Method = "betting",
) -> Comparison:
    """Whether a setting beats a default on tasks to come, task by task.

    Arguments:
        losses: of the setting, one for each held-out task, shape (m,), m >= 2.
        default: of the default setting on the same tasks in the same order.
        low, high: the range that losses cannot leave.
        level: such as 0.95.
        method: of the interval, chosen beforehand.

    Raises:
        InvalidArgument: as for `certify_setting`, or vectors of different length.
    """
    mine, theirs = _checked(losses, low, high, level), _checked(default, low, high, level)
    if len(mine) != len(theirs):
        raise InvalidArgument(message("losses of two settings must be of the same tasks", got=(len(mine), len(theirs))))
    differences, width = mine - theirs, high - low
    interval = _interval(differences, -width, width, level, method)
    return Comparison(len(mine), float(differences.mean()), interval, paired_difference(mine, theirs, level))


def _checked(losses: ArrayLike, low: float, high: float, level: float) -> Array:
    """Losses as a vector, shape (m,)."""
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise InvalidArgument(message("the range of losses", got=(low, high), allowed="low < high, both finite"))
    if not 0.0 < level < 1.0:
        raise InvalidArgument(message("level must lie between 0 and 1", got=level, do="use 0.95 for 95%"))
    told = np.asarray(losses, dtype=np.float64)
    if told.ndim != 1 or len(told) < 2:
        raise InvalidArgument(
            message("losses must be a vector, one for each task", got=told.shape, allowed="2 or more")
        )
    wrong = ~((told >= low) & (told <= high))
    if wrong.any():
        raise InvalidArgument(
            message(
                "a loss lies outside the stated range",
                got=float(told[wrong][0]),
                allowed=f"{low:g} to {high:g}",
                do="state the range that losses cannot leave; one read off the losses guarantees nothing",
            )
        )
    return told


def _interval(told: Array, low: float, high: float, level: float, method: Method) -> Interval:
    """Of the mean, from values in [low, high]."""
    makers: dict[str, Callable[[Array, float], tuple[float, float]]] = {
        "betting": _betting,
        "bernstein": _bernstein,
        "hoeffding": _hoeffding,
    }
    if method not in makers:
        raise InvalidArgument(message("unknown interval", got=method, allowed=", ".join(makers)))
    scaled = np.clip((told - low) / (high - low), 0.0, 1.0)
    below, above = makers[method](scaled, 1.0 - level)
    return Interval(low + (high - low) * max(below, 0.0), low + (high - low) * min(above, 1.0), level)


def _hoeffding(x: Array, alpha: float) -> tuple[float, float]:
    """Ends for values in [0, 1]."""
    mean, reach = float(x.mean()), math.sqrt(math.log(2.0 / alpha) / (2.0 * len(x)))
    return mean - reach, mean + reach


def _bernstein(x: Array, alpha: float) -> tuple[float, float]:
    """Ends for values in [0, 1]; each side at alpha / 2."""
    mean, log = float(x.mean()), math.log(4.0 / alpha)
    reach = math.sqrt(2.0 * float(x.var(ddof=1)) * log / len(x)) + 7.0 * log / (3.0 * (len(x) - 1))
    return mean - reach, mean + reach


def _betting(x: Array, alpha: float) -> tuple[float, float]:
    """Ends for values in [0, 1].

    At low levels a gambler may refute every mean, at one time or another. What contains no mean is missed anyway, so
    the interval between the two ends, the wrong way round, covers no less.
    """
    below, above = _least_mean(x, alpha), 1.0 - _least_mean(1.0 - x, alpha)
    return min(below, above), max(below, above)


def _least_mean(x: Array, alpha: float) -> float:
    """The least mean that a gambler who bets on larger ones does not refute."""
    count = np.arange(1, len(x) + 1)
    means = (0.5 + np.cumsum(x)) / (count + 1)
    variances = (0.25 + np.cumsum((x - means) ** 2)) / (count + 1)
    # A stake may use what came before only; the first one takes the variance of a fair coin.
    stakes = np.sqrt(2.0 * math.log(2.0 / alpha) / (len(x) * np.concatenate([[0.25], variances[:-1]])))

    def refuted(mean: float) -> bool:
        capped = np.minimum(stakes, MOST_STAKED / mean) if mean > 0.0 else stakes
        return bool(np.cumsum(np.log1p(capped * (x - mean))).max() >= math.log(2.0 / alpha))

    low, high = 0.0, 1.0
    if not refuted(0.0):
        return 0.0
    for _ in range(50):
        middle = (low + high) / 2.0
        low, high = (middle, high) if refuted(middle) else (low, middle)
    return low
