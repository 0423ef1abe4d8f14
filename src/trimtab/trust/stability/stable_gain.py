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
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument, UnknownName, check_count, message
from trimtab.base.history import History
from trimtab.base.records import Params
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.space import Space
from trimtab.trust.fitted import MOST, evidence_of, fitted
from trimtab.trust.intervals import binomial_interval
from trimtab.trust.observed import one_objective
from trimtab.trust.stability.question import Question, decoded, question_of
from trimtab.trust.stability.records import Stability, StableChange
from trimtab.trust.stability.refits import kept_by_refit, survived_results
from trimtab.trust.stability.smallest_change import alone, radius

__all__ = ["STABILITY_REFS", "smallest_stable_change", "stability"]

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
    asked = question_of(seen, fitted(evidence, seen.space, seen.study.name), params, reference, keep)
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
    kept, lost, losing = radius(asked)
    confidence = float(asked.confidence(asked.here[None, :], keep * gain)[0])
    if results:
        survived, total, source = survived_results(asked, results, seen), len(results), "trainings run anew"
    else:
        survived = sum(kept_by_refit(asked, evidence, seen, rng) for _ in range(refits))
        total, source = refits, "refits of the surrogate to 80% of the trials"
    return Stability(
        params=dict(params),
        reference=decoded(asked, asked.there),
        gain=gain,
        keep=keep,
        confidence=confidence,
        score=float(_stability_scores(asked, asked.here[None, :], keep * gain, rng)[0]),
        kept_within=kept,
        lost_at=lost,
        losing=losing,
        parameters=tuple(alone(asked, index) for index in range(len(seen.space)) if not np.isnan(asked.here[index])),
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
    asked = question_of(seen, model, configurations[0], reference, 0.0)
    rng = (key or Key(seen.study.seed, purpose="stability")).generator()
    score = _stability_scores(asked, unit, gain, rng) if rule == "stability" else asked.confidence(unit, gain)
    distances = _distances(seen.space, asked.there, unit)
    passed = np.flatnonzero(score >= threshold)
    if not passed.size:
        return StableChange(None, None, math.nan, float(score.max()), rule)
    place = int(passed[np.argmin(distances[passed])])
    return StableChange(numbers[place], configurations[place], float(distances[place]), float(score[place]), rule)


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


def _stability_scores(asked: Question, unit: Array, gain: float, rng: np.random.Generator) -> Array:
    """R of points (m, d), with common changes, shape (m,)."""
    numbers = np.array([column.kind != "categorical" for column in asked.space.columns])
    changes = NOISE * numbers * rng.standard_normal((CHANGES, unit.shape[1]))
    plain = asked.confidence(unit, gain)
    scores = np.empty(len(unit))
    for row, point in enumerate(unit):
        moved = asked.confidence(np.clip(point + changes, 0.0, 1.0), gain)
        scores[row] = moved.mean() - np.abs(moved - plain[row]).mean()
    return scores
