"""From what a user wrote to a storage."""

from __future__ import annotations

import os

from trimtab.base.clock import Clock
from trimtab.base.errors import InvalidArgument, UnknownName, message
from trimtab.base.ports import Storage
from trimtab.storage.memory import MemoryStorage

__all__ = ["open_storage"]

_FILE_ENDINGS = (".db", ".sqlite", ".sqlite3")
_FORMS = "sqlite:///FILE, a path that ends in .db, .sqlite or .sqlite3, a Storage, or None for memory"


def open_storage(
    url: str | os.PathLike[str] | Storage | None, *, clock: Clock | None = None, make: bool = True
) -> Storage:
    """The storage that a URL, a path or None names; a storage is given back as it is.

    Arguments:
        url: "sqlite:///relative/file.db", "sqlite:////absolute/file.db", the path of a file that ends
            in .db, .sqlite or .sqlite3, None for memory, or a storage.
        clock: tells the time of events and leases; the machine's where it is None.
        make: False to refuse a database that is not there, rather than make it.

    Raises:
        UnknownName: a scheme that is not known; the message lists those that are.
        InvalidArgument: none of the above.
        StorageError: the database cannot be opened.
    """
    if url is None:
        return MemoryStorage(clock)
    if isinstance(url, os.PathLike):
        return _sqlite(os.fspath(url), clock, make)
    if isinstance(url, str):
        return _from_text(url, clock, make)
    if isinstance(url, Storage):
        return url
    raise InvalidArgument(message("this is not a storage", got=url, allowed=_FORMS))


def _from_text(url: str, clock: Clock | None, make: bool) -> Storage:
    """The storage of a URL or of a plain path."""
    scheme, colon, rest = url.partition("://")
    if not colon:
        if os.path.splitext(url)[1] in _FILE_ENDINGS:
            return _sqlite(url, clock, make)
        raise InvalidArgument(message("this is not a storage URL", got=url, allowed=_FORMS))
    if scheme == "sqlite":
        return _sqlite(_file(url, rest), clock, make)
    if scheme.partition("+")[0] in ("postgresql", "postgres"):
        raise UnknownName(
            message(
                "PostgreSQL is not there yet in this version of trimtab",
                allowed="sqlite:///FILE",
                do="use an SQLite file on a local disk; it serves all processes of one machine",
            )
        )
    raise UnknownName(
        message("unknown storage scheme", got=scheme, allowed="sqlite", do="write sqlite:///trimtab.db, for instance")
    )


def _file(url: str, rest: str) -> str:
    """The path in what follows "sqlite://": after one slash it is relative, after two absolute."""
    path = rest.removeprefix("/")
    if not rest.startswith("/") or path in ("", ":memory:"):
        raise InvalidArgument(
            message(
                "the storage URL names no file",
                got=url,
                allowed="sqlite:///relative/file.db or sqlite:////absolute/file.db",
                do="count the slashes, or leave the storage out to keep the study in memory",
            )
        )
    if "?" in path:
        raise InvalidArgument(
            message(
                "a storage URL has no options",
                got=url,
                allowed="sqlite:///FILE",
                do="leave out what follows the question mark; a file whose name has one is given as a plain path",
            )
        )
    return path


def _sqlite(path: str, clock: Clock | None, make: bool) -> Storage:
    """The storage in an SQLite file; SQLAlchemy is imported only now."""
    from trimtab.storage.sqlite import open_sqlite

    return open_sqlite(path, clock=clock, make=make)
