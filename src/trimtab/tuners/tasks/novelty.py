"""Whether new tasks look unlike those that a setting was tuned on: then no guarantee made from the old ones holds.

Needs numbers that describe each task: its features, or its losses at some settings (`loss_profiles`). If new tasks are
drawn as the old ones were (are exchangeable with them), false alarms happen with the stated probability at most,
whatever the distribution; how many real changes are seen depends on what the numbers show.

- **Each task**: a conformal p-value (V. Vovk, A. Gammerman and G. Shafer, "Algorithmic learning in a random world",
  2005). The new task is added to the m old ones; every task's score is its mean distance to its k nearest others, in
  features scaled by the interquartile range of all m + 1; the p-value is the share of scores that are at least that of
  the new one. Old and new tasks are treated alike, so it is exactly valid. Tasks are flagged by Holm's rule (S. Holm,
  "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6, 1979): with probability 1 - level
  none wrongly.
- **All together**, two or more: the energy distance between the two samples, compared with that of random relabellings
  (G. J. Szekely and M. L. Rizzo, "Testing for equal distributions in high dimension", InterStat 2004). It sees changes
  that no single task shows. Its p-value counts the observed labelling among the relabellings, so it is valid as well.

The formulas are recalled; level and power are measured by the tests.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimtab.base.errors import InvalidArgument, check_count, message
from trimtab.base.seeds import Key
from trimtab.tuners.tasks.duals.dual import Dual

__all__ = ["Novelty", "check_novelty", "loss_profiles"]

Array = NDArray[np.float64]


@final
@dataclass(frozen=True, eq=False)
class Novelty:
    """Whether new tasks look unlike the old ones. Made by `check_novelty`.

    Arguments:
        tasks: m, how many old ones there are.
        p_values: of each new task, shape (n,); 1 / (m + 1) at least.
        flagged: which of them stand out, shape (n,); with probability 1 - level none of them wrongly.
        together: p-value of all new tasks together; that of the task where there is one only.
        level: probability of a false alarm, of the flags and of the joint test each.
    """

    tasks: int
    p_values: Array
    flagged: NDArray[np.bool_]
    together: float
    level: float

    @property
    def alarm(self) -> bool:
        """Whether the new tasks as a whole look unlike the old ones; falsely with probability `level` at most."""
        return self.together <= self.level

    @property
    def sentence(self) -> str:
        """The same in words."""
        count, rate = len(self.p_values), f"false alarms {100 * self.level:g} % at most"
        if self.alarm:
            out = f"The {count} new tasks look UNLIKE the {self.tasks} old ones (p = {self.together:.2g}, {rate})"
            out += ": what was tuned and certified on the old ones may not hold for them."
        else:
            out = f"No sign that the {count} new tasks differ from the {self.tasks} old ones"
            out += f" (p = {self.together:.2g}, {rate})."
        if self.flagged.any():
            out += f" Standing out: tasks {np.flatnonzero(self.flagged).tolist()}."
        elif self.level / count * (self.tasks + 1) < 1.0:
            need = math.ceil(count / self.level - 1e-9) - 1
            out += f" No single task could be flagged: that takes {need} old tasks."
        return out


def check_novelty(
    old: ArrayLike,
    new: ArrayLike,
    *,
    level: float = 0.05,
    neighbours: int = 5,
    relabellings: int = 999,
    key: Key | None = None,
) -> Novelty:
    """Compare new tasks with old ones. Time grows like n m^2 d.

    Arguments:
        old: numbers that describe the old tasks, shape (m, d), m >= 2.
        new: the same of the new ones, shape (n, d), n >= 1.
        level: probability of a false alarm, such as 0.05.
        neighbours: k, cut to m where there are fewer.
        relabellings: of the joint test; its p-value is 1 / (relabellings + 1) at least.
        key: of the relabellings.

    Raises:
        InvalidArgument: tables that do not fit together, numbers that are not finite, or a level that cannot be.
    """
    before, after = np.asarray(old, dtype=np.float64), np.asarray(new, dtype=np.float64)
    fits = before.ndim == after.ndim == 2 and before.shape[1:] == after.shape[1:] and before.shape[-1] > 0
    if not fits or len(before) < 2 or len(after) < 1:
        raise InvalidArgument(
            message(
                "old and new tasks must be tables with the same columns",
                got=(before.shape, after.shape),
                allowed="(m, d) and (n, d), m >= 2, n >= 1, d >= 1",
            )
        )
    if not (np.isfinite(before).all() and np.isfinite(after).all()):
        raise InvalidArgument(message("numbers that describe tasks must be finite", do="leave such columns out"))
    if not 0.0 < level < 1.0:
        raise InvalidArgument(message("level must lie between 0 and 1", got=level, do="use 0.05 for 5%"))
    nearest = min(check_count(neighbours, "neighbours"), len(before))
    check_count(relabellings, "relabellings")
    p_values = np.array([_conformal(before, task, nearest) for task in after])
    together = float(p_values[0])
    if len(after) > 1:
        together = _energy_test(before, after, relabellings, (key or Key(0)).child("novelty").generator())
    return Novelty(len(before), p_values, _holm(p_values, level), together, level)


def loss_profiles(duals: Sequence[Dual], points: int = 20, *, log: bool = False) -> Array:
    """Losses at evenly spread settings, to compare tasks by: shape (tasks, points).

    Arguments:
        duals: of old and new tasks, on intervals that overlap.
        points: how many settings.
        log: whether they are spread evenly in the logarithm.

    Raises:
        InvalidArgument: no duals, no common interval, or a logarithm of one that does not lie above 0.
    """
    check_count(points, "points")
    low = max((dual.low for dual in duals), default=math.nan)
    high = min((dual.high for dual in duals), default=math.nan)
    if not low < high or (log and not low > 0.0):
        raise InvalidArgument(
            message("loss profiles need an interval that all duals share", got=(low, high), allowed="low < high")
        )
    share = (np.arange(points) + 0.5) / points
    at = np.exp(math.log(low) + math.log(high / low) * share) if log else low + (high - low) * share
    return np.stack([dual.value(at) for dual in duals])


def _conformal(old: Array, task: Array, neighbours: int) -> float:
    """The p-value of one new task."""
    distances = _distances(np.concatenate([old, task[None]]))
    np.fill_diagonal(distances, np.inf)
    scores = np.partition(distances, neighbours - 1, axis=1)[:, :neighbours].mean(axis=1)
    # Equal distances differ by rounding, and a tie counts against an alarm.
    return float(np.mean(scores >= scores[-1] * (1.0 - 1e-12)))


def _energy_test(old: Array, new: Array, relabellings: int, rng: np.random.Generator) -> float:
    """The p-value of the energy distance between two samples."""
    distances = _distances(np.concatenate([old, new]))
    total = len(distances)
    labels = np.zeros((relabellings + 1, total))
    labels[0, len(old) :] = 1.0
    drawn = np.argsort(rng.random((relabellings, total)), axis=1)[:, : len(new)]
    np.put_along_axis(labels[1:], drawn, 1.0, axis=1)
    share_new, share_old = labels / len(new), (1.0 - labels) / len(old)
    difference = share_new - share_old
    energy = -np.einsum("bi,bi->b", difference @ distances, difference)
    return float(np.mean(energy >= energy[0] - 1e-12 * abs(energy[0])))


def _distances(tasks: Array) -> Array:
    """Between all tasks, shape (t, t), in columns scaled by their interquartile range."""
    upper, lower = np.percentile(tasks, [75, 25], axis=0)
    spread = np.where(upper > lower, upper - lower, tasks.std(axis=0))
    scaled = tasks / np.where(spread > 0.0, spread, 1.0)
    squares = np.zeros((len(tasks), len(tasks)))
    for column in scaled.T:
        squares += (column[:, None] - column[None, :]) ** 2
    return np.sqrt(squares)


def _holm(p_values: Array, level: float) -> NDArray[np.bool_]:
    """Which hypotheses Holm's rule rejects, shape (n,)."""
    order = np.argsort(p_values)
    passed = p_values[order] <= level / np.arange(len(order), 0, -1)
    flagged = np.zeros(len(order), dtype=bool)
    flagged[order[: len(order) if passed.all() else int(np.argmin(passed))]] = True
    return flagged
