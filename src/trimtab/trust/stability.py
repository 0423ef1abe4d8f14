"""How far a configuration may be changed, and how often its gain survives when the surrogate is fitted anew.

Needs a history, from which the surrogate of `trimtab.trust.fitted` is made; all gains are predicted ones, in the
surrogate's warped units (standard deviations of the told losses). With the predicted loss m, a configuration x and a
reference r, such as the default, the gain of x is m(r) - m(x), and it is kept at x' where

    m(x') <= m(r) - keep (m(r) - m(x)).

- The smallest change that loses it, in the largest change of any number, in unit coordinates, categories held:
  a bisection on the half-width of a box around x, each step of which asks the branch and bound of
  `trimtab.surrogates.certificates` whether the gain is kept in the whole box. Below `kept_within` it is certain of the
  model that nothing loses the gain; at `lost_at` there is a configuration that does. The same for one number at a time.
- The stability of F. Hamman, E. Noorani, S. Mishra, D. Magazzeni and S. Dutta, "Robust Counterfactual Explanations for
  Neural Networks With Probabilistic Guarantees", ICML 2023, arXiv 2305.11997, in the form of their program:

      R(x) = mean_i c(x_i) - mean_i |c(x_i) - c(x)|,   x_i ~ N(x, s^2 I),

  with the confidence c(x) = P(f(r) - f(x) >= keep (m(r) - m(x_0))) by the surrogate's joint posterior.
- Refits: the surrogate is fitted to random subsets of the trials, and it is counted how often the gain is kept; or the
  count is that of results that are given, from trainings that were run anew.

Where it differs from the paper: no step uphill in R is taken, only tried configurations are recommended (their
variant that keeps to the data); noise moves numbers alone and is clipped to the space; and no guarantee is claimed,
since its constants are not known. The theorem is not used: the paper's text was not at hand, and the form above is that
of its program. R never exceeds the smoothed confidence, so that a plain threshold on c does much the same:
`smallest_stable_change` takes either rule.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from trimtab.base.arrays import float_from_json, float_to_json
from trimtab.base.errors import InvalidArgument, TrimtabError, UnknownName, check_count, message
from trimtab.base.history import History
from trimtab.base.records import Interval, Json, Params, ParamValue
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.space import Float, Space
from trimtab.surrogates.certificates.branch_and_bound import Budget, Problem, branch_and_bound
from trimtab.surrogates.certificates.columns import Number
from trimtab.surrogates.certificates.domains import Domain
from trimtab.surrogates.certificates.mean import PosteriorMean
from trimtab.surrogates.certificates.profiles import MATERN52
from trimtab.surrogates.evidence import Evidence
from trimtab.surrogates.gp import Model
from trimtab.surrogates.gp.cholesky import solve_lower
from trimtab.surrogates.gp.kernels import matern52, squared_distances
from trimtab.trust.fitted import MOST, evidence_of, fitted, one_objective
from trimtab.trust.intervals import binomial_interval

__all__ = [
    "STABILITY_REFS",
    "ParameterStability",
    "Stability",
    "StableChange",
    "smallest_stable_change",
    "stability",
]

Array = NDArray[np.float64]

STABILITY_REFS = (
    Reference(
        authors="Hamman, Faisal and Noorani, Erfaun and Mishra, Saumitra and Magazzeni, Daniele and Dutta, Sanghamitra",
        title="Robust Counterfactual Explanations for Neural Networks With Probabilistic Guarantees",
        year=2023,
        venue="ICML",
        arxiv="2305.11997",
    ),
)

NOISE = 0.05
"""Standard deviation s of the changes that stability averages over, in unit coordinates."""

CHANGES = 500
"""How many of them."""

HALVINGS = 10
"""Of the bisection on half-widths: to a thousandth of the space."""

GAP = 1e-3
"""To which the largest loss of a box is found, in standard deviations of the losses."""

NODES = 20_000
"""Boxes of one question whether a gain is kept."""

SHARE = 0.8
"""Of the trials, in each refit."""


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


@dataclass(frozen=True, slots=True)
class _Question:
    """What a gain is, and when it is kept.

    Arguments:
        model: the surrogate.
        space: that it is about.
        here, there: unit coordinates of the configuration and of the reference, shape (d,).
        keep: share of the gain that has to be kept.
    """

    model: Model
    space: Space
    here: Array
    there: Array
    keep: float

    @property
    def gain(self) -> float:
        """The predicted one."""
        ours, theirs = self.model.predict(np.vstack([self.here, self.there]))[0]
        return float(theirs - ours)

    @property
    def limit(self) -> float:
        """The predicted loss up to which the gain is kept."""
        theirs = float(self.model.predict(self.there[None, :])[0][0])
        return theirs - self.keep * self.gain

    def confidence(self, unit: Array, gain: float) -> Array:
        """Probability, by the joint posterior, that points (m, d) gain so much over the reference, shape (m,)."""
        posterior = self.model.posterior
        features = self.model.embedding.features(np.vstack([self.there, unit])) / posterior.scales
        cross = posterior.cross(features)
        half = solve_lower(posterior.lower, cross.T)
        mean = cross @ posterior.alpha
        prior = 2.0 - 2.0 * matern52(squared_distances(features[1:], features[:1]))[:, 0]
        variance = np.maximum(prior - ((half[:, 1:] - half[:, :1]) ** 2).sum(axis=0), 1e-18)
        return np.asarray(ndtr((mean[0] - mean[1:] - gain) / np.sqrt(variance)))


def stability(
    history: History[Space],
    params: Params,
    reference: Params | None = None,
    *,
    objective: str | int | None = None,
    keep: float = 0.0,
    refits: int = 20,
    results: Sequence[tuple[float, float]] = (),
    most: int = MOST,
    key: Key | None = None,
) -> Stability:
    """How far a configuration may be changed before it loses its gain, and how often refits keep it.

    Arguments:
        history: the study.
        params: the configuration, such as `study.best_params`.
        reference: what it should be better than; None for the default configuration of the space.
        objective: name or index; may be left out where there is only one.
        keep: share of the gain that has to be kept, 0 <= keep < 1; 0 asks for any gain.
        refits: of the surrogate, each to a random 80% of the trials; 0 for none.
        results: in place of refits, values of (params, reference) from trainings that were run anew, such as with
            other seeds, in the objective's own units and sign.
        most: observations that the surrogate is fitted to.
        key: of the random numbers; by default made of the study's seed, so that repeated calls agree.

    Raises:
        InvalidParams: a configuration that lies outside the space.
        InvalidArgument: a configuration without a predicted gain, a share or number that cannot be, or trials that no
            surrogate can be fitted to.
        UnknownName: no trial is complete and feasible.
    """
    check_count(refits, "refits", least=0, do="use 20")
    seen = one_objective(history, objective)
    evidence = evidence_of(seen, most)
    asked = _question(seen, fitted(evidence, seen.space, seen.study.name), params, reference, keep)
    gain = asked.gain
    if not gain > 0.0:
        raise InvalidArgument(
            message(
                "the configuration has no predicted gain over the reference that it could lose",
                got=f"{gain:.3g} standard deviations of the losses",
                do="give a better configuration, or another reference",
            )
        )
    rng = (key or Key(seen.study.seed, purpose="stability")).generator()
    kept, lost, losing = _radius(asked)
    confidence = float(asked.confidence(asked.here[None, :], keep * gain)[0])
    if results:
        survived, total, source = _survived_results(asked, results, seen), len(results), "trainings run anew"
    else:
        survived = sum(_kept_by_refit(asked, evidence, seen, rng) for _ in range(refits))
        total, source = refits, "refits of the surrogate to 80% of the trials"
    return Stability(
        params=dict(params),
        reference=_decoded(asked, asked.there),
        gain=gain,
        keep=keep,
        confidence=confidence,
        score=float(_stability_scores(asked, asked.here[None, :], keep * gain, rng)[0]),
        kept_within=kept,
        lost_at=lost,
        losing=losing,
        parameters=tuple(_alone(asked, index) for index in range(len(seen.space)) if not np.isnan(asked.here[index])),
        survived=survived,
        refits=total,
        survival=binomial_interval(survived, total) if total else None,
        source=source if total else "",
    )


def smallest_stable_change(
    history: History[Space],
    reference: Params | None = None,
    *,
    objective: str | int | None = None,
    rule: Literal["stability", "confidence"] = "stability",
    threshold: float = 0.9,
    gain: float = 0.0,
    most: int = MOST,
    key: Key | None = None,
) -> StableChange:
    """The tried configuration nearest to a reference whose gain is judged stable.

    The distance of two configurations is the root of the mean of squared differences of unit coordinates; one of a
    category, or of what is active, counts 1.

    Arguments:
        history: the study.
        reference: None for the default configuration of the space.
        objective: name or index; may be left out where there is only one.
        rule: "stability" is the paper's R; "confidence" the plain probability of a gain.
        threshold: that the rule's score must reach, in (0, 1).
        gain: over the reference that is asked for, in standard deviations of the losses.
        most: observations that the surrogate is fitted to.
        key: of the random numbers; by default made of the study's seed.

    Raises:
        InvalidArgument: an unknown rule, a threshold outside (0, 1), or trials that no surrogate can be fitted to.
        UnknownName: no trial is complete and feasible.
    """
    if rule not in ("stability", "confidence"):
        raise InvalidArgument(message("unknown rule", got=rule, allowed="'stability', 'confidence'"))
    if not 0.0 < threshold < 1.0:
        raise InvalidArgument(message("threshold must lie between 0 and 1", got=threshold, allowed="such as 0.9"))
    seen = one_objective(history, objective)
    model = fitted(evidence_of(seen, most), seen.space, seen.study.name)
    numbers = [int(n) for n in seen.complete if _tried(seen, int(n))]
    if not numbers:
        text = f"study {seen.study.name!r} has no complete, feasible trial of its space to choose from"
        raise UnknownName(message(text, do="run more trials"))
    configurations = [seen.trial(n).params or {} for n in numbers]
    unit = seen.space.to_unit(seen.space.encode_many(configurations))
    asked = _question(seen, model, configurations[0], reference, 0.0)
    rng = (key or Key(seen.study.seed, purpose="stability")).generator()
    score = _stability_scores(asked, unit, gain, rng) if rule == "stability" else asked.confidence(unit, gain)
    distances = _distances(seen.space, asked.there, unit)
    passed = np.flatnonzero(score >= threshold)
    if not passed.size:
        return StableChange(None, None, math.nan, float(score.max()), rule)
    place = int(passed[np.argmin(distances[passed])])
    return StableChange(numbers[place], configurations[place], float(distances[place]), float(score[place]), rule)


def _question(
    history: History[Space], model: Model, params: Params, reference: Params | None, keep: float
) -> _Question:
    """The question, after a look at its arguments."""
    if not 0.0 <= keep < 1.0:
        raise InvalidArgument(message("keep is a share of the gain", got=keep, allowed="0 <= keep < 1"))
    space = history.space
    other = space.default_params() if reference is None else reference
    here, there = space.to_unit(space.encode_many([params, other]))
    return _Question(model, space, here, there, keep)


def _tried(history: History[Space], number: int) -> bool:
    """Whether a complete trial may be recommended."""
    trial = history.trial(number)
    feasible = trial.observation is not None and trial.observation.feasible
    return feasible and trial.params is not None and history.space.contains(trial.params)


def _distances(space: Space, there: Array, unit: Array) -> Array:
    """See `smallest_stable_change`; shape (m,)."""
    categories = np.array([column.kind == "categorical" for column in space.columns])
    apart = np.abs(unit - there)
    either, both = np.isnan(unit) | np.isnan(there), np.isnan(unit) & np.isnan(there)
    apart = np.where(categories, (apart > 0.0).astype(np.float64), apart)
    apart = np.where(both, 0.0, np.where(either, 1.0, apart))
    return np.asarray(np.sqrt((apart**2).mean(axis=1)))


def _stability_scores(asked: _Question, unit: Array, gain: float, rng: np.random.Generator) -> Array:
    """R of points (m, d), with common changes, shape (m,)."""
    numbers = np.array([column.kind != "categorical" for column in asked.space.columns])
    changes = NOISE * numbers * rng.standard_normal((CHANGES, unit.shape[1]))
    plain = asked.confidence(unit, gain)
    scores = np.empty(len(unit))
    for row, point in enumerate(unit):
        moved = asked.confidence(np.clip(point + changes, 0.0, 1.0), gain)
        scores[row] = moved.mean() - np.abs(moved - plain[row]).mean()
    return scores


def _numbers(asked: _Question) -> NDArray[np.intp]:
    """Columns of the numbers that are active and can be changed."""
    columns = asked.space.columns
    kept = [j for j, column in enumerate(columns) if column.kind != "categorical" and not np.isnan(asked.here[j])]
    return np.array(kept, dtype=np.intp)


def _loses(asked: _Question, places: NDArray[np.intp], low: Array, high: Array) -> tuple[bool, Array | None]:
    """Whether it is certain that the gain is kept in a box, and a point that loses it where one was found.

    Arguments:
        asked: the question.
        places: the columns that vary.
        low, high: unit coordinates of the box's ends, shape (len(places),), low < high.
    """
    model, posterior = asked.model, asked.model.posterior
    around = np.vstack([asked.here] * 3)
    around[1, places], around[2, places] = low, high
    features, scales = model.embedding.features(around), posterior.scales
    varying = model.embedding.place[places]
    still = np.setdiff1d(np.arange(len(scales)), varying)
    aside = squared_distances(features[:1, still] / scales[still], posterior.features[:, still] / scales[still])[0]
    left, right = features[1, varying], features[2, varying]
    width = scales[varying] / (right - left)
    centres = (posterior.features[:, varying] - left) / scales[varying]
    zero = np.zeros(len(aside))
    columns = [Number(j, float(width[j]), centres[:, j], aside if j == 0 else zero) for j in range(len(places))]
    gram = matern52(squared_distances(posterior.features / scales))
    # The largest loss in the box is minus the least of minus the loss.
    mean = PosteriorMean([*columns], -posterior.alpha, -posterior.mean, MATERN52, gram)
    domain = Domain(Space({f"x{j}": Float(0.0, 1.0) for j in range(len(places))}).columns)
    problem = Problem(mean, domain, lambda points: (np.clip(points, 0.0, 1.0), np.ones(len(points), dtype=np.bool_)))
    starts = np.vstack([(features[0, varying] - left) / (right - left), np.zeros(len(places)), np.ones(len(places))])
    starts = np.clip(starts, 0.0, 1.0)
    losses = -mean.value(starts)
    place: Array | None = starts[losses.argmax()]
    if losses.max() <= asked.limit:
        found = branch_and_bound(problem, starts, GAP, Budget(NODES))
        if -found.lower_bound <= asked.limit:
            return True, None
        place = found.point if -found.value > asked.limit else None
    if place is None:
        return False, None
    warped = left + place * (right - left)
    unit = asked.here.copy()
    warp = model.embedding.warp
    unit[places] = warped
    if warp is not None:
        unit[places] = warp.inverse(np.where(np.isnan(unit), 0.5, unit)[None, :])[0, places]
    return False, np.clip(unit, 0.0, 1.0)


def _radius(asked: _Question) -> tuple[float, float, Params | None]:
    """Half-width in which the gain is certain, the smallest change found to lose it, and a configuration so changed."""
    places = _numbers(asked)
    here = asked.here[places]
    kept, lost, losing = 0.0, math.inf, None
    if not places.size:
        return 1.0, math.inf, None
    low, high = 0.0, 1.0
    for turn in range(HALVINGS + 1):
        half = 1.0 if turn == 0 else 0.5 * (low + high)
        sure, point = _loses(asked, places, np.maximum(here - half, 0.0), np.minimum(here + half, 1.0))
        if sure:
            low = kept = half
            if half == 1.0:
                return 1.0, math.inf, None
            continue
        high = half
        if point is not None and (change := float(np.abs(point - asked.here)[places].max())) < lost:
            lost, losing = change, _decoded(asked, point)
    return kept, lost, losing


def _alone(asked: _Question, index: int) -> ParameterStability:
    """How far one parameter may be changed."""
    column = asked.space.columns[index]
    if column.kind == "categorical":
        size = column.size or 1
        rows = np.repeat(asked.here[None, :], size, axis=0)
        rows[:, index] = (np.arange(size) + 0.5) / size
        unit = asked.space.to_unit(asked.space.from_unit(np.nan_to_num(rows, nan=0.5)))
        means = asked.model.predict(unit)[0]
        keeps = tuple(column.choices[code] for code in np.flatnonzero(means <= asked.limit).tolist())
        return ParameterStability(column.name, None, None, keeps)
    ends = [asked.here[index], asked.here[index]]
    for side, sign in enumerate((-1.0, 1.0)):
        far = asked.here[index] if sign < 0.0 else 1.0 - asked.here[index]
        low, high = 0.0, far
        for turn in range(HALVINGS + 1):
            step = far if turn == 0 else 0.5 * (low + high)
            if step <= 0.0:
                break
            pair = sorted((asked.here[index], asked.here[index] + sign * step))
            sure, _ = _loses(asked, np.array([index]), np.array(pair[:1]), np.array(pair[1:]))
            low, high = (step, high) if sure else (low, step)
            if low == far:
                break
        ends[side] = asked.here[index] + sign * low
    shown = [_decoded(asked, _with(asked.here, index, end))[column.name] for end in ends]
    return ParameterStability(column.name, shown[0], shown[1])


def _with(unit: Array, index: int, value: float) -> Array:
    """A point with one coordinate changed."""
    moved = unit.copy()
    moved[index] = value
    return moved


def _decoded(asked: _Question, unit: Array) -> Params:
    """The configuration nearest to a point."""
    return asked.space.decode(asked.space.from_unit(np.nan_to_num(unit[None, :], nan=0.5))[0])


def _kept_by_refit(asked: _Question, evidence: Evidence, history: History[Space], rng: np.random.Generator) -> bool:
    """Whether a surrogate of a random part of the trials predicts that the gain is kept."""
    count = len(evidence.losses)
    rows = np.sort(rng.choice(count, size=max(1, round(SHARE * count)), replace=False))
    part = evidence[rows]
    if not part.good.any():
        return False
    try:
        model = fitted(part, history.space, history.study.name)
    except TrimtabError:
        return False
    means = model.predict(np.vstack([asked.here, asked.there]))[0]
    return _keeps(asked, *asked.model.warp.forward(model.warp.inverse(means)).tolist())


def _survived_results(asked: _Question, results: Sequence[tuple[float, float]], history: History[Space]) -> int:
    """How many of the given pairs of values keep the gain."""
    values = np.asarray(results, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != 2 or not np.isfinite(values).all():
        raise InvalidArgument(
            message(
                "results must be pairs of values", got=values.shape, allowed="(of the params, of the reference), finite"
            )
        )
    warped = asked.model.warp.forward(history.objectives[0].sign * values)
    return sum(_keeps(asked, *pair) for pair in warped.tolist())


def _keeps(asked: _Question, ours: float, theirs: float) -> bool:
    """Whether two warped losses keep the gain that the surrogate predicts."""
    return theirs - ours > 0.0 and theirs - ours >= asked.keep * asked.gain
