"""Failed trials as a few lines each: the error, the last lines of output, and an error that came before only once."""

from __future__ import annotations

from trimtab.base.records import FrozenTrial
from trimtab.report.terminal import plain

__all__ = ["FailureLog"]

_ERROR_LINES = 12
_OUTPUT_LINES = 5


class FailureLog:
    """Tells failures in full the first time and in one line when the same error comes again."""

    def __init__(self) -> None:
        self._first: dict[str, int] = {}

    def lines(self, trial: FrozenTrial, output: str) -> list[str]:
        """What to print about a failed trial.

        Arguments:
            trial: state FAIL.
            output: the last part of what it printed; may be empty.
        """
        text = plain(trial.text).strip().splitlines()
        reason = trial.reason.text if trial.reason is not None else "it failed"
        same = text[-1] if text else reason
        first = self._first.setdefault(same, trial.number)
        if first != trial.number:
            return [f"trial {trial.number} failed as trial {first} did: {same}"]
        lines = [f"trial {trial.number} failed: {reason}", *_indented(_tail(text, _ERROR_LINES))]
        printed = plain(output).strip().splitlines()
        if printed:
            lines += ["  its last output:", *_indented(_tail(printed, _OUTPUT_LINES), 4)]
        return lines


def _tail(lines: list[str], most: int) -> list[str]:
    """The last lines, with a mark where some are left out."""
    return lines if len(lines) <= most else ["...", *lines[-most:]]


def _indented(lines: list[str], blanks: int = 2) -> list[str]:
    return [" " * blanks + line for line in lines]
