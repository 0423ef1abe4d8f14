"""What is said of the stability of a gain: records, in plain words and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trimtab.base.arrays import float_from_json, float_to_json
from trimtab.base.records import Interval, Json, Params, ParamValue

__all__ = ["ParameterStability", "Stability", "StableChange"]


@dataclass(frozen=True, slots=True)
class ParameterStability:
    """How far one parameter may be changed while the others stay.

    Arguments:
        name: of the parameter.
        low, high: of a number: between them it is certain of the surrogate that the gain is kept; None for categories.
        keeps: of a category, all values with which the gain is kept.
    """

    name: str
    low: ParamValue
    high: ParamValue
    keeps: tuple[ParamValue, ...] = ()

    def __str__(self) -> str:
        """Such as "lr from 0.001 to 0.02"."""
        if self.low is None:
            return f"{self.name} one of {', '.join(map(str, self.keeps))}"
        low, high = (f"{end:.4g}" if isinstance(end, float) else str(end) for end in (self.low, self.high))
        return f"{self.name} from {low} to {high}"

    def to_json(self) -> dict[str, Json]:
        """As JSON."""
        return {"name": self.name, "low": self.low, "high": self.high, "keeps": list(self.keeps)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ParameterStability:
        """Inverse of `to_json`."""
        return cls(data["name"], data["low"], data["high"], tuple(data["keeps"]))


@dataclass(frozen=True, slots=True)
class Stability:
    """How stable the gain of a configuration is.

    Arguments:
        params: the configuration.
        reference: what it is compared with.
        gain: predicted loss of the reference less that of the configuration, in the surrogate's warped units.
        keep: share of the gain that has to be kept.
        confidence: probability by the surrogate that so much is gained.
        score: the stability R of the paper, at most the confidence of slightly changed configurations.
        kept_within: no change of the numbers by at most this, each in unit coordinates, loses the gain; certain of the
            model.
        lost_at: the smallest change that was found to lose it; inf where none does.
        losing: a configuration so changed; None where none loses the gain.
        parameters: the same for one parameter at a time.
        survived, refits: how many of the refits kept the gain.
        survival: 95% interval of the rate with which refits keep it; None without refits.
        source: what the refits were.
    """

    params: Params
    reference: Params
    gain: float
    keep: float
    confidence: float
    score: float
    kept_within: float
    lost_at: float
    losing: Params | None
    parameters: tuple[ParameterStability, ...]
    survived: int
    refits: int
    survival: Interval | None
    source: str

    def __str__(self) -> str:
        """A few plain lines for people."""
        much = "all of its gain" if self.keep == 0.0 else f"more than {1.0 - self.keep:.0%} of its gain"
        if self.losing is None:
            far = f"no change of its numbers loses {much}, by the surrogate"
        else:
            far = (
                f"no change of its numbers by less than {self.kept_within:.2g} of their ranges loses {much}, by the "
                f"surrogate; one by {self.lost_at:.2g} does"
            )
        lines = [
            f"gain over the reference {self.gain:.3g} standard deviations of the losses, "
            f"confidence {self.confidence:.2f}, stability {self.score:.2f}",
            f"  {far}",
            *(f"  alone, {each}" for each in self.parameters),
        ]
        if self.survival is not None:
            low, high = self.survival.low, self.survival.high
            lines.append(
                f"  it survived {self.survived} of {self.refits} {self.source} ({low:.0%} to {high:.0%} at 95%)"
            )
        lines.append("  note: certain of the surrogate is not certain of the objective; no guarantee is claimed")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Json]:
        """As JSON."""
        return {
            "params": dict(self.params),
            "reference": dict(self.reference),
            "gain": self.gain,
            "keep": self.keep,
            "confidence": self.confidence,
            "score": self.score,
            "kept_within": self.kept_within,
            "lost_at": float_to_json(self.lost_at),
            "losing": None if self.losing is None else dict(self.losing),
            "parameters": [each.to_json() for each in self.parameters],
            "survived": self.survived,
            "refits": self.refits,
            "survival": None if self.survival is None else [self.survival.low, self.survival.high],
            "source": self.source,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> Stability:
        """Inverse of `to_json`."""
        given: dict[str, Any] = dict(data)
        ends = given["survival"]
        return cls(
            **{
                **given,
                "lost_at": float_from_json(given["lost_at"]),
                "parameters": tuple(ParameterStability.from_json(each) for each in given["parameters"]),
                "survival": None if ends is None else Interval(float(ends[0]), float(ends[1]), 0.95),
            }
        )


@dataclass(frozen=True, slots=True)
class StableChange:
    """A tried configuration near a reference whose gain is judged stable.

    Arguments:
        trial: its number; None where no trial passes.
        params: its configuration.
        distance: from the reference, see `smallest_stable_change`; nan without a trial.
        score: by the rule; the highest of all trials where none passes.
        rule: "stability" or "confidence".
    """

    trial: int | None
    params: Params | None
    distance: float
    score: float
    rule: str
