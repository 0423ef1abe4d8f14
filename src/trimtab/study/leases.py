"""Keeping the leases of running trials, and taking back those of dead workers."""

from __future__ import annotations

import threading

from trimtab.base.clock import Clock
from trimtab.base.errors import Conflict, StorageError, UnknownName
from trimtab.base.events import NEXT, Event, LeaseRenewed, TrialEnqueued, TrialReaped
from trimtab.base.history import History
from trimtab.base.outcomes import EndReason, TrialState
from trimtab.base.ports import Storage
from trimtab.base.records import FrozenTrial
from trimtab.space import Space
from trimtab.study.workers import is_dead

__all__ = ["LeaseKeeper", "losses_before", "reap", "retry_event"]


class LeaseKeeper:
    """Renews the leases of the trials this process holds, in a daemon thread, until they are let go.

    A thread, because the objective may keep the main thread busy for hours. The thread ends when
    nothing is held, so a study that is only read has none.

    Arguments:
        storage: where the study is.
        study: its name.
        lease: seconds that a lease lasts; it is renewed when a quarter of it has passed.
        clock: tells the time.
    """

    def __init__(self, storage: Storage, study: str, lease: float, clock: Clock) -> None:
        self._storage, self._study, self._lease, self._clock = storage, study, lease, clock
        self._held: dict[int, tuple[int, float]] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def hold(self, number: int, token: int, expires: float) -> None:
        """Keep this lease from now on."""
        with self._changed:
            self._held[number] = (token, expires)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="trimtab-leases", daemon=True)
                self._thread.start()

    def release(self, number: int) -> None:
        """Let go of a trial; nothing happens when it is not held."""
        with self._changed:
            self._held.pop(number, None)
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait(self._lease / 4)
                if not self._held:
                    self._thread = None
                    return
                held = dict(self._held)
            soon = self._clock.now() + self._lease * 3 / 4
            for number, (token, expires) in held.items():
                if expires < soon:
                    self._renew(number, token)

    def _renew(self, number: int, token: int) -> None:
        """Let one lease run for its full length from now."""
        expires = self._clock.now() + self._lease
        try:
            self._storage.append(self._study, [LeaseRenewed(number, token, expires)])
        except Conflict:
            # The lease was lost, or the trial was told a moment ago. The result still counts as a late one.
            self.release(number)
        except (StorageError, UnknownName):
            return  # tried again in a moment; the result itself will tell when the storage stays away
        else:
            with self._changed:
                if number in self._held:
                    self._held[number] = (token, expires)


def losses_before(history: History[Space], trial: FrozenTrial) -> int:
    """How often this trial's configuration was lost to a dead worker before, retry after retry."""
    count = 0
    while trial.retry_of is not None:
        trial = history.trial(trial.retry_of)
        count += trial.reason in (EndReason.KILLED, EndReason.LEASE_LOST)
    return count


def retry_event(trial: FrozenTrial) -> TrialEnqueued:
    """The event that enqueues a lost trial's configuration again; without one, the tuner fills it in."""
    return TrialEnqueued(NEXT, dict(trial.params or {}), dict(trial.attributes), retry_of=trial.number)


def reap(storage: Storage, history: History[Space], now: float, retries: int) -> int:
    """Mark the running trials whose worker is dead or whose lease ran out as lost, and enqueue them again.

    Arguments:
        storage: where the study is.
        history: the study so far.
        now: the present time, seconds since the Unix epoch.
        retries: how often one configuration is run again.

    Returns:
        How many trials were enqueued again.
    """
    requeued = 0
    for number in history.numbers(TrialState.RUNNING):
        trial = history.trial(int(number))
        dead = is_dead(trial.worker)
        if not dead and trial.expires > now:
            continue
        text = f"its worker {trial.worker} died" if dead else f"its worker {trial.worker} stopped renewing its lease"
        events: list[Event] = [TrialReaped(trial.number, trial.token, text)]
        again = losses_before(history, trial) < retries
        if again:
            events.append(retry_event(trial))
        try:
            storage.append(history.study.name, events)
        except Conflict:
            continue  # another process was faster, or the worker came back
        requeued += again
    return requeued
