"""What a history tells a surrogate about one objective, as arrays of bounded size.

- A complete, feasible trial tells its loss (the value turned so that lower is better) and, where it
  was given, its standard error.
- A trial that failed, diverged or broke an observed constraint tells that its configuration is bad.
- Where a complete trial told a gradient, it tells derivatives of its loss by unit coordinates.
- A pruned trial tells its last value, but never as better than the median of the complete ones: that
  is what being pruned means. Without a value it counts as that median.
- A trial whose worker vanished (`EndReason.retriable`) tells nothing about its configuration.

Beyond `limit` trials a subset is read: the best half, the most recent quarter, and a quarter evenly
spread over the rest of the history, which keeps the initial design and the failures represented.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidParams
from trimtab.base.history import History
from trimtab.base.outcomes import TrialState
from trimtab.base.records import FrozenTrial, Params
from trimtab.space import Space

__all__ = ["Evidence", "encode_valid", "gather", "subset", "told_numbers"]

Array = NDArray[np.float64]
Numbers = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Arrays over trials, in the order of their numbers.

    Arguments:
        raw: raw coordinates, shape (n, d), nan where inactive.
        losses: lower is better; nan where the trial counts as bad; shape (n,).
        stderr: standard errors of the losses, 0 where none is known, shape (n,).
        measured: the losses, also those of trials that broke a constraint; nan where none was told; shape (n,).
        names: of the constraints that any of them told, in the order of their first telling.
        constraints: their values, <= 0 is feasible, nan where not told, shape (n, len(names)).
        cost: what each trial cost, nan where not told, shape (n,).
        proposers: the tuner that proposed each, "" where none did.
        gradients: derivatives of the losses by unit coordinates, nan where none was told, shape (n, d).
        numbers: of the trials, -1 where they are not of a history, shape (n,).
    """

    raw: Array
    losses: Array
    stderr: Array
    measured: Array = field(default_factory=lambda: np.empty(0))
    names: tuple[str, ...] = ()
    constraints: Array = field(default_factory=lambda: np.empty((0, 0)))
    cost: Array = field(default_factory=lambda: np.empty(0))
    proposers: tuple[str, ...] = ()
    gradients: Array = field(default_factory=lambda: np.empty((0, 0)))
    numbers: Numbers = field(default_factory=lambda: np.empty(0, dtype=np.intp))

    def __post_init__(self) -> None:
        """Fill in what was left out: no constraints, no costs, nobody's proposals, no gradients, no numbers."""
        count = len(self.losses)
        for name, missing in (
            ("measured", self.losses),
            ("constraints", np.empty((count, 0))),
            ("cost", np.full(count, np.nan)),
            ("proposers", ("",) * count),
            ("gradients", np.full(self.raw.shape, np.nan)),
            ("numbers", np.full(count, -1)),
        ):
            if len(getattr(self, name)) != count:
                object.__setattr__(self, name, missing)

    @property
    def good(self) -> NDArray[np.bool_]:
        """Which trials tell a loss, shape (n,)."""
        return np.isfinite(self.losses)

    def __getitem__(self, rows: Numbers) -> Evidence:
        """The evidence of some trials, in the given order."""
        return Evidence(
            self.raw[rows],
            self.losses[rows],
            self.stderr[rows],
            self.measured[rows],
            self.names,
            self.constraints[rows],
            self.cost[rows],
            tuple(self.proposers[row] for row in rows.tolist()),
            self.gradients[rows],
            self.numbers[rows],
        )

    def proposed_by(self, tuner: str) -> NDArray[np.bool_]:
        """Which trials a tuner proposed, shape (n,)."""
        return np.array([name == tuner for name in self.proposers], dtype=np.bool_)


