"""A test for races over bounded losses: who would have grown rich by betting that k is worse than l.

Needs losses of one known range, for each block or, far stronger, for each example. With d_i in [-1, 1] the loss of k
less that of l, in units of the range, the capital

    W_n = prod_i (1 + lambda_i d_i),      lambda_i in [0, 1/2] fixed before d_i is seen,

is a supermartingale wherever k is no worse than l on average, given what was seen before; so P(W_n ever reaches
1 / alpha) <= alpha (Ville). The stakes are

    lambda_i = min(1/2, m_{i-1} / (v_{i-1} + m_{i-1}^2))   for m_{i-1} > 0, otherwise 0,

with m the mean and v the variance of the differences so far, both begun with one imagined difference (0, variance
1/4). k is dropped by l where W_n reached (k_0 - 1) / alpha, for k_0 configurations at the start.

Source: I. Waudby-Smith and A. Ramdas, "Estimating means of bounded random variables by betting", JRSS B 86, 2024, arXiv
2010.09686, abstract read, recalled otherwise (their approximate growth-rate-adaptive stakes).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument, message
from trimtab.base.refs import Reference
from trimtab.trust.racing.race import HOEFFDING_RACES, Told

__all__ = ["Betting", "check_range", "log_capitals"]

MOST_STAKED = 0.5


@final
@dataclass(frozen=True, slots=True)
class Betting:
    """A betting test on paired differences of bounded losses.

    Arguments:
        reach: the highest loss less the lowest that there can be; 1 for errors.
    """

    name: ClassVar[str] = "betting on paired differences of losses"
    statement: ClassVar[str] = (
        "The error is the probability of dropping the configuration with the best true mean, however often one looks. "
        "It needs no distribution, but losses that come one after the other from the same source."
    )
    keeps_best: ClassVar[bool] = True
    refs: ClassVar[tuple[Reference, ...]] = (
        HOEFFDING_RACES,
        Reference(
            authors="Waudby-Smith, Ian and Ramdas, Aaditya",
            title="Estimating means of bounded random variables by betting",
            year=2024,
            venue="Journal of the Royal Statistical Society B 86",
            arxiv="2010.09686",
        ),
    )

    reach: float = 1.0

    def drop(self, told: Told, alpha: float) -> tuple[NDArray[np.bool_], float]:
        """Those against which a gambler grew rich."""
        check_range(told.losses, self.reach)
        rich = np.log(max(told.started - 1, 1) / alpha)
        return (log_capitals(told.losses / self.reach) >= rich).any(axis=1), 0.0


def log_capitals(losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """The highest log capital so far of who bet that k is worse than l, shape (m, m) with k along the rows.

    Arguments:
        losses: shape (n, m), in units of their range.
    """
    count = losses.shape[1]
    total, square = np.zeros((count, count)), np.full((count, count), 0.25)
    capital, highest = np.zeros((count, count)), np.zeros((count, count))
    for seen, row in enumerate(losses, start=1):
        worse = row[:, None] - row
        mean = np.maximum(total / seen, 0.0)
        # v + m^2 is the mean square.
        stake = np.minimum(MOST_STAKED, mean / (square / seen))
        capital += np.log1p(stake * worse)
        np.maximum(highest, capital, out=highest)
        total += worse
        square += worse**2
    return highest


def check_range(losses: NDArray[np.float64], reach: float) -> None:
    """Refuse losses that span more than they were said to.

    Raises:
        InvalidArgument: they do.
    """
    span = float(losses.max() - losses.min())
    if span > reach * (1.0 + 1e-12):
        raise InvalidArgument(
            message(
                "losses span more than the range that the test was told",
                got=span,
                allowed=f"at most reach={reach:g}",
                do="give the range of the loss, or use a test that needs none, such as Predictive()",
            )
        )
