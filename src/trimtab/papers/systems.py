"""A table of systems: what every paper is to become here, in which room, and when it counts as working.

The file is tab-separated, with a head line that names the columns `n`, `system`, `room`, `role` and `works when`; the
first three must be there. A system is matched with a paper by words: those of its name and of its role, and those of
the titles and abstracts. Candidates are the papers that its words find best. With idf(w) = log(1 + N / (1 + n(w))) over
the N candidates of all systems, n(w) of which have the word w, and a coverage the share of a text's idf that falls on
words found,

    likeness = (2 coverage of the name by the title + coverage of the name by title and abstract
                + coverage of the role by title and abstract) / 4.

A word is found where the paper has one that begins alike (four letters and half of the longer word at least); one of
capitals also where these begin words of the title in a row ("LDP": local differential privacy). The systems then take
papers so that the sum of likenesses is the largest (the assignment problem; Kuhn, Naval Research Logistics Quarterly 2,
1955), a paper at most one system, and a pair stands where the likeness is `LEAST` or more. The others are told.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import final

import numpy as np
from scipy.optimize import linear_sum_assignment

from trimtab.base.errors import InvalidArgument, message
from trimtab.papers.catalogue.systems_table import System
from trimtab.papers.catalogue.words import COMMON

__all__ = ["LEAST", "System", "match", "read_systems"]

LEAST = 0.2
"""Likeness from which on a paper is taken for a system's."""

_LARGEST = 16 * 2**20  # bytes of a table
_NEEDED = ("n", "system", "room")
_WORD = re.compile(r"[^\W_]+")


def read_systems(path: Path) -> list[System]:
    """The rows of a table of systems.

    Raises:
        InvalidArgument: the file cannot be read, or is no such table; the message names the line.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise InvalidArgument(message("the table of systems is too large", got=str(path), allowed="16 MiB"))
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument(message(f"the table of systems cannot be read ({error})", got=str(path))) from error
    head = [name.strip().lower() for name in lines[0].split("\t")] if lines else []
    if not set(_NEEDED) <= set(head):
        raise InvalidArgument(
            message(
                f"{path} is no table of systems: its first line does not name the columns",
                got=head,
                allowed="n, system, room, and role and works when where there are such, with a tab between two",
            )
        )
    found: dict[int, System] = {}
    for place, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        row = dict(zip(head, (part.strip() for part in line.split("\t")), strict=False))
        number = row.get("n", "")
        if not (number.isascii() and number.isdigit() and len(number) < 10) or not all(map(row.get, _NEEDED)):
            raise InvalidArgument(
                message(
                    f"{path}, line {place}: no row of a table of systems", got=line, allowed="a number, a name, a room"
                )
            )
        if int(number) in found:
            raise InvalidArgument(message(f"{path}, line {place}: this number came before", got=int(number)))
        found[int(number)] = System(
            int(number), row["system"], row["room"], row.get("role", ""), row.get("works when", "")
        )
    return list(found.values())


def match(systems: Sequence[System], candidates: Sequence[Iterable[tuple[int, str, str]]]) -> dict[int, int]:
    """Which paper each system is, see the module; those that find none are left out.

    Arguments:
        systems: the rows of a table.
        candidates: for each of them, papers that may be it: number, title, abstract.

    Returns:
        n of a system -> number of its paper.
    """
    listed = [list(some) for some in candidates]
    papers = {number: (title, abstract) for some in listed for number, title, abstract in some}
    columns = {number: place for place, number in enumerate(papers)}
    words = _Words(papers)
    likeness = np.zeros((len(systems), len(papers)))
    for row, (system, some) in enumerate(zip(systems, listed, strict=True)):
        name, role = _tokens(system.system), _tokens(system.role)
        for number, _, _ in some:
            parts = (
                2.0 * _coverage([(words.weight(word), number in words.titled(word)) for word in name])
                + _coverage([(words.weight(word), number in words.having(word)) for word in name])
                + _coverage([(words.weight(word), number in words.having(word)) for word in role])
            )
            likeness[row, columns[number]] = parts / 4.0
    rows, places = linear_sum_assignment(likeness, maximize=True)
    numbers = list(papers)
    return {
        systems[row].n: numbers[place]
        for row, place in zip(rows.tolist(), places.tolist(), strict=True)
        if likeness[row, place] >= LEAST
    }


@final
class _Words:
    """The words of papers, to be asked which papers have one that begins alike.

    Arguments:
        papers: number -> title and abstract.
    """

    def __init__(self, papers: Mapping[int, tuple[str, str]]) -> None:
        self._count = len(papers)
        self._titles = _index((number, title) for number, (title, _) in papers.items())
        self._abstracts = _index((number, abstract) for number, (_, abstract) in papers.items())
        self._initials = {number: _initials(title) for number, (title, _) in papers.items()}
        self._titled: dict[str, frozenset[int]] = {}
        self._having: dict[str, frozenset[int]] = {}

    def titled(self, word: str) -> frozenset[int]:
        """The papers whose title has a word, or is shortened by it."""
        if word not in self._titled:
            found = _alike(word.lower(), self._titles)
            if len(word) > 2 and word.isupper():
                short = word.lower()
                found |= {number for number, all_ in self._initials.items() if any(short in one for one in all_)}
            self._titled[word] = frozenset(found)
        return self._titled[word]

    def having(self, word: str) -> frozenset[int]:
        """The papers whose title or abstract has a word."""
        if word not in self._having:
            self._having[word] = self.titled(word) | _alike(word.lower(), self._abstracts)
        return self._having[word]

    def weight(self, word: str) -> float:
        """The idf of a word."""
        return math.log1p(self._count / (1 + len(self.having(word))))


def _initials(title: str) -> tuple[str, str]:
    """A title's initials, with and without the words that mean little."""
    words = _WORD.findall(_plain(title).lower())
    return "".join(word[0] for word in words), "".join(word[0] for word in words if word not in COMMON)


def _tokens(text: str) -> list[str]:
    """The different words of a text that mean something; those of capitals keep them."""
    words = (word if word.isupper() else word.lower() for word in _WORD.findall(_plain(text)))
    return list(dict.fromkeys(word for word in words if word.lower() not in COMMON))


def _plain(text: str) -> str:
    """A text without accents."""
    return "".join(sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign))


def _index(texts: Iterable[tuple[int, str]]) -> dict[str, dict[str, set[int]]]:
    """The numbers of texts by the first four letters of a word, and then by the word."""
    found: dict[str, dict[str, set[int]]] = {}
    for number, text in texts:
        for word in _tokens(text):
            found.setdefault(word.lower()[:4], {}).setdefault(word.lower(), set()).add(number)
    return found


def _alike(word: str, index: Mapping[str, Mapping[str, set[int]]]) -> set[int]:
    """The numbers of texts that have a word, or one that begins alike."""
    found: set[int] = set()
    for other, numbers in index.get(word[:4], {}).items():
        if word == other or (len(word) >= 4 and 2 * _common(word, other) >= max(len(word), len(other))):
            found |= numbers
    return found


def _common(one: str, other: str) -> int:
    """Letters that two words have in common at their beginning."""
    return next(
        (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def _coverage(words: Sequence[tuple[float, bool]]) -> float:
    """The share of weight that falls on words found; 0 for a text without words."""
    whole = sum(weight for weight, _ in words)
    return sum(weight for weight, found in words if found) / whole if whole else 0.0
