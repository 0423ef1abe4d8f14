"""The end of the report: who proposed the trials, whose methods were used, and how to have it all again."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from trimtab.base.history import History
from trimtab.base.refs import Reference
from trimtab.report.citations import bibtex, distinct
from trimtab.report.markup import EMPTY, Markup, escape, tag
from trimtab.report.page.sections import section
from trimtab.report.page.shell import paragraph
from trimtab.report.shown import MOST_READ, thin
from trimtab.report.wording import count, moment, shorten
from trimtab.space import Space

__all__ = ["draw_reproduce", "draw_sources"]


def draw_sources(references: Sequence[Reference]) -> Markup:
    """What to cite; nothing where there are no references."""
    found = distinct(references)
    if not found:
        return EMPTY
    items = [tag("li", {}, escape(reference.text)) for reference in found]
    entries = tag("details", {}, tag("summary", {}, escape("BibTeX")), tag("pre", {}, escape(bibtex(found))))
    text = paragraph("The methods that this study used come from:")
    return section("sources", "Sources", text, tag("ul", {"class": "sources"}, *items), entries)


def draw_reproduce(history: History[Space], now: float) -> Markup:
    """Seed, tuners, versions and the space."""
    study = history.study
    read = thin(np.arange(len(history)), MOST_READ)
    tuners = Counter(history.trial(number).tuner for number in read.tolist())
    among = "" if len(read) == len(history) else f" (of {count(len(read), 'trial')} looked at)"
    facts = [
        ("study", shorten(study.name, 200)),
        ("seed", str(study.seed)),
        ("tuner", study.tuner),
        ("proposals", (", ".join(f"{name} {n:,}" for name, n in tuners.most_common() if name) or "none") + among),
        ("log", f"the first {count(history.seq, 'event')}"),
        ("written", moment(now)),
        ("with", f"trimtab {_version()}, Python {platform.python_version()}"),
        *(("note", shorten(note, 300)) for note in study.notes),
    ]
    rows = [tag("div", {}, tag("dt", {}, escape(name)), tag("dd", {}, escape(text))) for name, text in facts]
    space = EMPTY
    if study.space is not None:
        text = json.dumps(study.space, indent=2)
        space = tag("details", {}, tag("summary", {}, escape("The search space")), tag("pre", {}, escape(text[:60000])))
    words = paragraph(
        "Random numbers are keyed by the seed, the trial's number and their purpose. "
        "The same seed, space, versions and results give the same proposals."
    )
    return section("reproduce", "How to reproduce it", words, tag("dl", {}, *rows), space)


def _version() -> str:
    """The installed version."""
    try:
        return version("trimtab")
    except PackageNotFoundError:
        return "of unknown version"
