"""`trimtab show`: a study with its trials, or one trial with everything that is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.base.errors import UnknownName, message
from trimtab.base.outcomes import TrialState
from trimtab.cli.options import DEFAULT_STORAGE, Format, FormatOption, StorageOption, StudyArgument

if TYPE_CHECKING:
    from rich.console import RenderableType

    from trimtab.base.history import History
    from trimtab.base.records import FrozenTrial, Report
    from trimtab.report.tables import Row
    from trimtab.space import Space
    from trimtab.study import Study

__all__ = ["show"]

_LAST = 20
_MOST_REPORTS = 12


def show(
    study: StudyArgument = None,
    trial: Annotated[int | None, typer.Argument(metavar="TRIAL", help="A trial's number.", min=0)] = None,
    state: Annotated[
        list[str] | None, typer.Option(metavar="STATE", help="Only trials in this state; may be given several times.")
    ] = None,
    last: Annotated[
        int | None, typer.Option(min=1, metavar="N", help=f"Only the last N trials; in a table {_LAST} by default.")
    ] = None,
    storage: StorageOption = DEFAULT_STORAGE,
    format: FormatOption = Format.TABLE,
) -> None:
    """Show a study and its trials, or one trial.

    Of one trial: its params, its reports, why it was proposed, its error and the end of its output.
    """
    from trimtab.api import load_study
    from trimtab.cli.opening import opened, pick_study

    states = _states(state or [])
    with opened(storage) as kept:
        names = [record.name for record in kept.studies()]
        if trial is None and study is not None and len(names) == 1 and study not in names and study.isdecimal():
            trial, study = int(study), None  # `trimtab show 3`: a trial of the only study
        found = load_study(pick_study(names, study), kept)
        if trial is None:
            _show_study(found, states, last, format)
        else:
            _show_trial(found, trial, format)


def _states(names: list[str]) -> tuple[TrialState, ...]:
    """The states of those names; all where none is given."""
    known = {state.name: state for state in TrialState}
    for name in names:
        if name.upper() not in known:
            raise UnknownName(message("there is no such state of a trial", got=name, allowed=", ".join(known).lower()))
    return tuple(known[name.upper()] for name in names) or tuple(TrialState)


def _show_study(study: Study, states: tuple[TrialState, ...], last: int | None, format: Format) -> None:
    """The study as a whole, and its trials."""
    from trimtab.cli.screen import Screen, print_json, print_rows
    from trimtab.report.tables import study_row, trial_rows
    from trimtab.report.terminal import studies_table, trials_table

    history = study.history
    numbers = [int(number) for number in history.numbers(*states)]
    if format is Format.JSON:
        print_json({"study": study_row(history), "trials": trial_rows(history, numbers[-(last or 0) :])})
        return
    if format is Format.CSV:
        print_rows(trial_rows(history, numbers[-(last or 0) :]), format)
        return
    screen = Screen()
    screen.show(studies_table([study_row(history)]))
    for line in _facts(history):
        screen.say(line, style="dim")
    shown = numbers[-(last or _LAST) :]
    if shown:
        screen.say()
        screen.show(trials_table(history, shown))
    if len(shown) < len(numbers):
        screen.say(f"the last {len(shown)} of {len(numbers)} trials; --last {len(numbers)} shows all", style="dim")


def _facts(history: History[Space]) -> list[str]:
    """What there is to say of a study beside its row."""
    from trimtab.report.tables import state_counts
    from trimtab.report.terminal import plain
    from trimtab.trust.holdout import HoldoutInUse, SealedSplit

    states = ", ".join(f"{how_many} {name.lower()}" for name, how_many in state_counts(history).items() if how_many)
    facts = [f"trials: {states or 'none yet'}; seed {history.study.seed}"]
    facts.extend(plain(f"note: {note}", 500) for note in history.study.notes)
    if (holdout := HoldoutInUse.of(history.study)) is not None:
        facts.append(plain(f"holdout: {holdout.words}", 1000))
    if history.study.sealed is not None:
        facts.append(f"{SealedSplit.from_json(history.study.sealed)}")
    if history.study.stopped:
        facts.append(plain(f"ended: {history.study.stopped}", 500))
    return facts


def _show_trial(study: Study, number: int, format: Format) -> None:
    """One trial."""
    from trimtab.cli.screen import Screen, print_json, print_rows

    trials = study.trials
    if number >= len(trials):
        raise UnknownName(
            message(
                f"study {study.study_name!r} has no trial {number}",
                allowed=f"0 to {len(trials) - 1}" if trials else "none yet",
                do=f"trimtab show {study.study_name}",
            )
        )
    trial, output = trials[number], study.output(number)
    if format is Format.TABLE:
        screen = Screen()
        for part in _trial_parts(trial, output):
            screen.show(part)
    elif format is Format.JSON:
        print_json(_trial_json(trial, output))
    else:
        print_rows([_trial_json(trial, output)], format)


def _trial_json(trial: FrozenTrial, output: str) -> Row:
    """One trial with its curve and what it printed."""
    from trimtab.report.tables import numbers_json, trial_row

    curve = [{"step": r.step, "metrics": numbers_json(r.metrics), "time": r.time} for r in trial.reports]
    return {**trial_row(trial), "reports": curve, "output": output}


def _trial_parts(trial: FrozenTrial, output: str) -> list[RenderableType]:
    """One trial for people."""
    from rich.text import Text

    from trimtab.report.terminal import plain, trial_view

    parts: list[RenderableType] = [trial_view(trial)]
    if trial.reports:
        places = _spread(len(trial.reports), _MOST_REPORTS)
        note = f" ({len(places)} of {len(trial.reports)})" if len(places) < len(trial.reports) else ""
        parts += [Text(f"\nreports{note}", style="bold"), _curve([trial.reports[place] for place in places])]
    if output.strip():
        lines = plain(output).strip().splitlines()
        parts += [Text("\noutput", style="bold"), Text("\n".join(f"  {line}" for line in lines))]
    return parts


def _spread(count: int, most: int) -> list[int]:
    """At most `most` places of 0 ... count - 1, evenly spread, the first and the last among them.

    >>> _spread(3, 12), _spread(100, 4)
    ([0, 1, 2], [0, 33, 66, 99])
    """
    return sorted({round((count - 1) * step / (most - 1)) for step in range(most)})


def _curve(reports: Sequence[Report]) -> RenderableType:
    """Reports as a table."""
    from rich.table import Table
    from rich.text import Text

    from trimtab.report.terminal import plain
    from trimtab.report.wording import number

    names = list(dict.fromkeys(name for report in reports for name in report.metrics))
    table = Table(box=None, padding=(0, 0, 0, 2), header_style="dim")
    for name in ("step", *names):
        table.add_column(Text(plain(name, 24)), justify="right")
    for report in reports:
        cells = [number(report.metrics[name]) if name in report.metrics else "" for name in names]
        table.add_row(number(report.step), *cells)
    return table
