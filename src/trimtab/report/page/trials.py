"""The trials as a table that a page can sort and filter, and the ways in which trials failed."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trimtab.base.history import History
from trimtab.base.outcomes import TrialState
from trimtab.base.records import FrozenTrial, ParamValue
from trimtab.report.markup import EMPTY, Attributes, Markup, escape, tag
from trimtab.report.page.sections import section
from trimtab.report.page.shell import paragraph
from trimtab.report.shown import MOST_READ, thin
from trimtab.report.wording import count, duration, number, one_line, param, shorten
from trimtab.space import Space

__all__ = ["MOST_ROWS", "chosen_rows", "draw_failures", "draw_trials"]

MOST_ROWS = 500
MOST_PARAMS = 12
_MOST_GROUPS = 20
_MOST_TEXT = 6000
_NUMBERS = re.compile(r"0x[0-9a-f]+|\d+(\.\d+)?(e[+-]?\d+)?", re.IGNORECASE)


def chosen_rows(history: History[Space], most: int = MOST_ROWS) -> NDArray[np.intp]:
    """Numbers of the trials in the table, in its first order: the complete ones by value, then the rest.

    Where there are too many, half the rows are those of the best values and half the latest. With
    several objectives the order is that of the numbers.
    """
    every = np.arange(len(history))
    if len(history.objectives) > 1:
        return every[-most:]
    keys = np.where(history.states == TrialState.COMPLETE, history.minimized[:, 0], np.nan)
    order = np.argsort(keys, kind="stable")  # nan last, in order of their numbers
    if len(every) <= most:
        return order
    kept = np.union1d(order[: most // 2], every[-(most - most // 2) :])
    return order[np.isin(order, kept)]


def draw_trials(history: History[Space], names: Sequence[str]) -> Markup:
    """The table.

    Arguments:
        history: the study.
        names: parameters in the order in which they get columns; the first `MOST_PARAMS` do.
    """
    if not len(history):
        return section("trials", "Trials", paragraph("There are no trials yet."))
    numbers = chosen_rows(history)
    params = [*names][:MOST_PARAMS]
    hidden = f" {count(len(names) - MOST_PARAMS, 'parameter')} without a column." if len(names) > MOST_PARAMS else ""
    note = "All trials."
    if len(numbers) < len(history):
        note = f"{len(numbers):,} of {count(len(history), 'trial')}: those with the best values and the latest."
    table = tag(
        "table",
        {"class": "trials", "id": "trial-table"},
        tag("thead", {}, tag("tr", {}, *_heads(history, params))),
        tag("tbody", {}, *(_row(history, history.trial(int(n)), params) for n in numbers)),
    )
    region: Attributes = {"class": "scroll tall", "tabindex": 0, "role": "region", "aria-label": "table of trials"}
    words = paragraph(f"{note}{hidden}", "quiet")
    return section(
        "trials", "Trials", words, _filter(history, numbers), tag("div", {"class": "broad"}, tag("div", region, table))
    )


def _filter(history: History[Space], numbers: NDArray[np.intp]) -> Markup:
    """A choice of the states that occur; works with the page's script and is hidden without it."""
    states = [state for state in TrialState if np.any(history.states[numbers] == state)]
    options = [tag("option", {"value": ""}, escape("every state"))]
    options += [tag("option", {"value": state.name}, escape(state.name.lower())) for state in states]
    select = tag("select", {"id": "state-filter"}, *options)
    return tag("p", {"class": "needs-script"}, tag("label", {"for": "state-filter"}, escape("Show ")), select)


def _heads(history: History[Space], params: Sequence[str]) -> list[Markup]:
    """Column heads; each is a button that sorts."""
    numbers = {column.name for column in history.space.columns if not column.choices}
    texts = [("trial", False), ("state", False), *((objective.name, True) for objective in history.objectives)]
    texts += [("took", True), *((name, name in numbers) for name in params), ("why proposed", False)]
    heads = []
    for text, is_number in texts:
        button = tag("button", {"type": "button", "title": shorten(text, 200)}, escape(shorten(text, 28)))
        heads.append(tag("th", {"scope": "col", "class": "num" if is_number else None}, button))
    return heads


