"""`trimtab doctor`: whether the installation is whole and the storage in order."""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from trimtab.base.errors import TrimtabError
from trimtab.base.outcomes import TrialState
from trimtab.cli.options import DEFAULT_STORAGE, Format, FormatOption, StorageOption

if TYPE_CHECKING:
    from rich.table import Table

    from trimtab.base.history import History
    from trimtab.base.ports import Storage
    from trimtab.space import Space

__all__ = ["Finding", "Verdict", "doctor", "findings"]

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Verdict(StrEnum):
    """What a finding means."""

    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Arguments:
        what: was looked at.
        verdict: what it means.
        text: what was found; where it is wrong, what to do.
    """

    what: str
    verdict: Verdict
    text: str


def doctor(storage: StorageOption = DEFAULT_STORAGE, format: FormatOption = Format.TABLE) -> None:
    """Check the installation and the storage. Exit status 1 where something is wrong."""
    from trimtab.cli.screen import Screen, print_rows

    found = list(findings(storage))
    if format is Format.TABLE:
        Screen().show(_table(found))
    else:
        print_rows([asdict(finding) for finding in found], format)
    raise typer.Exit(int(any(finding.verdict is Verdict.WRONG for finding in found)))


def findings(storage: str) -> Iterator[Finding]:
    """Everything that is looked at, in order."""
    yield Finding("Python", Verdict.OK, f"{platform.python_version()} on {platform.platform(terse=True)}")
    yield from _packages()
    yield _cores()
    yield from _threads()
    yield from _storage(storage)


def _table(found: list[Finding]) -> Table:
    """The findings for people."""
    from rich.table import Table
    from rich.text import Text

    from trimtab.report.terminal import plain

    styles = {Verdict.OK: "green", Verdict.NOTE: "yellow", Verdict.WRONG: "bold red"}
    table = Table.grid(padding=(0, 2))
    for finding in found:
        verdict = Text(finding.verdict.value, style=styles[finding.verdict])
        table.add_row(verdict, finding.what, Text(plain(finding.text)))
    return table


def _packages() -> Iterator[Finding]:
    """trimtab, what it needs, and what its extras bring."""
    from importlib import metadata

    yield Finding("trimtab", Verdict.OK, metadata.version("trimtab"))
    for line in metadata.requires("trimtab") or []:
        name = _project(line)
        extra = line.partition("extra ==")[2].strip(" \"'")
        try:
            yield Finding(name, Verdict.OK, metadata.version(name) + (f" (extra {extra})" if extra else ""))
        except metadata.PackageNotFoundError:
            if extra:
                yield Finding(name, Verdict.NOTE, f"not installed; pip install 'trimtab[{extra}]' brings it")
            else:
                yield Finding(name, Verdict.WRONG, f"not installed; do: pip install {name}")


def _project(requirement: str) -> str:
    """The name in a requirement.

    >>> _project("numpy>=1.26"), _project("scikit-learn>=1.4; extra == 'sklearn'")
    ('numpy', 'scikit-learn')
    """
    length = next((at for at, sign in enumerate(requirement) if not (sign.isalnum() or sign in "-_.")), None)
    return requirement[:length]


def _cores() -> Finding:
    """How many cores this process may use."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Finding("cores", Verdict.OK, f"{usable} usable of {os.cpu_count()}")


def _threads() -> Iterator[Finding]:
    """What the environment says of the threads of native libraries."""
    said = [f"{name}={os.environ[name]}" for name in _THREADS if name in os.environ]
    text = ", ".join(said) or "nothing set; each worker process gets its share of the cores"
    yield Finding("threads", Verdict.OK, text)


def _storage(url: str) -> Iterator[Finding]:
    """The storage: can it be opened, is it whole, what is in it."""
    from trimtab.cli.opening import database_file
    from trimtab.storage import open_storage

    file = database_file(url)
    if file is not None and not file.exists():
        yield _missing(url, file)
        return
    try:
        opened = open_storage(url)
    except TrimtabError as error:
        yield Finding("storage", Verdict.WRONG, str(error))
        return
    with closing(opened) as kept:
        if file is not None:
            yield from _database(url, file)
        yield from _studies(kept)


def _missing(url: str, file: Path) -> Finding:
    """No database: fine where one can be made."""
    folder = file.absolute().parent
    if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
        return Finding("storage", Verdict.NOTE, f"{url}: no database yet; the first run makes it")
    return Finding("storage", Verdict.WRONG, f"{url}: the folder {folder} is missing or not writable; choose another")


def _database(url: str, file: Path) -> Iterator[Finding]:
    """The SQLite file itself: version of its schema, integrity, and whether it can be written."""
    try:
        with closing(sqlite3.connect(file, timeout=5.0, isolation_level=None)) as connection:
            whole = [row[0] for row in connection.execute("PRAGMA integrity_check(3)")]
            steps = [row[0] for row in connection.execute("SELECT name FROM steps ORDER BY time, name")]
            mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        yield Finding("storage", Verdict.WRONG, f"{url}: {error}; close other programs that use it, or restore a copy")
        return
    size = file.stat().st_size / 1e6
    yield Finding("storage", Verdict.OK, f"{url}: opened and writable, {size:.1f} MB, journal mode {mode}")
    yield Finding("schema", Verdict.OK, f"up to date; steps applied: {', '.join(steps)}")
    if whole == ["ok"]:
        yield Finding("integrity", Verdict.OK, "SQLite finds the file whole")
    else:
        text = f"SQLite finds damage: {'; '.join(whole)}; keep a copy, then: sqlite3 {file} .recover"
        yield Finding("integrity", Verdict.WRONG, text)


def _studies(storage: Storage) -> Iterator[Finding]:
    """How many studies there are, and trials that nobody runs any more."""
    from trimtab.cli.opening import histories

    yield Finding("studies", Verdict.OK, str(len(storage.studies())))
    for history in histories(storage):
        lost = _lost(history)
        if lost:
            shown = ", ".join(map(str, lost[:10]))
            text = f"study {history.study.name!r}: trials {shown} run no more, their workers died"
            yield Finding("lost trials", Verdict.NOTE, f"{text}; the next run runs them again")


def _lost(history: History[Space]) -> list[int]:
    """Numbers of the running trials whose worker is known to be dead."""
    from trimtab.study.workers import is_dead

    running = (int(number) for number in history.numbers(TrialState.RUNNING))
    return [number for number in running if is_dead(history.trial(number).worker)]
