"""What a log carries of a holdout that is asked many times: answers, and the state that they lead to.

The state of a mechanism is the fold of its answers in the order of the log, and of nothing else: no loss of the
holdout has to be stored for it, but those of a Ladder's leader. An answer names its place among all answers. One that
was computed from a state that is no longer the present one is refused, and is computed again; so any number of workers
that share a log get the answers that one worker would have got, asking in the order of the log.

How answers are computed is the business of `trimtab.trust.holdout`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from trimtab.base.arrays import vector_from_json, vector_to_json
from trimtab.base.errors import Conflict, message

__all__ = ["HoldoutAnswer", "HoldoutState", "HoldoutUsedUp", "StaleAnswer", "fold_answers"]

Json: TypeAlias = Any


class HoldoutUsedUp(Conflict):
    """The holdout has answered as often as its budget allows; another answer would not be what it claims to be."""


class StaleAnswer(Conflict):
    """An answer that was computed before another one entered the log; to be computed again from the present state."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class HoldoutAnswer:
    """One answer of a mechanism.

    Arguments:
        place: among all answers, from 0.
        value: all that may be shown of the trial's mean loss on the holdout, in units of the loss.
        spent: whether the holdout spoke: of a Thresholdout, that the budget shrank by one; of a Ladder, that
            the best so far was lowered.
        leader: the losses of the trial that now leads, shape (n,), for the Ladder that compares with them.
    """

    place: int
    value: float
    spent: bool
    leader: NDArray[np.float64] | None = None

    def to_json(self) -> dict[str, Json]:
        """Strict JSON."""
        out: dict[str, Json] = {"place": self.place, "value": self.value, "spent": self.spent}
        if self.leader is not None:
            out["leader"] = vector_to_json(self.leader)
        return out

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> HoldoutAnswer:
        """Inverse of `to_json`."""
        leader = data.get("leader")
        return cls(data["place"], data["value"], data["spent"], None if leader is None else vector_from_json(leader))

    def __eq__(self, other: object) -> bool:
        """Equal in every part, to the last bit."""
        return isinstance(other, HoldoutAnswer) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]


@final
@dataclass(frozen=True, slots=True, eq=False)
class HoldoutState:
    """All that a mechanism remembers: the fold of its answers.

    Arguments:
        queries: how many answers were given.
        spent: in how many of them the holdout spoke.
        last: the last value that was answered; None before the first.
        leader: as the last answer that brought one told.
        spoke_for: number of the trial for which the holdout spoke last, which of a Ladder is the trial that leads;
            None before, and where answers are folded outside a study.
    """

    queries: int = 0
    spent: int = 0
    last: float | None = None
    leader: NDArray[np.float64] | None = None
    spoke_for: int | None = None

    def advanced(self, answer: HoldoutAnswer, trial: int | None = None) -> HoldoutState:
        """The state after one more answer.

        Arguments:
            answer: the next one.
            trial: number of the trial that it was given for, where it belongs to a study.

        Raises:
            StaleAnswer: the answer belongs to another place than the next, so that another one came between.
        """
        if answer.place != self.queries:
            raise StaleAnswer(
                message(
                    "the holdout has given other answers since this one was computed",
                    got=f"answer {answer.place}",
                    allowed=f"answer {self.queries}, the next",
                    do="read the log and query again",
                )
            )
        leader = self.leader if answer.leader is None else answer.leader
        spoke_for = trial if answer.spent else self.spoke_for
        return HoldoutState(self.queries + 1, self.spent + answer.spent, answer.value, leader, spoke_for)

    def to_json(self) -> dict[str, Json]:
        """Strict JSON."""
        return {
            "queries": self.queries,
            "spent": self.spent,
            "last": self.last,
            "leader": None if self.leader is None else vector_to_json(self.leader),
            "spoke_for": self.spoke_for,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> HoldoutState:
        """Inverse of `to_json`."""
        leader = data["leader"]
        return cls(
            data["queries"],
            data["spent"],
            data["last"],
            None if leader is None else vector_from_json(leader),
            data["spoke_for"],
        )

    def __eq__(self, other: object) -> bool:
        """Equal in every part, to the last bit."""
        return isinstance(other, HoldoutState) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]


def fold_answers(answers: Iterable[HoldoutAnswer], state: HoldoutState | None = None) -> HoldoutState:
    """The state that answers in the order of the log lead to, from the beginning or from a state.

    Raises:
        StaleAnswer: an answer is missing, or out of its place.
    """
    state = HoldoutState() if state is None else state
    for answer in answers:
        state = state.advanced(answer)
    return state
