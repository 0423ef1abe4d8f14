"""A quantile of private losses, for when no public number says which trials count as successes.

Of a public list of candidates one is chosen by how far the number of losses below it is from the wanted one, by
permute-and-flip: the candidates are looked at in random order, and each is taken with probability
exp(-epsilon (best - its score) / 2), scores being minus that distance. A trial more or less changes a score by at most
1, so this is epsilon-differentially private; no other such mechanism errs more than the exponential one, and this one
errs less. All of it is done in whole numbers and exact coins (`trimtab.tuners.tasks.private.discrete_noise`).

The error is about 2 log(candidates) / epsilon trials: with 256 candidates and epsilon 0.1 about a hundred, so this is
for thousands of trials. Where a public threshold can be stated, state it.

Source: R. McKenna and D. Sheldon, "Permute-and-Flip: A new mechanism for differentially private selection", NeurIPS
2020, arXiv 2010.12603.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from trimtab.base.errors import InvalidArgument, message
from trimtab.tuners.tasks.private.accounting import Accountant, Cost
from trimtab.tuners.tasks.private.discrete_noise import OPERATING_SYSTEM, Source, as_fraction, bernoulli_exp

__all__ = ["private_quantile"]


def private_quantile(
    losses: ArrayLike,
    share: float,
    candidates: ArrayLike,
    *,
    epsilon: float,
    accountant: Accountant,
    group: int = 1,
    source: Source = OPERATING_SYSTEM,
) -> float:
    """The candidate that has about a share of the losses at or below it.

    Arguments:
        losses: private, shape (n,); nan counts as above every candidate.
        share: between 0 and 1.
        candidates: public numbers, fixed before the losses are looked at.
        epsilon: that the answer costs.
        accountant: of the trials; it is charged first.
        group: how many of the losses one protected unit may have told.
        source: of randomness; leave it as it is but in tests.

    Raises:
        InvalidArgument: a share outside (0, 1) or no finite candidates.
        Conflict: the budget does not allow it.
    """
    seen, options = np.asarray(losses, dtype=float), np.unique(np.asarray(candidates, dtype=float))
    if not 0.0 < share < 1.0 or not options.size or not np.isfinite(options).all():
        raise InvalidArgument(
            message(
                "a private quantile needs a share and finite candidates",
                got=(share, options.tolist()),
                allowed="0 < share < 1, one candidate or more",
            )
        )
    strength = as_fraction(epsilon, "epsilon")
    accountant.spend(Cost(float(strength)), f"quantile {share:g}")
    # Distances in thousandths are whole numbers; one loss more or less changes them by at most 1000.
    wanted = round(1000 * share)
    below = (seen[None, :] <= options[:, None]).sum(axis=1)
    scores = [-abs(1000 * int(count) - wanted * len(seen)) for count in below]
    best = max(scores)
    waiting = list(range(len(options)))
    while True:
        place = waiting.pop(source(len(waiting)))
        ratio = strength * Fraction(best - scores[place], 2 * 1000 * group)
        if bernoulli_exp(ratio.numerator, ratio.denominator, source):
            return float(options[place])
