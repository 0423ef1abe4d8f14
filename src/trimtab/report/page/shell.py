"""The document around the report: one file that asks nothing of the network and runs no script but its own.

The content security policy forbids everything and then allows exactly the style and the script of this
file, by their SHA-256 digests. So even a text that escaped its quotes could neither run nor load anything.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

from trimtab.report.figure import figure_rules
from trimtab.report.markup import Markup, escape, join, tag
from trimtab.report.palette import DARK, LIGHT, variables

__all__ = ["document", "paragraph"]


@cache
def _style() -> str:
    """The style sheet: both themes, the page's rules, the drawings' rules."""
    dark = variables(DARK)
    themes = (
        f":root{{color-scheme:light;{variables(LIGHT)}}}\n"
        f"@media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}\n"
        f":root[data-theme=dark]{{color-scheme:dark;{dark}}}\n"
        f"@media print{{:root:root:root{{color-scheme:light;{variables(LIGHT)}}}}}\n"
    )
    return f"{themes}{_asset('page.css')}\n{figure_rules()}"


@cache
def _asset(name: str) -> str:
    """A text file of this package."""
    return files("trimtab.report").joinpath(f"assets/{name}").read_text("utf-8")


def _digest(text: str) -> str:
    """The source expression that allows an inline style or script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def document(title: str, body: Markup) -> str:
    """A whole HTML document.

    Arguments:
        title: of the browser's tab.
        body: everything inside `<body>` but the script.
    """
    style, script = _style(), _asset("page.js")
    policy = (
        f"default-src 'none'; style-src {_digest(style)}; script-src {_digest(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    head = [
        tag("meta", {"charset": "utf-8"}),
        tag("meta", {"http-equiv": "Content-Security-Policy", "content": policy}),
        tag("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        tag("meta", {"name": "color-scheme", "content": "light dark"}),
        tag("title", {}, escape(title)),
        tag("style", {}, Markup(style)),
    ]
    page = tag(
        "html",
        {"lang": "en"},
        tag("head", {}, *head),
        tag("body", {}, body, tag("script", {}, Markup(script))),
    )
    return f"<!doctype html>\n{page}\n"


def paragraph(text: str, classes: str | None = None) -> Markup:
    """A text as paragraphs, apart where it has empty lines."""
    return join(tag("p", {"class": classes}, escape(part)) for part in text.split("\n\n") if part.strip())
