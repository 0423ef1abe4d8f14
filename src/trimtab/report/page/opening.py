"""The top of the report: which study this is, how much of it there is, and when it ran."""

from __future__ import annotations

import numpy as np

from trimtab.base.history import History
from trimtab.base.outcomes import TrialState
from trimtab.report.markup import Markup, escape, join, tag
from trimtab.report.shown import MOST_READ, thin
from trimtab.report.wording import count, duration, moment, one_line, shorten
from trimtab.space import Space

__all__ = ["draw_opening"]

_WORDS = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}


def draw_opening(history: History[Space]) -> Markup:
    """Name, objective, times and numbers of trials."""
    name = history.study.name
    title = {"title": shorten(name, 1000)} if len(name) > 120 else {}
    facts = [tag("p", {"class": "facts"}, escape(" · ".join(_facts(history))))]
    if history.study.stopped:
        facts.append(tag("p", {"class": "facts"}, escape(f"The study ended: {shorten(history.study.stopped, 300)}")))
    return tag(
        "header",
        {},
        tag("p", {"class": "eyebrow"}, escape("trimtab report")),
        tag("h1", title, escape(shorten(one_line(name), 120))),
        *facts,
        tag("ul", {"class": "chips", "aria-label": "trials by state"}, *_chips(history)),
    )


def _facts(history: History[Space]) -> list[str]:
    """What is optimised and when it ran."""
    facts = [", ".join(f"{o.direction} {shorten(o.name, 60)}" for o in history.objectives)]
    read = thin(np.arange(len(history)), MOST_READ)
    # A trial that was added from elsewhere did not run here.
    ran = [trial for trial in map(history.trial, read.tolist()) if trial.started is not None and trial.tuner != "added"]
    begun = min((trial.started for trial in ran if trial.started is not None), default=None)
    if begun is None:
        return [*facts, f"created {moment(history.study.created)}"] if history.study.created else facts
    facts.append(f"begun {moment(begun)}")
    ended = max((trial.ended for trial in ran if trial.ended is not None), default=begun)
    if ended > begun:
        facts.append(f"{duration(ended - begun)} to the last result")
    spent = sum(max(trial.duration or 0.0, 0.0) for trial in ran)
    if spent > 0 and len(read) == len(history):
        facts.append(f"{duration(spent)} of trials")
    return facts


def _chips(history: History[Space]) -> list[Markup]:
    """How many trials there are in each state that occurs."""
    chips = [tag("li", {}, escape(count(len(history), "trial")))]
    for state, word in _WORDS.items():
        number = int((history.states == state).sum())
        if number:
            sign = tag("span", {"class": f"sign {word}", "aria-hidden": "true"})
            chips.append(tag("li", {}, join([sign, escape(f"{number:,} {word}")])))
    return chips
