"""The file of a catalogue: made, recognised, upgraded, shared by processes, and whole after a kill."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from trimtab.base.errors import StorageError
from trimtab.papers import Catalogue, Listing, Page, default_path
from trimtab.papers.catalogue import steps
from trimtab.papers.catalogue.schema import APPLICATION_ID
from trimtab.storage.sqlite import open_sqlite

PAGE = Page("a", "atom", (Listing("A paper about the making of files"),))

IMPORTS = """
import sys
from trimtab.papers import Catalogue, Listing

path, source, first, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
def listings():
    for number in range(first, first + count):
        print(number, flush=True)
        yield Listing(f"A paper about the number {number} and no other", f"By {source}." * 20)
with Catalogue(path) as catalogue:
    catalogue.add_listings(source, "atom", listings())
"""


def start(path, source, first, count):
    words = [sys.executable, "-c", IMPORTS, str(path), source, str(first), str(count)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


def refused(path, text):
    before = path.read_bytes()
    with pytest.raises(StorageError, match=text):
        Catalogue(path)
    assert path.read_bytes() == before
    assert sorted(path.parent.iterdir()) == [path]


def test_a_catalogue_is_made_and_found_again(tmp_path):
    path = tmp_path / "papers.db"
    with Catalogue(path) as catalogue:
        catalogue.add(PAGE)
        assert catalogue.path == path
    assert int.from_bytes(path.read_bytes()[68:72], "big") == APPLICATION_ID
    with Catalogue(path) as catalogue, Catalogue(path) as other:
        assert catalogue.count() == other.count() == 1
        catalogue.set_note(1, "seen by both")
        assert other.paper(1).note == "seen by both"


def test_an_empty_file_becomes_a_catalogue(tmp_path):
    path = tmp_path / "papers.db"
    path.touch()
    with Catalogue(path) as catalogue:
        catalogue.add(PAGE)


def test_what_is_no_catalogue_is_refused_and_left_as_it_is(tmp_path):
    for name, content in (
        ("text", b"hello, world " * 100),
        ("short", b"x"),
        ("torn", b"SQLite format 3\x00" + b"\x00" * 90),
    ):
        path = tmp_path / name / "papers.db"
        path.parent.mkdir()
        path.write_bytes(content)
        refused(path, "not a catalogue, or what is left of one|database of something else")


def test_other_databases_are_refused(tmp_path):
    path = tmp_path / "other" / "a.db"
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE papers (id)")
    connection.close()
    refused(path, "database of something else; it was left as it is")
    studies = tmp_path / "studies" / "trimtab.db"
    studies.parent.mkdir()
    open_sqlite(studies).close()
    refused(studies, "database of something else")


def test_folders_and_missing_folders(tmp_path):
    with pytest.raises(StorageError, match=r"the path of the catalogue is a folder.*--catalogue"):
        Catalogue(tmp_path)
    with pytest.raises(StorageError, match=r"the folder of the catalogue 'a.db' does not exist.*mkdir -p"):
        Catalogue(tmp_path / "none" / "a.db")


def test_the_default_is_in_the_data_folder(tmp_path, monkeypatch):
    if sys.platform != "darwin":
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
        assert default_path() == tmp_path / "trimtab" / "papers.db"
        with Catalogue() as catalogue:
            catalogue.add(PAGE)
        assert default_path().is_file()
        monkeypatch.setenv("XDG_DATA_HOME", "relative")
        monkeypatch.setenv("HOME", "/home/ada")
        assert default_path() == Path("/home/ada/.local/share/trimtab/papers.db")


def test_a_later_version_is_refused(tmp_path):
    path = tmp_path / "papers.db"
    with Catalogue(path) as catalogue, catalogue.transaction() as connection:
        connection.exec_driver_sql("INSERT INTO steps VALUES ('7 shelves', 0.0)")
    with pytest.raises(StorageError, match=r"written by a later version.*7 shelves.*upgrade trimtab"):
        Catalogue(path)


def test_an_older_catalogue_runs_the_steps_that_it_lacks_once_and_in_order(tmp_path, monkeypatch):
    path = tmp_path / "papers.db"
    with Catalogue(path) as catalogue:
        catalogue.add(PAGE)
    ran = []

    def shelves(connection):
        ran.append("shelves")
        connection.execute(text("ALTER TABLE marks ADD COLUMN shelf TEXT NOT NULL DEFAULT ''"))

    def labels(connection):
        ran.append("labels")
        connection.execute(text("UPDATE marks SET shelf = 'top'"))

    monkeypatch.setattr(steps, "STEPS", {"2 shelves": shelves, "3 labels": labels})
    for _ in range(2):
        with Catalogue(path) as catalogue:
            assert catalogue.count() == 1
    assert ran == ["shelves", "labels"]
    with Catalogue(path) as catalogue, catalogue.read() as connection:
        names = connection.exec_driver_sql("SELECT name FROM steps ORDER BY name").scalars().all()
        assert names == [steps.FIRST, "2 shelves", "3 labels"]


def test_a_step_that_fails_leaves_the_catalogue_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "papers.db"
    with Catalogue(path) as catalogue:
        catalogue.add(PAGE)

    def broken(connection):
        connection.execute(text("DELETE FROM listings"))
        raise RuntimeError("no further")

    with monkeypatch.context() as patch:
        patch.setattr(steps, "STEPS", {"2 broken": broken})
        with pytest.raises(RuntimeError, match="no further"):
            Catalogue(path)
    with Catalogue(path) as catalogue:
        assert catalogue.paper(1).sources == ("a",)


def test_a_locked_catalogue_is_waited_for_and_then_told(tmp_path, monkeypatch):
    path = tmp_path / "papers.db"
    with Catalogue(path) as catalogue:
        catalogue.add(PAGE)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    from trimtab.papers.catalogue import catalogue as module
    from trimtab.papers.catalogue.database import Database

    monkeypatch.setattr(module, "Database", lambda path: Database(path, patience=0.1))
    with Catalogue(path) as catalogue:
        assert catalogue.count() == 1  # readers do not wait
        with pytest.raises(StorageError, match=r"stayed locked by somebody else for 0\.1 seconds"):
            catalogue.set_note(1, "late")
        other.execute("ROLLBACK")
        other.close()
        catalogue.set_note(1, "now")


def test_processes_import_the_same_papers_at_the_same_time(tmp_path):
    """Two processes that also race to make the file: every paper is there once, with both sources."""
    path = tmp_path / "papers.db"
    running = [start(path, source, first, 1500) for source, first in (("left", 0), ("right", 500))]
    for process in running:
        process.communicate(timeout=120)
        assert process.returncode == 0
    with Catalogue(path) as catalogue:
        assert catalogue.sources() in (
            [("left", "atom", 1500), ("right", "atom", 1500)],
            [("right", "atom", 1500), ("left", "atom", 1500)],
        )
        papers = catalogue.papers(limit=3000)
        assert len(papers) == len({paper.title for paper in papers}) == 2000
        assert sum(len(paper.sources) == 2 for paper in papers) == 1000


def test_threads_share_a_catalogue(tmp_path):
    for path in (tmp_path / "papers.db", ":memory:"):
        with Catalogue(path) as catalogue:
            failures = []

            def work(name, catalogue=catalogue, failures=failures):
                try:
                    for number in range(5):
                        catalogue.add(Page(name, "atom", (Listing(f"A paper on {name} and the number {number}"),)))
                        catalogue.words(name)
                except Exception as error:  # noqa: BLE001  told below
                    failures.append(error)

            threads = [threading.Thread(target=work, args=(name,)) for name in ("moss", "fern", "reed")]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(timeout=60)
            assert failures == []
            assert catalogue.count() == 15


def test_a_kill_during_an_import_loses_nothing_that_was_there(tmp_path):
    path = tmp_path / "papers.db"
    with Catalogue(path) as catalogue:
        catalogue.add(PAGE)
        catalogue.set_note(1, "mine")
    process = start(path, "killed", 0, 10**6)
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= 2300:  # two batches are in, and the third is on its way
            process.send_signal(signal.SIGKILL)
            break
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    with Catalogue(path) as catalogue:
        assert catalogue.paper(1).note == "mine"
        # Whole batches, and each paper with all that belongs to it.
        count = catalogue.count()
        assert count >= 2001
        assert count % 1000 == 1
        assert all(paper.sources == ("killed",) for paper in catalogue.papers(limit=count) if paper.number > 1)
        assert len(catalogue.words("number", limit=10**6)) == count - 1
        with catalogue.read() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
        report = catalogue.add_listings(
            "killed",
            "atom",
            (Listing(f"A paper about the number {n} and no other", "By killed." * 20) for n in range(count)),
        )
        assert report.new == 1
