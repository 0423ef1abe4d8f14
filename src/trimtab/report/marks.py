"""Marks of trials: a shape and a class for each way a trial can look, with a tooltip.

`data-trial` names the trial, so that a page can highlight the same trial in every plot.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum

from trimtab.report.axes import FONT, label
from trimtab.report.lettering import text_width
from trimtab.report.markup import EMPTY, Markup, escape, join, tag
from trimtab.report.palette import STEPS

__all__ = [
    "Kind",
    "Mark",
    "Sample",
    "chosen_samples",
    "kind_samples",
    "legend",
    "mark",
    "polyline",
    "shape_of",
    "steps_sample",
]


class Kind(Enum):
    """How a trial looks in a plot; the value is its word in a legend."""

    COMPLETE = "complete"
    INFEASIBLE = "infeasible"
    PRUNED = "pruned"
    FAILED = "failed"
    RUNNING = "running"


class Mark(Enum):
    """Shapes. DOWN and UP point at values that lie outside the plot."""

    DOT = "dot"
    RING = "ring"
    DIAMOND = "diamond"
    CROSS = "cross"
    UP = "up"
    DOWN = "down"


_SHAPES = {
    Kind.COMPLETE: (Mark.DOT, "dot plain"),
    Kind.INFEASIBLE: (Mark.RING, "hollow"),
    Kind.PRUNED: (Mark.DIAMOND, "pruned"),
    Kind.FAILED: (Mark.CROSS, "failed"),
    Kind.RUNNING: (Mark.RING, "running"),
}


def shape_of(kind: Kind) -> tuple[Mark, str]:
    """The shape and CSS classes of a kind of trial."""
    return _SHAPES[kind]


def mark(
    shape: Mark, x: float, y: float, classes: str, trial: int | None = None, tip: str = "", radius: float = 3.4
) -> Markup:
    """One mark at a place, pixels; its tooltip is a `<title>`."""
    inside = (tag("title", {}, escape(tip)),) if tip else ()
    common: dict[str, str | float | int | None] = {"class": classes, "data-trial": trial}
    if shape in (Mark.DOT, Mark.RING):
        return tag("circle", {**common, "cx": round(x, 1), "cy": round(y, 1), "r": radius}, *inside)
    return tag("path", {**common, "d": _outline(shape, x, y, radius)}, *inside)


def _outline(shape: Mark, x: float, y: float, r: float) -> str:
    """Path of a mark that is not round."""
    if shape is Mark.CROSS:
        r *= 0.9
        return f"M{x - r:.1f} {y - r:.1f}l{2 * r:.1f} {2 * r:.1f}m0 {-2 * r:.1f}l{-2 * r:.1f} {2 * r:.1f}"
    if shape is Mark.DIAMOND:
        r *= 1.25
        return f"M{x:.1f} {y - r:.1f}l{r:.1f} {r:.1f}l{-r:.1f} {r:.1f}l{-r:.1f} {-r:.1f}z"
    turn = -1.0 if shape is Mark.UP else 1.0
    return f"M{x - r:.1f} {y - turn * r:.1f}h{2 * r:.1f}l{-r:.1f} {turn * 1.8 * r:.1f}z"


def polyline(xs: Sequence[float], ys: Sequence[float], classes: str, trial: int | None = None, tip: str = "") -> Markup:
    """A broken line through places, pixels; breaks where a coordinate is nan."""
    pieces, pen = [], "M"
    for x, y in zip(xs, ys, strict=True):
        if x != x or y != y:
            pen = "M"
            continue
        pieces.append(f"{pen}{x:.1f} {y:.1f}")
        pen = "L"
    inside = (tag("title", {}, escape(tip)),) if tip else ()
    return tag("path", {"class": classes, "data-trial": trial, "d": "".join(pieces)}, *inside)


@dataclass(frozen=True, slots=True)
class Sample:
    """An entry of a legend: what is drawn, around the origin, how wide that is to each side, and its words."""

    drawing: Markup
    words: str
    left: float = 10.0
    right: float = 10.0


def kind_samples(kinds: Collection[Kind]) -> list[Sample]:
    """Entries for the kinds of trials that are there."""
    return [Sample(mark(_SHAPES[kind][0], 0.0, 0.0, _SHAPES[kind][1]), kind.value) for kind in Kind if kind in kinds]


def chosen_samples(there: bool) -> list[Sample]:
    """An entry for the ring around the selected trial, where it is there."""
    return [Sample(mark(Mark.RING, 0.0, 0.0, "chosen", radius=6.0), "selected")] if there else []


def steps_sample(low: str, high: str) -> Sample:
    """The sequential palette between two words."""
    start = text_width(low, FONT) + 8.0
    boxes = [
        tag("rect", {"class": f"s{step}", "x": start + 14 * step, "y": -6, "width": 14, "height": 11})
        for step in range(STEPS)
    ]
    return Sample(join([label(low, 0, 4), *boxes]), high, 0.0, start + 14 * STEPS + 3)


def legend(samples: Sequence[Sample], width: float) -> tuple[Markup, float]:
    """A legend in as many rows as the width asks for, and the height it takes."""
    if not samples:
        return EMPTY, 0.0
    parts: list[Markup] = []
    x, y = 0.0, 9.0
    for sample in samples:
        needed = sample.left + sample.right + 5.0 + text_width(sample.words, FONT)
        if x + needed > width and x > 0.0:
            x, y = 0.0, y + 19.0
        words = label(sample.words, sample.right + 5.0, 4)
        parts.append(tag("g", {"transform": f"translate({x + sample.left:.1f} {y:.1f})"}, sample.drawing, words))
        x += needed + 16.0
    return join(parts), y + 13.0
