"""Links between the pages lead somewhere: to a file of the checkout, and to a heading where they name one."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("speed/*.md"), *ROOT.glob("examples/*.md")])


def tokens(page: Path) -> Iterator[Token]:
    for token in MarkdownIt().enable("table").parse(page.read_text(encoding="utf-8")):
        yield token
        yield from token.children or ()


@functools.cache
def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as the usual renderers name them."""
    parsed = list(tokens(page))
    titles = [after.content for token, after in pairwise(parsed) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken(page: Path) -> Iterator[str]:
    """The links and pictures of a page that lead nowhere in the checkout; links to elsewhere are not followed."""
    for token in tokens(page):
        target = str(token.attrs.get("href") or token.attrs.get("src") or "")
        if not target or re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = unquote(target).partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            yield f"{page.name}: {target}"


def test_links_lead_somewhere() -> None:
    assert [link for page in PAGES for link in broken(page)] == []


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# A `title` of two-words\n", encoding="utf-8")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](other.md#a-title-of-two-words) [b](other.md#none) [c](missing.md) ![d](missing.png)"
        " [e](https://example.org)\n\n| [f](#here) |\n|---|\n\n## Here\n",
        encoding="utf-8",
    )
    assert list(broken(page)) == ["page.md: other.md#none", "page.md: missing.md", "page.md: missing.png"]


@pytest.mark.parametrize("folder", ["speed", "examples"])
def test_every_script_is_told_of_on_its_folder_s_page(folder: str) -> None:
    page = (ROOT / folder / "README.md").read_text(encoding="utf-8")
    scripts = sorted(script.name for script in (ROOT / folder).glob("*.py"))
    assert scripts
    assert [name for name in scripts if f"`{name}`" not in page and f"({name})" not in page] == []
