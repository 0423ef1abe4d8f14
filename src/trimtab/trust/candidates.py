"""The trials that may be selected, and what a method of selection is to the rest of the room."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import UnknownName, message
from trimtab.base.history import History
from trimtab.base.outcomes import TrialState
from trimtab.base.records import Interval, Objective, Observation, Selection
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.trust.observed import feasible

__all__ = ["INTERVALS", "Absent", "Candidates", "Evidence", "Reader", "carriers", "left_out"]

INTERVALS = ("auto", "hybrid", "simultaneous")
"""The intervals that a selection may be asked for."""

_LEAST_SHARE = 0.5


class Evidence(Protocol):
    """One kind of information on noise, read from the candidates and ready to select by."""

    method: ClassVar[str]
    refs: ClassVar[tuple[Reference, ...]]

    @property
    def candidates(self) -> Candidates:
        """The trials that are compared."""
        ...

    def select(self, level: float, key: Key) -> Selection:
        """The honest best. Randomness, where there is any, comes from the key."""
        ...


@dataclass(frozen=True, slots=True)
class Absent:
    """That a kind of information is not there.

    Arguments:
        why: in plain words, a whole sentence without its full stop.
        told: whether some of it was told, so that a reader should learn why it was not used.
    """

    why: str
    told: bool = False


Reader = Callable[["Candidates", bool], Evidence | Absent]
"""(candidates, asked for by name) -> the evidence. Unless asked for by name, half of the trials must carry it."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """The complete, feasible trials of a study with a finite value, k of them in order of their numbers.

    Arguments:
        history: the study.
        index: which objective.
        numbers: the trials' numbers, shape (k,).
        observations: what they told.
    """

    history: History[Any]
    index: int
    numbers: NDArray[np.intp]
    observations: tuple[Observation, ...]

    @classmethod
    def of(cls, history: History[Any], index: int) -> Candidates:
        """Those of a study, one at least.

        Raises:
            UnknownName: there is none.
        """
        numbers = [int(n) for n in history.complete if np.isfinite(history.values[n, index]) and feasible(history, n)]
        if not numbers:
            raise UnknownName(
                message(_nothing(history), do="run more trials, or look at study.trials for why they ended")
            )
        observations = tuple(seen for n in numbers if (seen := history.trial(n).observation) is not None)
        return cls(history, index, np.array(numbers, dtype=np.intp), observations)

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def objective(self) -> Objective:
        """The objective."""
        return self.history.objectives[self.index]

    @property
    def minimized(self) -> NDArray[np.float64]:
        """The values, lower is better, shape (k,)."""
        values: NDArray[np.float64] = self.history.values[self.numbers, self.index] * self.objective.sign
        return values

    def take(self, places: Sequence[int] | NDArray[np.intp]) -> Candidates:
        """Only those at some places."""
        kept = tuple(self.observations[place] for place in places)
        return replace(self, numbers=self.numbers[np.asarray(places, dtype=np.intp)], observations=kept)

    def selection(
        self,
        place: int,
        estimate: float,
        ends: tuple[float, float] | None,
        level: float,
        ties: NDArray[np.intp],
        method: str,
        caveats: Sequence[str],
        objective: Objective | None = None,
        observed: float | None = None,
        best_probability: float | None = None,
        shrunk: float | None = None,
        ties_tested: bool = True,
    ) -> Selection:
        """The record.

        Arguments:
            place: of the selected trial.
            estimate: in the objective's own units and sign; moved into the interval where it lies outside.
            ends: of the interval, likewise and in any order; None for no interval.
            level: of the interval.
            ties: places of the tied trials.
            method: in the literature's words.
            caveats: one at least.
            objective: in place of the study's, where another quantity was selected on.
            observed: in place of the trial's value, likewise.
            best_probability: that the selected trial is the best of the candidates.
            shrunk: its value drawn together with the others, in the objective's own units and sign.
            ties_tested: whether the data can tell it from all that are not tied.
        """
        number = int(self.numbers[place])
        interval = None if ends is None else Interval(min(ends), max(ends), level)
        if interval is not None:
            estimate = min(max(estimate, interval.low), interval.high)
        return Selection(
            trial=number,
            params=self.history.trial(number).params or {},
            objective=objective or self.objective,
            estimate=float(estimate),
            interval=interval,
            tie_set=tuple(int(self.numbers[tie]) for tie in ties),
            method=method,
            caveats=tuple(caveats),
            observed=float(self.history.values[number, self.index] if observed is None else observed),
            best_probability=best_probability,
            shrunk=shrunk,
            ties_tested=ties_tested,
        )


def carriers(candidates: Candidates, places: Sequence[int], what: str, named: bool, do: str) -> Candidates | Absent:
    """The candidates that carry some information, or why it cannot be used.

    Arguments:
        candidates: all of them.
        places: of those that carry it.
        what: the information, in the plural, such as "standard errors".
        named: whether it was asked for by name; otherwise half of the candidates must carry it.
        do: how to give it, for the reader.
    """
    if not places:
        return Absent(f"no complete, feasible trial told {what} for objective {candidates.objective.name!r}; {do}")
    if not named and len(places) < _LEAST_SHARE * len(candidates):
        return Absent(
            f"{what} were not used, because only {len(places)} of {len(candidates)} trials told them", told=True
        )
    return candidates if len(places) == len(candidates) else candidates.take(places)


def left_out(before: Candidates, after: Candidates, what: str) -> list[str]:
    """The caveat for the trials that could not be compared; empty where there are none."""
    missing = np.setdiff1d(before.numbers, after.numbers)
    if not missing.size:
        return []
    best = int(before.numbers[np.argmin(before.minimized)])
    among = f", among them trial {best}, the best observed" if best in missing else ""
    return [f"{missing.size} of {len(before)} trials are left out because they told no usable {what}{among}."]


def _nothing(history: History[Any]) -> str:
    """What to say of a study without a candidate."""
    ends = {state.name: int((history.states == state).sum()) for state in TrialState}
    told = ", ".join(f"{count} {name}" for name, count in ends.items() if count) or "no trials"
    return f"study {history.study.name!r} has nothing to select: none of its trials is complete and feasible ({told})"
