from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest

from trimtab.base.errors import MissingExtra
from trimtab.base.history import History
from trimtab.base.outcomes import TrialState
from trimtab.base.records import FrozenTrial, Objective, Observation
from trimtab.report.frame import trials_dataframe
from trimtab.space import Float, Space
from trimtab.testing.histories import make_history


def test_columns_are_named_and_ordered_as_in_optuna(study: History[Space]) -> None:
    frame = trials_dataframe(study)
    names = list(frame.columns)
    assert names[:5] == ["number", "value", "datetime_start", "datetime_complete", "duration"]
    assert names[-1] == "state"
    assert all(name.startswith("params_") for name in names[5:-1])
    assert len(frame) == len(study)


def test_cells_are_the_trials_own(study: History[Space]) -> None:
    frame = trials_dataframe(study)
    np.testing.assert_array_equal(frame["value"].to_numpy(), study.values[:, 0])
    assert frame["duration"].iloc[0] == pd.Timedelta(seconds=7.5)
    assert frame["datetime_start"].iloc[1] == pd.Timestamp(1.7e9 + 5, unit="s")
    for place, trial in enumerate(study):
        assert trial.params is not None
        assert frame["params_lr"].iloc[place] == trial.params["lr"]
        if "optimizer.adam.beta2" not in trial.params:
            assert pd.isna(frame["params_optimizer.adam.beta2"].iloc[place])
        assert frame["state"].iloc[place] == trial.state.name


def test_several_objectives_and_user_attributes() -> None:
    objectives = [Objective("a"), Objective("b")]
    history = make_history(Space(x=Float(0, 1)), [({"x": 0.1}, Observation({"a": 1, "b": 2}))], objectives=objectives)
    marked = History(history.study, history.space, [history.trial(0).with_(attributes={"note": "good"})])
    frame = trials_dataframe(marked)
    assert frame["values_a"].tolist() == [1.0]
    assert frame["user_attrs_note"].tolist() == ["good"]


def test_a_study_without_trials_and_a_trial_without_anything() -> None:
    empty = make_history(Space(x=Float(0, 1)))
    assert len(trials_dataframe(empty)) == 0
    waiting = History(empty.study, empty.space, [FrozenTrial(0, TrialState.WAITING)])
    row = trials_dataframe(waiting).iloc[0]
    assert pd.isna(row["datetime_start"])
    assert pd.isna(row["value"])


def test_without_pandas_the_error_names_the_extra(study: History[Space], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(
        MissingExtra, match=r"trials_dataframe needs the package 'pandas'.*pip install 'trimtab\[pandas\]'"
    ):
        trials_dataframe(study)
