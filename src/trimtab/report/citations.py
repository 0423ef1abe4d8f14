"""What a study used, as a list of references to read and as BibTeX to paste."""

from __future__ import annotations

from collections.abc import Iterable

from trimtab.base.refs import Reference

__all__ = ["bibtex", "citations", "distinct"]


def distinct(references: Iterable[Reference]) -> list[Reference]:
    """Each source once, by first author, year and title.

    Two references with the same arXiv identifier or the same digital object identifier, or else the
    same title and year, are one source; the one that says more stays.
    """
    found: dict[str, Reference] = {}
    for reference in references:
        known = next((key for key in _names(reference) if key in found), None)
        best = max(filter(None, (reference, found.get(known or ""))), key=lambda each: len(each.bibtex))
        for key in {*_names(reference), *_names(best), *(_names(found[known]) if known else ())}:
            found[key] = best
    unique = {id(reference): reference for reference in found.values()}.values()
    return sorted(unique, key=lambda each: (each.authors.casefold(), each.year, each.title.casefold()))


def _names(reference: Reference) -> list[str]:
    """What a source is known by, the surest first."""
    names = [f"{reference.title.casefold()} {reference.year}"]
    if reference.doi:
        names.insert(0, f"doi {reference.doi.casefold()}")
    if reference.arxiv:
        names.insert(0, f"arxiv {reference.arxiv.split('v')[0]}")
    return names


def citations(references: Iterable[Reference]) -> str:
    """Each source once, one a line, for people; empty where there is none."""
    return "\n".join(reference.text for reference in distinct(references))


def bibtex(references: Iterable[Reference]) -> str:
    """Each source once as a BibTeX entry. Keys that clash get a number: smith2020deep, smith2020deep2 ..."""
    taken: dict[str, int] = {}
    entries = []
    for reference in distinct(references):
        count = taken[reference.key] = taken.get(reference.key, 0) + 1
        suffix = "" if count == 1 else str(count)
        entries.append(reference.bibtex.replace(f"{{{reference.key},", f"{{{reference.key}{suffix},", 1))
    return "\n\n".join(entries)
