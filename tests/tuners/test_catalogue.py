"""Names of tuners: every one makes its tuner, and a wrong one says what to do."""

from __future__ import annotations

import subprocess
import sys

import pytest

from trimtab.base.errors import InvalidArgument, UnknownName
from trimtab.base.refs import Reference
from trimtab.tuners import CATALOGUE, make_tuner, references_of
from trimtab.tuners.catalogue import TRANSFER, WARM
from trimtab.tuners.tasks.transfer import guard
from trimtab.tuners.values.random_search import RandomSearch


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_name_makes_its_tuner(name: str) -> None:
    tuner = make_tuner(name)
    assert tuner.name == name
    assert make_tuner(tuner) is tuner
    assert make_tuner(name) is not tuner
    assert list(references_of(name)) == list(tuner.refs)


def test_an_unknown_name_is_told_with_the_nearest_one() -> None:
    with pytest.raises(UnknownName) as told:
        make_tuner("sobel")
    assert str(told.value) == (
        "there is no tuner of this name; got 'sobel'; allowed: auto, cma-es, evolution, gp, grid, portfolio, "
        "quasi-newton, random, sobol, tpe, trust-region. Next: write 'sobol'."
    )
    with pytest.raises(UnknownName, match=r"allowed: auto, cma-es, .*, trust-region\.$"):
        make_tuner("quantum")


def test_a_class_is_not_a_tuner_yet() -> None:
    with pytest.raises(InvalidArgument, match="Next: call the class to make a tuner of it"):
        make_tuner(RandomSearch)  # type: ignore[arg-type]


def test_something_else_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="tuner must be a name or a tuner; got 3; allowed: one of"):
        make_tuner(3)  # type: ignore[arg-type]


def test_names_that_no_tuner_has_have_no_references() -> None:
    assert references_of("enqueued") == ()
    assert references_of("warm-start/enqueued") == ()


@pytest.mark.parametrize("method", TRANSFER)
def test_methods_of_transfer_are_cited_with_and_without_the_mark_of_a_warm_start(method: str) -> None:
    found = references_of(method)
    assert found
    assert all(isinstance(reference, Reference) for reference in found)
    assert references_of(WARM + method) == found


def test_the_mark_of_a_warm_start_is_its_own() -> None:
    assert WARM == guard.WARM


@pytest.mark.parametrize("name", ["random", "grid", "auto"])
def test_light_tuners_load_nothing_heavy(name: str) -> None:
    code = (
        f"import sys; from trimtab.tuners import make_tuner; make_tuner({name!r});"
        "sys.exit('scipy' in sys.modules or 'sklearn' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
