"""When two listings are one paper.

A listing has keys, and two listings that share one are one paper, unless they contradict each other:

    arxiv:ID       the arXiv identifier, without version, archive's subject class and case; also from a DOI of arXiv
    doi:DOI        any other digital object identifier
    title:KEY      the title without case, accents, punctuation, TeX and spaces, where it is long enough to name one
                   paper: four words and twenty letters or digits at least (ten where its letters are not Latin)
    brief:KEY:...  a shorter title ("Introduction", "Deep learning") says too little. It counts together with the
                   beginning of the abstract, and together with the first author's family name and the year; with
                   neither of them a short title is no key, and nothing is merged by it.

Listings contradict each other where both name an arXiv identifier and these differ, where both name a DOI and these
differ without an arXiv identifier in common, or where both name authors and share no family name. An equal title then
means nothing.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from trimtab.papers.reading.identifiers import arxiv_id, doi_of
from trimtab.papers.reading.tex import plain
from trimtab.papers.records import Listing

__all__ = ["arxiv_id", "contradict", "doi_of", "keys", "same", "title_key"]

_ARXIV_DOI = "10.48550/arxiv."
_VARIANT = re.compile("(?:var)+(?=epsilon|theta|kappa|phi|rho|sigma|pi)")
_WORDS, _LETTERS, _SIGNS = 4, 20, 10


@lru_cache(maxsize=4_096)
def title_key(title: str) -> str:
    r"""What two ways of writing one title have in common; a key of a key is itself.

    >>> title_key(r"Fr\'echet  Means: a $k$-means View") == title_key("FRÉCHET MEANS - A k-Means view")
    True
    """
    if not title.isascii() or "\\" in title or "{" in title or "&" in title:
        title = _latin(plain(title).replace("&", " and "))
    return _VARIANT.sub("", "".join(filter(str.isalnum, title.casefold())))


def _latin(text: str) -> str:
    """A text without accents and ligatures, Greek letters by their names."""
    return "".join(_spelt(sign) for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign))


@lru_cache(maxsize=4_096)
def _spelt(sign: str) -> str:
    """A sign as ASCII where it has a plain reading, else as it is."""
    if sign.isascii():
        return sign
    name = unicodedata.name(sign, "")
    if name.startswith("GREEK ") and " LETTER " in name:
        return name.partition(" LETTER ")[2].partition(" ")[0].lower().replace("lamda", "lambda")
    return {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"}.get(
        sign.casefold(), sign
    )


def keys(listing: Listing) -> tuple[str, ...]:
    """By what a listing is recognised, the strongest key first; empty where there is nothing to go by.

    >>> keys(Listing("Introduction")), keys(Listing("Introduction", arxiv="2310.20708"))
    ((), ('arxiv:2310.20708',))
    """
    found: list[str] = []
    if name := _arxiv(listing):
        found.append(f"arxiv:{name}")
    if (doi := doi_of(listing.doi)) and not doi.startswith(_ARXIV_DOI):
        found.append(f"doi:{doi}")
    if key := title_key(listing.title):
        if _names_one(listing.title, key):
            found.append(f"title:{key}")
        else:
            found += [f"brief:{key}:{mark}" for mark in _marks(listing)]
    return tuple(found)


def _arxiv(listing: Listing) -> str:
    """The arXiv identifier that any part of a listing tells."""
    return arxiv_id(listing.arxiv) or arxiv_id(listing.doi) or arxiv_id(listing.url)


def _names_one(title: str, key: str) -> bool:
    """Whether a title is long enough to be that of one paper only."""
    if not key.isascii():
        return len(key) >= _SIGNS
    return len(key) >= _LETTERS and len(re.findall(r"[^\W_]+", title)) >= _WORDS


def _marks(listing: Listing) -> list[str]:
    """What tells papers of one short title apart."""
    marks = []
    # Whole words of letters, since formulas are written in many ways.
    words = re.findall(r"(?<![\\\w])[^\W\d_]{3,}(?![\w{])", listing.abstract[:1_000])[:12]
    if len(words) >= 6:
        marks.append("abstract:" + title_key(" ".join(words)))
    if listing.authors and listing.published:
        marks.append(f"author:{_family(listing.authors[0])}:{listing.published.year}")
    return marks


def _family(name: str) -> str:
    """A person's family name, for comparison: "Given Family" and "Family, Given" are known."""
    before, comma, _ = name.partition(",")
    return title_key(before if comma else (name.split() or [""])[-1])


def contradict(one: Listing, other: Listing) -> bool:
    """Whether two listings tell what cannot be true of one paper.

    >>> contradict(Listing("A", arxiv="2310.20708"), Listing("A", arxiv="2310.20709"))
    True
    """
    names = _arxiv(one), _arxiv(other)
    if all(names):
        return names[0] != names[1]
    dois = doi_of(one.doi), doi_of(other.doi)
    if all(dois):
        return dois[0] != dois[1] and not any(doi.startswith(_ARXIV_DOI) for doi in dois)
    families = {_family(name) for name in one.authors} - {""}, {_family(name) for name in other.authors} - {""}
    return all(families) and not families[0] & families[1]


def same(one: Listing, other: Listing) -> bool:
    """Whether two listings are one paper: they share a key, and do not contradict each other.

    The relation is symmetric, and a listing with a key is the same as itself. It is not transitive where identifiers
    contradict: a listing without one can have the title of two papers that differ.
    """
    return not set(keys(one)).isdisjoint(keys(other)) and not contradict(one, other)
