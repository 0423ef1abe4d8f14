"""Every plot, over every kind of study: well-formed, bounded, told in words, and safe."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from trimtab.base.errors import InvalidArgument, StorageError, UnknownName
from trimtab.base.history import History
from trimtab.base.outcomes import EndReason
from trimtab.base.records import Interval, Objective, Observation, Report
from trimtab.report.figure import NARROW, WIDE, Figure
from trimtab.report.plots import PLOTS, Estimate, Estimates, draw_estimates, plot
from trimtab.space import Categorical, Float, Int, Space
from trimtab.testing.histories import make_history

SVG = "{http://www.w3.org/2000/svg}"
ONE_OBJECTIVE = [name for name in PLOTS if name != "pareto_front"]
LINE = Space(x=Float(0, 1), y=Float(1e-6, 1, log=True), kind=Categorical(["a", "b"]))


def point(x: float) -> dict[str, float | str]:
    return {"x": x, "y": 10 ** (-6 * x), "kind": "ab"[int(x * 10) % 2]}


def with_curves(history: History[Space]) -> History[Space]:
    return history.with_curves({n: (Report(1, {"value": 1.0}), Report(2, {"value": 0.5})) for n in range(len(history))})


HISTORIES: dict[str, Callable[[], History[Space]]] = {
    "no trials": lambda: make_history(LINE),
    "one trial": lambda: make_history(LINE, [(point(0.5), 1.0)]),
    "all failed": lambda: make_history(LINE, [(point(x), None) for x in (0.1, 0.5, 0.9)]),
    "all pruned": lambda: make_history(LINE, [(point(x), EndReason.PRUNED) for x in (0.1, 0.9)]),
    "all equal": lambda: make_history(LINE, [(point(x), 0.0) for x in (0.1, 0.5, 0.9)]),
    "only pending": lambda: make_history(LINE, pending=[point(0.3)]),
    "extreme values": lambda: make_history(
        LINE, [(point(x / 10), v) for x, v in enumerate((1e308, -1e308, 5e-324, 0.0))]
    ),
    "no parameters": lambda: make_history(Space(), [({}, 1.0), ({}, 2.0)]),
    "traced": lambda: make_history(
        Space.traced({"x": Float(0, 1), "n": Int(1, 3)}), [({"x": 0.1}, 1.0), ({"n": 2}, 2.0)]
    ),
}


def texts(svg: str) -> list[str]:
    return ["".join(element.itertext()) for element in ET.fromstring(svg).iter(f"{SVG}text")]


@pytest.mark.parametrize("case", HISTORIES)
@pytest.mark.parametrize("name", ONE_OBJECTIVE)
def test_plots_of_odd_studies_are_well_formed_at_both_widths(name: str, case: str) -> None:
    history = HISTORIES[case]()
    for found in (history, with_curves(history)):
        figure = plot(name, found)
        for svg in (figure.svg, figure.at(WIDE), figure.at(NARROW)):
            assert ET.fromstring(svg).tag == f"{SVG}svg"
            assert not re.search(r'="[^"]*\b(nan|inf)\b[^"]*"', re.sub(r'(id|aria-\w+)="[^"]*"', "", svg))


@pytest.mark.parametrize("name", ONE_OBJECTIVE)
def test_plots_stay_inside_their_width(name: str, study: History[Space]) -> None:
    for width in (WIDE, NARROW):
        root = ET.fromstring(plot(name, study).at(width))
        for circle in root.iter(f"{SVG}circle"):
            assert -20 <= float(circle.get("cx", "0")) <= width


@pytest.mark.parametrize("name", ONE_OBJECTIVE)
def test_plots_of_many_trials_have_a_bounded_number_of_marks_and_say_so(
    name: str, make_study: Callable[..., History[Space]]
) -> None:
    history = make_study(4000)
    figure = plot(name, history)
    marks = figure.svg.count("data-trial=")
    assert 100 < marks <= 2000
    total = len(history.complete) if name == "parallel_coordinates" else 4000
    assert re.search(rf"of {total:,} (trials|curves) are drawn", figure.caption)


@pytest.mark.parametrize("name", ONE_OBJECTIVE)
def test_pictures_have_a_title_a_description_and_tooltips(name: str, study: History[Space]) -> None:
    figure = plot(name, study)
    root = ET.fromstring(figure.svg)
    title, text = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert root.get("role") == "img"
    assert title is not None
    assert text is not None
    assert title.text == figure.title
    assert text.text == figure.description
    assert root.get("aria-labelledby") == f"{title.get('id')} {text.get('id')}"
    marks = [element for element in root.iter() if element.get("data-trial") is not None]
    assert marks
    for mark in marks:
        tip = mark.find(f"{SVG}title")
        assert tip is not None
        assert (tip.text or "").startswith(f"trial {mark.get('data-trial')} ")


@pytest.mark.parametrize("name", ONE_OBJECTIVE)
def test_hostile_names_stay_texts(name: str, hostile: str) -> None:
    space = Space({hostile: Float(0, 1), "kind": Categorical([hostile, "b" * 500, "日本語"])})
    told = [
        ({hostile: x / 10, "kind": [hostile, "b" * 500, "日本語"][x % 3]}, Observation({hostile: float(x)}))
        for x in range(9)
    ]
    history = make_history(space, told, objectives=[Objective(hostile)], name=hostile)
    history = history.with_curves({0: (Report(1, {hostile: 1.0}),)})
    svg = plot(name, history).svg
    allowed = {"svg", "title", "desc", "style", "g", "text", "line", "rect", "circle", "path"}
    assert {element.tag.removeprefix(SVG) for element in ET.fromstring(svg).iter()} <= allowed
    assert "<script" not in svg


def test_an_unknown_plot_is_refused_by_name(study: History[Space]) -> None:
    with pytest.raises(UnknownName, match=r"there is no such plot; got 'pie'; allowed: best_so_far, curves"):
        plot("pie", study)


def test_a_front_of_one_objective_is_refused(study: History[Space]) -> None:
    with pytest.raises(InvalidArgument, match=r"study 'digits' has one objective, which has a best and no front"):
        plot("pareto_front", study)


def test_a_figure_is_saved_whole_and_shown_in_a_notebook(study: History[Space], tmp_path: Path) -> None:
    figure = plot("slice", study)
    path = figure.save(tmp_path / "slice.svg")
    assert path.read_text("utf-8") == figure.svg == figure._repr_html_()
    assert [entry.name for entry in tmp_path.iterdir()] == ["slice.svg"]
    with pytest.raises(StorageError, match=r"the plot 'Slices' could not be written"):
        figure.save(tmp_path / "missing" / "slice.svg")


def test_a_file_of_its_own_holds_its_style_title_and_caption(study: History[Space]) -> None:
    figure = plot("best_so_far", study)
    words = texts(figure.svg)
    assert figure.title in words
    assert "prefers-color-scheme:dark" in figure.svg
    assert figure.caption.split()[0] in " ".join(words)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|url\(|@import", figure.svg)


def test_estimates_show_each_row_with_its_interval() -> None:
    rows = [Estimate("default", 0.94, Interval(0.91, 0.96, 0.95)), Estimate("tuned", 0.975, Interval(0.95, 0.99, 0.95))]
    figure = draw_estimates(Estimates("accuracy", rows))
    assert isinstance(figure, Figure)
    words = texts(figure.at(WIDE))
    assert {"default", "tuned", "0.940 (0.910 to 0.960)", "accuracy"} <= set(words)
    assert "95 % intervals" in figure.caption
    root = ET.fromstring(figure.at(WIDE))
    bars = [
        (float(e.get("x1", "")), float(e.get("x2", ""))) for e in root.iter(f"{SVG}line") if e.get("class") == "rule"
    ]
    knobs = [float(element.get("cx", "")) for element in root.iter(f"{SVG}circle")]
    assert all(low < knob < high for (low, high), knob in zip(bars, knobs, strict=True))
    assert bars[0][1] - bars[0][0] == pytest.approx((bars[1][1] - bars[1][0]) * 0.05 / 0.04, rel=1e-3)


def test_estimates_without_intervals_or_of_no_width() -> None:
    for rows in ([Estimate("a", 1.0)], [Estimate("a", 0.0, Interval(0.0, 0.0, 0.9))], [Estimate("a", np.inf)]):
        assert ET.fromstring(draw_estimates(Estimates("q", rows)).svg) is not None
