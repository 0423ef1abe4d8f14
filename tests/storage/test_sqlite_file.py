"""Files that are not for trimtab, or not any more: a clear error, and not a byte changed."""

import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from trimtab.base.errors import StorageError
from trimtab.base.events import NEXT, StudyCreated, TrialEnqueued
from trimtab.base.records import Objective
from trimtab.storage.sqlite import open_sqlite
from trimtab.storage.sqlite_file import APPLICATION_ID


def contents(folder: Path) -> dict[str, str]:
    """Every file of a folder with the hash of its bytes."""
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir()) if p.is_file()}


def assert_refused(path: Path, match: str) -> None:
    """Opening says why, and neither the file nor what lies beside it changes."""
    before = contents(path.parent)
    with pytest.raises(StorageError, match=match):
        open_sqlite(path)
    assert contents(path.parent) == before


@pytest.fixture
def ours(tmp_path):
    """A database of ours, closed, with a few trials."""
    path = tmp_path / "ours.db"
    storage = open_sqlite(path)
    storage.append("study", [StudyCreated((Objective(),), seed=0)])
    storage.append("study", [TrialEnqueued(NEXT, {"x": "y" * 500}) for _ in range(200)])
    storage.close()
    return path


def foreign_database(path: Path, mode: str = "DELETE", identity: int = 0) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(f"PRAGMA journal_mode = {mode}")
    connection.execute(f"PRAGMA application_id = {identity}")
    connection.execute("CREATE TABLE studies (study_id INTEGER PRIMARY KEY, study_name TEXT)")
    connection.execute("INSERT INTO studies VALUES (1, 'mine')")
    return connection


@pytest.mark.parametrize("identity", [0, 12345, -APPLICATION_ID])
@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_another_programs_database(tmp_path, mode, identity):
    path = tmp_path / "theirs.db"
    foreign_database(path, mode, identity).close()
    assert_refused(path, r"database of another program; it was left as it is; got .*theirs.db.*Next: give another path")
    assert list(contents(tmp_path)) == ["theirs.db"]


def test_another_programs_database_while_it_is_open(tmp_path):
    path = tmp_path / "theirs.db"
    connection = foreign_database(path, "WAL")
    main, log = path.read_bytes(), Path(f"{path}-wal").read_bytes()
    with pytest.raises(StorageError, match="database of another program"):
        open_sqlite(path)
    assert (path.read_bytes(), Path(f"{path}-wal").read_bytes()) == (main, log)
    assert connection.execute("SELECT study_name FROM studies").fetchall() == [("mine",)]
    connection.close()


@pytest.mark.parametrize("text", [b"x", b"name,value\n" * 100, b"SQLite format 3\x00", bytes(4096)])
def test_a_file_that_is_not_a_database(tmp_path, text):
    path = tmp_path / "notes.db"
    path.write_bytes(text)
    assert_refused(path, r"not a database, or what is left of one; got .*notes.db.*allowed: .*Next: give another path")


@pytest.mark.parametrize("left", [0.02, 0.3, 0.999])
def test_a_torn_database(ours, left):
    whole = ours.read_bytes()
    ours.write_bytes(whole[: int(len(whole) * left)])
    assert_refused(
        ours, rf"the database is torn: {len(whole)} bytes were written and \d+ are left.*Next: restore a copy"
    )


def test_a_database_torn_within_its_header(ours):
    ours.write_bytes(ours.read_bytes()[:60])
    assert_refused(ours, "not a database, or what is left of one")


@pytest.mark.parametrize("missing", [True, False])
def test_a_database_of_which_only_the_log_is_left(ours, missing):
    ours.write_bytes(b"")
    if missing:
        ours.unlink()
    Path(f"{ours}-wal").write_bytes(b"log" * 100)
    assert_refused(ours, r"missing or empty, but its log is there.*got '.*ours.db-wal'. Next: restore the database")


