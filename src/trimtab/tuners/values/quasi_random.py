"""Quasi-random search: a scrambled Sobol sequence, spread more evenly than independent draws.

Trial t of a study gets point t of the study's own sequence, scrambled by the study's seed, whatever was
told in between. So the sequence stays whole with any number of workers, and no history is needed, except
in a space small enough to be exhausted: there a point whose configuration was tried gives way to the
nearest one, in unit coordinates, that was not.

A point that breaks a constraint of the space gives way to the first of a batch of points, scrambled anew
for this trial, that does not, and if there is none in it to a random draw.

Sources: I. M. Sobol', "On the distribution of points in a cube and the approximate evaluation of
integrals", 1967; direction numbers by S. Joe and F. Y. Kuo, 2008; scrambled as in J. Matousek, "On the
L2-discrepancy for anchored boxes", 1998, which has the variance of A. B. Owen's scrambling, 1998.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from trimtab.base.history import History
from trimtab.base.info import Info
from trimtab.base.records import Suggestion
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.space import Space
from trimtab.surrogates.untried import is_listable, keys, left, tried

__all__ = ["SOBOL_REFS", "QuasiRandom", "nearest", "sobol_point", "sobol_raw"]

Array = NDArray[np.float64]

SOBOL_REFS = (
    Reference(
        authors="Sobol', Ilya M.",
        title="On the distribution of points in a cube and the approximate evaluation of integrals",
        year=1967,
        venue="USSR Computational Mathematics and Mathematical Physics 7(4), 86-112",
        doi="10.1016/0041-5553(67)90144-9",
    ),
    Reference(
        authors="Owen, Art B.",
        title="Scrambling Sobol' and Niederreiter-Xing Points",
        year=1998,
        venue="Journal of Complexity 14(4), 466-489",
        doi="10.1006/jcom.1998.0487",
    ),
    Reference(
        authors="Matousek, Jiri",
        title="On the L2-Discrepancy for Anchored Boxes",
        year=1998,
        venue="Journal of Complexity 14(4), 527-556",
        doi="10.1006/jcom.1998.0489",
    ),
    Reference(
        authors="Joe, Stephen and Kuo, Frances Y.",
        title="Constructing Sobol Sequences with Better Two-Dimensional Projections",
        year=2008,
        venue="SIAM Journal on Scientific Computing 30(5), 2635-2654",
        doi="10.1137/070709359",
    ),
)

MOST_COLUMNS = 21_201
"""Dimensions for which direction numbers are known; further columns get random numbers."""

MOST_POINTS = 2**30
"""Length of the sequence; later trials begin it again."""

RETRIES = 1024
"""How many other points are looked at where one breaks a constraint; a power of two."""


def sobol_point(key: Key, columns: int) -> Array:
    """Point number `key.trial` of the sequence of the study that `key` belongs to, shape (columns,), in [0, 1)."""
    study = key.for_trial(-1).child("sobol")
    engine = qmc.Sobol(min(columns, MOST_COLUMNS), scramble=True, seed=study.integer())
    ahead = max(key.trial, 0) % MOST_POINTS
    if ahead:
        engine.fast_forward(ahead)
    point: Array = engine.random(1)[0]
    if columns <= MOST_COLUMNS:
        return point
    return np.append(point, key.child("sobol/rest").generator().random(columns - MOST_COLUMNS))


def sobol_raw(space: Space, key: Key) -> Array:
    """Raw coordinates (d,) of the study's configuration number `key.trial`; constraints are kept.

    Raises:
        InvalidSpace: the constraints leave nothing.
    """
    if not len(space):
        return np.empty(0)
    raw: Array = space.from_unit(sobol_point(key, len(space))[None, :])[0]
    if not space.all_constraints or space.feasible_many(raw[None, :])[0]:
        return raw
    again = key.child("sobol/again")
    if len(space) <= MOST_COLUMNS:
        others = space.from_unit(qmc.Sobol(len(space), scramble=True, seed=again.integer()).random(RETRIES))
        good = space.feasible_many(others)
        if good.any():
            found: Array = others[int(good.argmax())]
            return found
    drawn: Array = space.sample_raw(again.generator())[0]
    return drawn


@dataclass(frozen=True)
class QuasiRandom:
    """Quasi-random search by a scrambled Sobol sequence."""

    name: ClassVar[str] = "sobol"
    needs: ClassVar[Info] = Info(0)
    refs: ClassVar[tuple[Reference, ...]] = SOBOL_REFS

    def ask(self, history: History[Space], count: int, key: Key) -> list[Suggestion]:
        """`count` configurations; fewer where a small space has no more that were not tried."""
        space = history.space
        asked = [key.for_trial(key.trial + place) for place in range(count)]
        if is_listable(space):
            return self._nearest_left(history, asked)
        return [Suggestion(space.decode(sobol_raw(space, k)), self.name, f"Sobol point {k.trial}") for k in asked]

    def _nearest_left(self, history: History[Space], asked: list[Key]) -> list[Suggestion]:
        """Each trial's own point where it was not tried, else the nearest that was not."""
        space = history.space
        free = left(space, tried(history))
        out: list[Suggestion] = []
        for key in asked:
            if not len(free):
                break
            raw = sobol_raw(space, key)
            same = np.array([k == keys(raw[None, :])[0] for k in keys(free)], dtype=np.bool_)
            place = int(same.argmax()) if same.any() else nearest(space, free, raw)
            why = f"Sobol point {key.trial}"
            if not same.any():
                why = f"of {len(free)} configurations not tried yet, nearest to Sobol point {key.trial}"
            out.append(Suggestion(space.decode(free[place]), self.name, why))
            free = np.delete(free, place, axis=0)
        return out


def nearest(space: Space, free: Array, raw: Array) -> int:
    """The row of `free` (m, d) nearest to `raw` (d,): fewest categories and activities that differ, then distance."""
    unit, goal = space.to_unit(free), space.to_unit(raw[None, :])
    gaps = np.abs(unit - goal)
    unlike = np.isnan(unit) != np.isnan(goal)
    gaps = np.where(unlike, 1.0, np.nan_to_num(gaps))
    listed = np.array([column.kind == "categorical" for column in space.columns])
    gaps[:, listed] = gaps[:, listed] > 0.0
    return int(np.argmin(gaps.sum(axis=1)))