def told_numbers(history: History[Space]) -> Numbers:
    """Numbers of the trials that ended in any way, ascending."""
    return history.numbers(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


def subset(history: History[Space], numbers: Numbers, limit: int) -> Numbers:
    """At most `limit` of the given trials, ascending; see the module."""
    if len(numbers) <= limit:
        return numbers
    losses = history.minimized[numbers, 0]
    complete = history.states[numbers] == TrialState.COMPLETE
    order = np.lexsort((numbers, np.where(complete & np.isfinite(losses), losses, np.inf)))
    best, recent = order[: limit // 2], np.arange(len(numbers) - limit // 4, len(numbers))
    chosen = np.union1d(best, recent)
    rest = np.setdiff1d(np.arange(len(numbers)), chosen, assume_unique=True)
    spread = rest[np.linspace(0, len(rest) - 1, limit - len(chosen)).round().astype(np.intp)]
    return np.asarray(numbers[np.union1d(chosen, spread)])


def gather(history: History[Space], numbers: Numbers) -> Evidence:
    """The evidence of the given trials, fewer where some tell nothing or lie outside the space.

    Reads the first objective. Decodes the given trials and no others.
    """
    minimized = history.minimized[:, 0]
    finished = minimized[history.complete]
    finished = finished[np.isfinite(finished)]
    median = float(np.quantile(finished, 0.5, method="lower")) if finished.size else np.nan
    told = [trial for trial in map(history.trial, numbers.tolist()) if _tells(trial)]
    raw, valid = encode_valid(history.space, [trial.params for trial in told if trial.params is not None])
    trials = [trial for trial, kept in zip(told, valid, strict=True) if kept]
    measured = [_loss(trial, float(minimized[trial.number]), median) for trial in trials]
    losses = [np.nan if _broke(trial) else loss for trial, loss in zip(trials, measured, strict=True)]
    names, constraints = _constraints(trials)
    return Evidence(
        raw=raw,
        losses=np.array(losses, dtype=np.float64),
        stderr=np.array([_stderr(trial, history.objectives[0].name) for trial in trials], dtype=np.float64),
        measured=np.array(measured, dtype=np.float64),
        names=names,
        constraints=constraints,
        cost=np.array([_cost(trial) for trial in trials], dtype=np.float64),
        proposers=tuple(trial.tuner for trial in trials),
        gradients=_gradients(history, trials, raw),
        numbers=np.array([trial.number for trial in trials], dtype=np.intp),
    )


def _gradients(history: History[Space], trials: Sequence[FrozenTrial], raw: Array) -> Array:
    """Derivatives of the losses by unit coordinates (n, d), nan where none was told or a number overflows."""
    out = np.full(raw.shape, np.nan)
    told = [_gradient(trial) for trial in trials]
    named = set().union(*told)
    columns = history.space.columns
    places = [p for p, c in enumerate(columns) if c.name in named and c.kind == "float" and c.size is None]
    if not places:
        return out
    names = [columns[place].name for place in places]
    by_raw = np.array([[gradient.get(name, np.nan) for name in names] for gradient in told])
    with np.errstate(over="ignore", invalid="ignore"):
        stretches = [columns[place].axis.stretch(raw[:, place]) for place in places]
        by_unit = history.objectives[0].sign * by_raw * np.array(stretches).T
    out[:, places] = np.where(np.isfinite(by_unit), by_unit, np.nan)
    return out


def _gradient(trial: FrozenTrial) -> Mapping[str, float]:
    """What a complete trial told of its derivatives."""
    told = trial.observation.gradient if trial.observation is not None else None
    return told if told is not None and trial.state is TrialState.COMPLETE else {}


def _tells(trial: FrozenTrial) -> bool:
    """Whether a trial tells anything about its configuration."""
    return trial.params is not None and not (trial.reason is not None and trial.reason.retriable)


def _broke(trial: FrozenTrial) -> bool:
    """Whether it was seen to break a constraint."""
    return trial.observation is not None and not trial.observation.feasible


def _constraints(trials: Sequence[FrozenTrial]) -> tuple[tuple[str, ...], Array]:
    """Names of all constraints that were told, and their values (n, names)."""
    told = [(trial.observation.constraints if trial.observation is not None else None) or {} for trial in trials]
    names = tuple(dict.fromkeys(name for row in told for name in row))
    values = [[row.get(name, np.nan) for name in names] for row in told]
    return names, np.array(values, dtype=np.float64).reshape(len(trials), len(names))


def _cost(trial: FrozenTrial) -> float:
    """What it cost; nan where it was not told."""
    cost = trial.observation.cost if trial.observation is not None else None
    return np.nan if cost is None else cost


def _loss(trial: FrozenTrial, loss: float, median: float) -> float:
    """What a finished trial counts as, constraints aside; nan for bad."""
    if trial.state is TrialState.PRUNED:
        return max(loss, median) if np.isfinite(loss) else median
    return loss if trial.state is TrialState.COMPLETE and np.isfinite(loss) else np.nan


def _stderr(trial: FrozenTrial, objective: str) -> float:
    """The standard error that was told; 0 where none was, or none that can be used."""
    told = trial.observation.stderr if trial.observation is not None else None
    error = 0.0 if told is None else told.get(objective, 0.0)
    return error if np.isfinite(error) else 0.0


def encode_valid(space: Space, rows: Sequence[Params]) -> tuple[Array, NDArray[np.bool_]]:
    """Raw coordinates (m, d) of the rows that lie in the space, and which of the n rows these are, shape (n,).

    Trials from before a migration, added from elsewhere or enqueued in part may lie outside; halving finds
    a few of them among many without giving up the fast way of encoding the rest.
    """
    try:
        return space.encode_many(rows), np.ones(len(rows), dtype=np.bool_)
    except InvalidParams:
        if len(rows) == 1:
            return np.empty((0, len(space))), np.zeros(1, dtype=np.bool_)
        half = len(rows) // 2
        parts = [encode_valid(space, rows[:half]), encode_valid(space, rows[half:])]
        return np.concatenate([raw for raw, _ in parts]), np.concatenate([valid for _, valid in parts])
