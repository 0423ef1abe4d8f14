"""What a reader did not understand, gathered while it reads."""

from __future__ import annotations

from typing import final

from trimtab.papers.records import Misread

__all__ = ["Told"]

_SHOWN = 120  # characters of what is quoted
_MOST = 2_000  # lines told one by one


@final
class Told:
    """The misread lines of one page. Its size is bounded, however long the page is.

    `line` tells of one line. `often` tells what can be true of every entry of a page once: at the first one, with how
    many there were.
    """

    def __init__(self) -> None:
        self._lines: list[Misread] = []
        self._left_out: Misread | None = None
        self._more = 0
        self._often: dict[str, tuple[int, str, int]] = {}

    def line(self, number: int, text: str, why: str) -> None:
        """Tell of one line.

        Arguments:
            number: of the line, from 1.
            text: what stands there; it is shortened.
            why: why it was not understood, and what was done.
        """
        told = Misread(number, shown(text), why)
        if len(self._lines) < _MOST:
            self._lines.append(told)
            return
        self._left_out = self._left_out or told
        self._more += 1

    def often(self, number: int, text: str, why: str) -> None:
        """Tell of something that is likely to be true of other lines too; arguments as of `line`."""
        first, quoted, times = self._often.get(why, (number, shown(text), 0))
        self._often[why] = (first, quoted, times + 1)

    def misread(self) -> tuple[Misread, ...]:
        """Everything that was told, in order of the lines."""
        rows = list(self._lines)
        for why, (number, text, times) in self._often.items():
            rows.append(Misread(number, text, why if times == 1 else f"{why} ({times:,} times, first here)"))
        if self._left_out is not None:
            rest = f"this and {self._more - 1:,} more lines were not understood; they are not told one by one"
            rows.append(Misread(self._left_out.line, self._left_out.text, rest))
        return tuple(sorted(rows, key=lambda row: row.line))


def shown(text: str) -> str:
    """A text as it is quoted: on one line, printable, cut at 120 characters."""
    text = " ".join("".join(sign if sign.isprintable() else " " for sign in text[: 4 * _SHOWN]).split())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 4] + " ..."
