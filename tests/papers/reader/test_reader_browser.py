"""The reader in a real browser: quiet, alone, by keys, on a phone, in the dark."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from typing import Any

import pytest
from playwright.sync_api import expect

from trimtab.papers.records import Listing

PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 900}
PATHS = ("/", "/trending", "/search?q=privacy", "/themes", "/reading", "/sources", "/nothing")


@pytest.fixture
def visit(browser: Any, reader: Callable[..., Any], serve: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """visit(app or count, path, viewport, scheme, script): a page; at the end all of them must have been quiet."""
    noise: list[str] = []
    with ExitStack() as opened:

        def go(
            papers: Any = 155,
            path: str = "/",
            viewport: dict[str, int] = DESK,
            scheme: str = "light",
            script: bool = True,
        ) -> Any:
            app = reader(papers) if isinstance(papers, int) else papers
            address = opened.enter_context(serve(app))
            context = browser.new_context(
                viewport=viewport, color_scheme=scheme, java_script_enabled=script, base_url=address
            )
            opened.callback(context.close)
            page = context.new_page()
            page.on("console", lambda told: "404" in told.text or noise.append(f"console: {told.text}"))
            page.on("pageerror", lambda error: noise.append(f"error: {error}"))
            page.on("dialog", lambda dialog: (noise.append(dialog.message), dialog.dismiss()))
            page.on("request", lambda asked: asked.url.startswith(address) or noise.append(f"request: {asked.url}"))
            page.goto(path)
            return page

        yield go
    assert noise == []


def fits(page: Any) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("papers", [0, 155])
def test_every_page_is_quiet_and_fits(visit: Callable[..., Any], papers: int, viewport: dict[str, int]) -> None:
    page = visit(papers, viewport=viewport)
    for path in (*PATHS, *(["/paper/1", "/paper/155"] if papers else [])):
        page.goto(path)
        assert fits(page), path


def test_keys_lead_through_the_papers(visit: Callable[..., Any]) -> None:
    page = visit()
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator(".entry.on")).to_have_count(1)
    second = page.locator(".entry").nth(1)
    expect(second).to_have_class(re.compile("on"))
    page.keyboard.press("s")
    expect(second.locator("form[data-mark=reading] button")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("k")
    page.keyboard.press("o")
    expect(page.locator("h1")).to_contain_text("part 1")
    page.keyboard.press("/")
    expect(page.locator("input[name=q]")).to_be_focused()
    page.keyboard.type("j")
    expect(page.locator("input[name=q]")).to_have_value("j")
    page.goto("/reading")
    expect(page.locator(".entry")).to_have_count(1)


def test_everything_is_reached_by_tab_with_a_visible_focus(visit: Callable[..., Any]) -> None:
    page = visit(path="/paper/1")
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        told = page.evaluate(
            "(e => [e.tagName, e.getAttribute('name') || '', getComputedStyle(e).outlineStyle])(document.activeElement)"
        )
        if told[0] == "BODY":
            break
        assert told[2] != "none", told
        reached.add((told[0], told[1]))
    assert {("A", ""), ("BUTTON", ""), ("TEXTAREA", "value"), ("INPUT", "q")} <= reached


def test_results_come_as_one_types_and_stay_by_their_address(visit: Callable[..., Any]) -> None:
    page = visit(path="/search")
    page.fill("input[name=q]", "graph")
    expect(page.locator(".entry").first).to_contain_text("graph learning")
    expect(page).to_have_url(re.compile(r"q=graph$"))
    page.reload()
    expect(page.locator(".entry").first).to_contain_text("graph learning")


def test_without_a_script_forms_and_links_do_the_same(visit: Callable[..., Any]) -> None:
    page = visit(path="/paper/2", script=False)
    page.click("form[data-mark=reading] button")
    expect(page.locator("form[data-mark=reading] button")).to_have_attribute("aria-pressed", "true")
    page.fill("input[name=q]", "pruning")
    page.press("input[name=q]", "Enter")
    expect(page.locator(".entry").first).to_contain_text("pruning")


def test_votes_change_on_the_page_and_stay(visit: Callable[..., Any]) -> None:
    page = visit(path="/paper/3")
    up, down = page.locator("form[data-mark=vote] button").all()
    up.click()
    expect(up).to_have_attribute("aria-pressed", "true")
    down.click()
    expect(up).to_have_attribute("aria-pressed", "false")
    expect(down).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(page.locator("form[data-mark=vote] button").nth(1)).to_have_attribute("aria-pressed", "true")


def test_the_map_leads_to_papers(visit: Callable[..., Any]) -> None:
    page = visit(path="/themes")
    # While the map is being made, the page says so and looks again by itself.
    expect(page.locator(".map a").nth(100)).to_be_attached(timeout=60_000)
    page.locator(".map a").nth(7).focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/paper/\d+$"))


def test_hostile_papers_are_text(visit: Callable[..., Any], reader: Callable[..., Any]) -> None:
    bad = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(2)> $\\text{<script>alert(3)</script>}$"
    listing = Listing(bad, bad * 20, authors=(bad,), published=date(2026, 5, 5))
    page = visit(reader(4, listing, Listing("W" * 10_000, "w" * 10_000)), viewport=PHONE)
    for path in ("/", "/paper/5", "/paper/6", "/search?q=" + "alert", "/themes"):
        page.goto(path)
        assert fits(page), path
        assert page.locator("img").count() == 0


def test_the_dark_is_dark_and_readable(visit: Callable[..., Any]) -> None:
    page = visit(scheme="dark")
    colours = page.evaluate("(({color, backgroundColor}) => [color, backgroundColor])(getComputedStyle(document.body))")
    ink, ground = (sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in colours)
    assert ink > 600
    assert ground < 120
