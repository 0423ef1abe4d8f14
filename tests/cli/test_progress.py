"""How a run stands, as a record and as lines."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from trimtab.base.history import History
from trimtab.base.outcomes import EndReason
from trimtab.base.records import Objective, Observation, Report
from trimtab.cli.progress import Progress, RunStart, draw, figures, plain_line, progress_of
from trimtab.space import Categorical, Float, Space
from trimtab.testing.histories import make_history

SPACE = Space(x=Float(0.0, 1.0))
Made = History[Space]


def history(*values: object, pending: int = 0, **more: object) -> Made:
    return make_history(SPACE, [({"x": 0.25}, v) for v in values], [{"x": 0.75}] * pending, **more)  # type: ignore


def drawn(progress: Progress, width: int = 80, now: float = 100.0) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, color_system=None, force_terminal=True)
    console.print(draw(progress, now, width))
    return out.getvalue()


def test_counts_rate_and_time_left() -> None:
    seen = history(0.5, 0.3, None, EndReason.PRUNED, pending=2)
    progress = progress_of(seen, RunStart(time=40.0, finished=1, total=10), now=100.0)
    assert (progress.finished, progress.failed, progress.pruned) == (4, 1, 1)
    assert progress.elapsed == 60.0
    assert progress.rate == pytest.approx(3.0)  # three trials of this run in one minute
    assert progress.left == pytest.approx(120.0)  # six more at that rate
    assert (progress.best_trial, progress.best) == (1, "0.3")
    assert [trial.number for trial in progress.running] == [4, 5]
    assert [trial.number for trial in progress.last] == [0, 1, 2, 3]


def test_the_time_limit_counts_where_it_comes_first() -> None:
    seen = history(0.5, 0.3)
    for deadline, left in ((130.0, 30.0), (1e6, 240.0), (50.0, 0.0)):
        start = RunStart(time=40.0, finished=0, total=10, deadline=deadline)
        assert progress_of(seen, start, now=100.0).left == pytest.approx(left)
    assert progress_of(seen, RunStart(40.0, 0), now=100.0).left is None


def test_before_anything_has_happened() -> None:
    progress = progress_of(history(), RunStart(100.0, 0, total=5), now=100.0)
    assert (progress.rate, progress.left, progress.best, progress.best_trial) == (None, None, "", None)
    assert figures(progress) == ["0 of 5 trials · no result yet", "0 ms gone"]
    assert "trial " not in drawn(progress).replace("trials", "")


def test_a_lost_trial_and_its_retry_count_once() -> None:
    first = history(EndReason.LEASE_LOST, 0.5)
    again = History(first.study, SPACE, [first.trial(0), first.trial(1).with_(retry_of=0)], seq=9)
    progress = progress_of(again, RunStart(0.0, 0, total=1), now=10.0)
    assert (progress.finished, progress.failed) == (1, 0)


def test_maximising_and_infeasible_trials_are_left_to_trust() -> None:
    broken = Observation(9.0, constraints={"size": 1.0})
    seen = history(1.0, broken, 3.0, 2.0, direction="maximize")
    assert progress_of(seen, RunStart(0.0, 0), now=10.0).best_trial == 2


def test_several_objectives_have_a_front_in_place_of_a_best() -> None:
    objectives = [Objective("error"), Objective("speed", "maximize")]
    told = [Observation({"error": e, "speed": s}) for e, s in ((0.1, 1.0), (0.2, 2.0), (0.3, 0.5))]
    seen = make_history(SPACE, [({"x": 0.5}, each) for each in told], objectives=objectives)
    progress = progress_of(seen, RunStart(0.0, 0), now=60.0)
    assert (progress.best, progress.best_trial) == ("2 trials on the Pareto front", None)
    assert figures(progress)[0] == "3 trials · best so far 2 trials on the Pareto front"
    assert "0.1 1" in drawn(progress)


def test_the_figures_in_words() -> None:
    progress = progress_of(history(0.5, 0.3, None, pending=1), RunStart(40.0, 1, total=10), now=100.0)
    assert figures(progress) == [
        "3 of 10 trials · 1 running · 1 failed · best so far 0.3 (trial 1)",
        "2 trials a minute · 1 min gone · about 3 min 30 s left",
    ]


@given(st.integers(20, 200), st.lists(st.floats(0, 10), max_size=12), st.integers(0, 9))
def test_what_is_drawn_fits_the_terminal(width: int, values: list[float], pending: int) -> None:
    progress = progress_of(history(*values, pending=pending), RunStart(0.0, 0, total=20), now=100.0)
    lines = drawn(progress, width).splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) <= 14  # of the 24 that a small terminal has


def test_running_trials_show_their_last_report() -> None:
    seen = history(0.5, pending=1).with_curves({1: (Report(3.0, {"value": 0.25}),)})
    assert "running   0.25 at 3  1 min 39 s  x 0.75" in drawn(progress_of(seen, RunStart(0.0, 0), now=100.0))


def test_plain_lines() -> None:
    start = RunStart(0.0, 0, total=4)
    seen = history(0.5, 0.3, None)
    progress = progress_of(seen, start, now=60.0)
    assert plain_line(seen.trial(0), progress) == "3 of 4: trial 0 complete 0.5 · best 0.3 (trial 1) · 1 s · x 0.25"
    assert plain_line(seen.trial(2), progress) == (
        "3 of 4: trial 2 fail (the objective raised an exception) · best 0.3 (trial 1) · 1 s · x 0.25"
    )
    alone = history(None)
    assert plain_line(alone.trial(0), progress_of(alone, RunStart(0.0, 0), now=60.0)) == (
        "1: trial 0 fail (the objective raised an exception) · 1 s · x 0.25"
    )


def test_names_and_choices_cannot_move_the_cursor() -> None:
    nasty = Space({"a\x1b[2J\n[red]": Categorical(["\x07[bold]b"])})
    seen = make_history(nasty, [({"a\x1b[2J\n[red]": "\x07[bold]b"}, 0.5)])
    progress = progress_of(seen, RunStart(0.0, 0), now=60.0)
    for text in (plain_line(seen.trial(0), progress), drawn(progress)):
        assert "\\x1b[2J [red] \\x07[bold]b" in text
        assert "\x1b[2J" not in text
        assert "\x07" not in text
