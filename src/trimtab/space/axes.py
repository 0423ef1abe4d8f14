"""How one raw coordinate lies on the unit interval: the scale and the grid of one parameter.

A raw coordinate is the number itself, or the index of a category. On the unit interval

- a continuous number lies at its fraction of the range, on a linear or a logarithmic scale;
- the k-th of n equally wide cells (integers, steps, powers, categories) lies at (k + 1/2) / n;
- an integer v on a logarithmic scale owns [log(v - 1/2), log(v + 1/2)], so that uniform draws
  rounded to the nearest integer are log-uniform, the ends included.

Steps are kept as whole multiples of a power of ten wherever the decimal forms of `low` and `step`
allow it: the grid of `Float(0, 1, step=0.1)` holds 0.3, and not 0.1 + 0.1 + 0.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, Decimal

import numpy as np
from numpy.typing import NDArray

__all__ = ["EXACT", "Axis", "stepped"]

EXACT = 2**53
"""Integers up to this one are exact in float64."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One raw coordinate.

    Arguments:
        low, high: raw bounds, both attained.
        log: whether the scale is logarithmic.
        rounded: whether values are the integers of a logarithmic scale.
        cells: number of equally wide cells; 0 where the axis is continuous or `rounded`.
        first, step, divisor: the raw value of cell k is `(first + k * step) / divisor` ...
        base: ... or `base ** (first + k)` where this is not 0.
    """

    low: float
    high: float
    log: bool = False
    rounded: bool = False
    cells: int = 0
    first: float = 0.0
    step: float = 1.0
    divisor: float = 1.0
    base: int = 0

    @property
    def size(self) -> int | None:
        """Number of distinct raw values; None where continuous."""
        return int(self.high) - int(self.low) + 1 if self.rounded else self.cells or None

    @property
    def ends(self) -> tuple[float, float]:
        """Where the unit interval begins and ends, on the axis's own scale."""
        if not self.log:
            return self.low, self.high
        half = 0.5 if self.rounded else 0.0
        return float(np.log(self.low - half)), float(np.log(self.high + half))

    def stretch(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        """The derivative of raw values by their unit coordinate, any shape; of a continuous axis."""
        start, end = self.ends
        with np.errstate(over="ignore"):
            return np.asarray((end - start) * (raw if self.log else np.ones_like(raw)))

    def cell(self, index: NDArray[np.float64]) -> NDArray[np.float64]:
        """Raw values of cells, any shape."""
        if self.base:
            table = np.array([float(self.base ** (int(self.first) + k)) for k in range(self.cells)])
            return table[index.astype(np.intp)]
        value: NDArray[np.float64] = np.minimum((self.first + index * self.step) / self.divisor, self.high)
        return value

    def values(self, count: int | None = None) -> NDArray[np.float64]:
        """The raw values of a discrete axis in ascending order, or the first `count` of them."""
        index = np.arange((self.size or 0) if count is None else count, dtype=np.float64)
        return self.low + index if self.rounded else self.cell(index)

    def nearest(self, raw: float) -> float:
        """The value of the axis's cells that is nearest to a raw number."""
        index = np.clip(np.rint((raw * self.divisor - self.first) / self.step), 0, self.cells - 1)
        return float(self.cell(np.array(index)))


def stepped(low: float, high: float, step: float) -> Axis | None:
    """The axis low, low + step, ..., high; None where no whole number of steps leads from low to high.

    They fit where they do in decimal digits, or miss each other by less than 1e-9 of a step.
    """
    with np.errstate(over="ignore"):
        count = float(np.float64(high) - np.float64(low)) / step
    if not 0.5 < count < EXACT:
        return None
    first, last, unit = (Decimal(repr(number)) for number in (low, high, step))
    exact = _DIGITS.divide(_DIGITS.subtract(last, first), unit)
    if exact != exact.to_integral_value() and abs(count - round(count)) > 1e-9:
        return None
    cells = round(count) + 1
    digits = max(0, *(-_exponent(number) for number in (first, last, unit)))
    if digits <= 22 and max(abs(low), abs(high)) * 10.0**digits < EXACT:
        scale = 10**digits
        return Axis(low, high, cells=cells, first=float(first * scale), step=float(unit * scale), divisor=float(scale))
    return Axis(low, high, cells=cells, first=low, step=step)


_DIGITS = Context(prec=60)
"""Arithmetic that leaves no remainder where two floats divide in decimal digits."""


def _exponent(number: Decimal) -> int:
    """The decimal exponent of the last digit."""
    return int(number.as_tuple().exponent)
