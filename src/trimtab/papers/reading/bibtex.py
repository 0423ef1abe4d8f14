"""BibTeX, and what BibLaTeX added to it (https://ctan.org/pkg/bibtex).

An entry is read up to the brace that closes it. Values are numbers, names of @string (the months are known), texts in
quotation marks or braces, and any of them joined by #. An entry takes year, month and date from the one that its
crossref names, wherever that stands. @proceedings and other collections are no papers: they lend and are passed over.

Of an entry are kept: title, author ("Family, Given and Given Family", also in braces), abstract, date or year and month
(what is left out is the first, which is told), doi, url, and the arXiv identifier from eprint, or from journal, note,
howpublished or url where it stands behind "arXiv". Accents in TeX become letters, braces outside of formulas go,
~ is a space, -- a dash, and `` and '' are quotation marks.

An entry that never closes ends where a line begins with the next one. This and everything else that is no entry is
told; a text between entries is a comment by the rules of BibTeX.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import final

from trimtab.papers.reading.dates import month_number, of_parts, read_iso
from trimtab.papers.reading.entry import Entry, listing_of
from trimtab.papers.reading.people import given_first
from trimtab.papers.reading.tex import repair, spans
from trimtab.papers.reading.told import Told
from trimtab.papers.records import Listing

__all__ = ["BEGIN", "read_bibtex"]

BEGIN = re.compile(r"\s*@\s*([A-Za-z]+)\s*([{(])")
_MOST = 1 << 20  # characters of an entry
_COLLECTIONS = frozenset(["proceedings", "collection", "mvcollection", "mvproceedings", "xdata", "set", "periodical"])
_MACROS = {month: month for month in re.findall("...", "janfebmaraprmayjunjulaugsepoctnovdec")}
_ARXIV = re.compile(r"arxiv[\s:./a-z]{0,20}?(\d{4}\.\d{4,5}|[a-z-]+(?:\.[a-z]{2})?/\d{7})", re.IGNORECASE)
_LENT = ("year", "month", "date")
_FIELD = re.compile(r"\s*,?\s*([^\s=,{}\"#]+)\s*=\s*")
_BARE = re.compile(r"[^\s,#{}\"]+")
_BRACE = re.compile(r"(?<!\\)[{}]")
_STRINGS = 10_000  # macros of a page, and entries that wait for another


@final
@dataclass(slots=True)
class _Item:
    """An entry as it was written."""

    line: int
    kind: str
    key: str
    fields: dict[str, str]


def read_bibtex(lines: Iterable[tuple[int, str]], told: Told) -> Iterator[Listing]:
    """The entries of a BibTeX file; those with a crossref to what follows them come last.

    Arguments:
        lines: with their numbers, in order.
        told: gets what was not understood.
    """
    macros = dict(_MACROS)
    lent: dict[str, dict[str, str]] = {}
    waiting: list[_Item] = []
    for line, kind, body in _bodies(lines, told):
        if kind in ("comment", "preamble"):
            continue
        item = _item(line, kind, body, macros, told)
        if kind == "string":
            if len(macros) < _STRINGS:
                macros.update(item.fields)
            continue
        if item.key:
            lent[item.key.lower()] = {name: item.fields[name] for name in _LENT if name in item.fields}
        if kind in _COLLECTIONS:
            told.often(
                line, item.fields.get("title", item.key), f"@{kind} is a collection, no paper; it was passed over"
            )
        elif item.fields.get("crossref", "").lower() in lent or "crossref" not in item.fields:
            yield from _listing(item, lent, told)
        elif len(waiting) < _STRINGS:
            waiting.append(item)
        else:
            told.line(line, item.key, "too many entries wait for the one of their crossref; it was not looked for")
            yield from _listing(item, lent, told)
    for item in waiting:
        if item.fields["crossref"].lower() not in lent:
            told.line(item.line, item.fields["crossref"], "the entry of this crossref is not on the page")
        yield from _listing(item, lent, told)


def _bodies(lines: Iterable[tuple[int, str]], told: Told) -> Iterator[tuple[int, str, str]]:
    """Every entry: its line, its kind in small letters, and what stands between its outer braces."""
    parts: list[str] = []
    kind, closing, begin, depth, size = "", "}", 0, 0, 0
    for number, line in lines:
        rest = line
        while True:
            if not kind:
                found = BEGIN.match(rest)
                if found is None:
                    if rest.strip(" \t\ufeff\0") and not rest.lstrip().startswith("%"):
                        told.often(number, rest, "a text outside of the entries, which is a comment")
                    break
                kind, begin, parts, size = found[1].lower(), number, [], 0
                closing, depth = ("}", 1) if found[2] == "{" else (")", 1)
                rest = rest[found.end() :]
            elif rest is line and begin != number and re.match(r"@\s*[A-Za-z]+\s*[{(]", line):
                told.line(
                    begin, f"@{kind}{{{''.join(parts)[:100]}", "an entry that is not closed; it ends at the next one"
                )
                yield begin, kind, "\n".join(parts)
                kind = ""
                continue
            end, depth = _closes(rest, depth, closing)
            piece = rest if end is None else rest[:end]
            size += len(piece) + 1
            if size <= _MOST:
                parts.append(piece)
            elif size - len(piece) - 1 <= _MOST:
                told.line(number, piece, f"the entry is longer than {_MOST:,} characters; its rest was passed over")
            if end is None:
                break
            yield begin, kind, "\n".join(parts)
            kind, rest = "", rest[end + 1 :]
            if not rest.strip():
                break
    if kind:
        told.line(begin, f"@{kind}{{{''.join(parts)[:100]}", "the last entry of the page is not closed")
        yield begin, kind, "\n".join(parts)


def _closes(text: str, depth: int, closing: str) -> tuple[int | None, int]:
    """Where the entry closes in a text, None where it does not, and how deep its end lies."""
    for found in re.finditer(r"(?<!\\)[{}]|\)", text):
        sign = found[0]
        if sign == "{":
            depth += 1
        elif sign == "}" and (closing == "}" or depth > 1):
            depth -= 1
            if depth == 0:
                return found.start(), 0
        elif sign == ")" and closing == ")" and depth == 1:
            return found.start(), 0
    return None, depth


def _item(line: int, kind: str, body: str, macros: dict[str, str], told: Told) -> _Item:
    """An entry's key and fields, whose names are in small letters; the first of two equal names counts."""
    key, at = "", 0
    if kind != "string":
        found = re.match(r"\s*([^\s,={}]*)\s*(?:,|$)", body)
        if found is not None:
            key, at = found[1], found.end()
    fields: dict[str, str] = {}
    while found := _FIELD.match(body, at):
        value, end = _value(body, found.end(), macros, line, told)
        fields.setdefault(found[1].lower(), value)
        if end == found.end() and not value:
            break
        at = end
    rest = body[at:].strip().strip(",").strip()
    if rest:
        told.line(
            line + body.count("\n", 0, at),
            rest,
            f"not a field of @{kind}{{{key[:40]}}}; the rest of it was passed over",
        )
    return _Item(line, kind, key, fields)


