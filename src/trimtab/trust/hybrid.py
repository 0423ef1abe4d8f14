"""Hybrid intervals: conditional on the choice, inside a simultaneous interval.

Andrews, Kitagawa and McCloskey (2024), Inference on Winners, Quarterly Journal of Economics 139:305. A conditional
interval (`trimtab.trust.conditional`) has its level but may be endless; a simultaneous one
(`trimtab.trust.simultaneous`) is short where all trials are equal, and too long elsewhere. The hybrid spends b =
a/10 of the error a on a simultaneous interval of level 1 - b and conditions on its being right as well: y_j is
truncated to the limits of the choice and to what theta's own simultaneous interval allows,

    interval = { theta : |y_j - theta| <= q s_j  and  F(y_j; theta) in [t, 1 - t] },      2 t = (a - b) / (1 - b),

with F the distribution function of N(theta, s_j^2) truncated to [max(L, theta - q s_j), min(U, theta + q s_j)].
Given the choice, the rest of the data and that theta lies in the simultaneous interval, it covers with probability
(1 - a)/(1 - b) exactly; that it lies there has probability 1 - b at least. So, for normal noise of known size and
any true values,

    1 - a  <=  coverage  <=  (1 - a)/(1 - b),      .95 to .9548 for 95%,

and it is never longer than the simultaneous interval of level 1 - b. That argument does not depend on the normal
distribution, only on F; so it carries over:

- `hybrid_interval`: normal noise of known size. Exact.
- `hybrid_student`: replicates with one pooled variance, s^2 with d degrees of freedom. Given r^2 = R_j (y_j -
  theta)^2 + d s^2, which says all about the unknown variance, T = sqrt(R_j) (y_j - theta) / s is Student's t with d
  degrees of freedom, and the choice truncates it: the selective t of Fithian, Sun and Taylor (2014), Optimal
  Inference After Model Selection, arXiv 1410.2597. Exact, where the counts R were fixed beforehand.
- `hybrid_rate`: 0/1 losses. The truncated binomial in place of the truncated normal, inside the interval of Clopper
  and Pearson. Counts are coarse where the choice cuts them off: the largest count allowed often has a third of the
  whole probability, so a test that may reject (1 - l)/2 at each side, l = (1 - a)/(1 - b), rejects nothing there,
  and covers .973 to .978 for equal trials. So counts are ordered by the smaller of their two tails, as Blaker (2000,
  Canadian Journal of Statistics 28:783) does, and what one side cannot reject the other may. With m(x) the
  probability of less than x errors and half of that of x (Lancaster's mid-p),

      p(x) = P(t(X) < t(x)) + P(t(X) = t(x)) / 2,      t(x) = min(m(x), 1 - m(x)),

  and the interval goes from the first rate with p > 1 - l to the last. Measured with a correlation of .5, 4,000
  studies each: .960 for 20 equal trials on 200 examples, .963 where they are spread, .963 for a search of 60. For
  one trial, enumerated: .943 to .959 for rates over .05 and 200 examples, .923 to .994 for lower ones and fewer.
- `hybrid_mean`: real losses. The studentized mean, with its skewness removed by Hall's (1992) cubic transformation,
  Journal of the Royal Statistical Society B 54:221. Approximate.

Noise that is shared. The exact forms take the noise of trials as independent, and trials that were scored on the
same examples have much of it in common. Then a near tie says little, where independent noise makes it a reason to
think y_j too low; with a correlation of .9 and 20 equal trials the exact form covers .84. The correlation r is not
known from standard errors alone; were it, the limits would be as far again as 1 / (1 - r) from y_j. So by default
only the unfavourable end is that of independent noise. The favourable one, which a near tie would move, takes r =
max(.5, 1 - Q), Q the spread of the values in units of their noise, chi-squared over its degrees of freedom
(`shared_noise`). Measured on 20 and 100 trials (4,000 draws each; true values equal or with a spread of .5, 1 or 2
standard errors):

    correlation        0          .5         .8         .9         .95        .99
    exact form      .949-.958  .947-.955  .898-.938  .825-.932  .735-.927  .471-.921
    the default     .958-.969  .969-.977  .951-.977  .942-.979  .924-.977  .917-.978

Dependence between trials that share examples enters per-example losses through the limits alone, with covariances
estimated from the losses: approximate too. The paper's text was not at hand; its result was recalled, and the
argument above is complete. The two last forms are not in it. All of it is for trials that were fixed beforehand;
`dev/studies/selection_coverage.py` measures searches.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from trimtab.base.refs import Reference
from trimtab.trust.conditional import Limits, truncated_normal
from trimtab.trust.intervals import binomial_interval
from trimtab.trust.ties import comparison_bound

__all__ = [
    "GUARDED",
    "HYBRID",
    "INFERENCE_ON_WINNERS",
    "hybrid_interval",
    "hybrid_mean",
    "hybrid_rate",
    "hybrid_student",
    "shared_noise",
    "spend",
]

Floats = NDArray[np.float64]

INFERENCE_ON_WINNERS = Reference(
    authors="Andrews, Isaiah and Kitagawa, Toru and McCloskey, Adam",
    title="Inference on winners",
    year=2024,
    venue="Quarterly Journal of Economics 139, 305-358",
)

HYBRID = "hybrid interval (conditional on the choice, within the simultaneous one)"
GUARDED = f"{HYBRID[:-1]}, its good end for noise that is half shared)"
"""What a selection says of it."""

_SPENT = 0.1
"""Part of the error that the simultaneous interval gets."""
_POINTS = 1_001
_ROUNDING = 1e-9
"""By which an angle may miss its limit: a trial that ties with another lies on it."""
_SHARED = 0.5
_MOST_SHARED = 0.999


def spend(level: float) -> tuple[float, float]:
    """The level of the simultaneous interval, 1 - b, and that given it, (1 - a)/(1 - b)."""
    outer = 1.0 - _SPENT * (1.0 - level)
    return outer, level / outer


def shared_noise(means: Floats, errors: Floats) -> float:
    """How correlated the noise of trials has to be taken, from 0.5 up to 0.999 where they agree better than it allows.

    Arguments:
        means: shape (k,).
        errors: their standard errors, shape (k,), above 0.
    """
    if len(means) < 2:
        return _SHARED
    weights = 1.0 / errors**2
    centre = float(weights @ means) / float(weights.sum())
    return min(max(_SHARED, 1.0 - float(weights @ (means - centre) ** 2) / (len(means) - 1)), _MOST_SHARED)


def hybrid_interval(estimate: float, error: float, limits: Limits, reach: float, level: float) -> tuple[float, float]:
    """The interval of a chosen trial with normal noise of known size.

    Arguments:
        estimate: y_j.
        error: its standard error; 0 gives a point.
        limits: of the choice.
        reach: q, of the simultaneous interval at the first of the levels that `spend` gives.
        level: such as 0.95.
    """
    if error == 0.0:
        return estimate, estimate
    theta = np.linspace(estimate - reach * error, estimate + reach * error, _POINTS)
    return _accepted(theta, _two_sided(truncated_normal(estimate, error, limits, theta, reach)), level)


def hybrid_student(
    place: int,
    means: Floats,
    counts: NDArray[np.intp],
    spread: float,
    freedom: int,
    reach: float,
    level: float,
) -> tuple[float, float]:
    """The interval of a configuration that `ties.surest` chose, with normal noise of one, estimated size.

    Arguments:
        place: of the chosen one.
        means: over the evaluations of each configuration, shape (k,), lower is better.
        counts: R, how many evaluations, fixed beforehand, shape (k,).
        spread: s, the pooled standard deviation of one evaluation, above 0.
        freedom: d, its degrees of freedom.
        reach: the factor of the simultaneous interval at the first of the levels that `spend` gives.
        level: such as 0.95.
    """
    from scipy.special import stdtr

    scale, root = 1.0 / math.sqrt(counts[place]), math.sqrt(freedom)
    theta = float(means[place]) + np.linspace(-reach, reach, _POINTS) * spread * scale
    # In the plane of y_j - theta and s, what is given is the length r, and what is left is the angle, T = sqrt(d) tan.
    angle = np.arctan2((means[place] - theta) / scale, root * spread)
    length = np.hypot((means[place] - theta) / scale, root * spread)
    low, high = np.full(_POINTS, -math.pi / 2.0), np.full(_POINTS, math.pi / 2.0)
    bound, rivals = comparison_bound(len(means), level), np.arange(len(means)) != place
    for count in np.unique(counts[rivals]):
        # The choice says a sin + b cos <= w / r of the angle, with the lowest mean of each count.
        lowest = float(means[rivals & (counts == count)].min())
        tilt = bound * (scale - 1.0 / math.sqrt(count)) / root
        top = np.arcsin(np.clip((lowest - theta) / (length * math.hypot(scale, tilt)), -1.0, 1.0))
        turn = math.atan2(tilt, scale)
        under = angle <= top - turn + _ROUNDING
        high = np.where(under, np.minimum(high, top - turn), high)
        low = np.where(under, low, np.maximum(low, math.pi - top - turn))
    here = root * np.tan(angle)
    first, last = (np.clip(root * np.tan(end), -reach, reach) for end in (low, high))
    start, end = stdtr(freedom, np.minimum(first, here)), stdtr(freedom, np.maximum(last, here))
    return _accepted(theta, _two_sided(_share(start, stdtr(freedom, here), end)), level)


def hybrid_rate(count: int, total: int, limits: Limits, tail: float, level: float) -> tuple[float, float]:
    """The interval of the rate of a chosen trial.

    Arguments:
        count: x_j, its number of errors.
        total: n, the number of examples.
        limits: of the choice, in counts; half a count is added here.
        tail: of one trial, at each side, in the simultaneous interval.
        level: such as 0.95.
    """
    outer = binomial_interval(count, total, level=1.0 - 2.0 * tail)
    rates = np.linspace(outer.low, outer.high, _POINTS)
    low, high = _allowed(rates, total, tail)
    low = np.minimum(np.maximum(low, limits.low), count) - 0.5
    high = np.maximum(np.minimum(high, limits.high), count) + 0.5
    return _accepted(rates, _ordered_by_tails(count, total, rates, low, high), level)


def _ordered_by_tails(count: int, total: int, rates: Floats, low: Floats, high: Floats) -> Floats:
    """p(count) of each rate, for counts that are evenly spread over half a count to both sides and then truncated.

    Arguments:
        count: the observed one.
        total: n, the number of examples.
        rates: shape (r,), within (0, 1) where `count` is.
        low: where counts are cut off, shape (r,), at most count - 1/2.
        high: likewise, at least count + 1/2.
    """
    from scipy.special import bdtr, bdtrik

    def upto(whole: Floats) -> Floats:
        return np.where(whole < 0.0, 0.0, bdtr(np.clip(whole, 0.0, total), total, rates))

    def below(point: Floats | float) -> Floats:
        whole = np.floor(np.asarray(point) + 0.5)
        before = upto(whole - 1.0)
        return np.asarray(before + (point + 0.5 - whole) * (upto(whole) - before), dtype=np.float64)

    start, end = below(low), below(high)
    share = _share(start, below(count), end)
    tail, left = np.minimum(share, 1.0 - share), share < 0.5
    # The count of the other side that has the same tail: it is rejected as well where its middle lies farther out.
    wanted = start + np.where(left, 1.0 - tail, tail) * (end - start)
    same = np.ceil(np.clip(bdtrik(wanted, total, rates), 0.0, total) - 1e-9)
    same += upto(same) < wanted
    same -= upto(same - 1.0) >= wanted
    first, last = np.maximum(same - 0.5, low), np.minimum(same + 0.5, high)
    middle = below((first + last) / 2.0)
    other = np.where(
        left, end - below(np.where(middle > wanted, first, last)), below(np.where(middle < wanted, last, first)) - start
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        p: Floats = np.where(end > start, tail + other / (end - start), 1.0)
    return p


def _allowed(rates: Floats, total: int, tail: float) -> tuple[Floats, Floats]:
    """The least and the largest count whose interval of Clopper and Pearson holds a rate."""
    from scipy.special import bdtr, bdtrik

    low = np.ceil(np.maximum(bdtrik(tail, total, rates), 0.0) - 1e-9)
    low += bdtr(low, total, rates) <= tail
    high = np.floor(np.minimum(bdtrik(1.0 - tail, total, rates), total - 1.0) + 1e-9) + 1.0
    return low, high


def hybrid_mean(
    mean: float, error: float, limits: Limits, reach: tuple[float, float], skewness: float, freedom: int, level: float
) -> tuple[float, float]:
    """The interval of the mean of a chosen trial's real losses.

    Arguments:
        mean: m_j.
        error: its standard error, above 0.
        limits: of the choice.
        reach: the ends of the studentized mean, low < 0 < high, in the simultaneous interval.
        skewness: of the mean: that of the losses over sqrt(n).
        freedom: degrees of freedom of the error, n - 1.
        level: such as 0.95.
    """
    from scipy.special import stdtr

    theta = np.linspace(mean - reach[1] * error, mean - reach[0] * error, _POINTS)

    def below(t: Floats) -> Floats:
        # A cube of 1 + k t / 3, so it rises everywhere.
        k = skewness
        return np.asarray(stdtr(freedom, t + k * t**2 / 3.0 + k**2 * t**3 / 27.0 + k / 6.0), dtype=np.float64)

    here = (mean - theta) / error
    low = np.minimum(np.maximum((limits.low - theta) / error, reach[0]), here)
    high = np.maximum(np.minimum((limits.high - theta) / error, reach[1]), here)
    return _accepted(theta, _two_sided(_share(below(low), below(here), below(high))), level)


def _share(start: Floats, here: Floats, end: Floats) -> Floats:
    """Where a value stands between two limits, all three as probabilities; 0.5 where nothing is between."""
    with np.errstate(invalid="ignore", divide="ignore"):
        share: Floats = np.where(end > start, (here - start) / (end - start), 0.5)
    return share


def _two_sided(share: Floats) -> Floats:
    """The probability of being as far from the middle."""
    return np.asarray(2.0 * np.minimum(share, 1.0 - share), dtype=np.float64)


def _accepted(theta: Floats, p: Floats, level: float) -> tuple[float, float]:
    """From the first to the last theta, on a grid or between its points, that p-values do not reject."""
    least = 1.0 - spend(level)[1]

    def first(theta: Floats, p: Floats) -> float:
        place = int(np.argmax(p >= least))
        if p[place] < least or place == 0:
            return float(theta[0])
        step = (least - p[place - 1]) / (p[place] - p[place - 1])
        return float(theta[place - 1] + step * (theta[place] - theta[place - 1]))

    return first(theta, p), first(theta[::-1], p[::-1])
