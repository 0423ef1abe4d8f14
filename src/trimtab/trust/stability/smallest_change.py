"""The smallest change that loses a gain: bisection on boxes, each judged by branch and bound.

Needs a surrogate. A box around the configuration keeps the gain when the largest predicted loss in it stays below the
limit, which `trimtab.surrogates.certificates` decides with a proof; so what is kept is certain of the model.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from trimtab.base.records import Params
from trimtab.space import Float, Space
from trimtab.surrogates.certificates.branch_and_bound import Budget, Problem, branch_and_bound
from trimtab.surrogates.certificates.columns import Number
from trimtab.surrogates.certificates.domains import Domain
from trimtab.surrogates.certificates.mean import PosteriorMean
from trimtab.surrogates.certificates.profiles import MATERN52
from trimtab.surrogates.gp.kernels import matern52, squared_distances
from trimtab.trust.stability.question import Question, decoded
from trimtab.trust.stability.records import ParameterStability

__all__ = ["alone", "radius"]

Array = NDArray[np.float64]

HALVINGS = 10
"""Of the bisection on half-widths: to a thousandth of the space."""

GAP = 1e-3
"""To which the largest loss of a box is found, in standard deviations of the losses."""

ROUNDING = 1e-9
"""Share of the gain by which a prediction may differ with how many rows are asked for at once."""

NODES = 20_000
"""Boxes of one question whether a gain is kept."""


def _numbers(asked: Question) -> NDArray[np.intp]:
    """Columns of the numbers that are active and can be changed."""
    columns = asked.space.columns
    kept = [j for j, column in enumerate(columns) if column.kind != "categorical" and not np.isnan(asked.here[j])]
    return np.array(kept, dtype=np.intp)


def _loses(asked: Question, places: NDArray[np.intp], low: Array, high: Array) -> tuple[bool, Array | None]:
    """Whether it is certain that the gain is kept in a box, and a point that loses it where one was found.

    Arguments:
        asked: the question.
        places: the columns that vary.
        low, high: unit coordinates of the box's ends, shape (len(places),), low < high.
    """
    model, posterior = asked.model, asked.model.posterior
    around = np.vstack([asked.here] * 3)
    around[1, places], around[2, places] = low, high
    features, scales = model.embedding.features(around), posterior.scales
    varying = model.embedding.place[places]
    still = np.setdiff1d(np.arange(len(scales)), varying)
    aside = squared_distances(features[:1, still] / scales[still], posterior.features[:, still] / scales[still])[0]
    left, right = features[1, varying], features[2, varying]
    width = scales[varying] / (right - left)
    centres = (posterior.features[:, varying] - left) / scales[varying]
    zero = np.zeros(len(aside))
    columns = [Number(j, float(width[j]), centres[:, j], aside if j == 0 else zero) for j in range(len(places))]
    gram = matern52(squared_distances(posterior.features / scales))
    # The largest loss in the box is minus the least of minus the loss.
    mean = PosteriorMean([*columns], -posterior.alpha, -posterior.mean, MATERN52, gram)
    domain = Domain(Space({f"x{j}": Float(0.0, 1.0) for j in range(len(places))}).columns)
    problem = Problem(mean, domain, lambda points: (np.clip(points, 0.0, 1.0), np.ones(len(points), dtype=np.bool_)))
    starts = np.vstack([(features[0, varying] - left) / (right - left), np.zeros(len(places)), np.ones(len(places))])
    starts = np.clip(starts, 0.0, 1.0)
    losses = -mean.value(starts)
    place: Array | None = starts[losses.argmax()]
    if losses.max() <= asked.limit:
        found = branch_and_bound(problem, starts, GAP, Budget(NODES))
        if -found.lower_bound <= asked.limit:
            return True, None
        place = found.point if -found.value > asked.limit else None
    if place is None:
        return False, None
    warped = left + place * (right - left)
    unit = asked.here.copy()
    warp = model.embedding.warp
    unit[places] = warped
    if warp is not None:
        unit[places] = warp.inverse(np.where(np.isnan(unit), 0.5, unit)[None, :])[0, places]
    return False, np.clip(unit, 0.0, 1.0)


def radius(asked: Question) -> tuple[float, float, Params | None]:
    """Half-width in which the gain is certain, the smallest change found to lose it, and a configuration so changed."""
    places = _numbers(asked)
    here = asked.here[places]
    kept, lost, losing = 0.0, math.inf, None
    if not places.size:
        return 1.0, math.inf, None
    low, high = 0.0, 1.0
    for turn in range(HALVINGS + 1):
        half = 1.0 if turn == 0 else 0.5 * (low + high)
        sure, point = _loses(asked, places, np.maximum(here - half, 0.0), np.minimum(here + half, 1.0))
        if sure:
            low = kept = half
            if half == 1.0:
                return 1.0, math.inf, None
            continue
        high = half
        if point is not None and (change := float(np.abs(point - asked.here)[places].max())) < lost:
            lost, losing = change, decoded(asked, point)
    return kept, lost, losing


def alone(asked: Question, index: int) -> ParameterStability:
    """How far one parameter may be changed."""
    column = asked.space.columns[index]
    if column.kind == "categorical":
        size = column.size or 1
        rows = np.repeat(asked.here[None, :], size, axis=0)
        rows[:, index] = (np.arange(size) + 0.5) / size
        unit = asked.space.to_unit(asked.space.from_unit(np.nan_to_num(rows, nan=0.5)))
        means = asked.model.predict(unit)[0]
        # The reference itself has lost the gain, whatever the last digits of a prediction say.
        kept = means < asked.limit - ROUNDING * asked.gain
        keeps = tuple(column.choices[code] for code in np.flatnonzero(kept).tolist())
        return ParameterStability(column.name, None, None, keeps)
    ends = [asked.here[index], asked.here[index]]
    for side, sign in enumerate((-1.0, 1.0)):
        far = asked.here[index] if sign < 0.0 else 1.0 - asked.here[index]
        low, high = 0.0, far
        for turn in range(HALVINGS + 1):
            step = far if turn == 0 else 0.5 * (low + high)
            if step <= 0.0:
                break
            pair = sorted((asked.here[index], asked.here[index] + sign * step))
            sure, _ = _loses(asked, np.array([index]), np.array(pair[:1]), np.array(pair[1:]))
            low, high = (step, high) if sure else (low, step)
            if low == far:
                break
        ends[side] = asked.here[index] + sign * low
    shown = [decoded(asked, _with(asked.here, index, end))[column.name] for end in ends]
    return ParameterStability(column.name, shown[0], shown[1])


def _with(unit: Array, index: int, value: float) -> Array:
    """A point with one coordinate changed."""
    moved = unit.copy()
    moved[index] = value
    return moved
