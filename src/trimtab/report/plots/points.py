"""Trials as marks in a frame of values: what several plots draw in the same way.

A trial with a value on the axis is a dot, a ring (infeasible) or a diamond (pruned). A value past the
robust end of the axis is a triangle at the edge that points outwards. A trial without a value stands in
a strip along the worse edge, as a failure tells where not to go.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trimtab.report.axes import Frame
from trimtab.report.marks import Kind, Mark, Sample, mark, shape_of
from trimtab.report.markup import Markup, join
from trimtab.report.shown import Shown
from trimtab.report.values import ValueAxis

__all__ = ["beyond_samples", "draw_points", "lane_words"]


def lane_words(trials: Shown) -> str:
    """The name of the strip for trials without a value; empty where no trial needs it."""
    bare = {kind for kind, value in zip(trials.kinds, trials.values, strict=True) if np.isnan(value)}
    if not bare:
        return ""
    return next(iter(bare)).value if len(bare) == 1 else "no value"


def draw_points(
    trials: Shown,
    xs: NDArray[np.float64],
    area: Frame,
    axis: ValueAxis,
    classes: Sequence[str] | None = None,
    radius: float = 3.4,
    chosen: int | None = None,
) -> Markup:
    """Marks of trials in a frame whose y axis is `axis.scale`.

    Arguments:
        trials: k of them.
        xs: shape (k,): where on the x axis, data units; a nan leaves the trial out.
        area: the frame.
        axis: of the values.
        classes: CSS class of each dot, in place of the plain one.
        radius: of a dot, pixels.
        chosen: number of a trial to draw a ring around.
    """
    across, up = area.px(xs), area.py(axis.clipped(trials.values))
    outside = axis.outside(trials.values)
    parts: list[Markup] = []
    for place, kind in enumerate(trials.kinds):
        x, y = float(across[place]), float(up[place])
        if np.isnan(x):
            continue
        shape, looks = shape_of(kind)
        if kind is Kind.COMPLETE and classes is not None:
            looks = f"dot {classes[place]}"
        if np.isnan(y):
            if area.lane is None:
                continue
            y = area.lane
        elif outside[place]:
            shape, looks = (Mark.UP if axis.worse_up else Mark.DOWN), "beyond"
            y += 3.0 if axis.worse_up else -3.0
        parts.append(mark(shape, x, y, looks, int(trials.numbers[place]), trials.tips[place], radius))
        if trials.numbers[place] == chosen:
            parts.append(mark(Mark.RING, x, y, "chosen", radius=radius + 3.2))
    return join(parts)


def beyond_samples(axis: ValueAxis) -> list[Sample]:
    """An entry of the legend that says how many points lie past the end of the axis; none where none do."""
    if not axis.beyond:
        return []
    return [Sample(mark(Mark.UP if axis.worse_up else Mark.DOWN, 0.0, 0.0, "beyond"), axis.note)]
