"""A local search by quadratic models in a trust region, as a tuner and as the finish of others.

Needs values. Once a basin is found, a global model is a slow way to its bottom: it explains the whole space
to one precision. Here each ask

1. stands at the best trial told so far, and leaves the categorical and few-valued parameters as they are there;
2. fits a quadratic to the trials nearest to it that agree with it in those parameters
   (`trimtab.surrogates.quadratic`), which also tells how much each coordinate matters;
3. proposes the place of the lowest plausible value in a ball around the best trial: that of the quadratic less
   one deviation of what the trials leave open about it. While there are fewer trials than directions, a step so
   goes down the known ones and looks along an unknown one at once; later the doubt is small, and it is the
   minimum of the quadratic. The ball is an ellipsoid, longer in coordinates that matter less; its size, the radius,
   is read off the history (`trimtab.tuners.values.standing`).

So there is no state beside the history, and a parallel or replayed study gives the same answers. Trials that
are pending leave less doubt where they are, whatever they will tell, so the next step goes elsewhere; a few steps may
be under way at once, more would know too little of one another. Where the minimum was tried already, a random point of
the ball keeps the geometry of the points from degenerating.

The study's first trials are the default configuration, or the centre, and points of its Sobol sequence.
Nothing is proposed where the predicted gain drowns in what the quadratic leaves unexplained (a noisy or rough
function), or where the radius falls below what the parameters resolve, or below the width of a plateau: then the
tuner draws anew, and a tuner whose finish this is goes on by itself.

Source: A. R. Conn, K. Scheinberg and L. N. Vicente, "Introduction to Derivative-Free Optimization", SIAM,
2009, chapters 10 and 11 (trust regions on regression and underdetermined models); M. J. D. Powell, "The
BOBYQA algorithm for bound constrained optimization without derivatives", report NA2009/06, Cambridge. Values lowered by
their doubt, and doubt lessened by what is pending, are T. Desautels, A. Krause and J. W. Burdick, "Parallelizing
Exploration-Exploitation Tradeoffs in Gaussian Process Bandit Optimization", JMLR 15, 2014. Different:
the model is Bayesian instead of interpolating, and the ball follows the relevance of the coordinates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from trimtab.base.history import History
from trimtab.base.info import Info
from trimtab.base.records import Suggestion
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.space import Column, Space
from trimtab.surrogates.evidence import Evidence
from trimtab.surrogates.quadratic import FARTHEST, Quadratic, fit_quadratic, lowest_within, pulled
from trimtab.surrogates.untried import keys
from trimtab.tuners.values.initial_design import design_point
from trimtab.tuners.values.quasi_random import SOBOL_REFS
from trimtab.tuners.values.standing import NAME, SMALLEST, Standing, after, is_local_turn, patience, standing
from trimtab.tuners.values.view import View

__all__ = [
    "TRUST_REGION_REFS",
    "TrustRegion",
    "finish",
    "has_room",
    "is_fine",
    "local_step",
]

Array = NDArray[np.float64]

TRUST_REGION_REFS = (
    Reference(
        authors="Conn, Andrew R. and Scheinberg, Katya and Vicente, Luis N.",
        title="Introduction to Derivative-Free Optimization",
        year=2009,
        venue="Society for Industrial and Applied Mathematics",
        doi="10.1137/1.9780898718768",
    ),
    Reference(
        authors="Powell, Michael J. D.",
        title="Least Frobenius Norm Updating of Quadratic Models That Satisfy Interpolation Conditions",
        year=2004,
        venue="Mathematical Programming 100, 183-215",
        doi="10.1007/s10107-003-0490-7",
    ),
)

LEVELS = 10
"""A number or ordinal of fewer values is left as it is."""

RATIO = 8.0
"""The longest and shortest half-axes of the ball are at most so many times the mean."""

AT_ONCE = 5
"""Local steps that may be pending."""

OPTIMISM, HOPES = 1.0, 4
"""By how many deviations of its doubt the quadratic is lowered, and from how many random places that is minimised."""

TRUSTED = 0.3
"""A predicted gain below so many deviations of what the model leaves unexplained is none."""

MOST = 1000
"""Trials read."""


@dataclass(frozen=True, slots=True)
class _Neighbourhood:
    """The best trial and those that agree with it in what stays fixed.

    Arguments:
        evidence: the trials that were told, in the order of their numbers.
        unit: their unit coordinates, shape (n, d).
        local: which were local steps, shape (n,).
        best: row of the best.
        free: columns that move, shape (f,).
        rows: the rows that agree with the best and tell a loss, the best included.
        bad: those that agree with it, and failed or broke a constraint.
        waiting: free coordinates of the pending trials that agree with it, shape (m, f).
    """

    evidence: Evidence
    unit: Array
    local: NDArray[np.bool_]
    best: int
    free: NDArray[np.intp]
    rows: NDArray[np.intp]
    bad: NDArray[np.intp]
    waiting: Array

    @classmethod
    def of(cls, view: View) -> _Neighbourhood | None:
        """Around the best of what a view knows; None where nothing can move or too little is known."""
        evidence = view.evidence(MOST)
        if evidence.good.sum() < 2 or not len(view.space):
            return None
        unit = view.space.to_unit(evidence.raw)
        best = int(np.nanargmin(evidence.losses))
        fine = np.array([is_fine(column) for column in view.space.columns])
        active = ~np.isnan(unit[best])
        free = np.flatnonzero(fine & active)
        fixed = ~(fine & active)
        agree = _agrees(evidence.raw, evidence.raw[best])[:, fixed].all(axis=1)
        rows, bad = np.flatnonzero(agree & evidence.good), np.flatnonzero(agree & ~evidence.good)
        if not free.size or len(rows) < 2:
            return None
        pending = view.pending[_agrees(view.pending, evidence.raw[best])[:, fixed].all(axis=1)]
        waiting = view.space.to_unit(pending)[:, free]
        local = evidence.proposed_by(NAME)
        return cls(evidence, unit, local, best, free, rows, bad, waiting)

    def standing(self, shape: Array) -> Standing:
        """The fold, with a ball of a shape (f,)."""
        whole = np.full(self.unit.shape[1], np.nan)
        whole[self.free] = shape
        return standing(self.evidence, self.unit, self.local, whole)

    def is_bad_at(self, place: Array) -> bool:
        """Whether the trial nearest to free coordinates (f,) is a bad one."""
        if not self.bad.size:
            return False
        nearest_bad, nearest_good = (
            float(np.abs(self.unit[np.ix_(rows, self.free)] - place).max(axis=1).min())
            for rows in (self.bad, self.rows)
        )
        return nearest_bad < nearest_good

    def fit(self, radius: float, shape: Array) -> Quadratic:
        """The quadratic in (u - best) / (radius shape), of losses above the best, in units of their median."""
        centre = self.unit[self.best, self.free]
        z = (self.unit[np.ix_(self.rows, self.free)] - centre) / (radius * shape)
        count = len(self.free)
        near = np.argsort(np.abs(z).max(axis=1), kind="stable")[: (count + 1) * (count + 2) // 2 + count]
        return fit_quadratic(z[near], _above(self.evidence.losses[self.rows[near]], self.evidence.losses[self.best]))

    def awaited(self, model: Quadratic, radius: float, shape: Array) -> Quadratic:
        """The quadratic of a radius and shape with less doubt where trials are pending."""
        if not len(self.waiting) or model.doubt is None:
            return model
        centre = self.unit[self.best, self.free]
        return replace(model, doubt=model.doubt.given((self.waiting - centre) / (radius * shape)))


def _agrees(raw: Array, best: Array) -> NDArray[np.bool_]:
    """Which coordinates of rows (n, d) are the best's (d,), inactive ones included; shape (n, d)."""
    return np.asarray((raw == best) | (np.isnan(raw) & np.isnan(best)))


