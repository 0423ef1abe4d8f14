"""A self-tuned training as a trial: the params say where the hyperparameters start, its end is the value.

Needs a `SelfTuningProblem` and a `SelfTuning`. The training tunes the hyperparameters itself, so a study over starts
is for networks that fall into different valleys, and for comparing with tuners that hold hyperparameters fixed.

With a folder for checkpoints, a trial that was lost with its worker is not lost: the trial that is run in its place,
under a new number, goes on where it stood and draws the random numbers that it would have drawn, so that the result is
the same bit for bit and the curve is told again from its beginning. A training that came to its end is told again
without work to the trial that ran it, and begun anew for another, whose random numbers are others.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from trimtab.base.errors import InvalidArgument, InvalidObservation, TrialPruned, check_count, message
from trimtab.base.info import Info
from trimtab.base.ports import Context
from trimtab.base.records import Observation, Params
from trimtab.base.seeds import Key
from trimtab.space import Float, Int, Space
from trimtab.tuners.gradients.checkpoints import (
    fingerprint,
    from_json_array,
    read,
    set_aside,
    settings_text,
    to_json_array,
    write,
)
from trimtab.tuners.gradients.self_tuning.problem import SelfTuningProblem
from trimtab.tuners.gradients.self_tuning.schedule import Row, Schedule
from trimtab.tuners.gradients.self_tuning.self_tuning import SelfTuning
from trimtab.tuners.gradients.self_tuning.state import NotFinite, State
from trimtab.tuners.gradients.self_tuning.training import Tuned, evaluate, go_on, progress, tune

__all__ = ["SelfTuningTask"]

RUN = "run"
"""Name of the array of a checkpoint that says whose it is, as UTF-8 JSON."""

SAME = 1e-5
"""A checkpoint is of other data or losses where the validation loss at its tensors is off its value by more than this
share, which is above the rounding of float32."""


@dataclass(frozen=True, slots=True, eq=False)
class SelfTuningTask:
    """A task whose every trial is one whole training.

    A hyperparameter that no param names starts where the problem does. Each row of the schedule is reported: the
    hyperparameters by their names, the validation loss as "value", and "held_out" where there is a third split. The
    value of the observation is the validation loss at the end, its cost is in seconds, those of the attempts that were
    cut off included. User attributes tell the rest: "schedule", the rows as JSON, "self_tuning", how it ended, and
    "checkpoint", where all of the final state is. A training that meets nan is an observation of nan, which counts as
    diverged; its schedule ends before. It is a function of the problem, the params and the trial's key; where it goes
    on from a checkpoint, of the key of the trial that began it.

    Arguments:
        problem: what to train.
        method: how.
        space: of the starts, each under the name of a hyperparameter.
        rounds, every, patience: as for `tune`.
        checkpoints: a folder for checkpoints, made when it is first needed; None for none. One is written with each
            row. A file that cannot be used is set aside and told in "checkpoint set aside"; one that cannot be written
            is told in "checkpoint failed".

    Raises:
        InvalidArgument: a param that is no hyperparameter's.
    """

    problem: SelfTuningProblem
    method: SelfTuning
    space: Space
    rounds: int = field(kw_only=True)
    every: int = field(default=1, kw_only=True)
    patience: int | None = field(default=None, kw_only=True)
    checkpoints: Path | str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        """Check the counts, and that every param has a meaning."""
        check_count(self.rounds, "the number of rounds")
        check_count(self.every, "the number of rounds between rows")
        if self.checkpoints is not None:
            object.__setattr__(self, "checkpoints", Path(self.checkpoints).expanduser().absolute())
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
        problem, path = self._problem(params), self.checkpoint(params)
        began = time.perf_counter()
        mark = self._fingerprint(problem)
        saved = None if path is None else self._saved(problem, path, mark, context)
        if saved is not None and self._rounds(saved) > self.rounds:
            saved = path = None  # a longer task's, which stays as it is
        if saved is not None and self._goes_on(saved, context.key):
            context.attribute("resumed", {"step": saved.state.training_steps, "trial": saved.number})
        else:
            saved = None
        key = context.key if saved is None else saved.key
        number = context.number if saved is None else saved.number
        earlier, rows = (0.0, []) if saved is None else (saved.seconds, list(saved.schedule.rows))

        def seconds() -> float:
            return earlier + time.perf_counter() - began

        def told(row: Row, state: State) -> None:
            rows.append(row)
            if path is not None:
                _write(path, _Saved(state, Schedule(tuple(rows)), seconds(), mark, number, key), context)
            _tell(row, context)

        for row in list(rows):
            _tell(row, context)
        rest: tuple[Any, ...] = (self.rounds, key, self.every, self.patience, told)
        try:
            if saved is None:
                tuned = tune(problem, self.method, *rest)
            else:
                tuned = go_on(problem, self.method, saved.state, saved.schedule, *rest)
        except NotFinite as error:
            context.attribute("self_tuning", {"why": str(error), "diverged": True})
            return Observation(math.nan, cost=seconds())
        context.attribute("schedule", tuned.schedule.to_json())
        context.attribute("self_tuning", {"why": tuned.why, "diverged": tuned.diverged})
        if path is not None:
            context.attribute("checkpoint", str(path))
        return Observation(math.nan if tuned.diverged else tuned.schedule.rows[-1].value, cost=seconds())

    def checkpoint(self, params: Params) -> Path | None:
        """The file of a training with these params; None where no checkpoints are kept."""
        if self.checkpoints is None:
            return None
        return Path(self.checkpoints) / f"self-tuning-{self._fingerprint(self._problem(params))[:32]}.npz"

    def final(self, params: Params) -> Tuned:
        """The last state and schedule that a checkpoint holds for these params, such as the end of a trial.

        Raises:
            InvalidArgument: there is none, or it cannot be read.
        """
        path = self.checkpoint(params)
        if path is None or not path.exists():
            raise InvalidArgument(
                message("there is no checkpoint for these params", got=dict(params), do="give `checkpoints` a folder")
            )
        problem = self._problem(params)
        saved = _read(path, self._fingerprint(problem), problem)
        return Tuned(saved.state, saved.schedule, f"a checkpoint after {saved.state.training_steps} training steps")

    def _problem(self, params: Params) -> SelfTuningProblem:
        """The problem that starts where the params say."""
        self.space.validate(dict(params))
        given = {name: value for name, value in params.items() if isinstance(value, int | float)}
        return replace(self.problem, start={**self.problem.start, **given})

    def _fingerprint(self, problem: SelfTuningProblem) -> str:
        """A hash of all that a training depends on, but for its key, its length and the code of the losses.

        The data that it is judged by are in it; those that it is trained on come from samplers, which are code.
        """
        settings = settings_text([self.method, problem.coding, problem.start, problem.shared, self.every])
        data = {f"evaluation {place}": tensor for place, tensor in enumerate(problem.evaluation)}
        held = {f"held-out {place}": tensor for place, tensor in enumerate(problem.held_out or ())}
        return fingerprint(settings, problem.parameters(), data, held)

    def _saved(self, problem: SelfTuningProblem, path: Path, mark: str, context: Context) -> _Saved | None:
        """What a checkpoint holds; a file that cannot be used is set aside."""
        if not path.exists():
            return None
        try:
            saved = _read(path, mark, problem)
            self._check_losses(problem, saved)
        except (InvalidArgument, InvalidObservation) as error:
            set_aside(path, error, context.attribute)
            return None
        return saved

    def _rounds(self, saved: _Saved) -> int:
        """How many rounds were made."""
        return saved.state.training_steps // self.method.training_steps

    def _goes_on(self, saved: _Saved, key: Key) -> bool:
        """Whether to go on from a checkpoint: it was cut off, or it is this very trial's."""
        made = self._rounds(saved)
        if made < self.rounds and made % self.every:
            return False  # the end of a shorter task, whose last row the longer one has not
        _, waited = progress(self.method, saved.schedule.rows)
        ended = made == self.rounds or (self.patience is not None and waited >= self.patience)
        return not ended or saved.key == key

    def _check_losses(self, problem: SelfTuningProblem, saved: _Saved) -> None:
        """Refuse a state whose value is not that of this problem's validation loss: the losses are others.

        Raises:
            InvalidArgument: they are.
        """
        here, told = evaluate(problem, self.method, saved.state).value, saved.schedule.rows[-1].value
        if abs(here - told) > SAME * max(abs(here), abs(told)):
            raise InvalidArgument(
                message(
                    "the checkpoint is foreign: the validation loss at its tensors is not the one that it tells",
                    got=here,
                    allowed=f"{told}, within rounding",
                )
            )


