"""Trials as a pandas DataFrame, with Optuna's column names. Needs the extra `pandas`."""

from __future__ import annotations

from typing import Any

import numpy as np

from trimtab.base.history import History
from trimtab.base.lazy import need
from trimtab.trust.race_records import own_attributes

__all__ = ["trials_dataframe"]


def trials_dataframe(history: History[Any]) -> Any:
    """A `pandas.DataFrame` with one row a trial.

    Columns: number, value (or values_<name> with several objectives), datetime_start and
    datetime_complete (UTC, without a zone, as in Optuna), duration, params_<name>, user_attrs_<name>,
    state. A parameter that is inactive in a trial, or a value that it does not have, is missing.

    Raises:
        MissingExtra: pandas is not installed.
    """
    pandas = need("pandas", "pandas", "trials_dataframe")
    trials = list(history)
    columns: dict[str, Any] = {"number": np.arange(len(trials))}
    single = len(history.objectives) == 1
    for index, objective in enumerate(history.objectives):
        columns["value" if single else f"values_{objective.name}"] = history.values[:, index]
    starts = pandas.to_datetime([trial.started for trial in trials], unit="s")
    ends = pandas.to_datetime([trial.ended for trial in trials], unit="s")
    columns |= {"datetime_start": starts, "datetime_complete": ends, "duration": ends - starts}
    columns |= _spread("params", [trial.params or {} for trial in trials])
    columns |= _spread("user_attrs", [own_attributes(trial.attributes) for trial in trials])
    columns["state"] = [trial.state.name for trial in trials]
    return pandas.DataFrame(columns)


def _spread(prefix: str, rows: list[Any]) -> dict[str, list[Any]]:
    """One column for each name in any row; None where a row lacks it."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {f"{prefix}_{name}": [row.get(name) for row in rows] for name in names}
