"""Which of many lines is lowest where: the lower envelope on an interval, found by probing.

A greedy method that takes, at every step, the least of values (1 - a) z_i + a o_i changes its choice only at the
corners of the lower envelope of these lines. The envelope is concave. So a line that is lowest at both ends of an
interval is lowest throughout; otherwise the lines of both ends cross, and either nothing lies below their crossing,
which is then a corner, or what does is lowest there, and both halves are searched in the same way. Each probe is one
pass over the lines, and an envelope of p pieces takes at most 2 p of them, without sorting.

Values are compared by differences of coefficients, which lose no digits where lines are close. Equal lines are one
line, that with the least index. Corners are rounded to multiples of 2^-44, so that corners that are equal by theory, of
one envelope or of two, are equal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Piece", "lower_envelope", "lowest"]

Array = NDArray[np.float64]

STEPS = 2.0**44
"""Corners are multiples of its inverse; a double in 0 to 1 is exact to 2^-53."""

CLOSE = 2.0**-50
"""Values may differ by this share of them through rounding alone."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One line that is lowest on an interval.

    Arguments:
        low: where the interval begins.
        high: where it ends.
        line: the index of the line.
    """

    low: float
    high: float
    line: int


def lowest(zero: Array, one: Array, at: float) -> int:
    """The least index among the lines that are lowest at one place.

    Arguments:
        zero: values of the lines at 0, not negative, shape (n,).
        one: values at 1, not negative, shape (n,).
        at: the place, in 0 to 1.
    """
    values = (1 - at) * zero + at * one
    least = values.min()
    close = np.flatnonzero(values <= least * (1 + CLOSE))
    if len(close) == 1:
        return int(close[0])
    zeros, ones = zero[close] - zero[close[0]], one[close] - one[close[0]]
    return int(close[((1 - at) * zeros + at * ones).argmin()])


def lower_envelope(zero: Array, one: Array, low: float, high: float) -> list[Piece]:
    """The pieces of the lower envelope of lines on an interval, in ascending order.

    Arguments:
        zero: values of the lines at 0, not negative, shape (n,).
        one: values at 1, not negative, shape (n,).
        low: where the interval begins, at least 0.
        high: where it ends, at most 1 and more than `low`.
    """
    out: list[Piece] = []
    first, last = lowest(zero, one, low), lowest(zero, one, high)
    pending = [(low, first, high, last)]
    while pending:
        left, i, right, j = pending.pop()
        rise, fall = float(zero[j] - zero[i]), float(one[i] - one[j])
        if rise == -fall:  # parallel: the same line, or two that were confused by rounding
            corner = left if rise < 0 else right
        else:
            corner = round(rise / (rise + fall) * STEPS) / STEPS
        if corner >= right:
            _append(out, Piece(left, right, i))
        elif corner <= left:
            _append(out, Piece(left, right, j))
        else:
            below = lowest(zero, one, corner)
            depth = (1 - corner) * (zero[below] - zero[i]) + corner * (one[below] - one[i])
            if below in (i, j) or depth >= 0:
                _append(out, Piece(left, corner, i))
                _append(out, Piece(corner, right, j))
            else:
                pending.append((corner, below, right, j))
                pending.append((left, i, corner, below))
    return out


def _append(pieces: list[Piece], new: Piece) -> None:
    """Add a piece on the right of others, or lengthen the last one if its line is the same."""
    if pieces and pieces[-1].line == new.line:
        pieces[-1] = Piece(pieces[-1].low, new.high, new.line)
    else:
        pieces.append(new)
