"""Axes around a plot area: places for ticks and labels such that no two labels overlap."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimtab.report.lettering import fit, text_width
from trimtab.report.markup import EMPTY, Markup, escape, join, tag
from trimtab.report.scales import Band, Scale, Tick

__all__ = ["Axis", "Frame", "Labels", "draw_axes", "frame", "label", "plan_across"]

FONT = 12.0
LANE = 20.0
INSET = 6.0
_GAP = 7.0
_SLANT = math.radians(40.0)


@dataclass(frozen=True, slots=True)
class Axis:
    """What one direction shows."""

    title: str
    scale: Scale


@dataclass(frozen=True, slots=True)
class Labels:
    """The ticks that an axis shows, with labels that fit; slanted where they do not fit side by side."""

    ticks: tuple[Tick, ...]
    slanted: bool = False

    @property
    def depth(self) -> float:
        """Room they take below the axis, pixels."""
        if not self.slanted:
            return FONT + 6
        longest = max((text_width(tick.label, FONT) for tick in self.ticks), default=0.0)
        return longest * math.sin(_SLANT) + FONT + 2


@dataclass(frozen=True, slots=True)
class Frame:
    """A plot area, in pixels from the top left, with its two axes.

    Arguments:
        left, top, width, height: of the area in which data are drawn.
        x, y: the axes.
        across, up: their ticks.
        lane: the middle of the strip outside the area for trials without a value; None without one.
        lane_text: what the strip holds.
        bottom: where the drawing ends, labels and titles included.
    """

    left: float
    top: float
    width: float
    height: float
    x: Axis
    y: Axis
    across: Labels
    up: tuple[Tick, ...]
    lane: float | None
    lane_text: str
    bottom: float

    def px(self, values: ArrayLike) -> NDArray[np.float64]:
        """Pixels from the left of data on the x axis."""
        room = _inset(self.x.scale)
        return self.left + room + (self.width - 2 * room) * self.x.scale.place(values)

    def py(self, values: ArrayLike) -> NDArray[np.float64]:
        """Pixels from the top of data on the y axis, which points up."""
        room = _inset(self.y.scale)
        return self.top + room + (self.height - 2 * room) * (1.0 - self.y.scale.place(values))


def _inset(scale: Scale) -> float:
    """Room at both ends of an axis of numbers, pixels, so that a mark at a bound stays inside."""
    return 0.0 if isinstance(scale, Band) else INSET


def plan_across(scale: Scale, width: float, *, slant: bool = True, most: int = 10) -> Labels:
    """Ticks of a horizontal axis whose labels stay apart.

    Categories are shortened, then slanted where `slant` allows it, then thinned out.

    Arguments:
        scale: of the axis.
        width: its length, pixels.
        slant: whether labels of categories may be slanted.
        most: ticks of a number at most.
    """
    if isinstance(scale, Band):
        return _plan_bands(scale, width, slant)
    for wanted in range(max(2, min(most, int(width // 44))), 1, -1):
        ticks = scale.ticks(wanted)
        if _apart(ticks, scale.place([tick.at for tick in ticks]) * width):
            return Labels(ticks)
    return Labels(scale.ticks(2)[:1])


def _apart(ticks: Sequence[Tick], middles: NDArray[np.float64]) -> bool:
    """Whether labels centred at these pixels leave a gap between each other."""
    halves = np.array([text_width(tick.label, FONT) / 2 for tick in ticks])
    return bool(np.all(np.diff(middles) >= halves[:-1] + halves[1:] + _GAP))


def _plan_bands(scale: Band, width: float, slant: bool) -> Labels:
    """Labels of categories."""
    band = width / max(len(scale.labels), 1)
    whole = [text_width(text[:40], FONT) for text in scale.labels]
    if band >= 90.0 or not slant or all(size <= band - _GAP for size in whole):
        every = max(1, math.ceil(min(36.0, max(whole, default=0.0) + _GAP) / band))
        kept = [tick for tick in scale.ticks(len(scale.labels)) if tick.at % every == 0]
        return Labels(_fitted(kept, band * every - _GAP))
    return Labels(_fitted(scale.ticks(max(1, int(width // 17))), 80.0), slanted=True)


def _fitted(ticks: Sequence[Tick], room: float) -> tuple[Tick, ...]:
    """Ticks with labels no wider than `room`; if cutting confuses them, what they have in common goes first."""
    whole = [tick.label for tick in ticks]
    short = [fit(text, FONT, room) for text in whole]
    if len(set(short)) < len(set(whole)):
        start = _common(whole)
        end = _common([text[start:][::-1] for text in whole])
        cores = [f"{'…' * (start > 0)}{text[start : len(text) - end]}{'…' * (end > 0)}" for text in whole]
        short = [fit(text, FONT, room) for text in cores]
    return tuple(Tick(tick.at, text) for tick, text in zip(ticks, short, strict=True))


def _common(texts: Sequence[str]) -> int:
    """How many characters all texts begin with: those that the first and the last in order begin with."""
    first, last = min(texts), max(texts)
    return next((place for place, pair in enumerate(zip(first, last, strict=False)) if len(set(pair)) > 1), len(first))


def _plan_up(scale: Scale, height: float, room: float) -> tuple[Tick, ...]:
    """Ticks of a vertical axis, labels no wider than `room`."""
    ticks = scale.ticks(max(2, int(height // (16 if isinstance(scale, Band) else 38))))
    return _fitted(ticks, room)


def frame(
    x: Axis, y: Axis, width: float, height: float, *, lane: str = "", lane_on_top: bool = True, top: float = 0.0
) -> Frame:
    """Lay out a plot in a box.

    Arguments:
        x: the horizontal axis.
        y: the vertical one; its title stands above the area, where it reads without turning one's head.
        width: of the whole box, pixels.
        height: of the plot area alone, pixels; the box grows with the labels.
        lane: words for a strip of trials without a value; empty for none.
        lane_on_top: whether the strip is above the area (where lower is better) or below.
        top: room above, such as for a legend.
    """
    up = _plan_up(y.scale, height, 0.3 * width)
    widest = max([text_width(tick.label, FONT) for tick in up] + ([text_width(lane, FONT)] if lane else [0.0]))
    left = widest + _GAP + 1
    across = plan_across(x.scale, width - left - 4)
    left, inner = _make_room(across, x.scale, left, width)
    area_top = top + (FONT + 10 if y.title else 4) + (LANE if lane and lane_on_top else 0.0)
    below = area_top + height + (LANE if lane and not lane_on_top else 0.0)
    return Frame(
        left=left,
        top=area_top,
        width=inner,
        height=height,
        x=x,
        y=y,
        across=across,
        up=up,
        lane=None if not lane else area_top - LANE / 2 if lane_on_top else area_top + height + LANE / 2,
        lane_text=lane,
        bottom=below + 4 + across.depth + (FONT + 8 if x.title else 0),
    )


def _make_room(across: Labels, scale: Scale, left: float, width: float) -> tuple[float, float]:
    """Left end and length of an axis such that no label below it sticks out of a box of some width."""
    inner = width - left - 4
    if not across.ticks:
        return left, inner
    if across.slanted:
        shares = scale.place([tick.at for tick in across.ticks])
        lengths = np.array([text_width(tick.label, FONT) for tick in across.ticks]) * math.cos(_SLANT)
        # A label ends at its tick, left + (right - left) * share, and must not be longer than that.
        right = left + inner
        left = max(left, float(np.max((lengths - right * shares) / (1.0 - shares))))
        return left, right - left
    last = across.ticks[-1]
    over = left + inner * float(scale.place(last.at)) + text_width(last.label, FONT) / 2 - width - 4
    return left, inner - max(0.0, over)


def label(text: str, x: float, y: float, kind: str = "tick") -> Markup:
    """A text at a place; `kind` holds its CSS classes."""
    return tag("text", {"class": kind, "x": x, "y": y}, escape(text))


def draw_axes(area: Frame) -> Markup:
    """Grid, axis line, ticks, labels and titles of a frame."""
    right, base = area.left + area.width, area.top + area.height
    parts: list[Markup] = []
    for tick in area.up:
        y = float(area.py(tick.at))
        if not isinstance(area.y.scale, Band):
            parts.append(tag("line", {"class": "grid", "x1": area.left, "x2": right, "y1": y, "y2": y}))
        parts.append(label(tick.label, area.left - _GAP, y + 4, "tick end"))
    floor = base if area.lane is None or area.lane < area.top else base + LANE
    parts.append(tag("line", {"class": "axis", "x1": area.left, "x2": right, "y1": floor, "y2": floor}))
    parts.extend(_draw_across(area, floor))
    if area.lane is not None:
        parts.append(_draw_lane(area, right))
    if area.y.title:
        lift = LANE if area.lane is not None and floor == base else 0.0
        parts.append(label(fit(area.y.title, FONT, right), 0, area.top - lift - 9))
    if area.x.title:
        parts.append(label(fit(area.x.title, FONT, area.width), right, area.bottom - 5, "tick end"))
    return join(parts)


def _draw_across(area: Frame, floor: float) -> Iterable[Markup]:
    """Ticks and labels below the area."""
    for tick in area.across.ticks:
        x = float(area.px(tick.at))
        yield tag("line", {"class": "axis", "x1": x, "x2": x, "y1": floor, "y2": floor + 4})
        if area.across.slanted:
            turned = {"class": "tick end", "transform": f"translate({x + 4:.1f} {floor + 14:.1f}) rotate(-40)"}
            yield tag("text", turned, escape(tick.label))
        else:
            half = text_width(tick.label, FONT) / 2
            yield label(tick.label, max(x, half), floor + FONT + 5, "tick mid")


def _draw_lane(area: Frame, right: float) -> Markup:
    """The strip for trials without a value."""
    if area.lane is None:
        return EMPTY
    edge = area.top if area.lane < area.top else area.top + area.height
    return join(
        [
            tag("line", {"class": "lane", "x1": area.left, "x2": right, "y1": edge, "y2": edge}),
            label(area.lane_text, area.left - _GAP, area.lane + 4, "tick end"),
        ]
    )
