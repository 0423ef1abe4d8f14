"""Dispersion: whether the jumps of losses of many tasks lie apart, which decides whether settings can be learnt online.

Needs the dual functions of a sequence of tasks. Losses are (w, k)-dispersed if every ball of radius w contains jumps of
at most k of them: M.-F. Balcan, T. Dick and E. Vitercik, "Dispersion for data-driven algorithm design, online learning,
and private optimization", FOCS 2018, arXiv 1711.03091. They are beta-dispersed if the largest count in balls of radius
t^-beta over t tasks grows no faster than t^(1 - beta), up to logarithms: M.-F. Balcan, T. Dick and D. Sharma, "Learning
piecewise Lipschitz functions in changing environments", AISTATS 2020, arXiv 1907.09137. (The abstracts were read; the
definitions are recalled.) With beta >= 1/2 an exponentially weighted forecaster has a regret of order sqrt(T log T).

Measured here:

- `counts`: for each radius the largest number of tasks with a jump in one ball, by an exact sweep over all centres: a
  task's jumps, widened by the radius, are intervals of centres, and the largest overlap of the tasks' unions counts.
- `growth`: the exponent g of the largest number of jumps in one ball of radius t^-1/2, fitted over blocks of t = T,
  T/2, T/4 ... tasks, averaged over the disjoint blocks of one length. Jumps, not tasks, are counted here: the number of
  tasks is at most t, so that it stops growing where tasks jump often, and is never above that of jumps.
- `beta`: the largest beta on a grid whose number of jumps at t^-beta grows with an exponent of at most 1 - beta + 0.15.

Radii are in halves of the interval's length, so that 1 is the ball that covers all, on the scale on which the
hyperparameter lives. The fits say how counts grew, not how they will: an adversary is not bound by its past.

A kink is no jump: of a piecewise quadratic function only breakpoints count where its value changes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimtab.base.errors import InvalidArgument, message
from trimtab.tuners.tasks.duals.dual import Dual
from trimtab.tuners.tasks.duals.piecewise_constant import PiecewiseConstant
from trimtab.tuners.tasks.duals.piecewise_quadratic import PiecewiseQuadratic

__all__ = ["Dispersion", "jumps", "largest_count", "measure_dispersion"]

Array = NDArray[np.float64]

LEAST_TASKS = 32
SLACK = 0.15
"""How much above 1 - beta a fitted exponent may lie, for logarithms and chance."""

BETAS = np.round(np.arange(0.05, 1.0001, 0.05), 2)


@final
@dataclass(frozen=True, eq=False)
class Dispersion:
    """How the jumps of a sequence of losses lie. Made by `measure_dispersion`.

    Arguments:
        tasks: how many losses.
        jumps: how many jumps in all.
        radii: in halves of the interval's length, ascending, shape (k,).
        counts: the largest number of tasks with a jump in one ball of each radius, shape (k,).
        growth: fitted exponent of the number of jumps within t^-1/2; -inf where no loss jumps; nan for too few tasks.
        beta: fitted dispersion, 0 where the jumps are concentrated, 1 at most; nan for too few tasks.
    """

    tasks: int
    jumps: int
    radii: Array
    counts: NDArray[np.intp]
    growth: float
    beta: float

    @property
    def dispersed(self) -> bool:
        """Whether a regret that grows like sqrt(T) may be expected, if tasks to come are like these."""
        return self.beta >= 0.5

    @property
    def sentence(self) -> str:
        """The same in words."""
        if math.isnan(self.beta):
            return f"{self.tasks} tasks are too few to fit how jumps crowd; {LEAST_TASKS} are needed."
        if self.jumps == 0:
            return "No loss jumps, so a regret that grows like sqrt(T) may be expected."
        grew = f"the largest number of jumps within t^-1/2 grew like t^{self.growth:.2f} (beta {self.beta:g})"
        if self.dispersed:
            return f"A regret that grows like sqrt(T) may be expected, if tasks to come are like these: {grew}."
        return f"A regret that grows like sqrt(T) may NOT be expected: {grew}, so they crowd."


def jumps(dual: Dual) -> Array:
    """Where a loss is discontinuous, ascending, shape (m,); for kinds that are not known here all breakpoints."""
    if isinstance(dual, PiecewiseConstant):
        return dual.simplified().breakpoints
    if isinstance(dual, PiecewiseQuadratic):
        c0, c1, c2 = dual.coefficients.T
        before, after = (c0 + c1 + c2)[:-1], (c0 - c1 + c2)[1:]
        size = np.abs(dual.coefficients).sum(axis=1)
        # Continuous pieces that were fitted apart meet up to rounding only.
        out: Array = dual.breakpoints[np.abs(after - before) > 1e-9 * (size[:-1] + size[1:])]
        return out
    return dual.breakpoints


def largest_count(places: Sequence[Array], radius: float) -> int:
    """The largest number of tasks with a place in one closed ball, over all centres; an exact sweep.

    Arguments:
        places: of each task, ascending, shape (m_i,).
        radius: of the ball, in the same units, >= 0.
    """
    starts, ends = [], []
    for own in places:
        if len(own):
            # Centres within reach of the task: intervals of neighbours that overlap are one, so it counts once.
            apart = np.flatnonzero(np.diff(own) > 2.0 * radius)
            starts.append(own[np.concatenate([[0], apart + 1])] - radius)
            ends.append(own[np.concatenate([apart, [len(own) - 1]])] + radius)
    if not starts:
        return 0
    opened, closed = np.sort(np.concatenate(starts)), np.sort(np.concatenate(ends))
    # At a start all intervals that began no later are open, but those that ended before it.
    return int((np.arange(1, len(opened) + 1) - np.searchsorted(closed, opened, side="left")).max())


def measure_dispersion(duals: Sequence[Dual], radii: ArrayLike | None = None, *, log: bool = False) -> Dispersion:
    """How the jumps of a sequence of losses lie.

    Arguments:
        duals: one a task, in the order of arrival, on intervals that overlap.
        radii: in halves of the interval's length, each > 0; by default 13 from 1/T to 1.
        log: whether the hyperparameter lives on a logarithmic scale.

    Raises:
        InvalidArgument: no duals, no common interval, a radius that is not positive, or a logarithm of an interval that
            does not lie above 0.
    """
    if not duals:
        raise InvalidArgument(message("dispersion needs at least one dual function", got=0))
    low, high = max(dual.low for dual in duals), min(dual.high for dual in duals)
    if not low < high or (log and not low > 0.0):
        raise InvalidArgument(
            message(
                "dispersion needs an interval that all dual functions share",
                got=(low, high),
                allowed="low < high, and low > 0 on a logarithmic scale",
            )
        )
    count = len(duals)
    wanted = (
        np.geomspace(1.0 / max(count, 2), 1.0, 13) if radii is None else np.sort(np.atleast_1d(radii)).astype(float)
    )
    if wanted.ndim != 1 or not (np.isfinite(wanted).all() and (wanted > 0.0).all()):
        raise InvalidArgument(message("radii must be positive numbers", got=radii))
    places = [_unit(jumps(dual), low, high, log) for dual in duals]
    counts = np.array([largest_count(places, radius) for radius in wanted], dtype=np.intp)
    total = sum(len(own) for own in places)
    if count < LEAST_TASKS:
        return Dispersion(count, total, wanted, counts, math.nan, math.nan)
    if total == 0:
        return Dispersion(count, 0, wanted, counts, -math.inf, 1.0)
    growths = [_growth(places, float(beta)) for beta in BETAS]
    kept = [float(beta) for beta, growth in zip(BETAS, growths, strict=True) if growth <= 1.0 - beta + SLACK]
    return Dispersion(count, total, wanted, counts, _growth(places, 0.5), max(kept, default=0.0))


def _unit(places: Array, low: float, high: float, log: bool) -> Array:
    """Places within (low, high) in halves of its length, ascending."""
    inner = places[(places > low) & (places < high)]
    if log:
        inner, low, high = np.log(inner), math.log(low), math.log(high)
    out: Array = (inner - low) * (2.0 / (high - low))
    return out


def _growth(places: Sequence[Array], beta: float) -> float:
    """The exponent of the largest number of jumps within t^-beta against t, by least squares of logarithms."""
    total = len(places)
    sizes: list[float] = []
    means: list[float] = []
    size = total
    while size >= LEAST_TASKS // 4 and len(sizes) < 6:
        blocks = [np.sort(np.concatenate(places[start : start + size])) for start in range(0, total - size + 1, size)]
        sizes.append(math.log(size))
        means.append(math.log(max(float(np.mean([_most(block, size**-beta) for block in blocks])), 1.0)))
        size //= 2
    return float(np.polyfit(sizes, means, 1)[0])


def _most(places: Array, radius: float) -> int:
    """The largest number of places in one closed ball; places ascending."""
    if not len(places):
        return 0
    return int((np.searchsorted(places, places + 2.0 * radius, side="right") - np.arange(len(places))).max())
