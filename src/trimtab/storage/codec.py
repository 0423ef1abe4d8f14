"""Events and rows as a database's columns hold them.

Events and everything else that has structure are strict JSON in ASCII, in which any text survives.
Plain texts (an error text, a worker's name) are columns of their own, and there SQLite cannot hold a
lone surrogate and PostgreSQL not the character NUL: those are escaped, see `escape`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from trimtab.base.arrays import dumps
from trimtab.base.errors import InvalidArgument, message
from trimtab.base.events import Event, event_from_json, event_to_json
from trimtab.base.records import Json, TrialRow

__all__ = ["decode_event", "decode_rows", "encode_event", "encode_row", "escape", "unescape"]

_ESCAPE = "\x10"  # ASCII's "data link escape"
_UNSAFE = re.compile("[\x00\x10\ud800-\udfff]")
_ESCAPED = re.compile("\x10([0-9a-f]{4})")

_TEXTS = ("text", "worker", "tuner", "why")
_TEXT, _WORKER, _TUNER, _WHY = (TrialRow._fields.index(name) for name in _TEXTS)


def encode_event(event: Event) -> str:
    """An event's fields as JSON, without its trial's number, which has a column of its own.

    Raises:
        InvalidArgument: a part that JSON has no word for; the message names it.
    """
    parts = event_to_json(event)
    number = parts.pop("number", None)
    try:
        return dumps(parts)
    except _NOT_JSON as error:
        owner = "the study" if number is None else f"trial {number}"
        raise InvalidArgument(
            message(
                f"{_guilty(parts)} of {owner} ({event.kind}) cannot be written as JSON: {error}",
                allowed="texts, booleans, finite numbers, None, and lists and dicts of them",
                do="turn it into one of these, for instance with float(x) or x.tolist()",
            )
        ) from error


_NOT_JSON = (TypeError, ValueError, RecursionError)


def _guilty(parts: dict[str, Json]) -> str:
    """Name the first part that JSON refuses, and the entry within it where it has entries."""
    for name, value in parts.items():
        if _is_json(value):
            continue
        if isinstance(value, dict):
            inner = next((key for key, item in value.items() if not _is_json({key: item})), None)
            return f"{inner!r} in {name!r}"
        return repr(name)
    return "a part"


def _is_json(value: Json) -> bool:
    """Whether JSON can carry the value."""
    try:
        dumps(value)
    except _NOT_JSON:
        return False
    return True


def decode_event(kind: str, number: int | None, parts: dict[str, Json]) -> Event:
    """Inverse of `encode_event`, given the parsed JSON."""
    return event_from_json(kind, parts if number is None else {"number": number, **parts})


def escape(text: str) -> str:
    r"""A text without NUL and lone surrogates: each becomes the character U+0010 and four hexadecimal digits.

    >>> escape("plain"), unescape(escape("a\x00b\ud800")) == "a\x00b\ud800"
    ('plain', True)
    """
    return _UNSAFE.sub(lambda found: f"{_ESCAPE}{ord(found.group()):04x}", text)


def unescape(text: str) -> str:
    """Inverse of `escape`."""
    if _ESCAPE not in text:
        return text
    return _ESCAPED.sub(lambda found: chr(int(found.group(1), 16)), text)


def encode_row(row: TrialRow) -> dict[str, Any]:
    """A trial's columns by name, plain texts escaped."""
    return _with_texts(row, escape)._asdict()


def decode_rows(found: Iterable[Sequence[Any]]) -> list[TrialRow]:
    """Rows from tuples in the order of `TrialRow`. Nearly all pass untouched: this runs over whole studies."""
    return [
        _with_texts(TrialRow._make(row), unescape)
        if _ESCAPE in row[_TEXT] or _ESCAPE in row[_WORKER] or _ESCAPE in row[_TUNER] or _ESCAPE in row[_WHY]
        else TrialRow._make(row)
        for row in found
    ]


def _with_texts(row: TrialRow, change: Callable[[str], str]) -> TrialRow:
    """The row with its plain texts changed."""
    return row._replace(text=change(row.text), worker=change(row.worker), tuner=change(row.tuner), why=change(row.why))
