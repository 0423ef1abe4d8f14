"""Selection from bare values: the observed best, with nothing to say of its noise.

One number per trial tells how the trials came out, not how much of that is luck. So there is no
interval, the estimate is the observed value, and the tie set holds exact ties only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trimtab.base.records import Selection
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.trust.candidates import Candidates

__all__ = ["BareValues", "read_values"]


@dataclass(frozen=True, slots=True, eq=False)
class BareValues:
    """Values, and nothing else.

    Arguments:
        candidates: the trials.
    """

    method: ClassVar[str] = "values: the observed best, uncorrected"
    refs: ClassVar[tuple[Reference, ...]] = ()

    candidates: Candidates

    def select(self, level: float, key: Key) -> Selection:
        """The observed best. Level and key are not used: there is nothing to be sure of, and nothing random."""
        values = self.candidates.minimized
        place = int(np.argmin(values))
        scope = [
            f"The best of {len(values)} values may be the luckiest: nothing was told of their noise, so there is no "
            "interval, the estimate is not corrected, and only exact ties are in the tie set.",
            "To get an interval, return trimtab.Observation(value, losses=...) with per-example validation losses or "
            "(value, stderr=...), or run the best configurations again a few times.",
        ]
        return self.candidates.selection(
            place,
            self.candidates.objective.sign * float(values[place]),
            None,
            level,
            np.flatnonzero(values == values[place]),
            self.method,
            scope,
        )


def read_values(candidates: Candidates, named: bool) -> BareValues:
    """The values, which every complete trial has."""
    return BareValues(candidates)
