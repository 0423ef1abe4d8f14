"""A storage against a slow and obvious twin: any sequence of events, valid or not, through both.

The twin keeps nothing but the log and folds all of it anew for every question. Hypothesis draws the
sequence; after every step the storage must tell the same log, the same trials, the same study and
the same curves, and it must refuse what the twin refuses, for the same reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from trimtab.base.errors import StudyExists, TrimtabError, UnknownName
from trimtab.base.events import (
    NEXT,
    Event,
    LeaseRenewed,
    Reported,
    SpaceChanged,
    SplitOpened,
    SplitSealed,
    Stored,
    StudyAttribute,
    StudyCreated,
    StudyStopped,
    TrialAdded,
    TrialAsked,
    TrialAttribute,
    TrialClaimed,
    TrialEnqueued,
    TrialEvent,
    TrialReaped,
    TrialTold,
)
from trimtab.base.fold import admit, advance_study, advance_trial, changes_study
from trimtab.base.holdout import HoldoutAnswer
from trimtab.base.outcomes import EndReason, TrialState
from trimtab.base.ports import Storage
from trimtab.base.records import FrozenTrial, Objective, Observation, Report, StudyRecord

__all__ = ["StorageMachine", "curves", "plain", "study_record", "trials"]


def trials(log: Sequence[Stored]) -> dict[int, FrozenTrial]:
    """Every trial as the fold of a log, by number."""
    found: dict[int, FrozenTrial] = {}
    for stored in log:
        number = getattr(stored.event, "number", None)
        if number is not None:
            found[number] = advance_trial(found.get(number), stored)
    return found


def study_record(name: str, log: Sequence[Stored]) -> StudyRecord:
    """The study's record as the fold of a log that begins with its creation."""
    record = advance_study(name, None, log[0])
    for stored in log[1:]:
        if changes_study(stored.event):
            record = advance_study(name, record, stored)
    return record


def curves(log: Sequence[Stored]) -> dict[int, list[Report]]:
    """Every trial's reports in order of arrival."""
    found: dict[int, list[Report]] = {}
    for stored in log:
        if isinstance(stored.event, Reported):
            point = Report(stored.event.step, stored.event.metrics, stored.time)
            found.setdefault(stored.event.number, []).append(point)
    return found


def plain(log: Sequence[Stored]) -> list[str]:
    """Events as texts, in which nan equals nan."""
    return [repr(stored) for stored in log]


