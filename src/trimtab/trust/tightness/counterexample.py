"""Data on which a measure errs, built for it, with what a hold-out says of the same models.

In each of many draws of a construction there are two models that fit the training data alike, the target and its twin
(`trimtab.trust.tightness.reflection`, `trimtab.trust.tightness.parity`), and each counts as one case. Then

- the best guess of the true error from the measure is the best of all functions of it that take two values, the lower
  one for lower values of the measure, its step and both values fitted to these very cases, by mean absolute error: more
  than any honest use could have;
- the hold-out guess is the error rate on a few fresh examples, and its interval that of Clopper and Pearson.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument, check_count, message
from trimtab.base.records import Interval
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.trust.intervals import binomial_interval
from trimtab.trust.tightness.measures import MEASURES, Measure
from trimtab.trust.tightness.parity import Parities, draw_parities
from trimtab.trust.tightness.reflection import Twins, draw_twins

__all__ = ["Counterexample", "counterexample", "find_measure"]

Array = NDArray[np.float64]

SIZES = {"linear": (20, 200), "parity": (12, 24)}
"""Examples and dimensions where none are given."""

MISLEADS = 0.2
"""A mean absolute error from which on a measure is said to err; a blind guess between 0 and 1/2 has 1/4."""


@final
@dataclass(frozen=True, slots=True)
class Counterexample:
    """Two kinds of models that a measure cannot tell apart.

    Arguments:
        measure: its name.
        examples: n, of the training data.
        dimensions: d.
        cases: how many models were measured, half of them targets.
        errors: mean true error of the targets and of their twins.
        values: mean value of the measure, likewise.
        best_guess: mean absolute error of the best guess of the true error from the measure.
        holdout: how many fresh examples the hold-out has.
        holdout_guess: mean absolute error of the hold-out's error rate.
        covered: the share of cases in which the hold-out's 95% interval held the true error.
        shown: the hold-out's interval for the target and the twin of the first draw.
    """

    refs: ClassVar[tuple[Reference, ...]] = (
        Reference(
            authors="Gastpar, Michael and Nachum, Ido and Shafer, Jonathan and Weinberger, Thomas",
            title="Fantastic generalization measures are nowhere to be found",
            year=2024,
            venue="International Conference on Learning Representations",
            arxiv="2309.13658",
        ),
    )

    measure: str
    examples: int
    dimensions: int
    cases: int
    errors: tuple[float, float]
    values: tuple[float, float]
    best_guess: float
    holdout: int
    holdout_guess: float
    covered: float
    shown: tuple[Interval, Interval]

    @property
    def misleads(self) -> bool:
        """Whether no guess from the measure comes near the true error."""
        return self.best_guess >= MISLEADS

    def __str__(self) -> str:
        """A few plain lines for people."""
        verdict = "errs" if self.misleads else "does not err"
        (low, high), (first, second) = self.errors, self.shown
        return (
            f"{self.measure} {verdict} on {self.examples} examples in {self.dimensions} dimensions: it is "
            f"{self.values[0]:.4g} on average for models with true error {low:.2f}, and {self.values[1]:.4g} for "
            f"others with {high:.2f}; the best guess from it misses by {self.best_guess:.2f}.\n"
            f"  A hold-out of {self.holdout} misses by {self.holdout_guess:.3f}; its 95% intervals for one of each: "
            f"{first.low:.2f} to {first.high:.2f}, {second.low:.2f} to {second.high:.2f}."
        )


def counterexample(
    measure: Measure | str,
    *,
    examples: int | None = None,
    dimensions: int | None = None,
    draws: int = 50,
    holdout: int = 100,
    shrink: float = 0.0,
    key: Key,
) -> Counterexample:
    """Build data on which a measure errs, and look at a hold-out there.

    Arguments:
        measure: one of `MEASURES`, by name, or one's own.
        examples: n; 20 for linear models and 12 for parities where it is not given.
        dimensions: d; 200 and 24 likewise. Where n is near d or above, the models are alike and no measure errs.
        draws: how many pairs of models to measure.
        holdout: fresh examples that each is also tried on.
        shrink: for linear models, how much shorter the twins' part outside of the training data is: with more than
            0, norms, margins and bounds from them prefer the twin.
        key: of the random numbers.

    Raises:
        InvalidArgument: counts below 1, a shrinkage outside [0, 1), or an unknown measure.
    """
    chosen = find_measure(measure)
    n, d = SIZES[chosen.models][0] if examples is None else examples, dimensions or SIZES[chosen.models][1]
    for what, count in (("examples", n), ("dimensions", d), ("draws", draws), ("holdout", holdout)):
        check_count(count, what)
    if not 0.0 <= shrink < 1.0:
        raise InvalidArgument(message("shrink must lie in [0, 1)", got=shrink, allowed="0 <= shrink < 1"))
    values, errors, missed = np.empty((draws, 2)), np.empty((draws, 2)), np.empty((draws, 2), dtype=np.intp)
    for draw in range(draws):
        rng = key.child(f"draw {draw}").generator()
        pair: Twins | Parities = (
            draw_twins(n, d, rng, shrink) if chosen.models == "linear" else draw_parities(n, d, rng)
        )
        for side, model in enumerate((pair.target, pair.twin)):
            values[draw, side] = chosen.value(pair.x, pair.y, model)
            errors[draw, side] = pair.error(model)
            missed[draw, side] = pair.held_out(model, holdout, rng)
    intervals = [binomial_interval(int(count), holdout) for count in missed.ravel()]
    return Counterexample(
        measure=chosen.name,
        examples=n,
        dimensions=d,
        cases=2 * draws,
        errors=(float(errors[:, 0].mean()), float(errors[:, 1].mean())),
        values=(float(values[:, 0].mean()), float(values[:, 1].mean())),
        best_guess=_best_two_step(values.ravel(), errors.ravel()),
        holdout=holdout,
        holdout_guess=float(np.abs(missed / holdout - errors).mean()),
        covered=float(np.mean([error in each for error, each in zip(errors.ravel(), intervals, strict=True)])),
        shown=(intervals[0], intervals[1]),
    )


def find_measure(measure: Measure | str) -> Measure:
    """A measure by its name.

    Raises:
        InvalidArgument: there is none of that name.
    """
    if isinstance(measure, Measure):
        return measure
    if measure not in MEASURES:
        raise InvalidArgument(
            message(
                "unknown measure of generalisation", got=measure, allowed=", ".join(MEASURES), do="or give a Measure"
            )
        )
    return MEASURES[measure]


def _best_two_step(values: Array, errors: Array) -> float:
    """The least mean absolute error of a guess that is one number up to some value and no less beyond it."""
    # Values that differ by rounding are one value.
    scale = float(np.abs(values).max()) or 1.0
    order = np.argsort(values, kind="stable")
    rounded, by_value = np.round(values[order] / scale, 9), errors[order]
    best = float(np.abs(by_value - np.median(by_value)).sum())
    for step in np.flatnonzero(np.diff(rounded) > 0.0) + 1:
        low, high = by_value[:step], by_value[step:]
        if np.median(low) <= np.median(high):
            best = min(best, float(np.abs(low - np.median(low)).sum() + np.abs(high - np.median(high)).sum()))
    return best / len(errors)
