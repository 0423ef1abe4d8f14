"""The trajectory of the hyperparameters through one training: what a self-tuning network found.

The schedule, and not its last row, is the finding: MacKay et al. 2019 (arXiv 1903.03088) report that a training with
the last values held fixed is worse than one along the schedule, and worse than the self-tuned one. So it can be
written as JSON and followed by any training loop, `schedule.at(step)` before each step.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from trimtab.base.arrays import float_from_json, float_to_json
from trimtab.base.errors import InvalidArgument, message
from trimtab.base.records import Json

__all__ = ["Row", "Schedule"]


@dataclass(frozen=True, slots=True)
class Row:
    """Where a training stood.

    Arguments:
        step: training steps made.
        params: the hyperparameters, decoded.
        value: validation loss, unperturbed and not regularised.
        held_out: likewise on a third split; None where there is none.
        scales: standard deviation of each perturbation, in unconstrained units.
    """

    step: int
    params: Mapping[str, float]
    value: float
    held_out: float | None = None
    scales: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Rows in order of their steps; the hyperparameters stay as they are from one to the next.

    Arguments:
        rows: at least one, of the same hyperparameters, in rising order of steps.

    Raises:
        InvalidArgument: the rows are not so.

    >>> schedule = Schedule((Row(0, {"dropout": 0.1}, 0.9), Row(50, {"dropout": 0.3}, 0.7)))
    >>> schedule.at(49)["dropout"], schedule.at(50)["dropout"], Schedule.from_json(schedule.to_json()) == schedule
    (0.1, 0.3, True)
    """

    rows: tuple[Row, ...]

    def __post_init__(self) -> None:
        """Check the rows."""
        object.__setattr__(self, "rows", tuple(self.rows))
        rising = all(earlier.step < later.step for earlier, later in pairwise(self.rows))
        if not self.rows or not rising or len({frozenset(row.params) for row in self.rows}) > 1:
            raise InvalidArgument(
                message(
                    "these rows are no schedule",
                    got=[(row.step, sorted(row.params)) for row in self.rows],
                    allowed="one or more, of the same hyperparameters, in rising order of steps",
                )
            )

    @classmethod
    def constant(cls, params: Mapping[str, float]) -> Schedule:
        """The schedule that never changes; the value of its row is not known."""
        return cls((Row(0, dict(params), float("nan")),))

    def at(self, step: int) -> dict[str, float]:
        """The hyperparameters of training step `step`, counted from 0; before the first row, those of the first."""
        place = bisect_right([row.step for row in self.rows], step) - 1
        return dict(self.rows[max(place, 0)].params)

    def best(self) -> Row:
        """The row of lowest validation loss. Its value is flattered: the validation set was used to tune."""
        known = [row for row in self.rows if row.value == row.value]
        if not known:
            raise InvalidArgument(message("no row of the schedule has a value", do="run one that is tuned"))
        return min(known, key=lambda row: row.value)

    def to_json(self) -> list[Json]:
        """Plain rows, fit for `json.dumps`."""
        return [
            {
                "step": row.step,
                "params": dict(row.params),
                "value": float_to_json(row.value),
                "held_out": None if row.held_out is None else float_to_json(row.held_out),
                "scales": dict(row.scales),
            }
            for row in self.rows
        ]

    @classmethod
    def from_json(cls, data: Any) -> Schedule:
        """Inverse of `to_json`.

        Raises:
            InvalidArgument: not the rows of a schedule.
        """
        try:
            return cls(
                tuple(
                    Row(
                        int(row["step"]),
                        {str(name): _number(value) for name, value in row["params"].items()},
                        float_from_json(row["value"]),
                        None if row["held_out"] is None else float_from_json(row["held_out"]),
                        {str(name): _number(value) for name, value in row["scales"].items()},
                    )
                    for row in data
                )
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise InvalidArgument(
                message(
                    f"this is no schedule ({type(error).__name__}: {error})",
                    got=data,
                    allowed="Schedule.to_json's rows",
                )
            ) from error


def _number(value: object) -> float:
    """A number as it was written: whole ones stay int."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} is no number")
    return value
