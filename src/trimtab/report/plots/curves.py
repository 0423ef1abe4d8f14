"""Curves: what trials reported along the way, one line a trial.

Complete trials are coloured by the rank of their value; those that were pruned or failed end in their
mark, so that one sees what a pruner gave up.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.base.history import History
from trimtab.base.outcomes import TrialState
from trimtab.base.records import Objective
from trimtab.report.axes import Axis, Frame, draw_axes, frame
from trimtab.report.figure import Drawing, Figure
from trimtab.report.marks import Kind, Sample, legend, mark, polyline, shape_of, steps_sample
from trimtab.report.markup import Markup, join, tag
from trimtab.report.palette import STEPS, step_class
from trimtab.report.scales import Linear
from trimtab.report.shown import kind_of, thin, tip_of
from trimtab.report.values import ValueAxis, share_of_ranks, value_axis
from trimtab.report.wording import count
from trimtab.space import Space

__all__ = ["Curve", "Curves", "curves", "draw_curves"]

MOST_CURVES = 200
MOST_POINTS = 80


@dataclass(frozen=True, slots=True)
class Curve:
    """One trial's reports of one metric.

    Arguments:
        trial: its number.
        steps: shape (p,), ascending.
        values: shape (p,), finite.
        kind: how the trial looks.
        share: rank of its final value, from 0 (worst) to 1 (best); nan where it has none.
        tip: its tooltip.
    """

    trial: int
    steps: NDArray[np.float64]
    values: NDArray[np.float64]
    kind: Kind
    share: float
    tip: str


@dataclass(frozen=True, slots=True)
class Curves:
    """What the plot shows.

    Arguments:
        metric: the reported metric.
        axis: of its values.
        curves: one a trial, in order of their numbers.
        total: how many trials reported the metric.
    """

    metric: str
    axis: ValueAxis
    curves: tuple[Curve, ...]
    total: int


def curves(history: History[Space], metric: str | None = None) -> Curves:
    """The data of the plot.

    Arguments:
        history: the study, read with its reports.
        metric: which reported metric; by default the first objective's, or else the most frequent one.
    """
    name = metric or _default_metric(history)
    reporting = np.array(
        sorted(n for n, reports in history.curves.items() if any(name in r.metrics for r in reports)), dtype=np.intp
    )
    complete = history.states == TrialState.COMPLETE
    shares = share_of_ranks(np.where(complete, history.values[:, 0], np.nan), history.objectives[0])
    numbers = thin(reporting, MOST_CURVES)
    lines = tuple(_curve(history, int(number), name, float(shares[number])) for number in numbers)
    lines = tuple(line for line in lines if len(line.steps))
    # A metric that is no objective is drawn as if lower were better, which only decides where outliers are cut.
    target = next((o for o in history.objectives if o.name == name), Objective(name))
    values = np.concatenate([line.values for line in lines]) if lines else np.empty(0)
    return Curves(name, value_axis(values, target), lines, len(reporting))


def _default_metric(history: History[Space]) -> str:
    """The first objective where it is reported, else the metric that most reports hold."""
    found = Counter(name for reports in history.curves.values() for report in reports for name in report.metrics)
    first = history.objectives[0].name
    return first if first in found or not found else min(found, key=lambda name: (-found[name], name))


def _curve(history: History[Space], number: int, metric: str, share: float) -> Curve:
    """One line, thinned to a bounded number of points, its last one kept; the last report of a step counts."""
    points = {report.step: report.metrics[metric] for report in history.curves[number] if metric in report.metrics}
    steps = np.array(sorted(points), dtype=np.float64)
    values = np.array([points[step] for step in steps.tolist()], dtype=np.float64)
    steps, values = steps[np.isfinite(values)], values[np.isfinite(values)]
    kept = thin(np.arange(len(steps)), MOST_POINTS)
    trial = history.trial(number)
    return Curve(number, steps[kept], values[kept], kind_of(trial), share, tip_of(trial))


def draw_curves(data: Curves) -> Figure:
    """The plot."""
    left_out = f"{len(data.curves)} of {count(data.total, 'curve')} are drawn." if len(data.curves) < data.total else ""
    note = "Each line is a trial; those that ran to their end are coloured by the rank of their value."
    return Figure(
        name="curves",
        title="Curves",
        description=f"{data.metric} as reported along the way by {count(len(data.curves), 'trial')}.",
        caption=" ".join(filter(None, [note, data.axis.note and f"{data.axis.note} the picture.", left_out])),
        draw=lambda width: _draw(data, width),
    )


def _draw(data: Curves, width: float) -> Drawing:
    """The plot at one width."""
    ends = [kind for kind in Kind if kind is not Kind.COMPLETE and any(curve.kind is kind for curve in data.curves)]
    ranked = [] if all(np.isnan(curve.share) for curve in data.curves) else [steps_sample("worst", "best")]
    head, top = legend([*ranked, *(Sample(_sample(kind), kind.value, 9.0, 12.0) for kind in ends)], width)
    last = max((float(curve.steps[-1]) for curve in data.curves), default=1.0)
    first = min((float(curve.steps[0]) for curve in data.curves), default=0.0)
    steps = Linear(min(first, 0.0) if first < last / 4 else first, last)
    area = frame(Axis("step", steps), Axis(data.metric, data.axis.scale), width, 260.0, top=top)
    order = sorted(data.curves, key=lambda curve: -1.0 if np.isnan(curve.share) else curve.share)
    return Drawing(width, area.bottom, join([head, draw_axes(area), *(_line(curve, data, area) for curve in order)]))


def _sample(kind: Kind) -> Markup:
    """A short line with its end, for the legend."""
    return tag("g", {}, polyline([-8, 8], [0, 0], f"line {_colour(kind, 0.8)}"), _end(kind, 8.0, 0.0, None, ""))


def _colour(kind: Kind, share: float) -> str:
    """CSS class of a line's colour."""
    if kind is Kind.COMPLETE and not np.isnan(share):
        return step_class(share)
    return kind.value if kind in (Kind.PRUNED, Kind.FAILED, Kind.RUNNING) else f"s{STEPS // 2}"


def _end(kind: Kind, x: float, y: float, trial: int | None, tip: str) -> Markup:
    """The mark at a line's end; none for a complete trial but a small dot where the line is a single point."""
    shape, looks = shape_of(kind)
    return mark(shape, x, y, looks, trial, tip, radius=1.8 if kind is Kind.COMPLETE else 3.0)


def _line(curve: Curve, data: Curves, area: Frame) -> Markup:
    """One trial's line."""
    xs, ys = area.px(curve.steps), area.py(data.axis.clipped(curve.values))
    line = polyline(xs.tolist(), ys.tolist(), f"line {_colour(curve.kind, curve.share)}", curve.trial, curve.tip)
    return join([line, _end(curve.kind, float(xs[-1]), float(ys[-1]), curve.trial, curve.tip)])
