"""A self-tuned training as a trial: the params say where the hyperparameters start, its end is the value.

Needs a `SelfTuningProblem` and a `SelfTuning`. The training tunes the hyperparameters itself, so a study over starts
is for networks that fall into different valleys, and for comparing with tuners that hold hyperparameters fixed.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace

from trimtab.base.errors import InvalidArgument, TrialPruned, check_count, message
from trimtab.base.info import Info
from trimtab.base.ports import Context
from trimtab.base.records import Observation, Params
from trimtab.space import Float, Int, Space
from trimtab.tuners.gradients.self_tuning.problem import SelfTuningProblem
from trimtab.tuners.gradients.self_tuning.schedule import Row
from trimtab.tuners.gradients.self_tuning.self_tuning import NotFinite, SelfTuning, tune

__all__ = ["SelfTuningTask"]


@dataclass(frozen=True, slots=True, eq=False)
class SelfTuningTask:
    """A task whose every trial is one whole training.

    A hyperparameter that no param names starts where the problem does. Each row of the schedule is reported: the
    hyperparameters by their names, the validation loss as "value", and "held_out" where there is a third split. The
    value of the observation is the validation loss at the end, its cost is in seconds. User attributes tell the
    rest: "schedule", the rows as JSON, and "self_tuning", how it ended. A training that meets nan is an observation of
    nan, which counts as diverged; its schedule ends before. It is a function of the problem, the params and the
    trial's key.

    Arguments:
        problem: what to train.
        method: how.
        space: of the starts, each under the name of a hyperparameter.
        rounds, every, patience: as for `tune`.

    Raises:
        InvalidArgument: a param that is no hyperparameter's.
    """

    problem: SelfTuningProblem
    method: SelfTuning
    space: Space
    rounds: int = field(kw_only=True)
    every: int = field(default=1, kw_only=True)
    patience: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        """Check the counts, and that every param has a meaning."""
        check_count(self.rounds, "the number of rounds")
        check_count(self.every, "the number of rounds between rows")
        for name in self.space:
            if name not in self.problem.coding.names or not isinstance(self.space[name], Float | Int):
                raise InvalidArgument(
                    message(
                        f"parameter {name!r} of the space sets no hyperparameter to start from",
                        got=self.space[name],
                        allowed=f"Float or Int under one of {list(self.problem.coding.names)}",
                    )
                )

    @property
    def provides(self) -> Info:
        """Values, curves, and costs in seconds."""
        return Info.VALUES | Info.CURVES | Info.COST

    def run(self, params: Params, context: Context) -> Observation:
        """Train once from where the params say; see `base.ports.Task.run`."""
        self.space.validate(dict(params))
        given = {name: value for name, value in params.items() if isinstance(value, int | float)}
        problem = replace(self.problem, start={**self.problem.start, **given})
        began = time.perf_counter()

        def told(row: Row) -> None:
            extra = {} if row.held_out is None else {"held_out": row.held_out}
            context.report(row.step, {**row.params, **extra, "value": row.value})
            if context.should_prune():
                raise TrialPruned(f"given up after {row.step} training steps")

        try:
            tuned = tune(problem, self.method, self.rounds, context.key, self.every, self.patience, told)
        except NotFinite as error:
            context.attribute("self_tuning", {"why": str(error), "diverged": True})
            return Observation(math.nan, cost=time.perf_counter() - began)
        context.attribute("schedule", tuned.schedule.to_json())
        context.attribute("self_tuning", {"why": tuned.why, "diverged": tuned.diverged})
        value = math.nan if tuned.diverged else tuned.schedule.rows[-1].value
        return Observation(value, cost=time.perf_counter() - began)
