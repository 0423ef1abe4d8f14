"""Exact empirical risk minimisation over tasks, in one hyperparameter, with the gap to tasks that were held out.

Needs the dual functions of the tasks (`trimtab.tuners.tasks.duals`): then

    a_hat = argmin_a (1/T) sum_i l_a(x_i)

is found exactly by one sweep over all breakpoints, and no grid is better. M.-F. Balcan, A. T. Nguyen and D. Sharma,
"Sample complexity of data-driven tuning of model hyperparameters in neural networks with structured parameter-dependent
dual function", NeurIPS 2025, arXiv 2501.13734, study this minimiser. How far its loss on tasks to come lies above the
one it was chosen by is estimated here by tasks that were held out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from trimtab.base.arrays import vector_from_json, vector_to_json
from trimtab.base.errors import InvalidArgument, check_count, message
from trimtab.base.records import Json, check_name
from trimtab.base.seeds import Key
from trimtab.tuners.tasks.duals.dual import Dual
from trimtab.tuners.tasks.duals.mean import mean_dual

__all__ = ["ExactFit", "Gap", "LearningCurve", "fit_exact", "learning_curve", "losses_at"]

Array = NDArray[np.float64]


@final
@dataclass(frozen=True, eq=False)
class Gap:
    """What a fitted setting loses on tasks that it was not fitted to.

    Arguments:
        tuning: mean loss over the tasks that the setting was fitted to.
        held_out: mean loss over the others.
        difference: `held_out` - `tuning`; above zero on average, since the setting was chosen by the latter.
        stderr: standard error of the difference, tasks taken as independent draws; nan where a side has one task.
        losses: loss of each held-out task, shape (m,).
    """

    tuning: float
    held_out: float
    difference: float
    stderr: float
    losses: Array


@final
@dataclass(frozen=True, eq=False)
class ExactFit:
    """The best setting for a set of tasks. Made by `fit_exact`.

    Arguments:
        name: the hyperparameter's name.
        log: whether it lives on a logarithmic scale.
        at: the minimiser; the middle of the ties (geometric on a logarithmic scale) where an interval attains it.
        value: the mean loss there, which no other setting beats on these tasks.
        low, high: the interval of ties around `at`.
        domain: the interval that all dual functions cover.
        breakpoints: of the mean loss, ascending, shape (pieces - 1,).
        losses: loss of each task at `at`, shape (tasks,).
        curve: points of the mean loss for a plot, ascending, with both sides of every breakpoint, shape (n, 2).
    """

    name: str
    log: bool
    at: float
    value: float
    low: float
    high: float
    domain: tuple[float, float]
    breakpoints: Array
    losses: Array
    curve: Array

    @property
    def tasks(self) -> int:
        """How many tasks it was fitted to."""
        return len(self.losses)

    @property
    def pieces(self) -> int:
        """How many pieces the mean loss has."""
        return len(self.breakpoints) + 1

    @property
    def params(self) -> dict[str, float]:
        """The setting as params."""
        return {self.name: self.at}

    def gap(self, held_out: Sequence[Dual]) -> Gap:
        """The loss on other tasks beside that on the tasks it was fitted to.

        Raises:
            InvalidArgument: no tasks, or one whose interval does not contain the setting.
        """
        others = losses_at(held_out, self.at)
        tuning, judged = float(self.losses.mean()), float(others.mean())
        variance = _variance(self.losses) / len(self.losses) + _variance(others) / len(others)
        return Gap(tuning, judged, judged - tuning, math.sqrt(variance), others)

    def to_json(self) -> dict[str, Json]:
        """Strict JSON."""
        return {
            "name": self.name,
            "log": self.log,
            "at": self.at,
            "value": self.value,
            "ties": [self.low, self.high],
            "domain": list(self.domain),
            "breakpoints": vector_to_json(self.breakpoints),
            "losses": vector_to_json(self.losses),
            "curve": vector_to_json(self.curve.ravel()),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> Self:
        """Inverse of `to_json`."""
        low, high = data["ties"]
        first, last = data["domain"]
        return cls(
            name=data["name"],
            log=data["log"],
            at=data["at"],
            value=data["value"],
            low=low,
            high=high,
            domain=(first, last),
            breakpoints=vector_from_json(data["breakpoints"]),
            losses=vector_from_json(data["losses"]),
            curve=vector_from_json(data["curve"]).reshape(-1, 2),
        )


def fit_exact(duals: Sequence[Dual], name: str, *, log: bool = False, points: int = 201) -> ExactFit:
    """The setting with the least mean loss over tasks, exactly.

    Arguments:
        duals: one a task, in natural units of the hyperparameter.
        name: of the hyperparameter.
        log: whether it lives on a logarithmic scale: ties are halved and the curve is drawn there.
        points: of the curve beside the breakpoints, 2 or more.

    Raises:
        InvalidArgument: as for `mean_dual`, or a logarithmic scale of an interval that does not lie above 0.
    """
    check_name(name, "a hyperparameter's name")
    mean = mean_dual(duals)
    if log and not mean.low > 0.0:
        raise InvalidArgument(
            message(f"{name!r}: a logarithmic scale needs an interval above 0", got=(mean.low, mean.high))
        )
    best = mean.minimum()
    at = best.at
    if log and best.low < best.high:
        at = min(max(math.sqrt(best.low) * math.sqrt(best.high), best.low), best.high)
    losses = losses_at(duals, at)
    return ExactFit(
        name=name,
        log=log,
        at=at,
        value=best.value,
        low=best.low,
        high=best.high,
        domain=(mean.low, mean.high),
        breakpoints=mean.breakpoints.copy(),
        losses=losses,
        curve=_curve(mean, at, log, check_count(points, "points", 2)),
    )


@final
@dataclass(frozen=True, eq=False)
class LearningCurve:
    """How the loss on held-out tasks falls with the number of tuning tasks. Made by `learning_curve`.

    Arguments:
        counts: numbers of tuning tasks, ascending, shape (k,).
        excess: mean held-out loss of settings fitted to so many tasks, less the least that one setting can have on
            the held-out tasks, averaged over draws; never below 0, shape (k,).
        spread: standard deviation of it over the draws, shape (k,); 0 where all tasks were drawn.
        best: that least mean loss.
    """

    counts: NDArray[np.intp]
    excess: Array
    spread: Array
    best: float


def learning_curve(
    duals: Sequence[Dual], held_out: Sequence[Dual], counts: Sequence[int], *, draws: int = 20, key: Key | None = None
) -> LearningCurve:
    """Fit to random subsets of the tuning tasks, and judge each fit by the held-out tasks.

    Arguments:
        duals: of the tuning tasks.
        held_out: of other tasks.
        counts: sizes of the subsets, each from 1 to the number of tuning tasks.
        draws: subsets of each size; the full set is fitted once.
        key: of the draws.

    Raises:
        InvalidArgument: a size that cannot be drawn, or duals that cannot be averaged.
    """
    check_count(draws, "draws")
    sizes = sorted(set(counts))
    if not sizes or not 1 <= sizes[0] <= sizes[-1] <= len(duals):
        raise InvalidArgument(message("sizes of subsets", got=list(counts), allowed=f"1 to {len(duals)}"))
    judge = mean_dual(held_out)
    best = judge.minimum().value
    rng = (key or Key(0)).child("learning curve").generator()
    excess, spread = [], []
    for size in sizes:
        subsets = (
            [np.arange(len(duals))]
            if size == len(duals)
            else [rng.choice(len(duals), size=size, replace=False) for _ in range(draws)]
        )
        found = [mean_dual([duals[place] for place in subset]).minimum().at for subset in subsets]
        above = judge.value(found) - best
        excess.append(float(above.mean()))
        spread.append(float(above.std()))
    return LearningCurve(np.array(sizes), np.array(excess), np.array(spread), best)


def losses_at(duals: Sequence[Dual], at: float) -> Array:
    """The loss of each task at one setting, shape (tasks,).

    Raises:
        InvalidArgument: no tasks, or one whose interval does not contain the setting.
    """
    if not duals:
        raise InvalidArgument(message("there must be at least one task", got=0))
    return np.array([float(dual.value(at)) for dual in duals])


def _variance(losses: Array) -> float:
    """With divisor n - 1; nan for a single loss."""
    return float(losses.var(ddof=1)) if len(losses) > 1 else math.nan


def _curve(mean: Dual, at: float, log: bool, points: int) -> Array:
    """The mean loss at spread points, at the minimiser, and at both sides of each breakpoint, shape (n, 2)."""
    spread = np.geomspace if log else np.linspace
    grid = np.clip(spread(mean.low, mean.high, points), mean.low, mean.high)
    before = np.nextafter(mean.breakpoints, -np.inf)
    xs = np.unique(np.concatenate([grid, mean.breakpoints, before, [at]]))
    return np.stack([xs, mean.value(xs)], axis=-1)
