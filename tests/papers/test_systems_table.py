"""Tables of systems: read, refused, and matched with papers."""

from __future__ import annotations

from pathlib import Path

import pytest

from trimtab.base.errors import InvalidArgument
from trimtab.papers import Catalogue
from trimtab.papers.catalogue.systems_table import System
from trimtab.papers.linking import import_page, link
from trimtab.papers.systems import match, read_systems

SHARED = Path(__file__).parents[2].parent / "shared"


def test_a_table_is_read(tmp_path):
    path = tmp_path / "systems.tsv"
    path.write_text("room\tN\tsystem\tworks when\textra\nexplain\t2\tKiln\tit fires\tx\n\ntrust\t1\tWheel\n")
    assert read_systems(path) == [System(2, "Kiln", "explain", "", "it fires"), System(1, "Wheel", "trust")]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("", "no table of systems: its first line does not name the columns"),
        ("n,system,room\n", "does not name the columns"),
        ("n\tsystem\troom\nx\tKiln\texplain\n", "line 2: no row"),
        ("n\tsystem\troom\n1\t\texplain\n", "line 2: no row"),
        ("n\tsystem\troom\n1\ta\tb\n1\tc\td\n", "line 3: this number came before; got 1"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, content, text):
    path = tmp_path / "systems.tsv"
    path.write_text(content)
    with pytest.raises(InvalidArgument, match=text):
        read_systems(path)


def test_what_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(InvalidArgument, match="cannot be read"):
        read_systems(tmp_path / "none.tsv")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidArgument, match="cannot be read"):
        read_systems(tmp_path / "bytes")


def test_a_paper_is_at_most_one_system():
    papers = [(7, "Sorting sheep by their wool", ""), (9, "Sorting sheep by night", "")]
    systems = [System(1, "Sorting sheep", "a"), System(2, "Sheep sorting by wool", "a")]
    assert match(systems, [papers] * 2) == {1: 9, 2: 7}
    assert match(systems, [papers[:1]] * 2) in ({1: 7}, {2: 7})


def test_every_system_of_the_shared_table_that_finds_a_paper_finds_its_own():
    """The table lists the papers in the order of the pages, which the matching does not know."""
    if not (SHARED / "seeds").is_dir():
        pytest.skip(f"no listing pages at {SHARED / 'seeds'}: this test needs them")
    with Catalogue(":memory:") as catalogue:
        for page in sorted((SHARED / "seeds").glob("*.txt")):
            import_page(catalogue, page)
        linked = link(catalogue, read_systems(SHARED / "systems.tsv"))
        assert [(n, number) for n, number in linked.systems.items() if n != number] == []
        assert len(linked.systems) >= 150
