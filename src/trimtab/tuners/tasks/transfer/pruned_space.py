"""A pruned search space for any tuner: the smallest box that holds the best configuration of every past task.

Needs past tasks, and what the tuner needs. With x_t the best configuration of past task t, on the unit interval of
each number's own scale, the box [l, u] of least size that holds all of them is

    l_j = min_t x_tj,   u_j = max_t x_tj

With `slack` = c > 0, tasks may stay outside where one that is unlike the others would hold the box open:

    min over l_j <= u_j:   (u_j - l_j)^2 / 2 + c / T sum_t (max(l_j - x_tj, 0) + max(x_tj - u_j, 0))

with ends among the x_tj, so that they lie on the parameter's grid. The tuner searches the space with these ranges as
if it were the study's; categorical parameters, and numbers that all past tasks agree about, keep their range.

Source: V. Perrone, H. Shen, M. Seeger, C. Archambeau and R. Jenatton, "Learning Search Spaces for Bayesian
Optimization: Another View of Hyperparameter Transfer Learning", NeurIPS 2019, arXiv 1909.12552: the box, of squared
size as here, and its slack; the form of the slack above is as recalled. Not here: their ellipsoid, which is no space
that any tuner could be given. Not there: **the fallback.** Where the best trial of the new task lies at an end of the
box, within `BORDER` of the parameter's unit interval, or outside, that parameter has its whole range on that side:
nothing says any more that the optimum lies within. And once a small box was tried completely, the whole space is
searched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument, InvalidSpace, message
from trimtab.base.history import History
from trimtab.base.info import Info
from trimtab.base.ports import Tuner
from trimtab.base.records import Suggestion
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.space import Float, Int, Parameter, Space
from trimtab.space.edits import edited
from trimtab.surrogates.evidence import gather, told_numbers
from trimtab.tuners.tasks.transfer.corpus import Corpus, MatchedCorpus

__all__ = ["PERRONE_2019", "Box", "PrunedSpace", "learnt_box", "smallest_interval"]

Array = NDArray[np.float64]

PERRONE_2019 = Reference(
    authors="Perrone, Valerio and Shen, Huibin and Seeger, Matthias and Archambeau, Cedric and Jenatton, Rodolphe",
    title="Learning Search Spaces for Bayesian Optimization: Another View of Hyperparameter Transfer Learning",
    year=2019,
    venue="Advances in Neural Information Processing Systems 32",
    arxiv="1909.12552",
)

BORDER = 0.01
"""How near to an end of its range, in unit coordinates, a value counts as at the end."""


def smallest_interval(points: Array, slack: float | None) -> tuple[int, int]:
    """Which of n unit coordinates (n,) are the ends of the interval of least cost; see the module.

    Arguments:
        points: without nan, at least one.
        slack: c; None for an interval that holds all of them.
    """
    if slack is None:
        return int(points.argmin()), int(points.argmax())
    low, high = points[:, None], points[None, :]
    outside = np.maximum(low[..., None] - points, 0.0) + np.maximum(points - high[..., None], 0.0)
    cost = 0.5 * (high - low) ** 2 + slack * outside.mean(axis=-1)
    place = int(np.where(low <= high, cost, np.inf).argmin())
    return place // len(points), place % len(points)


@dataclass(frozen=True, slots=True)
class Box:
    """Ranges that past tasks taught.

    Arguments:
        low, high: raw coordinates of the ends, nan where the parameter keeps its range, shape (d,).
    """

    low: Array
    high: Array


def learnt_box(corpus: MatchedCorpus, slack: float | None = None) -> Box:
    """The box of a corpus, at least one task of which says something."""
    best = np.array([task.raw[int(np.nanargmin(task.losses))] for task in corpus.tasks])
    unit = corpus.space.to_unit(best)
    low, high = np.full(len(corpus.space), np.nan), np.full(len(corpus.space), np.nan)
    for place, column in enumerate(corpus.space.columns):
        active = np.flatnonzero(~np.isnan(unit[:, place]))
        if column.kind in ("float", "int") and active.size:
            first, last = smallest_interval(unit[active, place], slack)
            if best[active[first], place] < best[active[last], place]:
                low[place], high[place] = best[active[first], place], best[active[last], place]
    return Box(low, high)


@dataclass(frozen=True)
class PrunedSpace:
    """Any tuner, in the ranges in which past tasks had their best.

    Its suggestions carry the names that the tuner gives them, and say which ranges were searched.

    Arguments:
        corpus: past tasks.
        tuner: who searches.
        slack: how dear it is that a past task's best stays outside; None where all must be inside.

    Raises:
        InvalidArgument: a slack that is not above 0.
    """

    corpus: Corpus
    tuner: Tuner[Space]
    slack: float | None = None

    name: ClassVar[str] = "pruned-space"

    def __post_init__(self) -> None:
        """Check the slack."""
        if self.slack is not None and not self.slack > 0.0:
            raise InvalidArgument(
                message("slack must be above 0", got=self.slack, do="leave it out for a box that holds every task")
            )

    @property
    def needs(self) -> Info:
        """What the tuner needs."""
        return self.tuner.needs

    @property
    def refs(self) -> Sequence[Reference]:
        """The source of the box, and the tuner's own."""
        return (PERRONE_2019, *self.tuner.refs)

    def ask(self, history: History[Space], count: int, key: Key) -> list[Suggestion]:
        """`count` configurations; fewer where a small space has no more that were not tried."""
        space = self.space(history)
        inside = history if space == history.space else history.with_space(space)
        found = self.tuner.ask(inside, count, key)
        numbers = [column.name for column in history.space.columns if column.kind in ("float", "int")]
        pruned = sum(space[name] != history.space[name] for name in numbers)
        text = f"{pruned} of {len(numbers)} ranges pruned by past tasks"
        out = [replace(suggestion, why=f"{suggestion.why}; {text}") for suggestion in found]
        if len(out) < count and pruned:
            # A small box was tried completely; the trials of this ask are not known outside of it.
            return out or self.tuner.ask(history, count, key)
        return out

    def space(self, history: History[Space]) -> Space:
        """The space that is searched after a history."""
        whole = history.space
        matched = self.corpus.on(whole)
        if not matched.tasks or whole.is_traced:
            return whole
        name = ("box", self.slack)
        if name not in matched.remembered:
            matched.remembered[name] = learnt_box(matched, self.slack)
        box: Box = matched.remembered[name]
        opened = _opened(history, box)
        found = whole
        for place, column in enumerate(whole.columns):
            if not np.isnan(box.low[place]):
                low = None if opened[place, 0] else float(box.low[place])
                high = None if opened[place, 1] else float(box.high[place])
                found = edited(found, column.name, partial(_narrowed, low=low, high=high))
        return found


