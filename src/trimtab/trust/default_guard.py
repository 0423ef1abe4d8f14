"""The default-or-tuned guard: the tuned configuration in place of the default only where the data say so.

About one tuning run in ten ends with a configuration that generalises worse than the default (Schneider, Bischl and
Feurer 2025, Overtuning in Hyperparameter Optimization, AutoML, arXiv 2506.19540). The guard asks whether the
observed gain of the selected trial over the default could be the luck of the best of K trials. Where
it could, the default is recommended and the sentence begins "No evidence that tuning helped".

It is the test for superior predictive ability: the largest of K studentized gains over a benchmark,
against its distribution where none is real (White 2000, A Reality Check for Data Snooping, Econometrica 68:1097;
Hansen 2005, A Test for Superior Predictive Ability, Journal of Business and Economic Statistics 23:365). So
it holds for any rule of selection. What is known of the noise decides how:

- losses of the same examples: gains d_ki = loss of the default - loss of trial k, and t_k = sum_i d_ki / sqrt(sum_i
  d_ki^2). The examples' signs are flipped at random, all trials' together. For one trial with 0/1 losses this is
  McNemar's exact test, and for one symmetric gain it is exact too; the maximum over trials is approximate, with
  the dependence between trials as the data have it.
- standard errors: t_k = (y_0 - y_k) / sqrt(s_0^2 + s_k^2), normal draws; the noise of the default is in all of them.
- replicates: the same with the pooled standard deviation, its degrees of freedom drawn too.
- bare values: nothing is known of the noise, and nothing can be concluded.

Trials that are surely worse than the default can not be the lucky ones, and a search leaves many. As in the
two-step method of Romano, Shaikh and Wolf (2014, Econometrica 82:1979), a tenth of the error is spent on dropping them
from the maximum; the rest is the level of the test. The lower bound of the gain inverts the test:

    mean d_j - c s_j / sqrt(n - c^2)   (losses; s_j with divisor n),      y_0 - y_j - c sqrt(s_0^2 + s_j^2)   (others),

c the quantile of the maximum; it lies above 0 exactly where the tuned trial is recommended. White's and Hansen's
papers resample where signs are flipped here, and Hansen drops at sqrt(2 log log n); these were recalled, not reread.

That is `default_or_tuned`, whose error is bounded. `smoothed_or_default` is the practical setting, and selects by
itself. Its choice is the trial of least posterior mean (`trimtab.trust.posterior_mean`), for which neighbours
vote. Its guard is one plain comparison of that trial's own observations with the default's, uncorrected: the
choice replaces the default where

    y_0 - y_j > z(level) s_0j,      s_0j the standard error of the difference, paired for losses.

A lone lucky trial is voted down, so it is seldom the one that is compared; and the default is compared by its own
value. Asking instead whether the smoothed gain exceeds the bound fails for tuners that learn: the default is smoothed
too, and where its neighbours are bad the gain is mostly theirs. Of 40 overtuned choices without any guard the
smoothed gain was above the observed one in 30, and in 17 no gain at all had been observed. No theorem bounds the error;
it was measured (`dev/studies/overtuning.py`), with the level fixed on other seeds: of 17 overtuned studies of 96 with
TPE it left 6, and 82 % of the gain; of 15 of 74 with the tuner `auto` 5, and 66 %. In a flat search, 30 trials and 60
examples, it replaced the default in 20 % of 400 studies. Where the best few can be evaluated again,
`trimtab.trust.clean_up` gives up less of the gain for fewer errors.

A level is a price: a high one keeps the default where a gain is real but small. Both cover the choice among
the trials told on these examples, not another training set or seed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument, message
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.trust.candidates import Candidates, Evidence
from trimtab.trust.coupled import coupled_correction
from trimtab.trust.losses import PairedLosses
from trimtab.trust.out_of_bag import out_of_bag_correction
from trimtab.trust.posterior_mean import POSTERIOR_MEAN, differences, posterior_mean
from trimtab.trust.quantiles import chi_quantiles, normal_quantile, normal_tail
from trimtab.trust.replicates import Replicates
from trimtab.trust.resampling import chunks
from trimtab.trust.sample import PairedSample
from trimtab.trust.standard_errors import StandardErrors
from trimtab.trust.ties import comparison_bound, surest

__all__ = [
    "DEFAULT_GUARD",
    "DefaultOrTuned",
    "Gain",
    "default_or_tuned",
    "independent_gain",
    "paired_gain",
    "smoothed_or_default",
]

Floats = NDArray[np.float64]

DEFAULT_GUARD = (
    Reference(
        authors="Hansen, Peter Reinhard",
        title="A test for superior predictive ability",
        year=2005,
        venue="Journal of Business and Economic Statistics 23, 365-380",
    ),
    Reference(
        authors="Schneider, Lennart and Bischl, Bernd and Feurer, Matthias",
        title="Overtuning in hyperparameter optimization",
        year=2025,
        venue="International Conference on Automated Machine Learning, PMLR 293",
        arxiv="2506.19540",
    ),
    POSTERIOR_MEAN,
)

DRAWS = 4_000
_DROPPING = 0.1
"""Part of the error that is spent on dropping trials that are surely worse than the default."""
_ROUNDING = 1e-5


@dataclass(frozen=True, slots=True)
class Gain:
    """By how much a selected trial beats the default, lower values being better.

    Arguments:
        observed: the plain difference, default - selected.
        estimate: corrected for the selection, or smoothed over the space.
        low: what the gain exceeds at the level, -inf where there is no bound; smoothed, as if one trial had been
            compared.
        p_value: how probable so large a gain is where none is real: of the best trial of all, or, smoothed, of one.
    """

    observed: float
    estimate: float
    low: float
    p_value: float


@dataclass(frozen=True, slots=True)
class DefaultOrTuned:
    """Which of two trials to use, and why.

    Arguments:
        tuned: number of the selected trial.
        default: number of the trial that ran the default configuration.
        recommended: one of the two.
        level: how sure the gain had to be.
        rivals: how many trials besides the default were there to be selected.
        gain: what the data say of it; None where they say nothing, or where there is nothing to compare.
        unit: what the gain is measured in, such as "mean loss".
        smoothed: whether by neighbours (`smoothed_or_default`) rather than by the test (`default_or_tuned`).
        reason: why there is no gain, where there is none.
    """

    tuned: int
    default: int
    recommended: int
    level: float
    rivals: int
    gain: Gain | None
    unit: str
    smoothed: bool = False
    reason: str = ""

    @property
    def helped(self) -> bool:
        """Whether the tuned trial is recommended because it beats the default."""
        return self.gain is not None and self.recommended == self.tuned != self.default

    def __str__(self) -> str:
        """The recommendation in plain words."""
        if self.gain is None:
            return self.reason
        pair = f"trial {self.tuned} in place of the default (trial {self.default})"
        if self.helped:
            # Of the smoothed gain no bound is known: what is told is the observed one, which the bound is of.
            gain = self.gain.observed if self.smoothed else self.gain.estimate
            return (
                f"Tuning helped: {pair} lowers the {self.unit} by {gain:.3g}, by {self.gain.low:.3g} at least "
                f"({self._scope()})."
            )
        return (
            f"No evidence that tuning helped, so keep the default: {pair} was observed to lower the {self.unit} by "
            f"{self.gain.observed:.3g}, which is too little ({self._scope()})."
        )

    def _scope(self) -> str:
        """What the level means."""
        assert self.gain is not None
        if self.smoothed:
            return (
                f"level {self.level:g} for the one trial that its neighbours speak for, who put it at "
                f"{self.gain.estimate:.3g}; measured and not proved"
            )
        chance = "below 0.001" if self.gain.p_value < 0.001 else f"{self.gain.p_value:.2g}"
        among = f"the best of {self.rivals} trials" if self.rivals > 1 else "one trial"
        return f"level {self.level:g}; {among} shows as much by luck with probability {chance}"


def default_or_tuned(evidence: Evidence, tuned: int, default: int, level: float, key: Key) -> DefaultOrTuned:
    """Whether to use a selected trial or the default.

    Arguments:
        evidence: what the trials told, as a reader of `trimtab.trust.candidates` returns it.
        tuned: number of the selected trial, one of the evidence's candidates; any rule may have selected it.
        default: number of the trial that ran the default configuration.
        level: how sure the gain has to be, 0 < level < 1; 1 - level bounds how often a default that no
            trial truly beats is replaced.
        key: of the draws.

    Raises:
        InvalidArgument: a level that cannot be, or a tuned trial that was not compared.
    """
    candidates, unit = evidence.candidates, _unit(evidence)
    _check_level(level)
    place = _place(candidates, tuned)
    if place is None:
        raise InvalidArgument(
            message("the tuned trial was not compared", got=tuned, allowed="a complete, feasible trial of the evidence")
        )
    base, rivals = _place(candidates, default), len(candidates) - 1
    if base is None or base == place:
        why = _incomparable(tuned, default, base)
        return DefaultOrTuned(tuned, default, tuned, level, rivals, None, unit, reason=why)
    gain = _gain(evidence, base, place, level, key)
    if gain is None:
        return DefaultOrTuned(tuned, default, default, level, rivals, None, unit, reason=_silent(default))
    return DefaultOrTuned(tuned, default, tuned if gain.low > 0.0 else default, level, rivals, gain, unit)


def smoothed_or_default(evidence: Evidence, default: int, level: float = 0.9) -> DefaultOrTuned:
    """The trial that its neighbours vote for, or the default: the practical guard, which selects by itself.

    Arguments:
        evidence: what the trials told; its history has a declared space.
        default: number of the trial that ran the default configuration.
        level: how sure the observed gain has to be, 0 < level < 1, as if one trial had been compared; no proof.

    Raises:
        InvalidArgument: a level that cannot be, or a default without a usable result in the space.
    """
    _check_level(level)
    candidates, unit, rivals = evidence.candidates, _unit(evidence), len(evidence.candidates) - 1
    base = _place(candidates, default)
    if base is None or not _in_space(candidates, base):
        raise InvalidArgument(
            message("the default cannot be compared", got=default, allowed="a complete, feasible trial in the space")
        )
    told, found = differences(evidence, base), posterior_mean(evidence, base)
    if told is None or found is None:
        return DefaultOrTuned(default, default, default, level, rivals, None, unit, True, _silent(default))
    place = found.place
    tuned = int(candidates.numbers[place])
    if place == base:
        why = _incomparable(tuned, tuned, base)
        return DefaultOrTuned(tuned, default, default, level, rivals, None, unit, True, why)
    values, errors = told
    observed, error = float(values[base] - values[place]), float(errors[place])
    estimate = float(found.means[found.places == base][0] - found.means.min())
    low = observed - normal_quantile(1.0 - level) * error
    p_value = normal_tail(observed / error) if error > 0.0 else float(observed <= 0.0)
    gain = Gain(observed, estimate, low, p_value)
    return DefaultOrTuned(tuned, default, tuned if low > 0.0 else default, level, rivals, gain, unit, smoothed=True)


def paired_gain(sample: PairedSample, default: int, tuned: int, level: float, rng: np.random.Generator) -> Gain:
    """The gain in mean loss, for losses of the same examples.

    Arguments:
        sample: losses of k >= 2 trials on n examples, the default among them.
        default, tuned: places in the sample, not the same.
        level: of the lower bound.
        rng: of the flips.
    """
    n, rivals = sample.size, [place for place in range(len(sample.losses)) if place != default]
    gains = np.stack([sample.losses[default] - sample.losses[place] for place in rivals])
    norms = np.sqrt((gains**2).sum(axis=1))
    sums = gains.sum(axis=1)
    scores = np.divide(sums, norms, out=np.zeros_like(sums), where=norms > 0.0)
    chosen = rivals.index(tuned)
    kept = _not_surely_worse(scores, chosen, level) & (norms > 0.0)
    standard = (gains[kept] / norms[kept, None]).astype(np.float32)
    tops = [
        (rng.integers(2, size=(size, n)).astype(np.float32) * 2.0 - 1.0) @ standard.T
        for size in chunks(DRAWS, max(n, len(rivals)))
    ]
    largest = np.concatenate([draws.max(axis=1, initial=0.0) for draws in tops])
    factor, p_value = _judge(largest, float(scores[chosen]), level)
    mean, spread = float(sums[chosen]) / n, float(gains[chosen].std())
    reach = factor * spread / math.sqrt(n - factor**2) if factor**2 < n else math.inf
    correction = out_of_bag_correction(sample, sample.standardised(), rng) if tuned == sample.best else 0.0
    # The sign of the bound is that of the test; only rounding could part them.
    low = mean - reach if scores[chosen] > factor else min(mean - reach, 0.0)
    return Gain(mean, mean - correction, low, p_value)


def independent_gain(
    values: Floats,
    errors: Floats,
    default: int,
    tuned: int,
    level: float,
    rng: np.random.Generator,
    freedom: float = math.inf,
) -> Gain:
    """The gain in value, for values with independent normal noise.

    Arguments:
        values: of k >= 2 trials, lower is better, shape (k,).
        errors: their standard errors, shape (k,).
        default, tuned: places, not the same.
        level: of the lower bound.
        rng: of the draws.
        freedom: degrees of freedom of the errors, where one spread was estimated for all.
    """
    rivals = [place for place in range(len(values)) if place != default]
    gains, scales = values[default] - values[rivals], np.hypot(errors[default], errors[rivals])
    # Where no difference has any noise, the least one is beyond doubt.
    scores = np.where(gains == 0.0, 0.0, np.copysign(math.inf, gains))
    np.divide(gains, scales, out=scores, where=scales > 0.0)
    chosen = rivals.index(tuned)
    kept = _not_surely_worse(scores, chosen, level, freedom) & (scales > 0.0)
    weights, shared = errors[rivals][kept] / scales[kept], errors[default] / scales[kept]
    tops = []
    for size in chunks(DRAWS, len(values)):
        noise = shared * rng.standard_normal((size, 1)) + weights * rng.standard_normal((size, int(kept.sum())))
        if math.isfinite(freedom):
            noise = noise / rng.choice(chi_quantiles(freedom, DRAWS), size=(size, 1))
        tops.append(noise.max(axis=1, initial=-math.inf))
    factor, p_value = _judge(np.concatenate(tops), float(scores[chosen]), level)
    gain, scale = float(gains[chosen]), float(scales[chosen])
    low = gain - factor * scale if scale > 0.0 else gain
    best = int(surest(values, errors, level))
    correction = 0.0
    if tuned == best:
        correction = coupled_correction(values, errors, lambda means, scale: surest(means, scale, level), rng)
    return Gain(gain, gain - correction, low, p_value)


def _not_surely_worse(scores: Floats, chosen: int, level: float, freedom: float = math.inf) -> NDArray[np.bool_]:
    """Which trials stay in the maximum: all that a part of the error does not exclude, and the chosen one."""
    bound = comparison_bound(len(scores) + 1, 1.0 - _DROPPING * (1.0 - level), freedom)
    kept: NDArray[np.bool_] = scores > -bound
    kept[chosen] = True
    return kept


def _judge(largest: Floats, score: float, level: float) -> tuple[float, float]:
    """What a score must exceed at the level, and its p-value, from draws of the largest where no gain is real."""
    error = 1.0 - level
    spent = _DROPPING * error
    # A Monte Carlo p-value counts the data among the draws; the factor is where it crosses what is left of the error.
    allowed = max(math.floor((error - spent) * (len(largest) + 1)) - 1, 0)
    # Scores of 0/1 losses tie with draws, which are in single precision.
    factor = (1.0 + _ROUNDING) * max(float(np.sort(largest)[::-1][allowed]), 0.0)
    as_large = float((largest * (1.0 + _ROUNDING) >= score).sum())
    return factor, min(1.0, spent + (1.0 + as_large) / (len(largest) + 1))


def _gain(evidence: Evidence, default: int, tuned: int, level: float, key: Key) -> Gain | None:
    """The gain by the kind of evidence; None where it tells nothing of noise."""
    rng = key.child("default or tuned").generator()
    if isinstance(evidence, PairedLosses):
        return paired_gain(evidence.sample, default, tuned, level, rng)
    if isinstance(evidence, StandardErrors):
        return independent_gain(evidence.candidates.minimized, evidence.errors, default, tuned, level, rng)
    if isinstance(evidence, Replicates) and evidence.spread > 0.0:
        errors = evidence.spread / np.sqrt(evidence.counts)
        return independent_gain(evidence.means, errors, default, tuned, level, rng, evidence.freedom)
    return None


def _in_space(candidates: Candidates, place: int) -> bool:
    """Whether one of the candidates lies in the space."""
    from trimtab.surrogates.evidence import encode_valid

    params = candidates.history.trial(int(candidates.numbers[place])).params
    return bool(encode_valid(candidates.history.space, [params or {}])[1][0])


def _incomparable(tuned: int, default: int, base: int | None) -> str:
    """Why there is nothing to compare."""
    if base is None:
        return f"The default (trial {default}) has no usable result, so trial {tuned} stands without a comparison."
    return f"The selected trial is the default configuration (trial {default}) itself."


def _silent(default: int) -> str:
    """Why nothing can be concluded."""
    return (
        f"No evidence that tuning helped, so keep the default (trial {default}): nothing was told of the noise of the "
        "values, so the best of them may be the luckiest."
    )


def _check_level(level: float) -> None:
    """Refuse a level outside (0, 1)."""
    if not 0.0 < level < 1.0:
        raise InvalidArgument(
            message("level must lie between 0 and 1", got=level, allowed="0 < level < 1", do="use 0.9 for 90%")
        )


def _unit(evidence: Evidence) -> str:
    """What a gain is measured in."""
    if isinstance(evidence, PairedLosses):
        return "mean loss"
    objective = evidence.candidates.objective
    return f"{objective.name!r}" if objective.sign > 0 else f"negative of {objective.name!r}"


def _place(candidates: Candidates, number: int) -> int | None:
    """Where a trial stands among the candidates, or the replicate of its configuration; None where nowhere."""
    found = np.flatnonzero(candidates.numbers == number)
    if found.size:
        return int(found[0])
    params = candidates.history.trial(number).params
    same = (place for place, other in enumerate(candidates.history.params(candidates.numbers)) if other == params)
    return next(same, None)
