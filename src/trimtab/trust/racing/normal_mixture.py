"""A test for races over blocks: Student's t that may be looked at after every block.

Needs one mean loss for each block. Let d_1, d_2, ... be how much worse k is than l, independent and normal with mean
mu and unknown variance. With n blocks and t = sqrt(n) mean / s, the likelihood ratio of the maximal invariant of
(d_1, .., d_n) under scaling, mixed over effects mu / sigma ~ N(0, tau^2), is

    E_n = (1 + n tau^2)^(-1/2) [ (1 + t^2 / (n - 1)) / (1 + t^2 / ((n - 1)(1 + n tau^2))) ]^(n/2),      E_1 = 1,

a test martingale at mu = 0 in the filtration of these invariants, so that P(E_n ever reaches 1 / alpha) <= alpha
(Ville). For mu < 0 the event that E_n is large with a positive mean is rarer still, since t grows with every d_i. k is
dropped by l where the mean is positive and E_n >= (k_0 - 1) / alpha, for k_0 configurations at the start: the
best one is compared with k_0 - 1 others, so it is dropped with probability alpha at most.

Sources, of which the abstracts were read: H. Wang and A. Ramdas, "Anytime-valid t-tests and confidence sequences for
Gaussian means with unknown variance", 2023, arXiv 2310.03722 (a Gaussian mixture in place of the flat one of Lai, with
the right Haar mixture over sigma); M. F. Perez-Ortiz, T. Lardy, R. de Heide and P. Grunwald, "E-statistics, group
invariance and anytime valid testing", Annals of Statistics 52, 2024, arXiv 2208.07610. The formula is derived here.
Means over folds that share training data are not independent, which no test of this room corrects for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument, message
from trimtab.base.refs import Reference
from trimtab.trust.racing.race import HOEFFDING_RACES, Told

__all__ = ["NormalMixture", "log_evidence"]


@final
@dataclass(frozen=True, slots=True)
class NormalMixture:
    """An anytime-valid t-test on differences of block means.

    Arguments:
        effect: tau, how many standard deviations of one difference the means are expected to differ by.
    """

    name: ClassVar[str] = "anytime-valid t-test on paired differences of blocks"
    statement: ClassVar[str] = (
        "The error is the probability of dropping the configuration with the best true mean, however often one looks. "
        "It takes differences between blocks as independent and normal; folds share training data, so they are not "
        "quite."
    )
    keeps_best: ClassVar[bool] = True
    refs: ClassVar[tuple[Reference, ...]] = (
        HOEFFDING_RACES,
        Reference(
            authors="Wang, Hongjian and Ramdas, Aaditya",
            title="Anytime-valid t-tests and confidence sequences for Gaussian means with unknown variance",
            year=2023,
            arxiv="2310.03722",
        ),
    )

    effect: float = 3.0

    def __post_init__(self) -> None:
        """Refuse an effect that nothing can be expected from."""
        if not self.effect > 0.0:
            raise InvalidArgument(message("effect must be positive", got=self.effect, allowed="a number above 0"))

    def drop(self, told: Told, alpha: float) -> tuple[NDArray[np.bool_], float]:
        """Those that some other is surely better than."""
        means, seen = told.means, len(told.means)
        if seen < 2:
            return np.zeros(means.shape[1], dtype=bool), 0.0
        averages = means.mean(axis=0)
        gaps = averages[:, None] - averages
        centred = means - averages
        products = centred.T @ centred
        # A difference that is the same in every block has rounding errors for a variance.
        squares = np.maximum(products.diagonal()[:, None] + products.diagonal() - 2.0 * products, 1e-12 * gaps**2)
        evidence = log_evidence(gaps, squares, seen, self.effect)
        sure = (gaps > 0.0) & (evidence >= np.log(max(told.started - 1, 1) / alpha))
        return sure.any(axis=1), 0.0


def log_evidence(
    means: NDArray[np.float64], squares: NDArray[np.float64], seen: int, effect: float
) -> NDArray[np.float64]:
    """The logarithm of E_n, elementwise; 0 where all differences are 0.

    Arguments:
        means: of the differences.
        squares: sums of squared deviations from these means.
        seen: n >= 2, how many differences.
        effect: tau.
    """
    wide = 1.0 + seen * effect**2
    shift = seen * means**2
    ratio = np.divide(squares + shift, squares + shift / wide, out=np.ones_like(squares), where=squares + shift > 0.0)
    evidence = -0.5 * np.log(wide) + 0.5 * seen * np.log(ratio)
    return np.where(squares + shift > 0.0, evidence, 0.0)
