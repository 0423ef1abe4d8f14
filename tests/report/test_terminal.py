from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from rich.console import Console, RenderableType

from trimtab.base.history import History
from trimtab.base.outcomes import EndReason, TrialState
from trimtab.base.records import FrozenTrial, Objective, Observation, Selection
from trimtab.report.tables import study_row
from trimtab.report.terminal import plain, selection_view, studies_table, trial_view, trials_table
from trimtab.space import Categorical, Float, Space
from trimtab.testing.histories import make_history


def shown(what: RenderableType, width: int = 160) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(what)
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def test_studies(study: History[Space]) -> None:
    text = shown(studies_table([study_row(study), study_row(make_history(Space(x=Float(0, 1)), name="empty"))]))
    lines = text.splitlines()
    assert lines[0].split()[:2] == ["study", "objective"]
    assert "digits" in lines[1]
    assert "minimize loss" in lines[1]
    assert "empty" in lines[2]


def test_trials_with_the_params_that_fit(study: History[Space]) -> None:
    text = shown(trials_table(study, [0, 4, 6], most_params=2), 200)
    assert "fail (error)" in text
    assert "fail (diverged)" in text
    assert "lr" in text.splitlines()[0]
    assert "batch_size 64" in text or "batch_size" in text
    assert len(text.splitlines()) == 4


def test_one_trial_in_full(study: History[Space]) -> None:
    text = shown(trial_view(study.trial(4)))
    assert "trial 4" in text
    assert "the objective raised an exception" in text
    assert "ValueError: Solver produced non-finite parameter weights at iteration 4." in text
    assert repr((study.trial(4).params or {})["lr"]) in text
    observed = FrozenTrial(
        0, TrialState.COMPLETE, {}, Observation(0.5, stderr=0.01), EndReason.COMPLETED, attributes={"k": 1}
    )
    assert "0.5 ± 0.01" in shown(trial_view(observed))
    assert "attribute k" in shown(trial_view(observed))


def test_a_selection_says_what_it_does_not_cover(study: History[Space], pick: Callable[..., Selection]) -> None:
    text = shown(selection_view(pick(study, 8, (2, 5))))
    assert "95 % interval" in text
    assert "not told apart from 2 other trials" in text
    assert "The interval covers the noise of one evaluation." in text
    alone = shown(selection_view(pick(study, 8)))
    assert "alone at the top" in alone


def test_names_are_neither_markup_nor_control_sequences() -> None:
    evil = "[red]x[/red]\x1b[2J\x07\u202e"
    space = Space({evil: Categorical([evil, "b"])})
    told = [({evil: evil}, Observation({evil: 1.0})), ({evil: "b"}, None)]
    history = make_history(space, told, objectives=[Objective(evil)], name=evil)
    parts = [
        studies_table([study_row(history)]),
        trials_table(history),
        trial_view(history.trial(0).with_(text=evil, why=evil, tuner=evil, attributes={evil: evil})),
        selection_view(Selection(0, {evil: evil}, Objective(evil), 1.0, None, (0,), evil, (evil,), 1.0)),
    ]
    for part in parts:
        text = shown(part, 300)
        assert "\x1b" not in text
        assert "\x07" not in text
        assert "\u202e" not in text
        assert "[red]x" in text


@pytest.mark.parametrize("text", ["é", "日本語", "a b"])
def test_other_scripts_are_left_alone(text: str) -> None:
    assert plain(text) == text
