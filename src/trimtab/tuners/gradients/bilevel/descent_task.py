"""Bilevel descents as trials: the params say where a descent starts, its end is the value.

Needs a `BilevelProblem`, a `Descent` and a space. A descent finds the nearest valley of the outer loss; a study over
starts finds the valley, prunes those that fall slowly, and keeps every curve.

A descent is a function of the problem, the method and the start alone, so these, and not the number of the trial, are
what a checkpoint is named by: a trial that was lost with its worker is run again under a new number, and goes on
where the lost one stood. The result is the same bit for bit, and the curve is told again from its beginning. Two
trials of the same params may share a file; each write replaces it as a whole by the same bytes of state.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from trimtab.base.errors import InvalidArgument, InvalidObservation, TrialPruned, check_count, message
from trimtab.base.info import Info
from trimtab.base.ports import Context
from trimtab.base.records import Observation, Params
from trimtab.space import Float, Int, Space
from trimtab.tuners.gradients.bilevel.descent import Descent, State, descend, go_on
from trimtab.tuners.gradients.bilevel.flat import Tensors
from trimtab.tuners.gradients.bilevel.problem import BilevelProblem, Role
from trimtab.tuners.gradients.checkpoints import fingerprint, read, set_aside, settings_text, write
from trimtab.tuners.gradients.running import RUN, RunHead, RunningTrial, Voice

__all__ = ["OFFSET", "SCALE", "DescentTask"]

SCALE = "_scale"
"""A param of a hyperparameter's name and this multiplies the hyperparameter's initial values."""

OFFSET = "_offset"
"""A param of a hyperparameter's name and this is added to them, after the scale."""

SHOWN = 64
"""Final hyperparameters of at most so many entries in all are told as a user attribute of the trial."""

SAME = 1e-6
"""A checkpoint is of other losses where the outer loss at its tensors is off its value by more than this share."""


