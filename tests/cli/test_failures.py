"""How failed trials are told."""

from __future__ import annotations

from trimtab.base.outcomes import EndReason, TrialState
from trimtab.base.records import FrozenTrial
from trimtab.cli.failures import FailureLog


def failed(number: int, text: str, reason: EndReason = EndReason.ERROR) -> FrozenTrial:
    return FrozenTrial(number, TrialState.FAIL, reason=reason, text=text)


def test_the_error_and_the_end_of_the_output() -> None:
    text = "Traceback (most recent call last):\n  line 3\nValueError: bad"
    output = "".join(f"epoch {number}\n" for number in range(9))
    assert FailureLog().lines(failed(4, text), output) == [
        "trial 4 failed: the objective raised an exception",
        "  Traceback (most recent call last):",
        "    line 3",
        "  ValueError: bad",
        "  its last output:",
        "    ...",
        *(f"    epoch {number}" for number in range(4, 9)),
    ]


def test_the_same_error_again_is_one_line() -> None:
    log = FailureLog()
    log.lines(failed(0, "a\nValueError: bad"), "")
    assert log.lines(failed(3, "b\nValueError: bad"), "more") == ["trial 3 failed as trial 0 did: ValueError: bad"]
    assert log.lines(failed(5, "a\nValueError: worse"), "")[0] == "trial 5 failed: the objective raised an exception"


def test_a_long_traceback_is_cut_at_its_beginning() -> None:
    lines = FailureLog().lines(failed(0, "\n".join(map(str, range(50)))), "")
    assert lines[1:3] == ["  ...", "  38"]
    assert lines[-1] == "  49"


def test_a_reason_stands_for_a_missing_text() -> None:
    assert FailureLog().lines(failed(1, "", EndReason.KILLED), "") == ["trial 1 failed: the worker process died"]


def test_control_characters_are_shown_not_obeyed() -> None:
    assert FailureLog().lines(failed(1, "\x1b[2Jgone"), "\x07") == [
        "trial 1 failed: the objective raised an exception",
        "  \\x1b[2Jgone",
        "  its last output:",
        "    \\x07",
    ]
