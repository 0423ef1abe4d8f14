"""Forks with an open database: no connection crosses them, in whatever order the two processes go on."""

import os
import sys
import threading

import pytest

from trimtab.base.errors import StorageError
from trimtab.base.events import StudyAttribute, StudyCreated
from trimtab.base.records import Objective
from trimtab.storage.sqlite import open_sqlite

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are a matter of POSIX"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning"),
]


@pytest.fixture
def storage(tmp_path):
    storage = open_sqlite(tmp_path / "trimtab.db")
    storage.append("study", [StudyCreated((Objective(),), seed=0)])
    yield storage
    storage.close()


def in_child(work) -> int:
    """Start a child that does some work and ends with 0, or with 1 where the work raises."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException as error:  # noqa: BLE001  # nothing may leave the child and run on as a second pytest
            print(repr(error), file=sys.stderr)
        finally:
            os._exit(code)
    return child


def wait(child: int) -> None:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def numbers(storage) -> list[int]:
    return [row.number for row in storage.snapshot("study").rows]


def test_parent_and_child_go_on_with_the_same_storage(storage):
    def claims() -> None:
        for _ in range(20):
            assert storage.claim("study", str(os.getpid()), 60.0) is not None

    child = in_child(claims)
    claims()
    wait(child)
    rows = storage.snapshot("study").rows
    assert [row.number for row in rows] == list(range(40))
    assert len({row.worker for row in rows}) == 2


def test_a_child_writes_after_its_parent_closed_the_database(storage):
    # The parent is the last to close, as far as locks tell where a connection crossed the fork: it
    # would then delete the log that the child goes on writing to.
    (ready, tell_ready), (closed, tell_closed) = os.pipe(), os.pipe()

    def work() -> None:
        storage.claim("study", "child", 60.0)
        os.write(tell_ready, b"x")
        os.read(closed, 1)
        for _ in range(5):
            storage.claim("study", "child", 60.0)

    storage.claim("study", "parent", 60.0)
    child = in_child(work)
    os.close(tell_ready)
    assert os.read(ready, 1) == b"x"
    storage.close()
    os.write(tell_closed, b"x")
    wait(child)
    assert numbers(storage) == list(range(7))
    for end in (ready, closed, tell_closed):
        os.close(end)


def test_a_fork_waits_for_the_transactions_of_other_threads(storage):
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            storage.claim("study", "thread", 60.0)

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    children = [in_child(lambda: storage.claim("study", "child", 60.0)) for _ in range(5)]
    for child in children:
        wait(child)
    stop.set()
    for thread in threads:
        thread.join()
    rows = storage.snapshot("study").rows
    assert [row.number for row in rows] == list(range(len(rows)))
    assert sum(row.worker == "child" for row in rows) == 5


def test_a_grandchild_may_open_the_same_file(storage, tmp_path):
    def work() -> None:
        def inner() -> None:
            again = open_sqlite(tmp_path / "trimtab.db")
            again.append("study", [StudyAttribute("from", "grandchild")])
            again.close()

        storage.claim("study", "child", 60.0)
        wait(in_child(inner))
        storage.claim("study", "child", 60.0)

    wait(in_child(work))
    assert numbers(storage) == [0, 1]
    assert storage.studies()[0].attributes == {"from": "grandchild"}


def test_a_fork_behind_pythons_back_is_refused(storage, monkeypatch):
    monkeypatch.setattr(os, "getpid", lambda: 4_000_000)
    with pytest.raises(StorageError, match=r"forked by native code.*got 'process 4000000.*Next: open the storage"):
        storage.studies()
