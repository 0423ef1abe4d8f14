"""BARFI as trials: each trial is one whole run, whose params set weights and rates of the method, or where it starts.

Needs a problem, a method and a space. A run is a `Descent`, so everything that `DescentTask` does with one holds here:
the curve is reported, a run that was killed goes on from its checkpoint to the same result bit for bit, a run that
meets nan is told as diverged. A run depends on its params and the method's seed alone. To judge settings by several
runs, make the seed a param: `seed=Int(0, 9)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, cast

import torch

from trimtab.base.errors import InvalidArgument, check_count, message
from trimtab.base.info import Info
from trimtab.base.ports import Context
from trimtab.base.records import Json, Observation, Params
from trimtab.space import Float, Int, Space
from trimtab.tuners.gradients.bilevel.descent import State
from trimtab.tuners.gradients.bilevel.descent_task import DescentTask
from trimtab.tuners.gradients.rewards.alignment import Bound, Method, Problem
from trimtab.tuners.gradients.rewards.blend import GAMMA, GAMMA_LOGIT, logit
from trimtab.tuners.gradients.running import RunningTrial, Voice

__all__ = ["RETURN", "BarfiTask"]

RETURN = "return"
"""Name under which J_p is reported; the value, which is minimised, is -J_p."""


@dataclass(frozen=True, slots=True, eq=False)
class BarfiTask:
    """A task whose every trial is one run of BARFI. Also an objective: `study.optimize(task, n_trials=...)`.

    A param sets, by its name,

        a numeric field of the method             such as entropy, neumann_step, rate, or seed
        gamma                                     where the learnt discount starts
        phi1, phi1_scale, phi1_offset, ...        where a hyperparameter starts, as for `DescentTask`

    The value is -J_p: exact for tables, else the mean over the newest episodes. Each iteration reports it as "value",
    J_p as "return", gamma_phi as "gamma", and each part of phi under its name, by its norm where it has many entries.
    User attributes are those of `DescentTask`.

    Arguments:
        problem: a `TabularProblem` or a `SampledProblem`.
        method: an `ExactBarfi` for the first, a `Barfi` for the second.
        space: continuous or whole numbers, always active.
        iterations: outer iterations, or rounds, of each trial.
        checkpoints: a folder for checkpoints, made when it is first needed; None for none.
        every: outer iterations between two checkpoints; one of a sampled problem holds its whole buffer.

    Raises:
        InvalidArgument: the problem and the method do not fit, or a param sets nothing.
    """

    problem: Problem
    method: Method
    space: Space
    iterations: int = field(kw_only=True)
    checkpoints: Path | str | None = field(default=None, kw_only=True)
    every: int = field(default=1, kw_only=True)

    def __post_init__(self) -> None:
        """Check that the two fit, and that every param has a meaning."""
        check_count(self.iterations, "the number of outer iterations")
        check_count(self.every, "the number of outer iterations between checkpoints")
        Bound(self.problem, self.method)
        for name in self._settings():
            if not isinstance(self.space[name], _kinds(self.method)[name]):
                raise InvalidArgument(
                    message(
                        f"parameter {name!r} of the space does not fit the setting of {type(self.method).__name__}",
                        got=self.space[name],
                        allowed=" or ".join(kind.__name__ for kind in _kinds(self.method)[name]),
                    )
                )
        if GAMMA in self.space:
            if not isinstance(self.space[GAMMA], Float):
                raise InvalidArgument(
                    message("parameter 'gamma' of the space sets no discount", got=self.space[GAMMA], allowed="Float")
                )
            if any(name.startswith(GAMMA_LOGIT) for name in self.space):
                raise InvalidArgument(
                    message("the learnt discount's start is set twice", got=list(self.space), allowed="one of the two")
                )
        try:
            self._task(self.method)
        except InvalidArgument as error:
            do = f"name a part of the blend, {GAMMA!r}, or a setting: {sorted(_kinds(self.method))}"
            raise InvalidArgument(f"{error} Next: {do}.") from error

    @property
    def provides(self) -> Info:
        """Values, curves, and costs in seconds."""
        return Info.VALUES | Info.CURVES | Info.COST

    def run(self, params: Params, context: Context) -> Observation:
        """Run once as the params say; see `base.ports.Task.run`."""
        return self._run_with(params, Voice.of_context(context))

    def __call__(self, trial: RunningTrial) -> Observation:
        """The same, as an objective of a study over the task's space."""
        return self._run_with(trial.params, Voice.of_trial(trial))

    def _run_with(self, params: Params, voice: Voice) -> Observation:
        descent, starts = self._descent(params)
        return descent.run_with(starts, _translated(voice))

    def checkpoint(self, params: Params) -> Path | None:
        """The file of a run with these params; None where no checkpoints are kept."""
        descent, starts = self._descent(params)
        return descent.checkpoint(starts)

    def final(self, params: Params) -> State:
        """The last state that a checkpoint holds for these params, with the policy.

        Raises:
            InvalidArgument: there is none, or it cannot be read.
        """
        descent, starts = self._descent(params)
        return descent.final(starts)

    def _settings(self) -> list[str]:
        """The params that set fields of the method."""
        return [name for name in self.space if name in _kinds(self.method)]

    def _task(self, method: Method) -> DescentTask:
        """The runs of a method, over the params that say where they start."""
        bound = Bound(self.problem, method)
        left = [name for name in self.space if name not in self._settings()]
        own: dict[str, Any] = {name: self.space[name] for name in left if name != GAMMA}
        if GAMMA in left:
            told = cast(Float, self.space[GAMMA])
            own[GAMMA_LOGIT] = Float(logit(told.low), logit(told.high))
        return DescentTask(
            bound.bilevel(),
            bound,
            Space(own),
            iterations=self.iterations,
            checkpoints=self.checkpoints,
            every=self.every,
        )

    def _descent(self, params: Params) -> tuple[DescentTask, Params]:
        """The descent of these params, and those of them that say where it starts.

        Raises:
            InvalidParams: they do not lie in the space.
        """
        self.space.validate(dict(params))
        settings: dict[str, Any] = {name: params[name] for name in self._settings()}
        starts = {name: value for name, value in params.items() if name not in settings and name != GAMMA}
        if GAMMA in params:
            starts[GAMMA_LOGIT] = logit(float(cast(float, params[GAMMA])))
        return self._task(replace(self.method, **settings)), starts


def _kinds(method: Method) -> dict[str, tuple[type, ...]]:
    """The settings of a method that params may set, and the kinds of parameters that may."""
    kinds: dict[str, tuple[type, ...]] = {}
    for each in fields(method):
        if isinstance(getattr(method, each.name), int):
            kinds[each.name] = (Int,)
        elif isinstance(getattr(method, each.name), float):
            kinds[each.name] = (Float, Int)
    return kinds


def _translated(voice: Voice) -> Voice:
    """A descent's voice, with the discount beside or in place of its logit, and the return."""

    def report(step: float, metrics: Mapping[str, float]) -> None:
        told = {name: number for name, number in metrics.items() if name != GAMMA_LOGIT}
        voice.report(step, {**told, GAMMA: _sigmoid(metrics[GAMMA_LOGIT]), RETURN: -metrics["value"]})

    def note(key: str, value: Json) -> None:
        if key == "hyperparameters":
            told = cast(dict[str, Any], value)
            value = {**told, GAMMA: _sigmoid(told[GAMMA_LOGIT])}
        voice.note(key, value)

    return replace(voice, report=report, note=note)


def _sigmoid(number: float) -> float:
    return float(torch.sigmoid(torch.tensor(number, dtype=torch.float64)))
