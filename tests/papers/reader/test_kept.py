"""Results that hold until the catalogue changes."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from trimtab.papers.catalogue import Catalogue
from trimtab.papers.reader.kept import Kept, Later
from trimtab.papers.records import Listing, Page


@pytest.fixture
def catalogue() -> Iterator[Catalogue]:
    with Catalogue(":memory:") as made:
        made.add(Page("a", "json lines", (Listing("A first paper of four words"),)))
        yield made


def grow(catalogue: Catalogue) -> None:
    catalogue.add(Page("b", "json lines", (Listing(f"Another paper, the {catalogue.count()}th of them"),)))


def test_counting_is_done_once_for_each_version_of_what_it_depends_on(catalogue: Catalogue) -> None:
    kept, calls = Kept(catalogue), []

    def count() -> int:
        calls.append(1)
        return catalogue.count()

    assert [kept.get("n", ("papers",), count) for _ in range(3)] == [1, 1, 1]
    catalogue.set_vote(1, 1)
    assert kept.get("n", ("papers",), count) == 1
    assert len(calls) == 1
    grow(catalogue)
    assert kept.get("n", ("papers",), count) == 2
    assert kept.get("m", ("papers",), lambda: "other") == "other"


def test_long_work_is_waited_for_a_while_and_the_old_result_stands_meanwhile(catalogue: Catalogue) -> None:
    go_on = threading.Event()

    def work() -> int:
        assert go_on.wait(30)
        return catalogue.count()

    later = Later(catalogue, ("papers",), work)
    assert later.get(wait=0.01) is None
    go_on.set()
    assert later.get(wait=30) == 1
    go_on.clear()
    grow(catalogue)
    assert later.get(wait=0.01) == 1
    go_on.set()
    assert later.get(wait=30) == 2


def test_an_error_of_long_work_is_told_and_the_work_tried_again(catalogue: Catalogue) -> None:
    errors = [ValueError("once")]

    def work() -> str:
        if errors:
            raise errors.pop()
        return "done"

    later = Later(catalogue, ("papers",), work)
    with pytest.raises(ValueError, match="once"):
        later.get(wait=30)
    assert later.get(wait=30) == "done"
