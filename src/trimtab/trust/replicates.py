"""Selection from replicates: some configurations were evaluated more than once.

Needs nothing but values, where `params` repeat. The values of configuration g, R_g of them, are
theta_g plus normal noise of one variance, which is pooled over all repeated configurations:

    s^2 = sum_g sum_i (y_gi - mean_g)^2 / d,      d = sum_g (R_g - 1).

A configuration that was evaluated once takes part with the standard error s, one evaluated R times with
s / sqrt(R). The one with the lowest simultaneous upper bound is selected (`ties.surest`), so a lucky single
evaluation does not beat a repeated good one. Its estimate is corrected for the choice (`trimtab.trust.coupled`).

Its interval is the hybrid one with the selective t (`trimtab.trust.hybrid`), exact for counts R that were fixed
beforehand, or mean_j +- q s / sqrt(R_j) with q of the studentized maximum modulus over all configurations. Which
configurations are run again usually depends on how they looked at first. So where the counts differ, "auto" takes the
simultaneous one; a test has its coverage for 100 configurations of which the best five are run three times more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from trimtab.base.arrays import dumps
from trimtab.base.records import Selection
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.trust.best_probability import independent_best_probability
from trimtab.trust.candidates import Absent, Candidates
from trimtab.trust.coupled import coupled_correction
from trimtab.trust.hybrid import GUARDED, HYBRID, INFERENCE_ON_WINNERS, hybrid_student, shared_noise, spend
from trimtab.trust.simultaneous import studentized_maximum_modulus
from trimtab.trust.standard_errors import COUPLED_BOOTSTRAP
from trimtab.trust.ties import independent_ties, surest

__all__ = ["LEAST_FREEDOM", "Replicates", "read_replicates"]

LEAST_FREEDOM = 4
"""Below so many degrees of freedom, an interval over many configurations would be tens of standard errors long."""

_NAMES = {
    "auto": GUARDED,
    "hybrid": HYBRID,
    "simultaneous": "simultaneous interval (studentized maximum modulus over all configurations)",
}


@dataclass(frozen=True, slots=True, eq=False)
class Replicates:
    """Means over repeated evaluations, with one pooled estimate of noise.

    Arguments:
        candidates: one trial for each of g configurations, the first that ran it.
        means: mean value of each, lower is better, shape (g,).
        counts: how many evaluations each mean is of, shape (g,).
        spread: s, the pooled standard deviation of one evaluation.
        freedom: d, the degrees of freedom of `spread`.
        interval: which one, of `candidates.INTERVALS`; "hybrid" is the exact one for independent noise. "auto" allows
            for shared noise, such as that of a fold, at its good end, and is the simultaneous one where counts differ.
    """

    method: ClassVar[str] = (
        "replicates: group means with pooled noise, coupled-bootstrap estimate, multiple comparisons with the best"
    )
    refs: ClassVar[tuple[Reference, ...]] = (
        COUPLED_BOOTSTRAP,
        INFERENCE_ON_WINNERS,
        Reference(
            authors="Fithian, William and Sun, Dennis and Taylor, Jonathan",
            title="Optimal inference after model selection",
            year=2014,
            arxiv="1410.2597",
        ),
        Reference(
            authors="Stoline, Michael R. and Ury, Hans K.",
            title="Tables of the studentized maximum modulus distribution and an application to multiple comparisons "
            "among means",
            year=1979,
            venue="Technometrics 21, 87-93",
        ),
    )

    candidates: Candidates
    means: NDArray[np.float64]
    counts: NDArray[np.intp]
    spread: float
    freedom: int
    interval: str = "auto"

    def select(self, level: float, key: Key) -> Selection:
        """The configuration that is surely good, by its first trial, and what to expect of it."""
        sign, errors = self.candidates.objective.sign, self.spread / np.sqrt(self.counts)
        rule = partial(surest, level=level)
        place = int(rule(self.means, errors))
        mean = float(self.means[place])
        correction = coupled_correction(self.means, errors, rule, key.child("coupled").generator())
        kind = self.interval
        if kind == "auto" and not (self.counts == self.counts[0]).all():
            kind = "simultaneous"
        ends = None
        if self.spread > 0.0:
            low, high = self._ends(place, level, kind)
            ends = (sign * low, sign * high)
        return self.candidates.selection(
            place,
            sign * (mean + correction),
            ends,
            level,
            independent_ties(self.means, errors, level, self.freedom),
            f"{self.method}, {_NAMES[kind]}",
            self._scope(place),
            best_probability=independent_best_probability(
                self.means, errors, place, key.child("best probability").generator()
            ),
        )

    def _ends(self, place: int, level: float, kind: str) -> tuple[float, float]:
        """The ends of the interval, lower values being better."""
        mean, error = float(self.means[place]), self.spread / math.sqrt(self.counts[place])
        if kind == "simultaneous":
            reach = studentized_maximum_modulus(len(self.means), self.freedom, level) * error
            return mean - reach, mean + reach
        reach = studentized_maximum_modulus(len(self.means), self.freedom, spend(level)[0])
        low, high = hybrid_student(place, self.means, self.counts, self.spread, self.freedom, reach, level)
        if kind == "auto":
            apart = 1.0 - shared_noise(self.means, self.spread / np.sqrt(self.counts))
            spaced = mean + (self.means - mean) / apart
            low = min(low, hybrid_student(place, spaced, self.counts, self.spread, self.freedom, reach, level)[0])
        return low, high

    def _scope(self, place: int) -> list[str]:
        """What the numbers cover, and what they do not."""
        count = int(self.counts[place])
        scope = [
            f"Configurations are compared by the mean of their evaluations ({count} for the selected one) and are "
            "named by their first trial.",
            f"Noise counts as normal and equally large everywhere; it was estimated from {self.freedom} repeats, "
            "and contains only what changed between them, such as the random seed.",
            f"It covers the choice among these {len(self.means)} configurations on this validation data, not what "
            "other validation data would say.",
        ]
        if self.spread == 0.0:
            scope.append(
                "No interval: all repeats agree exactly, so the objective may be deterministic, and they tell nothing "
                "of its noise."
            )
        return scope


def read_replicates(candidates: Candidates, named: bool) -> Replicates | Absent:
    """The candidates grouped by their params.

    Arguments:
        candidates: the trials.
        named: whether replicates were asked for by name; it makes no difference, since too few say too little.
    """
    groups: dict[str, list[int]] = {}
    for place, params in enumerate(candidates.history.params(candidates.numbers)):
        groups.setdefault(dumps(sorted((params or {}).items())), []).append(place)
    values = candidates.minimized
    freedom = len(candidates) - len(groups)
    if freedom < LEAST_FREEDOM:
        return Absent(
            f"{freedom} repeated evaluations of a configuration are too few to estimate noise from; "
            f"{LEAST_FREEDOM} are needed, such as the two best configurations run twice more each",
            told=freedom > 0,
        )
    squares = sum(float(((values[places] - values[places].mean()) ** 2).sum()) for places in groups.values())
    return Replicates(
        candidates.take([places[0] for places in groups.values()]),
        np.array([values[places].mean() for places in groups.values()]),
        np.array([len(places) for places in groups.values()], dtype=np.intp),
        float(np.sqrt(squares / freedom)),
        freedom,
    )
