"""Text from elsewhere as one clean line: no character of it can end a line, hide or turn the writing round."""

from __future__ import annotations

import re

__all__ = ["one_line", "shortened"]

# Controls (C0, DEL, C1), line and paragraph separators, surrogates without a partner, marks that turn the
# direction of what follows (Unicode Standard Annex 9), and characters that are none.
_UNFIT = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def one_line(text: str) -> str:
    r"""The text on one line: what is unfit for a mail is a space, and spaces follow each other no more.

    >>> one_line("A title\r\nBcc: all@example.org")
    'A title Bcc: all@example.org'
    """
    return " ".join(_UNFIT.sub(" ", text).split())


def shortened(text: str, width: int) -> str:
    """The text, or its beginning up to the last space within `width` characters, followed by " ...".

    >>> shortened("a method that learns", 12)
    'a method ...'
    """
    if len(text) <= width:
        return text
    room = max(width - 4, 1)
    head, space, _ = text[: room + 1].rpartition(" ")
    return f"{head if space else text[:room]} ..."