def _opened(history: History[Space], box: Box) -> NDArray[np.bool_]:
    """Which ends of the box the best trial lies at, or beyond, shape (d, 2)."""
    space = history.space
    out = np.zeros((len(space), 2), dtype=np.bool_)
    if len(history.objectives) > 1:
        return out
    evidence = gather(history, told_numbers(history))
    if not evidence.good.any():
        return out
    best, low, high = space.to_unit(np.stack([evidence.raw[int(np.nanargmin(evidence.losses))], box.low, box.high]))
    with np.errstate(invalid="ignore"):
        out[:, 0], out[:, 1] = best <= low + BORDER, best >= high - BORDER
    return out


def _narrowed(parameter: Parameter, low: float | None, high: float | None) -> Parameter:
    """A number with other ends, None for its own; itself where its steps do not lead from one to the other."""
    if not isinstance(parameter, Float | Int):
        return parameter
    first, last = parameter.low if low is None else low, parameter.high if high is None else high
    default = parameter.default if parameter.default is None or first <= parameter.default <= last else None
    prior = parameter.prior if parameter.prior is None or first <= parameter.prior.location <= last else None
    try:
        if isinstance(parameter, Int):
            whole = None if default is None else int(default)
            return replace(parameter, low=int(first), high=int(last), default=whole, prior=prior)
        return replace(parameter, low=first, high=last, default=default, prior=prior)
    except InvalidSpace:
        return parameter
