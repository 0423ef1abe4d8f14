"""Trending: many votes, and lately.

Reddit's "hot" order, as its published source had it (r2/lib/db/_sorts.pyx; told by Amir Salihefendic, "How Reddit
ranking algorithms work", 2010): with v the votes and t the day of publication,

    heat = sign(v) log10(max(|v|, 1)) + t / tau.

Ten times the votes are worth tau of age. Reddit has tau = 12.5 hours; papers are listed by the day and read for longer,
so tau is a week here. The age enters through the day of publication alone and not through the day of asking: every
day that passes takes the same from each paper, so the order is the same on every day and can be kept in an index.
"""

from __future__ import annotations

import math
from datetime import date

__all__ = ["DECADE_DAYS", "heat"]

DECADE_DAYS = 7.0
"""tau, in days: how much older a paper with ten times the votes may be and still be level."""

_EPOCH = date(2000, 1, 1)


def heat(votes: int, published: date | None) -> float | None:
    """Where a paper stands in the trending order; higher is earlier. None without a date: it stands last.

    >>> heat(10, date(2026, 1, 1)) == heat(100, date(2025, 12, 25))
    True
    """
    if published is None:
        return None
    order = math.copysign(math.log10(max(abs(votes), 1)), votes)
    # Rounded as Reddit does it, so that what is level stays level in floating point.
    return round(order + (published - _EPOCH).days / DECADE_DAYS, 7)
