"""The small parts: messages, clocks, references, lazy imports, kinds of information."""

import importlib
import sys
import time

import pytest

from trimtab.base import errors
from trimtab.base.clock import SimulatedClock, SystemClock
from trimtab.base.errors import InvalidArgument, MissingExtra, TrialPruned, TrimtabError, check_count, message, shorten
from trimtab.base.info import Info
from trimtab.base.lazy import load, need
from trimtab.base.refs import Reference

PAPER = Reference(
    authors="de Freitas, Nando and O'Hara, Zoë",
    title="On the tuning of things",
    year=2022,
    venue="Journal of Examples",
    arxiv="2201.00001",
    doi="10.1000/1",
)


def test_a_message_says_what_got_allowed_next_in_this_order():
    assert message("what") == "what."
    assert message("what", got=1) == "what; got 1."
    assert message("what", got=0, allowed="more", do="add") == "what; got 0; allowed: more. Next: add."
    assert message("what", do="add") == "what. Next: add."
    assert message("what", got=None, allowed="more") == "what; allowed: more."


def test_long_values_are_cut_in_the_middle():
    assert shorten("short") == "'short'"
    for width in (10, 20, 81):
        text = shorten("a" * 500 + "b" * 500, width)
        assert len(text) == width
        assert text.startswith("'aa")
        assert text.endswith("b'")
        assert " ... " in text
    assert len(message("what", got="x" * 10_000)) < 120


def test_every_error_of_ours_is_one_and_fits_the_usual_kinds():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    ours = {kind for kind in kinds if kind is not TrialPruned}
    assert all(issubclass(kind, TrimtabError) for kind in ours)
    assert not issubclass(TrialPruned, TrimtabError)
    for name in ("InvalidSpace", "InvalidParams", "InvalidObservation", "InvalidArgument", "SpaceMismatch"):
        assert issubclass(getattr(errors, name), ValueError)
    assert issubclass(errors.UnknownName, LookupError)
    assert issubclass(errors.MissingExtra, ImportError)
    assert {kind.__name__ for kind in kinds} <= set(errors.__all__)
    assert all(kind.__name__ in errors.__doc__ for kind in kinds)


def test_counts_are_checked_in_one_way():
    assert check_count(3, "n_trials") == 3
    assert check_count(0, "n_trials", least=0) == 0
    with pytest.raises(InvalidArgument) as told:
        check_count(0, "n_trials", do="leave it out")
    assert str(told.value) == "n_trials must be a whole number; got 0; allowed: 1 or more. Next: leave it out."
    for value in (True, 2.0, "2", None):
        with pytest.raises(InvalidArgument, match="n_trials must be a whole number"):
            check_count(value, "n_trials")


def test_the_simulated_clock_moves_forward_only_when_told():
    clock = SimulatedClock(100.0)
    assert clock.now() == clock.now() == 100.0
    clock.advance_to(160.0)
    clock.advance_to(120.0)
    assert clock.now() == 160.0
    assert SimulatedClock().now() == 0.0


def test_the_system_clock_tells_the_time_of_day():
    before = time.time()
    assert before <= SystemClock().now() <= time.time()


def test_references_have_a_key_a_text_and_bibtex():
    assert PAPER.key == "defreitas2022tuning"
    assert PAPER.text == (
        "de Freitas, Nando and O'Hara, Zoë (2022). On the tuning of things."
        " Journal of Examples, arXiv:2201.00001, doi:10.1000/1."
    )
    assert PAPER.bibtex == (
        "@misc{defreitas2022tuning,\n"
        "  author = {de Freitas, Nando and O'Hara, Zoë},\n"
        "  title = {{On the tuning of things}},\n"
        "  year = {2022},\n"
        "  howpublished = {Journal of Examples},\n"
        "  eprint = {2201.00001},\n"
        "  doi = {10.1000/1}\n"
        "}"
    )
    bare = Reference("Ng, A", "It is", 2000, url="https://example.org")
    assert bare.key == "ng2000work"
    assert bare.text == "Ng, A (2000). It is. https://example.org."
    assert "url = {https://example.org}" in bare.bibtex
    assert "doi" not in bare.bibtex


def test_a_missing_package_is_told_with_its_extra():
    with pytest.raises(MissingExtra) as told:
        need("no_such_package_here.part", "torch", "the self-tuning network")
    assert str(told.value) == (
        "the self-tuning network needs the package 'no_such_package_here', which could not be imported"
        " (No module named 'no_such_package_here'). Next: pip install 'trimtab[torch]'."
    )
    assert isinstance(told.value.__cause__, ImportError)
    assert need("json", "torch", "this test") is importlib.import_module("json")


def test_a_package_that_breaks_while_it_is_imported_is_told_too(tmp_path, monkeypatch):
    (tmp_path / "broken_package_here.py").write_text("import a_dependency_that_is_absent")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        MissingExtra, match=r"which could not be imported \(No module named 'a_dependency_that_is_absent'"
    ):
        need("broken_package_here", "torch", "this test")
    assert "broken_package_here" not in sys.modules


def test_load_gives_an_attribute_of_a_module():
    assert load("json:dumps") is importlib.import_module("json").dumps
    with pytest.raises(AttributeError):
        load("json:nothing")


def test_kinds_of_information_combine():
    assert len(Info) == 11
    assert Info.VALUES | Info.STDERR in Info.VALUES | Info.STDERR | Info.CURVES
    assert Info.GRADIENTS not in Info.VALUES
    assert len({kind.value for kind in Info}) == 11
