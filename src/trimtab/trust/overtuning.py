"""Overtuning: how much of what a search had gained on the test set it gave back by going on.

Needs the validation error of every trial, in order, and an error of each on a large test set that no choice has seen.
It is a diagnosis after the fact: nothing may be selected by it.

Schneider, Bischl and Feurer (2025), Overtuning in Hyperparameter Optimization, AutoML, PMLR 293, arXiv 2506.19540. With
the incumbents inc(s), s = 1..t, the trials of least validation error so far (the earliest on ties):

    overtuning            ot  = test(inc(t)) - min_s test(inc(s))                       >= 0
    relative overtuning   rot = ot / (test(inc(1)) - min_s test(inc(s)))                of the gain, given back
    meta-overfitting      mo  = test(inc(t)) - val(inc(t))                              optimism
    oracle regret         test(inc(t)) - min over all trials of test

The first trial should be the default. rot = 0.5: half of the gain that the incumbents had reached was given back;
rot >= 1: the search ended no better than it began, which the paper calls severe. Where no incumbent was better than
the first by 0.001 at least there is no progress and rot is not defined, save for a single trial, where it is 0. Over
many studies the share without progress belongs beside every mean of rot. The definitions were read in the authors'
metric code and in restatements; the text of the paper was not.

A test error has noise of its own (0.01 for a rate near 0.1 on 1,000 examples), and ot, measured from a minimum, is too
large by some of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from trimtab.base.errors import InvalidArgument, message
from trimtab.base.refs import Reference

__all__ = ["LEAST_PROGRESS", "OVERTUNING", "Overtuning", "overtuning"]

OVERTUNING = Reference(
    authors="Schneider, Lennart and Bischl, Bernd and Feurer, Matthias",
    title="Overtuning in hyperparameter optimization",
    year=2025,
    venue="International Conference on Automated Machine Learning, PMLR 293",
    arxiv="2506.19540",
)

LEAST_PROGRESS = 1e-3
"""In the units of the error."""


@dataclass(frozen=True, slots=True)
class Overtuning:
    """What became of the test error as a search went on.

    Arguments:
        incumbents: places of the trials that were the best so far, in order; the last is the search's choice.
        overtuning: ot, in the units of the error.
        relative: rot; None where there is no progress.
        optimism: mo, in the units of the error.
        regret: the oracle's, in the units of the error.
    """

    incumbents: tuple[int, ...]
    overtuning: float
    relative: float | None
    optimism: float
    regret: float

    @property
    def chosen(self) -> int:
        """Place of the trial that the search ends with."""
        return self.incumbents[-1]

    @property
    def severe(self) -> bool:
        """Whether the search ended no better than it began, although it had been better."""
        return self.relative is not None and self.relative >= 1.0

    def __str__(self) -> str:
        """The finding in plain words."""
        end = f"the chosen trial {self.chosen} is {self.optimism:.3g} worse on the test set than it was validated"
        if self.optimism < 0.0:
            end = f"the chosen trial {self.chosen} is {-self.optimism:.3g} better on the test set than it was validated"
        if self.relative is None:
            return f"No progress on the test set over the first trial; {end}."
        return (
            f"The search gave back {self.relative:.0%} of the gain that it had reached on the test set "
            f"({self.overtuning:.3g}); {end}."
        )


def overtuning(validation: ArrayLike, test: ArrayLike) -> Overtuning:
    """Overtuning at the end of a search; of a shorter one, give its first trials.

    Arguments:
        validation: error of every trial in order, the default first, lower is better (accuracies: negated), shape (t,).
        test: error of the same trials on examples that no choice has seen, shape (t,). Where either is not finite
            the trial does not count.

    Raises:
        InvalidArgument: shapes that do not fit, or no trial with two finite errors.

    >>> found = overtuning([0.30, 0.25, 0.24], [0.30, 0.26, 0.28])
    >>> found.chosen, round(found.overtuning, 3), round(found.relative, 3), round(found.optimism, 3)
    (2, 0.02, 0.5, 0.04)
    """
    seen, true = np.asarray(validation, dtype=np.float64), np.asarray(test, dtype=np.float64)
    if seen.ndim != 1 or seen.shape != true.shape:
        raise InvalidArgument(
            message(
                "every trial needs a validation and a test error", got=(seen.shape, true.shape), allowed="(t,), (t,)"
            )
        )
    places = np.flatnonzero(np.isfinite(seen) & np.isfinite(true))
    if not places.size:
        raise InvalidArgument(message("no trial has a finite validation and test error", got=f"{seen.size} trials"))
    seen, true = seen[places], true[places]
    better = np.concatenate([[True], seen[1:] < np.minimum.accumulate(seen)[:-1]])
    incumbents = np.flatnonzero(better)
    path, last = true[incumbents], incumbents[-1]
    given_back, progress = float(path[-1] - path.min()), float(path[0] - path.min())
    relative = given_back / progress if progress >= LEAST_PROGRESS else None
    return Overtuning(
        incumbents=tuple(int(place) for place in places[incumbents]),
        overtuning=given_back,
        relative=0.0 if len(places) == 1 else relative,
        optimism=float(true[last] - seen[last]),
        regret=float(true[last] - true.min()),
    )
