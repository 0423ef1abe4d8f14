"""Runs that take a whole trial: how they speak to it, and what their checkpoints say of the run beside its state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from trimtab.base.arrays import float_from_json, float_to_json
from trimtab.base.ports import Context
from trimtab.base.records import Json, Params
from trimtab.tuners.gradients.checkpoints import from_json_array, to_json_array

__all__ = ["RUN", "Curve", "RunHead", "RunningTrial", "Voice"]

Curve = tuple[Mapping[str, float], ...]
"""What was reported after each step, first to last."""

RUN = "run"
"""Name of the array of a checkpoint that holds its head."""


class RunningTrial(Protocol):
    """What is asked of a trial where a task is used as an objective."""

    @property
    def number(self) -> int:
        """The trial's number."""
        ...

    @property
    def params(self) -> Params:
        """The configuration."""
        ...

    def report(self, value: Mapping[str, float], step: float) -> None:
        """Tell one point of the curve."""
        ...

    def should_prune(self) -> bool:
        """Whether the trial was given up."""
        ...

    def set_user_attr(self, key: str, value: Json) -> None:
        """Note a user attribute."""
        ...


@dataclass(frozen=True, slots=True)
class Voice:
    """How a run speaks, whether to a context or to a trial.

    Arguments:
        number: of the trial.
        report: tells a step and its metrics.
        should_prune: whether the trial was given up.
        note: notes a user attribute.
    """

    number: int
    report: Callable[[float, Mapping[str, float]], None]
    should_prune: Callable[[], bool]
    note: Callable[[str, Json], None]

    @classmethod
    def of_context(cls, context: Context) -> Voice:
        """That of a task."""
        return cls(context.number, context.report, context.should_prune, context.attribute)

    @classmethod
    def of_trial(cls, trial: RunningTrial) -> Voice:
        """That of an objective."""

        def report(step: float, metrics: Mapping[str, float]) -> None:
            trial.report(metrics, step)

        return cls(trial.number, report, trial.should_prune, trial.set_user_attr)


@dataclass(frozen=True, slots=True)
class RunHead:
    """What a checkpoint says of its run.

    Arguments:
        mark: the fingerprint of what the run depends on.
        seconds: spent so far, over all attempts.
        number: of the trial that wrote it.
        curve: what was reported so far.
    """

    mark: str
    seconds: float
    number: int
    curve: Curve

    def to_array(self) -> NDArray[np.uint8]:
        """As an array of JSON."""
        return to_json_array(
            {
                "fingerprint": self.mark,
                "seconds": self.seconds,
                "number": self.number,
                "curve": [{name: float_to_json(value) for name, value in point.items()} for point in self.curve],
            }
        )

    @classmethod
    def from_array(cls, array: NDArray[np.uint8]) -> RunHead:
        """Inverse of `to_array`.

        Raises:
            KeyError, ValueError, TypeError: it is not what that gave.
        """
        told = from_json_array(array)
        curve = tuple({name: float_from_json(value) for name, value in point.items()} for point in told["curve"])
        return cls(str(told["fingerprint"]), float(told["seconds"]), int(told["number"]), curve)
