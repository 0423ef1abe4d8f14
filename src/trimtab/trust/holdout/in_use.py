"""The holdout of a study, with what the study's log tells of it: what `study.holdout` shows, and selections say.

Needs a study that was created with a holdout. The state is the fold of the answers in the log, so every process and
every machine that reads the log sees the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from trimtab.base.holdout import HoldoutState
from trimtab.base.records import Json, StudyRecord
from trimtab.base.refs import Reference
from trimtab.trust.holdout.reusable_holdout import ReusableHoldout

__all__ = ["HoldoutInUse"]

_OTHERS = "others"


@final
@dataclass(frozen=True, slots=True)
class HoldoutInUse:
    """A holdout and its state. Made by `of`; prints as `words`.

    Arguments:
        rules: the two splits and the mechanism.
        state: the fold of all answers.
        others: names of the studies of the same storage that had the same holdout when the study was created.
    """

    rules: ReusableHoldout
    state: HoldoutState
    others: tuple[str, ...] = ()

    @classmethod
    def of(cls, study: StudyRecord) -> HoldoutInUse | None:
        """That of a study; None where it has none."""
        if study.holdout is None:
            return None
        others = tuple(study.holdout.get(_OTHERS, ()))
        return cls(ReusableHoldout.from_json(study.holdout), study.holdout_state, others)

    def declared(self) -> Json:
        """What the study's creation keeps: the rules, and who asked before; strict JSON."""
        return {**self.rules.to_json(), **({_OTHERS: list(self.others)} if self.others else {})}

    @property
    def left(self) -> int | None:
        """How often the holdout may still speak; None where there is no such limit."""
        return self.rules.left(self.state)

    @property
    def used_up(self) -> bool:
        """Whether every further query is refused."""
        return self.rules.used_up(self.state)

    @property
    def stated_error(self) -> float | None:
        """How far from the truth an answer may be, in units of the loss; None where nothing can be stated."""
        return self.rules.stated_error(self.state)

    @property
    def refs(self) -> tuple[Reference, ...]:
        """The sources of the mechanism."""
        return self.rules.mechanism.refs

    @property
    def words(self) -> str:
        """What was used, what is left and what is claimed, in plain words."""
        said = self.rules.words(self.state)
        if self.used_up:
            said = f"{said} It is used up, and answers no more."
        if self.others:
            said = f"{said} {self._shared()}"
        return said

    @property
    def brief(self) -> str:
        """What is left, in a few words."""
        if self.used_up:
            return "holdout used up"
        if self.left is None:
            return f"holdout asked {self.state.queries} times"
        return f"holdout may speak {self.left} more times"

    def __str__(self) -> str:
        """The words."""
        return self.words

    def row(self) -> dict[str, Json]:
        """Strict JSON for tables: the mechanism, what was used and what is left."""
        mechanism = self.rules.mechanism
        return {
            "mechanism": mechanism.to_json(),
            "training_size": self.rules.training.size,
            "holdout_size": self.rules.holdout.size,
            "queries": self.state.queries,
            "spent": self.state.spent,
            "left": self.left,
            "used_up": self.used_up,
            "last_answer": self.state.last,
            "stated_error": self.stated_error,
            "proven": mechanism.proven,
            "others": list(self.others),
            "words": self.words,
        }

    def _shared(self) -> str:
        """What it means that others asked before."""
        names = ", ".join(repr(name) for name in self.others[:3]) + (", ..." if len(self.others) > 3 else "")
        what = "Study" if len(self.others) == 1 else f"{len(self.others)} studies"
        return (
            f"{what} {names} had the same holdout before, on {'its' if len(self.others) == 1 else 'their'} own budget: "
            "what is claimed holds for one study, not for a choice made over several."
        )
