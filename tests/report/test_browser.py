"""The page in a real browser: quiet, offline, readable on a phone, in both themes, and alive."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from trimtab.base.history import History
from trimtab.base.records import Objective, Observation, Selection
from trimtab.report import Section, report_html, write_report
from trimtab.space import Categorical, Float, Space
from trimtab.testing.histories import make_history

PHONE = {"width": 375, "height": 812}
DESK = {"width": 1280, "height": 900}


@pytest.fixture
def visit(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """visit(html, viewport, scheme): the page, opened from disk; at the end it must have been quiet and offline."""
    noise: list[str] = []
    contexts = []

    def open_(html: str, viewport: dict[str, int] = DESK, scheme: str = "light", touch: bool = False) -> Any:
        path = write_report(tmp_path / f"report-{len(contexts)}.html", html)
        context = browser.new_context(viewport=viewport, color_scheme=scheme, has_touch=touch)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: noise.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: noise.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (noise.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: request.url == path.as_uri() or noise.append(f"request: {request.url}"))
        page.goto(path.as_uri())
        return page

    yield open_
    for context in contexts:
        context.close()
    assert noise == []


def fits(page: Any) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def luminance(colour: str) -> float:
    """Relative luminance of "rgb(r, g, b)" (WCAG 2.2)."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(page: Any) -> float:
    style = page.evaluate("(({color, backgroundColor}) => [color, backgroundColor])(getComputedStyle(document.body))")
    dark, light = sorted(map(luminance, style))
    return (light + 0.05) / (dark + 0.05)


def background(page: Any) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


@pytest.fixture(scope="module")
def html(study: History[Space], pick: Callable[..., Selection]) -> str:
    return report_html(study, pick(study, 8, (2, 5)), default_params=study.space.default_params(), now=1.8e9)


CASES: dict[str, list[tuple[dict[str, float], float | None]]] = {
    "no trials": [],
    "one trial": [({"x": 0.5}, 1.0)],
    "all failed": [({"x": x / 10}, None) for x in range(10)],
}


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("case", CASES)
def test_odd_studies_make_quiet_pages_that_fit(case: str, viewport: dict[str, int], visit: Callable[..., Any]) -> None:
    page = visit(report_html(make_history(Space(x=Float(0, 1)), CASES[case]), now=0.0), viewport)
    assert fits(page)
    assert page.locator("h1").inner_text() == "made"


@pytest.mark.parametrize("width", [320, 375, 768, 1280])
def test_a_page_never_scrolls_sideways(width: int, html: str, visit: Callable[..., Any]) -> None:
    assert fits(visit(html, {"width": width, "height": 800}))


def test_letters_on_a_phone_are_legible(html: str, visit: Callable[..., Any]) -> None:
    page = visit(html, PHONE)
    sizes = page.evaluate(
        """[...document.querySelectorAll('svg text')].filter(t => t.getClientRects().length).map(t =>
            parseFloat(getComputedStyle(t).fontSize) * t.ownerSVGElement.getScreenCTM().a)"""
    )
    assert len(sizes) > 50
    assert min(sizes) >= 11.0


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
def test_labels_of_one_row_do_not_overlap(html: str, viewport: dict[str, int], visit: Callable[..., Any]) -> None:
    page = visit(html, viewport)
    overlaps = page.evaluate(
        """[...document.querySelectorAll('figure svg')].filter(s => s.getClientRects().length).flatMap(svg => {
            const boxes = [...svg.querySelectorAll('text')].map(t => [t.getBoundingClientRect(), t.textContent]);
            return boxes.flatMap(([a, x], i) => boxes.slice(i + 1).filter(([b]) =>
                a.left + 1 < b.right && b.left + 1 < a.right && a.top + 4 < b.bottom && b.top + 4 < a.bottom
            ).map(([, y]) => `${x} / ${y}`));
        })"""
    )
    assert overlaps == []


def test_light_and_dark_differ_and_both_can_be_read(html: str, visit: Callable[..., Any]) -> None:
    light, dark = visit(html, scheme="light"), visit(html, scheme="dark")
    assert background(light) != background(dark)
    assert luminance(background(light)) > 0.8 > 0.1 > luminance(background(dark))
    assert contrast(light) >= 7.0
    assert contrast(dark) >= 7.0


def test_the_theme_can_be_chosen_and_is_kept(html: str, visit: Callable[..., Any]) -> None:
    page = visit(html)
    before = background(page)
    page.click("#theme")
    assert page.locator("#theme").inner_text() == "Light"
    assert background(page) != before
    page.reload()
    assert background(page) != before
    page.click("#theme")
    assert background(page) == before


def column(page: Any, place: int) -> list[str]:
    cells = page.locator(f"#trial-table tbody tr:visible > :nth-child({place})")
    return [str(text) for text in cells.all_inner_texts()]


