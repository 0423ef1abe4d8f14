r"""Broken TeX in titles and abstracts: what is certain is repaired, the rest is told.

Listing pages are made from TeX by programs that drop dollar signs and most backslashes. Where only one reading is
possible, the plain text takes its place:

    Fr\'echet, {\"o}, \c{c}, \o         the letters with their accents
    50\%, \&, \#, \_, e.g.\             the sign, the space
    {\em word}, \emph{word}, \url{x}    what stands in them; a brace of \url that was never closed is dropped, too
    https://x{x}                        the link, where the braces repeat it; else it is told
    mathcal{O}, mathbb{R}               the letter: no word of a language holds "mathcal{"
    varepsilon, nvarepsilon             the Greek letter, also where another letter lost its space before it
    64{times}64, D{=}1, {to}            the operator
    {raise.17ex\scriptstyle\sim}4       ∼4
    \( ... \), \[ ... \]                $ ... $

What stands between dollar signs is TeX and stays as it is. Dollar signs are delimiters where the first is followed and
the second preceded by no space, and no digit follows the second, so that "from $5 to $6" is money. Everything else that
cannot be prose (sqrt{d}{n}, braces without a partner, commands that are left) is given back as broken, unchanged.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

__all__ = ["plain", "repair", "spans"]

_ACCENT = re.compile(r"""\\(?:['`^"~=.]|[cvHukrdb][\s{])""")
_FORMULA = 400  # characters between two dollar signs at most
_PASSES = 8  # of repairs inside repairs
_BROKEN = 3  # told of one text at most

_COMBINING = {
    "'": "\u0301", "`": "\u0300", "^": "\u0302", '"': "\u0308", "~": "\u0303", "=": "\u0304", ".": "\u0307",
    "c": "\u0327", "v": "\u030c", "H": "\u030b", "u": "\u0306", "k": "\u0328", "r": "\u030a", "d": "\u0323",
    "b": "\u0331",
}  # fmt: skip
_SIGN_ACCENT = r"""\\(?P<a>['`^"~=.])\s*(?:\{\s*(?P<b>\\[ij]|[A-Za-z])\s*\}|(?P<c>\\[ij](?![A-Za-z])|[A-Za-z]))"""
_WORD_ACCENT = r"""\\(?P<a>[cvHukrdb])(?:\s*\{\s*(?P<b>\\[ij]|[A-Za-z])\s*\}|\s+(?P<c>\\[ij]|[A-Za-z])(?![A-Za-z]))"""
_ACCENTS = tuple(
    re.compile(pattern) for pattern in (rf"\{{{_SIGN_ACCENT}\}}", _SIGN_ACCENT, rf"\{{{_WORD_ACCENT}\}}", _WORD_ACCENT)
)
_QUOTE = re.compile(r'\\"(?![A-Za-z{])')
_LETTERS = {
    "ss": "ß", "o": "ø", "O": "Ø", "l": "ł", "L": "Ł", "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ", "aa": "å",
    "AA": "Å", "i": "ı", "j": "ȷ", "dh": "ð", "th": "þ",
}  # fmt: skip
_LETTER = "|".join(sorted(_LETTERS, key=len, reverse=True))
_BRACED_SPECIAL = re.compile(rf"\{{\\(?P<a>{_LETTER})\}}")
_SPECIAL = re.compile(rf"\\(?P<a>{_LETTER})(?![A-Za-z])(?:\{{\}}|\s+(?=[a-z]))?")
_ESCAPED = re.compile(r"\\([%&#_])")
_SPACE = re.compile(r"\\(?=\s)")
_FONT = re.compile(r"\{\s*\\(?:em|it|bf|sc|rm|sf|tt|sl|itshape|bfseries)\b\s*([^{}\\$]*)\}")
_WRAPPED = re.compile(
    r"(?:\\(?:emph|text(?:it|bf|tt|sc|rm|sf|sl|normal|up)?|underline|mbox|mathrm|url|path|nolinkurl|ensuremath)"
    r"|\\?(?:text(?:it|bf|tt|sc|rm|sf|sl)|mathcal|mathbf|mathrm|mathit|mathsf|mathfrak|boldsymbol|operatorname))"
    r"\s?\{([^{}\\$]*)\}"
)
_HREF = re.compile(r"\\href\{([^{}\s]*)\}\{([^{}]*)\}")
_OPEN_URL = re.compile(r"\\url\{(?=https?://[^\s{}]*(?:\s|$))")
_LINK_TEXT = re.compile(r"(?P<link>https?://[^\s{}]{1,300})\{(?P<text>[^\s{}]*)\}")
_BLACKBOARD = re.compile(r"\\?mathbb\s?\{?([RNZQCPHE])(?:\}|(?![A-Za-z}]))")
_DOUBLE = dict(zip("RNZQCPHE", "ℝℕℤℚℂℙℍ𝔼", strict=True))
_GREEK = {"epsilon": "ε", "phi": "φ", "theta": "ϑ", "rho": "ϱ", "sigma": "ς", "pi": "ϖ", "kappa": "ϰ"}
_VARIANT = re.compile(rf"\\?var({'|'.join(_GREEK)})")
_OPERATORS = {"times": "×", "to": "→", "cdot": "·", "pm": "±", "leq": "≤", "geq": "≥", "sim": "∼", "approx": "≈"}
_OPERATOR = re.compile(rf"\{{\\?({'|'.join(_OPERATORS)}|[=+<>-])\}}")
_RAISED = re.compile(r"\{\\?raise\s?-?[\d.]*ex\s*(?:\\?hbox\s?\{)?\$?\\?scriptstyle\s*\\?sim\$?\}{1,2}")
_PARENTHESES = re.compile(r"\\\(([^$]{1,400}?)\\\)|\\\[([^$]{1,400}?)\\\]")

_LOST = re.compile(
    r"\\[A-Za-z]+"
    r"|(?:sqrt|frac|widetilde|widehat|overline|underline|left|right|max|min|sum|int|prod|log)[{_^]\S{0,40}"
    r"|\b(?:widetilde|widehat|textstyle|displaystyle|leq|geq|infty|ldots|cdots)\b\S{0,40}"
    r"|\w{0,20}(?:left|right)[(|\[]\S{0,40}"
    r"|\{[^{}\s]{0,100}\}\{[^{}\s]{0,100}\}"
    r"|https?://[^\s{}]{0,300}\{\S{0,40}"
)
_BRACE = re.compile(r"[^\s{}]{0,30}[{}]\S{0,30}")
_FONTS = re.compile(r"\\(?:math(?:cal|bb|bf|rm|it|sf|frak)|boldsymbol|operatorname|text[a-z]*|left|right)(?![A-Za-z])")
_COMMAND = re.compile(r"\\([A-Za-z]+)\s*")


def spans(text: str) -> Iterator[tuple[bool, str]]:
    """A text in pieces, which joined are the text: whether the piece is TeX (its dollar signs are part of it).

    >>> list(spans("of $L^2$, for $5 and $6"))
    [(False, 'of '), (True, '$L^2$'), (False, ', for $5 and $6')]
    """
    if "$" not in text:
        if text:
            yield False, text
        return
    marks = _dollar_marks(text)
    done = at = 0
    while at < len(marks):
        begin, _ = marks[at]
        close = _closing(text, marks, at)
        if close is None:
            at += 1
            continue
        if begin > done:
            yield False, text[done:begin]
        done = marks[close][1]
        yield True, text[begin:done]
        at = close + 1
    if done < len(text):
        yield False, text[done:]


def _dollar_marks(text: str) -> list[tuple[int, int]]:
    """Where dollar signs, single or double, begin and end; those behind a backslash are none."""
    marks: list[tuple[int, int]] = []
    at = text.find("$")
    while at >= 0:
        end = at + 1 + text.startswith("$", at + 1)
        if at == 0 or text[at - 1] != "\\":
            marks.append((at, end))
            at = end
        else:
            at += 1
        at = text.find("$", at)
    return marks


def _is_suspect(text: str) -> bool:
    """Whether there may be TeX in a text; most have none, and this is the quick answer."""
    return "\\" in text or "{" in text or "}" in text or "var" in text or "$" in text or "widetilde" in text


def _closing(text: str, marks: list[tuple[int, int]], at: int) -> int | None:
    """Which mark closes the formula that mark `at` opens; None where it opens none."""
    begin, inside = marks[at]
    width = inside - begin
    if width == 1 and (inside >= len(text) or text[inside].isspace()):
        return None
    for other in range(at + 1, len(marks)):
        start, end = marks[other]
        if start - inside > _FORMULA or end - start != width:
            return None
        if width == 2:
            return other
        if not text[start - 1].isspace() and not text[end : end + 1].isdigit():
            return other
    return None


def repair(text: str) -> tuple[str, tuple[str, ...]]:
    r"""A text with its certain repairs, and what of it is broken beyond them (three pieces at most, shortened).

    >>> repair(r"Schr\"odinger bridges gain 50\% in O({dsqrt{k}{nvarepsilon}}) steps")
    ('Schrödinger bridges gain 50% in O({dsqrt{k}{nε}}) steps', ('sqrt{k}{nε}})',))
    """
    if not _is_suspect(text):
        return text, ()
    if "\\(" in text or "\\[" in text:
        text = _PARENTHESES.sub(_dollars, text)
    pieces = [(formula, piece if formula else _repaired(piece)) for formula, piece in spans(text)]
    done = "".join(piece for _, piece in pieces)
    if r"\$" in done and not _dollar_marks(done):
        money = done.replace(r"\$", "$")
        if not any(formula for formula, _ in spans(money)):
            done, pieces = money, [(False, money)]
    return done, tuple(_broken(piece for formula, piece in pieces if not formula))


def _dollars(found: re.Match[str]) -> str:
    """A formula between dollar signs; as it was where it is none."""
    inner = (found[1] or found[2] or "").strip()
    return f"${inner}$" if inner else found[0]


def _repaired(text: str) -> str:
    """Prose with its certain repairs."""
    for _ in range(_PASSES):
        before = text
        if "\\" in text:
            if '\\"' in text and _QUOTE.search(
                text
            ):  # escaped quotation marks: no accent stands before a space or the end
                text = text.replace('\\"', '"')
            if _ACCENT.search(text):
                for pattern in _ACCENTS:
                    text = pattern.sub(_accented, text)
            text = _ESCAPED.sub(r"\1", text)
            text = _SPACE.sub(_space, text)
            if "{" in text:
                text = _BRACED_SPECIAL.sub(_special, text)
                text = _HREF.sub(_linked, text)
                text = _OPEN_URL.sub("", text)
            text = _SPECIAL.sub(_special, text)
        if "{" in text:
            text = _RAISED.sub("∼", text)
            text = _FONT.sub(r"\1", text)
            text = _WRAPPED.sub(r"\1", text)
            text = _LINK_TEXT.sub(_link, text)
            text = _OPERATOR.sub(lambda found: _OPERATORS.get(found[1], found[1]), text)
        if "mathbb" in text:
            text = _BLACKBOARD.sub(lambda found: _DOUBLE[found[1]], text)
        if "var" in text:
            text = _VARIANT.sub(lambda found: _GREEK[found[1]], text)
        if text == before:
            break
    return text


def _accented(found: re.Match[str]) -> str:
    """A letter with its accent; as it was where there is no such letter."""
    letter = (found["b"] or found["c"]).removeprefix("\\")
    composed = unicodedata.normalize("NFC", letter + _COMBINING[found["a"]])
    return composed if len(composed) == 1 else found[0]


def _special(found: re.Match[str]) -> str:
    """A letter that has a name in TeX."""
    return _LETTERS[found["a"]]


def _space(found: re.Match[str]) -> str:
    """Nothing, where a backslash and a space follow a word or a stop: that is a space. Else as it was."""
    before = found.string[found.start() - 1 : found.start()]
    return "\\" if not before or before.isspace() or before == "\\" else ""


def _linked(found: re.Match[str]) -> str:
    """A link and its text, which is left out where it repeats the link."""
    link, text = found[1], found[2].strip()
    return link if not text or _bare(text) == _bare(link) else f"{text} ({link})"


def _link(found: re.Match[str]) -> str:
    """A link whose braces repeat it, without them."""
    return found["link"] if _bare(found["text"]) in ("", _bare(found["link"])) else found[0]


def _bare(link: str) -> str:
    """An address without scheme, case and slash at its end, for comparison."""
    return re.sub(r"^(?:https?://)?(?:www\.)?", "", link.casefold()).rstrip("/")


def _broken(pieces: Iterator[str]) -> list[str]:
    """What in prose cannot be prose."""
    found: list[str] = []
    for text in pieces:
        if len(found) >= _BROKEN or not _is_suspect(text):
            continue
        found += [match[0][:60] for _, match in zip(range(_BROKEN), _LOST.finditer(text), strict=False)]
        if not found and text.count("{") != text.count("}"):
            at = _BRACE.search(text)
            found.append(at[0][:60] if at else "")
    return found[:_BROKEN]


def plain(text: str) -> str:
    r"""A text without the signs of TeX, for comparison: formulas by the names of what stands in them.

    >>> plain(r"Learning $\mathcal{O}(\varepsilon^2)$ {\em Fr\'echet} Means")
    'Learning O(ε^2) Fréchet Means'
    """
    text = _repaired(text)
    text = _FONTS.sub("", text)
    return _COMMAND.sub(r"\1 ", text).replace("$", "").replace("{", "").replace("}", "").replace(" ^", "^")
