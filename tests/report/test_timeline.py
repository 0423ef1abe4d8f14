from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.base.history import History
from trimtab.base.outcomes import EndReason, TrialState
from trimtab.base.records import FrozenTrial, Objective, StudyRecord
from trimtab.report.marks import Kind
from trimtab.report.plots import draw_timeline, timeline
from trimtab.report.plots.timeline import pack
from trimtab.space import Space

times = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), max_size=40)


def study(*spans: tuple[float, float | None]) -> History[Space]:
    trials = [
        FrozenTrial(
            number,
            TrialState.RUNNING if end is None else TrialState.COMPLETE,
            params={},
            reason=None if end is None else EndReason.COMPLETED,
            started=start,
            ended=end,
            tuner="random",
        )
        for number, (start, end) in enumerate(spans)
    ]
    return History(StudyRecord("made", (Objective(),), 0), Space(), trials)


@given(times)
def test_no_two_trials_share_a_lane_at_one_time_and_lanes_are_as_few_as_ran_at_once(
    pairs: list[tuple[int, int]],
) -> None:
    spans = sorted((start, start + length) for start, length in pairs)
    starts, ends = (np.array([span[side] for span in spans], dtype=float) for side in (0, 1))
    lanes = pack(starts, ends)
    for i in range(len(spans)):
        for j in range(i):
            assert lanes[i] != lanes[j] or ends[j] <= starts[i]
    at_once = [sum(1 for s, e in spans if s <= moment < max(e, s + 1e-9)) for moment, _ in spans]
    assert len(set(lanes.tolist())) <= max(at_once, default=0)


def test_times_begin_at_the_first_start() -> None:
    data = timeline(study((1000.0, 1010.0), (1001.0, 1006.0), (1006.0, 1012.0)))
    assert data.starts.tolist() == [0.0, 1.0, 6.0]
    assert data.ends.tolist() == [10.0, 6.0, 12.0]
    assert data.lanes.tolist() == [0, 1, 1]
    assert data.pauses == ()


def test_a_night_is_cut_out_and_said() -> None:
    night = 9 * 3600.0
    data = timeline(study((0.0, 50.0), (50.0, 100.0), (100.0 + night, 200.0 + night)))
    assert len(data.pauses) == 1
    assert data.pauses[0].seconds == night
    assert data.pauses[0].at == 100.0
    assert data.ends.max() == pytest.approx(200.0 + 0.03 * 200.0)
    assert np.all(data.ends - data.starts == [50.0, 50.0, 100.0])
    assert "1 pause of 9 h in all" in draw_timeline(data).caption


def test_short_pauses_stay() -> None:
    data = timeline(study((0.0, 50.0), (54.0, 100.0)))
    assert data.pauses == ()
    assert data.starts[1] == 54.0


def test_a_running_trial_lasts_up_to_the_latest_time_known() -> None:
    data = timeline(study((0.0, 50.0), (10.0, None)))
    assert data.kinds[1] is Kind.RUNNING
    assert data.ends.tolist() == [50.0, 50.0]


def test_trials_that_did_not_run_here_are_left_out() -> None:
    history = study((0.0, 1.0))
    added = FrozenTrial(1, TrialState.COMPLETE, {}, started=5.0, ended=5.0, tuner="added")
    waiting = FrozenTrial(2, TrialState.WAITING, {})
    data = timeline(History(history.study, history.space, [*history, added, waiting]))
    assert data.numbers.tolist() == [0]


def test_an_end_before_its_start_counts_as_no_time() -> None:
    assert timeline(study((10.0, 5.0))).ends.tolist() == [0.0]