def test_the_table_sorts_by_each_head_and_back(html: str, visit: Callable[..., Any]) -> None:
    page = visit(html)
    head = page.locator("#trial-table thead th").first
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert [int(text) for text in column(page, 1)] == list(range(60))
    head.locator("button").click()
    assert [int(text) for text in column(page, 1)] == list(range(59, -1, -1))
    value = page.locator("#trial-table thead th").nth(2)
    value.locator("button").click()
    assert head.get_attribute("aria-sort") is None
    told = [float(text.split(" ")[0]) for text in column(page, 3) if text]
    assert told == sorted(told)
    assert column(page, 3)[-1] == ""  # trials without a value stay at the end


def test_the_table_filters_by_state(html: str, visit: Callable[..., Any], study: History[Space]) -> None:
    page = visit(html)
    page.select_option("#state-filter", "PRUNED")
    assert set(column(page, 2)) == {"pruned"}
    assert len(column(page, 2)) == int((study.states == 3).sum())
    page.select_option("#state-filter", "")
    assert len(column(page, 2)) == 60


def test_a_link_leads_to_the_row_of_its_trial(html: str, visit: Callable[..., Any]) -> None:
    page = visit(html)
    page.click("a[href='#trial-5']")
    expect(page.locator("#trial-5")).to_be_in_viewport()


def test_pointing_at_a_mark_tells_its_trial_and_lights_it_up_everywhere(html: str, visit: Callable[..., Any]) -> None:
    page = visit(html)
    page.locator("#figure-best-so-far .wide [data-trial='20']").hover(force=True)
    tip = page.locator("#tip")
    assert tip.is_visible()
    assert tip.inner_text().startswith("trial 20 ")
    assert "lr" in tip.inner_text()
    assert page.locator("#figure-slices .wide .on").count() >= 3
    assert page.locator("tr.on").get_attribute("id") == "trial-20"
    stroke = "([mark]) => getComputedStyle(mark).stroke"
    assert page.eval_on_selector_all("#figure-slices .wide .dot.on", stroke) == page.evaluate(
        "getComputedStyle(document.body).color"
    )
    page.keyboard.press("Escape")
    assert not tip.is_visible()


def test_dragging_along_an_axis_keeps_the_trials_that_pass_there(html: str, visit: Callable[..., Any]) -> None:
    page = visit(html)
    figure = page.locator("#figure-parallel-coordinates .wide")
    figure.scroll_into_view_if_needed()
    lines = figure.locator("[data-x]")
    every = lines.count()
    box = figure.locator(".brush").first.bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 6)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 6, steps=4)
    page.mouse.up()
    left = figure.locator("[data-x]:not(.out)").count()
    assert 0 < left < every
    page.mouse.click(box["x"] + 5, box["y"] + 6)
    assert figure.locator("[data-x]:not(.out)").count() == every


def test_hostile_names_do_nothing(hostile: str, visit: Callable[..., Any]) -> None:
    space = Space({hostile: Categorical([hostile, "b"]), "x": Float(0, 1)})
    told = [({hostile: [hostile, "b"][n % 2], "x": n / 9}, Observation({hostile: float(n)})) for n in range(9)]
    history = make_history(
        space, [*told, ({hostile: "b", "x": 0.5}, None)], objectives=[Objective(hostile)], name=hostile
    )
    history = History(history.study, space, [t.with_(text=hostile, why=hostile, tuner=hostile) for t in history])
    page = visit(report_html(history, sections=[Section(hostile, hostile)], now=0.0), PHONE)
    assert fits(page)
    assert hostile in page.locator("h1").inner_text()
    assert page.locator("img").count() == 0


def test_a_script_that_got_in_would_not_run(html: str, visit: Callable[..., Any], browser: Any, tmp_path: Path) -> None:
    """The content security policy is a second wall: a foreign script and a foreign style are both refused."""
    foreign = html.replace("</main>", "<script>document.title = 'taken'</script><style>h1{display:none}</style></main>")
    page = browser.new_page()
    page.goto(write_report(tmp_path / "foreign.html", foreign).as_uri())
    assert page.title() == "digits – trimtab"
    assert page.locator("h1").is_visible()
    page.close()


def test_a_study_of_three_thousand_trials(make_study: Callable[..., History[Space]], visit: Callable[..., Any]) -> None:
    page = visit(report_html(make_study(3000, curves=False), now=0.0), PHONE)
    assert fits(page)
    assert page.locator("#trial-table tbody tr").count() <= 500
    assert "3,000 trials" in page.locator(".chips").inner_text()


def test_the_page_is_printed_in_light_colours_without_its_buttons(html: str, visit: Callable[..., Any]) -> None:
    page = visit(html, scheme="dark")
    page.emulate_media(media="print")
    assert not page.locator("#theme").is_visible()
    assert luminance(str(page.evaluate("getComputedStyle(document.body).color"))) < 0.1
