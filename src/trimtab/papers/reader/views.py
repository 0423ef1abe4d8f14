"""What the pages show: the feed in days, results, one paper, the map. Reads the catalogue, knows nothing of HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Literal

from trimtab.base.errors import InvalidArgument, message
from trimtab.papers.catalogue import Catalogue
from trimtab.papers.reader.themes_map import ThemesMap
from trimtab.papers.records import Filter, Paper
from trimtab.papers.search.themes import themes

__all__ = ["PAGE", "Asked", "ThemesView", "day_name", "feed_groups", "themes_view"]

PAGE = 50
"""Papers on a page."""

_MOST_THEME = 100
_MOST_DRAWN = 1_500  # points on the map; more of them are a grey cloud, and a slow page


@dataclass(frozen=True, slots=True)
class Asked:
    """The filter as a form gives it; empty parts let all through.

    Arguments:
        since, until: days, as 2026-01-31.
        source: name of a page.
        runs: "1" for what runs here, "0" for what does not.
        tag: one of the reader's own.
    """

    since: str = ""
    until: str = ""
    source: str = ""
    runs: str = ""
    tag: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Asked:
        """From the parameters of a request; those that are not of the filter are left alone."""
        return cls(*(query.get(name, "").strip() for name in ("since", "until", "source", "runs", "tag")))

    def filter(self) -> Filter:
        """The filter.

        Raises:
            InvalidArgument: a day that is none, or another answer than yes or no.
        """
        if self.runs not in ("", "0", "1"):
            raise InvalidArgument(message("runs: not an answer", got=self.runs, allowed="1, 0, or nothing for all"))
        return Filter(
            since=_day("since", self.since),
            until=_day("until", self.until),
            source=self.source or None,
            runs=None if not self.runs else self.runs == "1",
            tag=self.tag or None,
        )

    def query(self) -> dict[str, str]:
        """The parts that were given, as parameters of a link."""
        parts = {name: getattr(self, name) for name in ("since", "until", "source", "runs", "tag")}
        return {name: value for name, value in parts.items() if value}


def _day(name: str, text: str) -> date | None:
    """A day; None for nothing."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise InvalidArgument(
            message(f"{name}: not a day", got=text, allowed="year-month-day, such as 2026-01-31")
        ) from None


def day_name(day: date) -> str:
    """A day as people write it.

    >>> day_name(date(2026, 1, 5))
    '5 January 2026'
    """
    months = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ]
    return f"{day.day} {months[day.month - 1]} {day.year}"


def feed_groups(
    catalogue: Catalogue, where: Filter, order: Literal["date", "trending"], page: int
) -> tuple[list[tuple[str, list[Paper]]], bool]:
    """One page of the feed: (heading, papers) in order, and whether there is a page after it."""
    found = catalogue.papers(where, order=order, limit=PAGE + 1, offset=(page - 1) * PAGE)
    papers, more = found[:PAGE], len(found) > PAGE
    if order != "date":
        return ([("", papers)] if papers else []), more
    days = groupby(papers, key=lambda paper: paper.published)
    return [("Without a date" if day is None else day_name(day), list(group)) for day, group in days], more


@dataclass(frozen=True, slots=True)
class Theme:
    """One theme on its page.

    Arguments:
        name: its words.
        papers: the most typical of its papers.
        count: how many it has.
    """

    name: str
    papers: Sequence[Paper]
    count: int


@dataclass(frozen=True, slots=True)
class ThemesView:
    """The page of themes.

    Arguments:
        map: the picture; None where there is none.
        groups: the themes, largest first.
        why: why there is no picture, or how it was made.
    """

    map: ThemesMap | None
    groups: Sequence[Theme]
    why: str


def themes_view(catalogue: Catalogue) -> ThemesView:
    """The themes of the catalogue."""
    found = themes(catalogue)
    if not found.names:
        return ThemesView(None, (), found.why)
    shown = [catalogue.many([int(number) for number in members[:_MOST_THEME]]) for members in found.members]
    papers = len(found.places)
    # Every k-th paper of each theme, so that a thinned map keeps the themes' sizes.
    drawn = [members[:: max(1, round(papers / _MOST_DRAWN))] for members in found.members]
    titles = {paper.number: paper.title for paper in catalogue.many([int(number) for of in drawn for number in of])}
    said = (
        f"{len(found.names)} themes of {papers:,} papers. Each point is a paper; near ones are alike in meaning, "
        "far ones say little. The names are the words that set a theme apart."
    )
    groups = [Theme(name, many, len(of)) for name, many, of in zip(found.names, shown, found.members, strict=True)]
    return ThemesView(ThemesMap(found.names, drawn, found.places, titles), groups, said)
