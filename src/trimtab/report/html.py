"""The report of a study as one HTML file: opens from disk, asks nothing of the network, reads on a phone, prints.

The honest best comes first; what happened follows, and how to reproduce it ends the page. Everything a
study holds is text of unknown origin and is escaped; the page's own style and script are allowed by
their digests and nothing else is (see `trimtab.report.page.shell`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from trimtab.base.history import History
from trimtab.base.records import Params, Selection
from trimtab.base.refs import Reference
from trimtab.report.figure import Figure
from trimtab.report.files import write_text
from trimtab.report.markup import EMPTY, Markup, escape, join, tag
from trimtab.report.page.best import draw_best
from trimtab.report.page.opening import draw_opening
from trimtab.report.page.sections import Section, draw_figure, draw_section, section
from trimtab.report.page.shell import document
from trimtab.report.page.sources import draw_reproduce, draw_sources
from trimtab.report.page.trials import draw_failures, draw_trials
from trimtab.report.plots import (
    Slice,
    best_so_far,
    curves,
    draw_best_so_far,
    draw_curves,
    draw_parallel_coordinates,
    draw_pareto_front,
    draw_rank,
    draw_slice,
    draw_timeline,
    parallel_coordinates,
    pareto_front,
    rank_of,
    slice_of,
    timeline,
)
from trimtab.report.shown import ENDED
from trimtab.report.wording import one_line, shorten
from trimtab.space import Space

__all__ = ["report_html", "write_report"]


def report_html(
    history: History[Space],
    selection: Selection | None = None,
    references: Sequence[Reference] = (),
    *,
    default_params: Params | None = None,
    sections: Sequence[Section] = (),
    now: float | None = None,
) -> str:
    """The report as a text.

    Arguments:
        history: the study, read with its curves where they shall be shown.
        selection: the honest best, from `trimtab.trust.select`; None where there is none.
        references: the sources of the methods that the study used.
        default_params: a configuration to put beside the best one.
        sections: what else there is to tell; they stand after the best.
        now: when it is written, seconds since the Unix epoch; by default the present.
    """
    moment = time.time() if now is None else now
    slices = slice_of(history, chosen=None if selection is None else selection.trial)
    names = dict.fromkeys([*(v.name for v in slices.variables), *(column.name for column in history.space.columns)])
    parts = [
        draw_best(history, selection, default_params),
        *(draw_section(extra, place) for place, extra in enumerate(sections)),
        *(_plot(figure) for figure in _figures(history, selection, slices)),
        draw_trials(history, list(names)),
        draw_failures(history),
        draw_sources(references),
        draw_reproduce(history, moment),
    ]
    toggle = tag("button", {"type": "button", "id": "theme", "class": "needs-script"}, escape("Dark"))
    card = tag("div", {"id": "tip", "role": "tooltip", "hidden": "hidden"})
    body = join([tag("div", {"class": "bar-top"}, toggle), draw_opening(history), tag("main", {}, *parts), card])
    return document(f"{shorten(one_line(history.study.name), 80)} – trimtab", body)


def _plot(figure: Figure) -> Markup:
    """A plot's section; a hint where the page's script adds something to do."""
    hint = EMPTY
    if figure.name == "parallel-coordinates":
        text = "Drag along an axis to keep the trials that pass there; click it to let go."
        hint = tag("p", {"class": "quiet needs-script hint"}, escape(text))
    return section(figure.name, figure.title, draw_figure(figure), hint)


def _figures(history: History[Space], selection: Selection | None, slices: Slice) -> list[Figure]:
    """The plots for which the study has something to show, in the order of the page."""
    if not len(history.numbers(*ENDED)):
        return []
    if len(history.objectives) > 1:
        found = [draw_pareto_front(pareto_front(history))]
    else:
        found = [draw_best_so_far(best_so_far(history, selection=selection))]
    if slices.variables:
        found.append(draw_slice(slices))
    if len(slices.variables) > 1 and len(history.complete):
        found.append(draw_rank(rank_of(history, chosen=slices.chosen)))
        found.append(draw_parallel_coordinates(parallel_coordinates(history)))
    if history.curves:
        found.append(draw_curves(curves(history)))
    running = timeline(history)
    if len(running.numbers):
        found.append(draw_timeline(running))
    return found


def write_report(path: str | os.PathLike[str], html: str) -> Path:
    """Write a report to a file, whole or not at all, and give its absolute path.

    Raises:
        StorageError: the folder does not exist, is not writable or is full.
    """
    return write_text(path, html, "the report")
