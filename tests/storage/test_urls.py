"""From what a user writes to a storage."""

import subprocess
import sys
from pathlib import Path

import pytest

import trimtab as tt
from trimtab.base.clock import SimulatedClock
from trimtab.base.errors import InvalidArgument, StorageError, UnknownName
from trimtab.base.events import StudyCreated
from trimtab.base.records import Objective
from trimtab.storage import MemoryStorage, open_storage

CREATED = StudyCreated((Objective(),), seed=0)


def test_nothing_is_memory():
    assert isinstance(open_storage(None), MemoryStorage)


def test_a_storage_is_given_back():
    storage = MemoryStorage()
    assert open_storage(storage) is storage


@pytest.mark.parametrize("form", ["sqlite:///{name}", "sqlite:///{folder}/{name}", "{folder}/{name}", "{name}"])
@pytest.mark.parametrize("name", ["a.db", "a.sqlite", "a.sqlite3"])
def test_forms_of_a_file(tmp_path, monkeypatch, form, name):
    monkeypatch.chdir(tmp_path)
    storage = open_storage(form.format(folder=tmp_path, name=name))
    storage.append("study", [CREATED])
    storage.close()
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_path_object_may_have_any_ending(tmp_path):
    open_storage(tmp_path / "studies").close()
    assert (tmp_path / "studies").is_file()


def test_a_clock_is_handed_on(tmp_path):
    for url in (None, tmp_path / "a.db"):
        storage = open_storage(url, clock=SimulatedClock(1234.0))
        assert storage.append("study", [CREATED])[0].time == 1234.0
        storage.close()


def test_an_unknown_scheme_lists_the_known_ones():
    with pytest.raises(
        UnknownName, match=r"unknown storage scheme; got 'mysql'; allowed: sqlite\. Next: write sqlite:"
    ):
        open_storage("mysql://user@host/db")


@pytest.mark.parametrize("url", ["postgresql://host/db", "postgresql+psycopg://host/db", "postgres://host/db"])
def test_postgresql_is_announced(url):
    with pytest.raises(UnknownName, match=r"PostgreSQL is not there yet in this version.*allowed: sqlite:///FILE"):
        open_storage(url)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite://a.db"])
def test_a_url_without_a_file(url):
    with pytest.raises(InvalidArgument, match=r"names no file; got .*allowed: sqlite:///relative/file.db or .*Next: "):
        open_storage(url)


def test_a_url_with_options(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidArgument, match=r"a storage URL has no options; got 'sqlite:///a.db\?timeout=20'"):
        open_storage("sqlite:///a.db?timeout=20")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["studies", "a.txt", "", 7])
def test_what_is_no_storage(url):
    with pytest.raises(InvalidArgument, match=r"this is not a storage.*allowed: sqlite:///FILE, a path that ends in"):
        open_storage(url)


def test_sqlalchemy_is_loaded_only_for_a_database(tmp_path):
    code = """
import sys
from trimtab.storage import open_storage
open_storage(None)
assert not {"sqlalchemy", "sqlite3"} & set(sys.modules)
open_storage(sys.argv[1]).close()
assert "sqlalchemy" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code, str(Path(tmp_path, "a.db"))], check=True)


@pytest.mark.parametrize("is_empty", [False, True])
def test_who_only_looks_makes_no_database(tmp_path, is_empty):
    path = tmp_path / "past.db"
    if is_empty:
        path.touch()
    looks = [
        lambda: open_storage(path, make=False),
        lambda: tt.load_study("mine", f"sqlite:///{path}"),
        lambda: tt.create_study(space=tt.Space(x=tt.Float(0.0, 1.0)), corpus=f"sqlite:///{path}"),
    ]
    for look in looks:
        with pytest.raises(StorageError, match=r"no database at .*past\.db; allowed: .*Next: check the URL"):
            look()
    assert [(each.name, each.stat().st_size) for each in tmp_path.iterdir()] == ([("past.db", 0)] if is_empty else [])


def test_what_is_there_is_opened_without_making_it(tmp_path):
    open_storage(tmp_path / "a.db").close()
    open_storage(tmp_path / "a.db", make=False).close()
