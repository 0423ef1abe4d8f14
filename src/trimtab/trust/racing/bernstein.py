"""Tests for races over bounded losses by union bounds: Hoeffding's inequality, and Bernstein's with the variance seen.

Need losses of one known range, for each block or each example. With d_i in [-R, R] the loss of k less that of l, n of
them with mean m and standard deviation s (divisor n), and delta_n = alpha / ((k_0 - 1) n (n + 1)), which sums to
alpha / (k_0 - 1) over all n, k is dropped by l where m exceeds

    Hoeffding:            2 R sqrt(ln(1 / delta_n) / (2 n)),
    empirical Bernstein:  s sqrt(2 ln(3 / delta_n) / n) + 6 R ln(3 / delta_n) / n.

Sources: O. Maron and A. Moore, "Hoeffding races", NIPS 1993; V. Mnih, C. Szepesvari and J.-Y. Audibert, "Empirical
Bernstein stopping", ICML 2008, whose inequality for a range of width 2 R this is; V. Heidrich-Meisner and C. Igel,
"Hoeffding and Bernstein races for selecting policies in evolutionary direct policy search", ICML 2009. Recalled.
Theirs compare intervals of single configurations; differences are used here, which are less noisy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from trimtab.base.refs import Reference
from trimtab.trust.racing.betting import check_range
from trimtab.trust.racing.race import HOEFFDING_RACES, Told

__all__ = ["EmpiricalBernstein", "Hoeffding"]

_STATEMENT = (
    "The error is the probability of dropping the configuration with the best true mean, however often one looks. It "
    "needs no distribution, but independent losses, and many of them: its bounds are wide."
)


@final
@dataclass(frozen=True, slots=True)
class Hoeffding:
    """Hoeffding's inequality on paired differences.

    Arguments:
        reach: R, the highest loss less the lowest that there can be; 1 for errors.
    """

    name: ClassVar[str] = "Hoeffding race on paired differences"
    statement: ClassVar[str] = _STATEMENT
    keeps_best: ClassVar[bool] = True
    refs: ClassVar[tuple[Reference, ...]] = (HOEFFDING_RACES,)

    reach: float = 1.0

    def drop(self, told: Told, alpha: float) -> tuple[NDArray[np.bool_], float]:
        """Those that some other is surely better than."""
        check_range(told.losses, self.reach)
        count, averages = len(told.losses), told.losses.mean(axis=0)
        bound = 2.0 * self.reach * np.sqrt(_log_inverse(told, alpha) / (2.0 * count))
        return averages - averages.min() > bound, 0.0


@final
@dataclass(frozen=True, slots=True)
class EmpiricalBernstein:
    """Bernstein's inequality, with the variance that was seen, on paired differences.

    Arguments:
        reach: R, the highest loss less the lowest that there can be; 1 for errors.
    """

    name: ClassVar[str] = "empirical Bernstein race on paired differences"
    statement: ClassVar[str] = _STATEMENT
    keeps_best: ClassVar[bool] = True
    refs: ClassVar[tuple[Reference, ...]] = (
        HOEFFDING_RACES,
        Reference(
            authors="Mnih, Volodymyr and Szepesvari, Csaba and Audibert, Jean-Yves",
            title="Empirical Bernstein stopping",
            year=2008,
            venue="International Conference on Machine Learning",
        ),
    )

    reach: float = 1.0

    def drop(self, told: Told, alpha: float) -> tuple[NDArray[np.bool_], float]:
        """Those that some other is surely better than."""
        check_range(told.losses, self.reach)
        count, averages = len(told.losses), told.losses.mean(axis=0)
        centred = told.losses - averages
        products = centred.T @ centred / count
        variance = np.maximum(products.diagonal()[:, None] + products.diagonal() - 2.0 * products, 0.0)
        log = _log_inverse(told, alpha) + np.log(3.0)
        bound = np.sqrt(2.0 * variance * log / count) + 6.0 * self.reach * log / count
        return (averages[:, None] - averages > bound).any(axis=1), 0.0


def _log_inverse(told: Told, alpha: float) -> float:
    """log(1 / delta_n)."""
    count = len(told.losses)
    return float(np.log(max(told.started - 1, 1) * count * (count + 1) / alpha))
