"""The study so far, immutable and columnar: what tuners, pruners, trust and reports read.

States and values are arrays; whole trials are decoded from their stored rows only when they are
looked at, so a history of 100,000 trials loads in about a second and stays small. Extending one by
new events copies the arrays (a few milliseconds at that size) and shares everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from trimtab.base.arrays import float_from_json, loads
from trimtab.base.events import Reported, Stored, StudyCreated
from trimtab.base.fold import advance_study, advance_trial, changes_study
from trimtab.base.outcomes import TrialState
from trimtab.base.records import FrozenTrial, Objective, Params, Report, StudyRecord, TrialRow

__all__ = ["History", "Snapshot"]

S = TypeVar("S")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A study as a storage's derived rows tell it at one moment: the fold of the first `seq` events.

    Arguments:
        study: the study's record.
        seq: place of the last event that went into it.
        rows: one per trial, in the order of their numbers, dense from 0.
    """

    study: StudyRecord
    seq: int
    rows: Sequence[TrialRow]


class History(Generic[S]):
    """An immutable view of a study after its first `seq` events. `S` is the type of its space.

    Attributes:
        study: the study's record (name, objectives, seed ...).
        space: the space in force.
        seq: place of the last event seen.
        states: shape (n,), int8: each trial's `TrialState`.
        values: shape (n, m), float64: as observed, in the objectives' own signs; nan where nothing was.
        curves: trial number -> its reports in order of arrival; empty unless read with reports.

    Rows of every array are trials by number. Arrays are read-only.
    """

    __slots__ = ("_retries", "_trials", "curves", "seq", "space", "states", "study", "values")

    study: StudyRecord
    space: S
    seq: int
    states: NDArray[np.int8]
    values: NDArray[np.float64]
    curves: Mapping[int, tuple[Report, ...]]
    _trials: list[TrialRow | FrozenTrial]
    _retries: int

    def __init__(
        self,
        study: StudyRecord,
        space: S,
        trials: Sequence[TrialRow | FrozenTrial] = (),
        seq: int = 0,
        curves: Mapping[int, tuple[Report, ...]] | None = None,
    ) -> None:
        self.study, self.space, self.seq = study, space, seq
        self._trials = list(trials)
        self._retries = sum(trial.retry_of is not None for trial in self._trials)
        self.curves = curves or {}
        self.states = np.fromiter((t.state for t in self._trials), dtype=np.int8, count=len(self._trials))
        self.values = _values(self._trials, study.objectives)
        self._seal()

    def _seal(self) -> None:
        self.states.flags.writeable = False
        self.values.flags.writeable = False

    @classmethod
    def from_snapshot(cls, snapshot: Snapshot, space: S) -> History[S]:
        """The history that a storage's derived rows hold."""
        return cls(snapshot.study, space, snapshot.rows, snapshot.seq)

    @classmethod
    def from_events(cls, name: str, events: Iterable[Stored], space_of: Callable[[StudyRecord], S]) -> History[S]:
        """The history as the fold of a whole log, the first event included.

        Arguments:
            name: the study's name.
            events: its log from place 1.
            space_of: how to read the space from the study's record.
        """
        items = iter(events)
        first = next(items)
        if not isinstance(first.event, StudyCreated):
            raise ValueError(f"the log of study {name!r} does not begin with its creation")
        study = advance_study(name, None, first)
        return cls(study, space_of(study), seq=first.seq).extended(items, space_of)

    def extended(self, events: Iterable[Stored], space_of: Callable[[StudyRecord], S]) -> History[S]:
        """This history with more events, reports included; `self` where there are none."""
        study, seq = self.study, self.seq
        changed: dict[int, FrozenTrial] = {}
        reports: dict[int, list[Report]] = {}
        for stored in events:
            seq = stored.seq
            event = stored.event
            if changes_study(event):
                study = advance_study(study.name, study, stored)
            number = getattr(event, "number", None)
            if number is None:
                continue
            if isinstance(event, Reported):
                reports.setdefault(number, []).append(Report(event.step, event.metrics, stored.time))
                continue
            known = changed.get(number)
            if known is None and number < len(self._trials):
                known = self.trial(number)
            changed[number] = advance_trial(known, stored)
        if seq == self.seq:
            return self
        space = self.space if _same_space(study, self.study) else space_of(study)
        return self._with(study, space, seq, changed, reports)

    def _with(
        self,
        study: StudyRecord,
        space: S,
        seq: int,
        changed: Mapping[int, FrozenTrial],
        reports: Mapping[int, Sequence[Report]],
    ) -> History[S]:
        """A copy in which some trials are replaced or added, and some curves are longer."""
        new: History[S] = History.__new__(History)
        new.study, new.space, new.seq = study, space, seq
        new.curves = (
            {**self.curves, **{n: (*self.curves.get(n, ()), *more) for n, more in reports.items()}}
            if reports
            else self.curves
        )
        trials = list(self._trials)
        added = sorted(number for number in changed if number >= len(trials))
        trials.extend(changed[number] for number in added)
        new._trials = trials
        new._retries = self._retries + sum(changed[number].retry_of is not None for number in added)
        new.states = np.empty(len(trials), dtype=np.int8)
        new.values = np.full((len(trials), len(study.objectives)), np.nan)
        new.states[: len(self)] = self.states
        new.values[: len(self)] = self.values
        for number, trial in changed.items():
            trials[number] = trial
            new.states[number] = trial.state
            new.values[number] = [trial.values.get(o.name, np.nan) for o in study.objectives]
        new._seal()
        return new

    def with_curves(self, curves: Mapping[int, tuple[Report, ...]]) -> History[S]:
        """The same history with its curves, read from the storage's reports."""
        new = self._with(self.study, self.space, self.seq, {}, {})
        new.curves = curves
        return new

    def with_space(self, space: T) -> History[T]:
        """The same trials under another description of the space."""
        return History(self.study, space, self._trials, self.seq, self.curves)

    def __len__(self) -> int:
        """Number of trials in any state."""
        return len(self._trials)

    def __iter__(self) -> Iterator[FrozenTrial]:
        """The trials in order of their numbers."""
        return (self.trial(number) for number in range(len(self._trials)))

    def trial(self, number: int) -> FrozenTrial:
        """One trial, with its curve where curves were read.

        Raises:
            IndexError: no trial of that number.
        """
        if number < 0:
            raise IndexError(f"trial numbers start at 0; got {number}")
        trial = self._trials[number]
        if isinstance(trial, TrialRow):
            trial = FrozenTrial.from_row(trial)
            self._trials[number] = trial
        curve = self.curves.get(number)
        return trial if curve is None or curve is trial.reports else trial.with_(reports=curve)

    def params(self, numbers: Sequence[int] | NDArray[np.intp]) -> list[Params | None]:
        """The configurations of some trials; None where one has none yet.

        Reads them in bulk, without decoding whole trials.
        """
        found: list[Params | None] = []
        texts: list[str] = []
        for number in numbers:
            trial = self._trials[int(number)]
            if isinstance(trial, TrialRow):
                texts.append(trial.params or "null")
                found.append(None)
            else:
                found.append(trial.params)
        if texts:
            parsed = iter(loads(f"[{','.join(texts)}]"))
            for place, number in enumerate(numbers):
                if isinstance(self._trials[int(number)], TrialRow):
                    found[place] = next(parsed)
        return found

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What is optimised."""
        return self.study.objectives

    @property
    def minimized(self) -> NDArray[np.float64]:
        """The values turned so that lower is better in every column, shape (n, m)."""
        signs = np.array([objective.sign for objective in self.objectives])
        turned: NDArray[np.float64] = self.values * signs
        return turned

    def numbers(self, *states: TrialState) -> NDArray[np.intp]:
        """Numbers of the trials in any of the given states, ascending."""
        return np.flatnonzero(np.isin(self.states, states))

    @property
    def complete(self) -> NDArray[np.intp]:
        """Numbers of the trials that ran to their end with finite values."""
        return self.numbers(TrialState.COMPLETE)

    @property
    def pending(self) -> NDArray[np.intp]:
        """Numbers of the trials that run or wait and have params: tuners must know them.

        A waiting trial that a user enqueued may name only some parameters.
        """
        open_ = self.numbers(TrialState.RUNNING, TrialState.WAITING)
        return np.array([n for n in open_ if self._known_params(int(n))], dtype=np.intp)

    def _known_params(self, number: int) -> bool:
        """Whether a trial's configuration is known."""
        return self._trials[number].params is not None

    @property
    def superseded(self) -> frozenset[int]:
        """Numbers of the lost trials that another trial runs again."""
        return frozenset(t.retry_of for t in self._trials if t.retry_of is not None)

    @property
    def made(self) -> int:
        """How many trials there are, a lost one and its retry counted once."""
        return len(self) - self._retries


def _same_space(one: StudyRecord, other: StudyRecord) -> bool:
    """Whether two records of a study describe one space, the same objects: every answer of a holdout makes a record."""
    return one.space is other.space and one.parameters is other.parameters


def _values(trials: Sequence[TrialRow | FrozenTrial], objectives: Sequence[Objective]) -> NDArray[np.float64]:
    """Values of all trials as one array, shape (n, m); the JSON of stored rows is read in one go."""
    names = [objective.name for objective in objectives]
    out = np.full((len(trials), len(names)), np.nan)
    texts, places = [], []
    for place, trial in enumerate(trials):
        if isinstance(trial, FrozenTrial):
            out[place] = [trial.values.get(name, np.nan) for name in names]
        elif trial.values is not None:
            texts.append(trial.values)
            places.append(place)
    column = {name: index for index, name in enumerate(names)}
    for place, pairs in zip(places, loads(f"[{','.join(texts)}]"), strict=True):
        for name, value in pairs:
            if name in column:
                out[place, column[name]] = value if type(value) is float else float_from_json(value)
    return out
