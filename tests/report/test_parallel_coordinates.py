from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np

from trimtab.base.history import History
from trimtab.base.outcomes import TrialState
from trimtab.report.figure import WIDE
from trimtab.report.plots import draw_parallel_coordinates, parallel_coordinates
from trimtab.space import Choice, Float, Space
from trimtab.testing.histories import make_history

SVG = "{http://www.w3.org/2000/svg}"


def test_only_complete_trials_are_lines(study: History[Space]) -> None:
    data = parallel_coordinates(study)
    assert all(study.states[number] == TrialState.COMPLETE for number in data.trials.numbers)
    assert np.nanmax(data.shares) == 1.0


def test_a_line_crosses_each_axis_at_its_value_and_skips_what_is_inactive() -> None:
    space = Space(x=Float(0, 1), opt=Choice({"adam": Space(beta=Float(0, 1)), "sgd": None}))
    told = [
        ({"x": 0.0, "opt": "adam", "opt.adam.beta": 0.5}, 0.0),
        ({"x": 1.0, "opt": "sgd"}, 1.0),
        ({"x": 0.5, "opt": "sgd"}, 0.5),
    ]
    data = parallel_coordinates(make_history(space, told))
    root = ET.fromstring(draw_parallel_coordinates(data).at(WIDE))
    lines = {int(e.get("data-trial", "")): e for e in root.iter(f"{SVG}path") if e.get("data-x")}
    crossings = {n: line.get("data-x", "").split() for n, line in lines.items()}
    place = 1 + [variable.name for variable in data.variables].index("x")
    left, right, middle = (float(crossings[n][place]) for n in (0, 1, 2))
    assert left < middle < right
    assert abs(middle - (left + right) / 2) <= 1.0
    assert crossings[1].count("-") == 1
    assert crossings[0].count("-") == 0
    assert len(re.findall(r"[ML]", lines[1].get("d", ""))) == 3
    assert len(re.findall(r"[ML]", lines[0].get("d", ""))) == 4


def test_better_lines_are_drawn_over_worse_ones(study: History[Space]) -> None:
    data = parallel_coordinates(study)
    root = ET.fromstring(draw_parallel_coordinates(data).at(WIDE))
    drawn = [int(e.get("data-trial", "")) for e in root.iter(f"{SVG}path") if e.get("data-x")]
    values = study.values[drawn, 0]
    assert np.all(np.diff(values) <= 0)


def test_at_most_nine_parameters_get_an_axis() -> None:
    space = Space({f"p{place}": Float(0, 1) for place in range(12)})
    rng = np.random.default_rng(0)
    told = [(params, rng.normal()) for params in space.sample(rng, 20)]
    data = parallel_coordinates(make_history(space, told))
    assert len(data.variables) == 9
    assert "3 parameters with less effect" in draw_parallel_coordinates(data).caption
