"""Best so far: every trial's value by its number, and the best observed up to each.

The line comes from `trimtab.trust`. The best of many noisy values is a lucky one, so where a
selection is given, its estimate and interval are drawn beside the line.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.base.history import History
from trimtab.base.records import Objective, Selection
from trimtab.report.axes import Axis, Frame, draw_axes, frame
from trimtab.report.figure import Drawing, Figure
from trimtab.report.marks import Kind, Sample, chosen_samples, kind_samples, legend, polyline
from trimtab.report.markup import EMPTY, Markup, join, tag
from trimtab.report.plots.points import beyond_samples, draw_points, lane_words
from trimtab.report.scales import Linear
from trimtab.report.shown import Shown, shown
from trimtab.report.values import ValueAxis, value_axis
from trimtab.report.wording import count, number, percent
from trimtab.space import Space
from trimtab.trust import observed_incumbents

__all__ = ["BestSoFar", "best_so_far", "draw_best_so_far"]


@dataclass(frozen=True, slots=True)
class BestSoFar:
    """What the plot shows.

    Arguments:
        objective: which.
        trials: those drawn.
        axis: of the values.
        steps: shape (s,): numbers of the trials that were best when they came, ascending.
        bests: shape (s,): their values.
        last: number of the last trial there is.
        selection: the honest best, where one was given for this objective.
    """

    objective: Objective
    trials: Shown
    axis: ValueAxis
    steps: NDArray[np.intp]
    bests: NDArray[np.float64]
    last: int
    selection: Selection | None


def best_so_far(history: History[Space], objective: int = 0, selection: Selection | None = None) -> BestSoFar:
    """The data of the plot.

    Arguments:
        history: the study.
        objective: index of the objective, where there are several.
        selection: the honest best; left out where it is for another objective.
    """
    steps = observed_incumbents(history, objective)
    target = history.objectives[objective]
    trials = shown(history, objective, keep=steps)
    usable = trials.of_kind(Kind.COMPLETE, Kind.INFEASIBLE, Kind.PRUNED)
    return BestSoFar(
        objective=target,
        trials=trials,
        axis=value_axis(np.where(usable, trials.values, np.nan), target),
        steps=steps,
        bests=history.values[steps, objective],
        last=max(len(history) - 1, 0),
        selection=selection if selection is not None and selection.objective == target else None,
    )


def draw_best_so_far(data: BestSoFar) -> Figure:
    """The plot."""
    return Figure(
        name="best-so-far",
        title="Best so far",
        description=_description(data),
        caption=" ".join(filter(None, [_reading(data), data.trials.note])),
        draw=lambda width: _draw(data, width),
    )


def _description(data: BestSoFar) -> str:
    """The plot in words."""
    text = f"Values of {count(data.trials.total, 'trial')} by number, with the best observed so far as a line."
    if not len(data.steps):
        return text
    return f"{text} The best observed value is {number(float(data.bests[-1]))}, at trial {data.steps[-1]}."


def _reading(data: BestSoFar) -> str:
    """How to read the plot."""
    if data.selection is None or data.selection.interval is None:
        return "The line is the best value observed so far; under noise, the best of many is a lucky one."
    level = percent(data.selection.interval.level)
    return (
        "The solid line is the best value observed so far; under noise, the best of many is a lucky one. "
        f"Dashed: the estimate for the selected trial, with its {level} interval."
    )


def _draw(data: BestSoFar, width: float) -> Drawing:
    """The plot at one width."""
    line = [Sample(polyline([-9, 9], [0, 0], "best"), "best so far")] if len(data.steps) else []
    ring = chosen_samples(data.selection is not None)
    head, used = legend([*kind_samples(data.trials.kinds), *beyond_samples(data.axis), *line, *ring], width)
    area = frame(
        Axis("trial", Linear(0, max(data.last, 1), whole=True)),
        Axis(data.objective.name, data.axis.scale),
        width,
        230.0 if width < 500 else 280.0,
        lane=lane_words(data.trials),
        lane_on_top=data.axis.worse_up,
        top=used,
    )
    chosen = None if data.selection is None else data.selection.trial
    body = [
        head,
        _draw_selection(data, area),
        draw_axes(area),
        _draw_line(data, area),
        draw_points(data.trials, data.trials.numbers.astype(float), area, data.axis, chosen=chosen),
    ]
    return Drawing(width, area.bottom, join(body))


def _draw_line(data: BestSoFar, area: Frame) -> Markup:
    """The staircase of bests."""
    if not len(data.steps):
        return EMPTY
    xs = np.append(np.repeat(data.steps.astype(float), 2)[1:], max(data.last, 1))
    ys = np.repeat(data.axis.clipped(data.bests), 2)
    return polyline(area.px(xs).tolist(), area.py(ys).tolist(), "best")


def _draw_selection(data: BestSoFar, area: Frame) -> Markup:
    """Estimate and interval of the honest best, under everything else."""
    chosen = data.selection
    if chosen is None:
        return EMPTY
    ends = {"x1": area.left, "x2": area.left + area.width}
    y = float(area.py(data.axis.clipped([chosen.estimate]))[0])
    parts = [tag("line", {"class": "estimate", **ends, "y1": y, "y2": y})]
    if chosen.interval is not None:
        spread = area.py(data.axis.clipped([chosen.interval.low, chosen.interval.high]))
        top, bottom = sorted(float(edge) for edge in spread)
        box = {"x": area.left, "y": top, "width": area.width, "height": max(bottom - top, 1.0)}
        parts.insert(0, tag("rect", {"class": "band", **box}))
    return join(parts)
