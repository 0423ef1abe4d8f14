"""The page as text: its parts, its words, and that nothing of a study can become markup or a request."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser

import numpy as np
import pytest

import trimtab.report as report
from trimtab.base.history import History
from trimtab.base.outcomes import EndReason, TrialState
from trimtab.base.records import FrozenTrial, Objective, Observation, Selection
from trimtab.base.refs import Reference
from trimtab.report import Estimate, Estimates, Grid, Section, draw_estimates, report_html
from trimtab.report.page.trials import MOST_ROWS, chosen_rows
from trimtab.space import Categorical, Constant, Float, Int, Space
from trimtab.testing.histories import make_history

VOID = {"meta", "link", "br", "wbr", "img", "input", "hr", "col"}
SOURCE = Reference("Jones, Donald R.", "Efficient Global Optimization", 1998, doi="10.1023/A:1008306431147")


class Page(HTMLParser):
    """Collects elements and texts, and notes tags that do not match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.mistakes: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.mistakes.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def of(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag == name]


@pytest.fixture(scope="module")
def page(study: History[Space], pick: Callable[..., Selection]) -> Page:
    rows = [Estimate("default", 0.94), Estimate("tuned", 0.97)]
    extra = Section(
        "On data that tuning never saw",
        "First paragraph.\n\nSecond paragraph.",
        draw_estimates(Estimates("accuracy", rows), "test-split"),
        Grid(["model", "accuracy"], [["default", "0.94"], ["tuned", "0.97"]]),
    )
    default = study.space.default_params()
    return Page(
        report_html(study, pick(study, 8, (2, 5)), [SOURCE], default_params=default, sections=[extra], now=1.8e9)
    )


def test_every_element_is_closed_and_every_id_is_there_once(page: Page) -> None:
    assert page.mistakes == []
    assert page.open == []
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {link["href"] for link in page.of("a")}
    assert targets == {"#trial-2", "#trial-5"}
    assert {target[1:] for target in targets if target} <= set(ids)


def test_the_honest_best_comes_first_with_its_caveats(page: Page) -> None:
    assert page.text.index("The honest best") < page.text.index("On data that tuning never saw")
    assert page.text.index("On data that tuning never saw") < page.text.index("Best so far")
    for words in (
        "95 % interval",
        "Trial 8 was observed at",
        "partly lucky",
        "not tell it apart from 2 other trials: 2 , 5",
        "shrinkage of the observed means",
        "The interval covers the noise of one evaluation.",
        "It was proposed by the tuner 'sobol': initial design, point 8.",
        "First paragraph.",
        "Jones, Donald R. (1998). Efficient Global Optimization.",
    ):
        assert words in page.text


def test_the_page_tells_how_to_reproduce_the_study(page: Page, study: History[Space]) -> None:
    assert f"seed {study.study.seed}" in page.text
    assert "the first 240 events" in page.text
    assert re.search(r"trimtab [\w.]+, Python 3", page.text)
    assert '"schema"' in page.text or '"parameters"' in page.text or "batch_size" in page.text


def test_nothing_is_asked_of_the_network_and_only_the_pages_own_script_may_run(page: Page) -> None:
    assert not {"link", "img", "iframe", "object", "embed", "base", "form", "audio", "video"} & {
        tag for tag, _ in page.elements
    }
    assert all("src" not in attributes and "style" not in attributes for _, attributes in page.elements)
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    policy = next(meta["content"] for meta in page.of("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[\w+/=]+'; script-src 'sha256-[\w+/=]+'; "
        r"base-uri 'none'; form-action 'none'",
        policy,
    )
    assert len(page.of("script")) == 1


def test_the_best_params_stand_beside_the_default_and_the_range() -> None:
    space = Space(lr=Float(1e-5, 1e-1, log=True), n=Int(1, 9), kind=Categorical(["a", "b"]), fixed=Constant(3))
    history = make_history(space, [({"lr": 0.0999, "n": 5, "kind": "b", "fixed": 3}, 1.0)])
    params = history.trial(0).params or {}
    chosen = Selection(0, params, Objective(), 1.0, None, (0,), "observed", ("noise is unknown",), 1.0)
    text = Page(report_html(history, chosen, default_params=space.default_params(), now=0.0)).text
    assert "lr 0.0999 0.001 1e-5 to 0.1, log; near its upper bound" in text
    assert "n 5 5 1 to 9" in text
    assert "kind b a a, b" in text
    assert "fixed 3 3 fixed" in text
    assert "no interval: nothing was told about noise" in text
    assert "partly lucky" not in text
    assert "Other trials: nothing was told about noise, so nothing about ties." in text


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ([], "No trial has completed so far, so there is no best to speak of. Trials There are no trials yet."),
        ([({"x": 0.5}, None)], "No trial has completed so far"),
        ([({"x": 0.5}, 1.0)], "No selection was made for this report."),
    ],
)
def test_without_a_selection_the_page_says_why(told: list[tuple[dict[str, float], float | None]], words: str) -> None:
    found = Page(report_html(make_history(Space(x=Float(0, 1)), told), now=0.0))
    assert words in found.text
    assert found.mistakes == []