@dataclass(frozen=True, slots=True, eq=False)
class DescentTask:
    """A task whose every trial is one whole descent. Also an objective: `study.optimize(task, n_trials=...)`.

    Each param sets a part of the start, by its name. For a hyperparameter `h` of the problem

        h            a single entry becomes the param; a wide tensor is filled with it
        h_scale      the problem's initial values times the param
        h_offset     the problem's initial values plus the param, after the scale

    and a hyperparameter that no param names starts where the problem does. A hyperparameter whose own name ends like
    this comes first. Reports carry the outer loss as "value", and each hyperparameter under its name: itself where it
    has one entry, else its Euclidean norm. The cost of an observation is in seconds, those of the attempts that were
    cut off included. User attributes tell the rest: "descent" how it ended, "hyperparameters" the final ones where
    they are few, "checkpoint" where all of the final state is.

    A descent that meets nan or inf is an observation of nan, which counts as diverged; "diverged" says where.

    Arguments:
        problem: the problem.
        method: the descent, such as `MAID`.
        space: of the starts; continuous or whole numbers, always active.
        iterations: most outer iterations of each trial.
        checkpoints: a folder for checkpoints, made when it is first needed; None for none. A file that cannot be used
            is set aside and told in "checkpoint set aside"; one that cannot be written is told in "checkpoint failed".
        every: outer iterations between two checkpoints.

    Raises:
        InvalidArgument: a param that sets nothing, or two that set the same.
    """

    problem: BilevelProblem
    method: Descent
    space: Space
    iterations: int = field(kw_only=True)
    checkpoints: Path | str | None = field(default=None, kw_only=True)
    every: int = field(default=1, kw_only=True)

    def __post_init__(self) -> None:
        """Check the counts, and that every param has a meaning."""
        check_count(self.iterations, "the number of outer iterations")
        check_count(self.every, "the number of outer iterations between checkpoints")
        if self.checkpoints is not None:
            object.__setattr__(self, "checkpoints", Path(self.checkpoints).expanduser().absolute())
        known = self.problem.hyperparameters
        meanings = {f"{name}{ending}" for name in known for ending in ("", SCALE, OFFSET)}
        for name in self.space:
            if name not in meanings or not isinstance(self.space[name], Float | Int):
                raise InvalidArgument(
                    message(
                        f"parameter {name!r} of the space sets no hyperparameter to start from",
                        got=self.space[name],
                        allowed=f"Float or Int under one of {sorted(meanings)}",
                    )
                )
        for name in known:
            shaped = [f"{name}{ending}" for ending in (SCALE, OFFSET) if f"{name}{ending}" not in known]
            if name in self.space and any(other in self.space for other in shaped):
                raise InvalidArgument(
                    message(
                        f"hyperparameter {name!r} is both set and changed from its initial values",
                        got=list(self.space),
                        allowed=f"{name!r} alone, or {shaped}",
                    )
                )

    @property
    def provides(self) -> Info:
        """Values, curves, and costs in seconds."""
        return Info.VALUES | Info.CURVES | Info.COST

    def run(self, params: Params, context: Context) -> Observation:
        """Descend once from where the params say; see `base.ports.Task.run`."""
        return self.run_with(params, Voice.of_context(context))

    def __call__(self, trial: RunningTrial) -> Observation:
        """The same, as an objective of a study over the task's space."""
        return self.run_with(trial.params, Voice.of_trial(trial))

    def start(self, params: Params) -> dict[str, Tensor]:
        """The hyperparameters that a descent with these params starts from.

        Raises:
            InvalidParams: they do not lie in the space.
        """
        self.space.validate(dict(params))
        made = {}
        for name, initial in self.problem.hyperparameters.items():
            tensor = initial.clone()
            for ending in ("", SCALE, OFFSET):
                key = f"{name}{ending}"
                if key not in params or (ending and key in self.problem.hyperparameters):
                    continue
                number = float(params[key])  # type: ignore[arg-type]
                tensor = {
                    "": torch.full_like(tensor, number),
                    SCALE: tensor * number,
                    OFFSET: tensor + number,
                }[ending]
            made[name] = tensor
        return made

    def checkpoint(self, params: Params) -> Path | None:
        """The file of a descent with these params; None where no checkpoints are kept."""
        if self.checkpoints is None:
            return None
        return Path(self.checkpoints) / f"descent-{self._fingerprint(self.start(params))[:32]}.npz"

    def final(self, params: Params) -> State:
        """The last state that a checkpoint holds for these params, such as the end of a trial: for wide results.

        Raises:
            InvalidArgument: there is none, or it cannot be read.
        """
        path = self.checkpoint(params)
        if path is None or not path.exists():
            raise InvalidArgument(
                message("there is no checkpoint for these params", got=dict(params), do="give `checkpoints` a folder")
            )
        return self._read(path, self._fingerprint(self.start(params))).state

    def run_with(self, params: Params, voice: Voice) -> Observation:
        """The same, for whoever speaks for a trial.

        Raises:
            InvalidParams: they do not lie in the space.
        """
        began = time.perf_counter()
        start, path = self.start(params), self.checkpoint(params)
        mark = self._fingerprint(start)
        saved = None if path is None else self._resumed(path, mark, voice)
        if saved is not None and saved.state.iteration > self.iterations:
            saved = path = None  # a longer task's, which stays as it is
        earlier, curve = (0.0, []) if saved is None else (saved.head.seconds, list(saved.head.curve))

        def seconds() -> float:
            return earlier + time.perf_counter() - began

        def keep(state: State) -> None:
            if path is not None:
                head = RunHead(mark, seconds(), voice.number, tuple(curve))
                write(path, state.to_arrays() | {RUN: head.to_array()}, voice.note)

        def told(state: State) -> None:
            curve.append(self._metrics(state))
            if state.iteration % self.every == 0 or state.finished or state.iteration == self.iterations:
                keep(state)
            self._tell(state.iteration, curve[-1], voice)

        for step, metrics in enumerate(curve, 1):
            self._tell(step, metrics, voice)
        try:
            if saved is None:
                end = descend(self.problem, self.method, start, self.iterations, told)
            else:
                end = go_on(self.problem, self.method, saved.state, self.iterations, told)
        except InvalidObservation as error:
            if not self._well_formed():
                raise
            voice.note("diverged", f"after {len(curve)} outer iterations: {error}")
            return Observation(math.nan, cost=seconds())
        self._conclude(end, path, voice)
        return Observation(end.value, cost=seconds())

    def _tell(self, step: int, metrics: Mapping[str, float], voice: Voice) -> None:
        """Report one point, and end where the trial was given up."""
        voice.report(step, metrics)
        if voice.should_prune():
            raise TrialPruned(f"given up after {step} of {self.iterations} outer iterations")

    def _metrics(self, state: State) -> dict[str, float]:
        """What is reported of a state; a hyperparameter named "value" does not hide the outer loss."""
        sizes = {
            name: float(tensor.reshape(())) if tensor.numel() == 1 else float(torch.linalg.vector_norm(tensor))
            for name, tensor in state.hyperparameters.items()
        }
        return sizes | {"value": state.value}

    def _conclude(self, end: State, path: Path | None, voice: Voice) -> None:
        """Note how a descent ended."""
        voice.note(
            "descent",
            {
                "why": end.why,
                "finished": end.finished,
                "iterations": end.iteration,
                "inner_iterations": end.inner_iterations,
            },
        )
        if sum(tensor.numel() for tensor in end.hyperparameters.values()) <= SHOWN:
            shown = {name: tensor.detach().cpu().double().tolist() for name, tensor in end.hyperparameters.items()}
            voice.note("hyperparameters", shown)
        if path is not None:
            voice.note("checkpoint", str(path))

    def _well_formed(self) -> bool:
        """Whether both losses give floating-point scalars at the problem's start, so that numbers alone went wrong."""
        problem = self.problem
        for role, loss in (("inner", problem.inner), ("outer", problem.outer)):
            value = loss(problem.parameters, problem.hyperparameters, problem.batch(_ROLES[role], 0))
            if not (isinstance(value, Tensor) and value.dim() == 0 and value.is_floating_point()):
                return False
        return True

    def _fingerprint(self, start: Tensors) -> str:
        """A hash of all that a descent depends on, but for the code of losses and methods."""
        method = f"{type(self.method).__qualname__} {settings_text(self.method)}"
        return fingerprint(method, start, self.problem.parameters)

    def _resumed(self, path: Path, mark: str, voice: Voice) -> _Saved | None:
        """What a checkpoint holds, where it can be gone on from; a file that cannot is set aside."""
        if not path.exists():
            return None
        try:
            saved = self._read(path, mark)
            self._check_losses(saved.state)
        except (InvalidArgument, InvalidObservation) as error:
            set_aside(path, error, voice.note)
            return None
        if saved.state.iteration <= self.iterations:
            voice.note("resumed", {"iteration": saved.state.iteration, "trial": saved.head.number})
        return saved

    def _read(self, path: Path, mark: str) -> _Saved:
        """A checkpoint that carries this fingerprint and fits the problem.

        Raises:
            InvalidArgument: it is corrupt, or of another descent.
        """
        with read(path) as arrays:
            head = RunHead.from_array(arrays[RUN])
            device = self.problem.parameters[self.problem.layout.names[0]].device
            state = State.from_arrays(arrays, device)
        if head.mark != mark or len(head.curve) != state.iteration:
            raise InvalidArgument(
                message(
                    f"the checkpoint {path.name} is foreign: it is of another start, method or problem",
                    got=head.mark,
                    allowed=mark,
                )
            )
        self.problem.checked_parameters(state.parameters)
        self.problem.checked_hyperparameters(state.hyperparameters)
        return _Saved(state, head)

    def _check_losses(self, state: State) -> None:
        """Refuse a state whose value is not that of this problem's outer loss: its data or losses are others.

        Raises:
            InvalidArgument: they are.
        """
        if self.problem.stochastic:
            return  # the value is that of a batch, and which one is the method's affair
        here = float(self.problem.loss("outer", state.parameters, state.hyperparameters, 0).detach())
        if abs(here - state.value) > SAME * max(abs(here), abs(state.value)):
            raise InvalidArgument(
                message(
                    "the checkpoint is foreign: the outer loss at its tensors is not the one that it tells",
                    got=here,
                    allowed=f"{state.value}, within rounding",
                )
            )


_ROLES: dict[str, Role] = {"inner": "inner", "outer": "outer"}


@dataclass(frozen=True, slots=True, eq=False)
class _Saved:
    """What a checkpoint holds.

    Arguments:
        state: after the last iteration.
        head: of the run until then.
    """

    state: State
    head: RunHead
