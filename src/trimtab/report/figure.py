"""A drawn plot: SVG at any width, standing alone or inside a page, with its words for screen readers.

One plot is drawn at two widths, `WIDE` for a screen and `NARROW` for a phone, rather than scaled: a
picture made for a screen has letters of 5 px when it is shrunk to a phone.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import final

from trimtab.report.files import write_text
from trimtab.report.lettering import fit, text_width
from trimtab.report.markup import EMPTY, Markup, escape, join, tag
from trimtab.report.palette import DARK, LIGHT, variables, with_fallbacks

__all__ = ["NARROW", "SMALL", "WIDE", "Drawing", "Figure", "figure_rules", "wrap"]

WIDE = 800.0
NARROW = 340.0
SMALL = 290.0
_FONT = 12.0
_LINE = 17.0


@final
@dataclass(frozen=True, slots=True)
class Drawing:
    """What is drawn, in a coordinate system of `width` x `height` pixels from the top left."""

    width: float
    height: float
    body: Markup


@final
@dataclass(frozen=True, slots=True)
class Figure:
    """One plot, ready to be shown: `.svg` is a file of its own, a notebook shows it, `.save` writes it.

    Arguments:
        name: short, of letters and hyphens; ids inside the SVG begin with it.
        title: a few words.
        description: what the picture shows, for who cannot see it.
        caption: how to read it, and what was left out of it.
        draw: the picture at a given width, pixels.
    """

    name: str
    title: str
    description: str
    caption: str
    draw: Callable[[float], Drawing]

    @property
    def svg(self) -> str:
        """The plot as an SVG file with its title and caption, light or dark as its viewer prefers."""
        inner = self.draw(WIDE)
        lines = wrap(self.caption, WIDE - 2 * _LINE)
        height = inner.height + 60 + _LINE * len(lines)
        body = [
            tag("rect", {"class": "paper", "width": WIDE + 40, "height": height}),
            tag("text", {"class": "title", "x": 20, "y": 30}, escape(fit(self.title, 15, WIDE))),
            tag("g", {"transform": "translate(20 46)"}, inner.body),
            *(
                tag("text", {"class": "quiet", "x": 20, "y": inner.height + 62 + _LINE * place}, escape(line))
                for place, line in enumerate(lines)
            ),
        ]
        return self._root(Drawing(WIDE + 40, height, join(body)), _alone())

    def at(self, width: float) -> Markup:
        """The bare picture at one width, for a page that has the rules of `figure_rules` and the variables."""
        return self._root(self.draw(width), EMPTY, f"-{width:.0f}")

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write `.svg` to a file, whole or not at all.

        Raises:
            StorageError: the file cannot be written.
        """
        return write_text(path, self.svg, f"the plot {self.title!r}")

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return self.svg

    def _root(self, drawing: Drawing, head: Markup, suffix: str = "") -> Markup:
        """The `<svg>` element with title and description."""
        title, text = f"{self.name}{suffix}-title", f"{self.name}{suffix}-text"
        return tag(
            "svg",
            {
                "xmlns": "http://www.w3.org/2000/svg",
                "class": "tt",
                "viewBox": f"0 0 {drawing.width:g} {drawing.height:.0f}",
                "width": drawing.width if head else None,
                "height": round(drawing.height) if head else None,
                "role": "img",
                "aria-labelledby": f"{title} {text}",
            },
            tag("title", {"id": title}, escape(self.title)),
            tag("desc", {"id": text}, escape(self.description)),
            head,
            drawing.body,
        )


@cache
def figure_rules() -> str:
    """The style rules of every drawing; they name colours by variables only."""
    return files("trimtab.report").joinpath("assets/figure.css").read_text("utf-8")


def _alone() -> Markup:
    """The style element of an SVG file that stands alone."""
    dark = f"@media (prefers-color-scheme:dark){{.tt{{{variables(DARK)}}}}}"
    return tag("style", {}, Markup(f".tt{{{variables(LIGHT)}}}{dark}\n{with_fallbacks(figure_rules())}"))


def wrap(text: str, width: float) -> list[str]:
    """A text in lines of at most `width` pixels, broken between words."""
    lines: list[str] = []
    for word in text.split():
        if lines and text_width(f"{lines[-1]} {word}", _FONT) <= width:
            lines[-1] = f"{lines[-1]} {word}"
        else:
            lines.append(fit(word, _FONT, width))
    return lines
