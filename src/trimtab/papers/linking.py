"""Pages into the catalogue, and every paper to what runs here."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import final

from trimtab.base.refs import Reference
from trimtab.papers.catalogue.catalogue import Catalogue
from trimtab.papers.catalogue.systems_table import System
from trimtab.papers.methods import own_methods
from trimtab.papers.reading import open_page
from trimtab.papers.records import Filter, ImportReport, Method
from trimtab.papers.systems import match

__all__ = ["Linked", "import_page", "link"]

_CANDIDATES = 25  # papers that a system's words find best


@final
@dataclass(frozen=True, slots=True)
class Linked:
    """What of the catalogue is linked to methods.

    Arguments:
        papers: how many papers have a method that runs here, or a room that is to have one.
        runs: how many of them have something to call.
        systems: n of a system of the table -> number of its paper.
        unmatched: systems of the table that found no paper.
    """

    papers: int
    runs: int
    systems: dict[int, int]
    unmatched: tuple[System, ...]


def import_page(catalogue: Catalogue, source: str | os.PathLike[str], *, today: date | None = None) -> ImportReport:
    """Take in a page from a file or an address, as a stream; `link` afterwards.

    Arguments:
        catalogue: where to.
        source: a file, or an http or https address.
        today: the day by which dates without a year get one; None: today.

    Raises:
        InvalidArgument: the page cannot be read, or is of no known kind.
        StorageError: the catalogue cannot be written; the batches before stay.
    """
    with open_page(source, today=today) as page:
        report = catalogue.add_listings(page.source, page.kind, page)
        return replace(report, misread=page.misread())


def link(
    catalogue: Catalogue,
    systems: Sequence[System] | None = None,
    methods: Iterable[tuple[Reference, Method]] | None = None,
) -> Linked:
    """Link papers to the methods that name them, and to the rooms of a table of systems.

    A row of the table says nothing new, and is left out, where a method of its room runs for the paper already.

    Arguments:
        catalogue: whose papers.
        systems: a table of systems, which the catalogue then keeps; None for the one that it has.
        methods: what runs; by default what this installation has.
    """
    own = list(own_methods() if methods is None else methods)
    if systems is not None:
        catalogue.set_systems(systems)
    with catalogue.transaction():
        table = catalogue.systems()
        running: dict[int, list[Method]] = {}
        for reference, method in own:
            for number in catalogue.numbers_of(reference) if table and method.runs else ():
                running.setdefault(number, []).append(method)
        named = {system.n: number for system in table for number in _running_as(system, running)}
        others = [system for system in table if system.n not in named]
        papers = [catalogue.many(_candidates(catalogue, system)) for system in others]
        taken = set(named.values())
        texts = [[(one.number, one.title, one.abstract) for one in some if one.number not in taken] for some in papers]
        matched = named | match(others, texts)
        rooms: list[tuple[Reference | int, Method]] = []
        for system in table:
            paper = matched.get(system.n)
            if paper is not None and not _has(running.get(paper, ()), system.room):
                rooms.append((paper, Method(system.system, system.room)))
        count = catalogue.link_methods([*own, *rooms])
    return Linked(
        papers=count,
        runs=catalogue.count(Filter(runs=True)),
        systems=matched,
        unmatched=tuple(system for system in table if system.n not in matched),
    )


def _candidates(catalogue: Catalogue, system: System) -> list[int]:
    """The papers that a system's words find."""
    return [number for number, _ in catalogue.words(f"{system.system} {system.role}", limit=_CANDIDATES)]


def _running_as(system: System, running: Mapping[int, Sequence[Method]]) -> list[int]:
    """The paper that a method of a system's room and name implements, where it is one."""
    found = [
        number
        for number, methods in running.items()
        if _has([method for method in methods if _letters(method.name) == _letters(system.system)], system.room)
    ]
    return found if len(found) == 1 else []


def _has(methods: Iterable[Method], room: str) -> bool:
    """Whether one of the methods is of a room, or lies in it."""
    return any(f"{method.room}/".startswith(f"{room}/") for method in methods)


def _letters(name: str) -> str:
    """A name without case and signs."""
    return "".join(filter(str.isalnum, name)).lower()
