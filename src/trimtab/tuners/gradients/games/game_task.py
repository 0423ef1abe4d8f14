"""Solves of a game as trials: the params say where and how a solve starts, its last point is judged.

Needs an `Inclusion`, a `GameMethod` and a space. A study over starts finds which equilibrium is best where there are
several; one over the method's own settings, such as the step, finds those with which it comes furthest for its budget.

A solve is a function of the problem, the method, the start and the tolerance alone, so these, and not the number of the
trial, are what a checkpoint is named by: a trial that was lost with its worker is run again under a new number, and
goes on where the lost one stood. The result is the same bit for bit, and the curve is told again from its beginning.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from trimtab.base.errors import InvalidArgument, InvalidObservation, TrialPruned, check_count, message
from trimtab.base.info import Info
from trimtab.base.ports import Context
from trimtab.base.records import Observation, Params
from trimtab.space import Float, Int, Space
from trimtab.tuners.gradients.checkpoints import fingerprint, read, set_aside, settings_text, write
from trimtab.tuners.gradients.games.operators import Array, Inclusion, positive
from trimtab.tuners.gradients.games.solving import GameMethod, GameState, Solution, from_arrays, go_on, to_arrays
from trimtab.tuners.gradients.running import RUN, RunHead, RunningTrial, Voice

__all__ = ["START", "START_OFFSET", "START_SCALE", "GameTask"]

START = "start"
"""A param of this name fills the whole starting point."""

START_SCALE = "start_scale"
"""A param of this name multiplies the starting point."""

START_OFFSET = "start_offset"
"""A param of this name is added to it, after the scale."""

SHOWN = 64
"""Last points of at most so many coordinates are told as a user attribute of the trial."""

SAME = 1e-6
"""A checkpoint is of another operator where the residual at its start is off this one's by more than this share."""


