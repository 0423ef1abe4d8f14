"""`trimtab export`: a study as data for other programs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from trimtab.cli.options import DEFAULT_STORAGE, StorageOption, StudyArgument

__all__ = ["export"]


class ExportFormat(StrEnum):
    """How a study is written."""

    JSON = "json"
    CSV = "csv"


def export(
    study: StudyArgument = None,
    format: Annotated[
        ExportFormat,
        typer.Option("-f", "--format", help="json: everything, curves included; csv: the trials, one a line."),
    ] = ExportFormat.JSON,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="PATH", help="A file; by default the standard output.")
    ] = None,
    storage: StorageOption = DEFAULT_STORAGE,
) -> None:
    """Write a study as JSON or CSV. Numbers are exact; nothing is rounded."""
    from trimtab.cli.opening import opened_study
    from trimtab.cli.screen import Screen
    from trimtab.report.export import study_to_json, trials_to_csv
    from trimtab.report.files import write_text

    with opened_study(storage, study) as found:
        text = trials_to_csv(found.history) if format is ExportFormat.CSV else study_to_json(found.history)
    if not text.endswith("\n"):
        text += "\n"
    if output is None:
        typer.echo(text, nl=False)
    else:
        Screen().say_written(write_text(output, text, "the export"))
