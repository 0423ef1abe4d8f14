"""Whole trainings: self-tuned from start to end, gone on with from a state, or along a schedule that is given.

Needs a `SelfTuningProblem`. `tune` and `go_on` turn rounds of `self_tuning.step` into a `Schedule`; `follow` is a plain
training, for networks that are to be trained anew and for comparison with fixed hyperparameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch import Tensor

from trimtab.base.errors import check_count
from trimtab.base.seeds import Key
from trimtab.tuners.gradients.self_tuning.problem import Batch, Network, SelfTuningProblem
from trimtab.tuners.gradients.self_tuning.rules import Momentum, Rule
from trimtab.tuners.gradients.self_tuning.schedule import Row, Schedule
from trimtab.tuners.gradients.self_tuning.self_tuning import SelfTuning, plain_step, start, step
from trimtab.tuners.gradients.self_tuning.state import NotFinite, State, check_loss, check_tensors

__all__ = ["OnRow", "Tuned", "evaluate", "follow", "go_on", "progress", "tune"]

OnRow: TypeAlias = Callable[[Row, State], None]
"""Called with each row of the schedule as it is made, and the state it is of; what it raises ends the training."""


@dataclass(frozen=True, slots=True, eq=False)
class Tuned:
    """What a training gave.

    Arguments:
        state: its last.
        schedule: the hyperparameters and values on the way, up to the last that was finite.
        why: how it ended.
        diverged: whether nan or an infinity ended it; `why` says where.
    """

    state: State
    schedule: Schedule
    why: str
    diverged: bool = False


def evaluate(problem: SelfTuningProblem, method: SelfTuning, state: State) -> Row:
    """The row of a schedule for a state: validation loss at l itself.

    Raises:
        NotFinite: the validation loss is nan or infinite.
    """
    centre = problem.coding.features(state.raw)
    return _row(problem, state, None if method.centred else centre)


def tune(
    problem: SelfTuningProblem,
    method: SelfTuning,
    rounds: int,
    key: Key,
    every: int = 1,
    patience: int | None = None,
    on_row: OnRow | None = None,
) -> Tuned:
    """Train for so many rounds, or until the validation loss stops falling.

    Arguments:
        problem: what to train.
        method: how.
        rounds: most rounds, those of the warm-up included.
        key: of the perturbations and masks.
        every: rounds between two rows of the schedule; the last round has one.
        patience: rows without a new lowest value after which to stop, those of the warm-up not counted; None for
            never.
        on_row: called with each row, the first among them.

    Raises:
        NotFinite: at the start. Later, it is the end of the schedule, told in `why`.
        InvalidObservation: as for `step`.
    """
    state = start(problem, method)
    first = evaluate(problem, method, state)
    if on_row is not None:
        on_row(first, state)
    return go_on(problem, method, state, Schedule((first,)), rounds, key, every, patience, on_row)


def go_on(
    problem: SelfTuningProblem,
    method: SelfTuning,
    state: State,
    schedule: Schedule,
    rounds: int,
    key: Key,
    every: int = 1,
    patience: int | None = None,
    on_row: OnRow | None = None,
) -> Tuned:
    """Train from a state and its schedule until `rounds` rounds are made in all; otherwise as `tune`.

    From any state that `on_row` was called with and the rows until then, under the same key, the end is that of the
    training which was not cut off, bit for bit.
    """
    check_count(rounds, "the number of rounds")
    check_count(every, "the number of rounds between rows")
    if patience is not None:
        check_count(patience, "the patience")
    rows = list(schedule.rows)
    best, waited = progress(method, rows)
    for number in range(state.training_steps // method.training_steps + 1, rounds + 1):
        if waited == patience:
            break
        try:
            after = step(problem, method, state, key)
            row = evaluate(problem, method, after) if number % every == 0 or number == rounds else None
        except NotFinite as error:
            return Tuned(state, Schedule(tuple(rows)), str(error), diverged=True)
        state = after
        if row is None:
            continue
        rows.append(row)
        if on_row is not None:
            on_row(row, state)
        if state.validation_steps:
            waited = 0 if row.value < best else waited + 1
            best = min(best, row.value)
    why = f"all {rounds} rounds were made"
    if waited == patience:
        why = f"no lower validation loss in {patience} rows"
    return Tuned(state, Schedule(tuple(rows)), why)


def follow(
    problem: SelfTuningProblem,
    schedule: Schedule,
    steps: int,
    key: Key,
    weights: Rule | None = None,
    every: int | None = None,
) -> Tuned:
    """A plain training along a schedule: no response, no perturbation, no use of the validation data but for values.

    With `Schedule.constant` it is a training with fixed hyperparameters. Arguments as for `tune`; `weights` is the
    update rule, momentum SGD at rate 0.01 by default, and `every` counts training steps, all of them by default.
    """
    check_count(steps, "the number of training steps")
    rule, every = weights or Momentum(0.01), check_count(steps if every is None else every, "the steps between rows")
    state = start(problem, SelfTuning(0))
    rows = [replace(_row(problem, state, None), params=schedule.at(0), scales={})]
    for number in range(1, steps + 1):
        params = schedule.at(number - 1)
        try:
            state = plain_step(problem, state, params, rule, key)
            if number % every == 0 or number == steps:
                check_tensors(state)
                rows.append(replace(_row(problem, state, None), params=params, scales={}))
        except NotFinite as error:
            return Tuned(state, Schedule(tuple(rows)), str(error), diverged=True)
    return Tuned(state, Schedule(tuple(rows)), f"all {steps} steps were made")


def progress(method: SelfTuning, rows: Sequence[Row]) -> tuple[float, int]:
    """The lowest value of the rows after the warm-up, and how many rows came since."""
    best, waited = math.inf, 0
    for row in rows:
        if row.step - method.training_steps >= method.warm_up:
            waited = 0 if row.value < best else waited + 1
            best = min(best, row.value)
    return best, waited


def _row(problem: SelfTuningProblem, state: State, z: Tensor | None) -> Row:
    """The row of a state whose response reads z, shape (k,); None for zero."""

    def value(data: Batch, role: str) -> float:
        at = None if z is None else z.expand(len(data[0]), -1)
        with torch.no_grad():
            loss = problem.loss(role, problem.validation(Network(problem.module, state.parameters, at), data))
        check_loss(loss, role, state.training_steps, problem, state)
        return float(loss)

    return Row(
        state.training_steps,
        problem.coding.plain(state.raw),
        value(problem.evaluation, "validation"),
        None if problem.held_out is None else value(problem.held_out, "held-out"),
        dict(zip(problem.coding.names, state.scale.tolist(), strict=True)),
    )
