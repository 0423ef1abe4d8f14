"""`trimtab studies`: every study of a storage."""

from __future__ import annotations

from trimtab.cli.options import DEFAULT_STORAGE, Format, FormatOption, StorageOption

__all__ = ["studies"]


def studies(storage: StorageOption = DEFAULT_STORAGE, format: FormatOption = Format.TABLE) -> None:
    """List the studies of a storage, oldest first."""
    from trimtab.cli.opening import histories, opened
    from trimtab.cli.screen import Screen, print_rows
    from trimtab.report.tables import study_row
    from trimtab.report.terminal import studies_table

    with opened(storage) as kept:
        rows = [study_row(history) for history in histories(kept)]
    if format is not Format.TABLE:
        print_rows(rows, format)
    elif rows:
        Screen().show(studies_table(rows))
    else:
        Screen().say(f"no study in {storage} yet; make one: trimtab run FILE.py, or trimtab demo")
