"""The identifiers of papers, found in what pages write for them."""

from __future__ import annotations

import re

__all__ = ["arxiv_id", "doi_of"]

_NEW = r"\d{4}\.\d{4,5}"
_OLD = r"[a-z]+(?:-[a-z]+)?(?:\.[a-z]{2})?/\d{7}"
# An identifier stands alone, or behind a word that says what it is: any "1234.5678" in a text is not one.
_ARXIV = re.compile(
    rf"(?:\s*(?:arxiv\s*:\s*)?|.*?(?:arxiv\.org/(?:abs|pdf|html|format)/|/papers/|10\.48550/arxiv\.))"
    rf"({_NEW}|{_OLD})(?:v\d+)?(?:\.pdf)?/?\s*(?:[?#\[].*)?",
    re.IGNORECASE | re.DOTALL,
)
_DOI = re.compile(r"\b(10\.\d{4,9}/[^\s\"<>]+)", re.IGNORECASE)
_MOST = 4_000  # characters of a text that are looked at


def arxiv_id(text: str) -> str:
    """The arXiv identifier that a text is, or that a link or a DOI holds, in its plainest form; else the empty string.

    >>> arxiv_id("https://arxiv.org/abs/2310.20708v3"), arxiv_id("arXiv:math.GT/0309136"), arxiv_id("2310.20708 m")
    ('2310.20708', 'math/0309136', '')
    """
    found = _ARXIV.fullmatch(text[:_MOST])
    if found is None:
        return ""
    name = found[1].lower()
    if "/" not in name:
        return name
    archive, _, number = name.partition("/")
    return f"{archive.partition('.')[0]}/{number}"


def doi_of(text: str) -> str:
    """The digital object identifier in a text, in lower case, without what a sentence put behind it; else "".

    >>> doi_of("https://doi.org/10.1000/ABC.(1)."), doi_of("none")
    ('10.1000/abc.(1)', '')
    """
    found = _DOI.search(text[:_MOST])
    if found is None:
        return ""
    doi = found[1].lower().rstrip(".,;:'")
    while doi.endswith((")", "]", "}")) and doi.count(doi[-1]) > doi.count({")": "(", "]": "[", "}": "{"}[doi[-1]]):
        doi = doi[:-1].rstrip(".,;:'")
    return doi
