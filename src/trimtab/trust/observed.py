"""The best of what was observed, taken at face value: for progress lines, plots and `study.best_trial`.

The best of many noisy values is a lucky one, so none of this says what to expect of a trial;
`trimtab.trust.select` does. Only trials that ran to their end and satisfy every constraint that
they told count. Whether a trial is feasible is looked up only where it matters, so a history of
100,000 trials is not decoded for its best.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument, message
from trimtab.base.history import History

__all__ = [
    "feasible",
    "objective_index",
    "observed_best",
    "observed_incumbents",
    "observed_pareto",
    "one_objective",
]

S = TypeVar("S")


def objective_index(history: History[S], objective: str | int | None) -> int:
    """The column of an objective that is given by name, by index, or left out where there is only one.

    Raises:
        InvalidArgument: no such objective, or none named although there are several.
    """
    names = [each.name for each in history.objectives]
    if objective is None and len(names) == 1:
        return 0
    if isinstance(objective, str) and objective in names:
        return names.index(objective)
    if isinstance(objective, int) and 0 <= objective < len(names):
        return objective
    what = "has several objectives" if objective is None else "has no such objective"
    raise InvalidArgument(
        message(
            f"study {history.study.name!r} {what}",
            got=objective,
            allowed=f"objective among {names}",
            do="name the one that is meant",
        )
    )


def one_objective(history: History[S], objective: str | int | None) -> History[S]:
    """The history with the chosen objective only, since a surrogate models one.

    Raises:
        InvalidArgument: an unknown objective, or none chosen of several.
    """
    chosen = history.objectives[objective_index(history, objective)]
    if len(history.objectives) == 1:
        return history
    return History(history.study.with_(objectives=(chosen,)), history.space, list(history), history.seq)


def feasible(history: History[S], number: int) -> bool:
    """Whether a trial satisfies every constraint that it told."""
    observation = history.trial(number).observation
    return observation is not None and observation.feasible


def observed_best(history: History[S], objective: str | int | None = None) -> int | None:
    """Number of the complete, feasible trial with the best observed value, the first on ties.

    Arguments:
        history: the study.
        objective: name or index; may be left out where there is only one.

    Returns:
        None where no trial is complete and feasible.

    Raises:
        InvalidArgument: no such objective, or none named although there are several.
    """
    numbers, values = _complete(history, objective_index(history, objective))
    ranked = numbers[np.argsort(values, kind="stable")]
    return next((int(number) for number in ranked if feasible(history, int(number))), None)


def observed_incumbents(history: History[S], objective: str | int | None = None) -> NDArray[np.intp]:
    """Numbers of the trials that were the best observed of all up to them, shape (s,), ascending.

    With `history.values[numbers, objective]` they are the steps of the best-so-far curve.

    Raises:
        InvalidArgument: no such objective, or none named although there are several.
    """
    numbers, values = _complete(history, objective_index(history, objective))
    steps: list[int] = []
    best = np.inf
    for number, value in zip(numbers.tolist(), values.tolist(), strict=True):
        if value < best and feasible(history, number):
            steps.append(number)
            best = value
    return np.array(steps, dtype=np.intp)


def observed_pareto(history: History[S]) -> NDArray[np.intp]:
    """Numbers of the complete, feasible trials that no other beats in all objectives, shape (p,), ascending.

    One trial beats another if it is nowhere worse and somewhere better; equal trials are all kept.
    """
    numbers = history.complete
    values = history.minimized[numbers]
    keep = np.isfinite(values).all(axis=1)
    numbers, values = numbers[keep], values[keep]
    while True:
        front = _nondominated(values)
        refused = [place for place in front if not feasible(history, int(numbers[place]))]
        if not refused:
            return np.sort(numbers[front])
        numbers, values = np.delete(numbers, refused), np.delete(values, refused, axis=0)


def _complete(history: History[S], index: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Numbers and values, lower is better, of the complete trials with a finite value."""
    numbers = history.complete
    values = history.minimized[numbers, index]
    keep = np.isfinite(values)
    return numbers[keep], values[keep]


def _nondominated(values: NDArray[np.float64]) -> NDArray[np.intp]:
    """Rows that no other row dominates, shape (p,); `values` has shape (n, m), lower is better."""
    left = np.lexsort(values.T[::-1])
    front: list[int] = []
    while left.size:
        # The lexicographically smallest of what is left cannot be dominated by any of it.
        first = values[left[0]]
        front.append(int(left[0]))
        rest = left[1:]
        worse = (values[rest] >= first).all(axis=1) & (values[rest] > first).any(axis=1)
        left = rest[~worse]
    return np.array(front, dtype=np.intp)
