"""Rich renderables of studies, trials and selections, for the command line. Rich loads with this file.

Texts of a study are shown as they are and never read as Rich markup; control characters, which could
move the cursor or recolour a terminal, are shown by their escapes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from trimtab.base.history import History
from trimtab.base.outcomes import TrialState
from trimtab.base.records import FrozenTrial, Params, Selection
from trimtab.report.tables import Row
from trimtab.report.wording import count, duration, moment, number, one_line, param, percent, shorten, with_interval
from trimtab.trust.race_records import own_attributes, raced_blocks

__all__ = ["plain", "selection_view", "studies_table", "trial_view", "trials_table"]

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_STYLES = {
    TrialState.COMPLETE: "green",
    TrialState.PRUNED: "magenta",
    TrialState.FAIL: "red",
    TrialState.RUNNING: "cyan",
    TrialState.WAITING: "dim",
}


def plain(text: str, most: int = 0) -> str:
    r"""A text without control characters, on one line and shortened where `most` is given.

    >>> plain("a\x1b[31mred")
    'a\\x1b[31mred'
    """
    clean = _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)
    return shorten(one_line(clean), most) if most else clean


def _cell(text: str, most: int = 40, style: str = "") -> Text:
    """A table's cell."""
    return Text(plain(text, most), style=style)


def studies_table(rows: Iterable[Row]) -> Table:
    """Studies, one a line, from `tables.study_row`."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("study", "objective", "trials", "complete", "best observed", "tuner", "created"):
        table.add_column(name, justify="right" if name in ("trials", "complete", "best observed") else "left")
    for row in rows:
        objectives = ", ".join(f"{each['direction']} {each['name']}" for each in row["objectives"])
        best = row["best_observed"]
        table.add_row(
            _cell(row["study_name"], 48, "bold"),
            _cell(objectives),
            f"{row['n_trials']:,}",
            f"{row['states']['COMPLETE']:,}",
            "" if best is None else number(best),
            _cell(row["tuner"]),
            moment(row["created"]) if row["created"] else "",
        )
    return table


def trials_table(history: History[Any], numbers: Sequence[int] | None = None, most_params: int = 6) -> Table:
    """Trials, one a line.

    Arguments:
        history: the study.
        numbers: which, in which order; by default all.
        most_params: parameters with a column of their own; the others stand together in the last one.
    """
    trials = [history.trial(int(n)) for n in (range(len(history)) if numbers is None else numbers)]
    names = list(dict.fromkeys(name for trial in trials for name in trial.params or {}))
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("trial", justify="right")
    table.add_column("state")
    for objective in history.objectives:
        table.add_column(_cell(objective.name, 20), justify="right")
    table.add_column("took", justify="right")
    for name in names[:most_params]:
        table.add_column(_cell(name, 20), justify="right", overflow="ellipsis")
    if len(names) > most_params:
        table.add_column("more", no_wrap=True, overflow="ellipsis")
    for trial in trials:
        table.add_row(*_trial_cells(trial, history, names, most_params))
    return table


def _trial_cells(trial: FrozenTrial, history: History[Any], names: list[str], most: int) -> list[Text]:
    """One trial's cells."""
    params = trial.params or {}
    values = [trial.values.get(objective.name) for objective in history.objectives]
    cells = [
        Text(str(trial.number)),
        _state(trial),
        *(_cell("" if value is None else number(value)) for value in values),
        _cell("" if trial.duration is None else duration(trial.duration)),
        *(_cell(param(params[name]) if name in params else "", 20) for name in names[:most]),
    ]
    if len(names) > most:
        rest = ", ".join(f"{name} {param(params[name])}" for name in names[most:] if name in params)
        cells.append(_cell(rest, 60, "dim"))
    return cells


def _state(trial: FrozenTrial) -> Text:
    """A trial's state, and why it failed."""
    why = f" ({trial.reason.value})" if trial.state is TrialState.FAIL and trial.reason is not None else ""
    return Text(f"{trial.state.name.lower()}{why}", style=_STYLES[trial.state])


def trial_view(trial: FrozenTrial) -> RenderableType:
    """Everything about one trial."""
    facts: list[tuple[str, Text]] = [("state", _state(trial))]
    if trial.reason is not None:
        facts.append(("end", Text(trial.reason.text)))
    errors = {} if trial.observation is None else trial.observation.stderr or {}
    for name, value in trial.values.items():
        spread = f" ± {number(errors[name], 2)}" if name in errors else ""
        facts.append((name, Text(f"{number(value, 6)}{spread}", style="bold")))
    if trial.duration is not None:
        facts.append(("took", Text(duration(trial.duration))))
    if trial.tuner:
        facts.append(("proposed by", _cell(f"{trial.tuner}: {trial.why}" if trial.why else trial.tuner, 200)))
    for race, blocks in raced_blocks(trial.attributes).items():
        facts.append((f"race {race}", Text(f"evaluated again on {count(blocks, 'block')}")))
    facts.extend(
        (f"attribute {name}", _cell(str(value), 200)) for name, value in own_attributes(trial.attributes).items()
    )
    parts: list[RenderableType] = [Text(f"trial {trial.number}", style="bold"), _pairs(facts)]
    if trial.params:
        parts += [Text("\nparams", style="bold"), _params(trial.params)]
    if trial.text:
        parts += [Text("\nerror", style="bold red"), Padding(Text(plain(trial.text.rstrip())), (0, 0, 0, 2))]
    return Group(*parts)


def _pairs(facts: Iterable[tuple[str, Text]]) -> Table:
    """Names beside values, without a border."""
    grid = Table.grid(padding=(0, 2))
    for name, value in facts:
        grid.add_row(Text(f"  {plain(name, 40)}", style="dim"), value)
    return grid


def _params(params: Params) -> Table:
    """A configuration, exact."""
    return _pairs((name, Text(plain(repr(value), 200))) for name, value in params.items())


def selection_view(selection: Selection) -> RenderableType:
    """An honest best: what to take, what to expect, and what the numbers do not cover."""
    estimate, span = with_interval(selection.estimate, selection.interval)
    head = Text.assemble((f"trial {selection.trial}", "bold"), f"  {plain(selection.objective.name, 40)} ")
    head.append(estimate, style="bold green")
    if selection.interval is not None:
        head.append(f"  {percent(selection.interval.level)} interval {span}")
    facts = [
        ("observed", Text(f"{number(selection.observed, 6)}; {selection.standing}")),
        *([("luck", Text(selection.luck))] if selection.luck else []),
        ("method", Text(plain(selection.method))),
        *(("note", Text(plain(caveat))) for caveat in selection.caveats),
    ]
    return Group(head, _pairs(facts), Text("\nparams", style="bold"), _params(selection.params))
