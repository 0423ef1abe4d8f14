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

That is `default_or_tuned`, whose error is bounded. On little data its price is high: over 200 studies of 60 to 100
examples it gave up half of the gain at level 0.8 under cross-validation, and four fifths with a third held out. There
`smoothed_or_default` is the practical setting, which gained more than the best observed trial in both. It lets
neighbours vote: values are smoothed over the space by a Gaussian process of fixed length, 0.2 of the range of each
parameter (root mean square over parameters), with twice the noise that the evidence tells of (median over
trials), since another training set would add its own. The trial of least smoothed value is taken, if it was also
observed to be better than the default, and if its smoothed gain exceeds z(level) standard errors of the plain
difference. A lone lucky trial is voted down, so no correction for many trials is made. No theorem bounds its error;
length, noise and level were set on other seeds than those that it was measured on (`dev/studies/overtuning.py`).
It is for random and other space-filling searches of few parameters. A tuner that learns crowds its trials where it
was lucky, and such neighbours vote alike: with trials of TPE, 11 of 80 choices of it were overtuned, and 8 of
the best observed trials, where the test at level 0.5 left 1.

A level is a price: a high one keeps the default where a gain is real but small. Both cover the choice among
the trials told on these examples, not another training set or seed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument, message
from trimtab.base.records import Params
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.trust.candidates import Candidates, Evidence
from trimtab.trust.coupled import coupled_correction
from trimtab.trust.losses import PairedLosses
from trimtab.trust.out_of_bag import out_of_bag_correction
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
)

DRAWS = 4_000
_DROPPING = 0.1
"""Part of the error that is spent on dropping trials that are surely worse than the default."""
_ROUNDING = 1e-5

_LENGTH = 0.2
_NOISE = 2.0
_MOST = 2_000
"""Trials that are smoothed over: the cost is cubic."""


@dataclass(frozen=True, slots=True)
class Gain:
    """By how much a selected trial beats the default, lower values being better.

    Arguments:
        observed: the plain difference, default - selected.
        estimate: corrected for the selection, or smoothed over the space.
        low: what the gain exceeds at the level; -inf where there is no bound.
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
            return (
                f"Tuning helped: {pair} lowers the {self.unit} by {self.gain.estimate:.3g}, by "
                f"{self.gain.low:.3g} at least ({self._scope()})."
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
                f"level {self.level:g} for smoothed values, measured and not proved: estimate {self.gain.estimate:.3g}"
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


def smoothed_or_default(evidence: Evidence, default: int, level: float = 0.8) -> DefaultOrTuned:
    """The trial that its neighbours vote for, or the default: the practical guard, which selects by itself.

    Arguments:
        evidence: what the trials told; its history has a declared space.
        default: number of the trial that ran the default configuration.
        level: how sure the gain has to be, 0 < level < 1, as if one trial had been compared; no proof.

    Raises:
        InvalidArgument: a level that cannot be, or a default without a usable result in the space.
    """
    _check_level(level)
    unit, rivals = _unit(evidence), len(evidence.candidates) - 1
    base = _place(evidence.candidates, default)
    places = None if base is None else _within_space(evidence.candidates, base)
    if base is None or places is None:
        raise InvalidArgument(
            message("the default cannot be compared", got=default, allowed="a complete, feasible trial in the space")
        )
    told = _noisy(evidence, base)
    if told is None:
        return DefaultOrTuned(default, default, default, level, rivals, None, unit, True, _silent(default))
    values, errors = told
    means = _smoothed(evidence.candidates, places, values[places], float(np.median(errors[places] ** 2)))
    place = int(places[np.argmin(means)])
    tuned = int(evidence.candidates.numbers[place])
    if place == base:
        return DefaultOrTuned(
            tuned, default, default, level, rivals, None, unit, True, _incomparable(tuned, tuned, base)
        )
    observed = float(values[base] - values[place])
    estimate, error = float(means[places == base][0] - means.min()), float(errors[place])
    low = estimate - normal_quantile(1.0 - level) * error
    p_value = normal_tail(estimate / error) if error > 0.0 else 0.0
    recommended = tuned if observed > 0.0 and low > 0.0 else default
    return DefaultOrTuned(
        tuned, default, recommended, level, rivals, Gain(observed, estimate, low, p_value), unit, smoothed=True
    )


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
    scores = np.where(scales > 0.0, gains / np.where(scales > 0.0, scales, 1.0), np.sign(gains) * math.inf)
    scores = np.where(gains == 0.0, 0.0, scores)
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


def _noisy(evidence: Evidence, default: int) -> tuple[Floats, Floats] | None:
    """Values, lower is better, and standard errors of their differences to the default; None without any noise."""
    if isinstance(evidence, PairedLosses):
        base, n = evidence.sample.losses[default], evidence.sample.size
        return evidence.sample.means, np.array(
            [float((base - row).std()) for row in evidence.sample.losses]
        ) / math.sqrt(n)
    if isinstance(evidence, StandardErrors):
        return evidence.candidates.minimized, np.hypot(evidence.errors, evidence.errors[default])
    if isinstance(evidence, Replicates) and evidence.spread > 0.0:
        return evidence.means, evidence.spread * np.sqrt(1.0 / evidence.counts + 1.0 / evidence.counts[default])
    return None


def _within_space(candidates: Candidates, default: int) -> NDArray[np.intp] | None:
    """Places of the trials that lie in the space, the latest and the default; None where the default does not."""
    from trimtab.surrogates.evidence import encode_valid

    _, valid = encode_valid(candidates.history.space, _params(candidates, range(len(candidates))))
    places = np.flatnonzero(valid)
    return np.union1d(places[-_MOST:], [default]) if valid[default] else None


def _smoothed(candidates: Candidates, places: NDArray[np.intp], values: Floats, noise: float) -> Floats:
    """Posterior means of a Gaussian process of fixed length and noise at its own points."""
    from trimtab.surrogates.gp import Embedding

    space = candidates.history.space
    raw = space.encode_many(_params(candidates, places))
    features = Embedding(space.columns).features(space.to_unit(raw))
    squares = (features**2).sum(axis=1)
    apart = np.maximum(squares[:, None] + squares - 2.0 * features @ features.T, 0.0) / len(space.columns)
    middle, spread = float(values.mean()), float(values.var())
    if spread == 0.0:
        return np.asarray(values)
    kernel = spread * np.exp(-apart / (2.0 * _LENGTH**2))
    # A noise of zero would leave trials of equal params a singular matrix.
    noisy = kernel + max(_NOISE * noise, 1e-6 * spread) * np.eye(len(places))
    return np.asarray(middle + kernel @ np.linalg.solve(noisy, values - middle))


def _params(candidates: Candidates, places: Iterable[int]) -> list[Params]:
    """Configurations of some candidates."""
    numbers = candidates.numbers[np.fromiter(places, dtype=np.intp)]
    return [params or {} for params in candidates.history.params(numbers)]


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
