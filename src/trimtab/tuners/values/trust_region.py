"""A local search by quadratic models in a trust region, as a tuner and as the finish of others.

Needs values. Once a basin is found, a global model is a slow way to its bottom: it explains the whole space
to one precision. Here each ask

1. stands at the best trial told so far, and leaves the categorical and few-valued parameters as they are there;
2. fits a quadratic to the trials nearest to it that agree with it in those parameters
   (`trimtab.surrogates.quadratic`), which also tells how much each coordinate matters;
3. proposes the place of the lowest plausible value in a box around the best trial: that of the quadratic less
   one deviation of what the trials leave open about it. While there are fewer trials than directions, a step so
   goes down the known ones and looks along an unknown one at once; later the doubt is small, and it is the
   minimum of the quadratic. The box is longer in coordinates that matter less; its size, the radius, is read
   off the history: it doubles where a step of its full length improved, halves where a step did not, and
   otherwise stays.

So there is no state beside the history, and a parallel or replayed study gives the same answers. Trials that
are pending leave less doubt where they are, whatever they will tell, so the next step goes elsewhere. They also
stand for steps that may fail or succeed: it is sought in a box of twice the size, then in one of half; more are
not taken at once, since they would know too little of one another. Where the minimum was tried already, a random
point of the box keeps the geometry of the points from degenerating.

The study's first trials are the default configuration, or the centre, and points of its Sobol sequence.
Nothing is proposed where the predicted gain drowns in what the quadratic leaves unexplained (a noisy, rough or
flat function), or where the radius falls below what the parameters resolve: then the tuner draws anew, and a
tuner whose finish this is goes on by itself.

Source: A. R. Conn, K. Scheinberg and L. N. Vicente, "Introduction to Derivative-Free Optimization", SIAM,
2009, chapters 10 and 11 (trust regions on regression and underdetermined models); M. J. D. Powell, "The
BOBYQA algorithm for bound constrained optimization without derivatives", report NA2009/06, Cambridge. Values lowered by
their doubt, and doubt lessened by what is pending, are T. Desautels, A. Krause and J. W. Burdick, "Parallelizing
Exploration-Exploitation Tradeoffs in Gaussian Process Bandit Optimization", JMLR 15, 2014. Different:
the model is Bayesian instead of interpolating, the box follows the relevance of the coordinates, and the radius
depends on success alone, since the decrease that was predicted for a past trial is not part of the history.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
from trimtab.surrogates.quadratic import FARTHEST, Quadratic, fit_quadratic, lowest_in_box
from trimtab.tuners.values.initial_design import design_point
from trimtab.tuners.values.quasi_random import SOBOL_REFS
from trimtab.tuners.values.untried import keys
from trimtab.tuners.values.view import View

__all__ = [
    "NAME",
    "TRUST_REGION_REFS",
    "Standing",
    "TrustRegion",
    "finish",
    "has_room",
    "is_fine",
    "is_local_turn",
    "local_step",
    "standing",
]

Array = NDArray[np.float64]

NAME = "trust-region"

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

FIRST, LARGEST, SMALLEST = 0.25, 0.5, 1e-8
"""Radii in unit coordinates: at first, at most, and where the search has nothing left to resolve."""

RATIO = 8.0
"""The longest and shortest sides of the box are at most so many times the mean."""

TRIED_RADII = (1.0, 2.0, 0.5)
"""What the radius is multiplied by while so many trials at the same centre are pending."""

OPTIMISM, HOPES = 1.0, 4
"""By how many deviations of its doubt the quadratic is lowered, and from how many random places that is minimised."""

TRUSTED = 0.3
"""A predicted gain below so many deviations of what the model leaves unexplained is none."""

PATIENCE, SHARE, TURNS = 3, 5, 1
"""Local failures in a row that are borne, local steps for each other one while they pay, others for each after."""

RECENT = 0.9
"""What the gain of a trial counts when one more has followed it."""

FLAT = 3
"""Local steps that may tell the value of the best again."""

WORTH = 1e-4
"""A gain below so much of the distance from the median to the best is polish: it does not count as success."""

MOST = 1000
"""Trials read."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a local search stands after a history.

    Arguments:
        radius: of the trust region, unit coordinates.
        failures: steps in a row, of this tuner's, that gained nothing worth mentioning, while nobody else did.
        broken: steps in a row, of this tuner's, that failed or broke a constraint.
        flat: steps, of this tuner's, that told the very value of the best, since the best was found.
        since_other: this tuner's trials since the last one of another.
        since_local: others' trials since this tuner's last one.
        gain, other_gain: by how much a trial of this tuner's, and one of another's, lowered the best of late, on
            average, in units that both share.
    """

    radius: float
    failures: int
    broken: int
    flat: int
    since_other: int
    since_local: int
    gain: float
    other_gain: float


def standing(evidence: Evidence, unit: Array, local: NDArray[np.bool_], shape: Array) -> Standing:
    """The fold of told trials, in the order of their numbers.

    Arguments:
        evidence: what they told.
        unit: their unit coordinates, shape (n, d).
        local: which of them were local steps, shape (n,).
        shape: relative lengths of the box's sides, shape (d,); nan for coordinates that stay as they are.
    """
    good = evidence.losses[evidence.good]
    worth = WORTH * (float(np.quantile(good, 0.5, method="lower")) - float(good.min())) if good.size else 0.0
    sides = np.where(np.isnan(shape), np.inf, shape)
    scaled = np.nan_to_num(unit) / sides
    best, least = -1, np.inf
    radius, failures, broken, flat, since_other, since_local = FIRST, 0, 0, 0, 0, 0
    for place, (loss, is_local) in enumerate(zip(evidence.losses.tolist(), local.tolist(), strict=True)):
        improved = loss < least
        pays = improved and least - loss > worth
        if not (is_local or improved):
            since_other, since_local = 0, since_local + 1
            continue
        length = 1.0 if best < 0 else float(np.abs(scaled[place] - scaled[best]).max(initial=0.0))
        if is_local:
            since_other, since_local = since_other + 1, 0
            failures = 0 if pays else failures + 1
            broken = 0 if np.isfinite(loss) else broken + 1
            flat += loss == least
            radius = (
                min(max(radius, 2.0 * length), LARGEST) if improved else 0.5 * min(radius, max(length, 0.2 * radius))
            )
        else:
            since_other, since_local = 0, since_local + 1
            if pays:
                failures = 0
            if improved:
                radius = max(radius, min(FIRST, 2.0 * length))
        if improved:
            best, least, flat = place, loss, 0
    return Standing(radius, failures, broken, flat, since_other, since_local, *recent_gains(evidence.losses, local))


def recent_gains(losses: Array, local: NDArray[np.bool_]) -> tuple[float, float]:
    """By how much a local step, and a trial of another's, lowered the best of late: half of it, on average.

    Arguments:
        losses: nan where there is none, shape (n,).
        local: which trials were local steps, shape (n,).
    """
    before = np.append(np.nan, np.fmin.accumulate(losses)[:-1])
    # Halves, because the difference of two floats may overflow.
    gains = np.where(losses < before, 0.5 * before - 0.5 * losses, 0.0)
    shares = RECENT ** np.arange(len(losses) - 1, -1, -1.0)
    own, others = (
        float(shares[whose] @ gains[whose]) / (1.0 + float(shares[whose].sum())) for whose in (local, ~local)
    )
    return own, others


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
        """The fold, with a box of a shape (f,)."""
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
    return _step(view, around, key)


def after(state: Standing, proposers: Sequence[str]) -> Standing:
    """Where the turns stand once the pending trials, by whom they were proposed, are told too."""
    for name in proposers:
        own = name == NAME
        state = replace(
            state, since_other=state.since_other + 1 if own else 0, since_local=0 if own else state.since_local + 1
        )
    return state


def is_local_turn(state: Standing, free: int) -> bool:
    """Whether the next trial should be a local step, when another tuner looks at the whole space.

    While local steps improve on the best, and by more than the other tuner's trials do, they get all trials but every
    `SHARE`-th. Otherwise the turns are shared evenly: either the other tuner knows better where to go, or as many
    steps failed in a row as the model needs to learn from its failures, and the local search is at the bottom
    of its basin or in a landscape that is not smooth. Steps that failed or broke a constraint, of
    which the quadratic knows nothing, double the turns until the next one. On a plateau there is nothing to step
    down to, and at the bottom of a basin the numbers end; both show by values that are equal.
    """
    if state.flat >= FLAT:
        return False
    if state.broken:
        return bool(state.since_local >= 2**state.broken)
    if state.failures < patience(free) and state.gain >= state.other_gain:
        return state.since_other < SHARE
    return state.since_local >= TURNS


def patience(free: int) -> int:
    """How many local steps in a row may fail before their model has to prove itself, for `free` columns."""
    return PATIENCE + free // 4


def local_step(view: View, key: Key) -> tuple[Array, str] | None:
    """The next local step: a raw configuration (d,) that was not tried, and why; None where there is none to trust."""
    around = _Neighbourhood.of(view)
    return None if around is None else _step(view, around, key)


def _step(view: View, around: _Neighbourhood, key: Key) -> tuple[Array, str] | None:
    """The step from the centre of a neighbourhood."""
    waiting = sum(name == NAME for name in view.proposers)
    if waiting >= len(TRIED_RADII):
        return None
    plain = np.ones(len(around.free))
    shape = _shape(around.fit(around.standing(plain).radius, plain).relevance)
    state = around.standing(shape)
    if state.radius < SMALLEST:
        return None
    model = around.awaited(around.fit(state.radius, shape), state.radius, shape)
    radius = min(state.radius * TRIED_RADII[waiting], LARGEST)
    centre = around.unit[around.best]
    low = np.maximum(-radius * shape, -centre[around.free]) / (state.radius * shape)
    high = np.minimum(radius * shape, 1.0 - centre[around.free]) / (state.radius * shape)
    if state.failures >= patience(len(around.free)):
        gain = model.constant - model.value(lowest_in_box(model, low, high))
        if not gain > TRUSTED * model.deviation:
            return None
    for z, how in _places(model, low, high, key.child(NAME).generator()):
        raw = _snapped(view.space, around, z * state.radius * shape)
        if raw is not None and keys(raw[None, :])[0] not in view.taken and _is_apart(view.space, raw, around, radius):
            return raw, (
                f"{how} of a quadratic model of {len(around.rows)} trials in a trust region of radius {radius:.2g}"
            )
    return None


def _places(model: Quadratic, low: Array, high: Array, rng: np.random.Generator) -> Iterator[tuple[Array, str]]:
    """Where a step may go in a box, the best first, each found when it is asked for: scaled coordinates (f,)."""
    starts = 0.5 * rng.uniform(low, high, (HOPES, len(low)))
    yield lowest_in_box(model, low, high, OPTIMISM, starts), "lowest plausible value"
    yield lowest_in_box(model, low, high), "minimum"
    yield rng.uniform(low, high), "random point, its minimum being known,"


def has_room(space: Space) -> bool:
    """Whether there is any parameter for local steps."""
    return any(is_fine(column) for column in space.columns)


def is_fine(column: Column) -> bool:
    """Whether a parameter has enough values, in an order, for a quadratic."""
    return column.kind != "categorical" and (column.size or LEVELS) >= LEVELS


def _shape(relevance: Array) -> Array:
    """Relative side lengths of the box: relevance^-1/2, with geometric mean 1."""
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
