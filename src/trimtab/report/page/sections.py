"""Sections of the report, and how figures and small tables stand in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trimtab.report.figure import NARROW, SMALL, WIDE, Figure
from trimtab.report.markup import EMPTY, Markup, escape, join, tag
from trimtab.report.page.shell import paragraph

__all__ = ["Grid", "Section", "draw_figure", "draw_grid", "draw_section", "section"]


@dataclass(frozen=True, slots=True)
class Grid:
    """A small table of texts. The first column names the row."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Section:
    """Something to tell in a report beside what the report tells of itself, such as a score on a test split.

    Arguments:
        title: a few words.
        text: plain text; an empty line begins a new paragraph.
        figure: a plot.
        grid: a table.
    """

    title: str
    text: str = ""
    figure: Figure | None = None
    grid: Grid | None = None


def section(name: str, title: str, *parts: Markup) -> Markup:
    """A section of the page with its heading; `name` is its anchor."""
    return tag("section", {"id": name}, tag("h2", {}, escape(title)), *parts)


def draw_section(extra: Section, place: int) -> Markup:
    """A section that was passed in."""
    return section(
        f"extra-{place}",
        extra.title,
        paragraph(extra.text),
        EMPTY if extra.figure is None else draw_figure(extra.figure),
        EMPTY if extra.grid is None else draw_grid(extra.grid),
    )


def draw_figure(figure: Figure, small: bool = False) -> Markup:
    """A plot at both widths, of which the style sheet shows the one that fits, with its caption.

    With `small` it is drawn at one small width, for a place that is narrow on any screen.
    """
    drawn = [tag("div", {"class": "small"}, figure.at(SMALL))]
    if not small:
        drawn = [tag("div", {"class": "wide"}, figure.at(WIDE)), tag("div", {"class": "narrow"}, figure.at(NARROW))]
    caption = tag("figcaption", {}, escape(figure.caption)) if figure.caption else EMPTY
    return tag("figure", {"id": f"figure-{figure.name}"}, *drawn, caption)


def draw_grid(grid: Grid) -> Markup:
    """A small table."""
    head = tag("tr", {}, *(tag("th", {"scope": "col"}, escape(column)) for column in grid.columns))
    body = [
        tag("tr", {}, tag("th", {"scope": "row"}, escape(first)), *(tag("td", {}, escape(cell)) for cell in rest))
        for first, *rest in grid.rows
    ]
    table = tag("table", {"class": "grid-table"}, tag("thead", {}, head), tag("tbody", {}, join(body)))
    return tag("div", {"class": "scroll"}, table)