def _above(losses: Array, best: float) -> Array:
    """By how much losses lie above the best, in units of the median of that; at most `FARTHEST`."""
    # Halves, because the difference of two floats may overflow.
    above = 0.5 * losses - 0.5 * best
    scale = float(np.median(above)) or float(above.max()) or 1.0
    with np.errstate(over="ignore"):
        return np.minimum(above / scale, FARTHEST)


def finish(view: View, key: Key) -> tuple[Array, str] | None:
    """The next step of a tuner that shares its trials with this one, if the turn is this one's; see `is_local_turn`."""
    around = _Neighbourhood.of(view)
    if around is None:
        return None
    state = around.standing(np.ones(len(around.free)))
    if not is_local_turn(after(state, view.proposers), len(around.free)):
        return None
    return _step(view, around, state.radius, key)


def local_step(view: View, key: Key) -> tuple[Array, str] | None:
    """The next local step: a raw configuration (d,) that was not tried, and why; None where there is none to trust."""
    around = _Neighbourhood.of(view)
    return None if around is None else _step(view, around, around.standing(np.ones(len(around.free))).radius, key)


def _step(view: View, around: _Neighbourhood, radius: float, key: Key) -> tuple[Array, str] | None:
    """The step from the centre of a neighbourhood; `radius` is that of a round ball, in which its shape is learnt."""
    if sum(name == NAME for name in view.proposers) >= AT_ONCE:
        return None
    shape = _shape(around.fit(radius, np.ones(len(around.free))).relevance)
    state = around.standing(shape)
    if state.radius <= max(SMALLEST, state.plateau):
        return None
    model = around.awaited(around.fit(state.radius, shape), state.radius, shape)
    axes, centre = state.radius * shape, around.unit[around.best, around.free]
    low, high = np.maximum(-axes, -centre) / axes, np.minimum(axes, 1.0 - centre) / axes
    if state.failures >= patience(len(around.free)):
        gain = model.constant - model.value(lowest_within(model, low, high, reach=1.0))
        if not gain > TRUSTED * model.deviation:
            return None
    for z, how in _places(model, low, high, key.child(NAME).generator()):
        if float(np.linalg.norm(z)) * state.radius < state.plateau:
            continue
        raw = _snapped(view.space, around, z * state.radius * shape)
        if raw is None or keys(raw[None, :])[0] in view.taken or not _is_apart(view.space, raw, around, state.radius):
            continue
        size = f"{len(around.rows)} trials in a trust region of radius {state.radius:.2g}"
        return raw, f"{how} of a quadratic model of {size}"
    return None


