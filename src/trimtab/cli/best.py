"""`trimtab best`: which trial to take, and what can be trusted of its value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.base.errors import InvalidArgument, message
from trimtab.cli.options import DEFAULT_STORAGE, Format, FormatOption, StorageOption, StudyArgument

if TYPE_CHECKING:
    from trimtab.base.records import Selection
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
    region: Annotated[
        bool, typer.Option("--region", help="Say where the optimum lies by a surrogate; takes some seconds.")
    ] = False,
    default: Annotated[
        int | None,
        typer.Option(
            metavar="TRIAL",
            help="The trial that ran the default configuration, to say whether tuning helped; by default the first "
            "that ran the space's.",
        ),
    ] = None,
    method: Annotated[
        str,
        typer.Option(help="What to select by: auto, holdout, race, losses, stderr, surrogate, values, ..."),
    ] = "auto",
    level: Annotated[float, typer.Option(help="Of the interval and the tie set.")] = 0.95,
    interval: Annotated[str, typer.Option(help="auto, hybrid or simultaneous.")] = "auto",
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
        if objective is None and len(found.directions) > 1:
            if certify or region or default is not None:
                raise _nothing_to_select(found)
            if format is Format.TABLE:
                conclude(found, Screen())
            else:
                print_rows(trial_rows(found.history, [trial.number for trial in found.best_trials]), format)
            return
        selection = found.select(
            objective=objective,
            method=method,
            level=level,
            default=default,
            certify=certify,
            interval=interval,
            region=region,
        )
        if format is Format.TABLE:
            conclude(found, Screen(), objective, selection)
        elif format is Format.JSON:
            print_json(_row(found, selection))
        else:
            print_rows([_flat(_row(found, selection))], format)


def _nothing_to_select(study: Study) -> InvalidArgument:
    """A set of trials has no certificate, no region and no default to be compared with."""
    names = ", ".join(study.directions)
    return InvalidArgument(
        message(f"study {study.study_name!r} has several objectives", allowed=names, do="name one with --objective")
    )


def _row(study: Study, selection: Selection) -> Row:
    """The selection, and beside it the plain best where the study has one."""
    from trimtab.report.tables import selection_row

    row = selection_row(selection)
    if len(study.directions) == 1:
        row["observed_best"] = {"trial": study.best_trial.number, "value": study.best_value}
    return row


def _flat(row: Row) -> Row:
    """The row with a column for every parameter."""
    flat = {name: value for name, value in row.items() if name != "params"}
    return {**flat, **{f"params_{name}": value for name, value in row["params"].items()}}
