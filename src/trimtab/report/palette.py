"""Colours, light and dark, as CSS variables; every drawing names a variable and never a colour.

The sequential palette has seven steps whose luminance changes steadily from ochre over teal to navy,
so that it reads the same with any kind of colour blindness and in grey. It runs from `--s0` (worst or
oldest) to `--s6` (best or newest); in the dark it runs towards light, so that the best still stands
out most. States differ in the shape of their mark as well as in colour. Text has a contrast of at
least 4.5 : 1 to its ground, marks of at least 3 : 1 (WCAG 2.2, success criteria 1.4.3 and 1.4.11);
a test computes them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["DARK", "LIGHT", "STEPS", "step_class", "variables", "with_fallbacks"]

STEPS = 7

_SEQUENCE_LIGHT = ("#b08f57", "#8d896b", "#68817a", "#3d7886", "#2b5f73", "#194660", "#082f4e")
_SEQUENCE_DARK = ("#6d6453", "#697a72", "#5f8f91", "#4ea5b1", "#7ec0c8", "#aadbdf", "#d6f6f7")

LIGHT: Mapping[str, str] = MappingProxyType(
    {
        "paper": "#ffffff",
        "ground": "#f6f6f3",
        "ink": "#1b2026",
        "muted": "#59626c",
        "grid": "#e6e8ea",
        "axis": "#b4bac0",
        "accent": "#0b6b8a",
        "wash": "#e3eff3",
        "pruned": "#8d4f83",
        "failed": "#b8400e",
        **{f"s{step}": colour for step, colour in enumerate(_SEQUENCE_LIGHT)},
    }
)
DARK: Mapping[str, str] = MappingProxyType(
    {
        "paper": "#15181b",
        "ground": "#1d2125",
        "ink": "#e8eaec",
        "muted": "#9aa4ad",
        "grid": "#2a2f34",
        "axis": "#535c65",
        "accent": "#5cc0dc",
        "wash": "#1c3038",
        "pruned": "#d79ac9",
        "failed": "#f0895a",
        **{f"s{step}": colour for step, colour in enumerate(_SEQUENCE_DARK)},
    }
)

_DECLARATION = re.compile(r"([a-z-]+):\s*var\(--([a-z0-9]+)\)")


def step_class(share: float) -> str:
    """CSS class of a place in the sequential palette, from 0 (worst, oldest) to 1 (best, newest).

    >>> step_class(0.0), step_class(0.5), step_class(1.0)
    ('s0', 's3', 's6')
    """
    return f"s{min(STEPS - 1, max(0, int(share * STEPS)))}"


def variables(colours: Mapping[str, str]) -> str:
    """The declarations of one theme's variables."""
    return "".join(f"--{name}:{colour};" for name, colour in colours.items())


def with_fallbacks(css: str) -> str:
    """The rules with each colour written plainly before its variable.

    Viewers that know no CSS variables (Inkscape, librsvg) skip the second declaration and keep the first.

    >>> with_fallbacks(".axis{stroke:var(--paper)}")
    '.axis{stroke:#ffffff;stroke:var(--paper)}'
    """
    return _DECLARATION.sub(lambda found: f"{found[1]}:{LIGHT[found[2]]};{found[0]}", css)