def _value(body: str, at: int, macros: dict[str, str], line: int, told: Told) -> tuple[str, int]:
    """The value that begins at a place, and where it ends."""
    parts: list[str] = []
    while at < len(body):
        if body[at] == "{":
            end = _matching(body, at)
            parts.append(body[at + 1 : end])
        elif body[at] == '"':
            end = _quoted(body, at)
            parts.append(body[at + 1 : end])
        elif found := _BARE.match(body, at):
            name, end = found[0], found.end() - 1
            if not name.isdigit() and name.lower() not in macros:
                told.line(line + body.count("\n", 0, at), name, "a name without its @string; the name itself was taken")
            parts.append(macros.get(name.lower(), name))
        else:
            break
        at = min(end + 1, len(body))
        joint = re.compile(r"\s*#\s*").match(body, at)
        if joint is None:
            break
        at = joint.end()
    return "".join(parts), at


def _matching(body: str, at: int) -> int:
    """Where the brace at a place is closed; the end where it is not."""
    depth = 0
    for found in _BRACE.finditer(body, at):
        depth += 1 if found[0] == "{" else -1
        if depth == 0:
            return found.start()
    return len(body)


def _quoted(body: str, at: int) -> int:
    """Where the quotation that begins at a place ends: at a mark that stands in no braces."""
    depth = 0
    for found in re.compile(r'(?<!\\)[{}"]').finditer(body, at + 1):
        if found[0] == '"':
            if depth <= 0:
                return found.start()
        else:
            depth += 1 if found[0] == "{" else -1
    return len(body)


