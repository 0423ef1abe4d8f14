"""A test for races: drop who will not be first once every block is run, with the whole error spent where it buys most.

Needs one loss for each block, or better one for each example of a block. The question is not which configuration is
truly the best, but which one full evaluation would choose. Let d_i be how much worse k is than the present leader l in
the i-th loss, n of N losses seen, with mean m and variance s^2. The blocks come in random order, so the ones to come
are like those seen; for normal d_i with a flat prior on their mean, the mean of all N is

    D_N  ~  m + s sqrt(1/n - 1/N) T,        T Student's t with the degrees of freedom of s^2.

pi = P(D_N <= 0) is the probability that k ends no worse than l. Given the data so far, dropping k errs with probability
pi, whenever and for whatever reason that is decided: pi is a martingale under the model. The expected number of wrong
drops is so at most the sum of the pi at which configurations were dropped, and the race drops, smallest first, as long
as what that costs stays below alpha. A configuration that is far off costs next to nothing, which leaves the error to
those that are close; a share of alpha / (k - 1) for each would waste it.

s^2 is moderated. From three losses a variance can be 0 by chance, most of all for losses that are counts; it is
therefore averaged with the median variance s_0^2 of the differences to the leader, which counts as `prior` losses:

    s^2 = (prior s_0^2 + (n - 1) s_k^2) / (prior + n - 1),      prior + n - 1 degrees of freedom.

Examples of one block share a trained model, so their differences can be alike. How much, is seen from two blocks on:
s^2 is multiplied by the median over configurations of (variance of the means of blocks) / (s_k^2 / examples a block),
where that is above 1 (the design effect of cluster sampling). Where blocks are seeds more than examples, and few, tell
one mean for each block.

Sources: stochastic curtailment, K. K. G. Lan, R. Simon and M. Halperin, "Stochastically curtailed tests in long-term
clinical trials", Communications in Statistics C 1, 1982, and its predictive form, D. J. Spiegelhalter, L. S. Freedman
and P. R. Blackburn, "Monitoring clinical trials: conditional or predictive power?", Controlled Clinical Trials 7, 1986;
moderated variances, G. K. Smyth, "Linear models and empirical Bayes methods for assessing differential expression in
microarray experiments", Statistical Applications in Genetics and Molecular Biology 3, 2004. All three are recalled.
Here the prior variance is a median and its weight a constant, where Smyth fits both, and the error is spent over a
race.

The flat prior takes every gap at face value, which is wrong where all configurations are alike: charged as it is, the
sum of the pi let races of 30 equal configurations end with another choice in 6 to 8% for alpha = .05. Each pi is
therefore charged five times (`charge`), for which five to ten of a hundred evaluations more are run. With that, with
the median, and for losses that are not normal, the stated error is approximate; `dev/studies/racing.py` measures it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument, check_count, message
from trimtab.base.refs import Reference
from trimtab.trust.racing.race import HOEFFDING_RACES, Told

__all__ = ["Predictive"]


@final
@dataclass(frozen=True, slots=True)
class Predictive:
    """Drops who will not be first when every block is run.

    Arguments:
        least: losses to see before the first drop, at least 2.
        prior: how many losses the median variance counts as, above 0.
        charge: what a drop costs of the error, in its predictive probabilities, at least 1.
    """

    name: ClassVar[str] = "predictive probability of ending first (stochastic curtailment)"
    statement: ClassVar[str] = (
        "The error is the probability of another choice than running every block would make. It takes differences "
        "between blocks as normal; it says nothing of whether that choice is truly the best."
    )
    keeps_best: ClassVar[bool] = False
    refs: ClassVar[tuple[Reference, ...]] = (
        HOEFFDING_RACES,
        Reference(
            authors="Spiegelhalter, David J. and Freedman, Laurence S. and Blackburn, Patrick R.",
            title="Monitoring clinical trials: conditional or predictive power?",
            year=1986,
            venue="Controlled Clinical Trials 7",
        ),
    )

    least: int = 3
    prior: float = 2.0
    charge: float = 5.0

    def __post_init__(self) -> None:
        """Refuse settings that no variance follows from."""
        check_count(self.least, "least", 2, "see two losses at least, for a variance")
        if not self.prior > 0.0:
            raise InvalidArgument(message("prior must be positive", got=self.prior, allowed="a number above 0"))
        if not self.charge >= 1.0:
            raise InvalidArgument(message("charge must be 1 or more", got=self.charge, allowed="1 or more"))

    def drop(self, told: Told, alpha: float) -> tuple[NDArray[np.bool_], float]:
        """Those with the smallest probabilities of ending first, as many as the error pays for, and their price."""
        leaving = np.zeros(told.means.shape[1], dtype=bool)
        if len(told.losses) < self.least:
            return leaving, 0.0
        chances = self.chances(told)
        order = np.argsort(chances, kind="stable")[:-1]
        spent = self.charge * np.cumsum(chances[order])
        paid = order[spent <= alpha]
        leaving[paid] = True
        return leaving, self.charge * float(chances[paid].sum())

    def chances(self, told: Told) -> NDArray[np.float64]:
        """The probability of each to end no worse than the present leader, shape (m,); 1 for the leader.

        At most one of them ends first, so these are upper bounds of the probabilities of that.
        """
        from scipy.special import stdtr

        blocks, seen = len(told.means), len(told.losses)
        leader = int(np.argmin(told.losses.mean(axis=0)))
        worse = told.losses - told.losses[:, [leader]]
        variance = worse.var(axis=0, ddof=1)
        freedom = self.prior + seen - 1
        moderated = (self.prior * np.median(np.delete(variance, leader)) + (seen - 1) * variance) / freedom
        if 1 < blocks < seen:
            moderated *= _design_effect(told.means - told.means[:, [leader]], variance, seen / blocks)
        scale = np.sqrt(moderated * (1.0 / seen - blocks / (seen * told.blocks)))
        mean = worse.mean(axis=0)
        # Without any spread the sign decides, and equal ones stay.
        t = np.divide(mean, scale, out=np.where(mean > 0.0, np.inf, 0.0), where=scale > 0.0)
        chances = np.asarray(stdtr(freedom, -t), dtype=np.float64)
        # Who never differs from the leader ends level with it, which a tie breaks by number.
        chances[~worse.any(axis=0)] = 1.0
        chances[leader] = 1.0
        return chances


def _design_effect(by_block: NDArray[np.float64], variance: NDArray[np.float64], examples: float) -> float:
    """How much more the means of blocks vary than those of as many unrelated examples would, at least 1.

    Arguments:
        by_block: mean differences, shape (t, m), t >= 2.
        variance: of the differences of single examples, shape (m,).
        examples: how many a block has.
    """
    differ = variance > 0.0
    if not differ.any():
        return 1.0
    ratios = by_block[:, differ].var(axis=0, ddof=1) * examples / variance[differ]
    return max(1.0, float(np.median(ratios)))
