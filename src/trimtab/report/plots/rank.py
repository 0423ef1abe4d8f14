"""Ranks over pairs of parameters: where in the plane of two parameters the good trials lie.

Each trial is a dot at its two values, coloured by the rank of its value among all. This is shown
instead of a contour: a contour interpolates between the trials, and paints a landscape also where
none was tried. Ranks need no scale, so one huge loss changes no colour but its own.

Pairs are chosen by `variables.rank_effect`: of the parameters, those that move the ranks of the
values most; of their pairs, the first in that order in which both parameters take several values
while both are active (a choice and a parameter of one of its branches do not).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from trimtab.base.history import History
from trimtab.base.records import Objective
from trimtab.report.axes import Axis, Frame, draw_axes, frame
from trimtab.report.figure import Drawing, Figure
from trimtab.report.marks import Kind, Mark, chosen_samples, kind_samples, legend, mark, shape_of, steps_sample
from trimtab.report.markup import Markup, join, tag
from trimtab.report.palette import step_class
from trimtab.report.shown import MOST_MARKS, Shown, shown
from trimtab.report.values import share_of_ranks
from trimtab.report.variables import Variable, ranked_variables, variables
from trimtab.space import Space

__all__ = ["Rank", "draw_rank", "rank_of"]

MOST_PAIRS = 4


@dataclass(frozen=True, slots=True)
class Rank:
    """What the plot shows.

    Arguments:
        objective: which.
        trials: k of them.
        shares: shape (k,): from 0 (worst value) to 1 (best); nan where there is no value to rank.
        pairs: a panel each: the parameter across, the parameter up.
        chosen: number of the trial that is marked; None for none.
    """

    objective: Objective
    trials: Shown
    shares: NDArray[np.float64]
    pairs: tuple[tuple[Variable, Variable], ...]
    chosen: int | None


def rank_of(
    history: History[Space], objective: int = 0, most_pairs: int = MOST_PAIRS, chosen: int | None = None
) -> Rank:
    """The data of the plot.

    Arguments:
        history: the study.
        objective: index of the objective, where there are several.
        most_pairs: how many pairs at most.
        chosen: number of a trial to mark, such as the selected one.
    """
    keep = None if chosen is None else np.array([chosen])
    trials = shown(history, objective, most=MOST_MARKS // max(most_pairs, 1), keep=keep)
    target = history.objectives[objective]
    values = np.where(trials.of_kind(Kind.COMPLETE, Kind.INFEASIBLE), trials.values, np.nan)
    found = ranked_variables(variables(history, trials.numbers), values)
    return Rank(target, trials, share_of_ranks(values, target), _pairs(found, most_pairs), chosen)


def _pairs(found: tuple[Variable, ...], most: int) -> tuple[tuple[Variable, Variable], ...]:
    """The first pairs of a list in order of effect, by the sum of their places, that span a plane."""
    order = sorted(combinations(range(len(found)), 2), key=lambda pair: (sum(pair), pair))
    kept: list[tuple[Variable, Variable]] = []
    for first, second in order:
        if len(kept) == most:
            break
        both = np.isfinite(found[first].raw) & np.isfinite(found[second].raw)
        if all(len(np.unique(found[place].raw[both])) > 1 for place in (first, second)):
            kept.append((found[first], found[second]))
    return tuple(kept)


def draw_rank(data: Rank) -> Figure:
    """The plot: small panels with one palette."""
    names = "; ".join(f"{across.name} and {up.name}" for across, up in data.pairs)
    rule = "The pairs are those of the parameters that move the ranks of the values most."
    return Figure(
        name="rank",
        title="Where the good trials lie",
        description=f"Trials in the plane of two parameters, coloured by the rank of {data.objective.name}: {names}.",
        caption=" ".join(filter(None, [f"Colour is the rank of {data.objective.name}.", rule, data.trials.note])),
        draw=lambda width: _draw(data, width),
    )


def _draw(data: Rank, width: float) -> Drawing:
    """The panels in rows."""
    columns = 2 if width >= 500 else 1
    gap = 28.0
    size = (width - gap * (columns - 1)) / columns
    others = {kind for kind, share in zip(data.trials.kinds, data.shares, strict=True) if np.isnan(share)}
    ring = chosen_samples(data.chosen is not None)
    head, top = legend([steps_sample("worst", "best"), *kind_samples(others), *ring], width)
    body, bottom = [head], top + 6
    for start in range(0, len(data.pairs), columns):
        row = [_panel(data, pair, size) for pair in data.pairs[start : start + columns]]
        for place, panel in enumerate(row):
            body.append(tag("g", {"transform": f"translate({place * (size + gap):.1f} {bottom:.1f})"}, panel.body))
        bottom += max(panel.height for panel in row) + 14
    return Drawing(width, bottom, join(body))


def _panel(data: Rank, pair: tuple[Variable, Variable], width: float) -> Drawing:
    """One pair."""
    across, up = pair
    area = frame(Axis(across.name, across.scale), Axis(up.name, up.scale), width, 0.62 * width)
    return Drawing(width, area.bottom, join([draw_axes(area), _dots(data, across, up, area)]))


def _dots(data: Rank, across: Variable, up: Variable, area: Frame) -> Markup:
    """The trials, the better ones on top."""
    numbers = data.trials.numbers
    # Another phase for the second parameter, or two jittered categories would lie on a diagonal.
    xs, ys = area.px(across.jittered(numbers)), area.py(up.jittered(numbers * 7 + 3))
    parts: list[Markup] = []
    for place in np.argsort(np.nan_to_num(data.shares, nan=-1.0), kind="stable"):
        if np.isnan(xs[place]) or np.isnan(ys[place]):
            continue
        shape, looks = shape_of(data.trials.kinds[place])
        if np.isfinite(data.shares[place]):
            shape, looks = Mark.DOT, f"dot {step_class(float(data.shares[place]))}"
        where = (float(xs[place]), float(ys[place]))
        tip = f"{data.trials.briefs[place]} · {across.told(place)} · {up.told(place)}"
        parts.append(mark(shape, *where, looks, int(numbers[place]), tip))
        if numbers[place] == data.chosen:
            parts.append(mark(Mark.RING, *where, "chosen", radius=6.6))
    return join(parts)
