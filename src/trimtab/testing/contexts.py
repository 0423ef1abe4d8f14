"""A context that keeps what a task tells it: to run a task by itself, without a study."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import final

from trimtab.base.records import Json, ParamValue
from trimtab.base.seeds import Key

__all__ = ["RecordingContext"]


@final
@dataclass
class RecordingContext:
    """Keeps reports and attributes, and gives a trial up after so many reports.

    Arguments:
        number: the trial's.
        patience: reports after which `should_prune` says yes.
        reports: what was reported, step and metrics.
        notes: user attributes by name.
        each: called after each report, to interrupt a run or to look at it.
    """

    number: int = 0
    patience: float = math.inf
    reports: list[tuple[float, dict[str, float]]] = field(default_factory=list)
    notes: dict[str, Json] = field(default_factory=dict)
    each: Callable[[], None] = lambda: None

    @property
    def key(self) -> Key:
        """Of the trial's random numbers, in a study with the seed 0."""
        return Key(0, self.number, "run")

    def report(self, step: float, metrics: Mapping[str, float]) -> None:
        """Keep a point of the curve."""
        self.reports.append((step, dict(metrics)))
        self.each()

    def should_prune(self) -> bool:
        """Whether the patience is over."""
        return len(self.reports) >= self.patience

    def suggested(self, name: str, value: ParamValue, parameter: Json) -> None:
        """Refuse: the tasks run so have a declared space.

        Raises:
            AssertionError: always.
        """
        raise AssertionError(f"the task asked for a parameter {name!r} that its space does not declare")

    def attribute(self, name: str, value: Json) -> None:
        """Keep a user attribute."""
        self.notes[name] = value
