from __future__ import annotations

import math

import numpy as np

from trimtab.base.outcomes import EndReason
from trimtab.base.records import Report
from trimtab.report.marks import Kind
from trimtab.report.plots import curves, draw_curves
from trimtab.space import Float, Space
from trimtab.testing.histories import make_history

SPACE = Space(x=Float(0, 1))


def told(*ends: float | EndReason) -> list[tuple[dict[str, float], float | EndReason]]:
    return [({"x": 0.5}, end) for end in ends]


def test_curves_are_the_reports_by_step() -> None:
    history = make_history(SPACE, told(0.3, 0.1, EndReason.PRUNED)).with_curves(
        {
            0: (Report(2, {"value": 0.5}), Report(1, {"value": 0.9})),
            1: (Report(1, {"value": 0.7}), Report(1, {"value": 0.6})),
            2: (Report(1, {"value": 2.0}), Report(2, {"value": math.nan})),
        }
    )
    data = curves(history)
    assert data.metric == "value"
    assert [curve.trial for curve in data.curves] == [0, 1, 2]
    assert data.curves[0].steps.tolist() == [1.0, 2.0]
    assert data.curves[0].values.tolist() == [0.9, 0.5]
    assert data.curves[1].values.tolist() == [0.6]  # the last report of a step counts
    assert data.curves[2].values.tolist() == [2.0]  # what is not finite cannot be drawn
    assert [curve.share for curve in data.curves[:2]] == [0.0, 1.0]
    assert math.isnan(data.curves[2].share)
    assert data.curves[2].kind is Kind.PRUNED


def test_the_most_frequent_metric_stands_in_for_an_objective_that_was_not_reported() -> None:
    reports = (Report(1, {"train": 1.0, "validation": 2.0}), Report(2, {"validation": 1.5}))
    history = make_history(SPACE, told(0.3)).with_curves({0: reports})
    assert curves(history).metric == "validation"
    assert curves(history, "train").curves[0].values.tolist() == [1.0]
    assert curves(history, "absent").curves == ()


def test_long_curves_are_thinned_and_keep_their_ends() -> None:
    reports = tuple(Report(step, {"value": 1 / step}) for step in range(1, 5001))
    line = curves(make_history(SPACE, told(0.1)).with_curves({0: reports})).curves[0]
    assert len(line.steps) <= 80
    assert (line.steps[0], line.steps[-1]) == (1.0, 5000.0)


def test_many_curves_are_thinned_and_said() -> None:
    history = make_history(SPACE, told(*np.linspace(0, 1, 900).tolist()))
    history = history.with_curves({n: (Report(1, {"value": float(n)}),) for n in range(900)})
    data = curves(history)
    assert len(data.curves) == 200
    assert "200 of 900 curves are drawn." in draw_curves(data).caption
