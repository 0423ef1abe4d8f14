"""From data to a share of an axis, with ticks at round places. Nothing here knows of pixels or SVG."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Band", "Linear", "Log", "Scale", "Tick", "spans_decades", "tick_labels"]

_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis, in data units, with its label."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Linear:
    """Equal steps. With `whole`, ticks are integers; with `seconds`, round steps are those of a clock.

    >>> [tick.label for tick in Linear(0.0, 1.0).ticks(6)]
    ['0.0', '0.2', '0.4', '0.6', '0.8', '1.0']
    """

    low: float
    high: float
    whole: bool = False
    seconds: bool = False

    def place(self, values: ArrayLike) -> NDArray[np.float64]:
        """Shares of the axis, 0 at `low` and 1 at `high`; the middle where the two are equal."""
        points = np.asarray(values, dtype=np.float64)
        # Halves, as the difference of two large floats of opposite signs overflows.
        span = self.high / 2 - self.low / 2
        return (points / 2 - self.low / 2) / span if span > 0 else np.where(np.isnan(points), np.nan, 0.5)

    def ticks(self, most: int) -> tuple[Tick, ...]:
        """At most `most` ticks (two at least) at multiples of a round step."""
        if not self.high / 2 - self.low / 2 > 1e-300:
            return (Tick(self.low, tick_labels([self.low])[0]),)
        step = self._step(max(most, 2))
        places = [index * step for index in self._multiples(step)]
        labels = _elapsed(places, step) if self.seconds else tick_labels(places)
        return tuple(Tick(place, label) for place, label in zip(places, labels, strict=True))

    def _step(self, most: int) -> float:
        """The smallest round step that gives no more than `most` ticks."""
        least = (self.high / 2 - self.low / 2) / (most + 1) * 2
        power = math.floor(math.log10(least)) if least > 0 else -300
        steps = [float(f"{digit}e{exponent}") for exponent in range(power, power + 4) for digit in (1, 2, 5)]
        if self.seconds and 0.5 <= least <= _SECONDS[-1] / most:
            steps = [float(step) for step in _SECONDS]
        fitting = (step for step in steps if step >= least and len(self._multiples(step)) <= most)
        step = next(fitting, steps[-1])
        return max(step, 1.0) if self.whole else step

    def _multiples(self, step: float) -> range:
        """Which multiples of a step lie on the axis."""
        return range(math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9) + 1)


@dataclass(frozen=True, slots=True)
class Log:
    """Equal ratios; both ends are positive. With another base than 10, ticks are its powers.

    >>> [tick.label for tick in Log(1e-5, 1e-1).ticks(6)]
    ['1e-5', '1e-4', '0.001', '0.01', '0.1']
    """

    low: float
    high: float
    base: int = 10

    def place(self, values: ArrayLike) -> NDArray[np.float64]:
        """Shares of the axis; nan for values that are not positive."""
        points = np.asarray(values, dtype=np.float64)
        logs = np.log(np.where(points > 0, points, np.nan))
        return Linear(math.log(self.low), math.log(self.high)).place(logs)

    def ticks(self, most: int) -> tuple[Tick, ...]:
        """At most `most` ticks (two at least): 1, 2 and 5 or 1 and 3 of each decade, or every k-th decade."""
        most = max(most, 2)
        inside = self._inside(1, (1, 2, 5) if self.base == 10 else (1,))
        if len(inside) < 2:
            return Linear(self.low, self.high).ticks(most)
        if len(inside) > most and self.base == 10:
            inside = self._inside(1, (1, 3))
        every = 0
        while len(inside) > most:
            every += 1
            inside = self._inside(every, (1,))
        return tuple(Tick(place, label) for place, label in zip(inside, tick_labels(inside, False), strict=True))

    def _inside(self, every: int, digits: Sequence[int]) -> list[float]:
        """Multiples of every k-th power of the base that lie on the axis."""
        unit = math.log(self.base)
        first, last = math.floor(math.log(self.low) / unit - 1e-9), math.ceil(math.log(self.high) / unit + 1e-9)
        powers = [power for power in range(first, last + 1) if power % every == 0]
        # Written and read as decimal text: 10.0 ** -5 is not the float 1e-5 on every platform.
        places = [
            float(f"{digit}e{power}") if self.base == 10 else digit * float(self.base) ** power
            for power in powers
            for digit in digits
        ]
        return [place for place in places if self.low * (1 - 1e-9) <= place <= self.high * (1 + 1e-9)]


@dataclass(frozen=True, slots=True)
class Band:
    """One equal band for each label; data are indices, and an index is placed in its band's middle.

    >>> Band(("relu", "gelu")).place([0, 1]).tolist()
    [0.25, 0.75]
    """

    labels: tuple[str, ...]

    def place(self, values: ArrayLike) -> NDArray[np.float64]:
        """Shares of the axis."""
        shares: NDArray[np.float64] = (np.asarray(values, dtype=np.float64) + 0.5) / max(len(self.labels), 1)
        return shares

    def ticks(self, most: int) -> tuple[Tick, ...]:
        """Every band's label, or every k-th where there are more than `most`."""
        every = max(1, math.ceil(len(self.labels) / max(most, 1)))
        return tuple(Tick(index, label) for index, label in enumerate(self.labels) if index % every == 0)


Scale: TypeAlias = Linear | Log | Band


def spans_decades(values: NDArray[np.float64], ratio: float) -> bool:
    """Whether a log axis serves: all positive, and the largest at least `ratio` times the smallest."""
    return bool(values.size and values.min() > 0 and values.max() / ratio >= values.min())


def tick_labels(places: Sequence[float], even: bool = True) -> list[str]:
    """Labels of a set of ticks.

    Arguments:
        places: where they are.
        even: write all with the same number of decimals, which equal steps ask for.

    >>> tick_labels([0.0, 2500.0, 5000.0]), tick_labels([1e-5, 1.0, 1e5], even=False)
    (['0', '2,500', '5,000'], ['1e-5', '1', '1e5'])
    """
    largest = max((abs(place) for place in places), default=0.0)
    if not even:
        return [_plain(place) if 1e-3 <= abs(place) < 1e5 else _exponent(place) for place in places]
    if largest and not 1e-3 <= largest < 1e6:
        return next(labels for labels in _exponents(places) if len(set(labels)) == len(set(places)))
    gap = min((abs(b - a) for a, b in pairwise(places)), default=largest)
    for decimals in range(13):
        if all(abs(round(place, decimals) - place) <= 1e-4 * gap for place in places):
            return [f"{place + 0.0:,.{decimals}f}" for place in places]
    return [f"{place:.12g}" for place in places]


def _plain(value: float) -> str:
    """A number without an exponent, thousands apart."""
    return f"{value:,.0f}" if value >= 1 and value.is_integer() else f"{value:.4g}"


def _exponents(places: Sequence[float]) -> Iterator[list[str]]:
    """Labels in exponent form with more and more digits; 16 tell any two floats apart."""
    for digits in range(3, 17):
        yield [_exponent(place, digits) if place else "0" for place in places]


def _exponent(value: float, digits: int = 3) -> str:
    """A number as a short mantissa and exponent."""
    mantissa, _, exponent = f"{value:.{digits}e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def _elapsed(places: Sequence[float], step: float) -> list[str]:
    """Elapsed times at a round step, seconds, all in the one unit that fits the step."""
    for size, unit, least in ((86400, "d", 86400), (3600, "h", 1800), (60, "min", 60)):
        if step >= least:
            return [f"{place / size:g} {unit}" if place else "0" for place in places]
    return [f"{place:g} s" if place else "0" for place in places]
