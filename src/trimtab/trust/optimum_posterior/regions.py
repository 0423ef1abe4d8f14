"""What is said of where an optimum lies: one record, in plain sentences and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trimtab.base.arrays import float_from_json, float_to_json
from trimtab.base.records import Interval, Json, Params, ParamValue

__all__ = ["OptimumRegion", "ParameterRegion"]


@dataclass(frozen=True, slots=True)
class ParameterRegion:
    """Where one parameter of the optimum lies.

    Arguments:
        name: of the parameter.
        low, high: ends of the interval, for numbers and ordinals; None for categories.
        choices: of a category, the most probable ones that together reach the level; empty for numbers.
        active: the probability that the parameter is active at the optimum.
    """

    name: str
    low: ParamValue
    high: ParamValue
    choices: tuple[ParamValue, ...] = ()
    active: float = 1.0

    def __str__(self) -> str:
        """Such as "lr in 0.001 to 0.02"."""
        if self.active == 0.0:
            return f"{self.name} not in use"
        where = ", ".join(map(_shown, self.choices)) or f"{_shown(self.low)} to {_shown(self.high)}"
        return f"{self.name} in {where}" + (
            f" (in use with probability {self.active:.2g})" if self.active < 1.0 else ""
        )

    def to_json(self) -> dict[str, Json]:
        """As JSON."""
        return {
            "name": self.name,
            "low": self.low,
            "high": self.high,
            "choices": list(self.choices),
            "active": self.active,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ParameterRegion:
        """Inverse of `to_json`."""
        return cls(data["name"], data["low"], data["high"], tuple(data["choices"]), data["active"])


@dataclass(frozen=True, slots=True)
class OptimumRegion:
    """Credible regions of the place and the value of an optimum.

    Arguments:
        objective: its name.
        level: the probability of each region by the posterior.
        method: how the posterior was made.
        best: the configuration of best prediction.
        predicted: its prediction, in the objective's own units and sign.
        certified: whether it is certain that no other is predicted better by more than a hundredth of a standard
            deviation of the losses.
        agrees: whether the predicted optimum lies in the region of each parameter.
        value: range of the value at the optimum, without the noise of trials: from the drawn minima on the good side
            to the value at the predicted optimum, which no optimum is worse than, on the bad one. It is no interval at
            the level: at 95% it held the true value in 43% of 480 simulated studies, since a bottom narrower than the
            gaps between trials is not foreseen.
        parameters: one region for each parameter, each at the level by itself.
        share: of the space that the joint region takes, by volume in the parameters' own scales; 0 for less than
            the points that were looked at can show.
        trials: that the surrogate was fitted to.
        inflation: factor of the surrogate's standard deviations; the median where it was estimated.
        caveats: what the numbers do not cover.
    """

    objective: str
    level: float
    method: str
    best: Params
    predicted: float
    certified: bool
    agrees: bool
    value: Interval
    parameters: tuple[ParameterRegion, ...]
    share: float
    trials: int
    inflation: float
    caveats: tuple[str, ...]

    def __post_init__(self) -> None:
        """A region names its method and its caveats."""
        if not self.method or not self.caveats or not 0.0 < self.level < 1.0:
            raise ValueError(f"an OptimumRegion needs a method, caveats and 0 < level < 1; got {self}")

    def __str__(self) -> str:
        """A few plain lines for people."""
        sure = "certified" if self.certified else "not certified"
        size = f"{self.share:.2g} of the space" if self.share else "less of the space than could be measured"
        best = ", ".join(f"{name}={_shown(value)}" for name, value in self.best.items())
        agreement = "lies" if self.agrees else "does not lie"
        lines = [
            f"optimum of {self.objective} by {self.trials} trials, with probability {self.level:.0%} each",
            *(f"  {region}" for region in self.parameters),
            f"  jointly: {size}",
            f"  predicted optimum ({sure}): {best}, {self.predicted:.6g}; it {agreement} in all of these intervals",
            f"  value drawn from {self.value.low:.6g} to {self.value.high:.6g}; no coverage is claimed for it",
            f"  method: {self.method}",
            *(f"  note: {caveat}" for caveat in self.caveats),
        ]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Json]:
        """As JSON."""
        return {
            "objective": self.objective,
            "level": self.level,
            "method": self.method,
            "best": dict(self.best),
            "predicted": float_to_json(self.predicted),
            "certified": self.certified,
            "agrees": self.agrees,
            "value": [float_to_json(self.value.low), float_to_json(self.value.high)],
            "parameters": [region.to_json() for region in self.parameters],
            "share": self.share,
            "trials": self.trials,
            "inflation": self.inflation,
            "caveats": list(self.caveats),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> OptimumRegion:
        """Inverse of `to_json`."""
        given: dict[str, Any] = dict(data)
        low, high = map(float_from_json, given["value"])
        return cls(
            **{
                **given,
                "predicted": float_from_json(given["predicted"]),
                "value": Interval(low, high, given["level"]),
                "parameters": tuple(ParameterRegion.from_json(each) for each in given["parameters"]),
                "caveats": tuple(given["caveats"]),
            }
        )


def _shown(value: ParamValue) -> str:
    """A parameter's value as text."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