def _row(history: History[Space], trial: FrozenTrial, params: Sequence[str]) -> Markup:
    """One trial; `data-v` holds what a cell is sorted by."""
    errors = {} if trial.observation is None else trial.observation.stderr or {}
    cells = [tag("th", {"scope": "row", "data-v": trial.number}, escape(str(trial.number))), _state(trial)]
    for objective in history.objectives:
        value = trial.values.get(objective.name)
        spread = f" ± {number(errors[objective.name], 2)}" if objective.name in errors else ""
        cells.append(_number_cell(value, "" if value is None else f"{number(value, 5)}{spread}"))
    seconds = trial.duration
    cells.append(_number_cell(seconds, "" if seconds is None else duration(seconds)))
    own = trial.params or {}
    cells.extend(_param_cell(own[name]) if name in own else _number_cell(None, "–") for name in params)
    why = f"{trial.tuner}: {trial.why}" if trial.tuner and trial.why else trial.tuner or trial.why
    cells.append(tag("td", {"class": "why", "title": shorten(why, 400)}, escape(shorten(one_line(why), 160))))
    attributes: Attributes = {"id": f"trial-{trial.number}", "data-state": trial.state.name, "data-trial": trial.number}
    return tag("tr", attributes, *cells)


def _state(trial: FrozenTrial) -> Markup:
    """State, and the reason where it failed."""
    word = "failed" if trial.state is TrialState.FAIL else trial.state.name.lower()
    sign = tag("span", {"class": f"sign {word}", "aria-hidden": "true"})
    reason = f": {trial.reason.value.replace('_', ' ')}" if word == "failed" and trial.reason is not None else ""
    return tag("td", {"class": "state", "data-v": trial.state.name}, sign, escape(f"{word}{reason}"))


def _number_cell(value: float | None, text: str) -> Markup:
    """A cell that is sorted by a number."""
    return tag("td", {"class": "num", "data-v": None if value is None else repr(float(value))}, escape(text))


def _param_cell(value: ParamValue) -> Markup:
    """A parameter's value."""
    if isinstance(value, float | int) and not isinstance(value, bool):
        return _number_cell(float(value), param(value, 4))
    return tag("td", {"data-v": shorten(str(value), 60)}, escape(shorten(one_line(str(value)), 40)))


def draw_failures(history: History[Space]) -> Markup:
    """How trials failed: one entry for each reason and last line of the error text, with an example in full."""
    failed = history.numbers(TrialState.FAIL)
    read = thin(failed, MOST_READ)
    groups: dict[tuple[str, str], list[FrozenTrial]] = {}
    for trial in map(history.trial, read.tolist()):
        reason = "it failed" if trial.reason is None else trial.reason.text
        # Numbers differ from trial to trial where the failure is the same.
        groups.setdefault((reason, _NUMBERS.sub("#", _last_line(trial.text))), []).append(trial)
    if not groups:
        return EMPTY
    entries = sorted(groups.items(), key=lambda group: -len(group[1]))
    text = f"{count(len(failed), 'trial')} of {len(history):,} failed. Tuners are told: a failure says where not to go."
    if len(read) < len(failed):
        text += f" These are the kinds among {len(read):,} of them, spread over the trial numbers."
    more = count(len(entries) - _MOST_GROUPS, "rarer kind") + " not shown." if len(entries) > _MOST_GROUPS else ""
    shown = [_failure(reason, trials) for (reason, _), trials in entries[:_MOST_GROUPS]]
    return section("failures", "Failures", paragraph(text), *shown, paragraph(more, "quiet"))


def _last_line(text: str) -> str:
    """The last line that holds something: of a traceback, the exception itself."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def _failure(reason: str, trials: list[FrozenTrial]) -> Markup:
    """One kind of failure."""
    example = trials[-1]
    last = shorten(_last_line(example.text), 140)
    heading = f"{count(len(trials), 'trial')}: {reason}" + (f" ({last})" if last else "")
    which = ", ".join(str(trial.number) for trial in trials[:30]) + (" ..." if len(trials) > 30 else "")
    params = "\n".join(f"{name} = {value!r}" for name, value in (example.params or {}).items())
    text = example.text.strip()
    inside = [paragraph(f"Trials {which}. The last of them, trial {example.number}:", "quiet")]
    for part in filter(None, (params, text)):
        cut = part if len(part) <= _MOST_TEXT else f"...\n{part[-_MOST_TEXT:]}"
        inside.append(tag("pre", {}, escape(cut)))
    return tag("details", {}, tag("summary", {}, escape(heading)), *inside)
