"""The plots of the page: lines of several peers, drawn with the figures of `trimtab.report`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from trimtab.report import Figure
from trimtab.report.axes import Axis, Frame, draw_axes, frame
from trimtab.report.figure import Drawing
from trimtab.report.marks import Sample, legend
from trimtab.report.markup import Markup, escape, join, tag
from trimtab.report.scales import Log, Scale

__all__ = ["Lines", "draw_lines"]

_COLOURS = ("failed", "s3", "pruned", "s0", "s6")
_DASHES = ("none", "7 3", "2 3")
_HEAVY = ("strong", "none")


@final
@dataclass(frozen=True, slots=True)
class Lines:
    """What a plot of lines shows.

    Arguments:
        name, title, caption: as of a `Figure`.
        across: title and scale of the horizontal axis.
        upward: title of the vertical axis, whose scale is logarithmic.
        series: name -> horizontal and vertical places, shape (k,) each, vertical ones above zero; in the
            order of the legend.
    """

    name: str
    title: str
    caption: str
    across: tuple[str, Scale]
    upward: str
    series: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]]


def draw_lines(data: Lines) -> Figure:
    """The plot. trimtab's default is the heavy line, the others have a colour and a dash each."""
    return Figure(
        name=data.name,
        title=data.title,
        description=f"{data.upward} by {data.across[0]}, a line each for {', '.join(data.series)}.",
        caption=data.caption,
        draw=lambda width: _draw(data, width),
    )


def _draw(data: Lines, width: float) -> Drawing:
    """The plot at one width."""
    values = np.concatenate([ys for _, ys in data.series.values()])
    scale = Log(float(values.min()) * 0.9, float(values.max()) * 1.1)
    looks = _looks(list(data.series))
    samples = [Sample(_line([-9.0, 9.0], [0.0, 0.0], *looks[name]), name) for name in data.series]
    head, used = legend(samples, width)
    area = frame(Axis(*data.across), Axis(data.upward, scale), width, 230.0 if width < 500 else 300.0, top=used)
    return Drawing(width, area.bottom, join([head, draw_axes(area), *_lines(data, area, looks)]))


def _looks(names: list[str]) -> dict[str, tuple[str, str]]:
    """The colour's CSS class and the dashes of every line."""
    others = [name for name in names if name != "trimtab:auto"]
    shades = len(_COLOURS)
    looks = {
        name: (_COLOURS[place % shades], _DASHES[place // shades % len(_DASHES)]) for place, name in enumerate(others)
    }
    return {name: looks.get(name, _HEAVY) for name in names}


def _lines(data: Lines, area: Frame, looks: Mapping[str, tuple[str, str]]) -> list[Markup]:
    """Every line, the heavy one on top."""
    order = sorted(data.series, key=lambda name: looks[name] == _HEAVY)
    places = {name: data.series[name] for name in order}
    return [
        _line(area.px(xs).tolist(), area.py(ys).tolist(), *looks[name], tip=name) for name, (xs, ys) in places.items()
    ]


def _line(xs: list[float], ys: list[float], colour: str, dash: str, tip: str = "") -> Markup:
    """One line. Its style stands on it, as the classes are those of marks, whose lines are thin or none."""
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in zip(xs, ys, strict=True))
    heavy = (colour, dash) == _HEAVY
    style = f"fill:none;stroke-opacity:1;stroke-dasharray:{dash};stroke-width:{2.6 if heavy else 1.5}"
    inside = (tag("title", {}, escape(tip)),) if tip else ()
    return tag("path", {"class": "best" if heavy else colour, "style": style, "d": f"M{path}"}, *inside)
