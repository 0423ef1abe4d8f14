"""Histories made by hand: what a tuner, pruner, selection or report sees, from a list of pairs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from trimtab.base.history import History
from trimtab.base.outcomes import EndReason, TrialState
from trimtab.base.records import Direction, FrozenTrial, Objective, Observation, Params, StudyRecord
from trimtab.space import Space

__all__ = ["Told", "make_history"]

Told: TypeAlias = float | Observation | EndReason | None
"""How a trial ended: a value, a whole observation, a reason without one, or None for an exception."""


def make_history(
    space: Space,
    told: Iterable[tuple[Params, Told]] = (),
    pending: Iterable[Params] = (),
    direction: Direction = "minimize",
    seed: int = 0,
    objectives: Sequence[Objective] | None = None,
    name: str = "made",
) -> History[Space]:
    """A history with finished trials in the given order, then running ones.

    A value or observation that is not finite makes a diverged trial, as the study loop would; None
    makes one whose objective raised; an `EndReason` makes one that ended for it and told nothing.

    Arguments:
        space: the space in force.
        told: (params, how it ended) of each finished trial.
        pending: params of the trials that still run.
        direction: of the only objective, named "value".
        seed: the study's seed.
        objectives: in place of `direction`, for several; observations then name their values.
        name: the study's name.

    >>> from trimtab.space import Float
    >>> history = make_history(Space(x=Float(0, 1)), [({"x": 0.5}, 2.0), ({"x": 0.1}, None)], [{"x": 0.9}])
    >>> history.complete, history.pending, history.values[:, 0]
    (array([0]), array([2]), array([ 2., nan, nan]))
    """
    study = StudyRecord(
        name=name,
        objectives=tuple(objectives or (Objective(direction=direction),)),
        seed=seed,
        space=None if space.is_traced else space.to_json(),
    )
    trials = [_finished(number, params, end) for number, (params, end) in enumerate(told)]
    trials += [
        FrozenTrial(number, TrialState.RUNNING, params, token=1, started=float(number))
        for number, params in enumerate(pending, start=len(trials))
    ]
    return History(study, space, trials, seq=1 + 3 * len(trials))


def _finished(number: int, params: Params, end: Told) -> FrozenTrial:
    """A trial that took one second."""
    observation = None
    if isinstance(end, EndReason):
        reason = end
    elif end is None:
        reason = EndReason.ERROR
    else:
        observation = end if isinstance(end, Observation) else Observation(end)
        reason = EndReason.COMPLETED if observation.finite else EndReason.DIVERGED
    states = {EndReason.COMPLETED: TrialState.COMPLETE, EndReason.PRUNED: TrialState.PRUNED}
    return FrozenTrial(
        number=number,
        state=states.get(reason, TrialState.FAIL),
        params=dict(params),
        observation=observation,
        reason=reason,
        token=1,
        started=float(number),
        ended=number + 1.0,
    )
