"""`trimtab best`: which trial to take, and what can be trusted of its value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.base.errors import InvalidArgument, message
from trimtab.cli.options import DEFAULT_STORAGE, Format, FormatOption, StorageOption, StudyArgument

if TYPE_CHECKING:
    from trimtab.report.tables import Row
    from trimtab.study import Study

__all__ = ["best"]


def best(
    study: StudyArgument = None,
    objective: Annotated[
        str | None, typer.Option(metavar="NAME", help="On which objective to select, where there are several.")
    ] = None,
    certify: Annotated[
        bool,
        typer.Option("--certify", help="Compare with the certified optimum of a surrogate; takes up to ten seconds."),
    ] = False,
    storage: StorageOption = DEFAULT_STORAGE,
    format: FormatOption = Format.TABLE,
) -> None:
    """Show which trial to take, and what to expect of it.

    The estimate comes with its interval, its method, and what it does not cover. With several objectives
    and none named, the trials that no other trial beats in all of them.
    """
    from trimtab.cli.opening import opened_study
    from trimtab.cli.running import conclude
    from trimtab.cli.screen import Screen, print_json, print_rows
    from trimtab.report.tables import trial_rows

    with opened_study(storage, study) as found:
        if certify and objective is None and len(found.directions) > 1:
            raise _nothing_to_certify(found)
        if format is Format.TABLE:
            conclude(found, Screen(), objective, certify)
        elif objective is None and len(found.directions) > 1:
            print_rows(trial_rows(found.history, [trial.number for trial in found.best_trials]), format)
        elif format is Format.JSON:
            print_json(_row(found, objective, certify))
        else:
            print_rows([_flat(_row(found, objective, certify))], format)


def _nothing_to_certify(study: Study) -> InvalidArgument:
    """A set of trials has no certificate."""
    names = ", ".join(study.directions)
    return InvalidArgument(
        message(f"study {study.study_name!r} has several objectives", allowed=names, do="name one with --objective")
    )


def _row(study: Study, objective: str | None, certify: bool) -> Row:
    """The selection, and beside it the plain best where the study has one."""
    from trimtab.report.tables import selection_row

    row = selection_row(study.select(objective=objective, certify=certify))
    if len(study.directions) == 1:
        row["observed_best"] = {"trial": study.best_trial.number, "value": study.best_value}
    return row


def _flat(row: Row) -> Row:
    """The row with a column for every parameter."""
    flat = {name: value for name, value in row.items() if name != "params"}
    return {**flat, **{f"params_{name}": value for name, value in row["params"].items()}}