@dataclass(frozen=True, slots=True, eq=False)
class _Saved:
    """What a checkpoint holds.

    Arguments:
        state: after the last row.
        schedule: all rows until then.
        seconds: spent so far, over all attempts.
        mark: the fingerprint.
        number: of the trial that began it.
        key: of that trial.
    """

    state: State
    schedule: Schedule
    seconds: float
    mark: str
    number: int
    key: Key


def _tell(row: Row, context: Context) -> None:
    """Report one row, and end where the trial was given up."""
    extra = {} if row.held_out is None else {"held_out": row.held_out}
    context.report(row.step, {**row.params, **extra, "value": row.value})
    if context.should_prune():
        raise TrialPruned(f"given up after {row.step} training steps")


def _write(path: Path, saved: _Saved, context: Context) -> None:
    """Put a checkpoint in its place."""
    run = {
        "fingerprint": saved.mark,
        "seconds": saved.seconds,
        "number": saved.number,
        "key": [saved.key.seed, saved.key.trial, saved.key.purpose],
        "schedule": saved.schedule.to_json(),
    }
    write(path, saved.state.to_arrays() | {RUN: to_json_array(run)}, context.attribute)


def _read(path: Path, mark: str, problem: SelfTuningProblem) -> _Saved:
    """A checkpoint that carries this fingerprint and fits the problem.

    Raises:
        InvalidArgument: it is corrupt, or of another training.
    """
    with read(path) as arrays:
        told = from_json_array(arrays[RUN])
        found, seconds, number = str(told["fingerprint"]), float(told["seconds"]), int(told["number"])
        seed, trial, purpose = told["key"]
        schedule = Schedule.from_json(told["schedule"])
        device = next(iter(problem.module.parameters())).device
        state = State.from_arrays(arrays, device)
    shapes = {name: tensor.shape for name, tensor in problem.parameters().items()}
    fits = {name: tensor.shape for name, tensor in state.parameters.items()} == shapes
    fits = fits and state.raw.shape == state.raw_scale.shape == torch.Size([problem.coding.size])
    if found != mark or not fits or schedule.rows[-1].step != state.training_steps:
        raise InvalidArgument(
            message(
                f"the checkpoint {path.name} is foreign: it is of another start, method or problem",
                got=found,
                allowed=mark,
            )
        )
    return _Saved(state, schedule, seconds, found, number, Key(int(seed), int(trial), str(purpose)))
