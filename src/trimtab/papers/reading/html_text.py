"""HTML as a flat run of tags and texts.

A small tokenizer instead of the standard library's parser, whose time grows with the cube of the length of broken tags
("<a <a <a ...") in some supported versions of Python: this one looks at every character a bounded number of times. It
follows the tokenization of the HTML standard (https://html.spec.whatwg.org/multipage/parsing.html) as far as texts and
attributes of saved pages need. Nothing is fetched or executed; what stands in scripts, styles, templates and drawings
is not text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import NamedTuple, final

__all__ = ["BLOCKS", "End", "Start", "Text", "text_of_html", "tokens"]

BLOCKS = frozenset(
    re.findall(
        r"\w+",
        "address article aside blockquote body br button caption dd details dialog div dl dt fieldset figcaption "
        "figure footer form h1 h2 h3 h4 h5 h6 header hr html label legend li main nav ol option p pre section select "
        "summary table tbody td textarea tfoot th thead time tr ul",
    )
)
_RAW = re.compile("script|style|title|textarea|xmp|iframe|noembed|noframes")
_HIDDEN = frozenset(["template", "noscript", "svg", "math", "object", "canvas", "audio", "video"])
_DRAWN = frozenset(("svg", "math"))
_NAME = re.compile(r"[A-Za-z][^\s/>]{0,64}")
_SKIP = re.compile(r"[\s/]*+")
_ATTRIBUTE = re.compile(r"([^\s/>][^\s/>=]*+)(?:\s*+=\s*+(\"|'|[^\s>\"'][^\s>]*+|(?=>)))?")
_ATTRIBUTES = 200
_ENDS = {name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE) for name in _RAW.pattern.split("|")}


@final
class Start(NamedTuple):
    """A tag that begins an element (or is one)."""

    line: int
    tag: str
    attributes: dict[str, str]


@final
class End(NamedTuple):
    """A tag that ends an element."""

    line: int
    tag: str


@final
class Text(NamedTuple):
    """A text, its references resolved."""

    line: int
    text: str


def tokens(page: str) -> Iterator[Start | End | Text]:
    """The tags and texts of a page that are to be seen, in order, with their lines, from 1."""
    hidden, depth = "", 0
    for token in _all(page):
        if not hidden:
            yield token
            if isinstance(token, Start) and token.tag in _HIDDEN:
                hidden, depth = token.tag, 1
        elif isinstance(token, Start):
            if hidden in _DRAWN and token.tag in BLOCKS:  # HTML in a drawing ends it, where nothing else did
                hidden = ""
                yield token
            else:
                depth += token.tag == hidden
        elif isinstance(token, End) and token.tag == hidden:
            depth -= 1
            hidden = hidden if depth else ""


def _all(page: str) -> Iterator[Start | End | Text]:
    """Every tag and text of a page."""
    line, counted, at = 1, 0, 0
    while at < len(page):
        sign = page.find("<", at)
        sign = len(page) if sign < 0 else sign
        if sign > at:
            line, counted = line + page.count("\n", counted, at), at
            yield Text(line, _resolved(page[at:sign]))
        if sign == len(page):
            return
        line, counted = line + page.count("\n", counted, sign), sign
        following = page[sign + 1 : sign + 2]
        if page.startswith("<!--", sign):
            at = _behind(page, "-->", sign + 4)
        elif following in ("!", "?"):
            at = _behind(page, ">", sign + 1)
        elif following == "/":
            name = _NAME.match(page, sign + 2)
            if name is not None:
                yield End(line, name[0].lower())
            at = _behind(page, ">", sign + 2)
        elif name := _NAME.match(page, sign + 1):
            tag = name[0].lower()
            attributes, at = _attributes(page, name.end())
            yield Start(line, tag, attributes)
            if tag in _ENDS:
                close = _ENDS[tag].search(page, at)
                if tag == "textarea":
                    yield Text(line, _resolved(page[at : close.start() if close else len(page)]))
                at = close.start() if close else len(page)
        else:
            yield Text(line, "<")
            at = sign + 1


def _behind(page: str, mark: str, at: int) -> int:
    """The place behind the next mark; the end where there is none."""
    found = page.find(mark, at)
    return len(page) if found < 0 else found + len(mark)


def _attributes(page: str, at: int) -> tuple[dict[str, str], int]:
    """The attributes of a tag, names in small letters, and the place behind it."""
    found: dict[str, str] = {}
    while True:
        at = _SKIP.match(page, at).end()  # type: ignore[union-attr]  # it matches nothing, too
        if page.startswith(">", at):
            return found, at + 1
        part = _ATTRIBUTE.match(page, at)
        if part is None:
            return found, len(page)
        name, value = part[1].lower(), part[2] or ""
        at = part.end()
        if value in ("'", '"'):
            close = page.find(value, at)
            close = len(page) if close < 0 else close
            value, at = page[at:close], close + 1
        if len(found) < _ATTRIBUTES:
            found.setdefault(name, _resolved(value))


def _resolved(text: str) -> str:
    """A text with its references resolved."""
    if "&" not in text:
        return text
    try:
        return html.unescape(text)
    except ValueError:  # a number of more digits than Python reads
        return text


def text_of_html(source: str) -> str:
    """The text of a piece of HTML, blocks parted by spaces.

    >>> text_of_html("<p>a &lt; <b>b</b></p><script>alert(1)</script>c")
    'a < b c'
    """
    parts = [token.text if isinstance(token, Text) else " " if token.tag in BLOCKS else "" for token in tokens(source)]
    return " ".join("".join(parts).split())
