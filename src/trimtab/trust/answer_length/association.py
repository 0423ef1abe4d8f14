"""Whether long answers are more often wrong: the area under the curve of length for error, tested exactly.

The area A is the probability that a wrong answer is longer than a right one (ties count half), over pairs of the same
category:

    A = sum_c U_c / sum_c w_c r_c,      U_c of Mann and Whitney for the w_c wrong and r_c right answers of category c.

- Test that length says nothing within categories: then all assignments of rights and wrongs to lengths are equally
  likely there, and p = (1 + draws with a sum of U_c at least as large) / (1 + draws) is at most alpha with probability
  at most alpha, exactly and for however few errors. (A bootstrap interval of A would be approximate, and is far off for
  a handful of errors.)
- Interval of A by inverting a score test with the variance that A itself implies where lengths are exponential,

      V_c(A) = A (1 - A) (1 + N (1 - A) / (2 - A) + N A / (1 + A)) / (w_c r_c),      N = (w_c + r_c) / 2 - 1,

  (J. A. Hanley and B. J. McNeil, Radiology 143, 1982; R. G. Newcombe, Statistics in Medicine 25, 2006; recalled.)
  It is approximate, and does not collapse at A = 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument, message
from trimtab.base.records import Interval
from trimtab.base.seeds import Key
from trimtab.trust.answer_length.log import AnswerLog
from trimtab.trust.quantiles import normal_quantile
from trimtab.trust.resampling import chunks

__all__ = ["Association", "length_association"]

DRAWS = 2_000


@final
@dataclass(frozen=True, slots=True)
class Association:
    """What length says of errors.

    Arguments:
        area: the probability that a wrong answer is longer than a right one of its category; 1/2 where length says
            nothing.
        interval: of the area, approximate.
        p_value: of the test that length says nothing, against long answers being more often wrong; exact.
        wrong: how many wrong answers were compared.
        right: how many right ones.
        categories: how many categories had both.
    """

    area: float
    interval: Interval
    p_value: float
    wrong: int
    right: int
    categories: int

    def __str__(self) -> str:
        """One plain sentence or two."""
        within = f" of its category ({self.categories} of them)" if self.categories > 1 else ""
        return (
            f"A wrong answer is longer than a right one{within} with probability {self.area:.3f} "
            f"({self.interval.level:.0%} interval {self.interval.low:.3f} to {self.interval.high:.3f}; "
            f"{self.wrong} wrong, {self.right} right); p = {self.p_value:.2g}. That says nothing of whether length "
            "causes errors."
        )


def length_association(log: AnswerLog, *, level: float = 0.95, key: Key) -> Association:
    """Whether long answers are more often wrong.

    Arguments:
        log: the answers.
        level: of the interval.
        key: of the random assignments of the test.

    Raises:
        InvalidArgument: no category has both right and wrong answers, or a level outside (0, 1).
    """
    if not 0.0 < level < 1.0:
        raise InvalidArgument(
            message("level must lie between 0 and 1", got=level, allowed="0 < level < 1", do="use 0.95 for 95%")
        )
    parts = [
        (_ranks(log.lengths[inside]), int((~log.correct[inside]).sum()), log.correct[inside])
        for stratum in range(len(log.names))
        if 0 < int((inside := log.strata == stratum)[~log.correct].sum()) < int(inside.sum())
    ]
    if not parts:
        raise InvalidArgument(
            message(
                "no category has both right and wrong answers, so their lengths cannot be compared",
                got=f"{int((~log.correct).sum())} wrong of {len(log)}",
                do="log more answers, or leave categories out",
            )
        )
    sizes = [(wrong, len(ranks) - wrong) for ranks, wrong, _ in parts]
    pairs = sum(wrong * right for wrong, right in sizes)
    # U is the sum of ranks less what it is at least; these constants are the same in every draw.
    least = sum(wrong * (wrong + 1) / 2.0 for wrong, _ in sizes)
    seen = sum(float(ranks[~right].sum()) for ranks, _, right in parts)
    as_large = 0
    rng = key.child("assignments").generator()
    for size in chunks(DRAWS, len(log)):
        drawn = np.zeros(size)
        for ranks, wrong, _ in parts:
            drawn += rng.permuted(np.broadcast_to(ranks, (size, len(ranks))), axis=1)[:, :wrong].sum(axis=1)
        as_large += int((drawn >= seen - 1e-9).sum())
    area = (seen - least) / pairs
    return Association(
        area,
        _score_interval(area, sizes, level),
        (1 + as_large) / (1 + DRAWS),
        sum(wrong for wrong, _ in sizes),
        sum(right for _, right in sizes),
        len(parts),
    )


def _ranks(lengths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1, ties sharing their mean."""
    _, places, counts = np.unique(lengths, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2.0)[places], dtype=np.float64)


def _score_interval(area: float, sizes: list[tuple[int, int]], level: float) -> Interval:
    """All A with |area - A| <= z sqrt(V(A)), each end by bisection."""
    z, pairs = normal_quantile((1.0 - level) / 2.0), sum(wrong * right for wrong, right in sizes)

    def outside(a: float) -> bool:
        total = 0.0
        for wrong, right in sizes:
            more = (wrong + right) / 2.0 - 1.0
            single = a * (1.0 - a) * (1.0 + more * ((1.0 - a) / (2.0 - a) + a / (1.0 + a)))
            total += wrong * right * single
        return abs(area - a) > z * math.sqrt(total) / pairs

    def end(inside: float, far: float) -> float:
        if not outside(far):
            return far
        for _ in range(60):
            middle = (inside + far) / 2.0
            inside, far = (inside, middle) if outside(middle) else (middle, far)
        return far

    return Interval(end(area, 0.0), end(area, 1.0), level)
