"""What a mechanism over a holdout says, and what it remembers: records that a log can carry.

The state of a mechanism is the fold of its answers in the order of the log, and of nothing else: no loss of the
holdout has to be stored for it, but those of a Ladder's leader. An answer names its place among all answers. One that
was computed from a state that is no longer the present one is refused, and is computed again; so any number of workers
that share a log get the answers that one worker would have got, asking in the order of the log.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimtab.base.arrays import vector_from_json, vector_to_json
from trimtab.base.errors import Conflict, InvalidArgument, InvalidObservation, message
from trimtab.base.records import Json
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key

__all__ = [
    "HoldoutAnswer",
    "HoldoutState",
    "HoldoutUsedUp",
    "Mechanism",
    "StaleAnswer",
    "check_losses",
    "check_setting",
    "digest",
    "fold_answers",
]


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
    """

    queries: int = 0
    spent: int = 0
    last: float | None = None
    leader: NDArray[np.float64] | None = None

    def advanced(self, answer: HoldoutAnswer) -> HoldoutState:
        """The state after one more answer.

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
        return HoldoutState(self.queries + 1, self.spent + answer.spent, answer.value, leader)

    def to_json(self) -> dict[str, Json]:
        """Strict JSON."""
        return {
            "queries": self.queries,
            "spent": self.spent,
            "last": self.last,
            "leader": None if self.leader is None else vector_to_json(self.leader),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> HoldoutState:
        """Inverse of `to_json`."""
        leader = data["leader"]
        return cls(data["queries"], data["spent"], data["last"], None if leader is None else vector_from_json(leader))

    def __eq__(self, other: object) -> bool:
        """Equal in every part, to the last bit."""
        return isinstance(other, HoldoutState) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]


class Mechanism(Protocol):
    """A way to answer many adaptive queries from one holdout; final classes, equal where their settings are."""

    @property
    def refs(self) -> tuple[Reference, ...]:
        """The sources."""
        ...

    @property
    def proven(self) -> bool:
        """Whether a theorem holds in this setting, at this size; otherwise what is stated is a rule of thumb."""
        ...

    @property
    def bound(self) -> float:
        """The largest loss; the smallest is 0."""
        ...

    def answer(
        self, state: HoldoutState, training: NDArray[np.float64], holdout: NDArray[np.float64], key: Key
    ) -> HoldoutAnswer:
        """Answer one query: the losses of one model on both parts. Pure.

        Raises:
            HoldoutUsedUp: the budget is used up.
        """
        ...

    def stated_error(self, state: HoldoutState) -> float | None:
        """How far from the truth an answer may be, in units of the loss; None where nothing can be stated."""
        ...

    def left(self, state: HoldoutState) -> int | None:
        """How often the holdout may still speak; None where there is no such limit."""
        ...

    def words(self, state: HoldoutState) -> str:
        """A plain sentence or two: what was used, what is left, what is claimed."""
        ...

    def to_json(self) -> dict[str, Json]:
        """Strict JSON; see `mechanism_from_json`."""
        ...


def fold_answers(answers: Iterable[HoldoutAnswer], state: HoldoutState | None = None) -> HoldoutState:
    """The state that answers in the order of the log lead to, from the beginning or from a state.

    Raises:
        StaleAnswer: an answer is missing, or out of its place.
    """
    state = HoldoutState() if state is None else state
    for answer in answers:
        state = state.advanced(answer)
    return state


def check_losses(losses: ArrayLike, size: int, bound: float, part: str) -> NDArray[np.float64]:
    """The losses of one model on one part, as float64 of shape (size,).

    Arguments:
        losses: one per example, in the order of the part's examples.
        size: how many examples the part has.
        bound: the largest loss.
        part: "training part" or "holdout".

    Raises:
        InvalidObservation: another length, or a loss outside [0, bound].
    """
    vector = np.asarray(losses, dtype=np.float64)
    if vector.shape != (size,):
        raise InvalidObservation(
            message(
                f"the losses do not fit the {part}",
                got=f"shape {vector.shape}",
                allowed=f"one loss for each of its {size} examples, shape ({size},), in every trial",
                do="score every trial on the same examples in the same order",
            )
        )
    if not bool(((vector >= 0.0) & (vector <= bound)).all()):
        raise InvalidObservation(
            message(
                f"a loss on the {part} lies outside the range that the mechanism was given",
                got=(float(vector.min()), float(vector.max())),
                allowed=f"0 to {bound:g}, for every example",
                do="clip the losses, or state their true bound: one loss without a bound decides a mean alone",
            )
        )
    return vector


def digest(*vectors: NDArray[np.float64]) -> str:
    """A name for some vectors: equal for equal ones, to the last bit."""
    found = hashlib.sha256()
    for vector in vectors:
        found.update(np.ascontiguousarray(vector, dtype="<f8").tobytes())
    return found.hexdigest()


def check_setting(fits: bool, what: str, got: object, allowed: str, do: str = "") -> None:
    """Refuse a setting of a mechanism.

    Raises:
        InvalidArgument: it does not fit.
    """
    if not fits:
        raise InvalidArgument(message(what, got=got, allowed=allowed, do=do))
