"""What a file is, told before SQLite may touch it: ours, still to be made, or not for us.

SQLite repairs, creates and deletes files beside a database as soon as it opens it, so a file that is
not ours is recognised by the hundred bytes of its header (https://www.sqlite.org/fileformat.html)
and left exactly as it was.

Reading those bytes directly is safe only while nobody has the database open in this process: closing
any descriptor of a file drops every lock that the process holds on it. A database of ours that is
open has a file "-shm" beside it, and is then asked through SQLite, which minds its own locks.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from trimtab.base.errors import StorageError, message

__all__ = ["APPLICATION_ID", "beside", "foreign", "inspect", "resolve", "uri"]

APPLICATION_ID = 0x74726D74
""""trmt" in ASCII, in the place that SQLite keeps for telling whose file it is."""

_MAGIC = b"SQLite format 3\x00"
_NEW_NAME = "give another path, such as sqlite:///trimtab.db; trimtab makes a new file there"


class _Header(NamedTuple):
    """What the first hundred bytes of a database say."""

    application_id: int
    promised: int  # bytes that the file should have at least; 0 where it does not say


def resolve(path: str | os.PathLike[str]) -> Path:
    """The absolute path behind any links, under which SQLite keeps its other files.

    Raises:
        StorageError: no file can have such a path.
    """
    try:
        return Path(os.path.realpath(path))
    except ValueError as error:
        raise _unreachable(path, error) from error


def _unreachable(path: str | os.PathLike[str], error: Exception) -> StorageError:
    """The error for a path that leads nowhere."""
    return StorageError(message(f"the path of the database cannot be reached ({error})", got=str(path), do=_NEW_NAME))


def inspect(path: Path) -> bool:
    """Whether the file is a trimtab database; False where one is still to be made. Changes nothing.

    Raises:
        StorageError: neither; the message says why.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        _check_folder(path)
        _check_log(path)
        return False
    except OSError as error:
        raise _unreachable(path, error) from error
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
        raise StorageError(message(f"the database path is {what}", got=str(path), allowed="a file", do=_NEW_NAME))
    _check_folder(path)
    if not os.access(path, os.R_OK | os.W_OK):
        raise StorageError(
            message("the database file cannot be read and written", got=str(path), do="check its permissions")
        )
    return _is_ours(path)


def _check_folder(path: Path) -> None:
    """Refuse a folder that is not there or in which files cannot be made."""
    folder = path.parent
    if not folder.is_dir():
        raise StorageError(
            message(
                f"the folder of the database {path.name!r} does not exist",
                got=str(folder),
                do=f"make it: mkdir -p {folder}",
            )
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StorageError(
            message(
                f"the folder of the database {path.name!r} is not writable",
                got=str(folder),
                allowed="a folder in which files can be made, as SQLite keeps its log beside the database",
                do="choose another folder, or check its permissions",
            )
        )


def _check_log(path: Path) -> None:
    """Refuse to make a database where SQLite would delete the log that is left of another one."""
    if beside(path, "-wal"):
        raise StorageError(
            message(
                "the database is missing or empty, but its log is there and may hold what was written last",
                got=f"{path}-wal",
                do="restore the database beside its log; or move the log away to begin anew",
            )
        )


def _is_ours(path: Path) -> bool:
    """Whether a file that is there is a trimtab database; False where it is empty.

    Raises:
        StorageError: somebody else's, or damaged.
    """
    if beside(path, "-shm"):
        if _application_id(path) != APPLICATION_ID:
            raise foreign(path)
        return True
    with path.open("rb") as file:
        start, size = file.read(100), os.fstat(file.fileno()).st_size
    if size == 0:
        _check_log(path)
        return False
    header = _parse(start)
    if header is None:
        raise StorageError(
            message(
                "the file is not a database, or what is left of one",
                got=str(path),
                allowed="a database made by trimtab, an empty file or a new path",
                do=_NEW_NAME,
            )
        )
    if header.application_id != APPLICATION_ID:
        raise foreign(path)
    # With a log beside it, the file may be in the middle of being brought up to date.
    if size < header.promised and not beside(path, "-wal") and not beside(path, "-journal"):
        raise StorageError(
            message(
                f"the database is torn: {header.promised} bytes were written and {size} are left",
                got=str(path),
                do="restore a copy; keep this file, `sqlite3 FILE .recover` may save what it still holds",
            )
        )
    return True


def _parse(start: bytes) -> _Header | None:
    """The header of a database; None where the bytes are not one."""
    if len(start) < 100 or not start.startswith(_MAGIC):
        return None

    def number(at: int) -> int:
        return int.from_bytes(start[at : at + 4], "big")

    page = int.from_bytes(start[16:18], "big")
    size = 65536 if page == 1 else page
    # The number of pages counts only where the change counter agrees that it was kept up to date.
    pages = number(28) if number(24) == number(92) else 0
    return _Header(number(68), size * pages)


def _application_id(path: Path) -> int:
    """Whose database it is, asked through SQLite. Only where it is open already: that makes no new files."""
    try:
        connection = sqlite3.connect(uri(path, "ro"), uri=True, timeout=5.0)
        try:
            return int(connection.execute("PRAGMA application_id").fetchone()[0])
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        raise StorageError(
            message(
                f"the file cannot be read as a database ({error})",
                got=str(path),
                allowed="a database made by trimtab",
                do=_NEW_NAME,
            )
        ) from error


def foreign(path: Path) -> StorageError:
    """The error for another program's database."""
    return StorageError(
        message(
            "the file is the database of another program; it was left as it is",
            got=str(path),
            allowed="a database made by trimtab, an empty file or a new path",
            do=_NEW_NAME,
        )
    )


def beside(path: Path, ending: str) -> bool:
    """Whether there is a file of SQLite's, not empty, beside the database."""
    try:
        return os.stat(f"{path}{ending}").st_size > 0
    except OSError:
        return False


def uri(path: Path, mode: str) -> str:
    """The path as SQLite opens it in a mode: "ro", "rw" (it must exist) or "rwc" (made where missing)."""
    return f"file:{quote(os.fsencode(path))}?mode={mode}"
