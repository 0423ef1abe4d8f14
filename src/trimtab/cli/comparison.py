"""Two models on the same test images: both accuracies, and what can be said of their difference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.base.records import Interval, Json
from trimtab.report.page.sections import Grid, Section
from trimtab.report.plots.estimates import Estimate, Estimates, draw_estimates
from trimtab.trust import binomial_interval, paired_difference

__all__ = ["Comparison"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The default and the tuned model on a test split that tuning never saw.

    Arguments:
        trial: number of the tuned model's trial.
        size: number of test images.
        default_wrong: places of the test images that the default model reads wrongly.
        tuned_wrong: those of the tuned one.
    """

    trial: int
    size: int
    default_wrong: tuple[int, ...]
    tuned_wrong: tuple[int, ...]

    @classmethod
    def from_losses(cls, trial: int, default: NDArray[np.float64], tuned: NDArray[np.float64]) -> Comparison:
        """From 0/1 losses on the same images, shape (n,) each."""
        wrong = [tuple(int(place) for place in np.flatnonzero(losses)) for losses in (default, tuned)]
        return cls(trial, len(tuned), wrong[0], wrong[1])

    def to_json(self) -> dict[str, Json]:
        """Strict JSON, small enough for a user attribute of the study."""
        return {
            "trial": self.trial,
            "size": self.size,
            "default_wrong": list(self.default_wrong),
            "tuned_wrong": list(self.tuned_wrong),
        }

    @classmethod
    def from_json(cls, data: dict[str, Json]) -> Comparison:
        """Inverse of `to_json`."""
        return cls(data["trial"], data["size"], tuple(data["default_wrong"]), tuple(data["tuned_wrong"]))

    def accuracy(self, wrong: tuple[int, ...]) -> tuple[float, Interval]:
        """The share of images read rightly, and its interval."""
        right = self.size - len(wrong)
        return right / self.size, binomial_interval(right, self.size)

    @property
    def gain(self) -> tuple[float, Interval]:
        """The tuned accuracy minus the default one, and the interval of that difference."""
        interval = paired_difference(self._losses(self.default_wrong), self._losses(self.tuned_wrong))
        return (len(self.default_wrong) - len(self.tuned_wrong)) / self.size, interval

    def _losses(self, wrong: tuple[int, ...]) -> NDArray[np.float64]:
        losses = np.zeros(self.size)
        losses[list(wrong)] = 1.0
        return losses

    @property
    def rows(self) -> tuple[tuple[str, str, str], ...]:
        """Each model, its accuracy and the interval of that, in words."""
        found = []
        for name, wrong in (
            ("default settings", self.default_wrong),
            (f"tuned (trial {self.trial})", self.tuned_wrong),
        ):
            rate, interval = self.accuracy(wrong)
            found.append((name, _percent(rate), f"{_percent(interval.low)} to {_percent(interval.high)}"))
        return tuple(found)

    @property
    def _estimates(self) -> list[Estimate]:
        """The same for a plot."""
        return [
            Estimate("default settings", *self.accuracy(self.default_wrong)),
            Estimate("tuned", *self.accuracy(self.tuned_wrong)),
        ]

    @property
    def verdict(self) -> str:
        """What the difference says, and what it does not say."""
        gain, interval = self.gain
        span = f"95 % interval {_points(interval.low)} to {_points(interval.high)}"
        size = f"{_points(gain)} percentage points ({span}), both models judged on the same {self.size} images"
        if interval.low > 0.0:
            return f"Tuning helped: {size}."
        if interval.high < 0.0:
            return f"Tuning did harm: {size}."
        return f"No evidence that tuning helped or did harm: {size}; the interval includes 0."

    @property
    def section(self) -> Section:
        """The same for the report."""
        text = (
            f"{self.verdict}\n\nBoth models were trained on the training images alone, for the same number of epochs "
            "and from the same seed. The intervals cover the choice of the test images, not the luck of one training."
        )
        return Section(
            f"On {self.size} test images that tuning never saw",
            text,
            figure=draw_estimates(Estimates("accuracy on the test split", self._estimates), "test-split"),
            grid=Grid(("model", "accuracy", "95 % interval"), self.rows),
        )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _points(difference: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return f"{round(100 * difference, 1) + 0.0:+.1f}"  # adding 0.0 turns -0.0 into 0.0
