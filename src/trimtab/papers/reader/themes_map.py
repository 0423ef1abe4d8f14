"""The map of themes as SVG: every paper a point that is a link, every theme its colour and its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

__all__ = ["ThemesMap"]

_WIDTH, _HEIGHT, _EDGE = 820.0, 560.0, 44.0
_COLOURS = 8
_LETTER = 8.4  # width of one, in a wide face


@final
@dataclass(frozen=True, slots=True)
class _Label:
    """A name, the middle of its line, and half of its width, in the units of the picture."""

    text: str
    x: float
    y: float
    half: float


@final
@dataclass(frozen=True, slots=True, eq=False)
class ThemesMap:
    """What is drawn.

    Arguments:
        names: of the themes.
        members: the papers of each that are drawn.
        places: paper -> x and y, on any scale.
        titles: paper -> title, shown when one points at it.
    """

    names: Sequence[str]
    members: Sequence[NDArray[np.int64]]
    places: Mapping[int, tuple[float, float]]
    titles: Mapping[int, str]

    def draw(self, link: Callable[[int], str]) -> Markup:
        """The picture.

        Arguments:
            link: paper -> address of its page.
        """
        where = _on_paper(self.places)
        points: list[str] = []
        labels: list[_Label] = []
        for theme, (name, papers) in enumerate(zip(self.names, self.members, strict=True)):
            shown = [int(paper) for paper in papers if int(paper) in where]
            if not shown:
                continue
            radius = 6.0 if len(self.places) <= 400 else 3.5
            for paper in shown:
                x, y = where[paper]
                points.append(
                    f'<a href="{escape(link(paper))}"><circle class="k{theme % _COLOURS}" cx="{x:.1f}" cy="{y:.1f}" '
                    f'r="{radius:g}"><title>{escape(self.titles.get(paper, ""))}</title></circle></a>'
                )
            labels.append(_label(name, np.array([where[paper] for paper in shown])))
        words = "".join(
            f'<text x="{label.x:.1f}" y="{label.y:.1f}" text-anchor="middle">{escape(label.text)}</text>'
            for label in _apart(labels)
        )
        return Markup(
            f'<svg class="map" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" role="group" '
            f'aria-label="Map of the themes: each point is a paper">{"".join(points)}{words}</svg>'
        )


def _on_paper(places: Mapping[int, tuple[float, float]]) -> dict[int, tuple[float, float]]:
    """The places stretched over the picture."""
    if not places:
        return {}
    spots = np.array(list(places.values()), dtype=np.float64)
    low, span = spots.min(axis=0), np.ptp(spots, axis=0)
    unit = (spots - low) / np.where(span > 0.0, span, 1.0)
    scaled = _EDGE + unit * (np.array([_WIDTH, _HEIGHT]) - 2.0 * _EDGE)
    return {paper: (float(x), float(y)) for paper, (x, y) in zip(places, scaled, strict=True)}


def _label(name: str, spots: NDArray[np.float64]) -> _Label:
    """The name of a theme above most of its points: its first two terms, as more of them would cover the points."""
    short = ", ".join(name.split(", ")[:2])
    x, y = float(np.median(spots[:, 0])), float(np.quantile(spots[:, 1], 0.15)) - 14.0
    half = _LETTER * len(short) / 2.0
    return _Label(short, min(max(x, half + 6.0), _WIDTH - half - 6.0), max(y, 18.0), half)


def _apart(labels: Sequence[_Label]) -> list[_Label]:
    """The names moved down until none covers another; in order of height, so that each moves little."""
    done: list[_Label] = []
    for label in sorted(labels, key=lambda label: label.y):
        y = label.y
        while any(abs(y - other.y) < 18.0 and abs(label.x - other.x) < label.half + other.half + 6.0 for other in done):
            y += 3.0
        done.append(replace(label, y=min(y, _HEIGHT - 8.0)))
    return done
