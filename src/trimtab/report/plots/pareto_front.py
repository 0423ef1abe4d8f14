"""Pareto front: the observed values of two objectives at a time, and the trials that no other beats in all.

The front comes from `trimtab.trust`. It is the observed one: under noise some of its points are lucky.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument, message
from trimtab.base.history import History
from trimtab.base.outcomes import TrialState
from trimtab.base.records import Objective
from trimtab.report.axes import Axis, Frame, draw_axes, frame
from trimtab.report.figure import Drawing, Figure
from trimtab.report.marks import Kind, Mark, Sample, legend, mark, polyline, shape_of
from trimtab.report.markup import EMPTY, Markup, join, tag
from trimtab.report.shown import MOST_MARKS, Shown, shown
from trimtab.report.values import ValueAxis, value_axis
from trimtab.report.wording import count
from trimtab.space import Space
from trimtab.trust import observed_pareto

__all__ = ["ParetoFront", "draw_pareto_front", "pareto_front"]

MOST_PAIRS = 3


@dataclass(frozen=True, slots=True)
class ParetoFront:
    """What the plot shows.

    Arguments:
        objectives: m of them, two at least.
        trials: k of them.
        values: shape (k, m), as observed.
        front: shape (k,): which of them no other trial beats in all objectives.
        axes: one for each objective.
        size: how many trials the whole front has.
    """

    objectives: tuple[Objective, ...]
    trials: Shown
    values: NDArray[np.float64]
    front: NDArray[np.bool_]
    axes: tuple[ValueAxis, ...]
    size: int


def pareto_front(history: History[Space]) -> ParetoFront:
    """The data of the plot.

    Raises:
        InvalidArgument: the study has one objective only.
    """
    if len(history.objectives) < 2:
        raise InvalidArgument(
            message(
                f"study {history.study.name!r} has one objective, which has a best and no front",
                do="draw best_so_far instead",
            )
        )
    best = observed_pareto(history)
    pairs = min(MOST_PAIRS, len(history.objectives) * (len(history.objectives) - 1) // 2)
    trials = shown(history, most=MOST_MARKS // pairs, keep=best, states=(TrialState.COMPLETE,))
    values = history.values[trials.numbers]
    return ParetoFront(
        objectives=history.objectives,
        trials=trials,
        values=values,
        front=np.isin(trials.numbers, best),
        axes=tuple(value_axis(values[:, index], each) for index, each in enumerate(history.objectives)),
        size=len(best),
    )


def draw_pareto_front(data: ParetoFront) -> Figure:
    """The plot: a panel for each of the first pairs of objectives."""
    names = ", ".join(f"{each.name} ({each.direction})" for each in data.objectives)
    more = "" if len(data.objectives) <= MOST_PAIRS else f"The first {MOST_PAIRS} pairs of objectives are shown."
    note = f"{count(data.size, 'trial')} on the observed front; under noise some of them are lucky."
    return Figure(
        name="pareto-front",
        title="Pareto front",
        description=f"Observed values of {names} for {count(len(data.trials), 'trial')}; {data.size} are on the front.",
        caption=" ".join(filter(None, [note, more, data.trials.note])),
        draw=lambda width: _draw(data, width),
    )


def _draw(data: ParetoFront, width: float) -> Drawing:
    """The panels below one another; one pair of objectives gets the whole width."""
    samples = [
        Sample(mark(*_look(True, Kind.COMPLETE)), "front"),
        Sample(mark(*_look(False, Kind.COMPLETE)), "other trials"),
    ]
    head, bottom = legend(samples, width)
    body = [head]
    for first, second in list(combinations(range(len(data.objectives)), 2))[:MOST_PAIRS]:
        area = frame(
            Axis(_title(data.objectives[first]), data.axes[first].scale),
            Axis(_title(data.objectives[second]), data.axes[second].scale),
            width,
            min(0.8 * width, 320.0),
        )
        panel = join([draw_axes(area), _stairs(data, first, second, area), _dots(data, first, second, area)])
        body.append(tag("g", {"transform": f"translate(0 {bottom + 6:.1f})"}, panel))
        bottom += area.bottom + 18
    return Drawing(width, bottom, join(body))


def _title(objective: Objective) -> str:
    """An objective with its direction."""
    return f"{objective.name} ({objective.direction})"


def _look(on_front: bool, kind: Kind) -> tuple[Mark, float, float, str]:
    """Shape, place at the origin and classes of a mark."""
    if on_front:
        return Mark.DOT, 0.0, 0.0, "dot strong"
    shape, classes = shape_of(kind)
    return shape, 0.0, 0.0, classes


def _stairs(data: ParetoFront, first: int, second: int, area: Frame) -> Markup:
    """The border of what the front dominates; drawn for two objectives, where the front is a curve."""
    if len(data.objectives) > 2 or not data.front.any():
        return EMPTY
    points = data.values[data.front][:, [first, second]]
    # From the best to the worst of the first objective the second one only gets better, so each step
    # goes along the first axis at the old height and then along the second.
    points = points[np.argsort(points[:, 0] * data.objectives[first].sign, kind="stable")]
    xs = np.repeat(data.axes[first].clipped(points[:, 0]), 2)[1:]
    ys = np.repeat(data.axes[second].clipped(points[:, 1]), 2)[:-1]
    return polyline(area.px(xs).tolist(), area.py(ys).tolist(), "best")


def _dots(data: ParetoFront, first: int, second: int, area: Frame) -> Markup:
    """The trials, those of the front on top."""
    xs = area.px(data.axes[first].clipped(data.values[:, first]))
    ys = area.py(data.axes[second].clipped(data.values[:, second]))
    parts: list[Markup] = []
    for place in np.argsort(data.front, kind="stable"):
        if np.isnan(xs[place]) or np.isnan(ys[place]):
            continue
        shape, _, _, classes = _look(bool(data.front[place]), data.trials.kinds[place])
        where = (float(xs[place]), float(ys[place]))
        parts.append(mark(shape, *where, classes, int(data.trials.numbers[place]), data.trials.tips[place]))
    return join(parts)
