"""Plots: each file holds a record of what is shown, the function that computes it, and the one that draws it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from trimtab.base.errors import UnknownName, message
from trimtab.base.history import History
from trimtab.report.figure import Figure
from trimtab.report.plots.best_so_far import BestSoFar, best_so_far, draw_best_so_far
from trimtab.report.plots.curves import Curve, Curves, curves, draw_curves
from trimtab.report.plots.estimates import Estimate, Estimates, draw_estimates
from trimtab.report.plots.parallel_coordinates import (
    ParallelCoordinates,
    draw_parallel_coordinates,
    parallel_coordinates,
)
from trimtab.report.plots.pareto_front import ParetoFront, draw_pareto_front, pareto_front
from trimtab.report.plots.rank import Rank, draw_rank, rank_of
from trimtab.report.plots.slice import Slice, draw_slice, slice_of
from trimtab.report.plots.timeline import Timeline, draw_timeline, timeline
from trimtab.space import Space

__all__ = [
    "PLOTS",
    "BestSoFar",
    "Curve",
    "Curves",
    "Estimate",
    "Estimates",
    "ParallelCoordinates",
    "ParetoFront",
    "Rank",
    "Slice",
    "Timeline",
    "best_so_far",
    "curves",
    "draw_best_so_far",
    "draw_curves",
    "draw_estimates",
    "draw_parallel_coordinates",
    "draw_pareto_front",
    "draw_rank",
    "draw_slice",
    "draw_timeline",
    "parallel_coordinates",
    "pareto_front",
    "plot",
    "rank_of",
    "slice_of",
    "timeline",
]

PLOTS: Mapping[str, Callable[[History[Space]], Figure]] = MappingProxyType(
    {
        "best_so_far": lambda history: draw_best_so_far(best_so_far(history)),
        "curves": lambda history: draw_curves(curves(history)),
        "parallel_coordinates": lambda history: draw_parallel_coordinates(parallel_coordinates(history)),
        "pareto_front": lambda history: draw_pareto_front(pareto_front(history)),
        "rank": lambda history: draw_rank(rank_of(history)),
        "slice": lambda history: draw_slice(slice_of(history)),
        "timeline": lambda history: draw_timeline(timeline(history)),
    }
)
"""Every plot of a whole study, by name."""


def plot(name: str, history: History[Space]) -> Figure:
    """One plot of a study, by name.

    Raises:
        UnknownName: there is no such plot.
    """
    if name not in PLOTS:
        raise UnknownName(message("there is no such plot", got=name, allowed=", ".join(PLOTS)))
    return PLOTS[name](history)
