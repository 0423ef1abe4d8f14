"""Selection from values with standard errors, such as the folds of a cross-validation give.

Needs `Observation.stderr`, taken at its word: value_k ~ N(theta_k, s_k^2). The trial with the lowest
simultaneous upper bound is selected (`ties.surest`), which is the observed best where all standard
errors are equal. Its interval is the hybrid one (`trimtab.trust.hybrid`), or y_j +- q s_j with Sidak's q, which
holds for all trials at once and so for any choice among them; its estimate is corrected for the choice
(`trimtab.trust.coupled`).

Everything holds for independent noise. Where trials share validation examples their noise is positively
correlated: the simultaneous interval and the tie set then are valid and too wide, and the estimate too pessimistic;
the hybrid interval allows for it at its good end, as far as was measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from trimtab.base.records import Selection
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.trust.best_probability import independent_best_probability
from trimtab.trust.candidates import Absent, Candidates, carriers, left_out
from trimtab.trust.conditional import Limits, surest_limits
from trimtab.trust.coupled import coupled_correction
from trimtab.trust.hybrid import GUARDED, HYBRID, INFERENCE_ON_WINNERS, hybrid_interval, shared_noise, spend
from trimtab.trust.simultaneous import sidak
from trimtab.trust.ties import independent_ties, surest

__all__ = ["COUPLED_BOOTSTRAP", "StandardErrors", "read_standard_errors"]

COUPLED_BOOTSTRAP = Reference(
    authors="Oliveira, Natalia L. and Lei, Jing and Tibshirani, Ryan J.",
    title="Unbiased risk estimation in the normal means problem via coupled bootstrap techniques",
    year=2021,
    arxiv="2111.09447",
)

_NAMES = {
    "auto": GUARDED,
    "hybrid": HYBRID,
    "simultaneous": "simultaneous interval (max-z over all trials, Sidak)",
}


@dataclass(frozen=True, slots=True, eq=False)
class StandardErrors:
    """Values with their standard errors.

    Arguments:
        candidates: k trials.
        errors: the standard error of each, shape (k,).
        caveats: what reading them left out.
        interval: which one, of `candidates.INTERVALS`; "hybrid" is the exact one for independent noise, "auto" allows
            for shared noise at its good end.
    """

    method: ClassVar[str] = "standard errors: coupled-bootstrap estimate, multiple comparisons with the best"
    refs: ClassVar[tuple[Reference, ...]] = (
        COUPLED_BOOTSTRAP,
        INFERENCE_ON_WINNERS,
        Reference(
            authors="Sidak, Zbynek",
            title="Rectangular confidence regions for the means of multivariate normal distributions",
            year=1967,
            venue="Journal of the American Statistical Association 62, 626-633",
        ),
    )

    candidates: Candidates
    errors: NDArray[np.float64]
    caveats: tuple[str, ...] = ()
    interval: str = "auto"

    def select(self, level: float, key: Key) -> Selection:
        """The trial that is surely good, and what to expect of it."""
        values, sign = self.candidates.minimized, self.candidates.objective.sign
        rule = partial(surest, level=level)
        place = int(rule(values, self.errors))
        estimate = values[place] + coupled_correction(values, self.errors, rule, key.child("coupled").generator())
        low, high = self._ends(place, level)
        return self.candidates.selection(
            place,
            sign * float(estimate),
            (sign * low, sign * high),
            level,
            independent_ties(values, self.errors, level),
            f"{self.method}, {_NAMES[self.interval]}",
            [*self._scope(place), *self.caveats],
            best_probability=independent_best_probability(
                values, self.errors, place, key.child("best probability").generator()
            ),
        )

    def _ends(self, place: int, level: float) -> tuple[float, float]:
        """The ends of the interval, lower values being better."""
        values = self.candidates.minimized
        value, error = float(values[place]), float(self.errors[place])
        if self.interval == "simultaneous":
            reach = sidak(len(values), level) * error
            return value - reach, value + reach
        limits, reach = surest_limits(values, self.errors, place, level), sidak(len(values), spend(level)[0])
        low, high = hybrid_interval(value, error, limits, reach, level)
        if self.interval == "auto" and self.errors.all():
            gap = (limits.high - value) / (1.0 - shared_noise(values, self.errors))
            low = min(low, hybrid_interval(value, error, Limits(high=value + gap), reach, level)[0])
        return low, high

    def _scope(self, place: int) -> list[str]:
        """What the numbers cover, and what they do not."""
        scope = [
            f"It covers the choice among these {len(self.errors)} trials and the noise that their standard errors "
            "contain, taken at their word; noise that these leave out, such as another random seed or another "
            "training set, is not covered.",
            "Noise counts as normal and independent from trial to trial. Trials scored on the same examples share "
            "noise: interval='simultaneous' and the tie set hold all the same, but are too cautious; tell per-example "
            "losses instead.",
        ]
        if self.errors[place] == 0.0:
            scope.append("The selected trial told a standard error of 0, so its interval is a point.")
        return scope


def read_standard_errors(candidates: Candidates, named: bool) -> StandardErrors | Absent:
    """The standard errors of the candidates; `named` as in `carriers`."""
    name = candidates.objective.name
    told = [(seen.stderr or {}).get(name, math.inf) for seen in candidates.observations]
    places = [place for place, error in enumerate(told) if math.isfinite(error)]
    usable = carriers(
        candidates, places, "standard errors", named, "return trimtab.Observation(value, stderr=...) from the objective"
    )
    if isinstance(usable, Absent):
        return usable
    return StandardErrors(
        usable, np.array([told[place] for place in places]), tuple(left_out(candidates, usable, "standard error"))
    )
