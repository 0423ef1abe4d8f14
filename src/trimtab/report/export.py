"""A study as JSON or CSV text.

JSON is exact: every float reads back as the same float, and nothing is left out but per-example losses.

CSV is for spreadsheets. Its numbers are exact too (`repr`). A *text* that begins with `=`, `+`, `-`, `@`
or a tab is written with an apostrophe before it: spreadsheets run such cells as formulas, and names,
choices and error texts may come from anywhere (CWE-1236). Line ends inside a text become line feeds.
Whoever needs those texts exactly reads the JSON.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable
from typing import Any

from trimtab.base.history import History
from trimtab.base.records import FrozenTrial, Json
from trimtab.report.tables import Row, numbers_json, trial_row

__all__ = ["rows_to_csv", "study_to_json", "trials_to_csv"]

_LINE_END = re.compile(r"\r\n?")
_FORMULA = ("=", "+", "-", "@", "\t")


def study_to_json(history: History[Any], indent: int | None = 2) -> str:
    """The whole study: its record, and every trial with its curve where curves were read.

    Arguments:
        history: the study.
        indent: spaces for each level; None for one line.
    """
    trials = [_with_reports(trial) for trial in history]
    document = {"format": "trimtab study", "version": 1, "study": history.study.to_json(), "trials": trials}
    return json.dumps(document, allow_nan=False, indent=indent)


def _with_reports(trial: FrozenTrial) -> Row:
    """A trial's row with its curve."""
    row = trial_row(trial)
    row["reports"] = [{"step": r.step, "metrics": numbers_json(r.metrics), "time": r.time} for r in trial.reports]
    return row


def trials_to_csv(history: History[Any]) -> str:
    """The trials, one a line, with columns named as in `frame.trials_dataframe` and a few more."""
    single = len(history.objectives) == 1
    return rows_to_csv(_flat(trial, single) for trial in history)


def _flat(trial: FrozenTrial, single: bool) -> Row:
    """A trial as one level of cells."""
    row = trial_row(trial)
    flat: Row = {"number": row["number"], "state": row["state"], "reason": row["reason"]}
    for name, value in row["values"].items():
        flat["value" if single else f"values_{name}"] = value
    for name, value in (row["params"] or {}).items():
        flat[f"params_{name}"] = value
    flat.update({name: row[name] for name in ("started", "ended", "duration", "tuner", "why", "text")})
    flat.update({f"user_attrs_{name}": value for name, value in row["user_attrs"].items()})
    return flat


def rows_to_csv(rows: Iterable[Row]) -> str:
    """Rows as CSV (RFC 4180, lines ended by a line feed); the header has every column of any row.

    Columns stand in order of first appearance, those of one kind ("params_", "user_attrs_") together.
    """
    items = list(rows)
    seen = dict.fromkeys(name for row in items for name in row)
    first = {group: place for place, group in reversed(list(enumerate(map(_group, seen))))}
    names = sorted(seen, key=lambda name: first[_group(name)])
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([_text(name) for name in names])
    writer.writerows([_cell(row.get(name)) for name in names] for row in items)
    return out.getvalue()


def _group(name: str) -> str:
    """The kind of a column: its prefix, or itself."""
    return next((prefix for prefix in ("params_", "user_attrs_", "values_") if name.startswith(prefix)), name)


def _cell(value: Json) -> str:
    """One cell: nothing for None, numbers by their repr, texts made safe, everything else as JSON."""
    if value is None:
        return ""
    if isinstance(value, bool | int | float):
        return repr(value)
    return _text(value if isinstance(value, str) else json.dumps(value))


def _text(text: str) -> str:
    """A text that no spreadsheet takes for a formula, and that UTF-8 can carry."""
    clean = _LINE_END.sub("\n", text).replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    return f"'{clean}" if clean.startswith(_FORMULA) else clean
