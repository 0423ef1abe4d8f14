"""Opening a storage to look at it: it must be there, and looking must not make one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.base.errors import StorageError, UnknownName, message

if TYPE_CHECKING:
    from trimtab.base.history import History
    from trimtab.base.ports import Storage
    from trimtab.space import Space
    from trimtab.study import Study

__all__ = ["database_file", "histories", "opened", "opened_study", "pick_study"]


@contextmanager
def opened(url: str) -> Iterator[Storage]:
    """A storage that is there already; closed at the end.

    Raises:
        StorageError: there is no such database, or it cannot be opened.
        UnknownName: the URL has an unknown scheme.
    """
    from trimtab.storage import open_storage

    _check_there(url, database_file(url))
    storage = open_storage(url)
    try:
        yield storage
    finally:
        storage.close()


@contextmanager
def opened_study(url: str, name: str | None) -> Iterator[Study]:
    """A study of a storage that is there already.

    Raises:
        UnknownName: no study of that name, or several where none is named.
        StorageError: as in `opened`.
    """
    from trimtab.api import load_study

    with opened(url) as storage:
        yield load_study(pick_study([record.name for record in storage.studies()], name), storage)


def histories(storage: Storage) -> Iterator[History[Space]]:
    """The history of every study, oldest first, without the curves, which may be much the larger part."""
    from trimtab.base.history import History
    from trimtab.study.view import space_of

    for record in storage.studies():
        yield History.from_snapshot(storage.snapshot(record.name), space_of(record))


def pick_study(names: list[str], wanted: str | None) -> str:
    """The study meant: the one named, or the only one there is.

    Raises:
        UnknownName: no study of that name, or several where none is named.
    """
    if wanted in names:
        assert wanted is not None
        return wanted
    if wanted is None and len(names) == 1:
        return names[0]
    if not names:
        raise UnknownName(message("the storage holds no study yet", do="trimtab run FILE.py, or trimtab demo"))
    what = f"the storage holds {len(names)} studies" if wanted is None else "there is no study of this name"
    raise UnknownName(
        message(what, got=wanted, allowed=", ".join(names[:20]), do="name one of them; `trimtab studies` lists all")
    )


def database_file(url: str) -> Path | None:
    """The file of an SQLite storage; None for any other.

    >>> database_file("sqlite:///trimtab.db"), database_file("runs/a.db")
    (PosixPath('trimtab.db'), PosixPath('runs/a.db'))
    """
    scheme, colon, rest = url.partition("://")
    if not colon:
        return Path(url) if Path(url).suffix else None
    return Path(rest.removeprefix("/")) if scheme == "sqlite" and rest.strip("/") else None


def _check_there(url: str, file: Path | None) -> None:
    """Refuse a database that is missing or still empty: opening it would make one."""
    if file is None or file.is_dir() or (file.exists() and file.stat().st_size > 0):
        return
    raise StorageError(
        message(
            f"there is no database {'yet ' if file.exists() else ''}at {file}",
            got=url,
            do="run `trimtab run FILE.py` or `trimtab demo` here first, or name another with --storage",
        )
    )
