"""Nothing of SQLite may cross a fork: connections are closed before one and opened anew after it.

SQLite's locks belong to a process, but what it remembers of them in memory is copied into the child,
which then believes that it holds locks that it does not; a parent that closes the database meanwhile
may delete the log under it. Closing in the child does not help. So a fork waits for the end of any
transaction and finds no connection open. See "How To Corrupt An SQLite Database File", section 2.6,
https://www.sqlite.org/howtocorrupt.html
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol

from trimtab.base.errors import StorageError, message

__all__ = ["Disconnects", "check_process", "close_before_forks", "same_process", "turn"]

turn = threading.RLock()
"""Held by the thread that uses an SQLite database, any of this process, and around every fork.

One lock for all: SQLite has one writer at a time, and readers of one process take turns at the
interpreter anyway.
"""


class Disconnects(Protocol):
    """Something that holds connections, and opens them again when it needs them."""

    def disconnect(self) -> None:
        """Close every connection."""
        ...


def close_before_forks(database: Disconnects) -> None:
    """Have a database disconnect before every fork of this process, for as long as it lives."""
    _databases.add(database)


def check_process() -> None:
    """Refuse to go on in a child that was forked by native code, behind Python's back.

    Raises:
        StorageError: connections may have crossed the fork.
    """
    if not same_process():
        raise StorageError(
            message(
                "the process was forked by native code while an SQLite database could be open in it",
                got=f"process {os.getpid()}, forked from {_owner[0]}",
                do="open the storage after the fork, in a process that imported trimtab after it",
            )
        )


def same_process() -> bool:
    """Whether no native code forked this process since Python last knew."""
    return os.getpid() == _owner[0]


_databases: weakref.WeakSet[Disconnects] = weakref.WeakSet()
_owner = [os.getpid()]


def _before() -> None:
    """Wait for the turn, keep it, and close every connection."""
    turn.acquire()
    for database in list(_databases):
        database.disconnect()


def _after_in_child() -> None:
    """Let the child use databases."""
    _owner[0] = os.getpid()
    turn.release()


os.register_at_fork(before=_before, after_in_parent=turn.release, after_in_child=_after_in_child)
