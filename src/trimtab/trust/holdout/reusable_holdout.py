"""A holdout that may be asked again and again: two disjoint splits, and the mechanism that answers for them.

Needs `Observation.losses` on both splits: first those of the training part, then those of the holdout. What is asked
of a query is checked here (length, range, the examples and their order); how it is answered is the mechanism's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimtab.base.errors import InvalidArgument, message
from trimtab.base.holdout import HoldoutAnswer, HoldoutState
from trimtab.base.records import Json
from trimtab.base.seeds import Key
from trimtab.trust.holdout.answers import Mechanism, check_losses, check_setting
from trimtab.trust.holdout.fingerprint import Fingerprint, check_disjoint
from trimtab.trust.holdout.ladder import FreeLadder, Ladder
from trimtab.trust.holdout.thresholdout import PracticalThresholdout, Thresholdout

__all__ = ["ReusableHoldout", "mechanism_from_json"]

SCHEMA = 1
_KINDS: dict[str, type[Thresholdout | PracticalThresholdout | Ladder | FreeLadder]] = {
    "thresholdout": Thresholdout,
    "practical": PracticalThresholdout,
    "ladder": Ladder,
    "free ladder": FreeLadder,
}


@final
@dataclass(frozen=True, slots=True)
class ReusableHoldout:
    """A holdout, by its fingerprints and its mechanism. Made by `of`; holds no example and no state.

    Arguments:
        training: the training part.
        holdout: the holdout.
        mechanism: how queries are answered.

    >>> holdout = ReusableHoldout.of(range(1000), range(1000, 2000), budget=20)
    >>> losses = np.zeros(2000)
    >>> losses[::4] = 1.0
    >>> answer, state = holdout.query(HoldoutState(), losses, Key(0, purpose="holdout"))
    >>> answer.value, holdout.left(state)
    (0.25, 20)
    """

    training: Fingerprint
    holdout: Fingerprint
    mechanism: Mechanism

    @classmethod
    def of(
        cls,
        training: ArrayLike,
        holdout: ArrayLike,
        *,
        training_labels: ArrayLike | None = None,
        holdout_labels: ArrayLike | None = None,
        budget: int = 100,
        bound: float = 1.0,
        mechanism: Mechanism | None = None,
    ) -> ReusableHoldout:
        """A reusable holdout over two splits.

        Arguments:
            training: examples of the training part, by identifiers, shape (t,), or themselves, shape (t, ...).
                Best a second validation split: examples that models were fitted to use the budget up at once.
            holdout: those of the holdout, of the same kind.
            training_labels: labels, so that a corrected one counts as a change.
            holdout_labels: likewise.
            budget: how often the holdout may speak; of the practical Thresholdout, which is the default.
            bound: the largest loss, likewise.
            mechanism: another one, in place of budget and bound.

        Raises:
            InvalidArgument: the splits overlap or are empty, a budget of zero, or a mechanism for other sizes.
        """
        check_disjoint(training, holdout)
        first, second = Fingerprint.of(training, training_labels), Fingerprint.of(holdout, holdout_labels)
        if mechanism is None:
            mechanism = PracticalThresholdout(first.size, second.size, budget, bound)
        sizes = getattr(mechanism, "training_size", None), getattr(mechanism, "holdout_size", None)
        check_setting(
            sizes[0] in (None, first.size) and sizes[1] in (None, second.size),
            "the mechanism was set up for splits of other sizes",
            sizes,
            f"{first.size} and {second.size} examples",
        )
        return cls(first, second, mechanism)

    def query(
        self, state: HoldoutState, losses: ArrayLike, key: Key, *, examples: ReusableHoldout | None = None
    ) -> tuple[HoldoutAnswer, HoldoutState]:
        """Answer for one model. Pure.

        Arguments:
            state: the fold of all answers so far; `HoldoutState()` before the first.
            losses: of the model, on the training part and then on the holdout, shape (t + n,), in the order of
                the examples, in [0, bound].
            key: of the holdout's noise; the same for all queries.
            examples: the holdout as it was found when the model was scored, to be compared with this one.

        Raises:
            InvalidObservation: losses of another length, or out of range.
            InvalidArgument: the examples, their labels or their order changed.
            HoldoutUsedUp: the budget is used up.
        """
        if examples is not None:
            self.check(examples)
        training, holdout = self.parts(losses)
        answer = self.mechanism.answer(state, training, holdout, key)
        return answer, state.advanced(answer)

    def parts(self, losses: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The losses on the training part, which may be shown, and those on the holdout, which may not."""
        size = self.training.size + self.holdout.size
        vector = check_losses(losses, size, self.mechanism.bound, "training part and holdout")
        return vector[: self.training.size], vector[self.training.size :]

    def check(self, given: ReusableHoldout) -> None:
        """Refuse to go on with another holdout.

        Raises:
            InvalidArgument: other examples, labels, order or mechanism.
        """
        self.training.check(given.training, "training part")
        self.holdout.check(given.holdout, "holdout")
        if given.mechanism != self.mechanism:
            raise InvalidArgument(
                message(
                    "the holdout has another mechanism",
                    got=given.mechanism.to_json(),
                    allowed=str(self.mechanism.to_json()),
                    do="go on with the first one: a budget that grows with demand protects nobody",
                )
            )

    def left(self, state: HoldoutState) -> int | None:
        """How often the holdout may still speak; None where there is no such limit."""
        return self.mechanism.left(state)

    def used_up(self, state: HoldoutState) -> bool:
        """Whether every further query is refused."""
        return self.mechanism.used_up(state)

    def stated_error(self, state: HoldoutState) -> float | None:
        """How far from the truth an answer may be, in units of the loss; None where nothing can be stated."""
        return self.mechanism.stated_error(state)

    def words(self, state: HoldoutState) -> str:
        """What was used, what is left and what is claimed, in plain words."""
        return self.mechanism.words(state)

    def to_json(self) -> dict[str, Json]:
        """Strict JSON."""
        return {
            "schema": SCHEMA,
            "training": self.training.to_json(),
            "holdout": self.holdout.to_json(),
            "mechanism": self.mechanism.to_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> ReusableHoldout:
        """Inverse of `to_json`.

        Raises:
            InvalidArgument: JSON of something else.
        """
        try:
            if data["schema"] != SCHEMA:
                raise ValueError(data["schema"])
            return cls(
                Fingerprint.from_json(data["training"]),
                Fingerprint.from_json(data["holdout"]),
                mechanism_from_json(data["mechanism"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidArgument(message(f"this is no ReusableHoldout's JSON ({error!r})", got=data)) from None


def mechanism_from_json(data: Mapping[str, Json]) -> Mechanism:
    """Inverse of a mechanism's `to_json`.

    Raises:
        KeyError: a kind that this version does not know.
    """
    settings = dict(data)
    return _KINDS[settings.pop("kind")](**settings)
