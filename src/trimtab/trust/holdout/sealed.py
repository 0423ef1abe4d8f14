"""A sealed test split: it is opened once, for one trial, and says so for ever.

Needs the losses of one chosen trial on examples that no choice has seen. No correction for a choice is needed, so the
interval is the plain one: Clopper and Pearson's for losses of 0 and 1, Student's t on the mean for others. A second
opening would be a choice between two, and is refused with what the first one said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from trimtab.base.errors import Conflict, InvalidObservation, message
from trimtab.base.records import Interval, Json
from trimtab.trust.holdout.fingerprint import Fingerprint
from trimtab.trust.intervals import binomial_interval, paired_difference
from trimtab.trust.sample import is_binary

__all__ = ["Opening", "SealedSplit"]


@final
@dataclass(frozen=True, slots=True)
class Opening:
    """What the split said when it was opened.

    Arguments:
        trial: number of the trial it was opened for.
        mean: mean loss of that trial.
        interval: of its true mean loss.
    """

    trial: int
    mean: float
    interval: Interval

    def __str__(self) -> str:
        """One plain line."""
        low, high, level = self.interval.low, self.interval.high, self.interval.level
        return (
            f"opened once, for trial {self.trial}: mean loss {self.mean:.6g}, "
            f"{level:.0%} interval {low:.6g} to {high:.6g}"
        )


@final
@dataclass(frozen=True, slots=True)
class SealedSplit:
    """A test split and whether it was opened. Pure: `open` gives a new one.

    Arguments:
        examples: fingerprint of its examples.
        opening: what it said; None while it is sealed.

    >>> sealed = SealedSplit(Fingerprint.of(range(100)))
    >>> opening, sealed = sealed.open(7, [0] * 90 + [1] * 10)
    >>> print(opening)
    opened once, for trial 7: mean loss 0.1, 95% interval 0.0490047 to 0.176223
    >>> sealed.open(8, [0] * 95 + [1] * 5)
    Traceback (most recent call last):
    trimtab.base.errors.Conflict: the sealed split was opened once, for trial 7: ...
    """

    examples: Fingerprint
    opening: Opening | None = None

    def __str__(self) -> str:
        """One plain line."""
        said = "not opened yet" if self.opening is None else str(self.opening)
        return f"sealed split of {self.examples.size} examples: {said}"

    def open(
        self, trial: int, losses: ArrayLike, *, examples: Fingerprint | None = None, level: float = 0.95
    ) -> tuple[Opening, SealedSplit]:
        """Open the split for one trial.

        Arguments:
            trial: its number.
            losses: its losses, shape (n,), n >= 2, finite, in the order of the examples.
            examples: fingerprint of the examples as they are now, to be compared with the one on record.
            level: of the interval.

        Raises:
            Conflict: it was opened before.
            InvalidObservation: losses of another length, or not finite.
            InvalidArgument: the examples changed.
        """
        if self.opening is not None:
            raise Conflict(
                message(
                    f"the sealed split was {self.opening}; a second look would be a choice, and it would no longer be "
                    "a test",
                    got=f"trial {trial}",
                    do="report what it said, or seal a fresh split",
                )
            )
        if examples is not None:
            self.examples.check(examples, "sealed split")
        vector = np.asarray(losses, dtype=np.float64)
        if vector.shape != (self.examples.size,) or vector.size < 2 or not bool(np.isfinite(vector).all()):
            raise InvalidObservation(
                message(
                    "the losses do not fit the sealed split",
                    got=f"shape {vector.shape}",
                    allowed=f"one finite loss for each of its {self.examples.size} examples, 2 or more",
                )
            )
        if is_binary(vector):
            interval = binomial_interval(round(float(vector.sum())), vector.size, level)
        else:
            interval = paired_difference(vector, np.zeros(vector.size), level)
        opening = Opening(int(trial), float(vector.mean()), interval)
        return opening, replace(self, opening=opening)

    def to_json(self) -> dict[str, Json]:
        """Strict JSON."""
        seen = self.opening
        return {
            "examples": self.examples.to_json(),
            "opening": None
            if seen is None
            else [seen.trial, seen.mean, seen.interval.low, seen.interval.high, seen.interval.level],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> SealedSplit:
        """Inverse of `to_json`."""
        seen = data["opening"]
        opening = None if seen is None else Opening(seen[0], seen[1], Interval(*seen[2:]))
        return cls(Fingerprint.from_json(data["examples"]), opening)
