"""The axis of observed values: linear or log, and robust, so that one huge loss does not flatten a plot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimtab.base.records import Objective
from trimtab.report.scales import Linear, Log, spans_decades
from trimtab.report.wording import count

__all__ = ["ValueAxis", "average_ranks", "share_of_ranks", "value_axis"]

_MARGIN = 0.02
_FENCE = 3.0
_SHARE = 0.1
_LOWER_IS_BETTER = 20.0
_HIGHER_IS_BETTER = 1000.0


@dataclass(frozen=True, slots=True)
class ValueAxis:
    """An axis for the values of one objective.

    Arguments:
        objective: which.
        scale: linear or log, with a little room at both ends.
        beyond: how many of the values lie outside, all of them on the worse side.
    """

    objective: Objective
    scale: Linear | Log
    beyond: int

    @property
    def worse_up(self) -> bool:
        """Whether higher on the plot is worse."""
        return self.objective.direction == "minimize"

    @property
    def limit(self) -> float:
        """The end of the axis on the worse side, in data units."""
        return self.scale.high if self.worse_up else self.scale.low

    @property
    def note(self) -> str:
        """What lies outside, for the plot itself; empty where nothing does."""
        return f"{count(self.beyond, 'point')} {'above' if self.worse_up else 'below'}" if self.beyond else ""

    def outside(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which values lie past the worse end, shape of `values`."""
        past: NDArray[np.bool_] = values > self.limit if self.worse_up else values < self.limit
        return past

    def clipped(self, values: ArrayLike) -> NDArray[np.float64]:
        """Values with those outside moved to the nearer end of the axis; nan stays nan."""
        return np.clip(np.asarray(values, dtype=np.float64), self.scale.low, self.scale.high)


def value_axis(values: NDArray[np.float64], objective: Objective) -> ValueAxis:
    """Choose the axis for observed values, any shape; nan and infinities are left aside.

    The good end is the best value. The worse end is the worst value, unless at most a tenth of the
    values lie so far out, beyond the upper quartile by three interquartile ranges (Tukey's outer
    fence, Exploratory Data Analysis, 1977), that showing them would leave the rest less than half
    of the axis. The axis is logarithmic where what remains is positive and spans a factor of 20, or of
    1,000 where higher is better: a logarithm spreads the low values, which are then the bad ones.
    """
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return ValueAxis(objective, Linear(0.0, 1.0), 0)
    low, high = _limits(finite, objective.sign)
    inside = finite[(finite >= low) & (finite <= high)]
    scale: Linear | Log
    ratio = _LOWER_IS_BETTER if objective.direction == "minimize" else _HIGHER_IS_BETTER
    if spans_decades(inside, ratio) and finite.min() > 0:
        low, high = (float(end) for end in np.exp(_limits(np.log(finite), objective.sign)))
        room = (high / low) ** _MARGIN
        scale = Log(max(low / room, 5e-324), min(high * room, 1.7e308))
    else:
        room = (high / 2 - low / 2) * 2 * _MARGIN or max(abs(high) * _MARGIN, 1e-12)
        scale = Linear(max(low - room, -1.7e308), min(high + room, 1.7e308))
    axis = ValueAxis(objective, scale, 0)
    return ValueAxis(objective, scale, int(axis.outside(finite).sum()))


def _limits(values: NDArray[np.float64], sign: float) -> tuple[float, float]:
    """Robust ends of finite values, low first."""
    turned = values * sign
    best, quarter, most = (float(q) for q in np.quantile(turned, (0.0, 0.25, 0.75)))
    worst = float(turned.max())
    fence = most + _FENCE * (most - quarter)
    rare = float(np.mean(turned > fence)) <= _SHARE
    if rare and np.isfinite(fence) and worst / 2 - best / 2 > fence - best:
        worst = float(turned[turned <= fence].max())
    return (best, worst) if sign > 0 else (-worst, -best)


def share_of_ranks(values: NDArray[np.float64], objective: Objective) -> NDArray[np.float64]:
    """Each value's place among all, from 0 (worst) to 1 (best), shape (n,); ties share the mean of their places.

    Values that are not finite stay nan.
    """
    shares = np.full(values.shape, np.nan)
    known = np.isfinite(values)
    if known.any():
        ranks = average_ranks(-objective.sign * values[known])
        shares[known] = (ranks - 1) / max(known.sum() - 1, 1) if known.sum() > 1 else 1.0
    return shares


def average_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1, ascending, shape (n,); equal values share the mean of their ranks.

    >>> average_ranks(np.array([0.3, 0.1, 0.3])).tolist()
    [2.5, 1.0, 2.5]
    """
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: NDArray[np.float64] = (last - (counts - 1) / 2)[place]
    return ranks
