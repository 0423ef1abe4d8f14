"""Numbers, times and counts in words for people. Exact values belong in the exports."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

from trimtab.base.records import Interval, ParamValue

__all__ = ["count", "duration", "moment", "number", "one_line", "param", "percent", "shorten", "with_interval"]

_SPACE = re.compile(r"\s+")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_UNITS = ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))


def number(value: float, digits: int = 4) -> str:
    """A number to some significant digits; very large and very small ones in short exponent form.

    >>> [number(v) for v in (0.123456, 1234567.0, 3e-7, 20000, -1.5, 100.0)]
    ['0.1235', '1.235e6', '3e-7', '20000', '-1.5', '100']
    """
    if not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    if value == 0:
        return "0"
    size = abs(value)
    if (1e-4 <= size < 1e6) or (float(value).is_integer() and size < 1e6):
        decimals = max(0, digits - 1 - math.floor(math.log10(size)))
        text = f"{value:.{decimals}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}e{int(exponent)}"


def with_interval(estimate: float, interval: Interval | None) -> tuple[str, str]:
    """An estimate and its interval, both to the digits that the interval's width supports.

    The last digit shown is the second significant one of the half-width, so noise is not printed as knowledge.

    >>> with_interval(0.304871, Interval(0.29123, 0.31845, 0.95))
    ('0.305', '0.291 to 0.318')
    >>> with_interval(0.304871, None)
    ('0.3049', '')
    """
    if interval is None:
        return number(estimate), ""
    half = (interval.high - interval.low) / 2
    largest = max(abs(estimate), abs(interval.low), abs(interval.high))
    if not (half > 0 and math.isfinite(half)) or not 1e-4 <= largest < 1e6:
        return number(estimate), f"{number(interval.low)} to {number(interval.high)}"
    decimals = min(12, max(0, 1 - math.floor(math.log10(half))))
    return f"{estimate:.{decimals}f}", f"{interval.low:.{decimals}f} to {interval.high:.{decimals}f}"


def percent(share: float) -> str:
    """A level such as 0.95 as "95 %".

    >>> percent(0.95), percent(0.995)
    ('95 %', '99.5 %')
    """
    return f"{share * 100:.4g} %"


def param(value: ParamValue, digits: int = 5) -> str:
    """A parameter's value: numbers to some digits, everything else as it is.

    >>> param(True), param(None), param(0.1 + 0.2), param("relu"), param(100000)
    ('True', 'None', '0.3', 'relu', '100000')
    """
    if isinstance(value, bool) or not isinstance(value, float | int):
        return str(value)
    return str(value) if isinstance(value, int) else number(value, digits)


def count(how_many: int, what: str, plural: str = "") -> str:
    """A count with its noun.

    >>> count(1, "trial"), count(1200, "trial"), count(2, "category", "categories")
    ('1 trial', '1,200 trials', '2 categories')
    """
    return f"{how_many:,} {what if how_many == 1 else plural or what + 's'}"


def duration(seconds: float) -> str:
    """A span of time in its two largest units.

    >>> [duration(s) for s in (0.0042, 1.25, 59.96, 754, 7500, 200000)]
    ['4.2 ms', '1.2 s', '60 s', '12 min 34 s', '2 h 5 min', '2 d 8 h']
    """
    if not math.isfinite(seconds):
        return number(seconds)
    seconds = max(0.0, seconds)
    if seconds < 1:
        return f"{seconds * 1000:.2g} ms" if seconds < 0.0095 else f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    size, unit, smaller, small = next(row for row in _UNITS if seconds >= row[0])
    whole, rest = divmod(round(seconds / smaller), size // smaller)
    return f"{whole} {unit} {rest} {small}" if rest else f"{whole} {unit}"


def moment(seconds: float) -> str:
    """A point in time, given in seconds since the Unix epoch, in UTC.

    >>> moment(0.0)
    '1 Jan 1970, 00:00 UTC'
    """
    try:
        when = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        return "at an unknown time"
    return f"{when.day} {_MONTHS[when.month - 1]} {when.year}, {when:%H:%M} UTC"


def one_line(text: str) -> str:
    """All white space, line ends included, as single blanks."""
    return _SPACE.sub(" ", text).strip()


def shorten(text: str, most: int) -> str:
    """A text of at most `most` characters, cut in the middle, where names of a kind differ least.

    >>> shorten("opt.adam.weight_decay", 12)
    'opt.ad…decay'
    """
    if len(text) <= most:
        return text
    if most <= 1:
        return "…"[:most]
    tail = (most - 1) // 2
    return f"{text[: most - 1 - tail]}…{text[len(text) - tail :]}" if tail else f"{text[: most - 1]}…"
