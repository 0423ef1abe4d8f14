"""What this library says when a measure of generalisation is offered as evidence: never the number alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from trimtab.base.errors import InvalidArgument, message
from trimtab.base.records import Interval
from trimtab.base.seeds import Key
from trimtab.trust.intervals import binomial_interval
from trimtab.trust.tightness.counterexample import Counterexample, counterexample, find_measure
from trimtab.trust.tightness.measures import Measure

__all__ = ["MeasureReport", "report_measure"]


@final
@dataclass(frozen=True, slots=True)
class MeasureReport:
    """A measure's value with the data on which it errs. There is no such report without the latter.

    Arguments:
        measure: its name.
        value: on the data that were given.
        bound: whether it is an upper bound of the true error.
        counterexample: built for it.
        holdout: 95% interval of the true error from examples that no choice has seen; None where none were given.
    """

    measure: str
    value: float
    bound: bool
    counterexample: Counterexample
    holdout: Interval | None

    def __str__(self) -> str:
        """A few plain lines for people."""
        kind = "an upper bound of the error, if its conditions hold" if self.bound else "not an estimate of the error"
        lines = [f"{self.measure}: {self.value:.4g}, {kind}."]
        if self.bound and self.value >= 0.5:
            lines.append("  It says nothing here: guessing by a coin has error 0.5.")
        held = "none was given; it is what to report."
        if self.holdout is not None:
            held = f"error {self.holdout.low:.3f} to {self.holdout.high:.3f} (95%)."
        lines.append(f"  hold-out: {held}")
        return "\n".join([*lines, *(f"  {line.strip()}" for line in str(self.counterexample).splitlines())])


def report_measure(
    measure: Measure | str,
    x: ArrayLike,
    y: ArrayLike,
    model: ArrayLike,
    *,
    held_out: tuple[ArrayLike, ArrayLike] | None = None,
    key: Key,
) -> MeasureReport:
    """A measure on one's own data, with its counterexample.

    Arguments:
        measure: one of `MEASURES`, by name, or one's own.
        x: training examples, shape (n, d); 0 and 1 for parities.
        y: their labels, shape (n,); -1 and 1 for linear models, 0 and 1 for parities.
        model: the weights, shape (d,).
        held_out: examples and labels that no choice has seen, of the same shapes.
        key: of the counterexample's random numbers.

    Raises:
        InvalidArgument: shapes or labels that do not fit, or an unknown measure.
    """
    chosen = find_measure(measure)
    labels = (-1.0, 1.0) if chosen.models == "linear" else (0.0, 1.0)
    weights = np.asarray(model, dtype=np.float64)
    sets = []
    for name, (points, told) in (("training", (x, y)), *((("held-out", held_out),) if held_out else ())):
        a, b = np.asarray(points, dtype=np.float64), np.asarray(told, dtype=np.float64)
        if weights.ndim != 1 or a.ndim != 2 or b.shape != a.shape[:1] or a.shape[1:] != weights.shape or not b.size:
            raise InvalidArgument(
                message(
                    f"the {name} data do not fit the model",
                    got=(a.shape, b.shape, weights.shape),
                    allowed="x (n, d), y (n,), model (d,), n >= 1",
                )
            )
        if not np.isin(b, labels).all():
            bad = float(b[~np.isin(b, labels)][0])
            raise InvalidArgument(
                message(f"the {name} data have an unknown label", got=bad, allowed=f"{labels[0]:g} and {labels[1]:g}")
            )
        sets.append((a, b))
    holdout = None
    if held_out is not None:
        a, b = sets[1]
        wrong = b * (a @ weights) <= 0.0 if chosen.models == "linear" else (a @ weights) % 2 != b
        holdout = binomial_interval(int(wrong.sum()), len(b))
    return MeasureReport(
        chosen.name,
        float(chosen.value(*sets[0], weights)),
        chosen.bound,
        counterexample(chosen, key=key.child("counterexample")),
        holdout,
    )
