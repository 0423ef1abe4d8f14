"""What a mechanism over a holdout is to the rest of the room, and what is asked of losses and settings.

What it says and what it remembers are records that a log carries: `trimtab.base.holdout`.
"""

from __future__ import annotations

import hashlib
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimtab.base.errors import InvalidArgument, InvalidObservation, message
from trimtab.base.holdout import HoldoutAnswer, HoldoutState
from trimtab.base.records import Json
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key

__all__ = ["Mechanism", "check_losses", "check_setting", "digest"]


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
    def best_so_far(self) -> bool:
        """Whether an answer is the best so far, and not the trial's own."""
        ...

    @property
    def bound(self) -> float:
        """The largest loss; the smallest is 0."""
        ...

    @property
    def level(self) -> float:
        """Probability with which every answer is as close to the truth as it states."""
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

    def used_up(self, state: HoldoutState) -> bool:
        """Whether every further query is refused."""
        ...

    def words(self, state: HoldoutState) -> str:
        """A plain sentence or two: what was used, what is left, what is claimed."""
        ...

    def to_json(self) -> dict[str, Json]:
        """Strict JSON; see `mechanism_from_json`."""
        ...


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
