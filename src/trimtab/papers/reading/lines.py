"""A page as numbered lines, whatever its bytes are.

UTF-8 is taken where the bytes are valid UTF-8, UTF-16 and UTF-32 where a byte order mark or the zeros of plain English
say so, and Windows-1252 (which has Latin-1 in it) for every line that is none of these; such lines are told. A line is
read up to one mebibyte, whatever its length; the rest of it is passed over and told.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from typing import BinaryIO, final

from trimtab.papers.reading.told import Told

__all__ = ["LONGEST", "Joined", "decoded", "lines_of", "text_encoding"]

LONGEST = 1 << 20  # bytes of one line
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BREAKS = re.compile("\r\n?|\n")


def text_encoding(head: bytes) -> str:
    """The encoding that the first bytes of a page show: "utf-8" where they show none."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    sample = head[:1_024]
    pairs = len(sample) // 2
    if pairs >= 8:
        even, odd = sample[0::2].count(0), sample[1::2].count(0)
        if odd > 0.6 * pairs and even < 0.1 * pairs:
            return "utf-16-le"
        if even > 0.6 * pairs and odd < 0.1 * pairs:
            return "utf-16-be"
    return "utf-8"


def lines_of(stream: BinaryIO, told: Told) -> Iterator[tuple[int, str]]:
    """The lines of a page with their numbers, from 1, without their ends: line feeds, carriage returns, or both."""
    head = stream.read(4_096)
    encoding = text_encoding(head)
    raw = Joined(head, stream)
    source = io.BufferedReader(raw if encoding == "utf-8" else _Recoded(raw, encoding), 1 << 16)
    if encoding not in ("utf-8", "utf-8-sig"):
        told.line(1, "", f"the page is not in UTF-8; it was read as {encoding.upper()}")
    number = 0
    while line := source.readline(LONGEST):
        cut = False
        while not line.endswith(b"\n") and len(line) == LONGEST and (rest := source.readline(LONGEST)):
            cut = True
            if rest.endswith(b"\n") or len(rest) < LONGEST:
                break
        text = decoded(line[:-1] if line.endswith(b"\n") else line, number + 1, told)
        if cut:
            told.line(number + 1, text[:200], f"the line is longer than {LONGEST:,} bytes; the rest of it was not read")
        if "\r" not in text:
            number += 1
            yield number, text
            continue
        for part in _BREAKS.split(text.removesuffix("\r")):
            number += 1
            yield number, part


def decoded(line: bytes, number: int, told: Told) -> str:
    """A line of UTF-8, or of Windows-1252 where it is no UTF-8, which is told."""
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        if len(line) == LONGEST and error.start >= LONGEST - 4:  # cut within a character
            return line[: error.start].decode()
        text = line.decode("cp1252", "replace")
        told.often(number, text, "not valid UTF-8; the line was read as Windows-1252")
        return text


@final
class Joined(io.RawIOBase):
    """The first bytes of a stream, which were looked at, and the rest of it."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head, self._rest = head, rest

    def readable(self) -> bool:
        """That it can be read."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill the buffer with what comes next; 0 at the end."""
        part = self._head[: len(buffer)] or self._rest.read(len(buffer))
        self._head = self._head[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


@final
class _Recoded(io.RawIOBase):
    """A stream of another encoding as UTF-8."""

    def __init__(self, source: io.RawIOBase, encoding: str) -> None:
        self._source = source
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._ready = b""

    def readable(self) -> bool:
        """That it can be read."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill the buffer with what comes next; 0 at the end."""
        while not self._ready:
            part = self._source.read(1 << 15)
            self._ready = self._decoder.decode(part or b"", not part).encode("utf-8", "replace")
            if not part and not self._ready:
                return 0
        given, self._ready = self._ready[: len(buffer)], self._ready[len(buffer) :]
        buffer[: len(given)] = given
        return len(given)
