from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import pairwise

import numpy as np
import pytest

from trimtab.base.history import History
from trimtab.base.records import Objective, Observation
from trimtab.report.plots import draw_pareto_front, pareto_front
from trimtab.space import Float, Space
from trimtab.testing.histories import make_history

SPACE = Space(x=Float(0, 1))
TWO = [Objective("loss"), Objective("speed", "maximize")]


def study(points: list[tuple[float, ...]], objectives: list[Objective] | None = None) -> History[Space]:
    names = [objective.name for objective in objectives or TWO]
    told = [({"x": 0.5}, Observation(dict(zip(names, point, strict=True)))) for point in points]
    return make_history(SPACE, told, objectives=objectives or TWO)


def test_the_front_is_what_no_trial_beats() -> None:
    data = pareto_front(study([(1.0, 1.0), (2.0, 3.0), (3.0, 2.0), (0.5, 0.5), (2.5, 2.9)]))
    assert data.trials.numbers[data.front].tolist() == [0, 1, 3]
    assert data.size == 3
    assert data.axes[0].worse_up
    assert not data.axes[1].worse_up


def test_the_staircase_never_enters_what_lies_before_the_front() -> None:
    points = np.random.default_rng(0).random((60, 2)).tolist()
    data = pareto_front(study([tuple(point) for point in points]))
    svg = draw_pareto_front(data).at(800.0)
    stairs = next(e for e in ET.fromstring(svg).iter() if e.get("class") == "best")
    corners = [tuple(map(float, part.split())) for part in stairs.get("d", "")[1:].split("L")]
    for (x0, y0), (x1, y1) in pairwise(corners):
        assert x0 == x1 or y0 == y1
        assert x1 >= x0
        assert y1 <= y0  # speed grows upwards as loss grows


def test_three_objectives_make_three_panels() -> None:
    objectives = [Objective("a"), Objective("b"), Objective("c")]
    points = [tuple(point) for point in np.random.default_rng(1).random((30, 3)).tolist()]
    svg = draw_pareto_front(pareto_front(study(points, objectives))).svg
    assert svg.count("a (minimize)") == 1 + 2  # the description and two panels
    assert 'class="best"' not in svg


def test_a_study_of_several_objectives_without_trials() -> None:
    assert pareto_front(study([])).size == 0
    assert ET.fromstring(draw_pareto_front(pareto_front(study([]))).svg) is not None


@pytest.mark.parametrize("huge", [1e12])
def test_one_huge_loss_is_cut(huge: float) -> None:
    points = [(0.1 * n, 1.0 + 0.1 * n) for n in range(20)] + [(huge, 0.5)]
    assert pareto_front(study(points)).axes[0].beyond == 1
