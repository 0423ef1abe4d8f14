"""What kind of page it is, by its content: names and media types of pages are often wrong."""

from __future__ import annotations

import re
from itertools import pairwise

from trimtab.base.errors import InvalidArgument, message
from trimtab.papers.reading.bibtex import BEGIN
from trimtab.papers.reading.cleaning import hides
from trimtab.papers.reading.daily_papers import AUTHORS, FURNITURE
from trimtab.papers.reading.lines import text_encoding
from trimtab.papers.reading.ris import TAG

__all__ = ["HEAD", "KINDS", "detect"]

HEAD = 1 << 16  # bytes that are looked at
KINDS = ("daily papers", "saved html", "atom", "bibtex", "ris", "json lines")
_PROLOG = re.compile(r"\s*(?:<\?[^>]*+>|<!--.*?-->|<!doctype[^\[>]*+>|\s+)", re.IGNORECASE | re.DOTALL)
_ROOT = re.compile(r"<([a-z][\w.:-]*)", re.IGNORECASE)
_HTML = re.compile("html|head|body|article|main|section|div|h[1-4]|[uo]l|p|meta|title|header|nav|span|a")


def detect(head: bytes, source: str) -> str:
    """The kind of a page.

    Arguments:
        head: its first bytes; 64 KiB are enough.
        source: the page's name, for the error.

    Returns:
        One of `KINDS`.

    Raises:
        InvalidArgument: it is none of them.
    """
    text = head[:HEAD].decode(text_encoding(head), "replace").lstrip("\ufeff\0 \t\r\n")
    kind = _kind(text)
    if kind is None:
        raise InvalidArgument(
            message(
                f"the page {source!r} is of a kind that is not known",
                got=text[:60],
                allowed="a listing of Daily Papers (text or saved HTML), an Atom feed, BibTeX, RIS, or JSON lines",
                do="save the page as text, or turn it into one of these forms",
            )
        )
    return kind


def _kind(text: str) -> str | None:
    if text.startswith("<"):
        return _markup(text)
    lines = [line.strip() for line in text.splitlines()[:2_000]]
    first = next((line for line in lines if line), "")
    if first.startswith("{") and re.match(r'\{\s*("|\}|$)', first):
        return "json lines"
    if any(line.startswith("TY") and TAG.fullmatch(line) for line in lines[:200]):
        return "ris"
    if any(BEGIN.match(line) for line in lines):
        return "bibtex"
    if _is_listing(lines):
        return "daily papers"
    return None


def _markup(text: str) -> str | None:
    """The kind of a page of tags."""
    xml = text.startswith("<?xml")
    at = 0
    while found := _PROLOG.match(text, at):
        at = found.end()
    root = _ROOT.match(text, at)
    name = root[1].lower() if root else ""
    if name.rpartition(":")[2] in ("feed", "entry"):
        return "atom"
    if _HTML.fullmatch(name) or re.match(r"<!doctype\s+html", text, re.IGNORECASE):
        return "saved html"
    # A document type with declarations hides the root: the reader of feeds refuses it, and says so.
    return "atom" if xml and not name else None


def _is_listing(lines: list[str]) -> bool:
    """Whether it is a listing page as text: by its head, its lines of authors, or long texts behind short ones."""
    if sum(map(hides, lines)) > len(lines) / 4:
        return False
    heads = {line.replace(" ", "").lower() for line in lines if len(line) < 60} & FURNITURE
    if len(heads) >= 2 or any(AUTHORS.fullmatch(line) for line in lines if len(line) < 40):
        return True
    blocks = [line for line in lines if line]
    pairs = sum(
        5 <= len(title) <= 250 and len(abstract) >= 300 and " " in title and abstract.count(" ") > len(abstract) / 20
        for title, abstract in pairwise(blocks)
    )
    return pairs > 0 and 3 * pairs >= len(blocks) - 2
