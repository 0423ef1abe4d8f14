"""The edges of a run: what its arguments may be, and what its end raises."""

from __future__ import annotations

import os

from trimtab.base.errors import TrialError, check_count, message
from trimtab.study.loop import Finish

__all__ = ["raise_for", "slots_of"]


def slots_of(n_jobs: int, **counts: int | None) -> int:
    """How many trials run at once: `n_jobs`, or one per core for -1.

    Arguments:
        n_jobs: as the caller gave it.
        counts: the run's other numbers by name; each must be None or at least 1.

    Raises:
        InvalidArgument: one of them is not.
    """
    for what, number in counts.items():
        if number is not None:
            check_count(number, what)
    if n_jobs == -1:
        return os.cpu_count() or 1
    return check_count(n_jobs, "n_jobs", do="use -1 for one per core")


def raise_for(finish: Finish, study_name: str) -> None:
    """Raise what the caller of a run must see.

    Raises:
        KeyboardInterrupt: the run was interrupted.
        TrialError: an objective raised in another process something that could not be sent back.
        Exception: what an objective raised and nobody asked to catch.
    """
    if finish.error is not None:
        number, outcome = finish.error
        if outcome.error is not None:
            raise outcome.error
        raise TrialError(
            message(
                f"trial {number} of study {study_name!r} failed: {outcome.text}",
                do="correct the objective, or pass catch=Exception to go on after failures",
            )
        )
    if finish.why == "interrupted":
        raise KeyboardInterrupt
