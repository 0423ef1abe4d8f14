"""Slices: for each parameter, the values of the trials over the parameter's values.

Colour runs from the first trial to the last, so that one sees where the tuner went. A slice shows one
parameter at a time and hides what the others did: two clouds in one panel may be another parameter's work.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from trimtab.base.history import History
from trimtab.base.records import Objective
from trimtab.report.axes import FONT, Axis, draw_axes, frame, label
from trimtab.report.figure import Drawing, Figure
from trimtab.report.lettering import fit
from trimtab.report.marks import Kind, chosen_samples, kind_samples, legend, steps_sample
from trimtab.report.markup import join, tag
from trimtab.report.palette import step_class
from trimtab.report.plots.points import beyond_samples, draw_points, lane_words
from trimtab.report.shown import MOST_MARKS, Shown, shown
from trimtab.report.values import ValueAxis, value_axis
from trimtab.report.variables import Variable, ranked_variables, variables
from trimtab.report.wording import count
from trimtab.space import Space

__all__ = ["Slice", "draw_slice", "slice_of"]

MOST_PANELS = 12


@dataclass(frozen=True, slots=True)
class Slice:
    """What the plot shows.

    Arguments:
        objective: which.
        trials: k of them.
        axis: of the values, one for all panels.
        variables: a panel each, those that move the values' ranks most first.
        hidden: how many parameters have no panel.
        chosen: number of the trial that is marked; None for none.
    """

    objective: Objective
    trials: Shown
    axis: ValueAxis
    variables: tuple[Variable, ...]
    hidden: int
    chosen: int | None


def slice_of(
    history: History[Space], objective: int = 0, most_panels: int = MOST_PANELS, chosen: int | None = None
) -> Slice:
    """The data of the plot.

    Arguments:
        history: the study.
        objective: index of the objective, where there are several.
        most_panels: how many parameters at most; `variables.rank_effect` says which.
        chosen: number of a trial to mark, such as the selected one.
    """
    panels = max(1, min(most_panels, len(history.space.columns)))
    keep = None if chosen is None else np.array([chosen])
    trials = shown(history, objective, most=max(MOST_MARKS // panels, 100), keep=keep)
    target = history.objectives[objective]
    usable = np.where(trials.of_kind(Kind.COMPLETE, Kind.INFEASIBLE), trials.values, np.nan)
    found = ranked_variables(variables(history, trials.numbers), usable)
    return Slice(
        objective=target,
        trials=trials,
        axis=value_axis(trials.values, target),
        variables=found[:most_panels],
        hidden=max(0, len(found) - most_panels),
        chosen=chosen,
    )


def draw_slice(data: Slice) -> Figure:
    """The plot: small panels with one value axis."""
    hidden = f"{count(data.hidden, 'parameter')} with less effect on the ranks are left out." if data.hidden else ""
    names = ", ".join(variable.name for variable in data.variables[:MOST_PANELS])
    return Figure(
        name="slices",
        title="Slices",
        description=f"{data.objective.name} over each parameter in turn: {names}.",
        caption=" ".join(
            filter(
                None,
                [
                    f"Each panel shows {data.objective.name} over one parameter; colour tells when a trial was run.",
                    hidden,
                    data.trials.note,
                ],
            )
        ),
        draw=lambda width: _draw(data, width),
    )


def _draw(data: Slice, width: float) -> Drawing:
    """The panels in rows."""
    columns = max(1, min(3, int(width // 250)))
    gap = 22.0
    size = (width - gap * (columns - 1)) / columns
    others = [*kind_samples(set(data.trials.kinds) - {Kind.COMPLETE}), *beyond_samples(data.axis)]
    ring = chosen_samples(data.chosen is not None)
    head, top = legend([steps_sample("first trial", "last trial"), *others, *ring], width)
    body, bottom = [head], top + 6
    for start in range(0, len(data.variables), columns):
        row = [_panel(data, variable, size) for variable in data.variables[start : start + columns]]
        for place, panel in enumerate(row):
            body.append(tag("g", {"transform": f"translate({place * (size + gap):.1f} {bottom:.1f})"}, panel.body))
        bottom += max(panel.height for panel in row) + 14
    return Drawing(width, bottom, join(body))


def _panel(data: Slice, variable: Variable, width: float) -> Drawing:
    """One parameter."""
    area = frame(
        Axis("", variable.scale),
        Axis("", data.axis.scale),
        width,
        150.0,
        lane=lane_words(data.trials),
        lane_on_top=data.axis.worse_up,
        top=FONT + 4,
    )
    last = max(int(data.trials.numbers.max(initial=1)), 1)
    ages = [step_class(number / last) for number in data.trials.numbers]
    points = draw_points(
        replace(data.trials, tips=tuple(f"{brief} · {variable.told(n)}" for n, brief in enumerate(data.trials.briefs))),
        variable.jittered(data.trials.numbers),
        area,
        data.axis,
        ages,
        radius=3.0,
        chosen=data.chosen,
    )
    heading = label(fit(variable.name, FONT * 1.1, width), 0, FONT, "name")
    return Drawing(width, area.bottom, join([heading, draw_axes(area), points]))
