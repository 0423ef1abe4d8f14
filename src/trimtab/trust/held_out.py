"""Selection by a reusable holdout: the study's own answers, with the error that their mechanism states.

Needs a study that was created with a holdout (`trimtab.trust.holdout`). Nothing is corrected for the choice here: the
error that a mechanism states holds for all its answers at once, the chosen one among them.

- Thresholdout: the trial of the lowest answer; its answer; that plus and minus the stated error e, cut to the possible
  losses. Trials whose answers lie within 2 e of it are tied. Where nothing is stated, no interval.
- The Ladder: the trial that leads; the best-so-far; plus and minus the stated error e. All n losses on the holdout that
  enter the proof are close to their truth at once, the leader's among them, so e holds for it, too. How good others are
  is not told, so all of them are tied.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from trimtab.base.records import Selection
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.trust.candidates import Absent, Candidates
from trimtab.trust.holdout import HoldoutInUse
from trimtab.trust.holdout.ladder import LADDER
from trimtab.trust.holdout.thresholdout import THRESHOLDOUT_REFS

__all__ = ["HoldoutAnswers", "LadderLead", "read_holdout"]


@dataclass(frozen=True, slots=True, eq=False)
class HoldoutAnswers:
    """The answers of a Thresholdout, each a trial's own.

    Arguments:
        candidates: k trials; their values are the answers.
        holdout: of the study.
    """

    method: ClassVar[str] = "reusable holdout (Thresholdout): the lowest answer"
    refs: ClassVar[tuple[Reference, ...]] = THRESHOLDOUT_REFS

    candidates: Candidates
    holdout: HoldoutInUse

    def select(self, level: float, key: Key) -> Selection:
        """The trial of the lowest answer. Nothing is drawn."""
        answers = self.candidates.minimized
        place = int(np.argmin(answers))
        error = self.holdout.stated_error
        ties = np.array([place]) if error is None else np.flatnonzero(answers <= answers[place] + 2.0 * error)
        return _selection(self.candidates, self.holdout, place, float(answers[place]), ties, level, self.method)


@dataclass(frozen=True, slots=True, eq=False)
class LadderLead:
    """The lead of a Ladder, of which nothing is told but the best so far.

    Arguments:
        candidates: k trials; their values are means on the training part.
        holdout: of the study.
        place: of the trial that leads.
        best: the best so far.
    """

    method: ClassVar[str] = "reusable holdout (the Ladder): the trial that leads"
    refs: ClassVar[tuple[Reference, ...]] = (LADDER,)

    candidates: Candidates
    holdout: HoldoutInUse
    place: int
    best: float

    def select(self, level: float, key: Key) -> Selection:
        """The trial that leads. Nothing is drawn."""
        every = np.arange(len(self.candidates))
        return _selection(self.candidates, self.holdout, self.place, self.best, every, level, self.method)


def read_holdout(candidates: Candidates, named: bool) -> HoldoutAnswers | LadderLead | Absent:
    """The answers of the study's holdout.

    Arguments:
        candidates: the trials, all of which were asked about.
        named: whether the holdout was asked for by name; it is used in any case where there is one.
    """
    holdout = HoldoutInUse.of(candidates.history.study)
    if holdout is None:
        return Absent("it has no holdout; create it with create_study(holdout=trimtab.ReusableHoldout.of(...))")
    if not holdout.rules.mechanism.best_so_far:
        return HoldoutAnswers(candidates, holdout)
    leads = np.flatnonzero(candidates.numbers == holdout.state.spoke_for)
    if not leads.size or holdout.state.last is None:
        return Absent("the holdout has answered for none of its trials", told=True)
    return LadderLead(candidates, holdout, int(leads[0]), holdout.state.last)


def _selection(
    candidates: Candidates,
    holdout: HoldoutInUse,
    place: int,
    answer: float,
    ties: NDArray[np.intp],
    level: float,
    method: str,
) -> Selection:
    """The record, with the error that is stated and what it rests on."""
    error, mechanism = holdout.stated_error, holdout.rules.mechanism
    # An answer may lie a little outside the possible losses, where noise was added.
    answer = min(max(answer, 0.0), mechanism.bound)
    ends = None if error is None else (max(answer - error, 0.0), min(answer + error, mechanism.bound))
    caveats = [
        holdout.words,
        "It speaks of examples like those of the holdout, and of models that were not fitted to it: a trial that was "
        "trained on the holdout voids it.",
    ]
    if error is not None and level != mechanism.level:
        caveats.append(
            f"The interval is the holdout's, at a level of {mechanism.level:.0%}, not at the {level:.0%} asked for."
        )
    return candidates.selection(place, answer, ends, mechanism.level, ties, method, caveats, observed=answer)
