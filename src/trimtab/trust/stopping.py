"""When to stop: what further trials can be expected to gain, against what they only seem to gain.

Two rules that answer different questions. Neither looks at the clock.

`outlook`: is the progress real? With t trials in random order, the best of a random subset of s of them was observed
at o(s) on average, which is a weighted sum of the sorted values: the r-th best (from 0) is the best of the subset with
probability w_0 = s / t, w_(r+1) = w_r (t - s - r) / (t - 1 - r). What it is truly worth, h(s), is estimated by choosing
on one part of the noise and looking at the other: out-of-bag examples for losses (as `trimtab.trust.out_of_bag`),
the coupled bootstrap for standard errors and replicates (as `trimtab.trust.coupled`). Where trials are exchangeable
and a better observed value means a better true one on average, h is a falling convex function of s. So m further
trials gain in expectation at most what the last m of t gained,

    gain = h(t - m) - h(t),      m = t // 2,

and the rest of the apparent progress o(t - m) - o(t) is growing optimism. The rule says stop where the gain is at
most the tolerance, what m trials must bring to be worth their cost. It is an estimate without a proven error, and one
that is asked again and again is low at some time by chance: ask it seldom, such as whenever trials have doubled.
Growing optimism alone is no reason to stop: for normal truths and noise its part of the progress is that of
the noise in the variance of the values, at any time. Stopping there was tried and lost much.

Measured on random searches with normal noise of 1 and a tolerance of 0.1, asked after 25, 50, 100 and 200 trials: the
t // 2 trials that were not run would have gained 0.00, -0.00, 0.07 and 0.12 where truths spread by 0, 0.25, 0.5 and 1,
but 0.44 where they spread by 2. A search that still makes leaps is stopped too early
(`dev/studies/overtuning.py --simulate`).

`patience`: is there still something to find? A new best, better than the last by more than the tolerance, begins a run;
the r-th run (from 1) ends the search when it has been

    L_r = log(alpha_r) / log(1 - q) trials long,      alpha_r = 6 alpha / (pi^2 r^2).

The error is stated, and holds at any time, however often one looks: with probability 1 - alpha at least, the search is
never ended while a further trial would be observed better, by more than the tolerance, with probability q or more.
(If it would, L_r misses in a row have probability (1 - q)^L_r = alpha_r, and the alpha_r add up to alpha.) It
is the simplest test by betting, with the highest stake that a rate of q allows, begun again with each new best. It
asks for independent trials from one distribution, as random search draws them. A tuner that learns does better or
worse than its past; there the number is a rule of thumb. What it counts are observed values, lucky ones included.

Expected gain against estimation error as a criterion is in Makarova, Shen, Perrone, Klein, Faddoul, Krause, Seeger and
Archambeau (2022), Automatic Termination for Hyperparameter Optimization, AutoML, arXiv 2104.08166 (recalled). It bounds
the remaining regret by a Gaussian process; the two rules here need no model. They are derived here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimtab.base.errors import InvalidArgument, message
from trimtab.base.history import History
from trimtab.base.outcomes import TrialState
from trimtab.base.seeds import Key
from trimtab.trust.candidates import Evidence
from trimtab.trust.losses import PairedLosses
from trimtab.trust.observed import objective_index
from trimtab.trust.replicates import Replicates
from trimtab.trust.resampling import chunks, resampled_counts
from trimtab.trust.sample import PairedSample
from trimtab.trust.standard_errors import StandardErrors

__all__ = [
    "LEAST_TRIALS",
    "Outlook",
    "Patience",
    "StopWhenIdle",
    "outlook",
    "patience",
    "run_length",
    "subset_weights",
]

Floats = NDArray[np.float64]

DRAWS = 500
LEAST_TRIALS = 10
"""Fewer trials say too little of a search."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What further trials promise, lower values being better.

    Arguments:
        trials: t, how many there are.
        ahead: m, how many further ones are meant.
        gain: what these gain in true value in expectation, at most, as estimated; may come out below 0.
        apparent: by how much the best observed value fell over the last m trials, on average over their order.
        optimism: by how much the best observed value is too good.
        tolerance: a gain that is not worth m trials.
    """

    trials: int
    ahead: int
    gain: float
    apparent: float
    optimism: float
    tolerance: float

    @property
    def growth(self) -> float:
        """The part of the apparent progress that is growing optimism."""
        return self.apparent - self.gain

    @property
    def stop(self) -> bool:
        """Whether further trials are not worth it."""
        return self.gain <= self.tolerance

    def __str__(self) -> str:
        """The advice in plain words."""
        advice = "Stop" if self.stop else "Go on"
        return (
            f"{advice}: {self.ahead} further trials would gain about {max(self.gain, 0.0):.3g} at most (the tolerance "
            f"is {self.tolerance:g}); the best observed value would fall by {max(self.apparent, 0.0):.3g}, and is too "
            f"good by {self.optimism:.3g} now."
        )


@dataclass(frozen=True, slots=True)
class Patience:
    """How long nothing better was found, and how long is long enough.

    Arguments:
        run: trials since the last new best.
        needed: how long this run has to be to end the search.
        bests: how many runs there were, this one included.
        share: q, the chance of an improvement that is worth going on for.
        level: 1 - alpha.
        tolerance: improvements up to this do not count.
    """

    run: int
    needed: int
    bests: int
    share: float
    level: float
    tolerance: float

    @property
    def stop(self) -> bool:
        """Whether the search is exhausted."""
        return self.run >= self.needed

    def __str__(self) -> str:
        """The advice in plain words."""
        better = f"better by more than {self.tolerance:g}" if self.tolerance else "better"
        if not self.stop:
            return f"Go on: {self.run} trials in a row found nothing {better}, and {self.needed} are asked for."
        return (
            f"Stop: {self.run} trials in a row found nothing {better}. If trials are drawn independently, a further "
            f"one is observed {better} with probability below {self.share:g} (level {self.level:g}, at any time)."
        )


def outlook(evidence: Evidence, key: Key, tolerance: float) -> Outlook | None:
    """Whether further trials would gain enough.

    Arguments:
        evidence: what the trials told, as a reader of `trimtab.trust.candidates` returns it.
        key: of the draws.
        tolerance: a gain that is not worth half as many trials again, >= 0, in units of the mean loss for losses,
            of the value otherwise.

    Returns:
        The outlook; None where there are fewer than `LEAST_TRIALS` trials or nothing was told of noise.

    Raises:
        InvalidArgument: a tolerance that is negative or not finite.
    """
    _check_tolerance(tolerance)
    rng = key.child("outlook").generator()
    if len(evidence.candidates) < LEAST_TRIALS:
        return None
    if isinstance(evidence, PairedLosses):
        values, honest = evidence.sample.means, _out_of_bag(evidence.sample, rng)
    elif isinstance(evidence, StandardErrors):
        values = evidence.candidates.minimized
        honest = _coupled(values, evidence.errors, rng)
    elif isinstance(evidence, Replicates) and evidence.spread > 0.0:
        values = evidence.means
        honest = _coupled(values, evidence.spread / np.sqrt(evidence.counts), rng)
    else:
        return None
    observed = subset_weights(len(values)) @ np.sort(values)
    return Outlook(
        trials=len(values),
        ahead=len(values) // 2,
        gain=float(honest[0] - honest[1]),
        apparent=float(observed[0] - observed[1]),
        optimism=float(honest[1] - observed[1]),
        tolerance=tolerance,
    )


def patience(values: ArrayLike, *, share: float = 0.05, level: float = 0.95, tolerance: float = 0.0) -> Patience:
    """Whether so many trials in a row found nothing better that the search is exhausted.

    Arguments:
        values: in order of the trials, lower is better, shape (t,), t >= 1; one that is not finite counts as worse.
        share: q, 0 < q < 1: go on while a trial has this chance of an improvement.
        level: 1 - alpha, 0 < level < 1.
        tolerance: improvements up to this do not count, >= 0.

    Raises:
        InvalidArgument: an argument out of its range.

    >>> print(patience([0.5, 0.3, 0.4, 0.35]))
    Go on: 2 trials in a row found nothing better, and 96 are asked for.
    """
    told = np.asarray(values, dtype=np.float64)
    _check_tolerance(tolerance)
    if told.ndim != 1 or not told.size:
        raise InvalidArgument(
            message("patience needs the values of trials", got=told.shape, allowed="shape (t,), t >= 1")
        )
    for name, number in (("share", share), ("level", level)):
        if not 0.0 < number < 1.0:
            raise InvalidArgument(message(f"{name} must lie between 0 and 1", got=number, allowed=f"0 < {name} < 1"))
    told = np.where(np.isfinite(told), told, math.inf)
    best, bests, run = float(told[0]), 1, 0
    for value in told[1:]:
        improved = value < best - tolerance
        best, bests, run = (float(value), bests + 1, 0) if improved else (best, bests, run + 1)
    return Patience(run, run_length(bests, share, level), bests, share, level, tolerance)


class Search(Protocol):
    """What `StopWhenIdle` asks of a study."""

    @property
    def history(self) -> History[Any]:
        """Everything so far."""
        ...

    def stop(self, why: str) -> None:
        """Start nothing more."""
        ...


@final
@dataclass(frozen=True, slots=True)
class StopWhenIdle:
    """A callback of `study.optimize` that ends the search by `patience`; `study.ended` then says why.

    Trials without a usable value count as ones that found nothing better.

    Arguments:
        share: go on while a trial has this chance of an improvement.
        level: 1 - alpha.
        tolerance: improvements up to this do not count, >= 0.
        objective: name or index; may be left out where there is only one.

    Raises:
        InvalidArgument: an argument out of its range, at once.
    """

    share: float = 0.05
    level: float = 0.95
    tolerance: float = 0.0
    objective: str | int | None = None

    def __post_init__(self) -> None:
        self._judge([0.0])

    def __call__(self, study: Search, trial: object = None) -> None:
        """Look at the study after a trial."""
        history = study.history
        index = objective_index(history, self.objective)
        ended = history.numbers(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
        values = np.where(
            (history.states[ended] == TrialState.COMPLETE) & np.isfinite(history.values[ended, index]),
            history.values[ended, index] * history.objectives[index].sign,
            math.inf,
        )
        if values.size and np.isfinite(values).any() and (found := self._judge(values)).stop:
            study.stop(str(found))

    def _judge(self, values: ArrayLike) -> Patience:
        """The rule."""
        return patience(values, share=self.share, level=self.level, tolerance=self.tolerance)


def run_length(best: int, share: float, level: float) -> int:
    """L_r: how many trials without an improvement end the run of the r-th best, r >= 1."""
    allowed = 6.0 * (1.0 - level) / (math.pi * best) ** 2
    return math.ceil(math.log(allowed) / math.log1p(-share))


def subset_weights(count: int) -> Floats:
    """Probabilities that the r-th best of t trials is the best of a random subset, for t - t // 2 and t of them.

    Returns:
        Shape (2, t); the second row is 1, 0, 0, ...
    """
    size = count - count // 2
    ranks = np.arange(count - 1)
    ratios = np.maximum(count - size - ranks, 0) / (count - 1 - ranks)
    half = size / count * np.concatenate([[1.0], np.cumprod(ratios)])
    return np.stack([half, np.eye(1, count)[0]])


def _out_of_bag(sample: PairedSample, rng: np.random.Generator) -> Floats:
    """Honest means for both subset sizes, from resamples of the examples: ranks in the bag, mean losses outside it."""
    losses = np.stack(sample.losses)
    weights, sums = subset_weights(len(losses)), []
    for size in chunks(DRAWS, max(losses.shape)):
        counts = resampled_counts(rng, size, sample.size)
        outside = 1.0 * (counts == 0.0)
        # A resample without anything outside, possible for few examples, has nothing to say.
        outside = outside[outside.any(axis=1)]
        counts = counts[(counts == 0.0).any(axis=1)]
        order = np.argsort(counts @ losses.T, axis=1, kind="stable")
        means = outside @ losses.T / outside.sum(axis=1, keepdims=True)
        sums.append(np.take_along_axis(means, order, axis=1) @ weights.T)
    return np.asarray(np.concatenate(sums).mean(axis=0), dtype=np.float64)


def _coupled(values: Floats, errors: Floats, rng: np.random.Generator) -> Floats:
    """Honest means for both subset sizes, from normal noise that is added for the ranks and taken away for the look."""
    weights, sums = subset_weights(len(values)), []
    for size in chunks(DRAWS, len(values)):
        noise = errors * rng.standard_normal((size, len(values)))
        order = np.argsort(values + noise, axis=1, kind="stable")
        sums.append(np.take_along_axis(values - noise, order, axis=1) @ weights.T)
    return np.asarray(np.concatenate(sums).mean(axis=0), dtype=np.float64)


def _check_tolerance(tolerance: float) -> None:
    """Refuse a tolerance that cannot be."""
    if not (math.isfinite(tolerance) and tolerance >= 0.0):
        raise InvalidArgument(message("tolerance must be a finite number", got=tolerance, allowed="tolerance >= 0"))
