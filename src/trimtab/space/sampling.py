"""Drawing configurations: uniformly on the unit cube or from the user's priors, under constraints by rejection."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidSpace, message
from trimtab.base.seeds import Key
from trimtab.space.columns import Column
from trimtab.space.constraints import Constraint
from trimtab.space.encoding import Encoding
from trimtab.space.priors import Normal
from trimtab.space.rows import RawRows

__all__ = ["MOST_DRAWS", "draw", "kept", "log_prior", "nearest_kept", "warp"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

MOST_DRAWS = 10_000
"""So many draws in a row may break a constraint before the space counts as having nothing left."""


def kept(encoding: Encoding, constraints: Sequence[Constraint], raw: Floats) -> Mask:
    """Which raw rows (n, d) keep every constraint, shape (n,)."""
    mask = np.ones(len(raw), dtype=np.bool_)
    rows = RawRows(encoding, raw)
    for constraint in constraints:
        mask &= constraint.holds(rows)
    return mask


def draw(
    encoding: Encoding,
    constraints: Sequence[Constraint],
    rng: np.random.Generator,
    count: int,
    prior: bool = False,
) -> Floats:
    """Raw rows (count, d) that keep every constraint.

    Arguments:
        prior: draw from the users' priors where they are given, else uniformly in unit coordinates. Where
            the priors and the constraints leave nothing together, the constraints hold and the priors do not.

    Raises:
        InvalidSpace: `MOST_DRAWS` uniform draws in a row broke a constraint.
    """
    if not constraints:
        return _draw(encoding, rng, count, prior)
    found: list[Floats] = [np.empty((0, len(encoding.columns)))]
    have, failed, size = 0, 0, 8
    while have < count:
        # Few draws where most are kept, many where almost none is.
        size = max(count - have, min(2 * size, 1000))
        batch = _draw(encoding, rng, size, prior)
        good = batch[kept(encoding, constraints, batch)][: count - have]
        found.append(good)
        have += len(good)
        failed = 0 if len(good) else failed + len(batch)
        if failed >= MOST_DRAWS:
            if not prior:
                raise InvalidSpace(_nothing_left(encoding, constraints, rng))
            found.append(draw(encoding, constraints, rng, count - have))
            break
    return np.concatenate(found)


def _draw(encoding: Encoding, rng: np.random.Generator, count: int, prior: bool) -> Floats:
    """Raw rows (count, d), constraints aside."""
    unit = rng.random((count, len(encoding.columns)))
    return encoding.from_unit(warp(encoding, unit) if prior else unit)


def _nothing_left(encoding: Encoding, constraints: Sequence[Constraint], rng: np.random.Generator) -> str:
    """The text for constraints that leave nothing, with how often each alone was kept."""
    batch = _draw(encoding, rng, 1000, prior=False)
    rates = ", ".join(f"{c.text!r} kept by {int(kept(encoding, [c], batch).sum())}" for c in constraints)
    return message(
        f"the constraints leave (almost) nothing: {MOST_DRAWS} draws in a row broke one; "
        f"of {len(batch)} more draws {rates}",
        do="loosen a constraint, or narrow the parameters so that more of the space is allowed",
    )


def nearest_kept(encoding: Encoding, constraints: Sequence[Constraint], raw: Floats, held: Mask) -> Floats | None:
    """A raw row near `raw` that keeps every constraint; None where none was found.

    Candidates lie on the way from `raw` to uniform draws, the same in every call. Of the first
    thousand among which some keep the constraints, the nearest in unit coordinates is taken.

    Arguments:
        raw: shape (d,), without nan: what inactive columns hold counts once they become active.
        held: shape (d,): columns whose values must stay.
    """
    if held.all():
        return None
    rng = Key(0, purpose="space/nearest_kept").generator()
    start = encoding.units.to_unit(raw[None, :])
    listed = np.array([bool(column.choices) for column in encoding.columns])
    for _ in range(MOST_DRAWS // 1000):
        far, how_far = rng.random((1000, raw.size)), rng.random((1000, 1))
        jumps = rng.random((1000, raw.size)) < how_far
        unit = np.where(listed, np.where(jumps, far, start), start + how_far * (far - start))
        rows = encoding.units.from_unit(unit)
        rows[:, held] = raw[held]
        rows[~encoding.active(rows)] = np.nan
        good = np.flatnonzero(kept(encoding, constraints, rows))
        if good.size:
            away = np.abs(unit - start)[good].mean(axis=1)
            nearest: Floats = rows[good[np.argmin(away)]]
            return nearest
    return None


def warp(encoding: Encoding, unit: Floats) -> Floats:
    """Uniform unit rows (n, d) to unit rows under the priors: each column through its prior's quantiles."""
    warped = unit.copy()
    for place, column in enumerate(encoding.columns):
        prior = column.parameter.prior
        if isinstance(prior, Normal):
            warped[:, place] = prior.quantile(unit[:, place], _location(encoding, place, prior))
        elif prior is not None:
            shares = np.cumsum(prior)
            # Divided by its own last entry, the sum reaches 1 exactly before categories of weight 0 at the end.
            index = np.searchsorted(shares[:-1] / shares[-1], unit[:, place], side="right")
            warped[:, place] = (index + 0.5) / len(prior)
    return warped


def log_prior(encoding: Encoding, raw: Floats) -> Floats:
    """Log density of raw rows (n, d) under the priors relative to uniform draws, shape (n,)."""
    total = np.zeros(len(raw))
    for place, column in enumerate(encoding.columns):
        if column.parameter.prior is None:
            continue
        active = ~np.isnan(raw[:, place])
        total[active] += _log_density(encoding, column, place, raw[active, place])
    return total


def _log_density(encoding: Encoding, column: Column, place: int, raw: Floats) -> Floats:
    """Log density of one column's values (n,), all active."""
    prior = column.parameter.prior
    if isinstance(prior, Normal):
        location = _location(encoding, place, prior)
        if column.size is None:
            return prior.log_density(encoding.units.column(raw, place), location)
        start, end = encoding.units.edges(raw, place)
        return prior.log_mean(start, end, location)
    with np.errstate(divide="ignore"):
        table: Floats = np.log(np.array(prior) * len(prior or ()) / np.sum(prior or ()))
    return table[raw.astype(np.intp)]


def _location(encoding: Encoding, place: int, prior: Normal) -> float:
    """A prior's location in unit coordinates."""
    return float(encoding.units.column(np.array([prior.location]), place)[0])
