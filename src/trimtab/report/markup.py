"""Markup as a type of its own, so that a text can reach a page only through `escape`.

Names, choices, error texts and attributes of a study are data of any bytes: they may hold `<script>`,
quotes, control characters or lone surrogates. `Markup` is a text that is already well-formed XML; the
type checker refuses a plain `str` where one is asked for, so forgetting to escape is a type error.
The same two functions serve SVG and HTML, as HTML's void elements are also written by `tag`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NewType, TypeAlias

__all__ = ["EMPTY", "Attributes", "Markup", "breakable", "escape", "join", "tag"]

Markup = NewType("Markup", str)
Attributes: TypeAlias = Mapping[str, str | float | int | None]

EMPTY = Markup("")

# XML 1.0 allows no other control characters and no surrogates, not even as character references.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPECIAL = re.compile(f"[&<>\"']|{_FORBIDDEN.pattern}")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})
_VOID = frozenset({"br", "col", "hr", "img", "input", "link", "meta"})


def escape(text: str) -> Markup:
    """Any text as markup, safe inside elements and quoted attributes.

    Characters that XML cannot carry become U+FFFD.

    >>> escape("</script> & 'quotes'")
    '&lt;/script&gt; &amp; &#39;quotes&#39;'
    """
    if not _SPECIAL.search(text):
        return Markup(text)
    return Markup(_FORBIDDEN.sub("\ufffd", text).translate(_ENTITIES))


def breakable(text: str) -> Markup:
    """A name as markup that a page may break after its dots and underscores, where it has no blanks.

    >>> breakable("opt.adam")
    'opt.<wbr/>adam'
    """
    return Markup(re.sub(r"([._/])", r"\1<wbr/>", escape(text)))


def join(parts: Iterable[Markup], between: str = "") -> Markup:
    """Markup side by side; `between` is escaped."""
    return Markup(escape(between).join(parts))


def tag(name: str, attributes: Attributes | None = None, *children: Markup) -> Markup:
    """One element.

    Arguments:
        name: the element's name, chosen by the program and never by data.
        attributes: values are escaped; numbers are written with two decimals at most; None leaves one out.
        children: what stands inside.

    >>> tag("circle", {"r": 3.0, "class": "mark", "id": None})
    '<circle r="3" class="mark"/>'
    >>> tag("p", {}, escape("a < b"))
    '<p>a &lt; b</p>'
    """
    written = "".join(f' {key}="{_value(value)}"' for key, value in (attributes or {}).items() if value is not None)
    if not children and (name in _VOID or name in _SHAPES):
        return Markup(f"<{name}{written}/>")
    return Markup(f"<{name}{written}>{''.join(children)}</{name}>")


_SHAPES = frozenset({"circle", "line", "path", "polygon", "polyline", "rect", "use"})


def _value(value: str | float | int) -> str:
    """An attribute's value: a tenth of a pixel is finer than any screen, so numbers stay short."""
    if isinstance(value, str):
        return escape(value)
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
