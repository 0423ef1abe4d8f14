"""Descents over penalties as trials: the params say where a descent starts, its end is the value.

Needs a penalty task; NumPy and SciPy are enough. An evaluation of penalties costs a fit of a linear model, often less
time than a study needs to propose a trial and to record it. So each trial is a whole descent here, of as many
evaluations as it takes, with a tenth of a millisecond of thought between two of them
(`trimtab.tuners.gradients.penalties.penalty_steps`). The study chooses starts, prunes descents that fall slowly, and
keeps every path. Of many penalties a validation loss has several local minima, so a few starts are better than one.

A descent is a function of the task and of its start alone, so these, and not the number of the trial, are what a
checkpoint is named by: a trial that was lost with its worker is run again under a new number, and goes on where the
lost one stood. The result is the same bit for bit, and the curve is told again from its beginning. A checkpoint holds
what the evaluations told; the state of the descent follows from it.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument, TrialPruned, check_count, message
from trimtab.base.info import Info
from trimtab.base.ports import Context
from trimtab.base.records import Observation, Params
from trimtab.base.refs import Reference
from trimtab.space import Float, Space
from trimtab.surrogates.secant import SECANT_REFS
from trimtab.tuners.gradients.checkpoints import fingerprint, read, set_aside, settings_text, write
from trimtab.tuners.gradients.penalties.penalty_steps import PenaltySteps
from trimtab.tuners.gradients.penalties.penalty_task import NotConverged, PenaltyTask
from trimtab.tuners.gradients.running import RUN, RunHead, RunningTrial, Voice

__all__ = ["START", "PenaltyDescent"]

Array = NDArray[np.float64]

START = "start"
"""A param of this name is where every penalty starts that no other param names."""

SHOWN = 64
"""Up to so many penalties are in each report."""


@dataclass(frozen=True, slots=True, eq=False)
class PenaltyDescent:
    """A task whose every trial is one whole descent. Also an objective: `study.optimize(descent, n_trials=3)`.

    A param named like a penalty is where that one starts; `start` is where all others do; without it they start in the
    middle of their bounds, on their logarithmic scale.

    Each evaluation is reported: the least loss so far as "value", and the penalties that have it, each under its name
    where they are few. The observation has its cost in seconds, those of attempts that were cut off included. It has no
    losses of single examples: the descent fitted penalties to them, so an interval made of them would claim too much.
    User attributes tell the rest: "penalties" the final ones by name, which `task.fit` takes, "descent" how it ended,
    "checkpoint" where its path is.

    A start whose model cannot be fitted is an observation of nan, which counts as diverged, and "not converged" says
    what went wrong. Later such penalties are steps that failed: the next one is shorter.

    Arguments:
        task: what is evaluated, such as `RidgePenalties`.
        starts: the space of the starts, always active; None for the task's own.
        evaluations: at most so many, in each trial.
        tolerance: a descent ends where its last steps lowered the loss by no more than this share, and no more is
            foreseen.
        checkpoints: a folder for checkpoints, made when it is first needed; None for none. A file that cannot be used
            is set aside and told in "checkpoint set aside"; one that cannot be written is told in "checkpoint failed".
        every: evaluations between two checkpoints.

    Raises:
        InvalidArgument: a param that sets no penalty, or numbers out of their range.
    """

    task: PenaltyTask[Any, Any]
    starts: Space | None = None
    evaluations: int = field(default=200, kw_only=True)
    tolerance: float = field(default=1e-5, kw_only=True)
    checkpoints: Path | str | None = field(default=None, kw_only=True)
    every: int = field(default=1, kw_only=True)

    refs: ClassVar[Sequence[Reference]] = SECANT_REFS

    def __post_init__(self) -> None:
        """Check the numbers, and that every param has a meaning."""
        check_count(self.evaluations, "the number of evaluations")
        check_count(self.every, "the number of evaluations between checkpoints")
        if not 0.0 <= self.tolerance < 1.0:
            raise InvalidArgument(
                message("the tolerance is a share of the loss", got=self.tolerance, allowed="0 or more, below 1")
            )
        if self.checkpoints is not None:
            object.__setattr__(self, "checkpoints", Path(self.checkpoints).expanduser().absolute())
        for name in self.space:
            if name not in (START, *self.task.space) or not isinstance(self.space[name], Float):
                raise InvalidArgument(
                    message(
                        f"parameter {name!r} of the starts sets no penalty",
                        got=self.space[name],
                        allowed=f"Float under one of {[START, *self.task.space]}",
                    )
                )

    @property
    def space(self) -> Space:
        """The space of the starts."""
        return self.task.space if self.starts is None else self.starts

    @property
    def provides(self) -> Info:
        """Values, curves, and costs in seconds."""
        return Info.VALUES | Info.CURVES | Info.COST

    def run(self, params: Params, context: Context) -> Observation:
        """Descend once from where the params say; see `base.ports.Task.run`."""
        return self._run(params, Voice.of_context(context))

    def __call__(self, trial: RunningTrial) -> Observation:
        """The same, as an objective of a study over the task's space."""
        return self._run(trial.params, Voice.of_trial(trial))

    def start(self, params: Params) -> Array:
        """The penalties that a descent with these params starts from, shape (k,), between their bounds.

        Raises:
            InvalidParams: they do not lie in the space.
        """
        self.space.validate(dict(params))
        low, high = self._bounds()
        middle = np.sqrt(low * high).tolist()
        chosen = [
            params.get(name, params.get(START, between)) for name, between in zip(self.task.space, middle, strict=True)
        ]
        filled = np.array(chosen, dtype=np.float64)
        return np.minimum(np.maximum(filled, low), high)

    def checkpoint(self, params: Params) -> Path | None:
        """The file of a descent with these params; None where no checkpoints are kept."""
        if self.checkpoints is None:
            return None
        return Path(self.checkpoints) / f"penalties-{self._fingerprint(self.start(params))[:32]}.npz"

    def _run(self, params: Params, voice: Voice) -> Observation:
        began, start, path = time.perf_counter(), self.start(params), self.checkpoint(params)
        mark = self._fingerprint(start) if path is not None else ""
        saved = None if path is None else self._resumed(path, mark, voice)
        earlier = 0.0 if saved is None else saved.seconds
        walk = _Walk(PenaltySteps(*self._bounds(), start, tolerance=self.tolerance))
        known = [] if saved is None else list(zip(saved.losses.tolist(), saved.gradients, strict=True))
        for loss, gradient in known[: self.evaluations]:
            walk.take(loss, gradient)
            self._tell(walk, voice)
        while walk.steps.why is None and len(walk.losses) < self.evaluations:
            self._evaluate(walk, voice)
            over = walk.steps.why is not None or len(walk.losses) == self.evaluations
            if path is not None and (over or len(walk.losses) % self.every == 0):
                head = RunHead(mark, earlier + time.perf_counter() - began, voice.number, ())
                write(path, walk.to_arrays() | {RUN: head.to_array()}, voice.note)
            self._tell(walk, voice)
        if path is not None:
            voice.note("checkpoint", str(path))
        return self._concluded(walk, voice, earlier - began)

    def _evaluate(self, walk: _Walk, voice: Voice) -> None:
        """One evaluation, of the penalties that the walk asks for."""
        try:
            found = self.task.value_and_gradient(walk.steps.ask())
        except NotConverged as failure:
            voice.note("not converged", str(failure))
            walk.take(math.nan, np.full(len(self.task.space), math.nan))
        else:
            walk.take(found.value, found.gradient)

    def _tell(self, walk: _Walk, voice: Voice) -> None:
        """Report the best so far, and end where the trial was given up."""
        if walk.best is not None:
            few = self.task.space.names if len(self.task.space) <= SHOWN else ()
            shown = dict(zip(few, walk.best.tolist(), strict=False))
            voice.report(len(walk.losses), shown | {"value": walk.least})
        if voice.should_prune():
            raise TrialPruned(f"given up after {len(walk.losses)} of {self.evaluations} evaluations")

    def _concluded(self, walk: _Walk, voice: Voice, before: float) -> Observation:
        """The observation of a descent that ended, and notes of how; the clock says its cost, less `before`."""
        why = walk.steps.why or "budget"
        failed = sum(not math.isfinite(loss) for loss in walk.losses)
        voice.note("descent", {"why": why, "evaluations": len(walk.losses), "failed": failed})
        if walk.best is None:
            return Observation(math.nan, cost=before + time.perf_counter())
        voice.note("penalties", dict(zip(self.task.space.names, walk.best.tolist(), strict=True)))
        return Observation(walk.least, cost=before + time.perf_counter())

    def _bounds(self) -> tuple[Array, Array]:
        """Low and high of every penalty, shape (k,) each."""
        columns = [self.task.space[name] for name in self.task.space]
        low, high = np.array([(column.low, column.high) for column in columns if isinstance(column, Float)]).T
        return low, high

    def _fingerprint(self, start: Array) -> str:
        """A hash of all that a path depends on, but for the number of evaluations and the code of the models."""
        digest = hashlib.blake2b(start.tobytes())
        for split in self.task.splits:
            for part in (split.features, split.targets, split.held_features, split.held_targets):
                digest.update(f"{part.dtype}{part.shape}".encode() + np.ascontiguousarray(part).tobytes())
        derived = ("splits", "classes", "space", "prepared")
        given = [getattr(self.task, each.name) for each in fields(self.task) if each.name not in derived]
        # As lists, since the text of a long array leaves out its middle.
        plain = [each.tolist() if isinstance(each, np.ndarray) else each for each in given]
        return fingerprint(settings_text([type(self.task).__qualname__, plain, self.tolerance, digest.hexdigest()]))

    def _resumed(self, path: Path, mark: str, voice: Voice) -> _Saved | None:
        """What a checkpoint holds, where it can be gone on from; a file that cannot is set aside."""
        if not path.exists():
            return None
        try:
            with read(path) as arrays:
                head = RunHead.from_array(arrays[RUN])
                saved = _Saved(arrays["losses"], arrays["gradients"], head.seconds)
            if head.mark != mark or saved.gradients.shape != (len(saved.losses), len(self.task.space)):
                raise InvalidArgument(
                    message(
                        f"the checkpoint {path.name} is foreign: it is of another start or task",
                        got=head.mark,
                        allowed=mark,
                    )
                )
        except InvalidArgument as error:
            set_aside(path, error, voice.note)
            return None
        voice.note("resumed", {"evaluations": len(saved.losses), "trial": head.number})
        return saved


@dataclass(frozen=True, slots=True, eq=False)
class _Saved:
    """What a checkpoint holds: the path, from which the descent's state follows, and what it took.

    Arguments:
        losses, gradients: of each evaluation, nan where it failed, shapes (n,) and (n, k).
        seconds: spent on them.
    """

    losses: Array
    gradients: Array
    seconds: float


@dataclass(slots=True, eq=False)
class _Walk:
    """A descent on its way.

    Arguments:
        steps: the descent.
        losses, gradients: what it was told, nan where an evaluation failed.
        least, best: the least loss and its penalties, shape (k,); None before there is one.
    """

    steps: PenaltySteps
    losses: list[float] = field(default_factory=list)
    gradients: list[Array] = field(default_factory=list)
    least: float = math.inf
    best: Array | None = None

    def take(self, loss: float, gradient: Array) -> None:
        """What the penalties asked for gave."""
        if loss < self.least:
            self.least, self.best = loss, self.steps.ask()
        self.losses.append(loss)
        self.gradients.append(gradient)
        self.steps.tell(loss, gradient)

    def to_arrays(self) -> dict[str, Array]:
        """The path, for a checkpoint."""
        return {"losses": np.array(self.losses), "gradients": np.array(self.gradients)}