def test_a_database_with_damaged_pages(ours):
    whole = bytearray(ours.read_bytes())
    whole[4096:] = b"\xaa" * (len(whole) - 4096)
    ours.write_bytes(whole)
    before = ours.read_bytes()
    with pytest.raises(StorageError, match=r"the database is damaged \(.*\); got .*ours.db.*Next: restore a copy"):
        open_sqlite(ours)
    assert ours.read_bytes() == before


def test_a_folder_in_place_of_the_file(tmp_path):
    with pytest.raises(StorageError, match=r"the database path is a folder.*allowed: a file.*Next: give another"):
        open_sqlite(tmp_path)


def test_a_pipe_in_place_of_the_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.db")
    with pytest.raises(StorageError, match=r"the database path is not a regular file.*Next: "):
        open_sqlite(tmp_path / "pipe.db")


def test_a_missing_folder(tmp_path):
    missing = tmp_path / "no" / "such"
    with pytest.raises(StorageError, match=rf"the folder .*'a.db' does not exist; got '{missing}'. Next: .*mkdir -p"):
        open_sqlite(missing / "a.db")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_place_of_the_folder(tmp_path):
    (tmp_path / "file").write_text("text")
    with pytest.raises(StorageError, match=r"the folder of the database 'a.db' does not exist"):
        open_sqlite(tmp_path / "file" / "a.db")


@pytest.mark.parametrize("path", ["nul\0byte.db", "x" * 300 + ".db"])
def test_a_path_that_no_file_can_have(tmp_path, path):
    with pytest.raises(StorageError, match=r"cannot be reached \(.*\); got .*\.db.*Next: give another"):
        open_sqlite(tmp_path / path)


UNPRIVILEGED = """
import os, sys
from trimtab.base.errors import StorageError
from trimtab.storage.sqlite import open_sqlite
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
for path in sys.argv[1:]:
    try:
        open_sqlite(path)
    except StorageError as error:
        print(error)
"""


@pytest.fixture
def public():
    """A folder that every user of the machine can reach; pytest's own are private."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_what_may_not_be_written(ours, public):
    # For root everything is writable, so the test steps down to nobody.
    paths = []
    for name, folder_mode, file_mode in (("a", 0o555, None), ("b", 0o555, 0o666), ("c", 0o777, 0o444)):
        (public / name).mkdir()
        paths.append(public / name / f"{name}.db")
        if file_mode is not None:
            shutil.copy(ours, paths[-1])
            paths[-1].chmod(file_mode)
        (public / name).chmod(folder_mode)
    before = [contents(path.parent) for path in paths]
    command = [sys.executable, "-c", UNPRIVILEGED, *map(str, paths)]
    a, b, c = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert a.startswith(f"the folder of the database 'a.db' is not writable; got '{paths[0].parent}'; allowed: ")
    assert b.startswith("the folder of the database 'b.db' is not writable")
    assert c.startswith(f"the database file cannot be read and written; got '{paths[2]}'. Next: check its permissions")
    assert [contents(path.parent) for path in paths] == before
    for path in paths:
        path.parent.chmod(0o755)


def test_an_empty_file_becomes_a_database(tmp_path):
    path = tmp_path / "empty.db"
    path.touch()
    storage = open_sqlite(path)
    storage.append("study", [StudyCreated((Objective(),), seed=0)])
    storage.close()
    assert list(contents(tmp_path)) == ["empty.db"]


@pytest.mark.parametrize("name", ["a b?c#d%20&mode=ro.db", "ünïcode 🎛️.db", ":memory:", "file:x.db", "-.db"])
def test_any_file_name(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    storage = open_sqlite(name)
    storage.append("study", [StudyCreated((Objective(),), seed=0)])
    storage.close()
    assert list(contents(tmp_path)) == [name]
    again = open_sqlite(name)
    assert len(again.studies()) == 1
    again.close()


def test_a_link_leads_to_the_file(ours, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.db"
    link.symlink_to(ours)
    one, two = open_sqlite(link), open_sqlite(ours)
    one.claim("study", "one", 60.0)
    assert two.claim("study", "two", 60.0).trial.number == 1
    one.close()
    two.close()
    assert [p.name for p in link.parent.iterdir()] == ["link.db"]
