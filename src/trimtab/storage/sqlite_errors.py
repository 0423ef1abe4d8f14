"""SQLite's error codes in plain words (https://www.sqlite.org/rescode.html)."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from trimtab.base.errors import StorageError, message

__all__ = ["explain", "is_busy"]

_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)

_MEANINGS = {
    sqlite3.SQLITE_FULL: (
        "the disk is full; nothing of this write was kept, everything before it was",
        "free some space and run it again",
    ),
    sqlite3.SQLITE_IOERR: (
        "the disk refused to read or write; nothing of this write was kept",
        "check the disk and its free space, then run it again",
    ),
    sqlite3.SQLITE_READONLY: ("the database may not be written", "check the permissions of the file and its folder"),
    sqlite3.SQLITE_CANTOPEN: (
        "the database cannot be opened",
        "check that the file and its folder exist and may be written",
    ),
    sqlite3.SQLITE_CORRUPT: (
        "the database is damaged",
        "restore a copy; keep this file, `sqlite3 FILE .recover` may save what it still holds",
    ),
    sqlite3.SQLITE_NOTADB: ("the file is not a database", "give another path, such as sqlite:///trimtab.db"),
}


def is_busy(error: Exception) -> bool:
    """Whether somebody else was in the way, so that another try may succeed."""
    return _code(error) in _BUSY


def explain(error: Exception, path: Path, patience: float) -> StorageError:
    """The error for a person: what happened to which file, and what to do."""
    code = _code(error)
    if code in _BUSY:
        what = f"the database stayed locked by somebody else for {patience:g} seconds"
        do = "look for a program that holds it open in a transaction, such as a database browser or a backup"
    else:
        what, do = _MEANINGS.get(code, ("SQLite reports an error", "see https://www.sqlite.org/rescode.html"))
    return StorageError(message(f"{what} ({error})", got=str(path), do=do))


def _code(error: Exception) -> int:
    """SQLite's primary result code; 0 where there is none."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