class _Twin:
    """The slow and obvious storage of one study."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.log: list[Stored] = []

    def append(self, events: Sequence[Event]) -> list[Stored]:
        """The log after these events; kept by whoever calls."""
        log = list(self.log)
        for event in events:
            if isinstance(event, StudyCreated) and log:
                raise StudyExists(self.name)
            if not isinstance(event, StudyCreated) and not log:
                raise UnknownName(self.name)
            if isinstance(event, TrialEnqueued | TrialAdded):
                event = replace(event, number=len(trials(log)))
            if isinstance(event, TrialEvent):
                event = admit(trials(log).get(event.number), event)
            log.append(Stored(len(log) + 1, 0.0, event))
            study_record(self.name, log)  # raises what the study's own record refuses
        return log

    def next_claim(self, limit: int | None) -> int | None:
        """Number of the trial that a claim leases."""
        if not self.log:
            raise UnknownName(self.name)
        known = trials(self.log)
        waiting = [number for number, trial in known.items() if trial.state is TrialState.WAITING]
        retries = sum(trial.retry_of is not None for trial in known.values())
        if waiting:
            return min(waiting)
        return len(known) if limit is None or len(known) - retries < limit else None


_any_text = st.text(st.characters(exclude_categories=()), max_size=8)
_names = _any_text.filter(bool)
_scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _any_text
_json = st.recursive(
    _scalars, lambda part: st.lists(part, max_size=3) | st.dictionaries(_any_text, part, max_size=3), max_leaves=5
)
_params = st.dictionaries(_names, _scalars, max_size=3)
_objects = st.dictionaries(_names, _json, max_size=2)
_observations = st.builds(
    Observation,
    st.dictionaries(_names, st.floats(), min_size=1, max_size=2),
    losses=st.none() | st.lists(st.floats(), min_size=1, max_size=4),
    constraints=st.none() | st.dictionaries(_names, st.floats(), max_size=2),
    task=st.none() | _names,
)
_ends = st.sampled_from([TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL])
_reasons = st.sampled_from(EndReason)
_moments = st.floats(0.0, 2e9)
_created = st.builds(
    StudyCreated,
    st.just((Objective(), Objective("size", "maximize"))),
    st.integers(),
    st.none() | _objects,
    _any_text,
    st.none() | _objects,
)
_shares = st.floats(0.0, 1.0)
# Few places, so that many of them are the next one.
_answers = st.builds(
    HoldoutAnswer,
    st.integers(0, 2),
    _shares,
    st.booleans(),
    st.none() | st.lists(_shares, min_size=1, max_size=3).map(np.array),
)
_study_events = (
    st.builds(SpaceChanged, _objects, _any_text)
    | st.builds(StudyAttribute, _names, _json)
    | st.builds(StudyStopped, _any_text)
    | st.builds(SplitSealed, _objects)
    | st.builds(SplitOpened, st.integers(0, 3), _shares, _shares, _shares, _shares)
)
_births = st.builds(TrialEnqueued, st.just(NEXT), _params, _objects, st.none() | st.integers(0, 3)) | st.builds(
    TrialAdded,
    st.just(NEXT),
    _params,
    _ends,
    _reasons,
    st.none() | _observations,
    _any_text,
    _objects,
    _objects,
    st.none() | _answers,
)


def _told(number: st.SearchStrategy[int], token: st.SearchStrategy[int]) -> st.SearchStrategy[Event]:
    """Ends of a trial, define-by-run declarations included."""
    return st.builds(
        TrialTold,
        number,
        token,
        _ends,
        _reasons,
        st.none() | _observations,
        _any_text,
        _any_text,
        st.none() | _params,
        _objects,
        _objects,
        st.none() | _answers,
    )


def _leased(lease: tuple[int, int]) -> st.SearchStrategy[Event]:
    """Events of a trial that runs, or that ran, under a lease."""
    number, token = st.just(lease[0]), st.just(lease[1])
    return st.one_of(
        st.builds(TrialAsked, number, token, _params, st.integers(0, 100), _any_text, _any_text),
        st.builds(LeaseRenewed, number, token, _moments),
        st.builds(
            Reported, number, token, st.floats(-1e9, 1e9), st.dictionaries(_names, st.floats(), min_size=1, max_size=3)
        ),
        _told(number, token),
        st.builds(TrialReaped, number, token, _any_text),
        st.builds(TrialAttribute, number, _names, _json),
    )


class StorageMachine(RuleBasedStateMachine):
    """Two studies in one storage, each beside its twin.

    Arguments:
        open_storage: opens an empty storage.
        reopen: closes the storage and opens what it left; None where it leaves nothing.
    """

    def __init__(self, open_storage: Callable[[], Storage], reopen: Callable[[Storage], Storage] | None = None) -> None:
        super().__init__()
        self._storage = open_storage()
        self._reopen = reopen
        self._twins = {name: _Twin(name) for name in ("one", "two")}
        # Leases that were given out, and some that never were.
        self._leases = {name: [(0, 1), (0, 2), (1, 3)] for name in self._twins}

    @initialize(created=_created)
    def create_one(self, created: StudyCreated) -> None:
        """The first study exists from the start."""
        self._append("one", [created])

    @rule(name=st.sampled_from(["one", "two"]), data=st.data(), count=st.integers(1, 4))
    def append(self, name: str, data: st.DataObject, count: int) -> None:
        """A batch of events of all kinds; many are refused."""
        events = [data.draw(self._events(name)) for _ in range(count)]
        self._append(name, events)

    @rule(name=st.sampled_from(["one", "two"]), data=st.data())
    def work(self, name: str, data: st.DataObject) -> None:
        """One event of the latest lease, which is mostly valid."""
        self._append(name, [data.draw(_leased(self._leases[name][-1]))])

    @rule(name=st.sampled_from(["one", "two"]), limit=st.none() | st.integers(0, 6), worker=_any_text)
    def claim(self, name: str, limit: int | None, worker: str) -> None:
        """A worker asks for a trial."""
        twin = self._twins[name]
        expected = _outcome(lambda: twin.next_claim(limit))
        got = _outcome(lambda: self._storage.claim(name, worker, 60.0, limit))
        if got is None or isinstance(got, type):
            assert got == expected
            return
        assert (got.trial.number, got.seq) == (expected, len(twin.log) + 1)
        last = self._storage.read(name)[-1]
        claimed = TrialClaimed(got.trial.number, got.seq, worker, got.trial.expires)
        assert last == Stored(got.seq, last.time, claimed)
        twin.log.append(last)
        assert got.trial == trials(twin.log)[got.trial.number]
        self._leases[name].append((got.trial.number, got.seq))

    @rule()
    def open_again(self) -> None:
        """Close the storage and open what it left."""
        if self._reopen is not None:
            self._storage = self._reopen(self._storage)

    @invariant()
    def agrees(self) -> None:
        """What the storage tells is the fold of what was written."""
        known = [twin for twin in self._twins.values() if twin.log]
        for twin in known:
            assert plain(self._storage.read(twin.name)) == plain(twin.log)
            snapshot = self._storage.snapshot(twin.name)
            assert snapshot.seq == len(twin.log)
            assert snapshot.study == study_record(twin.name, twin.log)
            assert list(snapshot.rows) == [trial.to_row() for _, trial in sorted(trials(twin.log).items())]
            assert repr(self._storage.reports(twin.name)) == repr(
                {number: tuple(points) for number, points in curves(twin.log).items()}
            )
        assert {record.name for record in self._storage.studies()} == {twin.name for twin in known}

    def teardown(self) -> None:
        """Close the storage."""
        self._storage.close()

    def _events(self, name: str) -> st.SearchStrategy[Event]:
        """Events of any kind for a study as it stands."""
        leased = st.sampled_from(self._leases[name]).flatmap(_leased)
        return st.one_of(_births, leased, leased, _study_events, _created)

    def _append(self, name: str, events: list[Event]) -> None:
        """Append through both, and compare what comes of it."""
        twin = self._twins[name]
        expected = _outcome(lambda: twin.append(events))
        got = _outcome(lambda: self._storage.append(name, events))
        if isinstance(expected, type):
            assert got == expected
            return
        assert not isinstance(got, type), f"{got} for {events}"
        new = expected[len(twin.log) :]
        assert [(s.seq, s.event.kind) for s in got] == [(s.seq, s.event.kind) for s in new]
        assert plain([s._replace(time=0.0) for s in got]) == plain(new)
        twin.log.extend(got)


def _outcome(call: Callable[[], Any]) -> Any:
    """What a call gives, or the class of the error that it raises on purpose."""
    try:
        return call()
    except TrimtabError as error:
        return type(error)
