"""Lengths of time as people type them: `90s`, `10m`, `2h`, `1d`, `1h30m`."""

from __future__ import annotations

import re

from trimtab.base.errors import InvalidArgument, message

__all__ = ["parse_seconds"]

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhd])", re.ASCII)
_WHOLE = re.compile(rf"(?:{_PART.pattern})+", re.ASCII)
_BARE = re.compile(r"\d+(?:\.\d+)?", re.ASCII)


def parse_seconds(text: str, option: str) -> float:
    """A length of time in seconds, above 0. A number without a unit counts seconds.

    Arguments:
        text: what was typed.
        option: for which option, for the error text.

    Raises:
        InvalidArgument: not a length of time, or none at all.

    >>> [parse_seconds(text, "--timeout") for text in ("90s", "10m", "2h", "1d", "1h30m", "0.5h", "45")]
    [90.0, 600.0, 7200.0, 86400.0, 5400.0, 1800.0, 45.0]
    """
    plain = text.strip().lower()
    found = 0.0
    if _BARE.fullmatch(plain):
        found = float(plain)
    elif _WHOLE.fullmatch(plain):
        found = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(plain))
    if not 0.0 < found < float("inf"):
        raise InvalidArgument(
            message(
                f"{option} must be a length of time above 0",
                got=text,
                allowed="a number and a unit, s m h or d, such as 90s, 10m, 2h, 1d or 1h30m",
                do=f"write for instance {option} 10m",
            )
        )
    return found
