"""Methods are found in the source, without importing it."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import trimtab
from trimtab.base.lazy import load
from trimtab.base.refs import Reference
from trimtab.papers import Catalogue, Filter, Listing, Page
from trimtab.papers.catalogue.systems_table import System
from trimtab.papers.linking import link
from trimtab.papers.methods import own_methods, read_methods
from trimtab.papers.records import Method
from trimtab.tuners.catalogue import CATALOGUE, make_tuner

ROOT = Path(trimtab.__file__).parents[2]

FILES = {
    "__init__.py": "",
    "room/__init__.py": "from pack.room.kiln import Kiln\n__all__ = ['Kiln']\n",
    "room/kiln.py": """
from trimtab.base.refs import Reference
raise RuntimeError("nobody may import this")
__all__ = ["KILN", "Kiln", "fire"]
KILN = Reference("Watt, Bo", "Kilns"
    " that learn", 2020, arxiv="2001.00001")
LOOSE = (Reference("Moss, Al", "Glazes", 2021, venue="V"), KILN)
class Kiln:
    refs: ClassVar[tuple[Reference, ...]] = (KILN, *OTHER)
def fire(): ...
""",
    "room/wheel.py": """
from pack.room.kiln import LOOSE as BORROWED
from trimtab.base.refs import Reference
__all__ = ["Wheel"]
class Wheel:
    @property
    def refs(self):
        return (BORROWED[0], *self.inner.refs, Reference(authors="Ada", title="Wheels", year=int("2022")))
class Bare:
    refs = ()
""",
    "testing/kit.py": "from trimtab.base.refs import Reference\nREF = Reference('A', 'Hidden', 2020)\n",
}


def test_a_package_is_read(tmp_path):
    package, tests = tmp_path / "pack", tmp_path / "tests"
    for name, source in FILES.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(source)
    (tests / "room").mkdir(parents=True)
    (tests / "room" / "test_kiln.py").write_text("from pack.room.kiln import Kiln\n")
    found = [(one.title, method) for one, method in read_methods(package, tests, {"wheel": "pack.room.wheel:Wheel"})]
    kiln = Method("Kiln", "room", "room/kiln.py", "from pack.room import Kiln", "tests/room/test_kiln.py")
    wheel = Method("wheel", "room", "room/wheel.py", "trimtab run FILE.py --tuner wheel")
    assert found == [("Kilns that learn", kiln), ("Glazes", kiln), ("Glazes", wheel)]


def test_what_the_tuners_name_is_what_the_source_says():
    """The slow way: make every tuner and ask it."""
    read = {}
    for reference, method in own_methods():
        read.setdefault(method.name, set()).add(reference)
    for name in CATALOGUE:
        assert set(make_tuner(name).refs) == read.get(name, set())


def test_calls_run_and_files_are_there():
    for _, method in own_methods():
        assert (Path(trimtab.__file__).parent / method.file).is_file()
        assert method.file.startswith(method.room)
        assert not method.check or (ROOT / method.check).is_file()
        if method.call.startswith("trimtab run"):
            assert method.call.split()[-1] in CATALOGUE
            continue
        _, module, _, *names = method.call.replace(",", "").split()
        if not _needs_torch(module):
            for name in names:
                load(f"{module}:{name}")


def _needs_torch(module: str) -> bool:
    """Whether a module cannot be imported for want of an extra."""
    try:
        importlib.import_module(module)
    except ImportError:
        return True
    return False


def test_reading_the_methods_imports_none_of_them():
    code = (
        "import sys; from trimtab.papers.methods import own_methods; assert own_methods();"
        "print([n for n in sys.modules if n == 'torch' or n.startswith('trimtab.tuners.values')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_systems_find_their_papers_and_say_which_did_not():
    papers = (
        Listing("Drifting Kilns: Local Differential Privacy for Ovens", "Ovens tell little of what they bake."),
        Listing("Counting Sheep with Sorted Fences", "FenceNet counts by sorting; fewer sheep are lost."),
        Listing("Sleep and Counting", "Sheep are counted badly at night."),
    )
    systems = [
        System(1, "LDP ovens", "workloads/privacy", "ovens tell little"),
        System(2, "FenceNet", "tuners/structure", "sort fences, lose fewer sheep"),
        System(3, "Quantum gravity", "diagnostics", "strings"),
        System(4, "Kiln", "explain", "not what the method is called"),
    ]
    own = [(Reference("A", papers[2].title, 2020), Method("KILN", "explain/fire", call="import kiln"))]
    with Catalogue(":memory:") as catalogue:
        catalogue.add(Page("a", "atom", papers))
        linked = link(catalogue, systems, own)
        assert linked.systems == {1: 1, 2: 2} | ({4: 3} if 4 in linked.systems else {})
        assert [system.n for system in linked.unmatched if system.n != 4] == [3]
        assert catalogue.methods(1) == (Method("LDP ovens", "workloads/privacy"),)
        assert not catalogue.methods(1)[0].runs
        assert catalogue.numbers(Filter(runs=True)).tolist() == []
        # The title is short, and so no key; by its number the method is known, and stands in for the row of the table.
        catalogue.add(Page("b", "atom", (Listing(papers[2].title, papers[2].abstract, arxiv="2001.00001"),)))
        own = [(Reference("A", papers[2].title, 2020, arxiv="2001.00001"), own[0][1])]
        again = link(catalogue, None, own)
        assert 4 in again.systems
        assert catalogue.methods(again.systems[4]) == (own[0][1],)
        assert (again.runs, catalogue.systems()) == (1, systems)
        before = catalogue.version()
        assert link(catalogue, None, own) == again
        assert catalogue.version() == before
