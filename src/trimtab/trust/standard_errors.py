"""Selection from values with standard errors, such as the folds of a cross-validation give.

Needs `Observation.stderr`, taken at its word: value_k ~ N(theta_k, s_k^2). The trial with the lowest
simultaneous upper bound is selected (`ties.surest`), which is the observed best where all standard
errors are equal. Its interval is y_j +- q s_j with Sidak's q, which holds for all trials at once and so
for any choice among them; its estimate is corrected for the choice (`trimtab.trust.coupled`).

Everything holds for independent noise. Where trials share validation examples their noise is positively
correlated: interval and tie set then are valid and too wide, and the estimate too pessimistic.
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
from trimtab.trust.candidates import Absent, Candidates, carriers, left_out
from trimtab.trust.coupled import coupled_correction
from trimtab.trust.simultaneous import sidak
from trimtab.trust.ties import independent_ties, surest

__all__ = ["COUPLED_BOOTSTRAP", "StandardErrors", "read_standard_errors"]

COUPLED_BOOTSTRAP = Reference(
    authors="Oliveira, Natalia L. and Lei, Jing and Tibshirani, Ryan J.",
    title="Unbiased risk estimation in the normal means problem via coupled bootstrap techniques",
    year=2021,
    arxiv="2111.09447",
)


@dataclass(frozen=True, slots=True, eq=False)
class StandardErrors:
    """Values with their standard errors.

    Arguments:
        candidates: k trials.
        errors: the standard error of each, shape (k,).
        caveats: what reading them left out.
    """

    method: ClassVar[str] = (
        "standard errors: simultaneous interval (max-z over all trials, Sidak), coupled-bootstrap estimate, "
        "multiple comparisons with the best"
    )
    refs: ClassVar[tuple[Reference, ...]] = (
        COUPLED_BOOTSTRAP,
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

    def select(self, level: float, key: Key) -> Selection:
        """The trial that is surely good, and what to expect of it."""
        values, sign = self.candidates.minimized, self.candidates.objective.sign
        rule = partial(surest, level=level)
        place = int(rule(values, self.errors))
        estimate = values[place] + coupled_correction(values, self.errors, rule, key.child("coupled").generator())
        reach = sidak(len(values), level) * self.errors[place]
        return self.candidates.selection(
            place,
            sign * float(estimate),
            (sign * float(values[place] - reach), sign * float(values[place] + reach)),
            level,
            independent_ties(values, self.errors, level),
            self.method,
            [*self._scope(place), *self.caveats],
        )

    def _scope(self, place: int) -> list[str]:
        """What the numbers cover, and what they do not."""
        scope = [
            f"It covers the choice among these {len(self.errors)} trials and the noise that their standard errors "
            "contain, taken at their word; noise that these leave out, such as another random seed or another "
            "training set, is not covered.",
            "Noise counts as normal and independent from trial to trial. For trials scored on the same examples "
            "everything here is too cautious: tell per-example losses instead.",
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