@dataclass(frozen=True, slots=True, eq=False)
class GameTask:
    """A task whose every trial is one whole solve. Also an objective: `study.optimize(task, n_trials=...)`.

    Each param sets a part of a solve, by its name:

        a field of the method     such as step_size, lipschitz, batch or seed; replaces it
        start                     fills the whole starting point
        start_scale               the starting point times the param
        start_offset              the starting point plus the param, after the scale

    Each step is reported: the natural residual as "residual", evaluations of components over n as "epochs", and as
    "value" what the trial is judged by. The residual of a report is an estimate where the method carries one; that of
    the end is exact. The cost of an observation is in seconds, those of the attempts that were cut off included. User
    attributes tell the rest: "game" how it ended and what the run showed of the problem, "point" the last point where
    it is short, "checkpoint" where all of the last state is.

    A solve that meets nan or inf is an observation of nan, which counts as diverged; "diverged" says where.

    Arguments:
        problem: the inclusion.
        method: the solver.
        space: of the params, always active.
        start: the starting point that params change, shape (d,); None for zeros.
        tolerance, epochs: as for `solve`.
        value: what a trial is judged by, a pure function of a point (d,), less is better unless the study says
            otherwise; None for the natural residual.
        checkpoints: a folder for checkpoints, made when it is first needed; None for none. A file that cannot be used
            is set aside and told in "checkpoint set aside"; one that cannot be written is told in "checkpoint failed".
        every: steps between two checkpoints.

    Raises:
        InvalidArgument: a param that sets nothing, two that set the same, or numbers out of their range.
    """

    problem: Inclusion
    method: GameMethod[Any]
    space: Space
    start: ArrayLike | None = field(default=None, kw_only=True)
    tolerance: float = field(kw_only=True)
    epochs: float = field(kw_only=True)
    value: Callable[[Array], float] | None = field(default=None, kw_only=True)
    checkpoints: Path | str | None = field(default=None, kw_only=True)
    every: int = field(default=1, kw_only=True)

    def __post_init__(self) -> None:
        """Check the numbers, and that every param has a meaning."""
        positive(self.tolerance, "the tolerance")
        positive(self.epochs, "the budget in epochs")
        check_count(self.every, "the number of steps between checkpoints")
        if self.checkpoints is not None:
            object.__setattr__(self, "checkpoints", Path(self.checkpoints).expanduser().absolute())
        starts, settings = (START, START_SCALE, START_OFFSET), self._settings()
        for name in self.space:
            if not (name in settings or (name in starts and isinstance(self.space[name], Float | Int))):
                raise InvalidArgument(
                    message(
                        f"parameter {name!r} of the space sets nothing of a solve",
                        got=self.space[name],
                        allowed=f"{list(settings)}, or Float or Int under one of {list(starts)}",
                    )
                )
        if START in self.space and (START_SCALE in self.space or START_OFFSET in self.space):
            raise InvalidArgument(
                message(
                    "the starting point is both set and changed",
                    got=list(self.space),
                    allowed=f"{START!r} alone, or {[START_SCALE, START_OFFSET]}",
                )
            )
        self.problem.begin(self._base())

    @property
    def provides(self) -> Info:
        """Values, curves, and costs in seconds."""
        return Info.VALUES | Info.CURVES | Info.COST

    def run(self, params: Params, context: Context) -> Observation:
        """Solve once as the params say; see `base.ports.Task.run`."""
        return self._run(params, Voice.of_context(context))

    def __call__(self, trial: RunningTrial) -> Observation:
        """The same, as an objective of a study over the task's space."""
        return self._run(trial.params, Voice.of_trial(trial))

    def solver(self, params: Params) -> GameMethod[Any]:
        """The method with the settings that these params name.

        Raises:
            InvalidParams: they do not lie in the space.
            InvalidArgument: the method refuses them.
        """
        self.space.validate(dict(params))
        changed = {name: params[name] for name in self._settings() if name in params}
        method: Any = self.method
        return replace(method, **changed) if changed else self.method

    def begin(self, params: Params) -> Array:
        """The starting point of a solve with these params, shape (d,), moved into the domain of G.

        Raises:
            InvalidParams: they do not lie in the space.
        """
        self.space.validate(dict(params))
        point = self._base()
        if START in params:
            point = np.full_like(point, _number(params, START))
        if START_SCALE in params:
            point = point * _number(params, START_SCALE)
        if START_OFFSET in params:
            point = point + _number(params, START_OFFSET)
        return self.problem.begin(point)

    def checkpoint(self, params: Params) -> Path | None:
        """The file of a solve with these params; None where no checkpoints are kept."""
        if self.checkpoints is None:
            return None
        return Path(self.checkpoints) / f"game-{self._fingerprint(params)[:32]}.npz"

    def final(self, params: Params) -> GameState:
        """The last state that a checkpoint holds for these params, such as the end of a trial.

        Raises:
            InvalidArgument: there is none, or it cannot be read.
        """
        path = self.checkpoint(params)
        if path is None or not path.exists():
            raise InvalidArgument(
                message("there is no checkpoint for these params", got=dict(params), do="give `checkpoints` a folder")
            )
        first = self.solver(params).start(self.problem, self.begin(params))
        return self._read(path, self._fingerprint(params), first).state

    def _run(self, params: Params, voice: Voice) -> Observation:
        began = time.perf_counter()
        method, path, curve = self.solver(params), self.checkpoint(params), list[Mapping[str, float]]()
        mark, earlier = self._fingerprint(params), 0.0

        def told(state: GameState) -> None:
            curve.append(self._metrics(state))
            if path is not None and (state.iteration % self.every == 0 or self._over(state)):
                head = RunHead(mark, earlier + time.perf_counter() - began, voice.number, tuple(curve))
                write(path, to_arrays(state) | {RUN: head.to_array()}, voice.note)
            self._tell(len(curve), curve[-1], voice)

        # Numbers that overflow are told as divergence, with a name.
        with np.errstate(over="ignore", invalid="ignore"):
            try:
                state = method.start(self.problem, self.begin(params))
                saved = None if path is None else self._resumed(path, mark, state, voice)
                if saved is not None and self._longer(saved):
                    saved = path = None  # a longer task's, which stays as it is
                if saved is not None:
                    voice.note("resumed", {"iteration": saved.state.iteration, "trial": saved.head.number})
                    state, earlier = saved.state, saved.head.seconds
                    curve.extend(saved.head.curve)
                for step, metrics in enumerate(list(curve), 1):
                    self._tell(step, metrics, voice)
                end = go_on(self.problem, method, state, self.tolerance, self.epochs, told)
            except InvalidObservation as error:
                voice.note("diverged", f"after {len(curve)} steps: {error}")
                return Observation(math.nan, cost=earlier + time.perf_counter() - began)
            value = self._value(end.point, end.residual)
        self._conclude(end, path, voice)
        return Observation(value, cost=earlier + time.perf_counter() - began)

    def _settings(self) -> tuple[str, ...]:
        """Names of the method's settings."""
        return tuple(part.name for part in fields(self.method)) if is_dataclass(self.method) else ()

    def _base(self) -> Array:
        """The starting point that params change, shape (d,)."""
        return np.zeros(self.problem.operator.dimension) if self.start is None else self.problem.begin(self.start)

    def _value(self, point: Array, residual: float) -> float:
        """What a trial with this last point is judged by."""
        return residual if self.value is None else float(self.value(point))

    def _metrics(self, state: GameState) -> dict[str, float]:
        """What is reported of a state."""
        return {
            "value": self._value(state.point, state.residual),
            "residual": state.residual,
            "epochs": state.evaluations / self.problem.operator.count,
        }

    def _tell(self, step: int, metrics: Mapping[str, float], voice: Voice) -> None:
        """Report one point, and end where the trial was given up."""
        voice.report(step, metrics)
        if voice.should_prune():
            raise TrialPruned(f"given up after {step} steps and {metrics['epochs']:.3g} of {self.epochs:.3g} epochs")

    def _over(self, state: GameState) -> bool:
        """Whether no step follows on a state."""
        return state.residual <= self.tolerance or state.evaluations >= self.epochs * self.problem.operator.count

    def _longer(self, saved: _Saved) -> bool:
        """Whether a checkpoint has steps that this budget does not reach."""
        return len(saved.head.curve) > 1 and saved.head.curve[-2]["epochs"] >= self.epochs

    def _conclude(self, end: Solution[Any], path: Path | None, voice: Voice) -> None:
        """Note how a solve ended."""
        voice.note(
            "game",
            {
                "converged": end.converged,
                "residual": end.residual,
                "epochs": end.epochs,
                "iterations": end.state.iteration,
                "told": list(end.told),
            },
        )
        if len(end.point) <= SHOWN:
            voice.note("point", end.point.tolist())
        if path is not None:
            voice.note("checkpoint", str(path))

    def _fingerprint(self, params: Params) -> str:
        """A hash of all that a solve depends on, but for its budget and the code of the operator and the prox."""
        method, operator = self.solver(params), self.problem.operator
        parts = [type(method).__qualname__, method, operator.count, operator.dimension, self.problem.step]
        return fingerprint(settings_text([*parts, self.tolerance, self.begin(params).tobytes().hex()]))

    def _resumed(self, path: Path, mark: str, first: GameState, voice: Voice) -> _Saved | None:
        """What a checkpoint holds, where it can be gone on from; a file that cannot is set aside."""
        if not path.exists():
            return None
        try:
            saved = self._read(path, mark, first)
            here, there = first.first_residual, saved.state.first_residual
            if abs(here - there) > SAME * max(here, there):
                raise InvalidArgument(
                    message(
                        "the checkpoint is foreign: the residual at its start is not that of this operator",
                        got=there,
                        allowed=f"{here}, within rounding",
                    )
                )
        except InvalidArgument as error:
            set_aside(path, error, voice.note)
            return None
        return saved

    def _read(self, path: Path, mark: str, first: GameState) -> _Saved:
        """A checkpoint that carries this fingerprint and fits a state at the start.

        Raises:
            InvalidArgument: it is corrupt, or of another solve.
        """
        with read(path) as arrays:
            head = RunHead.from_array(arrays[RUN])
            state = from_arrays(type(first), arrays)
        fits = len(head.curve) == state.iteration and state.point.shape == first.point.shape
        if head.mark != mark or not fits:
            raise InvalidArgument(
                message(
                    f"the checkpoint {path.name} is foreign: it is of another start, method or problem",
                    got=head.mark,
                    allowed=mark,
                )
            )
        return _Saved(state, head)


@dataclass(frozen=True, slots=True, eq=False)
class _Saved:
    """What a checkpoint holds.

    Arguments:
        state: after the last step.
        head: of the run until then.
    """

    state: GameState
    head: RunHead


def _number(params: Params, name: str) -> float:
    """A param that the space keeps to numbers."""
    return float(params[name])  # type: ignore[arg-type]
