"""A user's objective function as a task that any executor can run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from trimtab.base.info import Info
from trimtab.base.ports import Context
from trimtab.base.records import Objective, Observation, Params
from trimtab.space import Space
from trimtab.study.observe import observe
from trimtab.study.trial import Trial

if TYPE_CHECKING:
    from trimtab.trust.holdout import ReusableHoldout

__all__ = ["FunctionTask", "ObjectiveFunction"]

ObjectiveFunction: TypeAlias = Callable[[Trial], Any]


@dataclass(frozen=True, slots=True)
class FunctionTask:
    """Runs `objective(trial)` and checks what it returns.

    Arguments:
        objective: the user's function.
        objectives: the study's.
        space: the declared space; None for define-by-run.
        holdout: the study's; None where it has none.
    """

    objective: ObjectiveFunction
    objectives: tuple[Objective, ...]
    space: Space | None
    holdout: ReusableHoldout | None = None

    @property
    def provides(self) -> Info:
        """Values for certain; what else an observation carries shows when it comes."""
        return Info.VALUES

    def run(self, params: Params, context: Context) -> Observation:
        """Call the objective once; see `base.ports.Task.run`."""
        trial = Trial(context, params, self.space, self.objectives[0].name)
        return observe(self.objective(trial), self.objectives, self.space, self.holdout)