def test_several_objectives_have_a_front_in_place_of_a_best() -> None:
    objectives = [Objective("a"), Objective("b")]
    told = [({"x": x / 10}, Observation({"a": x, "b": -x})) for x in range(6)]
    text = Page(report_html(make_history(Space(x=Float(0, 1)), told, objectives=objectives), now=0.0)).text
    assert "With several objectives there is no single best" in text
    assert "Pareto front" in text
    assert "Best so far" not in text


def test_hostile_texts_everywhere_stay_texts(hostile: str) -> None:
    space = Space({hostile: Categorical([hostile, "b"])})
    told = [
        ({hostile: hostile}, Observation({hostile: 1.0})),
        ({hostile: "b"}, None),
        ({hostile: "b"}, Observation({hostile: 2.0})),
    ]
    history = make_history(space, told, objectives=[Objective(hostile)], name=hostile)
    trials = [t.with_(text=f"{hostile}\n{hostile}", why=hostile, tuner=hostile, worker=hostile) for t in history]
    history = History(history.study, space, trials)
    chosen = Selection(0, {hostile: hostile}, Objective(hostile), 1.0, None, (0,), hostile, (hostile,), 1.0)
    extra = Section(hostile, hostile, None, Grid([hostile], [[hostile]]))
    source = Reference(hostile, hostile, 2000, hostile, hostile, hostile, hostile)
    html = report_html(history, chosen, [source], default_params={hostile: hostile}, sections=[extra], now=0.0)
    found = Page(html)
    assert found.mistakes == []
    assert len(found.of("script")) == 1
    assert not found.of("img")
    assert html.count("<script") == 1
    assert hostile in " ".join(found.texts)


def test_failures_are_grouped_by_reason_and_last_line(study: History[Space]) -> None:
    found = Page(report_html(study, now=0.0))
    section = found.text[found.text.index("Failures") :]
    errors = [trial for trial in study if trial.reason is EndReason.ERROR]
    diverged = [trial for trial in study if trial.reason is EndReason.DIVERGED]
    assert f"{len(errors)} trials: the objective raised an exception (ValueError" in section
    assert f"{len(diverged)} trials: the objective returned nan or an infinity" in section
    assert "Traceback (most recent call last):" in section


def test_the_table_shows_all_trials_in_order_of_value(study: History[Space]) -> None:
    rows = chosen_rows(study)
    assert sorted(rows.tolist()) == list(range(len(study)))
    values = study.values[rows[: len(study.complete)], 0]
    assert np.all(np.diff(values) >= 0)


def test_a_long_table_holds_the_best_and_the_latest() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=1400)
    history = make_history(Space(x=Float(0, 1)), [({"x": 0.5}, value) for value in values])
    rows = chosen_rows(history)
    assert len(rows) <= MOST_ROWS
    assert set(range(1150, 1400)) <= set(rows.tolist())
    assert set(np.argsort(values)[:250].tolist()) <= set(rows.tolist())
    text = Page(report_html(history, now=0.0)).text
    assert re.search(r"\d+ of 1,400 trials: those with the best values and the latest\.", text)


def test_trials_that_have_nothing_yet_are_shown() -> None:
    space = Space(x=Float(0, 1))
    base = make_history(space)
    trials = [
        FrozenTrial(0, TrialState.WAITING),
        FrozenTrial(1, TrialState.RUNNING, {"x": 0.5}, started=5.0, created=5.0),
    ]
    found = Page(report_html(History(base.study, space, trials), now=0.0))
    assert "1 running" in found.text
    assert "1 waiting" in found.text
    assert [row.get("data-state") for row in found.of("tr") if row.get("data-state")] == ["WAITING", "RUNNING"]


def test_a_very_long_name_is_shortened_in_the_heading() -> None:
    html = report_html(make_history(Space(x=Float(0, 1)), name="n" * 10_000), now=0.0)
    assert len(html) < 60_000


def test_a_report_of_many_trials_is_bounded(make_study: Callable[..., History[Space]]) -> None:
    small, large = (len(report_html(make_study(n), now=0.0)) for n in (2000, 4000))
    assert large < 4_000_000
    assert large < 1.2 * small


def test_the_public_names_are_all_there() -> None:
    assert len(set(report.__all__)) == len(report.__all__)
    assert all(hasattr(report, name) for name in report.__all__)
