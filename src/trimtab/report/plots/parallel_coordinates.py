"""Parallel coordinates: one axis for each parameter and one for the value; each trial is a line across them all.

The axes lie below one another and run from left to right (Inselberg, "The plane with parallel
coordinates", The Visual Computer 1, 1985, has them upright), so that names and ticks read without
turning and the picture fits a phone. A line leaves out the axes of parameters that are inactive in
its trial. In a report, dragging along an axis keeps the trials that pass through the stretch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.base.history import History
from trimtab.base.outcomes import TrialState
from trimtab.base.records import Objective
from trimtab.report.axes import FONT, label, plan_across
from trimtab.report.figure import Drawing, Figure
from trimtab.report.lettering import fit, text_width
from trimtab.report.marks import legend, steps_sample
from trimtab.report.markup import Attributes, Markup, escape, join, tag
from trimtab.report.palette import step_class
from trimtab.report.scales import Scale
from trimtab.report.shown import Shown, shown
from trimtab.report.values import ValueAxis, share_of_ranks, value_axis
from trimtab.report.variables import Variable, ranked_variables, variables
from trimtab.report.wording import count
from trimtab.space import Space

__all__ = ["ParallelCoordinates", "draw_parallel_coordinates", "parallel_coordinates"]

MOST_AXES = 9
MOST_LINES = 250


@dataclass(frozen=True, slots=True)
class ParallelCoordinates:
    """What the plot shows.

    Arguments:
        objective: which.
        trials: k of them, all with a value.
        shares: shape (k,): from 0 (worst value) to 1 (best).
        axis: of the values.
        variables: an axis each, those that move the values' ranks most first.
        hidden: how many parameters have no axis.
    """

    objective: Objective
    trials: Shown
    shares: NDArray[np.float64]
    axis: ValueAxis
    variables: tuple[Variable, ...]
    hidden: int


def parallel_coordinates(history: History[Space], objective: int = 0) -> ParallelCoordinates:
    """The data of the plot.

    Arguments:
        history: the study.
        objective: index of the objective, where there are several.
    """
    target = history.objectives[objective]
    trials = shown(history, objective, most=MOST_LINES, states=(TrialState.COMPLETE,))
    found = ranked_variables(variables(history, trials.numbers), trials.values)
    return ParallelCoordinates(
        objective=target,
        trials=trials,
        shares=share_of_ranks(trials.values, target),
        axis=value_axis(trials.values, target),
        variables=found[:MOST_AXES],
        hidden=max(0, len(found) - MOST_AXES),
    )


def draw_parallel_coordinates(data: ParallelCoordinates) -> Figure:
    """The plot."""
    names = ", ".join(variable.name for variable in data.variables)
    hidden = f"{count(data.hidden, 'parameter')} with less effect on the ranks are left out." if data.hidden else ""
    note = f"Each line is a trial; colour is the rank of {data.objective.name}. A line skips what is inactive in it."
    return Figure(
        name="parallel-coordinates",
        title="Parallel coordinates",
        description=f"Each of {count(len(data.trials), 'trial')} as a line across {names} and {data.objective.name}.",
        caption=" ".join(filter(None, [note, hidden, data.trials.note])),
        draw=lambda width: _draw(data, width),
    )


@dataclass(frozen=True, slots=True)
class _Row:
    """One axis of the picture: its name, its ticks, and where each trial crosses it (pixels, nan where it does not)."""

    name: str
    y: float
    ticks: tuple[tuple[float, str], ...]
    xs: NDArray[np.float64]


def _draw(data: ParallelCoordinates, width: float) -> Drawing:
    """The plot at one width: names beside the axes where there is room, else above them."""
    head, top = legend([steps_sample("worst", "best")], width)
    aside = 0.0 if width < 500 else 170.0
    step, first = (62.0, top + 34.0) if aside == 0.0 else (54.0, top + 26.0)
    columns: list[tuple[str, Scale, NDArray[np.float64]]] = [
        (data.objective.name, data.axis.scale, data.axis.clipped(data.trials.values))
    ]
    columns += [(v.name, v.scale, v.jittered(data.trials.numbers)) for v in data.variables]
    rows = []
    for place, (name, scale, values) in enumerate(columns):
        inner = width - aside - 24.0
        ticks = plan_across(scale, inner, slant=False, most=6).ticks
        places = aside + 12.0 + inner * scale.place([tick.at for tick in ticks])
        marks = tuple(zip(places.tolist(), (tick.label for tick in ticks), strict=True))
        rows.append(_Row(name, first + step * place, marks, aside + 12.0 + inner * scale.place(values)))
    body = [head, *_lines(data, rows), *(_axis(row, aside, width, place) for place, row in enumerate(rows))]
    return Drawing(width, rows[-1].y + 28.0, join(body))


def _lines(data: ParallelCoordinates, rows: list[_Row]) -> list[Markup]:
    """The trials, the better ones on top."""
    ys = np.array([row.y for row in rows])
    crossings = np.array([row.xs for row in rows]).T
    parts = []
    for place in np.argsort(data.shares, kind="stable"):
        there = np.isfinite(crossings[place])
        if np.isnan(data.shares[place]) or there.sum() < 2:
            continue
        points = zip(crossings[place][there], ys[there], strict=True)
        attributes: Attributes = {
            "class": f"line {step_class(float(data.shares[place]))}",
            "data-trial": int(data.trials.numbers[place]),
            "data-x": " ".join("-" if np.isnan(x) else f"{x:.0f}" for x in crossings[place]),
            "d": "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points),
        }
        parts.append(tag("path", attributes, tag("title", {}, escape(data.trials.tips[place]))))
    return parts


def _axis(row: _Row, aside: float, width: float, place: int) -> Markup:
    """Axis line, ticks, labels and name of one row, and the strip that a report lets one drag along."""
    left, right = aside + 4.0, width - 4.0
    parts = [tag("line", {"class": "axis", "x1": left, "x2": right, "y1": row.y, "y2": row.y})]
    for x, text in row.ticks:
        parts.append(tag("line", {"class": "axis", "x1": x, "x2": x, "y1": row.y - 3, "y2": row.y + 3}))
        half = text_width(text, FONT) / 2
        parts.append(label(text, min(max(x, left + half), right - half), row.y + FONT + 6, "tick mid halo"))
    if aside:
        parts.append(label(fit(row.name, FONT * 1.1, aside - 8), aside - 10, row.y + 4, "name end halo"))
    else:
        parts.append(label(fit(row.name, FONT * 1.1, width), 0, row.y - 10, "name halo"))
    box = {"x": left, "y": row.y - 10, "width": right - left, "height": 30}
    parts.append(tag("rect", {"class": "brush", "data-axis": place, **box}))
    return join(parts)
