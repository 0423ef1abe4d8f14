"""Which trials a plot shows. A picture of 100,000 trials is thinned to a bounded number of marks, and says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.base.history import History
from trimtab.base.outcomes import TrialState
from trimtab.base.records import FrozenTrial
from trimtab.report.marks import Kind
from trimtab.report.wording import count, number, one_line, param, shorten

__all__ = ["ENDED", "MOST_MARKS", "MOST_READ", "Shown", "kind_of", "shown", "thin", "tip_of"]

MOST_MARKS = 1500
"""Marks in one picture at most: more would be slower to draw than to understand."""
MOST_READ = 2000
"""Trials that are decoded at most for one number or list in a report; more would make it slow to write."""

ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


@dataclass(frozen=True, slots=True)
class Shown:
    """The trials on a plot, k of them.

    Arguments:
        numbers: shape (k,), ascending.
        values: shape (k,), as observed, in the objective's own sign; nan where nothing finite was.
        kinds: k ways to look.
        tips: k tooltips, with params.
        briefs: k tooltips, without.
        total: how many trials there were to show.
    """

    numbers: NDArray[np.intp]
    values: NDArray[np.float64]
    kinds: tuple[Kind, ...]
    tips: tuple[str, ...]
    briefs: tuple[str, ...]
    total: int

    def __len__(self) -> int:
        """How many are shown."""
        return len(self.numbers)

    def of_kind(self, *kinds: Kind) -> NDArray[np.bool_]:
        """Which trials look so, shape (k,)."""
        return np.array([kind in kinds for kind in self.kinds], dtype=bool)

    @property
    def note(self) -> str:
        """What was left out, for a caption; empty where all trials are shown."""
        if len(self) >= self.total:
            return ""
        return f"{len(self):,} of {count(self.total, 'trial')} are drawn, spread over the trial numbers."


def thin(numbers: NDArray[np.intp], most: int, keep: NDArray[np.intp] | None = None) -> NDArray[np.intp]:
    """At most `most` of the numbers, spread over their order, those of `keep` first.

    Arguments:
        numbers: shape (n,), ascending.
        most: how many at most.
        keep: some of the numbers that must be in; themselves thinned where they are too many.

    >>> thin(np.arange(20), 5).tolist()
    [0, 6, 8, 15, 19]
    """
    if len(numbers) <= most:
        return numbers
    kept = np.empty(0, dtype=np.intp) if keep is None else np.intersect1d(keep, numbers)
    kept = kept[_spread(len(kept), most)]
    rest = np.setdiff1d(numbers, kept, assume_unique=True)
    return np.union1d(kept, rest[_spread(len(rest), most - len(kept))])


def _spread(size: int, most: int) -> NDArray[np.intp]:
    """`min(size, most)` places from 0 to size - 1: one of each of equally long stretches, the ends included.

    Within its stretch a place varies as the multiples of the golden ratio do. Equal steps would meet a
    study of several workers or rungs in step with its own period, and show one of them alone.
    """
    if size <= most:
        return np.arange(size)
    if most < 1:
        return np.empty(0, dtype=np.intp)
    stretch = np.arange(most)
    edges = stretch * size // most
    lengths = (stretch + 1) * size // most - edges
    places = edges + np.floor((stretch * 0.6180339887498949) % 1.0 * lengths).astype(np.intp)
    places[0], places[-1] = 0, size - 1
    return np.unique(places)


def shown(
    history: History[Any],
    objective: int = 0,
    most: int = MOST_MARKS,
    keep: NDArray[np.intp] | None = None,
    states: Sequence[TrialState] = ENDED,
) -> Shown:
    """The trials that a plot of one objective shows.

    Arguments:
        history: the study.
        objective: index of the objective.
        most: how many at most; more are thinned out.
        keep: numbers of trials to show in any case, where there is room.
        states: those to show; by default all that have ended.
    """
    all_ = history.numbers(*states)
    numbers = thin(all_, most, keep)
    trials = [history.trial(int(index)) for index in numbers]
    values = history.values[numbers, objective]
    return Shown(
        numbers=numbers,
        values=np.where(np.isfinite(values), values, np.nan),
        kinds=tuple(kind_of(trial) for trial in trials),
        tips=tuple(tip_of(trial) for trial in trials),
        briefs=tuple(brief_of(trial) for trial in trials),
        total=len(all_),
    )


def kind_of(trial: FrozenTrial) -> Kind:
    """How a trial looks."""
    if trial.state is TrialState.COMPLETE:
        feasible = trial.observation is None or trial.observation.feasible
        return Kind.COMPLETE if feasible else Kind.INFEASIBLE
    return {TrialState.PRUNED: Kind.PRUNED, TrialState.FAIL: Kind.FAILED}.get(trial.state, Kind.RUNNING)


def brief_of(trial: FrozenTrial) -> str:
    """A short tooltip: number, state and values."""
    words = [f"trial {trial.number}"]
    if trial.state is not TrialState.COMPLETE:
        reason = f" ({trial.reason.text})" if trial.state is TrialState.FAIL and trial.reason is not None else ""
        words.append(f"{trial.state.name.lower()}{reason}")
    words.extend(f"{shorten(name, 24)} {number(value)}" for name, value in trial.values.items())
    return one_line(" · ".join(words))


def tip_of(trial: FrozenTrial, most: int = 240) -> str:
    """A tooltip: number, state, values and params, of bounded length."""
    params = ", ".join(f"{shorten(name, 24)} {shorten(param(v), 24)}" for name, v in (trial.params or {}).items())
    text = one_line(" · ".join(filter(None, [brief_of(trial), params])))
    return text if len(text) <= most else f"{text[: most - 1]}…"
