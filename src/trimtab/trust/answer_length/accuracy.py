"""Accuracy by length and by category, with intervals that hold together, and if asked for at every look.

Given their lengths, the answers of different bins are independent. Intervals of level L^(1/k) for each of k bins
therefore hold all together with probability L (Sidak). Two kinds:

- for a log that is looked at once, Clopper and Pearson (1934), Biometrika 26:404, exact;
- for one that grows and is looked at again and again, all rates p that a mixture does not refute: with s right answers
  and f wrong ones so far,

      M(p) = B(s + 1/2, f + 1/2) / (B(1/2, 1/2) p^s (1 - p)^f)

  is a martingale at the true p (a likelihood ratio mixed over Beta(1/2, 1/2)), so it ever reaches 1 / (1 - level) with
  probability 1 - level at most (Ville 1939; H. Robbins, "Statistical methods related to the law of the iterated
  logarithm", Annals of Mathematical Statistics 41, 1970, recalled). The bins must be fixed before the log begins.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument, check_count, message
from trimtab.base.records import Interval
from trimtab.trust.answer_length.log import AnswerLog
from trimtab.trust.intervals import binomial_interval

__all__ = ["ErrorRow", "LengthBin", "accuracy_by_length", "anytime_rate", "error_table", "isotonic_accuracy"]


@final
@dataclass(frozen=True, slots=True)
class LengthBin:
    """The answers of some lengths.

    Arguments:
        low: lengths are at least this,
        high: and below this, or equal to it in the last bin.
        count: how many answers.
        correct: how many were right.
        interval: of the accuracy; it holds for all bins together.
    """

    low: float
    high: float
    count: int
    correct: int
    interval: Interval

    @property
    def accuracy(self) -> float:
        """The share of right answers; nan where there are none."""
        return self.correct / self.count if self.count else math.nan


@final
@dataclass(frozen=True, slots=True)
class ErrorRow:
    """The errors of one category.

    Arguments:
        category: its name.
        count: how many answers.
        wrong: how many were wrong.
        interval: of the error rate; it holds for all categories together.
        median_right: length of the right answers; nan where there are none.
        median_wrong: length of the wrong answers, likewise.
    """

    category: str
    count: int
    wrong: int
    interval: Interval
    median_right: float
    median_wrong: float


def accuracy_by_length(
    log: AnswerLog,
    *,
    bins: int = 5,
    edges: Sequence[float] | None = None,
    level: float = 0.95,
    anytime: bool = False,
) -> tuple[LengthBin, ...]:
    """The accuracy of short answers, of longer ones, and so on.

    Arguments:
        log: the answers.
        bins: how many bins of about equal counts to make, where no edges are given; equal lengths stay together, so
            there may be fewer.
        edges: inner edges between bins, ascending; with k - 1 of them there are k bins.
        level: with which all intervals hold together.
        anytime: whether they must hold at every look at a growing log; needs `edges`, fixed before it began.

    Raises:
        InvalidArgument: a count, level or edges that cannot be, or `anytime` without edges.
    """
    if not 0.0 < level < 1.0:
        raise InvalidArgument(
            message("level must lie between 0 and 1", got=level, allowed="0 < level < 1", do="use 0.95 for 95%")
        )
    if anytime and edges is None:
        raise InvalidArgument(
            message(
                "intervals that hold at every look need bins that do not move with the data",
                do="give edges=, fixed before the first answer",
            )
        )
    inner = _quantiles(log, bins) if edges is None else np.asarray(edges, dtype=np.float64)
    if inner.ndim != 1 or not np.isfinite(inner).all() or bool((np.diff(inner) <= 0.0).any()):
        raise InvalidArgument(message("edges must be finite and ascend", got=edges, allowed="e.g. [1000, 2000, 4000]"))
    places = np.searchsorted(inner, log.lengths, side="right")
    count = len(inner) + 1
    ends = np.concatenate([[min(float(log.lengths.min()), 0.0)], inner, [max(float(log.lengths.max()), *inner, 0.0)]])
    each = level ** (1.0 / count)
    rows = []
    for place in range(count):
        right = log.correct[places == place]
        total, good = len(right), int(right.sum())
        interval = _rate(good, total, each, anytime)
        rows.append(LengthBin(float(ends[place]), float(ends[place + 1]), total, good, interval))
    return tuple(rows)


def error_table(log: AnswerLog, *, level: float = 0.95) -> tuple[ErrorRow, ...]:
    """The errors of each category, with the lengths of right and wrong answers.

    Arguments:
        log: the answers.
        level: with which all intervals hold together, for one look.

    Raises:
        InvalidArgument: a level outside (0, 1).
    """
    each = level ** (1.0 / len(log.names)) if 0.0 < level < 1.0 else level
    rows = []
    for stratum, name in enumerate(log.names):
        inside = log.strata == stratum
        right, lengths = log.correct[inside], log.lengths[inside]
        wrong = int((~right).sum())
        interval = binomial_interval(wrong, len(right), each)
        rows.append(ErrorRow(name, len(right), wrong, interval, *(_median(lengths[kind]) for kind in (right, ~right))))
    return tuple(rows)


def anytime_rate(successes: int, total: int, level: float = 0.95) -> Interval:
    """The interval of a rate that holds at every look at a growing sample.

    Arguments:
        successes: so far, 0 <= successes <= total.
        total: how many independent answers so far, at least 0.
        level: with which the true rate lies in the intervals of all times at once.

    Raises:
        InvalidArgument: counts or a level that cannot be.

    >>> seen = anytime_rate(96, 100)
    >>> round(seen.low, 3), round(seen.high, 3)
    (0.86, 0.996)
    """
    from scipy.special import betaln

    if not 0.0 < level < 1.0 or not 0 <= successes <= total:
        raise InvalidArgument(
            message(
                "a rate needs counts and a level",
                got=(successes, total, level),
                allowed="0 <= successes <= total, 0 < level < 1",
            )
        )
    wrong = total - successes
    # log M(p) is convex with its least value at successes / total.
    bound = math.log(1.0 - level) + float(betaln(successes + 0.5, wrong + 0.5) - betaln(0.5, 0.5))

    def refuted(p: float) -> bool:
        return bound - successes * math.log(p) - wrong * math.log1p(-p) > 0.0

    def end(inside: float, outside: float) -> float:
        for _ in range(60):
            middle = (inside + outside) / 2.0
            inside, outside = (inside, middle) if refuted(middle) else (middle, outside)
        return outside

    rate = successes / total if total else 0.5
    low = 0.0 if successes == 0 else end(rate, 0.0)
    high = 1.0 if wrong == 0 else end(rate, 1.0)
    return Interval(low, high, level)


def isotonic_accuracy(log: AnswerLog) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The accuracy as a function of length that never rises and fits best, by pooling adjacent violators.

    R. E. Barlow, D. J. Bartholomew, J. M. Bremner and H. D. Brunk, "Statistical inference under order restrictions",
    1972, recalled. It has no interval, and it falls even where there is nothing but noise; `length_association` tells.

    Returns:
        The distinct lengths, ascending, and the fitted accuracy at each, both of shape (m,).
    """
    lengths, places = np.unique(log.lengths, return_inverse=True)
    right = np.bincount(places, weights=log.correct, minlength=len(lengths))
    blocks: list[tuple[float, float, int]] = []
    for good, count in zip(right, np.bincount(places, minlength=len(lengths)), strict=True):
        blocks.append((float(good), float(count), 1))
        while len(blocks) > 1 and blocks[-1][0] * blocks[-2][1] > blocks[-2][0] * blocks[-1][1]:
            (g2, c2, n2), (g1, c1, n1) = blocks.pop(), blocks.pop()
            blocks.append((g1 + g2, c1 + c2, n1 + n2))
    return lengths, np.concatenate([np.full(n, good / count) for good, count, n in blocks])


def _quantiles(log: AnswerLog, bins: int) -> NDArray[np.float64]:
    """Distinct inner edges between bins of about equal counts, none of them empty."""
    check_count(bins, "the number of bins")
    edges = np.unique(np.quantile(log.lengths, np.arange(1, bins) / bins))
    return np.asarray(edges[edges > log.lengths.min()], dtype=np.float64)


def _rate(good: int, total: int, level: float, anytime: bool) -> Interval:
    """The interval of an accuracy; everything where there is no answer."""
    if anytime:
        return anytime_rate(good, total, level)
    return binomial_interval(good, total, level) if total else Interval(0.0, 1.0, level)


def _median(values: NDArray[np.float64]) -> float:
    """The median, nan of nothing."""
    return float(np.median(values)) if values.size else math.nan
