"""Small tasks for tests: a function as a task, a few functions that behave in a known way, and jobs of them.

They are module functions, so that any executor can send them anywhere.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from trimtab.base.errors import TrialPruned
from trimtab.base.info import Info
from trimtab.base.outcomes import Decision, Verdict
from trimtab.base.ports import Context, Ended, Executor, Job
from trimtab.base.records import Observation, Outcome, Params, Report
from trimtab.base.seeds import Key

__all__ = [
    "FunctionTask",
    "diverging",
    "finish",
    "go_on",
    "job",
    "learning_curve",
    "noting",
    "outcome_of",
    "quadratic",
    "raising",
    "random_value",
    "value_of",
    "without_observation",
]

_PATIENCE = 60.0  # seconds of real time after which a job that was not told counts as lost


@dataclass(frozen=True, slots=True)
class FunctionTask:
    """A function of params and context as a task without a declared space.

    Arguments:
        function: gives an observation.
        provides: the information that its observations carry.
    """

    function: Callable[[Params, Context], Observation]
    provides: Info = Info.VALUES

    @property
    def space(self) -> None:
        """None: define-by-run."""
        return

    def run(self, params: Params, context: Context) -> Observation:
        """Call the function."""
        return self.function(params, context)


def quadratic(params: Params, context: Context) -> Observation:
    """(x - 1)^2, at a cost of "cost" seconds, 1 by default."""
    x, cost = params["x"], params.get("cost", 1.0)
    assert isinstance(x, int | float)
    assert isinstance(cost, int | float)
    return Observation((x - 1.0) ** 2, cost=cost)


def learning_curve(params: Params, context: Context) -> Observation:
    """Reports x + 1/step at the steps 1, 2, ... "steps" and asks after each whether to stop."""
    x, steps = params["x"], params["steps"]
    assert isinstance(x, int | float)
    assert isinstance(steps, int)
    for step in range(1, steps + 1):
        context.report(step, {"value": x + 1.0 / step})
        if context.should_prune():
            raise TrialPruned
    return Observation(x + 1.0 / steps, cost=float(steps))


def raising(params: Params, context: Context) -> Observation:
    """Raises a ValueError that says "no good at x = ..."."""
    raise ValueError(f"no good at x = {params['x']}")


def diverging(params: Params, context: Context) -> Observation:
    """Gives nan."""
    return Observation(math.nan)


def without_observation(params: Params, context: Context) -> Observation:
    """Breaks the contract: gives a text."""
    return "nothing"  # type: ignore[return-value]  # on purpose


def noting(params: Params, context: Context) -> Observation:
    """Asks for the parameter "asked" by define-by-run and sets the attribute "mood"."""
    context.suggested("asked", 0.5, {"kind": "float", "low": 0, "high": 1})
    context.attribute("mood", ["fine", {"really": True}])
    return Observation(0.5)


def random_value(params: Params, context: Context) -> Observation:
    """The trial's number plus a random number in [0, 1) of its key."""
    return Observation(context.number + context.key.generator().random())


def go_on(report: Report) -> Decision:
    """What a study without a pruner says to every report."""
    return Decision(Verdict.GO_ON, "there is no pruner")


def job(
    number: int,
    function: Callable[[Params, Context], Observation],
    params: Params | None = None,
    *,
    report: Callable[[Report], Decision] = go_on,
    timeout: float | None = None,
) -> Job:
    """A job that runs a function once, with a key of seed 0."""
    return Job(
        number=number,
        token=number + 1,
        task=FunctionTask(function),
        params=params or {},
        key=Key(0, number, "run"),
        timeout=timeout,
        report=report,
    )


def finish(executor: Executor, count: int) -> list[Ended]:
    """What ends until `count` jobs have ended, in the order in which they were told."""
    ended: list[Ended] = []
    patience = time.monotonic() + _PATIENCE
    while len(ended) < count:
        assert time.monotonic() < patience, f"{count - len(ended)} of {count} jobs were not told"
        ended.extend(executor.events(1.0))
    return ended


def outcome_of(executor: Executor, given: Job) -> Outcome:
    """The outcome of one job, run alone."""
    executor.submit(given)
    (event,) = finish(executor, 1)
    assert event.number == given.number
    return event.outcome


def value_of(outcome: Outcome) -> float:
    """The value that a trial observed, as it must have."""
    assert outcome.observation is not None, outcome.text
    return outcome.observation.values["value"]