def _listing(item: _Item, lent: dict[str, dict[str, str]], told: Told) -> Iterator[Listing]:
    """The listing of an entry."""
    fields = {**lent.get(item.fields.get("crossref", "").lower(), {}), **item.fields}
    entry = Entry(
        item.line,
        title=_text(fields.get("title", "")),
        abstract=_text(fields.get("abstract", "")),
        doi=_text(fields.get("doi", "")),
        url=_link(fields.get("url", "")),
    )
    names = [name for name in _split(fields.get("author", "")) if name.strip()]
    if names and names[-1].strip().lower() == "others":
        told.line(
            item.line, item.key, "the authors end in 'others', who are not named; their number is at least what is told"
        )
        names = names[:-1]
    entry.authors = [_person(name) for name in names]
    entry.arxiv = _arxiv(fields)
    _date(entry, fields, told)
    listing = listing_of(entry, told)
    if listing is not None:
        yield listing


def _arxiv(fields: dict[str, str]) -> str:
    """The arXiv identifier of an entry."""
    kind = fields.get("archiveprefix", fields.get("eprinttype", "arxiv")).strip().lower()
    if kind == "arxiv" and re.fullmatch(r"\s*(?:arxiv:)?[a-z.-]*/?[\d.]+(?:v\d+)?\s*", fields.get("eprint", ""), re.I):
        return fields["eprint"].strip()
    for name in ("url", "journal", "howpublished", "note", "number", "volume"):
        if found := _ARXIV.search(fields.get(name, "")[:2_000]):
            return found[1]
    return ""


def _date(entry: Entry, fields: dict[str, str], told: Told) -> None:
    """Set the date of an entry."""
    parts = 0
    if text := fields.get("date", "").strip():
        entry.published, parts = read_iso(text.partition("/")[0])
    if entry.published is None and (text := fields.get("year", "").strip(" {}")):
        month = month_number(fields.get("month", "").strip(" {}"))
        if re.fullmatch(r"\d{4}", text):
            entry.published, parts = of_parts(int(text), month or 1, 1), 1 if month is None else 2
    if entry.published is None:
        if text:
            told.line(entry.line, text, "not a date; it was left out")
    elif parts < 3:
        told.often(entry.line, entry.title, "a date without a day or month; the first was assumed")


def _split(authors: str) -> Iterator[str]:
    """The names of a list of authors: "and" parts them where it stands in no braces."""
    depth = begin = 0
    for found in re.finditer(r"(?<!\\)[{}]|\s+and(?=\s)", authors):
        if found[0] in "{}":
            depth += 1 if found[0] == "{" else -1
        elif depth <= 0:
            yield authors[begin : found.start()]
            begin = found.end()
    yield authors[begin:]


def _person(name: str) -> str:
    """A name with the given name first; one that stands in braces as a whole is not parted."""
    name = name.strip()
    if name.startswith("{") and _matching(name, 0) == len(name) - 1:
        return _text(name)
    return given_first(_text(name))


def _text(value: str) -> str:
    """A value as plain text."""
    if not value.isalnum():
        value = " ".join(value.split())
        value = "".join(piece if formula else _prose(piece) for formula, piece in spans(value))
    return value


def _prose(text: str) -> str:
    """Prose without the signs of BibTeX."""
    text = _BRACE.sub("", repair(text)[0]).replace("``", "“").replace("''", "”")
    return re.sub(r"(?<!\\)~", " ", text).replace("---", "—").replace("--", "–").replace("\\{", "{").replace("\\}", "}")


def _link(value: str) -> str:
    """An address: signs that TeX escapes are themselves."""
    found = re.search(r"https?://[^\s{}]+", value.replace("\\", ""))
    return found[0] if found else value.strip()
