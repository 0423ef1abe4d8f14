from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.report.axes import Axis, draw_axes, frame, plan_across
from trimtab.report.lettering import text_width
from trimtab.report.scales import Band, Linear, Log

names = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=40)
scales = st.one_of(
    st.builds(lambda low, span: Linear(low, low + span), st.floats(-1e6, 1e6), st.floats(1e-3, 1e6)),
    st.builds(lambda low, ratio: Log(low, low * ratio), st.floats(1e-8, 1e3), st.floats(2, 1e8)),
    st.builds(lambda labels: Band(tuple(labels)), st.lists(names, min_size=1, max_size=60)),
)


@given(scales, st.floats(120, 800))
def test_labels_across_never_overlap(scale: Linear | Log | Band, width: float) -> None:
    labels = plan_across(scale, width)
    middles = scale.place([tick.at for tick in labels.ticks]) * width
    widths = np.array([text_width(tick.label, 12.0) for tick in labels.ticks])
    if labels.slanted:
        # Parallel texts at 40 degrees are apart by the distance of their lines: 12 px letters need about 10.
        assert np.all(np.diff(middles) * math.sin(math.radians(40)) >= 10.0)
    elif len(middles) > 1:
        assert np.all(np.diff(middles) >= (widths[:-1] + widths[1:]) / 2)


@given(scales, scales, st.floats(200, 800))
def test_everything_an_axis_draws_lies_inside_its_box(
    x: Linear | Log | Band, y: Linear | Log | Band, width: float
) -> None:
    area = frame(Axis("across", x), Axis("up", y), width, 160.0, lane="failed")
    drawn = draw_axes(area)
    for kind, x_text, y_text, label in re.findall(r'<text class="([^"]*)" x="([\d.-]+)" y="([\d.-]+)">([^<]*)<', drawn):
        size = text_width(
            label.replace("&#39;", "'")
            .replace("&quot;", '"')
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&"),
            12.0,
        )
        left = float(x_text) - (size if "end" in kind else size / 2 if "mid" in kind else 0.0)
        assert left >= -1.0
        assert left + size <= width + 5.0
        assert 8.0 <= float(y_text) <= area.bottom
    assert area.width > 40.0


def test_many_categories_are_slanted_and_thinned() -> None:
    labels = plan_across(Band(tuple(f"category number {i}" for i in range(200))), 400.0)
    assert labels.slanted
    assert len(labels.ticks) <= 400 / 17
    assert not plan_across(Band(("relu", "gelu")), 400.0).slanted


def test_labels_that_differ_only_in_their_middle_stay_distinct() -> None:
    labels = plan_across(Band(tuple(f"category number {i} with a long name" for i in range(20))), 400.0)
    assert [tick.label for tick in labels.ticks] == [f"…{i}…" for i in range(20)]


def test_slanted_labels_do_not_stick_out_on_the_left() -> None:
    names = tuple(f"{i} is a rather long name" for i in range(15))
    area = frame(Axis("", Band(names)), Axis("", Linear(0, 1)), 300.0, 100.0)
    assert area.across.slanted
    for tick in area.across.ticks:
        assert area.px([tick.at])[0] >= text_width(tick.label, 12.0) * math.cos(math.radians(40)) - 5


def test_pixels_of_the_ends() -> None:
    area = frame(Axis("", Linear(0.0, 10.0)), Axis("", Linear(0.0, 1.0)), 400.0, 100.0)
    assert area.left < area.px([0.0])[0] < area.left + 10
    assert area.left + area.width - 10 < area.px([10.0])[0] < area.left + area.width
    assert area.py([1.0])[0] < area.py([0.0])[0]


@pytest.mark.parametrize("on_top", [True, False])
def test_the_strip_lies_outside_the_area(on_top: bool) -> None:
    area = frame(Axis("", Linear(0, 1)), Axis("loss", Linear(0, 1)), 400.0, 100.0, lane="failed", lane_on_top=on_top)
    assert area.lane is not None
    assert (area.lane < area.top) if on_top else (area.lane > area.top + area.height)
    assert frame(Axis("", Linear(0, 1)), Axis("loss", Linear(0, 1)), 400.0, 100.0).lane is None
