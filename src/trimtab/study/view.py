"""One study in one storage: its log to write to, and its history, kept up to date."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from trimtab.base.events import Event, Stored
from trimtab.base.history import History
from trimtab.base.ports import Storage
from trimtab.base.records import StudyRecord
from trimtab.space import Space, parameter_from_json

__all__ = ["StudyView", "space_of"]


def space_of(record: StudyRecord, given: Space | None = None) -> Space:
    """The space in force.

    Arguments:
        record: the study's record.
        given: the space that the user's code declares. Where it is the stored one it is taken, since
            predicates live in code and JSON holds only their texts.
    """
    if record.space is None:
        return Space.traced({name: parameter_from_json(data) for name, data in record.parameters.items()})
    if given is not None and given.to_json() == record.space:
        return given
    return Space.from_json(record.space)


class StudyView:
    """Reads and writes one study; safe for threads.

    Arguments:
        storage: where the study is.
        name: its name.
        given: the space that the user's code declares, if any.

    Raises:
        UnknownName: no study of that name.
    """

    def __init__(self, storage: Storage, name: str, given: Space | None = None) -> None:
        self.storage, self.name, self.given = storage, name, given
        self._lock = threading.RLock()
        snapshot = storage.snapshot(name)
        self._history = History.from_snapshot(snapshot, self._space_of(snapshot.study))
        self._has_curves = False

    def _space_of(self, record: StudyRecord) -> Space:
        return space_of(record, self.given)

    def declare(self, space: Space) -> None:
        """Take a space from code from now on; see `space_of`."""
        with self._lock:
            self.given = space
            self._history = self._history.with_space(self._space_of(self._history.study))

    def append(self, events: Sequence[Event]) -> tuple[Stored, ...]:
        """Write events; see `Storage.append`."""
        return self.storage.append(self.name, events)

    def refresh(self) -> History[Space]:
        """The history with everything that has happened by now; reads only what is new."""
        with self._lock:
            new = self.storage.read(self.name, self._history.seq)
            self._history = self._history.extended(new, self._space_of)
            return self._history

    def with_curves(self) -> History[Space]:
        """The history with everything that has happened by now, every curve included."""
        with self._lock:
            history = self.refresh()
            while not self._has_curves:
                curves = self.storage.reports(self.name)
                seen, history = history, self.refresh()
                # The two reads are two moments: they belong together only when nothing came between.
                if history.seq == seen.seq:
                    self._history = history = history.with_curves(curves)
                    self._has_curves = True
            return history
