"""What an objective returned, as an observation that fits the study; or an error that says why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from trimtab.base.errors import InvalidObservation, message
from trimtab.base.records import DEFAULT_OBJECTIVE, Objective, Observation
from trimtab.space import Space
from trimtab.study.held_out import check_told

if TYPE_CHECKING:
    from trimtab.trust.holdout import ReusableHoldout

__all__ = ["observe"]


def observe(
    result: object, objectives: Sequence[Objective], space: Space | None, holdout: ReusableHoldout | None = None
) -> Observation:
    """Turn an objective's result into an observation of the study.

    Arguments:
        result: a number; a dict objective name -> number; a tuple or list with one number per
            objective, in the study's order; or an `Observation`.
        objectives: the study's.
        space: the declared space; None for define-by-run. A gradient is checked against it.
        holdout: the study's, if it has one. Losses are checked against it, unless the trial diverged.

    Raises:
        InvalidObservation: the result is none of these, names other objectives, has a gradient
            for a parameter that is not continuous, or no losses that the holdout can be asked about.
    """
    names = [objective.name for objective in objectives]
    if result is None:
        raise InvalidObservation(
            message(
                "the objective returned None",
                allowed=f"a number for {names[0]!r}" if len(names) == 1 else f"one number for each of {names}",
                do="end the objective with 'return loss', or raise trimtab.TrialPruned to give a trial up",
            )
        )
    observation = result if isinstance(result, Observation) else _from_plain(result, names)
    observation = _named(observation, names)
    if observation.gradient and space is not None:
        _check_gradient(observation.gradient, space)
    if holdout is not None and observation.finite:
        check_told(holdout, observation)
    return observation


def _from_plain(result: object, names: Sequence[str]) -> Observation:
    """An observation from a number, a dict of numbers, or a sequence of numbers."""
    if isinstance(result, tuple | list):
        if len(result) != len(names):
            raise InvalidObservation(
                message(
                    f"the objective returned {len(result)} numbers",
                    got=result,
                    allowed=f"{len(names)}, one for each of {list(names)}",
                )
            )
        return Observation(dict(zip(names, result, strict=True)))
    if isinstance(result, str | bytes):
        raise InvalidObservation(
            message("the objective returned a text", got=result, allowed="a number, a dict or an Observation")
        )
    return Observation(result)  # type: ignore[arg-type]  # anything else is checked by Observation itself


def _named(observation: Observation, names: Sequence[str]) -> Observation:
    """The observation under the study's objective names; a lone unnamed value takes the only name."""
    got = observation.values
    if set(got) == set(names):
        return observation
    if len(names) == 1 and set(got) == {DEFAULT_OBJECTIVE}:
        stderr = observation.stderr
        return observation.replace(
            values={names[0]: got[DEFAULT_OBJECTIVE]},
            stderr=None if stderr is None else {names[0]: stderr[DEFAULT_OBJECTIVE]},
        )
    raise InvalidObservation(
        message(
            "the objective told other objectives than the study has",
            got=sorted(got),
            allowed=f"exactly {sorted(names)}",
            do="name the values as in create_study(directions=...)",
        )
    )


def _check_gradient(gradient: Mapping[str, float], space: Space) -> None:
    """Refuse a derivative by something that is not continuous."""
    continuous = [column.name for column in space.columns if column.kind == "float" and column.size is None]
    for name in gradient:
        if name not in continuous:
            known = {column.name: column.kind for column in space.columns}
            what = f"is {known[name]}" if name in known else "is not in the space"
            raise InvalidObservation(
                message(
                    f"gradient: parameter {name!r} {what}, so it has no derivative",
                    got=sorted(gradient),
                    allowed=f"continuous parameters: {continuous}",
                )
            )
