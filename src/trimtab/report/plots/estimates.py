"""Estimates with their intervals, one below the other: an honest best, or a comparison on a test split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimtab.base.records import Interval
from trimtab.report.axes import FONT, label, plan_across
from trimtab.report.figure import Drawing, Figure
from trimtab.report.lettering import fit, text_width
from trimtab.report.markup import EMPTY, Markup, join, tag
from trimtab.report.scales import Linear
from trimtab.report.wording import percent, with_interval

__all__ = ["Estimate", "Estimates", "draw_estimates"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number that is not known exactly.

    Arguments:
        name: what it is of, such as "tuned".
        value: the estimate.
        interval: for the same quantity; None where nothing is known of its noise.
    """

    name: str
    value: float
    interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class Estimates:
    """What the plot shows.

    Arguments:
        quantity: what is estimated, such as "accuracy on the test split".
        rows: one at least.
    """

    quantity: str
    rows: Sequence[Estimate]


def draw_estimates(data: Estimates, name: str = "estimates", title: str = "") -> Figure:
    """The plot.

    Arguments:
        data: what to show.
        name: see `Figure`; give each of several on one page its own.
        title: by default the quantity.
    """
    said = "; ".join(
        f"{row.name} {' , '.join(filter(None, with_interval(row.value, row.interval)))}" for row in data.rows
    )
    levels = sorted({row.interval.level for row in data.rows if row.interval is not None})
    caption = f"Bars are {' and '.join(map(percent, levels))} intervals." if levels else ""
    return Figure(
        name=name,
        title=title or data.quantity,
        description=f"{data.quantity}: {said}.",
        caption=caption,
        draw=lambda width: _draw(data, width),
    )


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where things are: names left and words right of the axis on a wide picture, above the bars on a narrow one."""

    width: float

    @property
    def wide(self) -> bool:
        """Whether there is room beside the axis."""
        return self.width >= 500

    @property
    def step(self) -> float:
        """From one row to the next, pixels."""
        return 34.0 if self.wide else 46.0

    @property
    def left(self) -> float:
        """Where the axis begins."""
        return 138.0 if self.wide else 8.0

    @property
    def right(self) -> float:
        """Where it ends."""
        return self.width - (198.0 if self.wide else 8.0)

    def px(self, scale: Linear, values: ArrayLike) -> NDArray[np.float64]:
        """Pixels of values, those off the axis at its end."""
        return self.left + (self.right - self.left) * scale.place(np.clip(values, scale.low, scale.high))


def _draw(data: Estimates, width: float) -> Drawing:
    """The plot at one width."""
    layout, scale = _Layout(width), _scale(data)
    floor = 6.0 + layout.step * len(data.rows)
    base = [tag("line", {"class": "axis", "x1": layout.left, "x2": layout.right, "y1": floor, "y2": floor})]
    for tick in plan_across(scale, layout.right - layout.left).ticks:
        x = float(layout.px(scale, tick.at))
        base.append(tag("line", {"class": "grid", "x1": x, "x2": x, "y1": 6, "y2": floor}))
        base.append(label(tick.label, x, floor + FONT + 5, "tick mid"))
    base.append(label(fit(data.quantity, FONT, layout.right), layout.right, floor + FONT + 22, "tick end"))
    digits = next((row.interval for row in data.rows if row.interval is not None), None)
    rows = [
        _row(row, digits, scale, layout, 6.0 + layout.step * (place + 1) - 14.0) for place, row in enumerate(data.rows)
    ]
    return Drawing(width, floor + FONT + 28, join([*base, *rows]))


def _scale(data: Estimates) -> Linear:
    """An axis around everything that is shown."""
    ends = [row.value for row in data.rows]
    for row in data.rows:
        ends += [] if row.interval is None else [row.interval.low, row.interval.high]
    finite = np.array([end for end in ends if np.isfinite(end)] or [0.0])
    room = 0.08 * float(np.ptp(finite)) or 0.05 * abs(float(finite[0])) or 1.0
    return Linear(float(finite.min()) - room, float(finite.max()) + room)


def _row(row: Estimate, digits: Interval | None, scale: Linear, layout: _Layout, y: float) -> Markup:
    """One estimate: its name, its interval as a bar, itself as a knob, and both in words.

    A row without an interval is written to the digits of another row's.
    """
    bar = EMPTY
    if row.interval is not None:
        low, high = layout.px(scale, [row.interval.low, row.interval.high]).tolist()
        bar = tag("line", {"class": "rule", "x1": low, "x2": high, "y1": y, "y2": y})
    value, span = with_interval(row.value, row.interval or digits)
    words = value if row.interval is None else f"{value} ({span})"
    if layout.wide:
        name = label(fit(row.name, FONT * 1.1, layout.left - 16), layout.left - 18, y + 4, "name end")
        told = label(words, layout.right + 14, y + 4)
    else:
        told = label(words, layout.width, y - 12, "end")
        room = layout.width - text_width(words, FONT) - 8
        name = label(fit(row.name, FONT * 1.1, room), 0, y - 12, "name")
    knob = tag("circle", {"class": "knob", "cx": float(layout.px(scale, row.value)), "cy": y, "r": 5.5})
    return join([name, told, bar, knob])
