"""The plot of dual functions."""

from __future__ import annotations

import numpy as np

from trimtab.report.plots.duals import MOST_TASKS, draw_dual_curves, dual_curves
from trimtab.tuners.tasks import fit_exact
from trimtab.tuners.tasks.duals import PiecewiseConstant, PiecewiseQuadratic


def test_steps_are_drawn_with_both_sides_of_every_jump() -> None:
    dual = PiecewiseConstant([1.0, 2.0, 100.0], [1.0, 0.5])
    data = dual_curves([dual], fit_exact([dual], "k", log=True))
    ((xs, losses),) = data.lines
    place = int(np.searchsorted(xs, 2.0))
    assert (losses[place - 1], losses[place]) == (1.0, 0.5)
    assert xs[place - 1] == np.nextafter(2.0, 0.0)
    assert "Every setting from 2 to 100 attains it." in draw_dual_curves(data).description


def test_many_tasks_are_thinned_and_the_caption_says_so() -> None:
    duals = [PiecewiseQuadratic([0.0, 1.0], [[float(place), 0.0, 1.0]]) for place in range(MOST_TASKS + 40)]
    data = dual_curves(duals, fit_exact(duals, "x"))
    figure = draw_dual_curves(data)
    assert len(data.lines) == MOST_TASKS
    assert f"{MOST_TASKS} of 100 tasks are drawn." in figure.caption
    assert "<svg" in figure.svg
