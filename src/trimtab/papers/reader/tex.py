"""Abstracts with their TeX drawn: what stands between dollar signs becomes MathML, everything else is escaped.

Needs the package latex2mathml. What it writes is not taken on trust: it puts some texts and links into its answer
unescaped, so the answer is read back as XML and built anew from the elements and attributes of presentation MathML
alone (https://www.w3.org/TR/mathml-core/). What cannot be read back is shown as it was written.
"""

from __future__ import annotations

import re
from functools import lru_cache
from xml.etree.ElementTree import Element, ParseError, fromstring

from markupsafe import Markup, escape

from trimtab.base.lazy import need
from trimtab.papers.reading.tex import spans

__all__ = ["html_of"]

_DEPTH = 24  # of braces; the converter recurses
_NAMESPACE = "{http://www.w3.org/1998/Math/MathML}"
_ELEMENT = re.compile(
    "math|mfrac|mi|mmultiscripts|mn|mo|mover|mpadded|mphantom|mroot|mrow|ms|mspace|msqrt|mstyle|msub|msubsup|msup|mtable|"
    "mtd|mtext|mtr|munder|munderover|none"
)
_ATTRIBUTE = re.compile(
    "accent|accentunder|columnspacing|depth|dir|display|displaystyle|fence|form|height|largeop|linethickness|lspace|"
    "mathvariant|maxsize|minsize|movablelimits|rowspacing|rspace|scriptlevel|separator|stretchy|symmetric|voffset|width"
)
_PLAIN = re.compile(r"[\w.+-]{1,40}\Z")


@lru_cache(maxsize=2_000)
def html_of(text: str, words: tuple[str, ...] = ()) -> Markup:
    """A text of unknown origin as safe HTML.

    Arguments:
        text: plain text, with TeX between dollar signs.
        words: are marked where a word of the text begins with one of them, but for formulas.

    >>> html_of("a < b, from $5 to $6")
    Markup('a &lt; b, from $5 to $6')
    >>> html_of("Bayesian <b>", ("bayes",))
    Markup('<mark>Bayesian</mark> &lt;b&gt;')
    """
    parts = [(_mathml(piece.strip("$")) if is_tex else "") or _marked(piece, words) for is_tex, piece in spans(text)]
    return Markup("").join(parts)


def _marked(text: str, words: tuple[str, ...]) -> Markup:
    """A text without formulas, escaped, with some words marked."""
    if not words:
        return escape(text)
    longest_first = sorted(words, key=len, reverse=True)
    done, parts = 0, []
    for found in re.finditer(rf"\b(?:{'|'.join(map(re.escape, longest_first))})\w*", text, re.IGNORECASE):
        parts += [escape(text[done : found.start()]), Markup("<mark>{}</mark>").format(found[0])]
        done = found.end()
    return Markup("").join([*parts, escape(text[done:])])


def _mathml(formula: str) -> Markup:
    """A formula as MathML; empty where it cannot be drawn."""
    if formula.count("{") > _DEPTH:
        return Markup("")
    convert = need("latex2mathml.converter", "papers", "drawing TeX").convert
    try:
        drawn = convert(formula)
        # Without a document type there is no entity to expand; a formula that smuggles one in is no formula.
        return Markup("" if "<!" in drawn or "<?" in drawn else _rebuilt(fromstring(drawn)))
    except Exception:  # noqa: BLE001  besides ParseError, the converter raises errors of many kinds on broken TeX
        return Markup("")


def _rebuilt(element: Element) -> str:
    """An element anew, from what is known to be harmless.

    Raises:
        ParseError: it holds something else.
    """
    name = str(element.tag).removeprefix(_NAMESPACE)
    if not _ELEMENT.fullmatch(name):
        raise ParseError(name)
    given = element.attrib.items()
    attributes = "".join(
        f' {key}="{value}"' for key, value in given if _ATTRIBUTE.fullmatch(key) and _PLAIN.match(value)
    )
    inside = "".join([_rebuilt(child) + str(escape(child.tail or "")) for child in element])
    return f"<{name}{attributes}>{escape(element.text or '')}{inside}</{name}>"