def _places(model: Quadratic, low: Array, high: Array, rng: np.random.Generator) -> Iterator[tuple[Array, str]]:
    """Where a step may go in the unit ball, the best first, each found when it is asked for: scaled, shape (f,)."""
    starts = 0.5 * rng.uniform(low, high, (HOPES, len(low)))
    yield lowest_within(model, low, high, 1.0, OPTIMISM, starts), "lowest plausible value"
    yield lowest_within(model, low, high, 1.0), "minimum"
    yield pulled(rng.uniform(low, high), 1.0)[0], "random point, its minimum being known,"


def has_room(space: Space) -> bool:
    """Whether there is any parameter for local steps."""
    return any(is_fine(column) for column in space.columns)


def is_fine(column: Column) -> bool:
    """Whether a parameter has enough values, in an order, for a quadratic."""
    return column.kind != "categorical" and (column.size or LEVELS) >= LEVELS


def _shape(relevance: Array) -> Array:
    """Relative half-axes of the ball: relevance^-1/2, with geometric mean 1."""
    sides = relevance**-0.5
    sides = np.clip(sides / np.exp(np.log(sides).mean()), 1.0 / RATIO, RATIO)
    out: Array = sides / np.exp(np.log(sides).mean())
    return out


def _snapped(space: Space, around: _Neighbourhood, step: Array) -> Array | None:
    """The configuration a step (f,) away from the best, pulled back until it keeps the constraints of the space.

    It is pulled back too while the trial nearest to it is a bad one: the quadratic knows nothing of failures and
    broken constraints, and would go on into them.
    """
    centre = around.unit[around.best]
    for factor in (1.0, 0.5, 0.25, 0.125):
        unit = np.where(np.isnan(centre), 0.5, centre)
        unit[around.free] = np.clip(centre[around.free] + factor * step, 0.0, 1.0)
        raw: Array = space.from_unit(unit[None, :])
        kept = not space.all_constraints or space.feasible_many(raw)[0]
        if kept and not around.is_bad_at(unit[around.free]):
            return np.asarray(raw[0])
    return None


def _is_apart(space: Space, raw: Array, around: _Neighbourhood, radius: float) -> bool:
    """Whether a configuration is a hundredth of the radius away from all that were told."""
    here = space.to_unit(raw[None, :])[0, around.free]
    gaps = np.abs(around.unit[np.ix_(around.rows, around.free)] - here).max(axis=1)
    return bool(gaps.min() >= 0.01 * radius)


@dataclass(frozen=True)
class TrustRegion:
    """Local search by quadratic models in a trust region.

    Arguments:
        initial_design: trials before the model is used; None for d + 1, at most 10.
    """

    initial_design: int | None = None

    name: ClassVar[str] = NAME
    needs: ClassVar[Info] = Info.VALUES
    refs: ClassVar[tuple[Reference, ...]] = TRUST_REGION_REFS + SOBOL_REFS

    def ask(self, history: History[Space], count: int, key: Key) -> list[Suggestion]:
        """`count` configurations; fewer where a small space has no more that were not tried."""
        view = View(history)
        out: list[Suggestion] = []
        wanted = min(len(view.space) + 1, 10) if self.initial_design is None else self.initial_design
        for place in range(count):
            here = key.for_trial(key.trial + place)
            local = view.known >= wanted and len(history.objectives) == 1
            found, tuner = local_step(view, here) if local else None, self.name
            if found is None:
                # Not a local step: under its own name it would count as one that failed.
                inwards = view.known < wanted
                found, tuner = design_point(view.space, view.taken, here, inwards), "sobol"
            if found is None:
                break
            view.propose(found[0], tuner)
            out.append(Suggestion(history.space.decode(found[0]), tuner, found[1]))
        return out
