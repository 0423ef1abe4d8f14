"""Dual functions: the loss of every task as a function of one hyperparameter, their mean, and where it is least."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.base.records import Objective
from trimtab.report.axes import Axis, Frame, draw_axes, frame
from trimtab.report.figure import Drawing, Figure
from trimtab.report.marks import Sample, legend, polyline
from trimtab.report.markup import Markup, join, tag
from trimtab.report.palette import STEPS
from trimtab.report.scales import Linear, Log
from trimtab.report.shown import thin
from trimtab.report.values import ValueAxis, value_axis
from trimtab.report.wording import count, number
from trimtab.tuners.tasks.duals import Dual
from trimtab.tuners.tasks.exact import ExactFit

__all__ = ["DualCurves", "draw_dual_curves", "dual_curves"]

MOST_TASKS = 60
"""Lines drawn; more are a cloud."""

MOST_JUMPS = 300
"""Breakpoints of one line whose two sides are drawn both; more lie closer than a pixel."""

POINTS = 300
"""Places at which every line is drawn besides."""

_BEYOND = "Losses far above the rest are drawn at the upper edge."

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DualCurves:
    """What the plot shows.

    Arguments:
        fit: the exact fit to the mean, with its name, scale and interval of ties.
        axis: of the losses.
        lines: hyperparameters and losses of each task drawn, both of shape (p,).
        mean: the same of the mean over all tasks.
        total: how many tasks there are.
    """

    fit: ExactFit
    axis: ValueAxis
    lines: tuple[tuple[Array, Array], ...]
    mean: tuple[Array, Array]
    total: int


def dual_curves(duals: Sequence[Dual], fit: ExactFit) -> DualCurves:
    """The data of the plot.

    Arguments:
        duals: one a task.
        fit: `fit_exact` of them.
    """
    low, high = fit.domain
    kept = [duals[int(place)] for place in thin(np.arange(len(duals)), MOST_TASKS)]
    lines = tuple(_points(dual, low, high, fit.log) for dual in kept)
    mean = (fit.curve[:, 0], fit.curve[:, 1])
    axis = value_axis(np.concatenate([losses for _, losses in (*lines, mean)]), Objective("loss"))
    return DualCurves(fit, axis, lines, mean, len(duals))


def _points(dual: Dual, low: float, high: float, log: bool) -> tuple[Array, Array]:
    """Places on one line, both sides of its breakpoints among them, and the losses there."""
    grid = np.clip((np.geomspace if log else np.linspace)(low, high, POINTS), low, high)
    jumps = dual.breakpoints[(dual.breakpoints > low) & (dual.breakpoints < high)]
    if len(jumps) > MOST_JUMPS:
        return grid, dual.value(grid)
    xs = np.unique(np.concatenate([grid, jumps, np.nextafter(jumps, -np.inf)]))
    return xs, dual.value(xs)


def draw_dual_curves(data: DualCurves) -> Figure:
    """The plot."""
    fit, drawn = data.fit, len(data.lines)
    ties = f" Every setting from {number(fit.low)} to {number(fit.high)} attains it." if fit.low < fit.high else ""
    left_out = f"{drawn} of {count(data.total, 'task')} are drawn." if drawn < data.total else ""
    note = "Each thin line is the exact loss of one task, the thick one is their mean."
    return Figure(
        name="duals",
        title=f"Loss of {count(data.total, 'task')} by {fit.name}",
        description=(
            f"The loss of {count(data.total, 'task')} as a function of {fit.name}. "
            f"Their mean is least at {number(fit.at)}, where it is {number(fit.value)}.{ties}"
        ),
        caption=" ".join(
            filter(
                None, [note, f"Dashed: where the mean is least.{ties}", _BEYOND if data.axis.beyond else "", left_out]
            )
        ),
        draw=lambda width: _draw(data, width),
    )


def _draw(data: DualCurves, width: float) -> Drawing:
    """The plot at one width."""
    fit, (low, high) = data.fit, data.fit.domain
    samples = [
        Sample(polyline([-9, 9], [0, 0], f"line s{STEPS // 2}"), "one task"),
        Sample(polyline([-9, 9], [0, 0], "best"), "mean"),
        Sample(tag("line", {"class": "estimate", "x1": -9, "x2": 9, "y1": 0, "y2": 0}), "least mean"),
    ]
    head, top = legend(samples, width)
    across = Log(low, high) if fit.log else Linear(low, high)
    height = 240.0 if width < 500 else 300.0
    area = frame(Axis(fit.name, across), Axis("loss", data.axis.scale), width, height, top=top)
    lines = [_line(xs, losses, data, area, f"line s{STEPS // 2}") for xs, losses in data.lines]
    body = [head, _draw_least(fit, area), draw_axes(area), *lines, _line(*data.mean, data, area, "best")]
    return Drawing(width, area.bottom, join(body))


def _line(xs: Array, losses: Array, data: DualCurves, area: Frame, looks: str) -> Markup:
    """One line."""
    return polyline(area.px(xs).tolist(), area.py(data.axis.clipped(losses)).tolist(), looks)


def _draw_least(fit: ExactFit, area: Frame) -> Markup:
    """Where the mean is least: a line, and a band where several settings tie."""
    ends = {"y1": area.top, "y2": area.top + area.height}
    x, left, right = (float(place) for place in area.px([fit.at, fit.low, fit.high]))
    band = tag(
        "rect",
        {"class": "band", "x": left, "y": area.top, "width": max(right - left, 0.0), "height": area.height},
    )
    return join([band, tag("line", {"class": "estimate", "x1": x, "x2": x, **ends})])
