"""The pure part of a write: a batch of events against the rules of `trimtab.base.fold`.

Every storage runs this inside its transaction and then writes down what it gathered, so that they
all number, admit and refuse alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import NamedTuple

from trimtab.base.errors import Conflict, InvalidArgument, StudyExists, UnknownName, message
from trimtab.base.events import (
    NEXT,
    Event,
    Reported,
    Stored,
    StudyCreated,
    TrialAdded,
    TrialClaimed,
    TrialEnqueued,
    TrialEvent,
)
from trimtab.base.fold import admit, advance_study, advance_trial, changes_study
from trimtab.base.outcomes import TrialState
from trimtab.base.records import FrozenTrial, StudyRecord, check_name

__all__ = ["Batch", "Counters", "check_appended", "check_lease", "no_study"]


class Counters(NamedTuple):
    """What a storage counts of a study, so that a write need not look at its trials.

    Arguments:
        seq: place of the last event.
        trials: how many there are; also the next number.
        retries: how many of them run a lost trial again.
        waiting: how many are WAITING.
    """

    seq: int = 0
    trials: int = 0
    retries: int = 0
    waiting: int = 0

    def room(self, limit: int | None) -> bool:
        """Whether a new trial may be made; a lost trial and its retry count once."""
        return limit is None or self.trials - self.retries < limit


class Batch:
    """Events that enter one study's log together. Raises where one is refused; nothing is written here.

    Arguments:
        name: the study's name.
        counters: as stored; None where there is no such study.
        time: seconds since the Unix epoch, of every event in the batch.
        find_study: reads the stored record; called once at most.
        find_trial: reads a stored trial by number; called once at most for each.

    Attributes:
        stored: the events as they enter the log.
        trials: the changed and the new trials by number.
        born: numbers of the new ones.
        study: the study's record where it changed, else None.
        counters: after the batch.
    """

    def __init__(
        self,
        name: str,
        counters: Counters | None,
        time: float,
        find_study: Callable[[], StudyRecord],
        find_trial: Callable[[int], FrozenTrial],
    ) -> None:
        self.stored: list[Stored] = []
        self.trials: dict[int, FrozenTrial] = {}
        self.born: set[int] = set()
        self.study: StudyRecord | None = None
        self._record: StudyRecord | None = None
        self.name, self._counters, self._time = name, counters, time
        self._find_study, self._find_trial = find_study, find_trial

    @property
    def counters(self) -> Counters:
        """The counters after what was added so far.

        Raises:
            UnknownName: the study does not exist.
        """
        if self._counters is None:
            raise no_study(self.name)
        return self._counters

    def add(self, event: Event) -> Stored:
        """Admit one event and apply it.

        Raises:
            StudyExists, UnknownName, Conflict: as the port says.
            InvalidArgument: the event itself cannot be stored.
        """
        if isinstance(event, StudyCreated):
            self._create()
        seq = self.counters.seq + 1
        stored = self._add_trial_event(event, seq) if isinstance(event, TrialEvent) else Stored(seq, self._time, event)
        if changes_study(stored.event):
            self._advance_study(stored)
        self._counters = self.counters._replace(seq=seq)
        self.stored.append(stored)
        return stored

    def add_all(self, events: Iterable[Event]) -> None:
        """Admit and apply events in order; even without any, the study must exist."""
        for event in events:
            self.add(event)
        if self._counters is None:
            raise no_study(self.name)

    def claim(self, number: int, worker: str, expires: float) -> Stored:
        """Lease a trial; the event's place in the log is the lease's fencing token."""
        return self.add(TrialClaimed(number, self.counters.seq + 1, worker, expires))

    def _create(self) -> None:
        """Make room for a study that does not exist."""
        check_name(self.name, "a study's name")
        if self._counters is not None:
            raise StudyExists(
                message(
                    f"study {self.name!r} exists already",
                    allowed="a name that is not taken",
                    do="choose another name, or go on with it: create_study(..., load_if_exists=True)",
                )
            )
        self._counters = Counters()

    def _add_trial_event(self, event: TrialEvent, seq: int) -> Stored:
        """Number, admit and apply an event of a trial."""
        if isinstance(event, TrialEnqueued | TrialAdded):
            event = self._numbered(event)
        elif isinstance(event, Reported):
            event = _measured(event)
        known = self._trial(event.number)
        stored = Stored(seq, self._time, admit(known, event))
        trial = advance_trial(known, stored)
        if trial is not known:
            self.trials[event.number] = trial
            if known is None:
                self.born.add(event.number)
            self._count(known, trial)
        return stored

    def _numbered(self, event: TrialEnqueued | TrialAdded) -> TrialEnqueued | TrialAdded:
        """The event with its trial's number."""
        free = self.counters.trials
        if event.number == NEXT:
            return replace(event, number=free)
        if event.number > free or event.number < 0:
            raise Conflict(
                message(
                    "trial numbers are dense",
                    got=event.number,
                    allowed=f"the next number, {free}",
                    do="leave the number to the storage: number=NEXT",
                )
            )
        return event

    def _trial(self, number: int) -> FrozenTrial | None:
        """A trial as the batch has left it so far; None where it does not exist."""
        if number in self.trials:
            return self.trials[number]
        return self._find_trial(number) if 0 <= number < self.counters.trials else None

    def _count(self, before: FrozenTrial | None, after: FrozenTrial) -> None:
        """Bring the counters up to date with one trial's change."""
        born = before is None
        waited = before is not None and before.state is TrialState.WAITING
        counters = self.counters
        self._counters = counters._replace(
            trials=counters.trials + born,
            retries=counters.retries + (born and after.retry_of is not None),
            waiting=counters.waiting + (after.state is TrialState.WAITING) - waited,
        )

    def _advance_study(self, stored: Stored) -> None:
        """Apply an event to the study's record."""
        if self._record is None and not isinstance(stored.event, StudyCreated):
            self._record = self._find_study()
        after = advance_study(self.name, self._record, stored)
        if after != self._record:
            self._record = self.study = after


def check_appended(events: Iterable[Event]) -> None:
    """Refuse what only `Storage.claim` may write.

    Raises:
        InvalidArgument: a `TrialClaimed`.
    """
    for event in events:
        if isinstance(event, TrialClaimed):
            raise InvalidArgument(
                message(
                    "a trial is claimed through the storage's claim, never by appending the event",
                    got=event,
                    do="call claim(study, worker, lease)",
                )
            )


def check_lease(lease: float) -> None:
    """Refuse a lease whose end would not be a time.

    Raises:
        InvalidArgument: not a finite number of seconds.
    """
    if not math.isfinite(lease):
        raise InvalidArgument(message("a lease must end", got=lease, allowed="a finite number of seconds"))


def no_study(name: str) -> UnknownName:
    """The error for a study that is not there."""
    return UnknownName(
        message(
            "there is no study of that name in this storage",
            got=name,
            do="create it with create_study, or list the names with `trimtab studies`",
        )
    )


def _measured(event: Reported) -> Reported:
    """The report with plain floats, as its typed columns hold them."""
    try:
        metrics = {check_name(name, "a metric's name"): float(value) for name, value in event.metrics.items()}
        if metrics:
            return replace(event, step=float(event.step), metrics=metrics)
    except (TypeError, ValueError, OverflowError):
        pass
    raise InvalidArgument(
        message(
            f"trial {event.number}: a report needs a step and one metric at least, all real numbers",
            got={"step": event.step, **event.metrics},
            do="report(step, {'loss': float(loss)})",
        )
    )
