"""Studies in one SQLite file, shared by any number of processes of one machine without a server.

The file is in WAL mode (https://www.sqlite.org/wal.html): readers see one moment and never wait for
writers. Writes are short IMMEDIATE transactions; whoever finds the database taken tries again. WAL
needs the memory of one machine: do not put the file on a network file system.

Durability: in WAL mode `synchronous=FULL` syncs the log to the disk at every commit, and `NORMAL`
only now and then, where a crash of the machine (not of a process) may lose the last commits but
never harms the file. Writes that must last run under FULL; such a commit settles those before it
too, as they are in the same log.
"""

from __future__ import annotations

import os
import sqlite3
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, final

from sqlalchemy import text
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite as SQLiteDialect

from trimtab.base.clock import Clock
from trimtab.base.errors import StorageError, message
from trimtab.base.patience import patiently
from trimtab.storage import migrations
from trimtab.storage.forks import check_process, close_before_forks, same_process, turn
from trimtab.storage.sql import SQLStorage
from trimtab.storage.sqlite_errors import explain, is_busy
from trimtab.storage.sqlite_file import APPLICATION_ID, foreign, inspect, resolve, uri
from trimtab.storage.transaction import Compiler, Transaction

__all__ = ["SQLiteDatabase", "open_sqlite"]

T = TypeVar("T")

_BUSY_TIMEOUT = 0.1  # seconds that SQLite waits by itself; its pauses are the same for everybody


def open_sqlite(
    path: str | os.PathLike[str], *, clock: Clock | None = None, patience: float = 60.0, make: bool = True
) -> SQLStorage:
    """The storage in an SQLite file, which is made where it is missing or empty.

    Arguments:
        path: of the file; its folder must exist.
        clock: tells the time of events and leases.
        patience: seconds to wait for others before an error says that the database stays locked.
        make: False to refuse a file that is missing or empty, and leave it so.

    Raises:
        StorageError: the file is not a trimtab database, is damaged, was written by a later version,
            or cannot be read and written. It is left as it was.
    """
    database = SQLiteDatabase(resolve(path), patience)
    try:
        database.prepare(make)
    except BaseException:
        database.close()
        raise
    return SQLStorage(database, clock)


@final
class SQLiteDatabase:
    """Transactions on one SQLite file; a `trimtab.storage.sql.Database`.

    Arguments:
        path: of the file, absolute and without links.
        patience: seconds to wait for others.
    """

    def __init__(self, path: Path, patience: float) -> None:
        self._path = path
        self._patience = patience
        self._compiler = Compiler(SQLiteDialect())
        self._connections: list[sqlite3.Connection] = []  # one at most; a list, so that `finalize` can empty it
        self._synchronous = ""
        close_before_forks(self)
        weakref.finalize(self, _close_all, self._connections)

    def prepare(self, make: bool = True) -> None:
        """Recognise the file, make or upgrade its tables, and put it in WAL mode.

        Arguments:
            make: False to refuse a file that is missing or empty.

        Raises:
            StorageError: it is not for us; it was left as it was.
        """
        # Alone in the process: nobody opens the file while its header is read, see `sqlite_file`.
        with turn:
            if not inspect(self._path):
                if not make:
                    raise StorageError(
                        message(
                            f"there is no database at {self._path}",
                            allowed="one that is there and holds studies",
                            do="check the URL; create_study makes a new database where one is wanted",
                        )
                    )
                self._explained(self._touch)
                self.write(self._create, durable=True)
            self._explained(self._enter_wal)
            if self.read(migrations.missing):
                self.write(lambda transaction: migrations.upgrade(transaction, time.time()), durable=True)

    def read(self, work: Callable[[Transaction], T]) -> T:
        """See `trimtab.storage.sql.Database.read`."""
        return self._explained(lambda: self._transact("BEGIN", work))

    def write(self, work: Callable[[Transaction], T], *, durable: bool) -> T:
        """See `trimtab.storage.sql.Database.write`."""
        level = "FULL" if durable else "NORMAL"
        return self._explained(lambda: self._transact("BEGIN IMMEDIATE", work, level))

    def disconnect(self) -> None:
        """Close every connection; the next transaction opens a new one."""
        _close_all(self._connections)

    def close(self) -> None:
        """Close every connection. May be called twice."""
        with turn:
            self.disconnect()

    def _explained(self, attempt: Callable[[], T]) -> T:
        """Try again while others are in the way; tell a person what any other error means."""
        try:
            return patiently(attempt, is_busy, self._patience)
        except sqlite3.Error as error:
            raise explain(error, self._path, self._patience) from error

    def _transact(self, begin: str, work: Callable[[Transaction], T], level: str = "") -> T:
        """Run `work` in a transaction of a kind, under a level of synchronisation."""
        with turn:
            connection = self._connected()
            # The level belongs to the connection and cannot change inside a transaction.
            if level and level != self._synchronous:
                connection.execute(f"PRAGMA synchronous = {level}")
                self._synchronous = level
            with connection:  # commits, or rolls back
                connection.execute(begin)
                return work(Transaction(connection.cursor(), self._compiler))

    def _connected(self) -> sqlite3.Connection:
        """The connection, opened where there is none. The file must exist: nothing is made behind our back."""
        check_process()
        if not self._connections:
            self._connections.append(_connect(self._path, "rw"))
            self._synchronous = ""
        return self._connections[0]

    def _touch(self) -> None:
        """Make an empty file where there is none."""
        _connect(self._path, "rwc").close()

    def _create(self, transaction: Transaction) -> None:
        """Make the tables in an empty database, unless another process just did.

        The file is not in WAL mode yet: so its header is in the file itself, and says whose it is.
        """
        if transaction.rows(text("PRAGMA application_id")) == [(APPLICATION_ID,)]:
            return
        if transaction.rows(text("SELECT name FROM sqlite_master")):
            raise foreign(self._path)
        transaction.run(text(f"PRAGMA application_id = {APPLICATION_ID}"))
        migrations.create(transaction, time.time())

    def _enter_wal(self) -> None:
        """Put the database in WAL mode, in which it then stays."""
        [(mode,)] = self._connected().execute("PRAGMA journal_mode = WAL").fetchall()
        if mode != "wal":
            raise StorageError(
                message(
                    "the file system cannot hold an SQLite database in WAL mode",
                    got=f"{self._path}, journal mode {mode!r}",
                    do="put the database on a local disk",
                )
            )


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    """A connection that leaves transactions to us, and threads to `turn`."""
    return sqlite3.connect(
        uri(path, mode), uri=True, timeout=_BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
    )


def _close_all(connections: list[sqlite3.Connection]) -> None:
    """Close and forget connections, unless they were opened by another process."""
    while connections and same_process():
        connections.pop().close()
