"""The honest best: which trial to take, what to expect of it, what the numbers do not cover, and its params."""

from __future__ import annotations

import math

import numpy as np

from trimtab.base.history import History
from trimtab.base.records import Params, Selection
from trimtab.report.markup import EMPTY, Markup, breakable, escape, join, tag
from trimtab.report.page.sections import draw_figure, section
from trimtab.report.page.shell import paragraph
from trimtab.report.plots.estimates import Estimate, Estimates, draw_estimates
from trimtab.report.scales import Band, Linear, Log
from trimtab.report.variables import scale_of
from trimtab.report.wording import count, number, param, percent, shorten, with_interval
from trimtab.space import Column, Space

__all__ = ["draw_best"]

_EDGE = 0.02
_MOST_TIES = 40


def draw_best(history: History[Space], selection: Selection | None, default_params: Params | None) -> Markup:
    """The section on the best; where there is none, the reason why."""
    if selection is None:
        return section("best", "The honest best", paragraph(_why_none(history)))
    estimate, span = with_interval(selection.estimate, selection.interval)
    if selection.interval is None:
        under = "no interval: nothing was told about noise"
    else:
        under = f"{percent(selection.interval.level)} interval {span}"
    over = f"{shorten(selection.objective.name, 60)} to expect of trial {selection.trial}"
    headline = tag(
        "div",
        {"class": "headline"},
        tag("p", {"class": "quiet"}, escape(over)),
        tag("p", {"class": "big"}, escape(estimate)),
        tag("p", {"class": "quiet"}, escape(under)),
    )
    picture = draw_figure(draw_estimates(_estimates(selection), "best-estimate"), small=True)
    card = tag("div", {"class": "card"}, headline, picture)
    words = [
        paragraph(_expectation(selection)),
        _ties(selection),
        paragraph(f"Trial {selection.trial}: {selection.luck}.") if selection.luck else EMPTY,
        _caveats(selection),
        _why(history, selection),
    ]
    params = [tag("h3", {}, escape("Its params")), _params(history, selection.params, default_params)]
    return section("best", "The honest best", card, *words, *params)


def _why_none(history: History[Space]) -> str:
    """Why there is no best."""
    if len(history.objectives) > 1:
        return "With several objectives there is no single best: see the trials that no other beats, below."
    if not len(history.complete):
        return "No trial has completed so far, so there is no best to speak of."
    return "No selection was made for this report."


def _estimates(selection: Selection) -> Estimates:
    """What was observed beside what is to be expected."""
    rows = [Estimate("observed", selection.observed), Estimate("to expect", selection.estimate, selection.interval)]
    return Estimates(selection.objective.name, rows)


def _expectation(selection: Selection) -> str:
    """Observed and expected in one sentence."""
    observed, estimate = (with_interval(v, selection.interval)[0] for v in (selection.observed, selection.estimate))
    text = f"Trial {selection.trial} was observed at {observed}."
    if selection.interval is None:
        return text
    gap = (selection.estimate - selection.observed) * selection.objective.sign
    if gap > 0 and observed != estimate:
        return (
            f"{text} What stands out among many noisy values is partly lucky: expect {estimate} when it is run again."
        )
    return f"{text} Expect {estimate} when it is run again."


def _ties(selection: Selection) -> Markup:
    """The trials that the data cannot tell from the best."""
    others = [trial for trial in selection.tie_set if trial != selection.trial]
    if not others:
        apart = selection.interval is not None and selection.ties_tested
        return paragraph(
            "The data tell it apart from every other trial." if apart else f"Other trials: {selection.standing}."
        )
    links = [tag("a", {"href": f"#trial-{trial}"}, escape(str(trial))) for trial in others[:_MOST_TIES]]
    more = escape(f" and {len(others) - _MOST_TIES:,} more" if len(others) > _MOST_TIES else "")
    text = escape(f"The data do not tell it apart from {count(len(others), 'other trial')}: ")
    rest = "" if selection.ties_tested else " Ties with the rest were not tested."
    return tag("p", {}, text, join(links, ", "), more, escape(f".{rest}"))


def _caveats(selection: Selection) -> Markup:
    """The method, and what it does not cover."""
    items = [tag("li", {}, escape(caveat)) for caveat in selection.caveats]
    head = tag("p", {}, tag("b", {}, escape("Method. ")), escape(selection.method), escape("."))
    return tag("div", {"class": "caveats"}, head, tag("ul", {}, *items))


def _why(history: History[Space], selection: Selection) -> Markup:
    """What made the tuner propose it."""
    if not 0 <= selection.trial < len(history):
        return EMPTY
    trial = history.trial(selection.trial)
    if not trial.tuner:
        return EMPTY
    why = f": {shorten(trial.why, 300)}" if trial.why else ""
    return paragraph(f"It was proposed by the tuner {trial.tuner!r}{why}.".replace("..", "."), "quiet")


def _params(history: History[Space], best: Params, default: Params | None) -> Markup:
    """The configuration, beside the default one where there is one, with what was searched."""
    columns = {column.name: column for column in history.space.columns}
    names = list(dict.fromkeys([*best, *(default or {})]))
    head = ["param", "best", *(["default"] if default is not None else []), "searched"]
    rows = []
    for name in names:
        cells = [tag("td", {"class": "value"}, escape(_shown(best, name)))]
        if default is not None:
            cells.append(tag("td", {}, escape(_shown(default, name))))
        column = columns.get(name)
        note = "fixed" if column is None else f"{_searched(column)}{_edge(column, best.get(name))}"
        cells.append(tag("td", {"class": "quiet"}, escape(note)))
        rows.append(tag("tr", {}, tag("th", {"scope": "row"}, breakable(shorten(name, 80))), *cells))
    heads = tag("tr", {}, *(tag("th", {"scope": "col"}, escape(text)) for text in head))
    table = tag("table", {"class": "grid-table params"}, tag("thead", {}, heads), tag("tbody", {}, *rows))
    return tag("div", {"class": "scroll"}, table)


def _shown(params: Params, name: str) -> str:
    """A value, or a dash where the parameter is not active."""
    return shorten(param(params[name], 6), 60) if name in params else "–"


def _searched(column: Column) -> str:
    """The range of a parameter in a few words."""
    scale = scale_of(column)
    if isinstance(scale, Band):
        return shorten(", ".join(scale.labels), 60)
    return f"{number(scale.low)} to {number(scale.high)}{', log' if isinstance(scale, Log) else ''}"


def _edge(column: Column, value: object) -> str:
    """A note where a number lies so near a bound that the optimum may well be beyond it."""
    scale = scale_of(column)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isinstance(scale, Linear | Log):
        return ""
    place = float(scale.place(np.array([float(value)]))[0])
    if math.isnan(place) or _EDGE < place < 1 - _EDGE:
        return ""
    return f"; near its {'lower' if place <= _EDGE else 'upper'} bound"
