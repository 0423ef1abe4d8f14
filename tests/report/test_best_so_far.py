from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from trimtab.base.history import History
from trimtab.base.records import Observation, Selection
from trimtab.report.plots import best_so_far, draw_best_so_far
from trimtab.space import Float, Space
from trimtab.testing.histories import make_history

SPACE = Space(x=Float(0, 1))


def told(*values: float | None) -> list[tuple[dict[str, float], float | None]]:
    return [({"x": 0.5}, value) for value in values]


@pytest.mark.parametrize(("direction", "steps"), [("minimize", [1, 3, 6]), ("maximize", [1, 2, 5])])
def test_the_steps_are_those_of_the_running_best(direction: str, steps: list[int]) -> None:
    history = make_history(SPACE, told(None, 3.0, 4.0, 2.0, math.nan, 5.0, 1.0), direction=direction)
    data = best_so_far(history)
    assert data.steps.tolist() == steps
    assert data.bests.tolist() == history.values[steps, 0].tolist()
    assert data.last == 6
    assert data.axis.worse_up is (direction == "minimize")


def test_an_infeasible_trial_is_shown_but_is_no_best() -> None:
    history = make_history(
        SPACE, [({"x": 0.1}, Observation(0.0, constraints={"size": 1.0})), ({"x": 0.2}, 1.0), ({"x": 0.3}, 2.0)]
    )
    data = best_so_far(history)
    assert data.steps.tolist() == [1]
    assert len(data.trials) == 3
    assert "infeasible" in draw_best_so_far(data).svg


def test_bests_are_kept_when_the_picture_is_thinned() -> None:
    values = np.random.default_rng(0).normal(size=5000)
    data = best_so_far(make_history(SPACE, told(*values.tolist())))
    assert set(data.steps.tolist()) <= set(data.trials.numbers.tolist())


def test_a_huge_loss_is_a_triangle_and_is_counted_on_the_plot() -> None:
    data = best_so_far(make_history(SPACE, told(*np.linspace(0.2, 0.4, 30).tolist(), 1e9)))
    svg = draw_best_so_far(data).svg
    assert data.axis.beyond == 1
    assert "1 point above" in svg
    assert svg.count('class="beyond"') == 2  # the mark and its sample in the legend


def test_failures_stand_in_a_strip_on_the_worse_side() -> None:
    for direction in ("minimize", "maximize"):
        svg = draw_best_so_far(best_so_far(make_history(SPACE, told(1.0, None, 2.0), direction=direction))).svg
        assert svg.count(">failed</text>") == 2  # the strip's name and the legend


def test_a_selection_is_drawn_beside_the_line(study: History[Space], pick: Callable[..., Selection]) -> None:
    chosen = pick(study, 8)
    figure = draw_best_so_far(best_so_far(study, selection=chosen))
    assert 'class="band"' in figure.svg
    assert 'class="estimate"' in figure.svg
    assert "95 % interval" in figure.caption
    plain = draw_best_so_far(best_so_far(study))
    assert 'class="band"' not in plain.svg
    assert "the best of many is a lucky one" in plain.caption
