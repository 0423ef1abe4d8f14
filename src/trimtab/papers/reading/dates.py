"""Dates as pages write them, and the year of those that have none.

A listing page leaves out the year of what was published in the year in which the page was looked at, and its own day
("Jun 9", in its head) has no year at all. What is known is the day of the import, which is not before the page's: the
page is taken to be the last such day that is not after the import, and an entry without a year the last such day that
is not after the page's. Both are guesses (a page may be years old), so every one of them is told.
"""

from __future__ import annotations

import re
from datetime import date
from typing import NamedTuple, final

__all__ = ["Written", "last", "month_number", "of_parts", "read_iso", "read_written"]

_MONTHS = {
    name: number
    for number, names in enumerate(
        ("jan january", "feb february", "mar march", "apr april", "may", "jun june", "jul july", "aug august",
         "sep sept september", "oct october", "nov november", "dec december"),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_AMERICAN = re.compile(rf"({_MONTH})\.? (\d{{1,2}})(?:(?:, ?| )((?:19|20)\d\d))?(?: (\d{{1,7}}))?", re.IGNORECASE)
_EUROPEAN = re.compile(rf"(\d{{1,2}})\.? ({_MONTH})\.?(?:,? ((?:19|20)\d\d))?(?: (\d{{1,7}}))?", re.IGNORECASE)
_NUMBERS = re.compile(r"((?:19|20)\d\d)[-/](\d{1,2})[-/](\d{1,2})(?: (\d{1,7}))?")
_ISO = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?(?:[T ].*)?")


@final
class Written(NamedTuple):
    """A date as a page writes it: year (None where it is left out), month, day, and the number that follows it."""

    year: int | None
    month: int
    day: int
    number: int | None

    def on(self, year: int) -> date | None:
        """The date in a year; None where that year has no such day."""
        return of_parts(year, self.month, self.day)


def read_written(text: str) -> Written | None:
    """A line that is a date and perhaps a number, which counts comments; None where it is not one.

    Four digits between 1900 and 2099 behind a day are a year.

    >>> read_written("Jan 29 2"), read_written("Feb 16, 2021")
    (Written(year=None, month=1, day=29, number=2), Written(year=2021, month=2, day=16, number=None))
    """
    if len(text) > 40:
        return None
    if found := _AMERICAN.fullmatch(text):
        month, day, year, number = _MONTHS[found[1].lower()], found[2], found[3], found[4]
    elif found := _EUROPEAN.fullmatch(text):
        month, day, year, number = _MONTHS[found[2].lower()], found[1], found[3], found[4]
    elif found := _NUMBERS.fullmatch(text):
        month, day, year, number = int(found[2]), found[3], found[1], found[4]
    else:
        return None
    written = Written(int(year) if year else None, month, int(day), int(number) if number else None)
    # A leap year stands for a year that is not told.
    return None if written.on(written.year or 2000) is None else written


def last(written: Written, until: date) -> date:
    """The last day of this name that is not after another day."""
    year = until.year
    while True:
        day = written.on(year)
        if day is not None and day <= until:
            return day
        year -= 1


def of_parts(year: int, month: int, day: int) -> date | None:
    """The date of these numbers; None where there is none."""
    try:
        return date(year, month, day)
    except ValueError:
        return None


def read_iso(text: str) -> tuple[date | None, int]:
    """A date such as "2021-02-16T09:00:00Z", "2021-02" or "2021", and how many of year, month and day it told.

    What is left out is the first; a text that is no date gives (None, 0).
    """
    if len(text) == 10:  # the form of nearly all, by the quicker way
        try:
            return date.fromisoformat(text), 3
        except ValueError:
            pass
    found = _ISO.fullmatch(text.strip()[:64])
    if found is None:
        return None, 0
    parts = [int(part) for part in found.groups() if part]
    day = of_parts(*[*parts, 1, 1][:3])
    return day, len(parts) if day else 0


def month_number(text: str) -> int | None:
    """The number of a month that is given by its name or number; None where it is neither."""
    text = text.strip().rstrip(".").lower()
    if text.isascii() and text.isdigit():
        return int(text) if 1 <= int(text[:4]) <= 12 else None
    return _MONTHS.get(text)
