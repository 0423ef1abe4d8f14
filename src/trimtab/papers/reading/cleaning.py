"""What every text from outside passes: one line, without signs that hide or reorder others."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["clean", "hides", "safe_url"]

# Control characters but white space, marks of writing direction (which can make a text read as another), invisible
# signs (joiners stay: scripts need them), halves of characters, and tags.
_HIDDEN = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
    "\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f]"
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_URL = re.compile(r"https?://[A-Za-z0-9\[][^\s\"<>\\^`{|}]{0,2000}", re.IGNORECASE)


def clean(text: str) -> str:
    r"""A text on one line: white space is single spaces, what hides is gone, letters are composed (NFC).

    >>> clean("  a\tlong\r\nSubject: \u202eti\x00tle ")
    'a long Subject: title'
    """
    if text.isascii() and text.isprintable():
        return " ".join(text.split()) if "  " in text else text.strip()
    text = _HIDDEN.sub("", _SURROGATE.sub("\ufffd", text))
    return " ".join(unicodedata.normalize("NFC", text).split())


def hides(text: str) -> bool:
    """Whether a text holds signs that `clean` takes away, white space apart."""
    return not (text.isascii() and text.isprintable()) and _HIDDEN.search(text) is not None


def safe_url(text: str) -> str:
    """An address of the web as it is, and everything else (other schemes, names with passwords) as the empty text.

    >>> safe_url(" https://arxiv.org/abs/2310.20708 "), safe_url("javascript:alert(1)"), safe_url("https://a:b@c.org/")
    ('https://arxiv.org/abs/2310.20708', '', '')
    """
    text = text.strip()
    if _URL.fullmatch(text) is None or hides(text) or "@" in re.split(r"[/?#]", text[8:], maxsplit=1)[0]:
        return ""
    return text
