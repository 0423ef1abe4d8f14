"""Transactions on the one SQLite file of a catalogue, shared by any number of threads and processes of a machine.

The file is in WAL mode (https://www.sqlite.org/wal.html): readers see one moment and never wait for a writer. Writers
take turns: a transaction that may write begins IMMEDIATE and waits for its turn up to a patience. What was committed is
on the disk (`synchronous=FULL`).
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import final

from sqlalchemy import URL, Connection, Engine, QueuePool, StaticPool, create_engine, event
from sqlalchemy.exc import DBAPIError

from trimtab.base.errors import StorageError, message
from trimtab.papers.catalogue import steps
from trimtab.papers.catalogue.schema import APPLICATION_ID
from trimtab.storage.sqlite_errors import explain
from trimtab.storage.sqlite_file import resolve, uri

__all__ = ["MEMORY", "Database"]

MEMORY = ":memory:"

_NEW_NAME = "give another path with --catalogue; trimtab makes a new file there"
_RACES = 40  # looks at a file that another process may just be making
_RACE_PAUSE = 0.05  # seconds between them


@final
class Database:
    """The connections to one catalogue.

    Arguments:
        path: of the file, made where it is missing; or ":memory:", which is gone at the end.
        patience: seconds to wait for other writers.

    Raises:
        StorageError: the file is not a catalogue, is damaged, was written by a later version, or cannot be read and
            written. It is left as it was.
    """

    def __init__(self, path: str | os.PathLike[str], patience: float = 60.0) -> None:
        self._is_memory = os.fspath(path) == MEMORY
        self.path = Path(MEMORY) if self._is_memory else resolve(path)
        self._patience = patience
        # One connection is all that a database in memory has, so its users take turns.
        self._turn = threading.RLock()
        self._here = threading.local()
        is_new = self._is_memory or _is_new(self.path)
        self._engine = self._make_engine()
        try:
            self._prepare(is_new)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close every connection. May be called twice."""
        self._engine.dispose()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one moment; within another one of this thread it is that one.

        Raises:
            StorageError: the catalogue cannot be read.
        """
        with self._transact("BEGIN") as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may write: all of it lasts, or nothing where it raises. Within another one it joins that.

        Raises:
            StorageError: the catalogue cannot be written, or this thread is in a transaction that reads.
        """
        with self._transact("BEGIN IMMEDIATE") as connection:
            yield connection

    @contextmanager
    def _transact(self, begin: str) -> Iterator[Connection]:
        """A transaction of a kind on a connection of its own, or the one that this thread is in."""
        around: tuple[Connection, str] | None = getattr(self._here, "transaction", None)
        if around is not None:
            if begin not in ("BEGIN", around[1]):
                raise StorageError(
                    message(
                        "a transaction that only reads cannot become one that writes",
                        do="begin with Catalogue.transaction() where something will be written",
                    )
                )
            yield around[0]
            return
        with self._explained(), self._taking_turns(), self._engine.connect() as connection:
            connection.exec_driver_sql(begin)
            self._here.transaction = (connection, begin)
            try:
                yield connection
            except BaseException:
                connection.exec_driver_sql("ROLLBACK")
                raise
            else:
                connection.exec_driver_sql("COMMIT")
            finally:
                self._here.transaction = None

    @contextmanager
    def _taking_turns(self) -> Iterator[None]:
        if not self._is_memory:
            yield
            return
        with self._turn:
            yield

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Tell a person what an error of the database means."""
        try:
            yield
        except DBAPIError as error:
            if not isinstance(error.orig, sqlite3.Error):
                raise
            raise explain(error.orig, self.path, self._patience) from error

    def _make_engine(self) -> Engine:
        """SQLAlchemy's engine, which leaves the beginning and end of transactions to us."""
        engine = create_engine(
            URL.create("sqlite+pysqlite", database=MEMORY if self._is_memory else uri(self.path, "rwc")),
            creator=self._connect,
            poolclass=StaticPool if self._is_memory else QueuePool,
            isolation_level="AUTOCOMMIT",
            skip_autocommit_rollback=True,
            hide_parameters=True,  # secrets among them
        )
        event.listen(engine, "connect", _set_up)
        return engine

    def _connect(self) -> sqlite3.Connection:
        """A connection of the driver."""
        target = MEMORY if self._is_memory else uri(self.path, "rwc")
        return sqlite3.connect(
            target, uri=not self._is_memory, timeout=self._patience, isolation_level=None, check_same_thread=False
        )

    def _prepare(self, is_new: bool) -> None:
        """Make or upgrade the tables, and put the file in WAL mode."""
        if is_new:
            # Not in WAL mode yet: so the header is in the file itself, and says whose it is.
            with self.write() as connection:
                _create(connection, self.path)
        if not self._is_memory:
            with self._explained(), self._engine.connect() as connection:
                mode = connection.exec_driver_sql("PRAGMA journal_mode = WAL").scalar()
            if mode != "wal":
                raise StorageError(
                    message(
                        "the file system cannot hold an SQLite database in WAL mode",
                        got=f"{self.path}, journal mode {mode!r}",
                        do="put the catalogue on a local disk",
                    )
                )
        with self.read() as connection:
            todo = steps.missing(connection, steps.STEPS)
        if todo:
            with self.write() as connection:
                steps.upgrade(connection, steps.STEPS)


