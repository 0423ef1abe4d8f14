"""How wide a text will be, before any browser has seen it: what keeps labels from overlapping.

The font is the reader's system font, so widths can only be bounded. The table follows the widest of
the usual sans-serifs (Verdana, DejaVu Sans); with any other, labels stand a little further apart.
"""

from __future__ import annotations

import unicodedata

__all__ = ["fit", "text_width"]

_WIDTHS = {
    **dict.fromkeys("ijl|'!,.:; ", 0.35),
    **dict.fromkeys('ftr()[]{}/\\-`"', 0.42),
    **dict.fromkeys("mwMW%@—…", 0.95),
    **dict.fromkeys("ABCDEFGHKNOPQRSTUVXYZ", 0.74),
}
_ORDINARY = 0.63


def text_width(text: str, size: float) -> float:
    """An upper estimate of a text's width at a font size, both in pixels.

    >>> text_width("ill", 10.0) < text_width("www", 10.0)
    True
    """
    return size * sum(_WIDTHS.get(character) or _other(character) for character in text)


def _other(character: str) -> float:
    """Width of a character outside the table, in units of the font size."""
    if character < "\x7f":
        return _ORDINARY
    if unicodedata.combining(character):
        return 0.0
    return 1.0 if unicodedata.east_asian_width(character) in "WF" else 0.75


def fit(text: str, size: float, room: float) -> str:
    """The text, cut in its middle where it is wider than `room` pixels; at least its first character.

    >>> fit("opt.adam.weight_decay", 10.0, 70.0)
    'opt.a…decay'
    """
    if len(text) * 0.35 * size <= room and text_width(text, size) <= room:
        return text
    text = text[:120] + text[-120:] if len(text) > 240 else text
    kept = len(text) - 1
    while kept > 1:
        tail = kept // 2
        candidate = f"{text[: kept - tail]}…{text[len(text) - tail :]}"
        if text_width(candidate, size) <= room:
            return candidate
        kept -= 1
    return f"{text[:1]}…"
