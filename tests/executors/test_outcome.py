from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from trimtab.base.errors import InvalidArgument, InvalidObservation, TrialError, TrialPruned
from trimtab.base.outcomes import EndReason, TrialState
from trimtab.base.ports import Context
from trimtab.base.records import Observation, Outcome, Params, Report
from trimtab.base.seeds import Key
from trimtab.executors.context import Notes, RunContext
from trimtab.executors.outcome import cancelled, failed, run_job
from trimtab.testing.tasks import FunctionTask


class Silent:
    """A channel on which nobody listens."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self.notes: list[Notes] = []

    def report(self, report: Report) -> None:
        self.reports.append(report)

    def should_prune(self) -> bool:
        return bool(self.reports)

    def note(self, notes: Notes) -> None:
        self.notes.append(notes)


def run(function: Callable[[Params, Context], Any]) -> Outcome:
    return run_job(FunctionTask(function), {}, RunContext(3, Key(0, 3), Silent()))


def raises(error: BaseException) -> Callable[[Params, Context], Any]:
    def function(params: Params, context: Context) -> Any:
        raise error

    return function


class OutOfMemoryError(RuntimeError):
    """Named as PyTorch names its own."""


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (TrialPruned("gave up"), TrialState.PRUNED, EndReason.PRUNED),
        (InvalidObservation("not a number"), TrialState.FAIL, EndReason.INVALID),
        (MemoryError(), TrialState.FAIL, EndReason.OUT_OF_MEMORY),
        (OutOfMemoryError("CUDA out of memory"), TrialState.FAIL, EndReason.OUT_OF_MEMORY),
        (ZeroDivisionError(), TrialState.FAIL, EndReason.ERROR),
        (SystemExit(3), TrialState.FAIL, EndReason.ERROR),
    ],
)
def test_what_an_objective_raises_becomes_its_outcome(
    error: BaseException, state: TrialState, reason: EndReason
) -> None:
    outcome = run(raises(error))
    assert (outcome.state, outcome.reason, outcome.observation) == (state, reason, None)
    if state is TrialState.FAIL and not isinstance(error, SystemExit):
        assert outcome.error is error


def test_a_finite_observation_completes() -> None:
    seen = Observation({"loss": 1.0, "size": 2.0})
    outcome = run(lambda params, context: seen)
    assert (outcome.state, outcome.reason, outcome.observation) == (2, EndReason.COMPLETED, seen)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_one_value_that_is_not_finite_is_divergence(value: float) -> None:
    seen = Observation({"loss": value, "size": 2.0})
    outcome = run(lambda params, context: seen)
    assert (outcome.state, outcome.reason, outcome.observation) == (4, EndReason.DIVERGED, seen)
    assert outcome.text == f"the objective diverged; got {{'loss': {value}, 'size': 2.0}}."


def test_a_pruned_trial_tells_why_and_observes_nothing() -> None:
    outcome = run(raises(TrialPruned("no hope")))
    assert (outcome.text, outcome.observation, outcome.error) == ("no hope", None, None)


def test_sys_exit_is_handed_on_as_an_error_that_does_not_end_the_program() -> None:
    outcome = run(raises(SystemExit(3)))
    assert isinstance(outcome.error, TrialError)
    assert str(outcome.error) == "the objective called sys.exit(3). Next: raise an exception instead."
    assert isinstance(outcome.error.__cause__, SystemExit)


def test_keyboard_interrupt_passes_through() -> None:
    with pytest.raises(KeyboardInterrupt):
        run(raises(KeyboardInterrupt()))


def test_the_traceback_begins_at_the_users_first_line() -> None:
    def inner() -> None:
        raise KeyError("deep")

    def function(params: Params, context: Context) -> Observation:
        inner()
        return Observation(0.0)

    text = run(function).text
    assert text.startswith("Traceback (most recent call last):")
    assert "in inner" in text
    assert "KeyError: 'deep'" in text
    assert "in run_job" not in text
    assert "in _ending" not in text


def test_a_chained_exception_shows_its_cause() -> None:
    def function(params: Params, context: Context) -> Observation:
        try:
            raise OSError("the disk")
        except OSError as error:
            raise RuntimeError("no data") from error

    text = run(function).text
    assert text.index("OSError: the disk") < text.index("RuntimeError: no data")


def test_an_error_found_by_the_machinery_is_its_message_alone() -> None:
    outcome = run(lambda params, context: 3)
    assert outcome.text == ("a task must return an Observation; got 3. Next: return trimtab.Observation(value).")


def test_a_huge_exception_text_is_cut_in_the_middle() -> None:
    text = run(raises(ValueError("begin" + "x" * 200_000 + "end"))).text
    assert len(text) < 21_000
    assert "begin" in text
    assert "end" in text
    assert "characters left out" in text


def test_notes_and_seconds_are_in_the_outcome_of_a_failure_too() -> None:
    def function(params: Params, context: Context) -> Observation:
        context.suggested("lr", 0.1, {"kind": "float"})
        context.suggested("lr", 0.2, {"kind": "float"})
        context.attribute("a", 1)
        raise ValueError

    outcome = run(function)
    assert (outcome.params, outcome.parameters) == ({"lr": 0.2}, {"lr": {"kind": "float"}})
    assert outcome.attributes == {"a": 1}
    assert outcome.seconds > 0.0


def test_notes_are_passed_on_at_once() -> None:
    channel = Silent()
    context = RunContext(0, Key(0), channel)
    context.attribute("a", 1)
    context.suggested("lr", 0.1, {"kind": "float"})
    assert channel.notes == [Notes(attributes={"a": 1}), Notes({"lr": 0.1}, {"lr": {"kind": "float"}})]


def test_reports_are_plain_floats_with_a_time() -> None:
    channel = Silent()
    context = RunContext(0, Key(0), channel)
    assert not context.should_prune()
    context.report(1, {"loss": True, "nan": math.nan})
    (point,) = channel.reports
    assert (type(point.step), type(point.metrics["loss"])) == (float, float)
    assert math.isnan(point.metrics["nan"])
    assert point.time > 1e9
    assert context.should_prune()


@pytest.mark.parametrize(
    ("step", "metrics", "text"),
    [
        ("late", {"loss": 1.0}, "a report must be a number for the step and a dict of numbers"),
        (1, {"loss": "low"}, "a report must be a number for the step and a dict of numbers"),
        (1, 0.5, "a report must be a number for the step and a dict of numbers"),
        (1, {}, "a report needs at least one metric"),
    ],
)
def test_an_impossible_report_is_refused(step: Any, metrics: Any, text: str) -> None:
    with pytest.raises(InvalidObservation, match=text):
        RunContext(0, Key(0), Silent()).report(step, metrics)


@pytest.mark.parametrize("value", [math.nan, {1, 2}, object()])
def test_an_attribute_that_is_not_json_is_refused(value: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"trial 5: attribute 'a' is not JSON .* Next: convert it"):
        RunContext(5, Key(0), Silent()).attribute("a", value)


def test_cancelling_keeps_a_result_and_replaces_everything_else() -> None:
    complete = run(lambda params, context: Observation(1.0))
    assert cancelled(complete) is complete
    for other in (run(raises(TrialPruned())), run(raises(ValueError())), run(lambda p, c: Observation(math.nan))):
        outcome = cancelled(other)
        assert (outcome.state, outcome.reason) == (TrialState.FAIL, EndReason.CANCELLED)
        assert (outcome.observation, outcome.error) == (None, None)


def test_an_outcome_can_be_written_for_a_trial_that_cannot_speak() -> None:
    outcome = failed(EndReason.KILLED, "it died", Notes(attributes={"a": 1}), 2.5, "last words")
    assert outcome == Outcome(
        TrialState.FAIL, EndReason.KILLED, text="it died", output="last words", attributes={"a": 1}, seconds=2.5
    )
