"""The options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

__all__ = ["DEFAULT_STORAGE", "Format", "FormatOption", "StorageOption", "StudyArgument"]

DEFAULT_STORAGE = "sqlite:///trimtab.db"


class Format(StrEnum):
    """How data are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


StorageOption = Annotated[
    str,
    typer.Option("--storage", metavar="URL", envvar="TRIMTAB_STORAGE", help="Where the studies are kept."),
]
FormatOption = Annotated[Format, typer.Option("-f", "--format", help="How to print.")]
StudyArgument = Annotated[
    str | None,
    typer.Argument(metavar="STUDY", help="The study's name; not needed where the storage holds a single one."),
]
