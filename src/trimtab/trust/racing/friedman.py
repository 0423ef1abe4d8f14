"""F-race: ranks within blocks, Friedman's test that all are alike, then who ranks surely below the best.

Needs one mean loss for each block, and no distribution within a block. With ranks r_ik in block i (1 is best, ties
share), sums R_k over t blocks, m configurations, A = sum r_ik^2, C = t m (m + 1)^2 / 4:

    T = (m - 1) (sum_k R_k^2 - t C) / (A - C),      about chi-squared with m - 1 degrees of freedom if all are alike.

Where T is significant, k leaves if R_k exceeds the lowest sum by more than

    t_{1 - alpha/2} sqrt( 2 t (1 - T / (t (m - 1))) (A - C) / ((t - 1) (m - 1)) ),

with Student's t of (t - 1)(m - 1) degrees of freedom.

Source: M. Birattari, T. Stuetzle, L. Paquete and K. Varrentrapp, "A racing algorithm for configuring metaheuristics",
GECCO 2002; the test after Friedman's is of W. J. Conover, "Practical nonparametric statistics", 1999. Recalled. There,
two configurations are compared by Wilcoxon's test; here by the same ones as more.
Each look has the error alpha, so the error of a race of many looks is larger, and nothing bounds it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import check_count
from trimtab.base.refs import Reference
from trimtab.trust.quantiles import student_quantile
from trimtab.trust.racing.race import Told

__all__ = ["Friedman"]


@final
@dataclass(frozen=True, slots=True)
class Friedman:
    """F-race.

    Arguments:
        least: blocks to run before the first test, at least 2.
    """

    name: ClassVar[str] = "F-race (Friedman's test on ranks within blocks)"
    statement: ClassVar[str] = (
        "The error is that of a single look; looking after every block makes it larger, and nothing bounds it. "
        "Configurations are compared by ranks, so one that is usually but not on average better can win."
    )
    keeps_best: ClassVar[bool] = False
    refs: ClassVar[tuple[Reference, ...]] = (
        Reference(
            authors="Birattari, Mauro and Stuetzle, Thomas and Paquete, Luis and Varrentrapp, Klaus",
            title="A racing algorithm for configuring metaheuristics",
            year=2002,
            venue="Genetic and Evolutionary Computation Conference",
        ),
    )

    least: int = 5

    def __post_init__(self) -> None:
        """Refuse a test of one block."""
        check_count(self.least, "least", 2, "rank in two blocks at least")

    def drop(self, told: Told, alpha: float) -> tuple[NDArray[np.bool_], float]:
        """Those that rank surely below the best."""
        from scipy.special import chdtrc
        from scipy.stats import rankdata

        seen, count = told.means.shape
        stay = np.zeros(count, dtype=bool)
        if seen < self.least:
            return stay, 0.0
        # Losses that differ by rounding are ties.
        ranks = rankdata(np.round(told.means, 12), axis=1)
        sums = ranks.sum(axis=0)
        level = seen * count * (count + 1) ** 2 / 4.0
        spread = float((ranks**2).sum()) - level
        if spread <= 0.0:
            return stay, 0.0
        statistic = (count - 1) * (float((sums**2).sum()) - seen * level) / spread
        if chdtrc(count - 1, statistic) > alpha:
            return stay, 0.0
        freedom = (seen - 1) * (count - 1)
        rest = max(1.0 - statistic / (seen * (count - 1)), 0.0)
        bound = student_quantile(alpha / 2.0, freedom) * math.sqrt(2.0 * seen * rest * spread / freedom)
        return sums - sums.min() > bound, 0.0