def _set_up(connection: sqlite3.Connection, _record: object) -> None:
    """What holds for every connection."""
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cache_size = -32768")  # 32 MiB
    connection.execute("PRAGMA wal_autocheckpoint = 4000")  # pages, 16 MiB: a batch of an import is less


def _create(connection: Connection, path: Path) -> None:
    """Make the tables in an empty database, unless another process just did."""
    if connection.exec_driver_sql("PRAGMA application_id").scalar() == APPLICATION_ID:
        return
    if connection.exec_driver_sql("SELECT name FROM sqlite_master").first() is not None:
        raise _foreign(path)
    connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
    steps.create(connection)


def _is_new(path: Path) -> bool:
    """Whether a catalogue is still to be made at a path: nothing is there, or an empty file.

    Raises:
        StorageError: what is there is not a catalogue, or cannot be reached.
    """
    for look in range(_RACES):
        try:
            if path.stat().st_size == 0:
                return True
        except FileNotFoundError:
            _check_folder(path)
            return True
        except OSError as error:
            raise StorageError(message(f"the catalogue cannot be reached ({error})", got=str(path))) from error
        if path.is_dir():
            raise StorageError(
                message("the path of the catalogue is a folder", got=str(path), allowed="a file", do=_NEW_NAME)
            )
        found = _application_id(path)
        if found == APPLICATION_ID:
            return False
        # Another process may be in the middle of making it: then its journal is there, or was until just now.
        if look >= 1 and not Path(f"{path}-journal").exists():
            break
        time.sleep(_RACE_PAUSE)
    if found is None:
        raise StorageError(
            message(
                "the file is not a catalogue, or what is left of one",
                got=str(path),
                allowed="a catalogue made by trimtab, an empty file or a new path",
                do=_NEW_NAME,
            )
        )
    raise _foreign(path)


def _application_id(path: Path) -> int | None:
    """Whose database a file is; None for what is no database. Touches nothing: no lock, no file beside it."""
    try:
        connection = sqlite3.connect(f"{uri(path, 'ro')}&immutable=1", uri=True)
        try:
            return int(connection.execute("PRAGMA application_id").fetchone()[0])
        finally:
            connection.close()
    except sqlite3.DatabaseError:
        return None


def _check_folder(path: Path) -> None:
    """Refuse a folder in which no file can be made."""
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise StorageError(
            message(
                f"the folder of the catalogue {path.name!r} does not exist or is not writable",
                got=str(path.parent),
                do=f"make it: mkdir -p {path.parent}; or give another path with --catalogue",
            )
        )


def _foreign(path: Path) -> StorageError:
    """The error for another program's database."""
    return StorageError(
        message(
            "the file is the database of something else; it was left as it is",
            got=str(path),
            allowed="a catalogue made by trimtab, an empty file or a new path",
            do=_NEW_NAME,
        )
    )
