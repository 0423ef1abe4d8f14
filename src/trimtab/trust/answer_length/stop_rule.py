"""A stop rule from reasoning length: beyond which length not to take an answer, and whether the log supports that.

1. Whether there is anything to find is tested on the whole log: that long answers are not more often wrong, within
   categories (`trimtab.trust.answer_length.association`). The test is exact, so a rule fires in at most alpha of logs
   in which length says nothing.
2. The log is split at random into two halves, A and B, and the threshold theta is chosen on A. With `worth`, what an
   answer that is not taken is worth (a right one is worth 1, a wrong one 0; so .6 where asking again or a person is
   right in 60% after costs), theta maximises the mean of 1{L <= theta} correct + 1{L > theta} worth. Without, theta is
   the place of a fall in accuracy from p to q < p with the highest likelihood.
3. B is looked at once, with theta given: the accuracy on both sides with exact intervals, and the probability of as
   many wrong answers beyond theta if length said nothing, given all margins (a sum of independent hypergeometric
   numbers, one for each category). The rule fires where 1 was passed and accuracy is lower beyond theta than up to it
   on B; with `worth` it must also be below `worth` there by an exact binomial test of level alpha.

A rule that fires says when to stop and abstain, ask again, or hand the question over. It never says to cut an answer
short: a truncated answer is another answer, of which the log tells nothing.

The idea of a confidence signal from length: B. Moell, F. Sand Aronsson and S. Akbar, "Medical reasoning in LLMs: an
in-depth analysis of DeepSeek R1", Frontiers in Artificial Intelligence 8, 2025, arXiv 2504.00016, abstract read. The
procedure is this library's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument, message
from trimtab.base.records import Interval
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.trust.answer_length.association import length_association
from trimtab.trust.answer_length.log import AnswerLog
from trimtab.trust.intervals import binomial_interval

__all__ = ["Side", "StopRule", "fit_stop_rule"]

LEAST = 5
"""Answers that must lie on either side of a threshold, in the half that it is chosen on."""


@final
@dataclass(frozen=True, slots=True)
class Side:
    """The answers of half B on one side of the threshold.

    Arguments:
        count: how many.
        correct: how many were right.
        interval: of the accuracy; those of both sides hold together with its level, squared.
    """

    count: int
    correct: int
    interval: Interval


@final
@dataclass(frozen=True, slots=True)
class StopRule:
    """A threshold of length, and what the half of the log that had no part in choosing it says.

    Arguments:
        fires: whether the log supports stopping beyond the threshold.
        threshold: stop where an answer is longer; infinite where none could be chosen.
        p_value: of the test on the whole log that length says nothing; 1 where there was nothing to test.
        confirmation: p-value of the threshold on half B alone; likewise.
        within: the answers of half B up to the threshold.
        beyond: those beyond it.
        alpha: at most this share of logs in which length says nothing have a rule that fires.
        worth: what an answer that is not taken is worth; None if that was not told.
        reason: why it fires or does not, in plain words.
    """

    refs: ClassVar[tuple[Reference, ...]] = (
        Reference(
            authors="Moell, Birger and Sand Aronsson, Fredrik and Akbar, Sanian",
            title="Medical reasoning in LLMs: an in-depth analysis of DeepSeek R1",
            year=2025,
            venue="Frontiers in Artificial Intelligence 8",
            arxiv="2504.00016",
        ),
    )

    fires: bool
    threshold: float
    p_value: float
    confirmation: float
    within: Side
    beyond: Side
    alpha: float
    worth: float | None
    reason: str

    def stops(self, length: float) -> bool:
        """Whether to abstain, ask again or hand over, for an answer that has become this long."""
        return self.fires and length > self.threshold

    @property
    def caveats(self) -> tuple[str, ...]:
        """What it does not say."""
        return (
            "Not to take a long answer is no reason to cut it short: a truncated answer is another answer.",
            "Long answers may be wrong because their questions are hard; stopping then does not make others right.",
            "The threshold holds for this model, this kind of question and this unit of length.",
        )

    def __str__(self) -> str:
        """A few plain lines for people."""
        lines = [f"{'Stop' if self.fires else 'No stop rule'}: {self.reason}"]
        for name, side in (("up to it", self.within), ("beyond it", self.beyond)):
            if side.count:
                low, high = side.interval.low, side.interval.high
                lines.append(
                    f"  {name}: {side.correct} of {side.count} right on the half that had no part in choosing it "
                    f"(interval {low:.3f} to {high:.3f})"
                )
        return "\n".join([*lines, *(f"  note: {caveat}" for caveat in self.caveats)])


def fit_stop_rule(
    log: AnswerLog, *, key: Key, worth: float | None = None, alpha: float = 0.025, level: float = 0.95
) -> StopRule:
    """Choose a threshold on one half of a log and look at it once on the other.

    Fit it once: the best of several rules from several keys or values of `worth` has not the error alpha.

    Arguments:
        log: the answers.
        key: of the split.
        worth: what an answer that is not taken is worth, between 0 and 1, where a right answer is worth 1 and a wrong
            one 0; None to look for the place where accuracy falls.
        alpha: the share of logs in which length says nothing whose rule may fire.
        level: with which the intervals of both sides hold together.

    Raises:
        InvalidArgument: an alpha, level or worth that cannot be, or fewer than 4 answers.
    """
    _check(log, worth, alpha, level)
    order = key.child("halves").generator().permutation(len(log))
    chosen_on, tested_on = log.take(order[: len(log) // 2]), log.take(order[len(log) // 2 :])
    threshold = _threshold(chosen_on, worth)
    beyond = tested_on.lengths > threshold
    each = math.sqrt(level)
    sides = [_side(tested_on.correct[mask], each) for mask in (~beyond, beyond)]
    p_value, confirmation, fires = 1.0, 1.0, False
    if math.isinf(threshold):
        reason = "the half that it is chosen on shows no fall of accuracy with length"
    else:
        p_value, confirmation = _association(log, key), _exact_tail(tested_on, beyond)
        fires, reason = _verdict(threshold, p_value, sides, worth, alpha)
    return StopRule(fires, threshold, p_value, confirmation, sides[0], sides[1], alpha, worth, reason)


def _association(log: AnswerLog, key: Key) -> float:
    """The p-value of the whole log; 1 where no category has both right and wrong answers."""
    both = set(log.strata[log.correct]) & set(log.strata[~log.correct])
    return length_association(log, key=key).p_value if both else 1.0


def _verdict(
    threshold: float, p_value: float, sides: list[Side], worth: float | None, alpha: float
) -> tuple[bool, str]:
    """Whether to stop, and why."""
    within, beyond = sides
    if p_value > alpha:
        return False, f"that long answers are more often wrong is not shown (p = {p_value:.2g})"
    shown = f"long answers are more often wrong (p = {p_value:.2g}), but"
    if not beyond.count or not within.count or beyond.correct * within.count >= within.correct * beyond.count:
        return False, f"{shown} not beyond {threshold:.6g} on the half that had no part in choosing it"
    if worth is not None:
        highest = binomial_interval(beyond.correct, beyond.count, 1.0 - 2.0 * alpha).high
        if highest >= worth:
            return False, f"{shown} that fewer than {worth:.0%} are right beyond {threshold:.6g} is not shown"
    return True, f"long answers are more often wrong (p = {p_value:.2g}); do not take one longer than {threshold:.6g}"


def _check(log: AnswerLog, worth: float | None, alpha: float, level: float) -> None:
    """Refuse what no rule follows from."""
    for name, value in (("alpha", alpha), ("level", level), ("worth", 0.5 if worth is None else worth)):
        if not 0.0 < value < 1.0:
            raise InvalidArgument(message(f"{name} must lie between 0 and 1", got=value, allowed=f"0 < {name} < 1"))
    if len(log) < 4:
        raise InvalidArgument(
            message("a stop rule needs two halves of a log", got=len(log), allowed="4 answers or more")
        )


def _threshold(log: AnswerLog, worth: float | None) -> float:
    """The best threshold on this half, halfway between two lengths; infinite where there is none."""
    order = np.argsort(log.lengths, kind="stable")
    lengths, right = log.lengths[order], log.correct[order].astype(np.float64)
    count = np.arange(1, len(lengths))
    usable = (np.diff(lengths) > 0.0) & (count >= LEAST) & (len(lengths) - count >= LEAST)
    inside = np.cumsum(right)[:-1]
    outside = right.sum() - inside
    rest = len(lengths) - count
    usable &= inside * rest > outside * count
    if worth is None:
        scores = _log_likelihood(inside, count) + _log_likelihood(outside, rest)
    else:
        scores = inside + worth * rest
        usable &= scores > right.sum()
    if not usable.any():
        return math.inf
    place = int(np.argmax(np.where(usable, scores, -np.inf)))
    return float(lengths[place] + lengths[place + 1]) / 2.0


def _log_likelihood(right: NDArray[np.float64], count: NDArray[np.intp]) -> NDArray[np.float64]:
    """Of so many right answers among `count` at the rate that fits best."""
    wrong = count - right
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = [np.where(some > 0.0, some * np.log(some / count), 0.0) for some in (right, wrong)]
    return np.asarray(terms[0] + terms[1], dtype=np.float64)


def _side(right: NDArray[np.bool_], level: float) -> Side:
    """The record of some answers."""
    good, count = int(right.sum()), len(right)
    return Side(count, good, binomial_interval(good, count, level) if count else Interval(0.0, 1.0, level))


def _exact_tail(log: AnswerLog, beyond: NDArray[np.bool_]) -> float:
    """P(as many wrong answers beyond or more), given how many of each category lie beyond and how many are wrong."""
    from scipy.stats import hypergeom

    chances, seen = np.ones(1), 0
    for stratum in range(len(log.names)):
        inside = log.strata == stratum
        wrong, far = inside & ~log.correct, inside & beyond
        most = min(int(wrong.sum()), int(far.sum()))
        each = hypergeom.pmf(np.arange(most + 1), int(inside.sum()), int(wrong.sum()), int(far.sum()))
        chances = np.convolve(chances, each)
        seen += int((wrong & far).sum())
    return float(min(chances[seen:].sum(), 1.0))
