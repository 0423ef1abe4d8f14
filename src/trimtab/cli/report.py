"""`trimtab report`: a study as one self-contained page of HTML."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from trimtab.cli.options import DEFAULT_STORAGE, StorageOption, StudyArgument

__all__ = ["report"]


def report(
    study: StudyArgument = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="PATH", help="By default STUDY.html."),
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    storage: StorageOption = DEFAULT_STORAGE,
) -> None:
    """Write a study's report as one HTML file.

    The file needs no network: it opens from disk, and can be sent to somebody else as it is.
    """
    from trimtab.cli.opening import opened_study
    from trimtab.cli.screen import Screen
    from trimtab.report.files import write_text

    with opened_study(storage, study) as found:
        path = write_text(output or file_name(found.study_name), found.report(), "the report")
    Screen().say_written(path)
    if open_:
        typer.launch(path.as_uri())


def file_name(study_name: str) -> str:
    """A harmless file name for a study's report.

    >>> file_name("digits-demo"), file_name("../../etc/passwd"), file_name("日本")
    ('digits-demo.html', 'etc-passwd.html', '日本.html')
    """
    plain = re.sub(r"[^\w.-]+", "-", study_name).strip("-.")
    return f"{plain[:100] or 'study'}.html"
